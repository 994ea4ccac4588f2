/** What a command does to all fields of a large hash is written piece by piece. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Batch } from '../../../../ts/redis/memory/moves.js'
import { ShardData } from '../../../../ts/redis/shard.js'
import { Span } from '../../../../ts/resp/span.js'
import { slotOfText, TextShard } from '../../../support/text-shard.js'

const FIELDS = 40
/** Items of a batch: the pieces of a walk are a little longer at most. */
const BATCH = 10
const A = '{1}a'
const B = '{1}b'
const T = '{1}t'

let shard: ShardData
let text: TextShard

test.before.each(() => {
  shard = new ShardData(0, 3)
  text = new TextShard(shard)
})

function fill(key: string, value = 'v'): void {
  for (let i = 0; i < FIELDS; i++) text.hset(key, `f${i}`, value)
}

function take(most = BATCH): Batch {
  while (!shard.dropFields(7)) assert.ok(shard.isDirty)
  const batch = new Batch(most, Number.POSITIVE_INFINITY)
  for (const item of shard.dirty) if (!shard.joinBatch(item, batch)) break
  shard.take(batch)
  return batch
}

/** Live items of a batch by their names, and the number of those that are gone. */
function shown(batch: Batch): { live: string[]; gone: number } {
  const live = [...batch.items].filter(item => shard.isLive(item))
  return { live: live.map(item => text.nameOf(item)).sort(), gone: batch.items.size - live.length }
}

/** Writes batch after batch. @returns what was in each */
function drain(most = BATCH): ReturnType<typeof shown>[] {
  const batches: ReturnType<typeof shown>[] = []
  while (shard.isDirty) {
    const batch = take(most)
    assert.ok(batch.items.size < most + FIELDS / 2, `a batch has ${batch.items.size} items`)
    // Nothing is left at the end of some walks.
    if (batch.items.size > 0) batches.push(shown(batch))
    shard.written(batch)
  }
  assert.not(shard.isDirty)
  return batches
}

function fieldNames(key: string): string[] {
  return Array.from({ length: FIELDS }, (_, i) => `${key}.f${i}`).sort()
}

/** Number of the items in some batches that are live, each once. */
function fieldsIn(batches: readonly { live: string[] }[]): number {
  return new Set(batches.flatMap(({ live }) => live)).size
}

test('a large hash that goes is gone at once, its memory in steps', () => {
  fill(A)
  text.expire(A, Date.now() + 60_000)
  drain()
  const full = shard.usedBytes
  assert.ok(text.del(A))
  assert.equal([shard.size, shard.expiringSize], [0, 0])
  assert.is(text.typeOf(A), undefined)
  assert.is(shard.dirty.size, 1)
  assert.not(shard.dropFields(FIELDS / 2))
  const half = shard.usedBytes
  assert.ok(half < full)
  assert.not(shard.dropFields(FIELDS / 2))
  assert.ok(shard.dropFields(1))
  assert.ok(shard.usedBytes < half)
  const batches = drain()
  assert.equal(
    batches.map(({ gone }) => gone),
    [10, 10, 10, 10],
  )
  assert.is(shard.usedBytes, 0)
})

test('a large hash that was never written leaves nothing to write', () => {
  fill(A)
  text.del(A)
  assert.equal(drain(), [])
  assert.is(shard.usedBytes, 0)
})

test('what has the key of a gone hash waits until all of its records are cleared', () => {
  fill(A)
  drain()
  text.set(A, 'string')
  const batches = drain()
  assert.equal(
    batches.map(({ gone }) => gone),
    [10, 10, 10, 10, 0],
  )
  assert.equal(batches.at(-1)!.live, [A])
})

test('what a renamed large hash overwrites goes with it, and the next of its key waits', () => {
  fill(A)
  text.set(B, 'old')
  drain()
  text.rename(A, B)
  text.set(A, 'next')
  const batches = drain()
  assert.is(batches[0]!.gone, 1)
  assert.ok(batches.length > 3)
  assert.is(fieldsIn(batches), FIELDS + 1)
  assert.is(
    batches.findIndex(({ live }) => live.includes(A)),
    batches.length - 1,
  )
})

test('a large hash that is deleted during its walk is only cleared', () => {
  fill(A)
  drain()
  text.rename(A, B)
  const first = take()
  text.del(B)
  text.set(A, 'next')
  text.set(B, 'next')
  shard.written(first)
  const batches = drain()
  assert.equal(
    batches.map(({ gone }) => gone),
    [10, 10, 10, 10, 0],
  )
  assert.equal(batches.at(-1)!.live, [A, B])
})

test('a piece that failed is written again, and so is one of a gone hash', () => {
  fill(A)
  drain()
  text.rename(A, B)
  text.set(A, 'next')
  shard.written(take())
  const failed = take()
  const names = shown(failed).live
  shard.putBack(failed)
  const rest = drain()
  for (const name of names)
    assert.ok(
      rest.some(({ live }) => live.includes(name)),
      name,
    )
  const last = rest.findIndex(({ live }) => live.includes(A))
  assert.is(fieldsIn(rest.slice(last + 1)), 0, 'the next one of the key comes behind them')
  text.del(B)
  shard.written(take())
  shard.putBack(take())
  assert.equal(
    drain().map(({ gone }) => gone),
    [10, 10, 10],
  )
})

test('a last piece that failed keeps what has the key from being written', () => {
  fill(A)
  drain()
  text.del(A)
  text.set(A, 'next')
  for (let i = 0; i < 3; i++) shard.written(take())
  shard.putBack(take())
  assert.equal(drain(), [
    { live: [], gone: 10 },
    { live: [A], gone: 0 },
  ])
})

test('fields may come, go and come again while a hash is written', () => {
  fill(A)
  drain()
  text.rename(A, B)
  shard.written(take())
  for (let i = 0; i < FIELDS; i += 2) text.hdel(B, `f${i}`)
  text.hset(B, 'new', '1')
  text.hset(B, 'f0', 'again')
  text.set(A, 'next')
  let written = false
  for (const { live, gone } of drain()) {
    if (live.includes(A)) written = true
    else assert.not(written && gone > 0, 'records that bore the key are cleared before')
  }
  assert.ok(written)
  assert.is(text.entries(B).length, FIELDS / 2 + 2)
  text.del(B)
  text.del(A)
  assert.is(
    drain().reduce((total, { gone }) => total + gone, 0),
    FIELDS / 2 + 3,
  )
  assert.is(shard.usedBytes, 0)
})

test('an expiry that changes during a walk has each field written once more, in turn', () => {
  fill(A)
  drain()
  const later = Date.now() + 60_000
  text.expire(A, later)
  const seen = [take()]
  shard.written(seen[0]!)
  text.expire(A, later + 1)
  const rest = drain()
  assert.is(fieldsIn(rest), FIELDS)
  const before = shown(seen[0]!).live
  const at = (name: string) => rest.findIndex(({ live }) => live.includes(name))
  for (const name of before) assert.ok(at(name) >= 2, 'its turn comes in the next round')
})

test('a key is free when a round is over, although another one follows', () => {
  fill(A)
  drain()
  text.rename(A, B)
  shard.written(take())
  text.set(A, 'next')
  text.expire(B, Date.now() + 60_000)
  const batches = drain()
  const at = batches.findIndex(({ live }) => live.includes(A))
  assert.ok(at >= 0 && at < batches.length - 1)
})

test('a hash with few fields left is still written as a whole', () => {
  fill(A)
  drain()
  text.rename(A, B)
  for (let i = 1; i < FIELDS; i++) text.hdel(B, `f${i}`)
  const batches = drain(100)
  assert.equal(batches, [{ live: [`${B}.f0`], gone: FIELDS - 1 }])
  assert.ok(text.del(B))
  assert.equal(drain(), [{ live: [], gone: 1 }])
})

test('a large hash may take over the key of another, and both of each other', () => {
  fill(A, 'a')
  fill(B, 'b')
  drain()
  text.rename(A, T)
  text.rename(B, A)
  text.rename(T, B)
  const batch = take(1_000)
  assert.is(batch.items.size, 2 * FIELDS)
  shard.written(batch)
  text.rename(A, B)
  assert.is(shard.size, 1)
  const batches = drain()
  assert.is(
    batches.reduce((total, { gone }) => total + gone, 0),
    FIELDS,
  )
  assert.is(fieldsIn(batches), FIELDS)
  assert.ok(text.entries(B).every(([, value]) => value === 'b'))
})

/** The batch that a dirty item, the oldest unless it is said, is written in as far as it must. */
function batchOf(item = [...shard.dirty][0]!): ReturnType<typeof shown> {
  assert.ok(shard.dropFields(FIELDS + 1))
  const batch = new Batch(1_000, Number.POSITIVE_INFINITY)
  assert.ok(shard.joinBatch(item, batch))
  return shown(batch)
}

/** How many fields are in batches up to the one that a key is written in. */
function fieldsBefore(key: string, batches: ReturnType<typeof drain>): number {
  const at = batches.findIndex(({ live }) => live.includes(key))
  return fieldsIn(batches.slice(0, at + 1)) - 1
}

test('what has the key waits also when it became dirty before the hash moved on', () => {
  fill(A)
  drain()
  text.rename(A, T)
  text.set(A, 'next')
  text.rename(T, B)
  assert.is(fieldsBefore(A, drain()), FIELDS)
})

test('a field that is deleted from a hash on the move has left the same keys', () => {
  fill(A)
  drain()
  text.rename(A, T)
  text.set(A, 'next')
  text.hdel(T, 'f0')
  text.rename(T, B)
  assert.is(batchOf().gone, 1)
})

test('a field with moves of its own goes before what has the key of its hash next', () => {
  for (let i = 0; i < 3; i++) text.hset(A, `f${i}`, 'v')
  drain()
  text.rename(A, T)
  fill(T)
  const batch = take(1_000)
  text.del(T)
  text.set(T, 'next')
  assert.ok(shard.dropFields(FIELDS + 1))
  shard.written(batch)
  const next = shard.find(slotOfText(T), Span.of(T))
  assert.equal(batchOf(next), { live: [T], gone: FIELDS })
})

test('a hash that moves again during its walk is written from the start', () => {
  fill(A)
  drain()
  text.rename(A, T)
  shard.written(take())
  text.rename(T, B)
  assert.is(fieldsIn(drain()), FIELDS)
})

test('a hash that moves again while its last piece is written has left that key as well', () => {
  fill(A)
  drain()
  text.rename(A, T)
  const batch = take(1_000)
  text.rename(T, B)
  text.set(T, 'next')
  shard.written(batch)
  text.rename(B, A)
  assert.is(fieldsBefore(T, drain()), FIELDS)
})

test('a hash that fits a batch is renamed as a whole, also when a field was dirty before', () => {
  fill(A)
  drain()
  text.hset(A, 'f0', 'new')
  text.rename(A, B)
  assert.is(batchOf().live.length, FIELDS)
})

test('a hash that fits a batch goes together with what is set over it', () => {
  fill(A)
  drain()
  text.set(A, 'string')
  assert.equal(batchOf(), { live: [A], gone: FIELDS })
})

test('what a hash overwrites that was renamed and grew then goes together with all of it', () => {
  text.set(B, 'old')
  text.hset(A, 'f0', 'v')
  drain()
  text.rename(A, B)
  fill(B)
  assert.equal(batchOf(), { live: fieldNames(B), gone: 1 })
})

test('forgetting everything ends all walks', () => {
  fill(A)
  fill(B)
  drain()
  text.del(A)
  text.rename(B, A)
  shard.clear()
  assert.ok(shard.dropFields(1))
  assert.not(shard.isDirty)
  fill(A)
  assert.is(fieldsIn(drain()), FIELDS)
})

test.run()
