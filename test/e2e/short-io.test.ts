/**
 * Reads and writes cut at every byte: a server whose connections move a byte at a time, or a few,
 * answers a pipeline with the very bytes that it answers otherwise.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeRequest, type Word } from '../support/resp-client.js'
import { TestServer } from '../support/server.js'
import { reporting } from '../support/server-suite.js'
import { type Caps, type Cuts, ShortIo } from '../support/short-io.js'
import { Client } from '../support/transport.js'

/** A value that a byte at a time moves soon. */
const SMALL = 300
/** Beyond what the native transport reads at once, and keeps in the shared input. */
const LARGE = 400_000

/** From one byte to more than LARGE takes in a row. */
const MIXED: readonly number[] = [1, 7, 2, 19, 1000, 3, 70_000, 11, 5, 30_000, 4, 17]

/** Requests that are answered at once, later, with an error and with an aggregate, in both framings
 *  and protocols, and in a transaction. The connection ends behind the last reply. */
function pipeline(valueBytes: number): Buffer {
  const value = Buffer.alloc(valueBytes, 'value\r\n$5\r\n')
  const requests: Word[][] = [
    ['PING'],
    ['SET', 'string', value],
    ['GET', 'string'],
    ['ECHO', Buffer.alloc(valueBytes, '\0\xff', 'latin1')],
    ['NOPE', 'a'],
    ['INCR', 'string'],
    ['INCR', 'counter'],
    ['HSET', 'hash', 'field', value, 'other', 'b'],
    ['HMGET', 'hash', 'other', 'none', 'field'],
    ['ZSET', 'zmap', value.subarray(0, 90_000)],
    ['ZGET', 'zmap'],
    ['MULTI'],
    ['APPEND', 'string', 'tail'],
    ['GET', 'string'],
    ['EXEC'],
    ['HELLO', '3', 'SETNAME', 'cut'],
    ['HGETALL', 'hash'],
    ['GET', 'none'],
    ['ZGET', 'none'],
  ]
  const inline = Buffer.from('PING inline\r\nECHO "quo ted"\r\n')
  return Buffer.concat([...requests.map(encodeRequest), inline, encodeRequest(['QUIT'])])
}

/** What a new server answers to a pipeline, all of it. */
async function answers(
  requests: Buffer,
  transport: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  const server = new TestServer([`network.external.transport=${transport}`])
  server.variables = variables
  try {
    await server.start()
    const client = await Client.connect(server.clientPort)
    client.socket.write(requests)
    const received = await reporting(server, () => client.readAll())
    client.socket.destroy()
    await server.stop()
    return received.toString('latin1')
  } finally {
    await server.dispose()
  }
}

interface Cutting {
  readonly title: string
  readonly valueBytes: number
  readonly caps: Caps
  /** Whether the cuts are those that were meant, of so many bytes received and sent. */
  readonly isRight: (cuts: Cuts, received: number, sent: number) => boolean
}

const CUTTINGS: readonly Cutting[] = [
  {
    title: 'requests that come byte by byte',
    valueBytes: SMALL,
    caps: { reads: [1], writes: [] },
    // A read that ends the connection, or finds nothing, moves no byte.
    isRight: (cuts, received) => cuts.reads === received && cuts.writes === 0,
  },
  {
    title: 'replies that leave byte by byte',
    valueBytes: SMALL,
    caps: { reads: [], writes: [1] },
    // The last byte of what is unsent is no part of it, but all of it.
    isRight: (cuts, _, sent) => cuts.writes > sent * 0.9 && cuts.writes < sent && cuts.reads === 0,
  },
  {
    title: 'requests and replies byte by byte',
    valueBytes: SMALL,
    caps: { reads: [1], writes: [1] },
    isRight: (cuts, received) => cuts.reads === received && cuts.writes > 0,
  },
  {
    title: 'large requests and replies in pieces of any size',
    valueBytes: LARGE,
    caps: { reads: MIXED, writes: MIXED },
    isRight: cuts => cuts.reads > 100 && cuts.writes > 100,
  },
]

const shortIo = ShortIo.makeOrSkip('reads and writes cut at every byte')
test.after(() => shortIo?.dispose())

for (const transport of shortIo === undefined ? [] : ['native', 'node']) {
  for (const { title, valueBytes, caps, isRight } of CUTTINGS) {
    test(`${transport}: ${title}`, async () => {
      const requests = pipeline(valueBytes)
      const whole = await answers(requests, transport)
      const cut = await answers(requests, transport, shortIo!.variables(caps))
      const { cuts } = shortIo!
      assert.ok(whole.endsWith('\r\n$7\r\nquo ted\r\n+OK\r\n'), 'it is answered to its end')
      assert.ok(cut === whole, `${cut.length} bytes, and ${whole.length} when nothing is cut`)
      assert.ok(isRight(cuts, requests.length, cut.length), JSON.stringify(cuts))
    })
  }
}

test.run()
