/** Items: what they are told to be is what they are, whatever happens to others. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CLEAN, ItemKind, Items, type NewValue } from '../../../../ts/redis/memory/items.js'
import { Rope } from '../../../../ts/resp/rope.js'
import { Span } from '../../../../ts/resp/span.js'
import { rounds, seed } from '../../../support/budget.js'
import { Random } from '../../../support/random.js'

/** Longer values are ropes of their own. */
const BLOCK_MAX_BYTES = 16 * 1_024
const LENGTHS = [0, 1, 15, 16, 17, 64, 65, 300, BLOCK_MAX_BYTES, BLOCK_MAX_BYTES + 1, 20_000]
const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('')

interface Model {
  readonly kind: ItemKind
  name: string
  value: string
  recordId: number
  link: number
  slot: number
  dirtyAt: number
}

let items: Items

test.before.each(() => {
  items = new Items()
})

function create(kind: ItemKind, name: string, value: NewValue, link = 0): number {
  return items.create(kind, Span.of(name), value, link)
}

function textOf(value: Span | Rope): string {
  return value instanceof Span ? value.latin1() : value.flat().toString('latin1')
}

function check(item: number, model: Model): void {
  const value = items.valueOf(item)
  assert.is(value instanceof Rope, model.value.length > BLOCK_MAX_BYTES)
  assert.ok(textOf(value) === model.value, 'the value is another')
  assert.ok(items.nameOf(item).latin1() === model.name, 'the name is another')
  assert.ok(items.hasName(item, Span.of(model.name)))
  assert.not(items.hasName(item, Span.of(`${model.name}x`)))
  assert.is(items.valueLength(item), model.value.length)
  assert.is(items.kindOf(item), model.kind)
  assert.is(items.recordIdOf(item), model.recordId)
  assert.is(items.linkOf(item), model.link)
  assert.is(items.slotOf(item), model.slot)
  assert.is(items.dirtyAt(item), model.dirtyAt)
  assert.ok(items.isLive(item))
}

function textOfLength(random: Random, length: number): string {
  const from = random.between(0, 255)
  const whole = ALL_BYTES.slice(from) + ALL_BYTES.slice(0, from)
  return whole.repeat(Math.ceil(length / 256)).slice(0, length)
}

function drawText(random: Random): string {
  const kind = random.next()
  if (kind < 0.2) return textOfLength(random, random.pick(LENGTHS))
  return textOfLength(random, random.between(0, kind < 0.9 ? 100 : 20_000))
}

/** A value as commands give it: borrowed, as text, or as a rope. */
function drawGiven(random: Random, text: string): NewValue {
  const kind = random.between(0, 2)
  if (kind === 0) return text
  if (kind === 1) return Rope.of(text)
  const around = Buffer.from(`<<<${text}>>>`, 'latin1')
  return new Span(around, 3, 3 + text.length)
}

test('names and values of all lengths and bytes come back, and cost nothing once they go', () => {
  const random = new Random(1)
  for (const nameLength of LENGTHS) {
    for (const valueLength of LENGTHS) {
      const name = textOfLength(random, nameLength)
      const value = textOfLength(random, valueLength)
      const item = create(ItemKind.string, name, drawGiven(random, value), 5)
      items.setSlot(item, 16_383)
      const fresh = { recordId: 0, link: 5, slot: 16_383, dirtyAt: CLEAN }
      check(item, { kind: ItemKind.string, name, value, ...fresh })
      items.drop(item)
      assert.not(items.isLive(item))
      items.free(item)
      assert.is(items.usedBytes, 0)
    }
  }
})

test('a value changes from each length to each other, and the name stays', () => {
  const random = new Random(2)
  const item = create(ItemKind.field, ALL_BYTES, '', 3)
  items.setSlot(item, 0)
  const fresh = { recordId: 0, link: 3, slot: 0, dirtyAt: CLEAN }
  for (const from of LENGTHS) {
    for (const to of LENGTHS) {
      for (const length of [from, to]) {
        const value = textOfLength(random, length)
        items.setValue(item, drawGiven(random, value))
        check(item, { kind: ItemKind.field, name: ALL_BYTES, value, ...fresh })
      }
    }
  }
  items.drop(item)
  items.free(item)
  assert.is(items.usedBytes, 0)
})

test('another name leaves the value as it is', () => {
  const random = new Random(3)
  for (const value of [0, 100, BLOCK_MAX_BYTES, 20_000].map(size => textOfLength(random, size))) {
    const item = create(ItemKind.string, 'k', value)
    items.setSlot(item, 1)
    for (const length of LENGTHS) {
      const name = textOfLength(random, length)
      items.rename(item, Span.of(name))
      const fresh = { recordId: 0, link: 0, slot: 1, dirtyAt: CLEAN }
      check(item, { kind: ItemKind.string, name, value, ...fresh })
    }
    items.drop(item)
    items.free(item)
  }
  assert.is(items.usedBytes, 0)
})

test('borrowed bytes are copied, a long rope is kept', () => {
  for (const length of [10, BLOCK_MAX_BYTES, BLOCK_MAX_BYTES + 1]) {
    const input = Buffer.alloc(length, 'a')
    const item = create(ItemKind.string, 'k', new Span(input, 0, length))
    input.fill('b')
    assert.ok(textOf(items.valueOf(item)) === 'a'.repeat(length), `${length} bytes were borrowed`)
    items.setValue(item, new Span(input, 0, length))
    input.fill('c')
    assert.ok(textOf(items.valueOf(item)) === 'b'.repeat(length), `${length} bytes were borrowed`)
  }
  const long = new Rope([Buffer.alloc(BLOCK_MAX_BYTES + 1)])
  assert.is(items.valueOf(create(ItemKind.string, 'k', long)), long)
})

test('record ids have 53 bits, and neither kind nor marks are mixed up with them', () => {
  const ids = [1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER]
  for (const kind of [ItemKind.string, ItemKind.field]) {
    for (const value of ['short', 'x'.repeat(20_000)]) {
      const item = create(kind, 'k', value)
      for (const id of [...ids, ...ids.toReversed(), 0]) {
        items.setRecordId(item, id)
        assert.is(items.recordIdOf(item), id)
        assert.is(items.kindOf(item), kind)
        assert.ok(items.isLive(item))
        assert.ok(textOf(items.valueOf(item)) === value)
      }
      items.setRecordId(item, Number.MAX_SAFE_INTEGER)
      items.drop(item)
      assert.is(items.recordIdOf(item), Number.MAX_SAFE_INTEGER)
      assert.not(items.isLive(item))
    }
  }
})

test('a hash has a number instead of a record', () => {
  const item = create(ItemKind.hash, 'h', '')
  items.setHash(item, 123_456)
  assert.is(items.hashOf(item), 123_456)
  assert.is(items.kindOf(item), ItemKind.hash)
})

test('what stands for a record is not live, and has no bytes', () => {
  const gone = items.createGone(2 ** 33)
  assert.is(items.recordIdOf(gone), 2 ** 33)
  assert.not(items.isLive(gone))
  assert.is(items.dirtyAt(gone), CLEAN)
  items.free(gone)
  assert.is(items.usedBytes, 0)
})

test('a number is used again only after it was freed, and then is as new', () => {
  const first = create(ItemKind.field, 'k', 'x'.repeat(20_000), 9)
  items.setRecordId(first, 2 ** 33)
  items.setDirtyAt(first, 77)
  items.drop(first)
  const second = create(ItemKind.string, 'k', '')
  assert.is.not(second, first)
  items.free(first)
  const third = create(ItemKind.string, 'n', 'v')
  assert.is(third, first)
  items.setSlot(third, 2)
  const fresh = { recordId: 0, link: 0, slot: 2, dirtyAt: CLEAN }
  check(third, { kind: ItemKind.string, name: 'n', value: 'v', ...fresh })
})

class Play {
  readonly live = new Map<number, Model>()
  readonly dropped = new Set<number>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  step(): void {
    const random = this.#random
    const kind = random.next()
    const numbers = [...this.live.keys()]
    if (numbers.length === 0 || kind < (numbers.length < 300 ? 0.3 : 0.1)) this.#create()
    else if (kind > 0.85) this.#drop(random.pick(numbers))
    else this.#change(random.pick(numbers))
    const [gone] = this.dropped
    if (gone !== undefined && random.next() < 0.2) {
      this.dropped.delete(gone)
      items.free(gone)
    }
  }

  #create(): void {
    const random = this.#random
    const model: Model = {
      kind: random.pick([ItemKind.string, ItemKind.field]),
      name: drawText(random),
      value: drawText(random),
      recordId: 0,
      link: random.between(0, 2 ** 31 - 1),
      slot: random.between(0, 16_383),
      dirtyAt: CLEAN,
    }
    const item = create(model.kind, model.name, drawGiven(random, model.value), model.link)
    assert.ok(item > 0 && !this.live.has(item) && !this.dropped.has(item), 'the number is in use')
    items.setSlot(item, model.slot)
    this.live.set(item, model)
  }

  #drop(item: number): void {
    check(item, this.live.get(item)!)
    items.drop(item)
    this.live.delete(item)
    this.dropped.add(item)
  }

  #change(item: number): void {
    const random = this.#random
    const model = this.live.get(item)!
    const what = random.between(0, 5)
    if (what <= 2) {
      model.value = drawText(random)
      items.setValue(item, drawGiven(random, model.value))
    } else if (what === 3) {
      model.name = drawText(random)
      items.rename(item, Span.of(model.name))
    } else if (what === 4) {
      model.recordId = random.between(0, Number.MAX_SAFE_INTEGER)
      items.setRecordId(item, model.recordId)
    } else {
      model.dirtyAt = random.between(-1, 2 ** 31 - 1)
      items.setDirtyAt(item, model.dirtyAt)
    }
    check(item, model)
  }
}

test('items that come, change and go are what was made of them', () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const play = new Play(new Random(used))
  const count = rounds('items of a shard')
  for (let round = 0; round < count; round++) play.step()
  for (const [item, model] of play.live) {
    check(item, model)
    items.drop(item)
    items.free(item)
  }
  for (const item of play.dropped) items.free(item)
  assert.is(items.usedBytes, 0)
})

test.run()
