import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Batch, type Item, ShardData } from '../../../ts/redis/shard.js'
import { slotOf } from '../../../ts/redis/slots.js'
import { errorOf } from '../../support/data-member.js'

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const slot = (key: string): number => slotOf(Buffer.from(key, 'latin1'))

let shard: ShardData

test.before.each(() => {
  shard = new ShardData(0)
})

const set = (key: string, value: string, expiresAtMs = 0) => {
  shard.setString(slot(key), key, value, expiresAtMs)
}
const get = (key: string) => shard.getString(slot(key), key)?.item.value
const hset = (key: string, field: string, value: string) => {
  return shard.setField(slot(key), key, field, value)
}
const fields = (key: string) => {
  return [...(shard.getHash(slot(key), key)?.fields ?? [])].map(([field, { value }]) => {
    return `${field}=${value}`
  })
}
const del = (key: string) => shard.delete(slot(key), key)
const dirty = () => [...shard.dirty].map(({ key, field, isLive }) => [key, field, isLive])

/** What the syncer does to the items of a batch that succeeds. */
function persistAll(): void {
  for (const item of shard.dirty) if (item.recordId === 0) item.recordId = ++shard.lastRecordId
  shard.dirty.clear()
}

test('a string is what was set last', () => {
  assert.is(get('k'), undefined)
  set('k', '1')
  set('k', '2')
  assert.is(get('k'), '2')
  assert.is(shard.size, 1)
})

test('a hash has the fields that were set, in order of their first setting', () => {
  assert.ok(hset('h', 'a', '1'))
  assert.ok(hset('h', 'b', '2'))
  assert.not(hset('h', 'a', '3'))
  assert.equal(fields('h'), ['a=3', 'b=2'])
  assert.is(shard.size, 1)
})

test('a key of the other type is refused, and left as it is', async () => {
  set('k', '1')
  hset('h', 'a', '1')
  assert.is(await errorOf(() => hset('k', 'a', '1')), WRONG_TYPE)
  assert.is(await errorOf(() => fields('k')), WRONG_TYPE)
  assert.is(await errorOf(() => get('h')), WRONG_TYPE)
  assert.is(get('k'), '1')
  assert.equal(fields('h'), ['a=1'])
})

test('a string may be set over a hash', () => {
  hset('k', 'a', '1')
  set('k', '2')
  assert.is(get('k'), '2')
  assert.equal(dirty(), [['k', undefined, true]])
})

test('deleting says whether the key was there', () => {
  set('k', '1')
  assert.ok(del('k'))
  assert.not(del('k'))
  set('gone', '1', Date.now() - 1)
  assert.not(del('gone'))
  assert.is(shard.size, 0)
})

test('an expired key is gone for every reader, and one that is set again lives', () => {
  set('k', '1', Date.now() - 1)
  hset('h', 'a', '1')
  set('later', '1', Date.now() + 60_000)
  assert.is(get('k'), undefined)
  assert.is(shard.size, 2)
  assert.is(shard.expiringSize, 1)
  set('k', '2')
  assert.is(get('k'), '2')
})

test('setting a string without an expiry drops the old one', () => {
  set('k', '1', Date.now() + 60_000)
  set('k', '2')
  assert.is(shard.expiringSize, 0)
  assert.is(shard.getString(slot('k'), 'k')?.expiresAtMs, 0)
})

test('an expired hash is replaced by a string of the same key', async () => {
  hset('k', 'a', '1')
  persistAll()
  shard.getHash(slot('k'), 'k')!.expiresAtMs = Date.now() - 1
  assert.ok(hset('k', 'b', '2'))
  assert.equal(fields('k'), ['b=2'])
})

test('sweeping removes expired keys that nobody asks for', () => {
  for (let i = 0; i < 100; i++) set(`old${i}`, '1', Date.now() - 1)
  for (let i = 0; i < 10; i++) set(`new${i}`, '1', Date.now() + 60_000)
  let expired = 0
  for (let i = 0; i < 20; i++) expired += shard.sweep(20, slot)
  assert.is(expired, 100)
  assert.is(shard.size, 10)
  assert.is(shard.expiringSize, 10)
})

test('repeated writes of one key are one dirty item', () => {
  for (let i = 0; i < 5; i++) set('k', String(i))
  hset('h', 'a', '1')
  hset('h', 'a', '2')
  assert.equal(dirty(), [
    ['k', undefined, true],
    ['h', 'a', true],
  ])
})

test('a key that was never persisted leaves nothing dirty when it goes', () => {
  set('k', '1')
  del('k')
  assert.not(shard.isDirty)
})

test('a persisted key that goes is dirty until its record is cleared', () => {
  set('k', '1')
  hset('h', 'a', '1')
  hset('h', 'b', '1')
  persistAll()
  assert.not(shard.isDirty)
  del('k')
  del('h')
  assert.equal(dirty(), [
    ['k', undefined, false],
    ['h', 'a', false],
    ['h', 'b', false],
  ])
})

test('a key made again is a new item behind the end of the old one', () => {
  set('k', '1')
  persistAll()
  const old = shard.getString(slot('k'), 'k')!.item
  del('k')
  set('k', '2')
  const [first, second] = [...shard.dirty] as [Item, Item]
  assert.is(first, old)
  assert.is(second.recordId, 0)
  assert.is(second.value, '2')
})

test('a batch that is put back comes before what became dirty meanwhile', () => {
  set('a', '1')
  set('b', '1')
  const batch = [...shard.dirty]
  shard.dirty.clear()
  set('c', '1')
  set('b', '2')
  shard.putBack(batch)
  assert.equal(
    [...shard.dirty].map(({ key }) => key),
    ['a', 'c', 'b'],
    'what changed again is as new as its last change',
  )
})

test('a renamed key has what it had, its expiry too, and the old one is gone', () => {
  const later = Date.now() + 60_000
  set('{1}a', '1', later)
  set('{1}b', 'lost', later)
  assert.ok(shard.rename(slot('{1}'), '{1}a', '{1}b'))
  assert.is(get('{1}a'), undefined)
  assert.is(get('{1}b'), '1')
  assert.is(shard.getString(slot('{1}'), '{1}b')?.expiresAtMs, later)
  assert.is(shard.expiringSize, 1)
  hset('{1}h', 'f', '1')
  assert.ok(shard.rename(slot('{1}'), '{1}h', '{1}b'))
  assert.equal(fields('{1}b'), ['f=1'])
  assert.is(shard.expiringSize, 0)
  assert.is(shard.size, 1)
  assert.ok(shard.rename(slot('{1}'), '{1}b', '{1}b'))
  assert.not(shard.rename(slot('{1}'), '{1}a', '{1}b'))
  assert.equal(fields('{1}b'), ['f=1'])
  del('{1}b')
  assert.is(shard.usedBytes, 0)
})

test('a rename clears what it overwrites directly before the records that move there', () => {
  set('{1}to', 'old')
  hset('{1}from', 'a', '1')
  hset('{1}from', 'b', '1')
  persistAll()
  hset('{1}from', 'a', '2')
  shard.rename(slot('{1}'), '{1}from', '{1}to')
  assert.equal(dirty(), [
    ['{1}to', undefined, false],
    ['{1}to', 'a', true],
    ['{1}to', 'b', true],
  ])
})

test('a rename while a batch fails stays behind what it overwrites', () => {
  set('{1}to', 'old')
  persistAll()
  set('{1}from', 'new')
  const batch = [...shard.dirty]
  persistAll()
  shard.rename(slot('{1}'), '{1}from', '{1}to')
  shard.putBack(batch)
  assert.equal(dirty(), [
    ['{1}to', undefined, false],
    ['{1}to', undefined, true],
  ])
})

/** The batch that a dirty item is written in, as far as it must be. */
function batchOf(item: Item | undefined, most = 10): [key: string, field: string | undefined][] {
  const batch = new Batch(most, 1_000)
  shard.joinBatch(item!, batch)
  return [...batch.items].map(({ key, field }) => [key, field])
}

test('what leaves a key is written before what has the key next, however often it moves', () => {
  set('{1}a', '1')
  persistAll()
  shard.rename(slot('{1}'), '{1}a', '{1}b')
  set('{1}a', '2')
  shard.rename(slot('{1}'), '{1}b', '{1}c')
  const [next, moved] = [...shard.dirty]
  assert.equal(batchOf(next), [
    ['{1}c', undefined],
    ['{1}a', undefined],
  ])
  assert.equal(batchOf(moved), [['{1}c', undefined]])
  assert.equal(batchOf(next, 1), [['{1}c', undefined]])
  const batch = [...shard.dirty]
  persistAll()
  shard.written(batch)
  set('{1}a', '3')
  assert.equal(batchOf([...shard.dirty][0]), [['{1}a', undefined]])
})

test('two keys that change places are written together', () => {
  set('{1}a', '1')
  set('{1}b', '2')
  persistAll()
  shard.rename(slot('{1}'), '{1}a', '{1}t')
  shard.rename(slot('{1}'), '{1}b', '{1}a')
  shard.rename(slot('{1}'), '{1}t', '{1}b')
  for (const item of shard.dirty) assert.is(batchOf(item).length, 2)
})

test('a rename is written as a whole, also fields that were never written', () => {
  hset('{1}h', 'a', '1')
  hset('{1}to', 'old', '1')
  persistAll()
  hset('{1}h', 'b', '1')
  shard.rename(slot('{1}'), '{1}h', '{1}to')
  for (const item of shard.dirty) {
    const fieldsOf = batchOf(item).map(([key, field]) => `${key} ${field}`)
    assert.equal(fieldsOf.sort(), ['{1}to a', '{1}to b', '{1}to old'])
  }
})

test('a changed expiry makes every record of the key dirty, an equal one none', () => {
  const later = Date.now() + 60_000
  set('k', '1')
  hset('h', 'a', '1')
  hset('h', 'b', '1')
  persistAll()
  assert.ok(shard.expire(slot('h'), 'h', later))
  assert.equal(dirty(), [
    ['h', 'a', true],
    ['h', 'b', true],
  ])
  persistAll()
  assert.ok(shard.expire(slot('h'), 'h', later))
  assert.not(shard.isDirty)
  assert.ok(shard.expire(slot('k'), 'k', later))
  assert.is(shard.expiringSize, 2)
  assert.ok(shard.expire(slot('h'), 'h', 0))
  assert.is(shard.expiringSize, 1)
  assert.not(shard.expire(slot('x'), 'x', later))
})

test('the records of a key that expired are cleared', () => {
  hset('h', 'a', '1')
  hset('h', 'b', '1')
  persistAll()
  shard.expire(slot('h'), 'h', Date.now() - 1)
  persistAll()
  assert.equal(fields('h'), [])
  assert.equal(dirty(), [
    ['h', 'a', false],
    ['h', 'b', false],
  ])
})

test('a hash whose records disagree on its expiry has the latest, and writes it again', () => {
  const [soon, later] = [Date.now() + 60_000, Date.now() + 90_000]
  const put = (recordId: number, field: string, expiresAtMs: number): void => {
    shard.restore(slot('h'), { key: 'h', field, value: '', recordId, isLive: true }, expiresAtMs)
  }
  const expiry = () => shard.getHash(slot('h'), 'h')?.expiresAtMs
  put(1, 'a', soon)
  put(2, 'b', soon)
  assert.not(shard.isDirty)
  put(3, 'c', later)
  assert.is(expiry(), later)
  assert.is(shard.dirty.size, 3)
  shard.dirty.clear()
  put(4, 'd', soon)
  assert.equal(dirty(), [['h', 'd', true]])
  put(5, 'e', 0)
  assert.is(expiry(), 0)
  assert.is(shard.expiringSize, 0)
  shard.dirty.clear()
  put(6, 'f', later)
  assert.is(expiry(), 0)
  assert.equal(dirty(), [['h', 'f', true]])
})

test('of two records for one key the later counts, and the earlier is cleared', () => {
  const item = (recordId: number, value: string, field?: string): Item => {
    return { key: 'k', field, value, recordId, isLive: true }
  }
  shard.restore(slot('k'), item(1, 'one'), 0)
  shard.restore(slot('k'), item(2, 'two'), 0)
  assert.is(get('k'), 'two')
  shard.restore(slot('k'), item(3, '1', 'a'), 0)
  shard.restore(slot('k'), item(4, '2', 'a'), 0)
  assert.equal(fields('k'), ['a=2'])
  shard.restore(slot('k'), item(5, 'five'), 0)
  assert.is(get('k'), 'five')
  const cleared = [...shard.dirty].filter(({ isLive }) => !isLive).map(({ recordId }) => recordId)
  assert.equal(cleared, [1, 2, 3, 4])
  assert.is(shard.lastRecordId, 5)
})

test('the estimate of used bytes returns to zero', () => {
  set('k', 'value')
  set('k', 'longer value')
  hset('h', 'field', 'value')
  hset('h', 'other', 'value')
  assert.ok(shard.usedBytes > 30)
  set('h', 'now a string', Date.now() - 1)
  del('k')
  assert.is(get('h'), undefined)
  assert.is(shard.usedBytes, 0)
})

test('keys of all slots are counted and found', () => {
  for (let i = 0; i < 1_000; i++) set(`key:${i}`, String(i))
  assert.is(shard.size, 1_000)
  for (let i = 0; i < 1_000; i++) assert.is(get(`key:${i}`), String(i))
})

test.run()
