/**
 * The steps of a test run that are tools: formatter and linter of both languages count as one
 * test each, `cargo test` as many as it reports.
 */
import type { Outcome } from './outcome.js'
import { type Ended, supervise } from './supervised.js'

/** A tool to run. `name` is what a filter on the command line is matched with. */
export interface Check {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  readonly read: (ended: Ended) => Pick<Outcome, 'passed' | 'failed'>
}

/** A cold build is part of some checks. */
const LIMIT_MS = 1_500_000

export const CHECKS: readonly Check[] = [
  {
    name: 'biome check',
    program: 'node_modules/.bin/biome',
    args: ['check', '--error-on-warnings', '.'],
    read: asOneTest,
  },
  { name: 'cargo fmt', program: 'cargo', args: ['fmt', '--all', '--check'], read: asOneTest },
  {
    name: 'cargo clippy',
    program: 'cargo',
    args: ['clippy', '--quiet', '--locked', '--workspace', '--all-targets', '--', '-D', 'warnings'],
    read: asOneTest,
  },
  {
    name: 'cargo test',
    program: 'cargo',
    args: ['test', '--quiet', '--locked', '--workspace', '--no-fail-fast'],
    read: readCargoTest,
  },
]

export async function runCheck(root: string, check: Check): Promise<Outcome> {
  const ended = await supervise(check.program, check.args, { cwd: root, limitMs: LIMIT_MS })
  const output = `${ended.output}\n${ended.failure ?? ''}`
  const { durationMs } = ended
  return { name: check.name, ...check.read(ended), skips: [], durationMs, output }
}

function asOneTest({ failure }: Ended): { passed: number; failed: number } {
  return failure === undefined ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** Adds up the result lines of all test binaries. A run that failed without a failed test (it did
 *  not compile, a binary died) counts as one failure, as does one in which nothing ran. */
export function readCargoTest({ output, failure }: Ended): { passed: number; failed: number } {
  let passed = 0
  let failed = 0
  for (const match of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)) {
    passed += Number(match[1])
    failed += Number(match[2])
  }
  const silent = failed === 0 && (failure !== undefined || passed === 0)
  return { passed, failed: silent ? 1 : failed }
}
