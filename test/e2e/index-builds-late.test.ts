/** The tests of builds of indexes over a store that gives every answer late. */
import { runLate } from '../support/run-late.js'

await runLate(new URL('./index-builds.test.js', import.meta.url))
