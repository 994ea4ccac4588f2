/**
 * A client that asks for more than it reads: the server's memory stays bounded, and the client gets
 * everything once it reads.
 */
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import * as assert from 'uvu/assert'
import { reportSkip } from '../support/outcome.js'
import { memoryOf } from '../support/process.js'
import { encodeRequest, type RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { serverSuite } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const MIB = 1024 * 1024
/** What the replies of one client add up to, at least. */
const REQUESTED_BYTES = 1024 * MIB
/** Memory that it may cost. Mostly one reply of 10 MB as the store's range, as reply and unsent,
 *  a few times over until it is collected. */
const ALLOWED_BYTES = 224 * MIB
const LARGE = 1_000_000
const ENTRY = 99_000
const ENTRIES = 100

/** What a connection receives, compared with what it must be as it comes. */
class ExpectedStream {
  readonly #socket: Socket
  readonly #expected: readonly Buffer[]
  #index = 0
  #at = 0
  #wrong: string | undefined

  /** @param expected  the pieces of the stream, in order */
  constructor(socket: Socket, expected: readonly Buffer[]) {
    this.#socket = socket
    this.#expected = expected
  }

  /** Reads all of it. @throws Error  where something else comes, or the stream ends too early */
  async read(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#socket.on('data', chunk => {
        this.#compare(chunk)
        if (this.#wrong !== undefined || this.#index === this.#expected.length) resolve()
      })
      for (const end of ['end', 'error', 'close']) this.#socket.on(end, resolve)
      this.#socket.resume()
    })
    if (this.#wrong !== undefined) throw new Error(this.#wrong)
    assert.is(this.#index, this.#expected.length, 'replies before the end of the stream')
  }

  #compare(chunk: Buffer): void {
    let from = 0
    while (from < chunk.length && this.#wrong === undefined) {
      const piece = this.#expected[this.#index]
      const size = Math.min(chunk.length - from, (piece?.length ?? 0) - this.#at)
      if (piece?.compare(chunk, from, from + size, this.#at, this.#at + size) !== 0) {
        this.#wrong = `reply ${this.#index} differs near byte ${this.#at}`
        return
      }
      from += size
      this.#at += size
      if (this.#at < piece.length) continue
      this.#index++
      this.#at = 0
    }
  }
}

function bulkOf(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}

interface Exchange {
  readonly request: Buffer
  readonly reply: Buffer
}

/** Stores what the requests ask for. @returns one request of each kind, with its reply */
async function prepare(client: RespClient): Promise<Exchange[]> {
  const large = Buffer.alloc(LARGE, 'large value ')
  await client.call('SET', 'large', large)
  const pairs: Buffer[] = [Buffer.from(`*${ENTRIES}\r\n`)]
  for (let i = 0; i < ENTRIES; i++) {
    const [key, value] = [Buffer.from(`range ${1000 + i}`), Buffer.alloc(ENTRY, `entry ${i} `)]
    await client.call('ZSET', key, value)
    pairs.push(Buffer.from('*2\r\n'), bulkOf(key), bulkOf(value))
  }
  const echo = Buffer.alloc(100_000, 'echo ')
  return [
    { request: encodeRequest(['GET', 'large']), reply: bulkOf(large) },
    { request: encodeRequest(['ECHO', echo]), reply: bulkOf(echo) },
    {
      request: encodeRequest(['ZGETRANGE', 'range', 'range ~', 'LIMIT', '100']),
      reply: Buffer.concat(pairs),
    },
    { request: encodeRequest(['PING']), reply: Buffer.from('+PONG\r\n') },
  ]
}

/** Waits until the server does nothing more for the connection called `name`. */
async function untilHeld(client: RespClient): Promise<void> {
  let lines = ''
  let same = 0
  await until('the connection is held', async () => {
    const line = String(await client.call('CLIENT', 'LIST'))
      .split('\n')
      .find(one => one.includes(' name=greedy '))
    const seen = line?.replace(/ (age|idle)=\d+/g, '') ?? ''
    same = seen === lines && / idle=[1-9]/.test(line ?? '') ? same + 1 : 0
    lines = seen
    return same > 3
  })
}

async function isHeld(server: TestServer): Promise<void> {
  const client = await server.connect()
  const exchanges = await prepare(client)
  const { pid } = server
  const socket = connect({ port: server.clientPort, host: '127.0.0.1', allowHalfOpen: true })
  socket.pause()
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = memoryOf(pid, 'VmRSS')
  const named = { request: encodeRequest(['CLIENT', 'SETNAME', 'greedy']), reply: '+OK\r\n' }
  socket.write(named.request)
  const expected: Buffer[] = [Buffer.from(named.reply)]
  for (let bytes = 0, i = 0; bytes < REQUESTED_BYTES; i++) {
    const { request, reply } = exchanges[i % exchanges.length]!
    socket.write(request)
    expected.push(reply)
    bytes += reply.length
  }
  await untilHeld(client)
  const grown = memoryOf(pid, 'VmHWM') - before
  console.log(`held with ${Math.round(grown / MIB)} MiB`)
  assert.ok(grown < ALLOWED_BYTES, `${grown} bytes for a client that does not read`)
  await new ExpectedStream(socket, expected).read()
  const after = memoryOf(pid, 'VmHWM') - before
  console.log(`served with ${Math.round(after / MIB)} MiB`)
  assert.ok(after < ALLOWED_BYTES, `${after} bytes for a client that reads`)
  socket.destroy()
}

for (const transport of ['native', 'node']) {
  const { server, test } = serverSuite(`back-pressure over ${transport} transport`, [
    `network.external.transport=${transport}`,
    'network.reply_buffer_limit=2097152',
  ])

  test('holds a client that asks for 1 GiB and does not read', async () => {
    if (process.platform !== 'linux') {
      reportSkip('memory of a client that does not read', 'it is measured from /proc')
      return
    }
    await isHeld(server)
  })

  test('sends a reply that is larger than the bound of unsent replies', async () => {
    const client = await server.connect()
    const value = Buffer.alloc(8 * MIB, 'larger than the bound ')
    await client.call('SET', 'larger', value)
    for (let i = 0; i < 3; i++) {
      client.send('GET', 'larger')
      client.send('ECHO', value)
    }
    for (let i = 0; i < 6; i++) assert.ok(value.equals((await client.read()).value as Buffer))
    assert.is(await client.call('PING'), 'PONG')
  })

  test.run()
}
