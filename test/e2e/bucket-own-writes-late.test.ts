/** The tests of own writes of buckets over a store that gives every answer late. */
import { runLate } from '../support/run-late.js'

await runLate(new URL('./bucket-own-writes.test.js', import.meta.url))
