/** Items are found by their names, walked through and drawn, while others come and go. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ItemKind, Items } from '../../../../ts/redis/memory/items.js'
import { hashOf, type Visit } from '../../../../ts/redis/memory/name-index.js'
import { NameTable } from '../../../../ts/redis/memory/name-table.js'
import { SegmentedIndex } from '../../../../ts/redis/memory/segmented-index.js'
import { Span } from '../../../../ts/resp/span.js'
import { rounds, seed } from '../../../support/budget.js'
import { Random } from '../../../support/random.js'

/** A table, or an index of many small segments, which a table has of large ones. */
type Table = Pick<NameTable, 'size' | 'find' | 'add' | 'remove' | 'random' | 'visit'> &
  Iterable<number>

/** Places of a segment. */
const PLACES = 16

class Segments implements Table {
  readonly #segments = new SegmentedIndex(new Int32Array(2 * PLACES), 0)
  size = 0

  find(name: Span): number {
    return this.#segments.find(items, name)
  }

  add(item: number, name: Span): void {
    this.size++
    this.#segments.add(hashOf(name), item)
  }

  remove(item: number, name: Span): void {
    this.size--
    this.#segments.remove(hashOf(name), item)
    const isSingle = this.#segments.single !== undefined
    if (this.size <= PLACES / 4) assert.ok(isSingle, 'empty segments are left')
    if (this.size >= PLACES) assert.not(isSingle, 'there is but one segment')
  }

  random(): number {
    return this.size === 0 ? 0 : this.#segments.random()
  }

  visit(cursor: number, count: number): Visit {
    return this.#segments.visit(cursor, count)
  }

  [Symbol.iterator](): Iterator<number> {
    return this.#segments[Symbol.iterator]()
  }
}

let items: Items
let table: Table
let makeTable: () => Table
/** What the table has to have. */
let model: Map<string, number>

function begin(): void {
  items = new Items()
  table = makeTable()
  model = new Map()
}

test.before.each(() => {
  makeTable = () => new NameTable(items)
  begin()
})

/** A test of a table, and of segments. */
function testBoth(name: string, body: () => void): void {
  test(name, body)
  test(`in segments, ${name}`, () => {
    makeTable = () => new Segments()
    begin()
    body()
  })
}

function add(name: string): number {
  const item = items.create(ItemKind.string, Span.of(name), '', 0)
  table.add(item, Span.of(name))
  model.set(name, item)
  return item
}

function remove(name: string): void {
  const item = model.get(name)!
  table.remove(item, Span.of(name))
  items.drop(item)
  items.free(item)
  model.delete(name)
}

function nameOf(item: number): string {
  return items.nameOf(item).latin1()
}

function fill(count: number): void {
  for (let i = 0; i < count; i++) add(`name:${i}`)
}

function find(name: string): number {
  return table.find(Span.of(name))
}

function checkAll(): void {
  assert.is(table.size, model.size)
  for (const [name, item] of model) if (find(name) !== item) throw new Error(`${name} is lost`)
  assert.equal([...table].sort(), [...model.values()].sort())
}

/** The names of a whole walk. @param between  runs after each piece */
function walk(count: number, between: () => void = () => {}): string[] {
  const seen: string[] = []
  let cursor = 0
  do {
    const piece = table.visit(cursor, count)
    assert.ok(Number.isSafeInteger(piece.cursor) && piece.cursor >= 0 && piece.cursor < 2 ** 31)
    seen.push(...piece.items.map(nameOf))
    cursor = piece.cursor
    between()
  } while (cursor !== 0)
  return seen
}

test('up to eight names keep the order in which they came', () => {
  const names = ['h', 'g', '', 'e', 'd', 'c', 'b', 'a']
  for (const name of names) add(name)
  assert.equal([...table].map(nameOf), names)
  remove('e')
  add('e')
  assert.equal([...table].map(nameOf), ['h', 'g', '', 'd', 'c', 'b', 'a', 'e'])
  assert.is(find('none'), 0)
})

testBoth(
  'a table finds what it has while it grows from nothing, and while it shrinks again',
  () => {
    for (let i = 0; i < 3_000; i++) {
      assert.is(find(`name:${i}`), 0)
      add(`name:${i}`)
      if (i < 100 || i % 500 === 0) checkAll()
    }
    checkAll()
    for (let i = 0; i < 3_000; i++) {
      remove(`name:${i}`)
      assert.is(find(`name:${i}`), 0)
      if (i > 2_900 || i % 500 === 0) checkAll()
    }
    assert.equal([...table], [])
  },
)

test('names of all lengths are told apart, also those that differ in one byte', () => {
  const long = 'x'.repeat(20_000)
  for (const length of [0, 1, 2, 3, 4, 5, 8, 63, 64, 65, 8_191, 8_192, 8_193, 20_000]) {
    add(long.slice(0, length))
    // At the beginning, in the middle and at the end; with a zero, and with a high byte.
    for (const at of new Set([0, length >> 1, length - 1])) {
      if (at < 0 || at >= length) continue
      for (const byte of ['\0', '\xff']) {
        add(long.slice(0, at) + byte + long.slice(at + 1, length))
      }
    }
  }
  assert.ok(model.size > 60)
  checkAll()
  for (const name of [...model.keys()]) {
    remove(name)
    assert.is(find(name), 0)
  }
  checkAll()
})

test('names that multiplying cannot tell apart are told apart, whatever the secret is', () => {
  let compared = 0
  const { hasName } = items
  items.hasName = (item, name) => {
    compared++
    return hasName.call(items, item, name)
  }
  // Flips the highest bit of a word, and in the next one what a product and a shift make of it.
  const PAIRS = 10
  for (let i = 0; i < 2 ** PAIRS; i++) {
    const name = Buffer.alloc(8 * PAIRS, 'a')
    for (let pair = 0; pair < PAIRS; pair++) {
      if (((i >> pair) & 1) === 0) continue
      for (const [at, bit] of [
        [3, 0x80],
        [6, 0x01],
        [7, 0x80],
      ] as const) {
        name[8 * pair + at]! ^= bit
      }
    }
    add(name.toString('latin1'))
  }
  // And long ones that differ in the middle.
  for (let i = 0; i < 1_000; i++) add('x'.repeat(5_000) + String(i).padStart(4) + 'x'.repeat(5_000))
  compared = 0
  checkAll()
  assert.ok(compared < 2 * model.size, `${compared} names compared for ${model.size}`)
})

test('a name is found wherever its bytes lie', () => {
  fill(20)
  const bytes = Buffer.from('>>name:7<<')
  assert.is(table.find(new Span(bytes, 2, 8)), model.get('name:7'))
  assert.is(table.find(new Span(bytes, 2, 7)), 0)
  assert.is(table.find(new Span(bytes, 1, 8)), 0)
})

testBoth('whatever comes and goes, a table has what a Map has', () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  const count = rounds('names in a table')
  for (let round = 0; round < count; round++) {
    // Names of few and of many kinds in turn, so that the table grows and shrinks.
    const kinds = [6, 14, 200, 3_000, 40][(round >> 12) % 5]!
    const name = `${random.between(0, kinds)}${'.'.repeat(random.between(0, 5))}`
    assert.is(find(name), model.get(name) ?? 0)
    if (model.has(name)) remove(name)
    else if (random.next() < 0.7) add(name)
    if (model.size > kinds * 4) for (const one of [...model.keys()].slice(0, 50)) remove(one)
    if (round % 2_000 === 0) checkAll()
  }
  checkAll()
})

testBoth('a walk over what stands still gives every name once', () => {
  for (const size of [0, 1, 8, 9, 12, 13, 1_000, 5_000]) {
    begin()
    fill(size)
    for (const count of [1, 3, 10, 10_000]) {
      const seen = walk(count)
      assert.is(seen.length, size)
      assert.equal(new Set(seen), new Set(model.keys()))
    }
  }
})

test('a piece of a walk is about as long as it is asked for', () => {
  fill(5_000)
  for (const count of [1, 10, 100]) {
    let cursor = 0
    let pieces = 0
    do {
      const piece = table.visit(cursor, count)
      // Those of one home come together: many of these are as good as impossible.
      assert.ok(piece.items.length < count + 40)
      cursor = piece.cursor
      pieces++
    } while (cursor !== 0)
    assert.ok(pieces >= 5_000 / (count + 40))
  }
})

test('a table with few names in much room ends its pieces all the same', () => {
  fill(10_000)
  for (const name of [...model.keys()].slice(30)) remove(name)
  assert.equal(walk(1).sort(), [...model.keys()].sort())
  for (const cursor of [2 ** 31 - 1, 2 ** 32 + 7, 2 ** 53 - 1, 2 ** 64]) {
    const piece = table.visit(cursor, 10)
    assert.ok(piece.items.length <= 30 && Number.isSafeInteger(piece.cursor))
  }
})

test('a table of many names has them in segments, and as one index when few are left', () => {
  const count = 60_000
  const stays = (i: number) => i % 100 === 0
  fill(1_000)
  const staying = new Set([...model.keys()].filter((_, i) => stays(i)))
  const seen: string[] = []
  let pieces = 0
  for (let cursor = 0; cursor !== 0 || pieces === 0; pieces++) {
    const piece = table.visit(cursor, 20)
    seen.push(...piece.items.map(nameOf))
    cursor = piece.cursor
    if (pieces === 5) for (let i = 1_000; i < count; i++) add(`name:${i}`)
    if (pieces === 100) checkAll()
    if (pieces !== 200) continue
    for (const name of [...model.keys()]) if (!staying.has(name)) remove(name)
    checkAll()
  }
  assert.ok(pieces > 200, 'it grew and shrank during the walk')
  for (const name of staying) assert.ok(seen.includes(name), `${name} was passed over`)
  for (const name of staying) remove(name)
  checkAll()
  assert.is(table.random(), 0)
})

/** What happens between two pieces of a walk. */
class Tide {
  readonly #random: Random
  readonly #most: number
  #isRising = true
  #number = 0
  /** How often the table was seen to be larger, and smaller, than at a turn before. */
  turns = 0

  constructor(random: Random, most: number) {
    this.#random = random
    this.#most = most
  }

  /** Adds, or takes away those that may go, a part of all. */
  flow(isStaying: (name: string) => boolean): void {
    const part = Math.ceil(this.#most * this.#random.next())
    if (this.#isRising) for (let i = 0; i < part; i++) add(`tide:${this.#number++}`)
    else {
      const goers = [...model.keys()].filter(name => !isStaying(name))
      for (const name of goers.slice(0, part)) remove(name)
    }
    const isAtTurn = this.#isRising ? model.size > this.#most : model.size < this.#most / 4
    if (isAtTurn || this.#random.next() < 0.1) {
      this.#isRising = !this.#isRising
      this.turns++
    }
  }
}

testBoth(
  'a walk visits every name that stays, however the table grows and shrinks meanwhile',
  () => {
    const used = seed()
    console.log(`SEED=${used}`)
    const random = new Random(used)
    let turns = 0
    for (let round = 0; round < rounds('walks over names'); round++) {
      begin()
      fill(random.between(0, 400))
      const staying = new Set([...model.keys()].filter(() => random.next() < 0.3))
      const tide = new Tide(random, random.pick([20, 100, 1_000]))
      const flows = random.between(0, 60)
      let flowed = 0
      const seen = new Set(
        walk(random.pick([1, 2, 5, 20]), () => {
          if (flowed++ < flows) tide.flow(name => staying.has(name))
        }),
      )
      for (const name of staying) assert.ok(seen.has(name), `${name} was passed over`)
      checkAll()
      turns += tide.turns
    }
    assert.ok(turns > rounds('walks over names'), 'tables grew and shrank')
  },
)

testBoth('every name is drawn, each as often as the others', () => {
  for (const size of [1, 5, 8, 9, 1_000]) {
    begin()
    assert.is(table.random(), 0)
    fill(size)
    const counts = new Map<number, number>()
    for (let i = 0; i < 30 * size; i++) {
      const item = table.random()
      counts.set(item, (counts.get(item) ?? 0) + 1)
    }
    if (size < 1_000) {
      while (counts.size < size) counts.set(table.random(), 1)
    }
    assert.equal([...counts.keys()].sort(), [...model.values()].sort())
    // 30 of each are expected, with a deviation of 5.5: a fair draw stays within ten of these.
    if (size === 1_000) assert.ok(Math.max(...counts.values()) < 85)
  }
})

testBoth('what is gone is not drawn, also where much was', () => {
  fill(2_000)
  for (const name of [...model.keys()].slice(20)) remove(name)
  const left = new Set(model.values())
  for (let i = 0; i < 1_000; i++) assert.ok(left.has(table.random()))
})

test.run()
