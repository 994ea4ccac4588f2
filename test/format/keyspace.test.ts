/** Bytes on disk: a change here is a change of format, and makes existing stores unreadable. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as keyspace from '../../ts/store/keyspace.js'
import { POINTER_BYTES, packPointer, unpackPointer } from '../../ts/store/pointer.js'
import { property } from '../support/budget.js'

const prefix = Buffer.from('1507', 'hex')
const owner = Buffer.from('0102030405060708', 'hex')
const id = Buffer.from('a0a1a2a3a4a5a6a7a8a9aaab', 'hex')
const segment = 0x01020304
const position = 0x0a0b0c0d

const FROZEN: readonly (readonly [what: string, key: Buffer, hex: string])[] = [
  ['changes of namespaces', keyspace.namespaceChangesKey(prefix), '150701'],
  ['namespaces seen', keyspace.namespacesSeenKey(prefix, 'f00d'), '15070266303064'],
  ['tombstone', keyspace.tombstoneKey(prefix, 'a.ä'), '150703612ec3a4'],
  ['namespace uuid', keyspace.namespaceFieldKey(prefix, 0x01), '15070101'],
  ['namespace removed', keyspace.namespaceFieldKey(prefix, 0x02), '15070102'],
  ['zmap prefix', keyspace.zmapPrefix(prefix), '150702'],
  ['zmap key', keyspace.zmapKey(prefix, Buffer.from('6100ff62', 'hex')), '15076100ff62'],
  [
    'stamped zmap key',
    keyspace.stampedZmapKey(prefix, Buffer.from('61000000000000000000006201000000', 'hex')),
    '150761000000000000000000006203000000',
  ],
  ['zmap empty key', keyspace.zmapKey(prefix, Buffer.alloc(0)), '1507'],
  ['bucket metadata', keyspace.bucketMetadataKey(prefix, Buffer.from('users')), '1507037573657273'],
  ['bucket data', keyspace.bucketDataPrefix(prefix, owner), '1507040102030405060708'],
  ['primary prefix', keyspace.primaryPrefix(prefix), '150701'],
  ['primary', keyspace.primaryKey(prefix, id), '150701a0a1a2a3a4a5a6a7a8a9aaab'],
  ['index prefix', keyspace.indexPrefix(prefix, -2n), '150702fffffffffffffffe'],
  ['cardinality of an index', keyspace.cardinalityKey(prefix, 0n), '1507040000000000000000'],
  ['statistics of an index', keyspace.statisticsKey(prefix, 1n), '1507050000000000000001'],
  ['tasks of an index', keyspace.indexTasksRange(prefix, 1n).begin, '1507060000000000000001'],
  [
    'task of an index',
    keyspace.indexTaskKey(prefix, 1n, id),
    '1507060000000000000001a0a1a2a3a4a5a6a7a8a9aaab',
  ],
  ['tasks added', keyspace.tasksAddedKey(prefix), '150701'],
  ['queued tasks', keyspace.queuedTasksRange(prefix).begin, '150702'],
  [
    'queued tasks of a bucket',
    keyspace.bucketTasksRange(prefix, owner).begin,
    '1507020102030405060708',
  ],
  [
    'queued task',
    keyspace.queuedTaskKey(prefix, { bucket: owner, index: -1n, task: id }),
    '1507020102030405060708ffffffffffffffffa0a1a2a3a4a5a6a7a8a9aaab',
  ],
  ['volume id', keyspace.volumeFieldKey(prefix, keyspace.VolumeField.id), '15070001'],
  ['volume status', keyspace.volumeFieldKey(prefix, keyspace.VolumeField.status), '15070002'],
  ['entries prefix', keyspace.volumeEntriesPrefix(prefix), '150701'],
  ['entry', keyspace.volumeEntryKey(prefix, segment, position), '150701010203040a0b0c0d'],
  [
    'cardinality',
    keyspace.accountingKey(prefix, segment, owner, keyspace.Accounting.cardinality),
    '15070201020304010203040506070801',
  ],
  [
    'used bytes',
    keyspace.accountingKey(prefix, segment, owner, keyspace.Accounting.usedBytes),
    '15070201020304010203040506070802',
  ],
  ['segment', keyspace.segmentKey(prefix, segment), '15070301020304'],
  ['segment tail', keyspace.segmentTailKey(prefix, segment), '150703010203047461696c'],
  ['change log', keyspace.changeLogPrefix(prefix), '150704'],
  ['redis records', keyspace.redisRecordsPrefix(prefix), '15070501'],
  [
    'redis record',
    keyspace.redisRecordKey(prefix, 0x1122334455667788n),
    '150705011122334455667788',
  ],
]

for (const [what, key, hex] of FROZEN) {
  test(`freezes the bytes of: ${what}`, () => assert.is(key.toString('hex'), hex))
}

test('freezes the values of stored tags', () => {
  assert.equal(keyspace.NamespaceField, {
    uuid: 1,
    removed: 2,
    version: 3,
    name: 4,
    parent: 5,
    moved: 6,
  })
  assert.equal(keyspace.VolumeField, { id: 1, status: 2 })
  assert.equal(keyspace.Accounting, { cardinality: 1, usedBytes: 2 })
})

test('freezes the directories', () => {
  assert.equal(keyspace.clusterPath('dev', 'namespaces'), ['kronotop', 'dev', 'namespaces'])
  assert.equal(keyspace.clusterPath('dev', 'volumes', 'bucket', '0'), [
    'kronotop',
    'dev',
    'volumes',
    'bucket',
    '0',
  ])
})

test('freezes the pointer', () => {
  const pointer = { shard: 0x0102, segment, position, length: 0x05060708, crc32c: 0xf1f2f3f4 }
  const packed = packPointer(pointer)
  assert.is(packed.length, POINTER_BYTES)
  assert.is(packed.toString('hex'), '0102010203040a0b0c0d05060708f1f2f3f4')
  assert.equal(unpackPointer(Buffer.concat([Buffer.alloc(3), packed]), 3), pointer)
  assert.throws(() => unpackPointer(packed.subarray(1)), /range/)
})

const anyBytes = fc.uint8Array({ maxLength: 12 }).map(bytes => Buffer.from(bytes))
/** Many zero and FF bytes: where escaping could go wrong. */
const edgyBytes = fc
  .array(fc.constantFrom(0x00, 0x01, 0x2a, 0xfe, 0xff), { maxLength: 8 })
  .map(bytes => Buffer.from(bytes))
const bytes = fc.oneof(anyBytes, edgyBytes)

test('orders zmap keys as their bytes', () => {
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      const order = keyspace.zmapKey(prefix, one).compare(keyspace.zmapKey(prefix, other))
      assert.is(Math.sign(order), Math.sign(one.compare(other)))
    }),
    property('key order'),
  )
})

test('gives the bytes of a tuple item back, and keeps their order', () => {
  const { bytes: type } = keyspace.TupleType
  const item = (key: Buffer) => keyspace.withTupleItem(Buffer.alloc(0), type, key)
  fc.assert(
    fc.property(bytes, bytes, (key, other) => {
      assert.equal(keyspace.tupleItemBytes(item(key)), key)
      assert.is(item(key).compare(item(other)), key.compare(other))
    }),
    property('key order'),
  )
})

test('puts exactly the keys of a prefix into its range', () => {
  const notOnlyFf = bytes.filter(candidate => candidate.some(byte => byte !== 0xff))
  fc.assert(
    fc.property(notOnlyFf, bytes, (start, key) => {
      const { begin, end } = keyspace.prefixRange(start)
      const isInside = key.compare(begin) >= 0 && key.compare(end) < 0
      assert.is(isInside, key.subarray(0, start.length).equals(start))
    }),
    property('key order'),
  )
})

test('finds nothing between a key and the one after it', () => {
  fc.assert(
    fc.property(bytes, bytes, (key, other) => {
      const after = keyspace.keyAfter(key)
      assert.is(after.compare(key), 1)
      assert.not(other.compare(key) > 0 && other.compare(after) < 0)
    }),
    property('key order'),
  )
})

test('orders entries by segment, then position', () => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff })
  fc.assert(
    fc.property(u32, u32, u32, u32, (segmentA, positionA, segmentB, positionB) => {
      const one = keyspace.volumeEntryKey(prefix, segmentA, positionA)
      const other = keyspace.volumeEntryKey(prefix, segmentB, positionB)
      assert.is(one.compare(other), Math.sign(segmentA - segmentB || positionA - positionB))
    }),
    property('key order'),
  )
})

test('keeps the ranges of different areas of a volume apart', () => {
  const { end } = keyspace.volumeEntriesRange(prefix, 0xffffffff)
  assert.ok(end.compare(keyspace.accountingRange(prefix, 0).begin) <= 0)
  const segments = keyspace.segmentsRange(prefix)
  assert.ok(keyspace.segmentTailKey(prefix, 0xffffffff).compare(segments.end) < 0)
})

test('wipes the entries, counters and records of a volume, and leaves the rest of it', () => {
  const wiped = [...keyspace.volumeContentRanges(prefix), keyspace.redisRange(prefix)]
  const shown = wiped.map(({ begin, end }) => `${begin.toString('hex')}–${end.toString('hex')}`)
  assert.equal(shown, ['150701–150702', '150702–150703', '150705–150706'])
})

test('refuses a range without an end', () => {
  assert.throws(() => keyspace.prefixEnd(Buffer.from('ffff', 'hex')), RangeError)
})

test.run()
