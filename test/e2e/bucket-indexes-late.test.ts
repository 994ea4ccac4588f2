/** The tests of BUCKET.INDEX over a store that gives every answer late. */
import { runLate } from '../support/run-late.js'

await runLate(new URL('./bucket-indexes.test.js', import.meta.url))
