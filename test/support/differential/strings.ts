/** Requests of the commands on strings. */
import { type Row, row } from './play.js'

/** Rows of a differential test. */
export const STRING_ROWS: readonly Row[] = [
  row('SET', draw => [draw.key(), draw.value()], { weight: 4 }),
  row('GET', draw => [draw.key()], { weight: 3 }),
]
