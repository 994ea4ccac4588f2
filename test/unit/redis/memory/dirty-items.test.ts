/** Dirty items come in the order in which they were added. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DirtyItems } from '../../../../ts/redis/memory/dirty-items.js'
import { ItemKind, Items } from '../../../../ts/redis/memory/items.js'
import { Span } from '../../../../ts/resp/span.js'
import { rounds, seed } from '../../../support/budget.js'
import { Random } from '../../../support/random.js'

let items: Items
let dirty: DirtyItems
let keys: number[]

test.before.each(() => {
  items = new Items()
  dirty = new DirtyItems(items)
  keys = Array.from({ length: 5_000 }, () => items.create(ItemKind.string, Span.of('k'), '', 0))
})

function check(model: ReadonlySet<number>): void {
  assert.is(dirty.size, model.size)
  assert.equal([...dirty], [...model])
  for (const key of keys) if (dirty.has(key) !== model.has(key)) throw new Error('has is wrong')
}

test('an item that is added again keeps its place, one that was removed has a new one', () => {
  const [a, b, c] = keys as [number, number, number]
  for (const key of [a, b, c, a]) dirty.add(key)
  check(new Set([a, b, c]))
  dirty.delete(a)
  dirty.delete(a)
  check(new Set([b, c]))
  dirty.add(a)
  check(new Set([b, c, a]))
  for (const key of [a, b, c]) dirty.delete(key)
  check(new Set())
  dirty.add(c)
  check(new Set([c]))
})

test('items are put in front in their order, those that are here stay where they are', () => {
  const [a, b, c, d, e] = keys as [number, number, number, number, number]
  for (const key of [a, b, c]) dirty.add(key)
  dirty.delete(a)
  dirty.putInFront([e, c, d])
  check(new Set([e, d, b, c]))
  dirty.putInFront([])
  check(new Set([e, d, b, c]))
  for (const key of [e, d, b, c]) dirty.delete(key)
  dirty.putInFront([b, a])
  check(new Set([b, a]))
  dirty.delete(b)
  check(new Set([a]))
})

test('many are taken from the front in turn while others come behind them', () => {
  const model = new Set<number>()
  let next = 0
  for (let round = 0; round < 30; round++) {
    for (let i = 0; i < 1_500; i++) {
      const key = keys[next++ % keys.length]!
      dirty.add(key)
      model.add(key)
    }
    for (const key of [...dirty].slice(0, 1_300)) {
      dirty.delete(key)
      model.delete(key)
    }
    check(model)
  }
})

test('what comes and goes behind one that stays leaves no room behind', () => {
  const [stays, goes, next] = keys as [number, number, number]
  dirty.add(stays)
  for (let i = 0; i < 100_000; i++) {
    dirty.add(goes)
    dirty.delete(goes)
  }
  dirty.add(next)
  check(new Set([stays, next]))
  assert.ok(items.dirtyAt(next) < 16_384, 'its place is behind tens of thousands of holes')
})

test('whatever is added, removed and put back, the order is that of a Set', () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  let model = new Set<number>()
  const count = rounds('dirty items')
  for (let round = 0; round < count; round++) {
    const kind = random.next()
    const isGrowing = ((round >> 13) & 1) === 0
    const key = random.pick(keys)
    if (kind < 0.000_5) {
      const back = Array.from({ length: random.between(0, 50) }, () => random.pick(keys))
      dirty.putInFront(back)
      model = new Set([...back.filter(one => !model.has(one)), ...model])
    } else if (kind < (isGrowing ? 0.6 : 0.1)) {
      dirty.add(key)
      model.add(key)
    } else {
      // Mostly the oldest ones go, as batches do.
      const [oldest] = model
      const gone = kind < 0.8 && oldest !== undefined ? oldest : key
      dirty.delete(gone)
      model.delete(gone)
    }
    if (round % 2_000 === 0) check(model)
  }
  check(model)
})

test.run()
