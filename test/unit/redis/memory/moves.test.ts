/** Who has to be written before, or together with, whom. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Batch, Moves } from '../../../../ts/redis/memory/moves.js'

let moves: Moves

test.before.each(() => {
  moves = new Moves()
})

const leaversOf = (key: string) => [...moves.leaversOf(key)]

test('a key has those that left it, until they are written', () => {
  assert.ok(moves.isEmpty)
  assert.equal(leaversOf('k'), [])
  moves.leave(1, 'k')
  moves.leave(2, 'k')
  moves.leave(3, 'k')
  moves.leave(2, 'other')
  assert.equal(leaversOf('k'), [1, 2, 3])
  assert.equal(leaversOf('other'), [2])
  assert.not(moves.isEmpty)
  moves.settle(2)
  assert.equal(leaversOf('k'), [1, 3])
  assert.equal(leaversOf('other'), [])
  moves.settle(1)
  moves.settle(3)
  assert.equal(leaversOf('k'), [])
  assert.ok(moves.isEmpty)
})

test('an item knows the key that it left last, also one that it left before', () => {
  assert.is(moves.keyLeft(1), undefined)
  moves.leave(1, '')
  assert.is(moves.keyLeft(1), '')
  moves.leave(1, 'a')
  moves.leave(1, 'b')
  assert.is(moves.keyLeft(1), 'b')
  moves.leave(1, 'a')
  assert.is(moves.keyLeft(1), 'a')
  for (const key of ['', 'a', 'b']) assert.equal(leaversOf(key), [1])
  moves.settle(1)
  assert.is(moves.keyLeft(1), undefined)
  for (const key of ['', 'a', 'b']) assert.equal(leaversOf(key), [])
})

test('leaving a key twice is leaving it once', () => {
  moves.leave(1, 'k')
  moves.leave(1, 'k')
  assert.equal(leaversOf('k'), [1])
  moves.settle(1)
  assert.equal(leaversOf('k'), [])
  assert.ok(moves.isEmpty)
})

test('an item is bound to the slot of its key, 0 included, until it is written', () => {
  assert.is(moves.slotOf(1), undefined)
  moves.bind(1, 16_383)
  moves.bind(1, 0)
  assert.is(moves.slotOf(1), 0)
  assert.not(moves.isEmpty)
  moves.settle(2)
  assert.is(moves.slotOf(1), 0)
  moves.settle(1)
  assert.is(moves.slotOf(1), undefined)
  assert.ok(moves.isEmpty)
})

test('a field follows its hash: it left the same keys, and is bound likewise', () => {
  moves.follow(2, 1)
  assert.not(moves.has(2))
  moves.leave(1, 'a')
  moves.leave(1, 'b')
  moves.bind(1, 7)
  moves.follow(2, 1)
  assert.ok(moves.has(2))
  assert.equal(leaversOf('a'), [1, 2])
  assert.equal([moves.keyLeft(2), moves.slotOf(2)], ['b', 7])
  moves.settle(1)
  assert.equal(leaversOf('b'), [2])
  moves.settle(2)
  assert.ok(moves.isEmpty)
})

test('a batch is full with its most items, or beyond its most bytes', () => {
  const batch = new Batch(2, 100)
  batch.add(1, 100)
  assert.not(batch.isFull)
  batch.add(2, 0)
  assert.ok(batch.isFull)
  const long = new Batch(10, 100)
  long.add(1, 101)
  assert.ok(long.isFull)
  assert.equal([...long.items], [1])
})

test('a batch is deep with a thousand items that wait for others', () => {
  const batch = new Batch(10_000, 100)
  for (let item = 1; item < 1_000; item++) batch.path.add(item)
  assert.not(batch.isDeep)
  batch.path.add(1_000)
  assert.ok(batch.isDeep)
})

test.run()
