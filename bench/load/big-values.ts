/**
 * How long a PING takes while another connection reads and writes one large value: 16, 128 and
 * 512 MiB, over both transports, then while the server writes the values to disk, and while it
 * loads them again. Server, PINGs and the other connection are a process each; the PINGs follow
 * each other without a pause. Goal: none takes 20 ms. On a machine that is busy otherwise, the
 * longest time without waits for a core tells what the server itself adds.
 * Run: node dist/bench/load/big-values.js [--smoke] [--native|--node] [MiB …]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { encodeRequest } from '../../test/support/resp-client.js'
import { TestServer } from '../../test/support/server.js'

const MIB = 1024 * 1024
const PING = encodeRequest(['PING'])
const READ_BYTES = 1024 * 1024
const GOAL_MS = 20
const SETTINGS = [
  'redis.maxmemory=8589934592',
  'network.query_buffer_limit=2147483648',
  'network.reply_buffer_limit=4294967296',
  'redis.volume.segment_size=268435456',
]

const isSmoke = process.argv.includes('--smoke')
const probePort = process.env.KRONOTOP_BENCH_PORT
const named = process.argv.map(Number).filter(size => size > 0)
const sizes = isSmoke ? [1] : named.length > 0 ? named : [16, 128, 512]
const transports = (process.platform === 'linux' ? ['native', 'node'] : ['node']).filter(
  name => process.argv.includes(`--${name}`) || !/--(native|node)/.test(process.argv.join(' ')),
)

/** Time for which a process was ready and had no core, ms; 0 where the system does not tell. */
function coreWaitMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

interface Longest {
  /** The longest PING, ms. */
  tookMs: number
  /** The same without waits for a core. */
  ownMs: number
  count: number
}

/** PINGs for ever; tells the longest one since the last time whenever it is asked. */
async function probe(port: number, serverPid: number): Promise<never> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let longest: Longest = { tookMs: 0, ownMs: 0, count: 0 }
  process.on('message', () => {
    process.send?.(longest)
    longest = { tookMs: 0, ownMs: 0, count: 0 }
  })
  const waits = (): number => coreWaitMs(serverPid) + coreWaitMs(process.pid)
  for (;;) {
    const waitedBefore = waits()
    const sentAt = performance.now()
    socket.write(PING)
    await once(socket, 'data')
    const tookMs = performance.now() - sentAt
    longest.count++
    longest.tookMs = Math.max(longest.tookMs, tookMs)
    longest.ownMs = Math.max(longest.ownMs, tookMs - (waits() - waitedBefore))
  }
}

/** The connection that has the large values: it looks at the length of replies only. */
class BulkClient {
  readonly #socket: Socket
  #missing = 0
  #first = ''
  #done: (() => void) | undefined

  private constructor(port: number) {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer,
        callback: count => {
          if (this.#first === '') this.#first = buffer.toString('latin1', 0, Math.min(count, 60))
          this.#missing -= count
          if (this.#missing <= 0 || this.#first[0] === '-') this.#done?.()
          return true
        },
      },
    })
  }

  static async connect(port: number): Promise<BulkClient> {
    const client = new BulkClient(port)
    await once(client.#socket, 'connect')
    return client
  }

  /** @param replyBytes length of the reply that is expected. @throws Error when it is another */
  async call(words: readonly (string | Buffer)[], replyBytes: number): Promise<void> {
    this.#missing = replyBytes
    this.#first = ''
    const done = new Promise<void>(resolve => {
      this.#done = resolve
    })
    this.#socket.write(`*${words.length}\r\n`)
    for (const word of words) {
      this.#socket.write(`$${word.length}\r\n`)
      this.#socket.write(word)
      this.#socket.write('\r\n')
    }
    await done
    if (this.#missing !== 0) throw new Error(`${words[0]} was answered with ${this.#first}`)
  }

  close(): void {
    this.#socket.destroy()
  }
}

const OK = '+OK\r\n'.length
const ERROR = '-ERR value is not an integer or out of range\r\n'.length
const bulkBytes = (size: number): number => `$${size}\r\n`.length + size + 2
const integerBytes = (value: number): number => `:${value}\r\n`.length

interface Step {
  readonly name: string
  readonly words: readonly (string | Buffer)[]
  readonly replyBytes: number
}

/** All that is done to a value of so many bytes. */
function steps(size: number): Step[] {
  const value = Buffer.alloc(size, 'v')
  const bulk = bulkBytes(size)
  const step = (name: string, replyBytes: number, ...words: (string | Buffer)[]): Step => ({
    name,
    words: [name, ...words],
    replyBytes,
  })
  const queued = '+QUEUED\r\n'.length
  const short = value.subarray(0, size - 100)
  return [
    step('SET', OK, '{b}a', value),
    step('SET', OK, '{b}a', value),
    step('GET', bulk, '{b}a'),
    step('GETSET', bulk, '{b}a', value),
    step('STRLEN', integerBytes(size), '{b}a'),
    step('SETRANGE', integerBytes(size), '{b}a', '1000', 'x'.repeat(1000)),
    step('SETRANGE', integerBytes(size), '{b}a', '1000', 'x'.repeat(1000)),
    step('SETRANGE', integerBytes(size), '{b}fresh', String(size - 1000), 'x'.repeat(1000)),
    step('GETRANGE', bulkBytes(size - 1000), '{b}a', '500', String(size - 501)),
    step('INCR', ERROR, '{b}a'),
    step('SET', OK, '{b}a', short),
    step('APPEND', integerBytes(size - 50), '{b}a', 'x'.repeat(50)),
    step('APPEND', integerBytes(size), '{b}a', 'x'.repeat(50)),
    step('APPEND', integerBytes(size), '{b}new', value),
    step('RENAME', OK, '{b}new', '{b}newer'),
    step('DEL', integerBytes(1), '{b}newer'),
    step('DEL', integerBytes(1), '{b}fresh'),
    step('HSET', integerBytes(1), '{b}h', 'field', value),
    step('HSET', integerBytes(0), '{b}h', 'field', value),
    step('HGET', bulk, '{b}h', 'field'),
    step('MSET', OK, '{b}a', value, '{b}b', value),
    step('MGET', 4 + bulk * 2, '{b}a', '{b}b'),
    step('SET', bulk, '{b}a', value, 'GET'),
    step('MULTI', OK),
    step('SET', queued, '{b}b', value),
    step('GET', queued, '{b}b'),
    step('EXEC', 4 + OK + bulk),
    step('DEL', integerBytes(1), '{b}b'),
  ]
}

class Bench {
  readonly #server: TestServer
  #probe: ChildProcess | undefined

  constructor(server: TestServer) {
    this.#server = server
  }

  async startProbe(): Promise<void> {
    const { clientPort, pid } = this.#server
    this.#probe = fork(fileURLToPath(import.meta.url), [String(pid)], {
      env: { ...process.env, KRONOTOP_BENCH_PORT: String(clientPort) },
    })
    while ((await this.#longest()).count === 0) await sleep(10)
  }

  stopProbe(): void {
    this.#probe?.kill()
  }

  async #longest(): Promise<Longest> {
    this.#probe?.send('tell')
    const [longest] = await once(this.#probe!, 'message')
    return longest as Longest
  }

  /** Prints the longest PING while something lasts. */
  async measure(what: string, run: () => Promise<void>): Promise<void> {
    await this.#longest()
    const startedAt = performance.now()
    await run()
    const tookMs = performance.now() - startedAt
    // One PING at least is sent and answered after it.
    await sleep(isSmoke ? 2 : 50)
    const longest = await this.#longest()
    const mark = longest.ownMs > GOAL_MS ? ' !' : ''
    console.log(
      `${what}: ${tookMs.toFixed(0)} ms, longest PING ${longest.tookMs.toFixed(1)} ms, ` +
        `${longest.ownMs.toFixed(1)} ms without waits for a core${mark}`,
    )
  }
}

async function measureSize(server: TestServer, label: string, size: number): Promise<void> {
  const bench = new Bench(server)
  await bench.startProbe()
  const client = await BulkClient.connect(server.clientPort)
  for (const { name, words, replyBytes } of steps(size)) {
    await bench.measure(`${label} ${name}`, () => client.call(words, replyBytes))
  }
  await bench.measure(`${label} syncer`, () => sleep(isSmoke ? 100 : 1000 + size / 100_000))
  bench.stopProbe()
  client.close()
  await server.restart()
  await bench.startProbe()
  const again = await BulkClient.connect(server.clientPort)
  await bench.measure(`${label} load`, async () => {
    const reply = bulkBytes(size)
    while (!(await again.call(['GET', '{b}a'], reply).then(isTrue, isFalse))) await sleep(5)
  })
  await bench.measure(`${label} DEL`, () => again.call(['DEL', '{b}a'], integerBytes(1)))
  bench.stopProbe()
  again.close()
}

const isTrue = (): boolean => true
const isFalse = (): boolean => false

if (probePort !== undefined) {
  await probe(Number(probePort), Number(process.argv[2]))
} else {
  for (const transport of transports) {
    const settings = [...SETTINGS, `network.external.transport=${transport}`]
    for (const size of sizes) {
      const server = await TestServer.start(settings)
      try {
        await measureSize(server, `${transport} ${size} MiB`, size * MIB)
      } finally {
        await server.dispose()
      }
    }
  }
}
