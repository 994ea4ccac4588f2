/**
 * Redis commands under redis-benchmark, against this server and against redis-server in turn: 50
 * connections, 100,000 random keys, pipeline 1, 16 and 64, rounds that alternate, beside 1,000 idle
 * connections to each. This server writes its data to the volume meanwhile; redis-server saves
 * nothing. Prints the rates, their ratio (goal: ≥ 1), the CPU time of each server
 * for a request, and p99 at pipeline 1 (goal: ≤ 1.3 times).
 *
 * With `--memory`: how much each of the two grows by 1,000,000 keys of 16 bytes with values of 64
 * (goal: RSS ≤ 1.6 times), at once and after all of it is in the volume.
 * Run: node dist/bench/load/redis.js [--memory] [--smoke]
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../test/support/ports.js'
import { TestServer } from '../../test/support/server.js'
import { median } from './figures.js'
import { fill } from './fill.js'

const isSmoke = process.argv.includes('--smoke')
const ROUNDS = isSmoke ? 1 : 5
/** Requests of a round at each pipeline length, about a second of work. */
const REQUESTS = isSmoke
  ? { 1: 1_000, 16: 2_000, 64: 2_000 }
  : { 1: 100_000, 16: 800_000, 64: 1_600_000 }
const IDLE_CONNECTIONS = isSmoke ? 10 : 1_000
const CONNECTIONS = 50
const MEMORY_KEYS = isSmoke ? 10_000 : 1_000_000
const MEMORY_VALUE_BYTES = 64
const START_LIMIT_MS = 10_000
/** Of /proc/<pid>/stat: clock ticks a second. */
const TICKS = 100
/** Everything is in the volume when nothing was written for so long. */
const QUIET_MS = isSmoke ? 200 : 3_000
/** The store forgets old versions, and what may still conflict, within so long. */
const FORGETS_MS = isSmoke ? 200 : 12_000
const SETTINGS = ['redis.volume_syncer.period=1000', 'redis.volume.segment_size=1073741824']

const COMMANDS = {
  SET: ['SET', 'key:__rand_int__', 'xxx'],
  GET: ['GET', 'key:__rand_int__'],
  INCR: ['INCR', 'counter:__rand_int__'],
  HSET: ['HSET', 'myhash', 'element:__rand_int__', 'xxx'],
} as const
type Name = keyof typeof COMMANDS

interface Target {
  readonly name: string
  readonly port: number
  readonly pid: number
}

/** What one run came to. */
interface Figures {
  readonly rate: number
  readonly p99Ms: number
  /** CPU time of the server's process, user and system, µs a request. */
  readonly cpuUs: number
}

async function benchmark(target: Target, name: Name, pipeline: 1 | 16 | 64): Promise<Figures> {
  const requests = REQUESTS[pipeline]
  const argv = ['-p', target.port, '-c', CONNECTIONS, '-n', requests, '-P', pipeline]
  const words = [...argv, '-r', 100_000, '--csv', ...COMMANDS[name]].map(String)
  const before = cpuTicks(target.pid)
  const { stdout } = await promisify(execFile)('redis-benchmark', words)
  const cpuUs = ((cpuTicks(target.pid) - before) / TICKS / requests) * 1e6
  const row = stdout.trim().split('\n').at(-1)!
  // "test","rps","avg","min","p50","p95","p99","max"; the test's name may hold commas.
  const cells = [...row.matchAll(/"([\d.]+)"/g)].map(([, cell]) => Number(cell)).slice(-7)
  if (cells.length !== 7) throw new Error(`redis-benchmark answered: ${stdout}`)
  return { rate: cells[0]!, p99Ms: cells[5]!, cpuUs }
}

function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
  return Number(fields[11]) + Number(fields[12])
}

const format = (value: number, digits = 0): string =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })

/** One row of the table: both servers in turn, the ratio of each round. */
async function compare(targets: readonly [Target, Target], name: Name, pipeline: 1 | 16 | 64) {
  const taken: [Figures[], Figures[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) {
      taken[side]!.push(await benchmark(targets[side]!, name, pipeline))
    }
  }
  const [ours, theirs] = taken
  const over = (pick: (figures: Figures) => number) =>
    median(ours.map((figures, round) => pick(figures) / pick(theirs[round]!)))
  const of = (side: Figures[], pick: (figures: Figures) => number) => median(side.map(pick))
  const rates = [ours, theirs].map(side => `${format(of(side, ({ rate }) => rate))}/s`)
  const cpu = [ours, theirs].map(side =>
    format(
      of(side, ({ cpuUs }) => cpuUs),
      2,
    ),
  )
  const p99 = over(({ p99Ms }) => p99Ms)
  const rate = over(figures => figures.rate).toFixed(2)
  console.log(
    `${name} at pipeline ${pipeline}: ${rate} of redis-server ` +
      `(${rates.join(' and ')}; CPU ${cpu.join(' and ')} µs a request; ` +
      `p99 ${p99.toFixed(2)} times)`,
  )
}

async function idleConnections(port: number): Promise<Socket[]> {
  const sockets = Array.from({ length: IDLE_CONNECTIONS }, () => connect(port, '127.0.0.1'))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  return sockets
}

async function compareSpeed(targets: readonly [Target, Target]): Promise<void> {
  const idle = await Promise.all(targets.map(({ port }) => idleConnections(port)))
  for (const target of targets) {
    for (const name of Object.keys(COMMANDS)) await benchmark(target, name as Name, 16)
  }
  for (const pipeline of [1, 16, 64] as const) {
    for (const name of Object.keys(COMMANDS)) await compare(targets, name as Name, pipeline)
  }
  for (const socket of idle.flat()) socket.destroy()
}

/** Memory of a process, bytes: all that is resident, and what of it is no page of a file. */
function memoryOf(pid: number): { rss: number; anonymous: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const row = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024
  return { rss: row('VmRSS'), anonymous: row('RssAnon') }
}

function writtenBytes(pid: number): number {
  return Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1])
}

async function compareMemory(targets: readonly [Target, Target]): Promise<void> {
  const [loaded, quiet] = [[] as number[], [] as number[]]
  for (const { name, port, pid } of targets) {
    const before = memoryOf(pid)
    const startedAt = performance.now()
    await fill(port, MEMORY_KEYS, MEMORY_VALUE_BYTES)
    const seconds = (performance.now() - startedAt) / 1000
    const after = memoryOf(pid)
    for (let last = -1; last !== writtenBytes(pid); await sleep(QUIET_MS)) last = writtenBytes(pid)
    await sleep(FORGETS_MS)
    const settled = memoryOf(pid)
    loaded.push(after.rss - before.rss)
    quiet.push(settled.rss - before.rss)
    const mib = (bytes: number) => `${format(bytes / 2 ** 20)} MiB`
    console.log(
      `${name}: ${format(MEMORY_KEYS)} keys in ${seconds.toFixed(1)} s, from ${mib(before.rss)}: ` +
        `+${mib(after.rss - before.rss)}, when quiet +${mib(settled.rss - before.rss)} ` +
        `(+${mib(settled.anonymous - before.anonymous)} without pages of files)`,
    )
  }
  const ratios = [loaded, quiet].map(([ours, theirs]) => (ours! / theirs!).toFixed(2))
  console.log(`memory: ${ratios[0]} of redis-server when loaded, ${ratios[1]} when quiet`)
}

/** A redis-server with a directory of its own that saves nothing. */
async function startRedis(directory: string): Promise<{ child: ChildProcess; port: number }> {
  const port = await freePort()
  const argv = ['--port', port, '--dir', directory, '--save', '', '--appendonly', 'no']
  const child = spawn('redis-server', argv.map(String), { stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS)
  let output = ''
  for await (const chunk of child.stdout!.setEncoding('utf8')) {
    output += chunk
    if (output.includes('Ready to accept connections')) break
  }
  clearTimeout(timer)
  if (child.exitCode !== null) throw new Error(`redis-server did not start:\n${output}`)
  return { child, port }
}

const directory = mkdtempSync(join(tmpdir(), 'kronotop-bench-'))
const server = await TestServer.start(SETTINGS)
const redis = await startRedis(directory)
try {
  const targets = [
    { name: 'this server', port: server.clientPort, pid: server.pid },
    { name: 'redis-server', port: redis.port, pid: redis.child.pid! },
  ] as const
  await (process.argv.includes('--memory') ? compareMemory(targets) : compareSpeed(targets))
} finally {
  redis.child.kill('SIGKILL')
  await server.dispose()
  rmSync(directory, { recursive: true, force: true })
}
