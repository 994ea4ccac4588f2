/** Pages and samples of names that come and go meanwhile. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ALL_NAMES, Orders } from '../../../ts/redis/orders.js'
import { property } from '../../support/budget.js'

let orders: Orders

test.before.each(() => {
  orders = new Orders()
})

function mapOf(count: number): Map<string, number> {
  return new Map(Array.from({ length: count }, (_, i) => [String(i), i]))
}

/** All pages of a walk. @param between  runs after each page */
function walk(
  source: Map<string, number>,
  count: number,
  between: (page: number) => void = () => {},
): string[] {
  const seen: string[] = []
  let rest = ALL_NAMES
  for (let page = 0; rest > 0; page++) {
    const next = orders.page(source, rest, count)
    assert.ok(next.names.length <= count)
    assert.ok(next.rest < rest, 'a walk comes closer to its end')
    seen.push(...next.names)
    rest = next.rest
    between(page)
  }
  return seen
}

test('a walk over what stands still gives every name once', () => {
  for (const [size, count] of [
    [0, 1],
    [1, 1],
    [10, 3],
    [10, 10],
    [10, 11],
    [1_000, 7],
  ] as const) {
    const seen = walk(mapOf(size), count)
    assert.is(seen.length, size)
    assert.equal(new Set(seen), new Set(mapOf(size).keys()))
  }
})

test('a page takes as many names as were asked for, the youngest first', () => {
  const source = mapOf(10)
  assert.equal(orders.page(source, ALL_NAMES, 4), { names: ['6', '7', '8', '9'], rest: 6 })
  assert.equal(orders.page(source, 6, 4), { names: ['2', '3', '4', '5'], rest: 2 })
  assert.equal(orders.page(source, 2, 4), { names: ['0', '1'], rest: 0 })
})

test('a walk that begins sees what came after the one before it began', () => {
  const source = mapOf(100)
  orders.page(source, ALL_NAMES, 10)
  source.set('new', 1)
  assert.ok(walk(source, 10).includes('new'))
})

test('walks beside each other, more of them than lists are kept, all come to their end', () => {
  const sources = Array.from({ length: 40 }, () => mapOf(50))
  const rests = sources.map(() => ALL_NAMES)
  const seen = sources.map(() => new Set<string>())
  for (let turn = 0; turn < 10; turn++) {
    for (const [i, source] of sources.entries()) {
      if (rests[i] === 0) continue
      const page = orders.page(source, rests[i]!, 5)
      for (const name of page.names) seen[i]!.add(name)
      rests[i] = page.rest
    }
  }
  assert.ok(rests.every(rest => rest === 0))
  for (const names of seen) assert.is(names.size, 50)
})

type Step = { readonly add?: number; readonly remove?: number; readonly forget?: boolean }

test('whatever comes and goes, names that stay appear', () => {
  const number = fc.nat(60)
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ add: number }),
    fc.record({ remove: number }),
    fc.record({ forget: fc.constant(true) }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 40 }),
      (turns, count, size) => {
        const source = mapOf(size)
        const stayed = new Set(source.keys())
        const other = { rest: ALL_NAMES }
        const seen = walk(source, count, page => {
          for (const { add, remove, forget } of turns[page] ?? []) {
            if (add !== undefined) source.set(String(add), add)
            if (remove !== undefined) {
              source.delete(String(remove))
              stayed.delete(String(remove))
            }
            if (forget) orders.forgetAll()
          }
          // Another walk over the same names has lists made and dropped.
          const { rest } = orders.page(source, other.rest, 3)
          other.rest = rest === 0 ? ALL_NAMES : rest
        })
        for (const name of stayed) assert.ok(seen.includes(name), `${name} is missing`)
      },
    ),
    property('walks over names'),
  )
})

test('different names are drawn, all of them when there are not more', () => {
  for (const size of [5, 2_000]) {
    const source = mapOf(size)
    for (const count of [0, 1, 3, size - 1, size, size + 1]) {
      const drawn = orders.distinct(source, count)
      assert.is(drawn.length, Math.min(count, size))
      assert.is(new Set(drawn).size, drawn.length)
      assert.ok(drawn.every(name => source.has(name)))
    }
  }
})

test('what is gone is not drawn, also from a list that has it', () => {
  const source = mapOf(2_000)
  orders.one(source)
  for (let i = 0; i < 1_400; i++) source.delete(String(i))
  for (let i = 0; i < 200; i++) assert.ok(source.has(orders.one(source)))
  orders.one(source)
  for (let i = 1_400; i < 1_480; i++) source.delete(String(i))
  assert.equal(new Set(orders.distinct(source, 519)).size, 519)
  assert.ok(orders.distinct(source, 519).every(name => source.has(name)))
  assert.ok(orders.repeated(source, 5_000).every(name => source.has(name)))
})

test('names are drawn evenly', () => {
  const source = mapOf(1_000)
  const drawn = { one: new Map<string, number>(), distinct: new Map<string, number>() }
  const count = (to: Map<string, number>, name: string) => to.set(name, (to.get(name) ?? 0) + 1)
  for (let i = 0; i < 30_000; i++) count(drawn.one, orders.one(source))
  for (let i = 0; i < 60; i++) {
    for (const name of orders.distinct(source, 500)) count(drawn.distinct, name)
  }
  // 30 of each are expected, with a deviation of 5.5: a fair draw stays within ten of these.
  for (const counts of Object.values(drawn)) {
    assert.is(counts.size, 1_000)
    assert.ok(Math.max(...counts.values()) < 85)
  }
})

test('a name of many may come several times when repeats are wanted', () => {
  const drawn = orders.repeated(mapOf(3), 100)
  assert.is(drawn.length, 100)
  assert.equal(new Set(drawn), new Set(['0', '1', '2']))
})

test.run()
