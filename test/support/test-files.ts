/**
 * Finds the test files and runs one of them: a process a file, its result read from the summary
 * that uvu prints. A process that dies, hangs, or ends without a summary counts as failed.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isLong } from './budget.js'
import { type Outcome, skipsIn } from './outcome.js'
import { supervise } from './supervised.js'

/** Files that need both cores for themselves: they measure time, or run several servers. */
const ALONE = ['test/cluster/', 'test/crash/', 'test/load/']

const LIMIT_MS = 180_000
const LONG_LIMIT_MS = 3_600_000

/** Paths below the root of all test sources, `test/<area>/<name>.test.ts`, sorted.
 *  The sources decide, not the compiled files: those may be left over from a deleted source. */
export function findTestFiles(root: string): string[] {
  const names = readdirSync(join(root, 'test'), { encoding: 'utf8', recursive: true })
  return names
    .filter(name => name.endsWith('.test.ts'))
    .map(name => `test/${name}`)
    .sort()
}

/** Whether the file must not run beside another one. */
export function runsAlone(file: string): boolean {
  return ALONE.some(folder => file.startsWith(folder))
}

/** Runs the compiled form of one test source. */
export async function runTestFile(root: string, file: string): Promise<Outcome> {
  const compiled = join(root, 'dist', file.replace(/\.ts$/, '.js'))
  const limitMs = isLong() ? LONG_LIMIT_MS : LIMIT_MS
  const ended = await supervise(process.execPath, [compiled], { cwd: root, limitMs })
  return { name: file, ...readSummary(ended.output, ended.failure), durationMs: ended.durationMs }
}

/** Counts of a test file from what it wrote.
 *  @param failure  how its process went wrong, if it did */
export function readSummary(
  output: string,
  failure: string | undefined,
): Pick<Outcome, 'passed' | 'failed' | 'skips' | 'output'> {
  const skips = skipsIn(output)
  const [total, passed, skipped] = ['Total', 'Passed', 'Skipped'].map(word => count(output, word))
  if (total === undefined || passed === undefined || skipped === undefined) {
    const reason = failure ?? 'ended without a summary: does the file call test.run()?'
    return { passed: 0, failed: 1, skips, output: `${output}\n${reason}` }
  }
  const failed = total - passed - skipped
  if (failed === 0 && failure !== undefined) {
    return { passed, failed: 1, skips, output: `${output}\n${failure}` }
  }
  if (total === 0 && skips.length === 0) {
    return { passed, failed: 1, skips, output: `${output}\nthe file holds no test` }
  }
  return { passed, failed, skips, output }
}

/** The last line `<word>: <n>`; tests may print such lines of their own before it. */
function count(output: string, word: string): number | undefined {
  const matches = [...output.matchAll(new RegExp(`^  ${word}:\\s+(\\d+)$`, 'gm'))]
  const digits = matches.at(-1)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
