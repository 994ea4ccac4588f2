import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lastKey, PackedReader, unpack } from '../../../ts/store/packed-range.js'
import type { PackedRange } from '../../../ts/store/types.js'

function pack(...pairs: [key: string, value: string][]): PackedRange {
  const chunks = pairs.flatMap(([key, value]) => {
    const head = Buffer.alloc(8)
    head.writeUInt32LE(Buffer.byteLength(key), 0)
    head.writeUInt32LE(Buffer.byteLength(value), 4)
    return [head, Buffer.from(key), Buffer.from(value)]
  })
  return { data: Buffer.concat(chunks), count: pairs.length, more: false }
}

test('walks pairs in order, empty keys and values included', () => {
  const range = pack(['a', '1'], ['', 'x'], ['ccc', ''])
  const seen = [...unpack(range)].map(({ key, value }) => [key.toString(), value.toString()])
  assert.equal(seen, [
    ['a', '1'],
    ['', 'x'],
    ['ccc', ''],
  ])
})

test('cuts a prefix off keys without copying', () => {
  const range = pack(['prefix-key', 'v'])
  const reader = new PackedReader(range)
  assert.ok(reader.next())
  assert.is(reader.keyFrom(7).toString(), 'key')
  assert.is(reader.key.buffer, range.data.buffer)
  assert.not(reader.next())
})

test('finds the last key', () => {
  assert.is(lastKey(pack(['a', '1'], ['b', '2'])).toString(), 'b')
})

test('has nothing to walk in an empty range', () => {
  assert.equal([...unpack(pack())], [])
})

test.run()
