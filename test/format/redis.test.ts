/** Bytes of Redis records: a change here makes existing shards unreadable. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  chunkCountOf,
  decodeRecord,
  encodeChunkedHead,
  encodeRecord,
  encodeRecordHead,
  RECORD_HEADER_BYTES,
  RecordKind,
} from '../../ts/redis/persistence/record.js'
import { Rope } from '../../ts/resp/rope.js'
import { Span } from '../../ts/resp/span.js'
import { property } from '../support/budget.js'

/** Bytes in front of a record, and behind it, that are not its own. */
const AROUND = 3

interface TextRecord {
  readonly kind: RecordKind
  readonly expiresAtMs: number
  readonly key: string
  readonly field: string
  readonly value: string | Buffer
}

/** A record as it is stored, cut out of the middle of what it was written to. */
function encode({ kind, expiresAtMs, key, field, value }: TextRecord): Buffer {
  const size = RECORD_HEADER_BYTES + key.length + field.length + value.length
  const target = Buffer.alloc(AROUND + size + AROUND, 0xee)
  const end = encodeRecord(target, AROUND, {
    kind,
    expiresAtMs,
    key: Span.of(key),
    field: kind === RecordKind.string ? undefined : Span.of(field),
    value: typeof value === 'string' ? Span.of(value) : new Rope([value]),
  })
  assert.is(end, AROUND + size)
  const around = Buffer.concat([target.subarray(0, AROUND), target.subarray(end)])
  assert.equal(around, Buffer.alloc(2 * AROUND, 0xee))
  return target.subarray(AROUND, end)
}

/** Reads a record that lies in the middle of others. */
function decode(encoded: Buffer): TextRecord {
  const around = Buffer.alloc(AROUND, 0xee)
  const bytes = Buffer.concat([around, encoded, around])
  const record = decodeRecord(bytes, AROUND, AROUND + encoded.length)
  const { kind, expiresAtMs, key, field, value } = record
  return { kind, expiresAtMs, key: key.latin1(), field: field.latin1(), value: value.latin1() }
}

test('kinds of records keep their numbers', () => {
  assert.equal(RecordKind, { string: 1, hashField: 2, chunked: 3 })
})

test('a string record has these bytes', () => {
  const encoded = encode({
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
  const encoded = encode({ kind, expiresAtMs: 0, key: 'h', field: 'f', value: Buffer.of(0) })
  assert.is(
    encoded.toString('hex'),
    '02' + '0000000000000000' + '00000001' + '00000001' + '00000001' + '68' + '66' + '00',
  )
})

test('a head has its expiry, and counts its chunks in four bytes', () => {
  assert.is(
    encodeChunkedHead(0x0123456789ab, 0x01020304).toString('hex'),
    '03' + '00000123456789ab' + '00000000' + '00000000' + '00000004' + '01020304',
  )
  const head = decodeRecord(encodeChunkedHead(7, 0xfffefdfc))
  assert.is(chunkCountOf(head), 0xfffefdfc)
  assert.equal([head.kind, head.expiresAtMs], [RecordKind.chunked, 7])
})

test('what stands before a value is written alike without it', () => {
  const key = Span.of('key')
  const value = Span.of('value')
  for (const field of [undefined, Span.of('field')]) {
    const kind = field === undefined ? RecordKind.string : RecordKind.hashField
    const record = { kind, expiresAtMs: 1, key, field, value }
    const [whole, head] = [Buffer.alloc(64), Buffer.alloc(64)]
    const end = encodeRecordHead(head, 0, record)
    assert.is(encodeRecord(whole, 0, record), end + value.length)
    assert.equal(head.subarray(0, end), whole.subarray(0, end))
  }
})

test('records come back as they were', () => {
  const texts = fc.string({ unit: fc.nat(255).map(byte => String.fromCharCode(byte)) })
  const kind = fc.constantFrom(RecordKind.string, RecordKind.hashField)
  const records = fc.record(
    { kind, expiresAtMs: fc.maxSafeNat(), key: texts, field: texts, value: texts },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(records, drawn => {
      const record = drawn.kind === RecordKind.string ? { ...drawn, field: '' } : drawn
      assert.equal(decode(encode(record)), record)
    }),
    property('key order'),
  )
})

test('a record with missing or surplus bytes is refused', () => {
  const { string: kind } = RecordKind
  const encoded = encode({ kind, expiresAtMs: 0, key: 'key', field: '', value: 'value' })
  for (let length = 0; length < encoded.length; length++) {
    assert.throws(() => decodeRecord(encoded.subarray(0, length)))
  }
  assert.throws(() => decodeRecord(Buffer.concat([encoded, Buffer.of(0)])))
})

test.run()
