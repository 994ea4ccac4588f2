/** Requests of the commands on keys of any type. */
import { type Row, row } from './play.js'

/** Rows of a differential test. */
export const KEY_ROWS: readonly Row[] = [
  row('DEL', draw => draw.some(1, 3, () => draw.key()), { weight: 2 }),
]
