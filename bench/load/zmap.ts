/**
 * Throughput of one-off ZMap commands under redis-benchmark, 50 connections, pipeline 1 and 16, in
 * alternating rounds against one server: ZGET beside GET, durable ZSET and ZINC.I64 with the
 * requests that share a flush, and a pipelined BEGIN, 10 × ZSET, COMMIT beside a one-off ZSET.
 * Goals: ZGET ≥ 0.6 of GET at pipeline 1, ≥ 0.35 at 16; ZSET, ZINC.I64 ≥ 20,000 and ≥ 60,000 per
 * s where a flush takes ≤ 0.5 ms; the transaction < 2.5 one-off ZSETs.
 * Run: node dist/bench/load/zmap.js [--smoke]
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { encodeRequest } from '../../test/support/resp-client.js'
import { TestServer } from '../../test/support/server.js'
import { flushCount, flushMs, median } from './figures.js'

const isSmoke = process.argv.includes('--smoke')
const ROUNDS = isSmoke ? 1 : 5
const REQUESTS = isSmoke ? 2_000 : 100_000
const CONNECTIONS = 50
const TRANSACTION_WRITES = 10
const KEYS = ['-r', '100000']

/** What redis-benchmark sends. */
const COMMANDS = {
  GET: ['GET', 'key:__rand_int__'],
  ZGET: ['ZGET', 'key:__rand_int__'],
  ZSET: ['ZSET', 'key:__rand_int__', 'xxx'],
  'ZINC.I64': ['ZINC.I64', 'counter:__rand_int__', '1'],
} as const
type Name = keyof typeof COMMANDS

const WRITES: readonly Name[] = ['ZSET', 'ZINC.I64']

/** Requests of one round. */
const requestsOf = (pipeline: number): number => (pipeline === 1 ? REQUESTS : REQUESTS * 4)

/** @returns requests per s */
async function benchmark(port: number, command: readonly string[], pipeline: number) {
  const requests = requestsOf(pipeline)
  const argv = ['-p', port, '-c', CONNECTIONS, '-n', requests, '-P', pipeline, ...KEYS, '--csv']
  const { stdout } = await promisify(execFile)('redis-benchmark', [...argv.map(String), ...command])
  const rate = /"([\d.]+)"/.exec(stdout.slice(stdout.lastIndexOf('\n"')))
  if (rate === null) throw new Error(`redis-benchmark answered: ${stdout}`)
  return Number(rate[1])
}

const number = (value: number): string => Math.round(value).toLocaleString('en')

async function compare(server: TestServer, pipeline: number): Promise<void> {
  const names = Object.keys(COMMANDS) as Name[]
  const rates = new Map<Name, number[]>(names.map(name => [name, []]))
  const shared = new Map<Name, number[]>(names.map(name => [name, []]))
  const log = join(server.directory, '.store', 'log')
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, taken] of rates) {
      const before = flushCount(log)
      taken.push(await benchmark(server.clientPort, COMMANDS[name], pipeline))
      shared.get(name)!.push(requestsOf(pipeline) / (flushCount(log) - before))
    }
  }
  const get = rates.get('GET')!
  const ratio = median(rates.get('ZGET')!.map((rate, round) => rate / get[round]!))
  const figures = names.map(name => `${name} ${number(median(rates.get(name)!))}/s`)
  console.log(`pipeline ${pipeline}: ${figures.join(', ')}; ZGET is ${ratio.toFixed(2)} of GET`)
  const flushes = WRITES.map(name => `${name} ${number(median(shared.get(name)!))}`)
  console.log(`requests a flush: ${flushes.join(', ')}`)
}

/** Rounds of 10 transactions in one write of one connection, beside one-off ZSETs one by one. */
async function compareTransactions(server: TestServer): Promise<void> {
  const client = await server.connect()
  const times = { oneOff: [] as number[], transaction: [] as number[] }
  const requests = [
    ['BEGIN'],
    ...Array.from({ length: TRANSACTION_WRITES }, (_, i) => ['ZSET', `t${i}`, 'xxx']),
    ['COMMIT'],
  ].map(encodeRequest)
  const transaction = Buffer.concat(requests)
  for (let round = 0; round < REQUESTS / 100; round++) {
    let startedAt = performance.now()
    await client.call('ZSET', 't', 'xxx')
    times.oneOff.push(performance.now() - startedAt)
    startedAt = performance.now()
    client.write(transaction)
    for (let reply = 0; reply < TRANSACTION_WRITES + 2; reply++) await client.readData()
    times.transaction.push(performance.now() - startedAt)
  }
  const [oneOff, whole] = [median(times.oneOff), median(times.transaction)]
  console.log(
    `BEGIN, ${TRANSACTION_WRITES} ZSET, COMMIT: ${whole.toFixed(3)} ms, ` +
      `${(whole / oneOff).toFixed(2)} one-off ZSETs of ${oneOff.toFixed(3)} ms`,
  )
}

const server = await TestServer.start()
try {
  await benchmark(server.clientPort, ['SET', 'key:__rand_int__', 'xxx'], 16)
  await benchmark(server.clientPort, COMMANDS.ZSET, 16)
  console.log(`one fdatasync: ${flushMs(server.directory).toFixed(3)} ms`)
  for (const pipeline of [1, 16]) await compare(server, pipeline)
  await compareTransactions(server)
} finally {
  await server.dispose()
}
