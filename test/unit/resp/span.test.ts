/** Borrowed bytes, and how they are copied. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { copyBytes, Span } from '../../../ts/resp/span.js'

const ALL = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

test('a span of a text has one byte for each code unit, and is that text again', () => {
  const span = Span.of(ALL.toString('latin1'))
  assert.is(span.length, 256)
  assert.equal(span.bytes.subarray(span.start, span.end), ALL)
  assert.is(span.latin1(), ALL.toString('latin1'))
  assert.is(Span.of('').length, 0)
  assert.is(Span.of('').latin1(), '')
})

test('a span is what lies between its ends, and nothing around them', () => {
  const span = new Span(ALL, 97, 100)
  assert.is(span.length, 3)
  assert.is(span.latin1(), 'abc')
  assert.is(new Span(ALL, 97, 97).latin1(), '')
})

test('text of every length comes out whole', () => {
  for (let length = 0; length <= 40; length++) {
    for (const from of [0, 128, 256 - length]) {
      const span = new Span(ALL, from, from + length)
      assert.is(span.latin1(), ALL.toString('latin1').slice(from, from + length))
    }
  }
})

test('as many bytes are copied as there are, to their place', () => {
  const source = Buffer.concat([ALL, ALL])
  // Up to 64 bytes a loop copies, beyond that the runtime does.
  for (const length of [0, 1, 2, 63, 64, 65, 66, 300]) {
    for (const [from, at] of [
      [0, 0],
      [7, 5],
    ] as const) {
      const target = Buffer.alloc(400, 0xee)
      copyBytes(target, at, new Span(source, from, from + length))
      const expected = Buffer.alloc(400, 0xee)
      source.copy(expected, at, from, from + length)
      assert.equal(target, expected, `${length} bytes from ${from} to ${at}`)
    }
  }
})

test('bytes are copied within one buffer, beside each other', () => {
  for (const length of [1, 64, 65]) {
    const buffer = Buffer.concat([Buffer.alloc(length, 1), Buffer.alloc(length, 2)])
    copyBytes(buffer, length, new Span(buffer, 0, length))
    assert.equal(buffer, Buffer.alloc(2 * length, 1))
  }
})

test.run()
