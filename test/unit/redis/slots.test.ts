import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SLOT_COUNT, shardOfSlot, slotOf } from '../../../ts/redis/slots.js'
import { property } from '../../support/budget.js'

const SLOTS: readonly [key: string, slot: number][] = [
  ['foo', 12_182],
  ['{foo}bar', 12_182],
  ['somekey', 11_058],
  ['foo{hash_tag}', 2_515],
  ['foo{}{bar}', 8_363],
  ['{}x', 10_595],
  ['a{b', 13_340],
  ['', 0],
  ['123456789', 0x31c3],
]
for (const [key, slot] of SLOTS) {
  test(`the slot of '${key}' is ${slot}`, () => assert.is(slotOf(Buffer.from(key)), slot))
}

test('only the first braces count, and they end at the first closing one', () => {
  const slot = (key: string) => slotOf(Buffer.from(key))
  assert.is(slot('foo{{bar}}zap'), slot('{bar'))
  assert.is(slot('foo{bar}{zap}'), slot('bar'))
  assert.is(slot('}{a}'), slot('a'))
})

test('a key inside a larger buffer is hashed by itself', () => {
  const keys = fc.string({ unit: fc.constantFrom('a', '{', '}', 'é'), maxLength: 8 })
  fc.assert(
    fc.property(keys, keys, keys, (before, key, after) => {
      const [head, bytes] = [Buffer.from(before), Buffer.from(key)]
      const all = Buffer.concat([head, bytes, Buffer.from(after)])
      assert.is(slotOf(all, head.length, head.length + bytes.length), slotOf(bytes))
    }),
    property('slots of shards'),
  )
})

test('shard i of n owns the slots from i·16384/n up to the next first, rounded down', () => {
  const shards = fc.integer({ min: 1, max: 1_000 })
  fc.assert(
    fc.property(shards, count => {
      const firstOf = (shard: number) => Math.floor((shard * SLOT_COUNT) / count)
      for (let shard = 0; shard < count; shard++) {
        const last = firstOf(shard + 1) - 1
        assert.is(shardOfSlot(firstOf(shard), count), shard)
        assert.is(shardOfSlot(last, count), shard)
      }
    }),
    property('slots of shards'),
  )
})

test('every slot belongs to one shard, for as many shards as there are slots too', () => {
  for (const count of [1, 2, 3, 7, 16_383, 16_384]) {
    let previous = 0
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const shard = shardOfSlot(slot, count)
      assert.ok(shard === previous || shard === previous + 1)
      previous = shard
    }
    assert.is(previous, count - 1)
  }
})

test.run()
