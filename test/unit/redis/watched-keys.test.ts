/** Watched keys: what touches a watch, and what is left when it is dropped. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HeldBytes } from '../../../ts/redis/memory/held-bytes.js'
import { ShardData } from '../../../ts/redis/shard.js'
import { Watch, WatchedKeys } from '../../../ts/redis/watched-keys.js'
import { TextShard } from '../../support/text-shard.js'

const SLOT = 7

function make(limitBytes = 10_000) {
  const keys = new WatchedKeys()
  const held = new HeldBytes(limitBytes)
  const shard = new ShardData(0)
  const watchOf = (...names: string[]): Watch => {
    const watch = new Watch(keys, held)
    for (const name of names) watch.add(SLOT, name, shard)
    return watch
  }
  const isChanged = (watch: Watch): boolean => watch.isChanged(() => shard)
  return { keys, held, shard, watchOf, isChanged }
}

test('a write touches every watch of its key, and no other', () => {
  const { keys, watchOf, isChanged } = make()
  const watches = [watchOf('a', 'b'), watchOf('b'), watchOf('c')]
  keys.touch('b')
  keys.touch('nobody watches this')
  assert.equal(watches.map(isChanged), [true, true, false])
  // The touched ones have let go of their keys.
  assert.is(keys.size, 1)
})

test('a key counts once, and is let go of', () => {
  const { keys, held, watchOf } = make()
  const watch = watchOf('a', 'a', 'b')
  const twice = held.usedBytes
  watchOf('a')
  assert.is(held.usedBytes, twice * 1.5)
  watch.drop()
  assert.equal([keys.size, held.usedBytes], [1, twice / 2])
  watch.drop()
  assert.is(held.usedBytes, twice / 2)
})

test('a key that is gone has changed, one that was never there has not', () => {
  const { shard, watchOf, isChanged } = make()
  const text = new TextShard(shard, () => SLOT)
  text.set('here', 'v')
  text.set('expired', 'v', 1)
  const [here, absent, expired] = [watchOf('here'), watchOf('absent'), watchOf('expired')]
  assert.equal([here, absent, expired].map(isChanged), [false, false, false])
  text.del('here')
  assert.equal([here, absent, expired].map(isChanged), [true, false, false])
})

test('a slot that is not served any more has changed, served again or not', () => {
  const { keys, held, watchOf, isChanged } = make()
  const watch = watchOf('a')
  assert.is(
    watch.isChanged(() => undefined),
    true,
  )
  assert.is(isChanged(watch), false)
  keys.touchSlots(slot => slot === SLOT + 1)
  assert.is(isChanged(watch), false)
  keys.touchSlots(slot => slot === SLOT)
  assert.is(isChanged(watch), true)
  assert.equal([keys.size, held.usedBytes], [0, 0])
})

test('a key that finds no room is not watched', () => {
  const { keys, held, shard, watchOf } = make(1_000)
  const watch = watchOf('a')
  assert.throws(() => watch.add(SLOT, 'k'.repeat(1_000), shard), /query_buffer_limit/)
  assert.is(keys.size, 1)
  watch.drop()
  assert.is(held.usedBytes, 0)
})

test.run()
