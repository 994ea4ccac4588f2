import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readCargoTest } from '../../support/checks.js'
import { supervise } from '../../support/supervised.js'
import { readSummary } from '../../support/test-files.js'
import { isGone } from '../../support/wait.js'

const test = suite('test runner')

const summary = (total: number, passed: number, skipped = 0) =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n`

const counts = (output: string, failure?: string) => {
  const { passed, failed } = readSummary(output, failure)
  return { passed, failed }
}

test('reads the counts of a test file', () => {
  assert.equal(counts(summary(3, 3)), { passed: 3, failed: 0 })
  assert.equal(counts(summary(4, 2, 1), 'exit code 1'), { passed: 2, failed: 1 })
  assert.equal(counts(`  Total: 9\n${summary(3, 3)}`), { passed: 3, failed: 0 })
})

test('counts a file that died, hung or forgot its summary as failed', () => {
  assert.equal(counts('some output', 'killed by SIGSEGV'), { passed: 0, failed: 1 })
  assert.equal(counts('some output'), { passed: 0, failed: 1 })
  assert.equal(counts(summary(3, 3), 'exit code 3'), { passed: 3, failed: 1 })
  assert.match(readSummary('some output', 'killed by SIGSEGV').output, 'killed by SIGSEGV')
})

test('counts an empty file as failed unless it says what it left out', () => {
  assert.equal(counts(summary(0, 0)), { passed: 0, failed: 1 })
  const said = readSummary(
    `SKIPPED redis-cli tour: redis-cli is missing\n${summary(0, 0)}`,
    undefined,
  )
  assert.is(said.failed, 0)
  assert.equal(said.skips, ['redis-cli tour: redis-cli is missing'])
})

test('adds up what cargo test reports', () => {
  const line = (passed: number, failed: number) =>
    `test result: ok. ${passed} passed; ${failed} failed; 0 ignored; 0 measured\n`
  const read = (output: string, failure?: string) =>
    readCargoTest({ output, failure, durationMs: 0 })
  assert.equal(read(line(3, 0) + line(4, 0)), { passed: 7, failed: 0 })
  assert.equal(read(line(3, 2), 'exit code 101'), { passed: 3, failed: 2 })
  assert.equal(read(line(3, 0), 'exit code 101'), { passed: 3, failed: 1 })
  assert.equal(read('error: could not compile', 'exit code 101'), { passed: 0, failed: 1 })
  assert.equal(read(''), { passed: 0, failed: 1 })
})

const node = (script: string, limitMs = 10_000) =>
  supervise(process.execPath, ['-e', script], { limitMs, cwd: '.' })

test('tells how a program ended', async () => {
  assert.is((await node('')).failure, undefined)
  assert.is((await node('process.exit(3)')).failure, 'exit code 3')
  assert.is((await node('process.kill(process.pid, "SIGABRT")')).failure, 'killed by SIGABRT')
  assert.is((await node('console.log("a"); console.error("b")')).output, 'a\nb\n')
  const missing = await supervise('./no-such-program', [], { limitMs: 1000, cwd: '.' })
  assert.match(missing.failure ?? '', 'ENOENT')
})

test('kills a program that hangs', async () => {
  const { failure } = await node('setInterval(() => {}, 1000)', 300)
  assert.is(failure, 'still running after 0.3 s')
})

test('kills what a program leaves behind', async () => {
  const orphan = 'setInterval(() => {}, 1000)'
  const script = `
    const { spawn } = require('node:child_process')
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(orphan)}], { stdio: 'inherit' })
    console.log(child.pid)
    process.exit(0)`
  const { output, failure } = await node(script)
  assert.is(failure, undefined)
  await isGone(Number(output))
})

test.run()
