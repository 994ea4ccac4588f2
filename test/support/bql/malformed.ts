/** Arguments that are no BSON document and no JSON text, made by hand and by damage. */
import { serialize } from 'bson'
import type { Random } from '../random.js'

export interface Malformed {
  readonly what: string
  readonly bytes: Buffer
}

const INT32_MAX = 2 ** 31 - 1

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

/** One element called `a`. */
function element(kind: number, value: Buffer, name = Buffer.from('a')): Buffer {
  return Buffer.concat([Buffer.of(kind), name, Buffer.of(0), value])
}

/** A document of elements; its length can be made to lie. */
function document(elements: Buffer, length = elements.length + 5): Buffer {
  return Buffer.concat([int32(length), elements, Buffer.of(0)])
}

/** Documents inside of each other, built as bytes for any depth. */
function nested(kind: number, levels: number): Buffer {
  const heads: Buffer[] = []
  // Kind, name with its end, and the five bytes of a document, for each level further in.
  for (let left = levels; left >= 0; left--) {
    heads.push(int32(left * 8 + 5))
    if (left > 0) heads.push(Buffer.of(kind, 0x30, 0))
  }
  return Buffer.concat([...heads, Buffer.alloc(levels + 1)])
}

function text(bytes: Buffer, length = bytes.length + 1): Buffer {
  return Buffer.concat([int32(length), bytes, Buffer.of(0)])
}

const OVERLONG = Buffer.of(0xc0, 0x80)
const SURROGATE = Buffer.of(0xed, 0xa0, 0x80)
const CUT = Buffer.of(0xe2, 0x82)
const plain = Buffer.from(serialize({ a: 1, b: 'text', c: [1, { d: null }], e: true }))

/** Every value with a length that can't be, in a document that has the right one. */
function wrongLengths(): Malformed[] {
  const lengths = [INT32_MAX, -1, -(2 ** 31), 0, 3, 1_000, 2 ** 24]
  return lengths.flatMap(length => [
    { what: `a string of ${length} bytes`, bytes: document(element(2, textOf(length))) },
    { what: `a document of ${length} bytes`, bytes: document(element(3, document(EMPTY, length))) },
    { what: `an array of ${length} bytes`, bytes: document(element(4, document(EMPTY, length))) },
    { what: `code of ${length} bytes`, bytes: document(element(13, textOf(length))) },
    { what: `a symbol of ${length} bytes`, bytes: document(element(14, textOf(length))) },
    { what: `code with scope of ${length} bytes`, bytes: document(element(15, int32(length))) },
    ...(length === 0
      ? []
      : [{ what: `a binary of ${length} bytes`, bytes: document(element(5, binary(length))) }]),
  ])
}

const EMPTY = Buffer.alloc(0)
const textOf = (length: number) => text(Buffer.from('x'), length)
const binary = (length: number) => Buffer.concat([int32(length), Buffer.of(0)])

/** Damaged documents of every kind. Their own length and end are right unless that is the point,
 *  so that they are taken for BSON wherever the form is detected. */
export function malformedBson(): Malformed[] {
  const cuts = Array.from({ length: plain.length - 1 }, (_, i) => plain.subarray(0, i))
  const repaired = cuts.slice(5).map(cut => {
    const bytes = Buffer.concat([cut.subarray(4), Buffer.of(0)])
    return Buffer.concat([int32(bytes.length + 4), bytes])
  })
  const names = [OVERLONG, SURROGATE, CUT, Buffer.of(0xff)]
  return [
    ...cuts.map((bytes, i) => ({ what: `cut after ${i} bytes`, bytes })),
    ...repaired
      // A cut behind a whole element leaves a whole document.
      .filter(bytes => !isWhole(bytes))
      .map(bytes => ({ what: `cut to ${bytes.length} bytes, length repaired`, bytes })),
    { what: 'a length too small', bytes: document(element(10, EMPTY), 5) },
    { what: 'a length too large', bytes: document(element(10, EMPTY), INT32_MAX) },
    { what: 'a negative length', bytes: document(element(10, EMPTY), -1) },
    ...wrongLengths(),
    ...names.flatMap(bytes => [
      { what: `a name ${bytes.toString('hex')}`, bytes: document(element(10, EMPTY, bytes)) },
      { what: `a string ${bytes.toString('hex')}`, bytes: document(element(2, text(bytes))) },
    ]),
    { what: 'a name without an end', bytes: document(Buffer.from([10, 97])) },
    { what: 'an unknown kind', bytes: document(element(0x20, EMPTY)) },
    { what: 'a boolean of 2', bytes: document(element(8, Buffer.of(2))) },
    { what: 'an array that begins at 1', bytes: document(element(4, document(arrayFrom(1)))) },
    { what: 'a regular expression without options', bytes: document(element(11, Buffer.of(97))) },
    ...[201, 5_000, 100_000].flatMap(levels => [
      { what: `documents ${levels} levels deep`, bytes: nested(3, levels) },
      { what: `arrays ${levels} levels deep`, bytes: document(element(4, nested(4, levels))) },
    ]),
  ]
}

function arrayFrom(first: number): Buffer {
  return element(10, EMPTY, Buffer.from(String(first)))
}

/** The places in `plain` at which an element ends. */
function isWhole(bytes: Buffer): boolean {
  const parts = [{ a: 1 }, { a: 1, b: 'text' }, { a: 1, b: 'text', c: [1, { d: null }] }, {}]
  return parts.some(part => Buffer.from(serialize(part)).equals(bytes))
}

const JSON_TEXTS: readonly string[] = [
  ...['', ' ', '{', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":}', '{"a":"', '{"a":"\\'],
  ...['{"a":"\\u12', '{"a":"\\q"}', '[]', '[{}]', '5', 'null', '"x"', '{"a":tru}', '{"a":1e}'],
  ...['{"a":9223372036854775808}', '{"a":-}', '{"a":[}', '{"a":[1,', '{"a":1 "b":2}', '}', ']'],
  ...['{"a":{"$oid":"zz"}}', '{"a":{"$numberLong":"x"}}', '{"a":{"$numberDecimal":"1e99999"}}'],
  ...['{"a":{"$date":"never"}}', '{"a":{"$numberInt":"2147483648"}}', '{"a":\u0001}'],
  ...['{"a":{"$binary":{"base64":"*","subType":"00"}}}', '{"a":{"$timestamp":{"t":-1,"i":0}}}'],
]

/** Texts that are no JSON object, whatever form is asked for. */
export function malformedJson(): Malformed[] {
  const depths = [201, 5_000, 200_000]
  const invalid = [OVERLONG, SURROGATE, CUT, Buffer.of(0xff)]
  return [
    ...JSON_TEXTS.map(json => ({ what: `JSON ${json}`, bytes: Buffer.from(json) })),
    ...depths.flatMap(depth => [
      { what: `${depth} open braces`, bytes: Buffer.from('{"a":'.repeat(depth)) },
      { what: `${depth} open brackets`, bytes: Buffer.from(`{"a":${'['.repeat(depth)}`) },
      {
        what: `${depth} arrays`,
        bytes: Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`),
      },
    ]),
    ...invalid.flatMap(bytes => [
      { what: `JSON text ${bytes.toString('hex')}`, bytes: inText('{"a":"', bytes, '"}') },
      { what: `JSON name ${bytes.toString('hex')}`, bytes: inText('{"', bytes, '":1}') },
      { what: `JSON with ${bytes.toString('hex')}`, bytes: inText('{', bytes, '}') },
    ]),
  ]
}

function inText(before: string, bytes: Buffer, after: string): Buffer {
  return Buffer.concat([Buffer.from(before), bytes, Buffer.from(after)])
}

/** Damages a copy of `bytes` in one to three places; half of the results have the right length, so
 *  that the damage is met further in. */
export function damaged(random: Random, whole: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(whole)
  const count = random.between(1, 3)
  for (let i = 0; i < count; i++) bytes = damagedOnce(random, bytes)
  if (random.next() < 0.5 && bytes.length >= 5) {
    bytes.writeInt32LE(bytes.length)
    bytes[bytes.length - 1] = 0
  }
  return bytes
}

function damagedOnce(random: Random, bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes
  const at = random.between(0, bytes.length - 1)
  switch (random.between(0, 4)) {
    case 0:
      bytes[at] = random.between(0, 255)
      return bytes
    case 1:
      bytes[at]! ^= 1 << random.between(0, 7)
      return bytes
    case 2:
      return bytes.subarray(0, at)
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])
    default: {
      const length = random.pick([INT32_MAX, -1, 0, 40, bytes.length])
      return Buffer.concat([bytes.subarray(0, at), int32(length), bytes.subarray(at + 4)])
    }
  }
}
