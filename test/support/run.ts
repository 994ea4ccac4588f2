/**
 * The test run behind `npm test`: formatters and linters, Rust tests, then every TypeScript test
 * file in a process of its own. The last line is `N passed, N failed`.
 *
 * Arguments: `--long` for the full number of rounds; other words select the steps and files whose
 * names contain one of them.
 */
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CHECKS, runCheck } from './checks.js'
import type { Outcome } from './outcome.js'
import { killAll } from './supervised.js'
import { findTestFiles, runsAlone, runTestFile } from './test-files.js'

/** The repository, seen from `dist/test/support`. */
const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

const AT_A_TIME = 2

/** @returns exit code: 0 if at least one test ran and none failed */
export async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: { long: { type: 'boolean', default: false } },
    allowPositionals: true,
  })
  if (values.long) process.env.KRONOTOP_TEST_LONG = '1'
  process.env.KRONOTOP_TEST_RUN = randomBytes(6).toString('hex')
  killChildrenOnSignals()
  const run = () => runSelected(name => isSelected(name, positionals))
  return report(await (process.env.KRONOTOP_TEST_CLUSTER_FILE ? onCluster(run) : run()))
}

/** Runs tests while the cluster is held; one that cannot be used is a failure by itself. */
async function onCluster(run: () => Promise<Outcome[]>): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  try {
    // Loads native code, which a run without a cluster leaves to the tests.
    const { holdCluster } = await import('./cluster.js')
    const release = await holdCluster()
    outcomes.push(...(await run()))
    await release()
  } catch (cause) {
    const output = String(cause)
    const failure = { name: 'the cluster', passed: 0, failed: 1, skips: [], durationMs: 0, output }
    outcomes.push(failure)
    show(failure)
  }
  return outcomes
}

async function runSelected(selected: (name: string) => boolean): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const finish = (outcome: Outcome) => {
    outcomes.push(outcome)
    show(outcome)
  }
  for (const check of CHECKS) {
    if (selected(check.name)) finish(await runCheck(ROOT, check))
  }
  const files = findTestFiles(ROOT).filter(selected)
  const alone = files.filter(runsAlone)
  const together = files.filter(file => !runsAlone(file))
  const worker = async () => {
    for (let file = together.shift(); file !== undefined; file = together.shift()) {
      finish(await runTestFile(ROOT, file))
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
  for (const file of alone) finish(await runTestFile(ROOT, file))
  return outcomes
}

function isSelected(name: string, filters: readonly string[]): boolean {
  return filters.length === 0 || filters.some(filter => name.includes(filter))
}

function show({ name, passed, failed, durationMs, output }: Outcome): void {
  const verdict = failed > 0 ? 'FAILED' : 'ok    '
  const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}`
  const seconds = `${(durationMs / 1000).toFixed(1)} s`
  if (failed > 0) console.log(output.trimEnd())
  console.log(`${verdict} ${counts.padEnd(22)} ${seconds.padStart(7)}  ${name}`)
}

function report(outcomes: readonly Outcome[]): number {
  const sum = (count: (outcome: Outcome) => number) =>
    outcomes.reduce((total, outcome) => total + count(outcome), 0)
  const passed = sum(outcome => outcome.passed)
  const failed = sum(outcome => outcome.failed)
  for (const { name, skips } of outcomes) {
    for (const skip of skips) console.log(`not tested: ${skip} (${name})`)
  }
  for (const { name } of outcomes.filter(outcome => outcome.failed > 0)) {
    console.log(`failed: ${name}`)
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0 ? 0 : 1
}

function killChildrenOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      killAll()
      process.kill(process.pid, signal)
    })
  }
}
