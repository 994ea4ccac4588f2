/**
 * How long a PING takes while another connection deletes, overwrites, renames or times a hash with
 * 1,000,000 fields that is in the volume, and until the volume says the same as memory. Server,
 * commands and PINGs are a process each; the PINGs follow each other without a pause. Goal: none
 * takes 20 ms. On a machine that is busy otherwise, the longest time without waits for a core tells
 * what the server itself adds.
 * Run: node dist/bench/load/big-hashes.js [--smoke]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { encodeRequest, RespClient } from '../../test/support/resp-client.js'
import { TestServer } from '../../test/support/server.js'
import { describeVolume } from '../../test/support/volumes.js'

const KEY = '{hash}a'
const OTHER = '{hash}b'
/** Written behind a command: it is in the volume when what the command changed is there. */
const MARK = '{hash}mark'
const VOLUME = 'redis-shard-0'
/** Fields of one request. */
const FIELDS_EACH = 1_000
const POLL_MS = 50
/** What time after a command a hash expires that is to expire. */
const EXPIRES_MS = 1_000
const DAY_MS = 86_400_000
const PING = encodeRequest(['PING'])

const isSmoke = process.argv.includes('--smoke')
const fieldCount = isSmoke ? 20_000 : 1_000_000
const [proberPort, proberPid] = (process.env.KRONOTOP_BENCH_SERVER ?? '').split(' ').map(Number)

/** What a prober has seen since it was asked last. */
interface Probed {
  readonly longestMs: number
  readonly longestOwnMs: number
  readonly count: number
}

/** Time for which a process was ready and had no core, ms; 0 where the system does not tell. */
function coreWaitMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** Sends PINGs until the parent leaves, and tells it what they took whenever it asks. */
async function probe(port: number, pid: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let isOver = false
  process.once('disconnect', () => {
    isOver = true
  })
  let [longestMs, longestOwnMs, count] = [0, 0, 0]
  process.on('message', () => {
    process.send?.({ longestMs, longestOwnMs, count } satisfies Probed)
    longestMs = longestOwnMs = count = 0
  })
  const waits = (): number => coreWaitMs(pid) + coreWaitMs(process.pid)
  while (!isOver) {
    const waitedBefore = waits()
    const sentAt = performance.now()
    socket.write(PING)
    await once(socket, 'data')
    const tookMs = performance.now() - sentAt
    longestMs = Math.max(longestMs, tookMs)
    longestOwnMs = Math.max(longestOwnMs, tookMs - (waits() - waitedBefore))
    count++
  }
  socket.destroy()
}

async function ask(prober: ChildProcess): Promise<Probed> {
  const answer = once(prober, 'message')
  prober.send('')
  const [probed] = await answer
  return probed as Probed
}

class Bench {
  readonly #server: TestServer
  readonly #client: RespClient
  readonly #prober: ChildProcess

  constructor(server: TestServer, client: RespClient, prober: ChildProcess) {
    this.#server = server
    this.#client = client
    this.#prober = prober
  }

  /** Makes the hash, as its only key, and waits until it is in the volume. */
  async fill(): Promise<void> {
    for (let from = 0; from < fieldCount; from += FIELDS_EACH) {
      await this.#client.call('HSET', KEY, ...fields(from).flatMap(field => [field, 'value']))
    }
    await this.#persisted(fieldCount)
  }

  /** Runs requests, and prints what PINGs took until the volume has so many records. */
  async time(title: string, requests: readonly string[][], records: number): Promise<void> {
    await ask(this.#prober)
    const startedAt = performance.now()
    for (const request of requests) await this.#client.call(...request)
    const answeredMs = performance.now() - startedAt
    await this.#client.call('SET', MARK, '')
    await this.#persisted(records + 1)
    const persistedMs = performance.now() - startedAt
    const { longestMs, longestOwnMs, count } = await ask(this.#prober)
    console.log(
      `${title}: answered after ${answeredMs.toFixed(0)} ms, in the volume after ` +
        `${(persistedMs / 1000).toFixed(1)} s; longest PING ${longestMs.toFixed(2)} ms of ` +
        `${count}, ${longestOwnMs.toFixed(2)} ms without waits for a core`,
    )
    await this.#client.call('DEL', MARK)
    await this.#persisted(records)
  }

  async #persisted(records: number): Promise<void> {
    while ((await describeVolume(this.#server, VOLUME)).cardinality !== records) {
      await sleep(POLL_MS)
    }
  }
}

/** Names of fields from a number on. */
function fields(from: number): string[] {
  const count = Math.min(FIELDS_EACH, fieldCount - from)
  return Array.from({ length: count }, (_, i) => `field:${from + i}`)
}

async function measure(bench: Bench): Promise<void> {
  const whole = fieldCount
  await bench.fill()
  await bench.time('nothing', [], whole)
  await bench.time('EXPIRE', [['PEXPIRE', KEY, String(DAY_MS)]], whole)
  await bench.time('PERSIST', [['PERSIST', KEY]], whole)
  await bench.time('RENAME', [['RENAME', KEY, OTHER]], whole)
  await bench.time('DEL', [['DEL', OTHER]], 0)
  await bench.fill()
  await bench.time('UNLINK', [['UNLINK', KEY]], 0)
  await bench.fill()
  await bench.time('SET over', [['SET', KEY, 'value']], 1)
  await bench.time('DEL of a string', [['DEL', KEY]], 0)
  await bench.fill()
  await bench.time('expiry', [['PEXPIRE', KEY, String(EXPIRES_MS)]], 0)
  await bench.fill()
  const deletions = Array.from({ length: Math.ceil(whole / FIELDS_EACH) }, (_, i) => {
    return ['HDEL', KEY, ...fields(i * FIELDS_EACH)]
  })
  await bench.time(`HDEL of ${FIELDS_EACH} each`, deletions, 0)
}

if (proberPort && proberPid) {
  await probe(proberPort, proberPid)
} else {
  const server = await TestServer.start()
  const prober = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    env: { ...process.env, KRONOTOP_BENCH_SERVER: `${server.clientPort} ${server.pid}` },
  })
  try {
    const client = await RespClient.connect(server.clientPort)
    await measure(new Bench(server, client, prober))
    client.close()
  } finally {
    prober.disconnect()
    await once(prober, 'exit')
    await server.dispose()
  }
}
