/** Large words come in parts: whatever the cuts, they are whole, and their memory is counted. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Frame } from '../../../ts/resp/frame.js'
import { Parser } from '../../../ts/resp/parser.js'
import { Rope } from '../../../ts/resp/rope.js'
import { Transit } from '../../../ts/resp/transit.js'
import { rounds, seed } from '../../support/budget.js'
import { Random } from '../../support/random.js'
import { encodeRequest } from '../../support/resp-client.js'

const KIB = 1024
const EDGES = [0, 1, 16 * KIB, 256 * KIB, 1024 * KIB, 1280 * KIB]
/** What is not consumed of a frame that comes in parts, at most: what came before its first large
 *  word, and what is too little to go on. */
const KEPT_BYTES_MAX = 1024 * KIB + 256 * KIB + 64

function drawWord(random: Random): Buffer {
  const size = random.pick(EDGES) + random.between(-3, 3)
  const word = Buffer.alloc(random.next() < 0.4 ? random.between(0, 40) : Math.max(size, 0), 'w')
  for (let i = random.between(0, 999); i < word.length; i += 1_000) word[i] = random.between(0, 255)
  return word
}

function drawRequest(random: Random): Buffer[] {
  return Array.from({ length: random.between(1, 6) }, () => drawWord(random))
}

function wordsOf(frame: Frame): Buffer[] {
  return Array.from({ length: frame.count }, (_, i) => {
    const value = frame.value(i)
    const flat = value instanceof Rope ? value.flat() : Buffer.from(value.latin1(), 'latin1')
    assert.is(frame.size(i), flat.length)
    assert.ok(frame.bytes(i).equals(flat), 'a word is the same in each form')
    return Buffer.from(flat)
  })
}

function isSame(one: readonly Buffer[], other: readonly Buffer[]): boolean {
  return one.length === other.length && one.every((word, i) => word.equals(other[i]!))
}

/** A parser, fed as a transport does it. */
class Feed {
  readonly transit = new Transit()
  readonly parser = new Parser({ frameBytes: 0, transit: this.transit })
  readonly requests: Buffer[][] = []
  readonly copies: Frame[] = []
  readonly #random: Random
  #kept = Buffer.alloc(0)
  #expected = 0

  constructor(random: Random) {
    this.#random = random
  }

  give(chunk: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, chunk])
    if (this.#kept.length < this.#expected) return
    const input = Buffer.from(this.#kept)
    let at = 0
    for (;;) {
      const outcome = this.parser.parse(input, at, input.length)
      assert.is.not(outcome, 'failed')
      if (outcome === 'incomplete') break
      // One that is held is shown again, from the same byte on, in a later turn.
      if (this.#random.next() < 0.1) {
        this.parser.hold()
        this.parser.release()
        continue
      }
      this.#take()
      at += this.parser.consumed
    }
    at += this.parser.consumed
    this.#expected = this.parser.expectBytes
    this.parser.release()
    input.fill(0xee, 0, at)
    this.#kept = this.#kept.subarray(at)
    assert.ok(this.#kept.length <= KEPT_BYTES_MAX, `${this.#kept.length} bytes are not consumed`)
  }

  #take(): void {
    const { frame } = this.parser
    this.requests.push(wordsOf(frame))
    this.copies.push(frame.copy())
  }
}

test('large words are read however their bytes are split', () => {
  const random = new Random(seed())
  for (let round = 0; round < rounds('requests with large words'); round++) {
    const requests = Array.from({ length: random.between(1, 3) }, () => drawRequest(random))
    const bytes = Buffer.concat(requests.map(encodeRequest))
    const feed = new Feed(random)
    for (let at = 0; at < bytes.length; ) {
      const size = random.next() < 0.1 ? random.between(1, 3) : random.between(1, 400 * KIB)
      feed.give(bytes.subarray(at, at + size))
      at += size
    }
    assert.is(feed.requests.length, requests.length)
    requests.forEach((request, i) => {
      assert.ok(isSame(feed.requests[i]!, request), 'a request is another')
      assert.ok(isSame(wordsOf(feed.copies[i]!), request), 'the copy of a request is another')
    })
    assert.is(feed.transit.usedBytes, 0, 'memory was given back')
  }
})

test('a word without room is passed over, and the next request is read', () => {
  const transit = new Transit(() => 1024 * KIB)
  const parser = new Parser({ frameBytes: 0, transit })
  const request = encodeRequest(['SET', 'k', Buffer.alloc(3000 * KIB)])
  for (let at = 0; at < request.length; ) {
    const chunk = request.subarray(at, at + 100 * KIB)
    const outcome = parser.parse(chunk, 0, chunk.length)
    at += parser.consumed
    assert.ok(transit.usedBytes <= 1024 * KIB)
    assert.is(outcome, at < request.length ? 'incomplete' : 'complete')
  }
  assert.ok(parser.frame.isCut)
  assert.is(parser.frame.latin1(0), 'SET')
  parser.release()
  assert.is(transit.usedBytes, 0)
  const next = encodeRequest(['PING'])
  assert.is(parser.parse(next, 0, next.length), 'complete')
  assert.not(parser.frame.isCut)
})

test('what is there of a word is let go with its connection', () => {
  const transit = new Transit()
  const parser = new Parser({ frameBytes: 0, transit })
  const [first, second] = [Buffer.alloc(300 * KIB), Buffer.alloc(900 * KIB)]
  const request = encodeRequest(['MSET', 'a', first, 'b', second])
  const half = request.subarray(0, 800 * KIB)
  parser.parse(half, 0, 200 * KIB)
  parser.parse(half, parser.consumed, half.length)
  assert.ok(transit.usedBytes > 500 * KIB)
  parser.close()
  assert.is(transit.usedBytes, 0)
})

test('a frame beyond the bound of requests ends before its bytes have come', () => {
  const transit = new Transit()
  const parser = new Parser({ frameBytes: 2048 * KIB, transit })
  const [first, second] = [Buffer.alloc(1500 * KIB), Buffer.alloc(600 * KIB)]
  const request = encodeRequest(['MSET', 'a', first, 'b', second])
  const most = request.subarray(0, 1510 * KIB)
  assert.is(parser.parse(most, 0, 1000 * KIB), 'incomplete')
  assert.is(parser.parse(most, parser.consumed, most.length), 'failed')
  assert.is(parser.error, '')
})

test.run()
