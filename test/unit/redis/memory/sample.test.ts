/** Samples of a table: different ones, at random. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ItemKind, Items } from '../../../../ts/redis/memory/items.js'
import { NameTable } from '../../../../ts/redis/memory/name-table.js'
import { distinct } from '../../../../ts/redis/memory/sample.js'
import { Span } from '../../../../ts/resp/span.js'

function tableOf(size: number): NameTable {
  const items = new Items()
  const table = new NameTable(items)
  for (let i = 0; i < size; i++) {
    const name = Span.of(String(i))
    table.add(items.create(ItemKind.field, name, '', 0), name)
  }
  return table
}

test('different items are drawn, all of them when there are not more', () => {
  for (const size of [0, 1, 5, 9, 2_000]) {
    const table = tableOf(size)
    const all = new Set(table)
    for (const count of [0, 1, 3, size >> 2, size >> 1, Math.max(0, size - 1), size, size + 1]) {
      const drawn = distinct(table, count)
      assert.is(drawn.length, Math.min(count, size))
      assert.is(new Set(drawn).size, drawn.length)
      assert.ok(drawn.every(item => all.has(item)))
    }
    assert.equal(new Set(distinct(table, 2 ** 53)), all)
  }
})

test('items are drawn evenly, in small parts and in large ones', () => {
  const table = tableOf(1_000)
  for (const count of [100, 500]) {
    const counts = new Map<number, number>()
    for (let i = 0; i < 30_000 / count; i++) {
      for (const item of distinct(table, count)) counts.set(item, (counts.get(item) ?? 0) + 1)
    }
    // 30 of each are expected, with a deviation of 5.5: a fair draw stays within ten of these.
    assert.is(counts.size, 1_000)
    assert.ok(Math.max(...counts.values()) < 85)
  }
})

test('a sample of nearly all of them has no order of its own', () => {
  const table = tableOf(1_000)
  const first = new Set(Array.from({ length: 50 }, () => distinct(table, 999)[0]))
  assert.ok(first.size > 10)
})

test.run()
