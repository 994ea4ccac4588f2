import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { holdTime, nowMs, releaseTime } from '../../../ts/redis/clock.js'
import { Batch } from '../../../ts/redis/memory/moves.js'
import { ShardData } from '../../../ts/redis/shard.js'
import { Span } from '../../../ts/resp/span.js'
import { seed } from '../../support/budget.js'
import { errorOf } from '../../support/data-member.js'
import { Random } from '../../support/random.js'
import { slotOfText, TextShard } from '../../support/text-shard.js'

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'

let shard: ShardData
let text: TextShard

test.before.each(() => {
  shard = new ShardData(0)
  text = new TextShard(shard)
})

const set = (key: string, value: string, expiresAtMs = 0) => text.set(key, value, expiresAtMs)
const get = (key: string) => text.get(key)
const hset = (key: string, field: string, value: string) => text.hset(key, field, value)
const fields = (key: string) => text.fields(key)
const del = (key: string) => text.del(key)
const dirty = () => text.dirty()

/** What the syncer does with a batch until it has committed. @param most  items of the batch */
function take(most = Number.POSITIVE_INFINITY): Batch {
  while (!shard.dropFields(1)) assert.ok(shard.isDirty)
  const batch = new Batch(most, Number.POSITIVE_INFINITY)
  for (const item of shard.dirty) if (!shard.joinBatch(item, batch)) break
  shard.take(batch)
  return batch
}

/** What the syncer does with a batch that succeeds: ids of records go by the order of writes. */
function persistAll(): void {
  shard.written(take())
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
  assert.equal(dirty(), ['k'])
})

test('deleting says whether the key was there', () => {
  set('k', '1')
  assert.ok(del('k'))
  assert.not(del('k'))
  set('gone', '1', Date.now() - 1)
  assert.not(del('gone'))
  assert.is(shard.size, 0)
})

test('a hash goes with its last field, and so does its expiry', async () => {
  hset('h', 'a', '1')
  hset('h', 'b', '1')
  set('k', '1')
  persistAll()
  const drop = (key: string, field: string) => text.hdel(key, field)
  assert.ok(drop('h', 'a'))
  assert.not(drop('h', 'a'))
  assert.not(drop('none', 'a'))
  assert.is(await errorOf(() => drop('k', 'a')), WRONG_TYPE)
  assert.equal(fields('h'), ['b=1'])
  assert.ok(drop('h', 'b'))
  assert.is(text.typeOf('h'), undefined)
  assert.is(shard.size, 1)
  assert.equal(dirty(), ['h gone #1', 'h gone #2'])
})

test('clearing forgets everything, and what comes afterwards has other record ids', () => {
  set('k', '1', Date.now() + 60_000)
  hset('h', 'a', '1')
  persistAll()
  set('k', '2')
  shard.clear()
  assert.equal([shard.size, shard.expiringSize, shard.usedBytes], [0, 0, 0])
  assert.not(shard.isDirty)
  assert.is(get('k'), undefined)
  set('k', '3')
  assert.equal(dirty(), ['k'])
  persistAll()
  assert.is(shard.lastRecordId, 3)
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

test('a key lives to the end of the millisecond at which it expires', () => {
  holdTime()
  try {
    set('now', '1', nowMs())
    set('before', '1', nowMs() - 1)
    assert.is(get('now'), '1')
    assert.is(get('before'), undefined)
  } finally {
    releaseTime()
  }
})

test('a key that is only looked at is not removed when it has expired', () => {
  set('k', 'value', Date.now() + 60_000)
  const peek = (key: string) => shard.peek(slotOfText(key), Span.of(key))
  const item = peek('k')
  const borrowed = shard.borrow(item) as Span
  const { now } = Date
  const later = now() + 120_000
  Date.now = () => later
  try {
    assert.is(peek('k'), 0)
    assert.is(borrowed.latin1(), 'value')
    assert.is(shard.size, 1)
    assert.is(get('k'), undefined)
    assert.is(shard.size, 0)
  } finally {
    Date.now = now
  }
  assert.is(peek('none'), 0)
})

test('setting a string without an expiry drops the old one', () => {
  set('k', '1', Date.now() + 60_000)
  set('k', '2')
  assert.is(shard.expiringSize, 0)
  assert.is(text.expiryOf('k'), 0)
})

test('an expired hash is replaced by one of the same key', () => {
  hset('k', 'a', '1')
  persistAll()
  assert.ok(text.expire('k', Date.now() - 1))
  assert.ok(hset('k', 'b', '2'))
  assert.equal(fields('k'), ['b=2'])
})

test('sweeping removes expired keys that nobody asks for', () => {
  for (let i = 0; i < 100; i++) set(`old${i}`, '1', Date.now() - 1)
  for (let i = 0; i < 10; i++) set(`new${i}`, '1', Date.now() + 60_000)
  let expired = 0
  for (let i = 0; i < 20; i++) expired += shard.sweep(20, Number.POSITIVE_INFINITY)
  assert.is(expired, 100)
  assert.is(shard.size, 10)
  assert.is(shard.expiringSize, 10)
})

test('sweeping ends with the first key that it removes when time is up', () => {
  for (let i = 0; i < 10; i++) {
    for (let field = 0; field < 100; field++) hset(`old${i}`, `${field}`, '1')
    text.expire(`old${i}`, Date.now() - 1)
  }
  set('new', '1', Date.now() + 60_000)
  for (let left = 10; left > 0; left--) {
    assert.is(shard.size, left + 1)
    // The end of a round is a sweep too.
    while (shard.sweep(20, 0) === 0);
  }
  assert.is(shard.size, 1)
})

test('keys are counted by slots whatever happens to them, without those that have expired', () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  const slots = ['{a}', '{b}']
  for (let round = 0; round < 2_000; round++) {
    const tag = random.pick(slots)
    const [key, other] = [`${tag}${random.between(0, 9)}`, `${tag}${random.between(0, 9)}`]
    const draw = random.between(0, 6)
    if (draw === 0) del(key)
    else if (draw === 1) text.rename(key, other)
    else if (draw === 2) text.expire(key, Date.now() + (random.next() < 0.5 ? -1 : 1_000_000))
    else if (draw === 3 && text.typeOf(key) !== 'string') hset(key, 'field', '1')
    else if (draw === 4 && text.typeOf(key) === 'hash') text.hdel(key, 'field')
    else if (draw === 5) shard.sweep(3, Number.POSITIVE_INFINITY)
    else set(key, '1', random.next() < 0.2 ? Date.now() - 1 : 0)
    const counts = slots.map(one => shard.countInSlot(slotOfText(one), 1_000))
    assert.equal(
      counts,
      slots.map(one => [...shard.keysInSlot(slotOfText(one))].length),
    )
    assert.is(shard.countKeys(1_000), counts[0]! + counts[1]!)
  }
  assert.is(shard.countInSlot(0, 1_000), 0)
})

test('where many keys expire, those that have expired may count', () => {
  for (let i = 0; i < 5; i++) set(`{a}${i}`, '1', Date.now() - 1)
  assert.equal([shard.countKeys(4), shard.countInSlot(slotOfText('{a}'), 4)], [5, 5])
  assert.equal([shard.countKeys(5), shard.countInSlot(slotOfText('{a}'), 5)], [0, 0])
})

test('repeated writes of one key are one dirty item', () => {
  for (let i = 0; i < 5; i++) set('k', String(i))
  hset('h', 'a', '1')
  hset('h', 'a', '2')
  assert.equal(dirty(), ['k', 'h.a'])
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
  assert.equal(dirty(), ['k gone #1', 'h gone #2', 'h gone #3'])
})

test('a key made again is a new item behind the end of the old one', () => {
  set('k', '1')
  persistAll()
  const old = shard.find(slotOfText('k'), Span.of('k'))
  del('k')
  set('k', '2')
  const [first, second] = [...shard.dirty] as [number, number]
  assert.is(first, old)
  assert.equal(dirty(), ['k gone #1', 'k'])
  assert.is(shard.recordIdOf(second), 0)
  assert.is(text.valueOf(second), '2')
})

test('a batch that is put back comes before what became dirty meanwhile', () => {
  set('a', '1')
  set('b', '1')
  const batch = take()
  set('c', '1')
  set('b', '2')
  shard.putBack(batch)
  assert.equal(dirty(), ['a', 'c', 'b'], 'what changed again is as new as its last change')
})

test('a renamed key has what it had, its expiry too, and the old one is gone', () => {
  const later = Date.now() + 60_000
  set('{1}a', '1', later)
  set('{1}b', 'lost', later)
  assert.ok(text.rename('{1}a', '{1}b'))
  assert.is(get('{1}a'), undefined)
  assert.is(get('{1}b'), '1')
  assert.is(text.expiryOf('{1}b'), later)
  assert.is(shard.expiringSize, 1)
  hset('{1}h', 'f', '1')
  assert.ok(text.rename('{1}h', '{1}b'))
  assert.equal(fields('{1}b'), ['f=1'])
  assert.is(shard.expiringSize, 0)
  assert.is(shard.size, 1)
  assert.ok(text.rename('{1}b', '{1}b'))
  assert.not(text.rename('{1}a', '{1}b'))
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
  text.rename('{1}from', '{1}to')
  assert.equal(dirty(), ['{1}to gone #1', '{1}to.a', '{1}to.b'])
})

test('a rename while a batch fails stays behind what it overwrites', () => {
  set('{1}to', 'old')
  persistAll()
  set('{1}from', 'new')
  const batch = take()
  text.rename('{1}from', '{1}to')
  shard.putBack(batch)
  assert.equal(dirty(), ['{1}to gone #1', '{1}to'])
})

/** The batch that a dirty item is written in, as far as it must be. */
function batchOf(item: number | undefined, most = 10): string[] {
  const batch = new Batch(most, 1_000)
  shard.joinBatch(item!, batch)
  return Array.from(batch.items, one => text.nameOf(one))
}

test('what leaves a key is written before what has the key next, however often it moves', () => {
  set('{1}a', '1')
  persistAll()
  text.rename('{1}a', '{1}b')
  set('{1}a', '2')
  text.rename('{1}b', '{1}c')
  const [next, moved] = [...shard.dirty]
  assert.equal(batchOf(next), ['{1}c', '{1}a'])
  assert.equal(batchOf(moved), ['{1}c'])
  assert.equal(batchOf(next, 1), ['{1}c'])
  persistAll()
  set('{1}a', '3')
  assert.equal(batchOf([...shard.dirty][0]), ['{1}a'])
})

test('two keys that change places are written together', () => {
  set('{1}a', '1')
  set('{1}b', '2')
  persistAll()
  text.rename('{1}a', '{1}t')
  text.rename('{1}b', '{1}a')
  text.rename('{1}t', '{1}b')
  for (const item of shard.dirty) assert.is(batchOf(item).length, 2)
})

test('a rename is written as a whole, also fields that were never written', () => {
  hset('{1}h', 'a', '1')
  hset('{1}to', 'old', '1')
  persistAll()
  hset('{1}h', 'b', '1')
  text.rename('{1}h', '{1}to')
  for (const item of shard.dirty) {
    assert.equal(batchOf(item).sort(), ['{1}to gone #2', '{1}to.a', '{1}to.b'])
  }
})

test('a changed expiry makes every record of the key dirty, an equal one none', () => {
  const later = Date.now() + 60_000
  set('k', '1')
  hset('h', 'a', '1')
  hset('h', 'b', '1')
  persistAll()
  assert.ok(text.expire('h', later))
  assert.equal(dirty(), ['h.a', 'h.b'])
  persistAll()
  assert.ok(text.expire('h', later))
  assert.not(shard.isDirty)
  assert.ok(text.expire('k', later))
  assert.is(shard.expiringSize, 2)
  assert.ok(text.expire('h', 0))
  assert.is(shard.expiringSize, 1)
  assert.not(text.expire('x', later))
})

test('the records of a key that expired are cleared', () => {
  hset('h', 'a', '1')
  hset('h', 'b', '1')
  persistAll()
  text.expire('h', Date.now() - 1)
  persistAll()
  assert.equal(fields('h'), [])
  assert.equal(dirty(), ['h gone #1', 'h gone #2'])
})

interface Stored {
  readonly key: string
  readonly field: string | undefined
  readonly value: string
  readonly recordId: number
  readonly expiresAtMs: number
}

function restore({ key, field, value, ...rest }: Stored): void {
  const spans = {
    key: Span.of(key),
    field: field === undefined ? undefined : Span.of(field),
    value: Span.of(value),
  }
  shard.restore(slotOfText(key), { ...spans, ...rest })
}

test('a hash whose records disagree on its expiry has the latest, and writes it again', () => {
  const [soon, later] = [Date.now() + 60_000, Date.now() + 90_000]
  const put = (recordId: number, field: string, expiresAtMs: number): void => {
    restore({ key: 'h', field, value: '', recordId, expiresAtMs })
  }
  const expiry = () => text.expiryOf('h')
  put(1, 'a', soon)
  put(2, 'b', soon)
  assert.not(shard.isDirty)
  put(3, 'c', later)
  assert.is(expiry(), later)
  assert.is(shard.dirty.size, 3)
  persistAll()
  put(4, 'd', soon)
  assert.equal(dirty(), ['h.d'])
  put(5, 'e', 0)
  assert.is(expiry(), 0)
  assert.is(shard.expiringSize, 0)
  persistAll()
  put(6, 'f', later)
  assert.is(expiry(), 0)
  assert.equal(dirty(), ['h.f'])
})

test('of two records for one key the later counts, and the earlier is cleared', () => {
  const put = (recordId: number, value: string, field?: string) => {
    restore({ key: 'k', field, value, recordId, expiresAtMs: 0 })
  }
  put(1, 'one')
  put(2, 'two')
  assert.is(get('k'), 'two')
  put(3, '1', 'a')
  put(4, '2', 'a')
  assert.equal(fields('k'), ['a=2'])
  put(5, 'five')
  assert.is(get('k'), 'five')
  assert.equal(dirty(), ['k gone #1', 'k gone #2', 'k gone #3', 'k gone #4'])
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

test('a hash costs more than its items', () => {
  for (let i = 0; i < 100; i++) hset(`h${i}`, 'f', '')
  // Two items with their bytes, and a table on the heap: measured, about 370 bytes.
  assert.ok(shard.usedBytes > 100 * 300 && shard.usedBytes < 100 * 500, String(shard.usedBytes))
  for (let i = 0; i < 50; i++) del(`h${i}`)
  const half = shard.usedBytes
  for (let i = 50; i < 100; i++) del(`h${i}`)
  for (let i = 0; i < 50; i++) hset(`h${i}`, 'f', '')
  assert.is(shard.usedBytes, half)
  for (let i = 0; i < 50; i++) del(`h${i}`)
  assert.is(shard.usedBytes, 0)
})

test('keys of all slots are counted and found', () => {
  for (let i = 0; i < 1_000; i++) set(`key:${i}`, String(i))
  assert.is(shard.size, 1_000)
  for (let i = 0; i < 1_000; i++) assert.is(get(`key:${i}`), String(i))
})

test.run()
