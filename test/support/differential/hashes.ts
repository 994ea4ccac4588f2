/** Requests of the commands on hashes. */
import { type Row, row } from './play.js'

/** Rows of a differential test. */
export const HASH_ROWS: readonly Row[] = [
  row('HSET', draw => [draw.key(), ...draw.some(1, 3, () => [draw.field(), draw.value()]).flat()], {
    weight: 4,
  }),
  row('HGET', draw => [draw.key(), draw.field()]),
]
