/** Maps and lists of items made of small parts are as large ones. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ItemList, ItemMap } from '../../../../ts/redis/memory/item-maps.js'
import { rounds, seed } from '../../../support/budget.js'
import { Random } from '../../../support/random.js'

const ITEMS = 20_000

test('a map of items is a map', () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  const map = new ItemMap<number>()
  const model = new Map<number, number>()
  for (let round = rounds('maps of items'); round > 0; round--) {
    const item = random.between(1, ITEMS)
    if (random.next() < 0.5) {
      map.set(item, round)
      model.set(item, round)
    } else {
      map.delete(item)
      model.delete(item)
    }
    assert.is(map.size, model.size)
    const other = random.between(1, ITEMS)
    assert.is(map.get(other), model.get(other))
    assert.is(map.has(other), model.has(other))
  }
  for (const item of model.keys()) map.delete(item)
  assert.is(map.size, 0)
})

test('a list keeps the order in which items came', () => {
  const list = new ItemList(ITEMS + 2, ITEMS + 1)
  for (let item = 1; item <= ITEMS; item++) list.add(item)
  const all = [ITEMS + 2, ITEMS + 1, ...Array.from({ length: ITEMS }, (_, i) => i + 1)]
  assert.equal([...list], all)
  for (let item = 1; item <= ITEMS; item += 2) list.delete(item)
  list.delete(ITEMS + 2)
  const rest = all.slice(1).filter(item => item > ITEMS || item % 2 === 0)
  assert.equal([...list], rest)
  assert.not(list.isEmpty)
  for (const item of rest) list.delete(item)
  assert.ok(list.isEmpty)
  list.add(1)
  assert.equal([...list], [1])
})

test.run()
