/** Bytes of Redis records: a change here makes existing shards unreadable. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  decodeChunkCount,
  decodeRecord,
  encodeChunkCount,
  encodeRecord,
  HEAP_VALUE_MAX_BYTES,
  keepValue,
  RecordKind,
} from '../../ts/redis/record.js'
import { property } from '../support/budget.js'

test('kinds of records keep their numbers', () => {
  assert.equal(RecordKind, { string: 1, hashField: 2, chunked: 3 })
})

test('a string record has these bytes', () => {
  const encoded = encodeRecord({
    kind: RecordKind.string,
    expiresAtMs: 0x0123456789ab,
    key: 'k\xff',
    field: '',
    value: 'v',
  })
  assert.is(
    encoded.toString('hex'),
    '01' + '00000123456789ab' + '00000002' + '00000000' + '00000001' + '6bff' + '76',
  )
})

test('a hash-field record has these bytes', () => {
  const { hashField: kind } = RecordKind
  const encoded = encodeRecord({ kind, expiresAtMs: 0, key: 'h', field: 'f', value: Buffer.of(0) })
  assert.is(
    encoded.toString('hex'),
    '02' + '0000000000000000' + '00000001' + '00000001' + '00000001' + '68' + '66' + '00',
  )
})

test('a head counts its chunks in four bytes', () => {
  assert.is(encodeChunkCount(0x01020304).toString('hex'), '01020304')
  assert.is(decodeChunkCount(keepValue(encodeChunkCount(0xfffefdfc))), 0xfffefdfc)
})

test('records come back as they were', () => {
  const texts = fc.string({ unit: fc.nat(255).map(byte => String.fromCharCode(byte)) })
  const kind = fc.constantFrom(RecordKind.string, RecordKind.hashField)
  const records = fc.record(
    { kind, expiresAtMs: fc.maxSafeNat(), key: texts, field: texts, value: texts },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(records, record => assert.equal(decodeRecord(encodeRecord(record)), record)),
    property('key order'),
  )
})

test('a record with missing or surplus bytes is refused', () => {
  const { string: kind } = RecordKind
  const encoded = encodeRecord({ kind, expiresAtMs: 0, key: 'key', field: '', value: 'value' })
  for (let length = 0; length < encoded.length; length++) {
    assert.throws(() => decodeRecord(encoded.subarray(0, length)))
  }
  assert.throws(() => decodeRecord(Buffer.concat([encoded, Buffer.of(0)])))
})

test('long values live outside the heap, and are copies', () => {
  const bytes = Buffer.alloc(HEAP_VALUE_MAX_BYTES + 1, 1)
  const kept = keepValue(bytes)
  assert.ok(Buffer.isBuffer(kept))
  bytes.fill(2)
  assert.is(kept[0], 1)
  assert.type(keepValue(bytes.subarray(1)), 'string')
})

test.run()
