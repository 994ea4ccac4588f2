/**
 * Whole and damaged frames on several connections at once, cut anywhere: each connection gets the
 * replies to its own requests, a protocol error ends its connection only, and nothing hangs.
 */
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { Parser } from '../../ts/resp/parser.js'
import { rounds, seed } from '../support/budget.js'
import { Random } from '../support/random.js'
import { encodeRequest } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

/** Connections at a time. */
const LANES = 8
/** Whole frames in front of the damaged one, and frames behind it. */
const FRAMES_MOST = 120
const HANG_LIMIT_MS = 30_000
/** In every argument, twice: whose it is. Damage to one half shows. */
const TAG = /<(\d+)=\1>/g
const PROTOCOL_ERRORS = [
  'invalid multibulk length',
  'invalid bulk length',
  "expected '\\$', got '.+'",
  'unbalanced quotes in request',
  'too big inline request',
]
const PROTOCOL_ERROR = new RegExp(
  `^-ERR Protocol error: (${PROTOCOL_ERRORS.join('|')})\\r\\n$`,
  's',
)

interface Exchange {
  readonly request: Buffer
  readonly reply: string
}

/** A request whose argument names its connection, as an array or inline, with its reply. */
function exchange(random: Random, owner: number, n: number): Exchange {
  const filler = random.pick(['', 'x', '\r\n', '*1\r\n$4\r\nPING\r\n', '"\\', 'y'.repeat(300)])
  const tag = `<${owner}=${owner}>`
  const word = `${tag}${n}${filler}`
  const reply = `$${word.length}\r\n${word}\r\n`
  switch (random.between(0, 5)) {
    case 0:
      return { request: Buffer.from(`ECHO ${tag}${n}\r\n`), reply: bulk(`${tag}${n}`) }
    case 1:
      return { request: Buffer.from(`echo '${tag}' \n`), reply: bulk(tag) }
    case 2:
      return { request: Buffer.from(random.pick(['*0\r\n', '\r\n', '*-1\r\n'])), reply: '' }
    case 3:
      return { request: encodeRequest(['PING', word]), reply }
    default:
      return { request: encodeRequest(['ECHO', word]), reply }
  }
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

/** Changes, drops, doubles or inserts bytes. */
function damaged(random: Random, frame: Buffer): Buffer {
  const at = random.between(0, frame.length - 1)
  const [before, after] = [frame.subarray(0, at), frame.subarray(at + 1)]
  const odd = random.pick(['*', '$', ':', '\r', '\n', '-', '"', "'", '0', '9', 'P', '\0', '\xff'])
  switch (random.between(0, 4)) {
    case 0:
      return Buffer.concat([before, after])
    case 1:
      return Buffer.concat([frame.subarray(0, at + 1), frame.subarray(at)])
    case 2:
      return Buffer.concat([before, Buffer.from(odd, 'latin1'), frame.subarray(at)])
    case 3:
      return before
    default:
      return Buffer.concat([before, Buffer.from(odd, 'latin1'), after])
  }
}

interface Script {
  readonly frames: number
  readonly bytes: Buffer
  /** What comes before anything that damage causes. */
  readonly certain: string
  readonly isDamaged: boolean
}

/** What one connection sends. */
function script(random: Random, owner: number): Script {
  const list = (count: number): Exchange[] =>
    Array.from({ length: count }, (_, n) => exchange(random, owner, n))
  const whole = list(random.between(1, FRAMES_MOST))
  const isDamaged = random.next() < 0.7
  const rest = isDamaged ? list(random.between(1, 10)) : []
  const [first, ...others] = rest.map(({ request }) => request)
  const requests = whole.map(({ request }) => request)
  if (first !== undefined) requests.push(damaged(random, first), ...others)
  const certain = whole.map(({ reply }) => reply).join('')
  return { frames: requests.length, bytes: Buffer.concat(requests), certain, isDamaged }
}

interface Received {
  /** As latin1. */
  readonly text: string
  /** The server closed while this side still sent: the end of what it said may be lost. */
  readonly isReset: boolean
}

/** Sends the bytes in pieces and its own end. */
async function converse(port: number, bytes: Buffer, random: Random): Promise<Received> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  const received = collect(socket)
  for (let at = 0; at < bytes.length; ) {
    const size = random.between(1, random.pick([3, 200, bytes.length]))
    socket.write(bytes.subarray(at, at + size))
    at += size
    if (random.next() < 0.3) await nextTurn()
  }
  socket.end()
  const all = await received
  socket.destroy()
  return all
}

function collect(socket: Socket): Promise<Received> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const timer = setTimeout(() => reject(new Error('the server hangs')), HANG_LIMIT_MS)
    const end = (isReset: boolean): void => {
      clearTimeout(timer)
      resolve({ text: Buffer.concat(chunks).toString('latin1'), isReset })
    }
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('end', () => end(false))
    socket.on('error', () => end(true))
  })
}

/** @returns whether a protocol error was reported */
function check(received: Received, { certain, isDamaged }: Script, owner: number): boolean {
  const { text, isReset } = received
  const size = isReset ? Math.min(text.length, certain.length) : certain.length
  assert.is(text.slice(0, size), certain.slice(0, size))
  for (const [, tag] of text.matchAll(TAG)) assert.is(tag, String(owner), 'a reply of another')
  const rest = text.slice(certain.length)
  if (!isDamaged) assert.equal([rest, isReset], ['', false])
  const error = rest.indexOf('-ERR Protocol error')
  if (error === -1) return false
  assert.match(rest.slice(error), PROTOCOL_ERROR, 'it is the last reply')
  return true
}

for (const transport of ['native', 'node']) {
  const { server, test } = serverSuite(`frames over ${transport} transport`, [
    `network.external.transport=${transport}`,
    'log.level=error',
  ])

  test('of any kind get their own replies, and a protocol error ends one connection', async () => {
    const used = seed()
    console.log(`SEED=${used}`)
    const witness = await server.connect()
    let frames = 0
    let errors = 0
    let owner = 0
    const lane = async (): Promise<void> => {
      while (frames < rounds('frames on a socket')) {
        const own = owner++
        const random = new Random(used + own)
        const sent = script(random, own)
        frames += sent.frames
        const received = await converse(server.clientPort, sent.bytes, random)
        try {
          if (!check(received, sent, own)) continue
        } catch (cause) {
          const reason = cause instanceof Error ? cause.message : String(cause)
          throw new Error(`seed ${used}, connection ${own}: ${reason}`, { cause })
        }
        errors++
        const { text } = await converse(server.clientPort, encodeRequest(['PING']), random)
        assert.is(text, '+PONG\r\n')
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    await witness.exchange(['PING'], '+PONG\r\n')
    console.log(`${frames} frames, ${owner} connections, ${errors} protocol errors`)
    assert.ok(errors > 0)
  })

  test.run()
}

const direct = serverSuite('frames without a socket').test

direct('are read alike whole and in pieces, at any number', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  for (let frames = 0, n = 0; frames < rounds('frames to the parser'); n++) {
    const random = new Random(used + n)
    const sent = script(random, n)
    frames += sent.frames
    const whole = parse([sent.bytes])
    const pieces: Buffer[] = []
    for (let at = 0; at < sent.bytes.length; ) {
      const size = random.between(1, random.pick([2, 50, sent.bytes.length]))
      pieces.push(sent.bytes.subarray(at, at + size))
      at += size
    }
    assert.equal(parse(pieces), whole, `seed ${used}, script ${n}`)
  }
})

direct.run()

/** Gives the bytes to a parser as a transport does. @returns the words of all requests, and how it
 *  ended */
function parse(pieces: readonly Buffer[]): string[] {
  const parser = new Parser()
  const seen: string[] = []
  let kept: Buffer = Buffer.alloc(0)
  for (const piece of pieces) {
    kept = kept.length === 0 ? piece : Buffer.concat([kept, piece])
    let at = 0
    let outcome = parser.parse(kept, at, kept.length)
    for (; outcome === 'complete'; outcome = parser.parse(kept, at, kept.length)) {
      at += parser.consumed
      for (let word = 0; word < parser.frame.count; word++) seen.push(parser.frame.latin1(word))
    }
    if (outcome === 'failed') return [...seen, `failed: ${parser.error}`]
    kept = kept.subarray(at)
  }
  return seen
}
