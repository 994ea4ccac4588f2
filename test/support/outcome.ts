/** What one step of the test run came to. A step is a test file, or a tool such as the linter. */
export interface Outcome {
  readonly name: string
  readonly passed: number
  readonly failed: number
  /** Reasons of tests that could not run here. */
  readonly skips: readonly string[]
  readonly durationMs: number
  /** Everything the step wrote; shown when it failed. */
  readonly output: string
}

/** Start of a line that says why something was not tested: `SKIPPED <what>: <why>`. */
export const SKIP_MARK = 'SKIPPED '

/** Reports that something can't be tested on this machine; the run's end repeats the reason.
 *  @param what  the behaviour left untested
 *  @param why   what is missing, and how to get it */
export function reportSkip(what: string, why: string): void {
  console.log(`${SKIP_MARK}${what}: ${why}`)
}

/** The reasons in a step's output. */
export function skipsIn(output: string): string[] {
  const lines = output.split('\n').map(line => line.trim())
  return lines.filter(line => line.startsWith(SKIP_MARK)).map(line => line.slice(SKIP_MARK.length))
}
