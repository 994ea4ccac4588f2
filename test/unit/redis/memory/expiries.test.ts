/** When keys expire, and whose turn it is to be looked at. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Expiries } from '../../../../ts/redis/memory/expiries.js'
import { ItemKind, Items } from '../../../../ts/redis/memory/items.js'
import { Span } from '../../../../ts/resp/span.js'
import { rounds, seed } from '../../../support/budget.js'
import { Random } from '../../../support/random.js'

let items: Items
let expiries: Expiries

test.before.each(() => {
  items = new Items()
  expiries = new Expiries(items)
})

function makeKeys(count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    return items.create(ItemKind.string, Span.of(`key:${i}`), '', 0)
  })
}

/** The keys of a whole round. @param visit  may remove the key */
function round(visit: (key: number) => void = () => {}): number[] {
  const seen: number[] = []
  for (let key = expiries.next(); key !== undefined; key = expiries.next()) {
    seen.push(key)
    visit(key)
  }
  return seen
}

test('a key never expires until it is told to, and after it is told not to', () => {
  const [one, other] = makeKeys(2) as [number, number]
  assert.equal([expiries.get(one), expiries.size], [0, 0])
  expiries.set(one, 0)
  assert.equal([expiries.get(one), expiries.size], [0, 0])
  expiries.set(one, 1_700_000_000_000)
  expiries.set(other, Number.MAX_SAFE_INTEGER)
  assert.equal(
    [expiries.get(one), expiries.get(other)],
    [1_700_000_000_000, Number.MAX_SAFE_INTEGER],
  )
  expiries.set(one, 5)
  assert.equal([expiries.get(one), expiries.size], [5, 2])
  expiries.set(one, 0)
  assert.equal(
    [expiries.get(one), expiries.get(other), expiries.size],
    [0, Number.MAX_SAFE_INTEGER, 1],
  )
})

test('in a round each key has one turn, and the next round begins after its end', () => {
  assert.equal([round(), round()], [[], []])
  const keys = makeKeys(100)
  for (const key of keys) expiries.set(key, 1)
  for (let i = 0; i < 3; i++) assert.equal(round(), keys)
})

test('whoever is removed at its turn takes no turn from others', () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  for (let i = 0; i < 200; i++) {
    const keys = makeKeys(random.between(0, 40))
    for (const key of keys) expiries.set(key, 1)
    const left = new Set(keys)
    const seen = round(key => {
      if (random.next() < 0.5) return
      expiries.set(key, 0)
      left.delete(key)
    })
    assert.equal([...seen].sort(), [...keys].sort())
    assert.equal(round().sort(), [...left].sort())
    round(key => expiries.set(key, 0))
    assert.is(expiries.size, 0)
  }
})

test('a round comes to its end, and others to their turns, whoever is removed when', () => {
  const keys = makeKeys(1_000)
  for (const key of keys) expiries.set(key, 1)
  for (let i = 0; i < 600; i++) expiries.next()
  for (const key of keys.slice(0, 900)) expiries.set(key, 0)
  round()
  assert.equal(round().sort(), keys.slice(900).sort())
})

test('ten thousand keys expire and stop expiring, each at its time', () => {
  const keys = makeKeys(10_000)
  for (const [i, key] of keys.entries()) expiries.set(key, i + 1)
  assert.equal(
    [expiries.size, expiries.get(keys[0]!), expiries.get(keys[9_999]!)],
    [10_000, 1, 10_000],
  )
  assert.equal([...expiries.expiredAt(5_001)], keys.slice(0, 5_000))
  for (let turn = 0; turn < 2; turn++) {
    for (const key of keys.slice(100)) expiries.set(key, 0)
    assert.equal([...expiries.expiredAt(1_000_000)], keys.slice(0, 100))
    assert.equal(round().length, 100)
    for (const [i, key] of keys.entries()) expiries.set(key, i + 1)
  }
  for (const [i, key] of keys.entries()) assert.is(expiries.get(key), i + 1)
  assert.equal(round().sort(), [...keys].sort())
})

test('times that are set, changed and removed are those of a Map', () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  const keys = makeKeys(300)
  const model = new Map<number, number>()
  const count = rounds('expiries of keys')
  for (let i = 0; i < count; i++) {
    const key = random.pick(keys)
    const timeMs = random.next() < 0.4 ? 0 : random.between(1, 2 ** 50)
    expiries.set(key, timeMs)
    if (timeMs === 0) model.delete(key)
    else model.set(key, timeMs)
    assert.is(expiries.size, model.size)
    if (random.next() < 0.3) {
      const next = expiries.next()
      assert.ok(next === undefined || model.has(next), 'a turn of a key that never expires')
    }
    if (i % 1_000 === 0) for (const one of keys) assert.is(expiries.get(one), model.get(one) ?? 0)
  }
  round()
  assert.equal(round().sort(), [...model.keys()].sort())
})

test.run()
