/** SCAN's walk over several shards. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { walk } from '../../../../ts/redis/memory/walk.js'
import { ShardData } from '../../../../ts/redis/shard.js'
import { TextShard } from '../../../support/text-shard.js'

/** Keys that a piece may have beyond those asked for: all of one home, or of a small table. */
const SURPLUS = 64

let shards: ShardData[]

test.before.each(() => {
  shards = [0, 3, 70].map(id => new ShardData(id))
})

function fill(shard: ShardData, prefix: string, count: number): void {
  const text = new TextShard(shard)
  for (let i = 0; i < count; i++) text.set(`${prefix}:${i}`, '1')
}

function pieceOf(cursor: number, count: number): { keys: string[]; cursor: number } {
  const keys: string[] = []
  const next = walk(shards, { cursor, count }, (shard, key) => {
    keys.push(shard.nameOf(key).latin1())
  })
  return { keys, cursor: next }
}

function keysOf(count: number, between: (piece: number) => void = () => {}): string[] {
  const keys: string[] = []
  let cursor = 0
  let piece = 0
  do {
    const next = pieceOf(cursor, count)
    assert.ok(Number.isSafeInteger(next.cursor))
    assert.ok(next.keys.length <= count + SURPLUS)
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

test('a piece ends with the keys that were asked for, and the next one has the others', () => {
  fill(shards[1]!, 'key', 12_000)
  const { keys, cursor } = pieceOf(0, 10_000)
  assert.ok(keys.length >= 10_000 && keys.length <= 10_000 + SURPLUS)
  assert.is.not(cursor, 0)
  const rest = pieceOf(cursor, 10_000)
  assert.is(rest.cursor, 0)
  assert.is(keys.length + rest.keys.length, 12_000)
  assert.is(new Set([...keys, ...rest.keys]).size, 12_000)
})

test('a piece of very many shards without keys ends, and the walk goes on', () => {
  shards = Array.from({ length: 200 }, (_, id) => new ShardData(id))
  fill(shards[199]!, 'key', 5)
  const first = pieceOf(0, 10)
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
    const piece = pieceOf(cursor, 10)
    assert.ok(Number.isSafeInteger(piece.cursor), String(cursor))
  }
  assert.equal(pieceOf(2 ** 64, 10), { keys: [], cursor: 0 })
})

test.run()
