/** The benchmarks still run: each is started with `--smoke`, which makes it short. */

import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { embeddedOnly } from '../support/cluster.js'
import { reportSkip } from '../support/outcome.js'
import { repositoryRoot } from '../support/repository.js'

const onEmbedded = embeddedOnly(test, 'the benchmark counts flushes of the embedded store')
const HANG_LIMIT_MS = 60_000

async function smoke(script: string): Promise<string> {
  const path = join(repositoryRoot, 'dist/bench', script)
  const { stdout } = await promisify(execFile)(process.execPath, [path, '--smoke'], {
    cwd: repositoryRoot,
    timeout: HANG_LIMIT_MS,
  })
  return stdout
}

test('the store benchmark prints a row for each task', async () => {
  const table = await smoke('micro/store.js')
  assert.match(table, /point read/)
  assert.match(table, /range of 100/)
  assert.match(table, /durable commits/)
  assert.match(table, /beside a writer/)
})

test('the start benchmark times a first and a second start', async () => {
  assert.match(await smoke('load/start.js'), /first start: \d+ ms\nsecond start: median \d+ ms/)
})

test('the take-over benchmark times a killed owner', async () => {
  assert.match(await smoke('load/takeover.js'), /take-over: median \d+ ms/)
})

onEmbedded('the ZMap benchmark compares rates', async () => {
  if (spawnSync('redis-benchmark', ['--version']).error !== undefined) {
    reportSkip('the ZMap benchmark', 'redis-benchmark is not installed')
    return
  }
  assert.match(await smoke('load/zmap.js'), /ZGET is [\d.]+ of GET[\s\S]*one-off ZSETs/)
})

test('the Redis benchmark compares rates and memory with redis-server', async () => {
  for (const program of ['redis-benchmark', 'redis-server']) {
    if (spawnSync(program, ['--version']).error === undefined) continue
    reportSkip('the Redis benchmark', `${program} is not installed`)
    return
  }
  assert.match(await smoke('load/redis.js'), /SET at pipeline 1: [\d.]+ of redis-server/)
})

test('the recovery benchmark times a restart', async () => {
  assert.match(await smoke('load/recovery.js'), /10,000 strings: ready after [\d.]+ s, all served/)
})

test('the benchmark of documents compares each scenario with its goal', async () => {
  if (spawnSync('redis-benchmark', ['--version']).error !== undefined) {
    reportSkip('the benchmark of documents', 'redis-benchmark is not installed')
    return
  }
  const rows = await smoke('load/documents.js')
  assert.match(rows, /category: [\d,]+ requests\/s \(goal 8,000\)/)
  assert.match(rows, /mixed: [\d,]+ requests\/s \(goal 3,000\), conflicts 0\.00 %/)
})

test('the benchmark of stalls times PINGs beside each request', async () => {
  const rows = await smoke('load/document-stalls.js')
  assert.match(rows, /a delete of many: longest PING [\d.]+ ms/)
})

test('the benchmark of namespaces prints rate and memory of each tenth', async () => {
  const lines = (await smoke('load/namespaces.js')).trimEnd().split('\n')
  assert.is(lines.length, 10)
  const last = /^up to 2,000: [\d,]+ namespaces\/s, \d+ MiB of its own, \d+ MiB mapped$/
  assert.match(lines[9]!, last)
})

test('the benchmark of big hashes times PINGs beside each command', async () => {
  const rows = (await smoke('load/big-hashes.js')).trimEnd().split('\n')
  assert.is(rows.length, 10)
  for (const row of rows) assert.match(row, /in the volume after [\d.]+ s; longest PING [\d.]+ ms/)
})

test('the fairness benchmark times PINGs beside a pipeline', async () => {
  assert.match(await smoke('load/fairness.js'), /per s\nPING beside it: median [\d.]+ ms/)
})

test('the benchmark of large values times PINGs beside commands, on both transports', async () => {
  const lines = await smoke('load/big-values.js')
  for (const transport of ['native', 'node']) {
    if (transport === 'native' && process.platform !== 'linux') continue
    assert.match(
      lines,
      new RegExp(`^${transport} 1 MiB SET: \\d+ ms, longest PING [\\d.]+ ms`, 'm'),
    )
    assert.match(lines, new RegExp(`^${transport} 1 MiB load: `, 'm'))
  }
})

test.run()
