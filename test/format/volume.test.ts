/** Bytes of volume metadata: a change here makes existing volumes unreadable. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  CHANGE_BYTES,
  CHANGES_PER_VALUE,
  ChangeCollector,
  ChangeKind,
} from '../../ts/volume/change-log.js'
import { volumeName } from '../../ts/volume/name.js'
import { decodeTail, encodeEntry, encodeTail } from '../../ts/volume/volume-writes.js'

const VALUE_LIMIT_BYTES = 100_000

test('a volume entry is prefix, owner key, length and checksum', () => {
  const entry = encodeEntry({
    prefix: Buffer.from('0102030405060708', 'hex'),
    ownerKey: Buffer.from('a0a1a2', 'hex'),
    length: 0x00010203,
    checksum: 0xfffefdfc,
  })
  assert.is(entry.toString('hex'), '0102030405060708' + '03' + 'a0a1a2' + '00010203' + 'fffefdfc')
})

test('a segment tail is eight bytes whose order is numeric', () => {
  assert.is(encodeTail(0x100000000).toString('hex'), '0000000100000000')
  assert.is(decodeTail(encodeTail(0x100000000)), 0x100000000)
  assert.is(decodeTail(undefined), 0)
  assert.ok(Buffer.compare(encodeTail(255), encodeTail(256)) < 0)
})

test('kinds of changes keep their numbers', () => {
  assert.equal(ChangeKind, { append: 1, release: 2, releaseAll: 3 })
})

test('a change is kind, segment, position, length and checksum', () => {
  const changes = new ChangeCollector()
  changes.add(ChangeKind.append, Uint32Array.of(9, 9, 9, 9, 1, 2, 3, 0xfffefdfc), 1)
  changes.add(ChangeKind.release, Uint32Array.of(0xffffffff, 5, 6, 7), 0)
  const [value] = [...changes.values()]
  assert.is(
    value?.toString('hex'),
    '01' +
      '00000001' +
      '00000002' +
      '00000003' +
      'fffefdfc' +
      '02' +
      'ffffffff' +
      '00000005' +
      '00000006' +
      '00000007',
  )
})

test('a value of the change log holds as many changes as the store allows for', () => {
  assert.is(CHANGE_BYTES, 17)
  assert.is(CHANGES_PER_VALUE, 4096)
  assert.ok(CHANGE_BYTES * CHANGES_PER_VALUE <= VALUE_LIMIT_BYTES)
  const changes = new ChangeCollector()
  for (let i = 0; i < 2 * CHANGES_PER_VALUE; i++) {
    changes.add(ChangeKind.append, Uint32Array.of(0, i, 1, 0), 0)
  }
  const sizes = [...changes.values()].map(value => value.length)
  assert.equal(sizes, [CHANGE_BYTES * CHANGES_PER_VALUE, CHANGE_BYTES * CHANGES_PER_VALUE])
})

test('volumes keep their names', () => {
  assert.is(volumeName('BUCKET', 0), 'bucket-shard-0')
  assert.is(volumeName('REDIS', 12), 'redis-shard-12')
})

test.run()
