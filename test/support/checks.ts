/**
 * The steps of a test run that are tools: formatter and linter of both languages count as one
 * test each, `cargo test` as many as it reports.
 */
import { isLong } from './budget.js'
import type { Outcome } from './outcome.js'
import { type Ended, supervise } from './supervised.js'

/** A tool to run.
 *  name      what a filter on the command line is matched with
 *  prepare   arguments for a first run that only builds
 *  env       added to the environment */
export interface Check {
  readonly name: string
  readonly program: string
  readonly prepare?: readonly string[]
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly read: (ended: Ended) => Pick<Outcome, 'passed' | 'failed'>
}

/** A cold build of all crates takes a few minutes on a slow machine. */
const BUILD_LIMIT_MS = 1_200_000
const RUN_LIMIT_MS = 300_000
const LONG_RUN_LIMIT_MS = 3_600_000

const CARGO_TEST = ['test', '--locked', '--workspace']

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
    prepare: [...CARGO_TEST, '--quiet', '--no-run'],
    args: [...CARGO_TEST, '--no-fail-fast'],
    read: readCargoTest,
  },
  {
    // Once more through the owner of a shared store; built by the step before.
    name: 'cargo test of a follower',
    program: 'cargo',
    args: [...CARGO_TEST, '--test', 'transactions', '--test', 'concurrency'],
    env: { KRONOTOP_TEST_FOLLOWER: '1' },
    read: readCargoTest,
  },
]

export async function runCheck(root: string, check: Check): Promise<Outcome> {
  const ended = await runPrepared(root, check)
  const output = `${withoutPasses(ended.output)}\n${ended.failure ?? ''}`
  const { durationMs } = ended
  return { name: check.name, ...check.read(ended), skips: [], durationMs, output }
}

/** Builds apart from running, so that a test that hangs is not given the time of a build. */
async function runPrepared(root: string, check: Check): Promise<Ended> {
  const { program, prepare, args, env = {} } = check
  const build = { cwd: root, limitMs: BUILD_LIMIT_MS, env }
  if (prepare === undefined) return supervise(program, args, build)
  const built = await supervise(program, prepare, build)
  if (built.failure !== undefined) return built
  const limitMs = isLong() ? LONG_RUN_LIMIT_MS : RUN_LIMIT_MS
  const ran = await supervise(program, args, { cwd: root, limitMs, env })
  return { ...ran, durationMs: built.durationMs + ran.durationMs }
}

/** Leaves out the line of each Rust test that passed. */
function withoutPasses(output: string): string {
  const lines = output.split('\n')
  return lines.filter(line => !/^test .* \.\.\. ok$/.test(line)).join('\n')
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
