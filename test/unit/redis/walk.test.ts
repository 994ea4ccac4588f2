/** SCAN's walk over several shards. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Orders } from '../../../ts/redis/orders.js'
import { ShardData } from '../../../ts/redis/shard.js'
import { slotOf } from '../../../ts/redis/slots.js'
import { walk } from '../../../ts/redis/walk.js'

let shards: ShardData[]
let orders: Orders

test.before.each(() => {
  shards = [0, 3, 70].map(id => new ShardData(id))
  orders = new Orders()
})

const slot = (key: string): number => slotOf(Buffer.from(key, 'latin1'))

function fill(shard: ShardData, prefix: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const key = `${prefix}:${i}`
    shard.setString(slot(key), key, '1', 0)
  }
}

function keysOf(count: number, between: (piece: number) => void = () => {}): string[] {
  const keys: string[] = []
  let cursor = 0
  let piece = 0
  do {
    const next = walk({ shards, orders }, cursor, count)
    assert.ok(Number.isSafeInteger(next.cursor))
    assert.ok(next.keys.length <= count)
    keys.push(...next.keys)
    cursor = next.cursor
    between(piece++)
  } while (cursor !== 0)
  return keys
}

test('a walk gives every key of every shard once, in pieces of any size', () => {
  assert.equal(keysOf(10), [])
  for (const [i, shard] of shards.entries()) fill(shard, `shard${i}`, 500)
  for (const count of [1, 10, 333, 1_500, 10_000]) {
    const keys = keysOf(count)
    assert.is(keys.length, 1_500)
    assert.is(new Set(keys).size, 1_500)
  }
})

test('a piece looks at 10,000 keys at most', () => {
  fill(shards[1]!, 'key', 12_000)
  const { keys, cursor } = walk({ shards, orders }, 0, 1_000_000)
  assert.is(keys.length, 10_000)
  assert.is.not(cursor, 0)
  assert.is(walk({ shards, orders }, cursor, 1_000_000).keys.length, 2_000)
})

test('a piece of very many shards without keys ends, and the walk goes on', () => {
  shards = Array.from({ length: 200 }, (_, id) => new ShardData(id))
  fill(shards[199]!, 'key', 5)
  const first = walk({ shards, orders }, 0, 10)
  assert.equal(first.keys, [])
  assert.is.not(first.cursor, 0)
  assert.is(keysOf(10).length, 5)
})

test('a shard that goes during a walk is passed over, and the others are walked on', () => {
  for (const [i, shard] of shards.entries()) fill(shard, `shard${i}`, 100)
  const whole = shards
  const keys = keysOf(10, piece => {
    if (piece === 12) shards = [whole[0]!, whole[2]!]
  })
  assert.is(keys.filter(key => key.startsWith('shard0')).length, 100)
  assert.is(keys.filter(key => key.startsWith('shard2')).length, 100)
})

test('a cursor that no walk has given ends, or leads somewhere', () => {
  fill(shards[0]!, 'key', 100)
  for (const cursor of [1, 2 ** 25, 123_456_789, Number.MAX_SAFE_INTEGER, 2 ** 64]) {
    const piece = walk({ shards, orders }, cursor, 10)
    assert.ok(Number.isSafeInteger(piece.cursor), String(cursor))
  }
  assert.equal(walk({ shards, orders }, 2 ** 64, 10), { keys: [], cursor: 0 })
})

test.run()
