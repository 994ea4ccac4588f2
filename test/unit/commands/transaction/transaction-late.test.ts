/** The commands of transactions over a store that gives every answer late. */
import { runLate } from '../../../support/run-late.js'

await runLate(new URL('./transaction.test.js', import.meta.url))
