/** Ropes do what bytes in a row do, and none changes when another is made of it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PIECE_BYTES, Rope } from '../../../ts/resp/rope.js'
import { Span } from '../../../ts/resp/span.js'
import { rounds, seed } from '../../support/budget.js'
import { Random } from '../../support/random.js'

const KIB = 1024
/** Neighbours up to this many bytes together are one piece. */
const JOINED_BYTES = 256 * KIB
const EDGES = [0, 1, 4 * KIB, JOINED_BYTES, PIECE_BYTES, 2 * PIECE_BYTES]
const LONGEST = 3 * PIECE_BYTES

/** A rope, and the bytes that it must have. */
interface Model {
  readonly rope: Rope
  readonly bytes: Buffer
}

function drawSize(random: Random, most: number): number {
  const near = random.pick(EDGES) + random.between(-2, 2)
  const size = random.next() < 0.5 ? near : random.between(0, JOINED_BYTES)
  return Math.min(Math.max(size, 0), most)
}

function drawBytes(random: Random, size: number): Buffer {
  const bytes = Buffer.alloc(size, random.between(0, 255))
  if (size > 0) bytes[random.between(0, size - 1)] = random.between(0, 255)
  return bytes
}

/** Bytes as commands give them: borrowed from what is written over afterwards, or a rope. */
function drawGiven(random: Random, bytes: Buffer): { given: Span | Rope; input: Buffer } {
  const input = Buffer.concat([Buffer.from('<<'), bytes, Buffer.from('>>')])
  const span = new Span(input, 2, 2 + bytes.length)
  return { given: random.next() < 0.5 ? span : Rope.of(span), input }
}

function overwritten(old: Buffer, offset: number, added: Buffer): Buffer {
  const whole = Buffer.alloc(Math.max(old.length, offset + added.length))
  old.copy(whole)
  added.copy(whole, offset)
  return whole
}

function check({ rope, bytes }: Model): void {
  assert.is(rope.length, bytes.length)
  assert.ok(rope.flat().equals(bytes), 'its bytes are others')
  assert.ok(
    rope.pieces.every(({ length }) => length <= PIECE_BYTES),
    'a piece is too long',
  )
}

test('ropes are as the bytes that they stand for, whatever became of them', () => {
  const random = new Random(seed())
  const made: Model[] = [{ rope: new Rope([]), bytes: Buffer.alloc(0) }]
  let latest = made[0]!
  for (let round = 0; round < rounds('ropes'); round++) {
    const { rope, bytes } = latest
    const added = drawBytes(random, drawSize(random, LONGEST))
    const { given, input } = drawGiven(random, added)
    const isFull = bytes.length + added.length > LONGEST
    if (isFull) {
      latest = { rope: Rope.of(Span.of('x')), bytes: Buffer.from('x') }
    } else if (random.next() < 0.5) {
      latest = { rope: rope.append(given), bytes: Buffer.concat([bytes, added]) }
    } else if (added.length > 0) {
      const offset = drawSize(random, LONGEST - added.length)
      latest = { rope: rope.overwrite(offset, given), bytes: overwritten(bytes, offset, added) }
    }
    input.fill(0xee)
    const from = random.between(0, latest.bytes.length)
    const to = random.between(from, latest.bytes.length)
    check({ rope: latest.rope.slice(from, to), bytes: latest.bytes.subarray(from, to) })
    made.push(latest)
    // Those from before are as they were.
    if (made.length > 8) for (const model of made.splice(0, 4)) check(model)
  }
  made.forEach(check)
})

test('bytes are appended where there is room, without a copy of the piece', () => {
  let rope = Rope.of(Span.of('x'.repeat(20_000)))
  let places = new Set<ArrayBufferLike>()
  for (let i = 0; i < 10_000; i++) {
    rope = rope.append(Span.of('y'))
    places = new Set([...places, rope.pieces[0]!.buffer])
  }
  assert.is(rope.length, 30_000)
  assert.ok(places.size < 5, `${places.size} copies`)
})

test('a rope that bytes are appended to for long has few pieces', () => {
  let rope = Rope.of(Span.of('x'.repeat(17 * KIB)))
  for (let i = 0; i < 200; i++) rope = rope.append(Span.of('y'.repeat(50 * KIB)))
  assert.ok(rope.pieces.length <= 2 * Math.ceil(rope.length / JOINED_BYTES), 'too many pieces')
})

test('pieces that are written over again and again stay few', () => {
  const random = new Random(seed())
  let rope = Rope.of(new Span(Buffer.alloc(LONGEST), 0, LONGEST))
  for (let i = 0; i < 300; i++) {
    rope = rope.overwrite(random.between(0, LONGEST - 100), Span.of('y'.repeat(100)))
  }
  assert.is(rope.length, LONGEST)
  assert.ok(rope.pieces.length <= (2 * LONGEST) / JOINED_BYTES + 1, `${rope.pieces.length} pieces`)
})

test.run()
