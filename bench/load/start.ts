/**
 * How long `npm start` takes to its last banner line, first on an empty data directory, then again.
 * Goal: the second start takes under 1 s. Run: node dist/bench/load/start.js [--smoke]
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const READY = 'Ready to accept connections'
const HANG_LIMIT_MS = 60_000

/** Starts the server, waits for its last banner line, stops it.
 *  @returns ms from spawn to that line */
async function timeStart(dataDir: string): Promise<number> {
  const startedAt = performance.now()
  const settings = [
    `data_dir=${dataDir}`,
    'network.external.port=0',
    'network.internal.port=0',
  ].flatMap(set => ['--set', set])
  const child = spawn('npm', ['start', '--silent', '--', ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: HANG_LIMIT_MS,
  })
  await bannerOf(child)
  const tookMs = performance.now() - startedAt
  // npm ends before the server does; the output closes when nobody is left to write to it.
  const ended = new Promise(resolve => child.once('close', resolve))
  child.kill('SIGTERM')
  await ended
  return tookMs
}

function bannerOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    child.once('exit', code => reject(new Error(`the server ended with ${code}: ${output}`)))
    child.stdout?.on('data', (data: Buffer) => {
      output += data.toString('utf8')
      if (output.includes(READY)) resolve()
    })
  })
}

const rounds = process.argv.includes('--smoke') ? 1 : 5
const dataDir = await mkdtemp(join(tmpdir(), 'kronotop-bench-'))
try {
  const firstMs = await timeStart(dataDir)
  console.log(`first start: ${firstMs.toFixed(0)} ms`)
  const again: number[] = []
  for (let round = 0; round < rounds; round++) again.push(await timeStart(dataDir))
  again.sort((a, b) => a - b)
  const median = again[Math.floor(again.length / 2)] ?? Number.NaN
  console.log(`second start: median ${median.toFixed(0)} ms of ${again.length} (goal: under 1000)`)
} finally {
  await rm(dataDir, { recursive: true, force: true })
}
