/**
 * Finds items by their names: the keys of a part of a shard, or the fields of a hash. Up to eight
 * are searched one by one, more have an index with open addressing:
 *
 *   index   | hash of the name | item | 0 | 0 | hash | item | …       item 0 = free place
 *             home = low bits of the hash; what finds it taken goes to the next free place
 *
 * INVARIANT: at most three quarters of the index are in use, and no free place is between an item
 * and its home.
 *
 * A walk goes through the homes in the order of their bits read backwards, as Redis does with its
 * tables: homes that were visited stay visited when the index doubles or halves. Source: Redis,
 * `dictScan`.
 */
import { randomInt } from 'node:crypto'
import type { Span } from '../resp/span.js'
import type { Items } from './items.js'

/** Fewer are searched one by one. */
const SEARCHED_MAX = 8
const INDEX_MIN = 16
/** Of this process alone, so that nobody can choose names that meet in one place. */
const KEY_0 = randomInt(2 ** 32) | 0
const KEY_1 = randomInt(2 ** 32) | 0

/** A part of a walk. */
export interface Visit {
  readonly items: readonly number[]
  /** 0 = the walk is over. */
  readonly cursor: number
}

export class NameTable {
  readonly #items: Items
  #few: number[] = []
  #index: Int32Array | undefined
  #size = 0

  constructor(items: Items) {
    this.#items = items
  }

  get size(): number {
    return this.#size
  }

  /** @returns the item, 0 when there is none of that name */
  find(name: Span): number {
    const index = this.#index
    if (index === undefined) {
      for (const item of this.#few) if (this.#items.hasName(item, name)) return item
      return 0
    }
    const hash = hashOf(name)
    const mask = (index.length >>> 1) - 1
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const item = index[2 * place + 1]!
      if (item === 0) return 0
      if (index[2 * place] === hash && this.#items.hasName(item, name)) return item
    }
  }

  /** Adds an item, whose name is not here. */
  add(item: number, name: Span): void {
    this.#size++
    if (this.#index === undefined && this.#size <= SEARCHED_MAX) {
      this.#few.push(item)
      return
    }
    if (this.#index === undefined) this.#makeIndex()
    else if (this.#size * 4 > (this.#index.length >>> 1) * 3) this.#rebuild(this.#index.length * 2)
    insert(this.#index!, hashOf(name), item)
  }

  /** Takes an item out. @param name  of the item */
  remove(item: number, name: Span): void {
    this.#size--
    const index = this.#index
    if (index === undefined) {
      this.#few.splice(this.#few.indexOf(item), 1)
      return
    }
    const mask = (index.length >>> 1) - 1
    let place = hashOf(name) & mask
    while (index[2 * place + 1] !== item) place = (place + 1) & mask
    closeGap(index, place)
    if (this.#size <= SEARCHED_MAX / 2) this.#dropIndex()
    else if (index.length > INDEX_MIN * 2 && this.#size * 16 < index.length) {
      this.#rebuild(index.length / 2)
    }
  }

  /** All items. Nothing may be added or removed meanwhile. */
  *[Symbol.iterator](): IterableIterator<number> {
    const index = this.#index
    if (index === undefined) {
      yield* this.#few
      return
    }
    for (let at = 1; at < index.length; at += 2) if (index[at] !== 0) yield index[at]!
  }

  /** An item drawn at random, each with the same chance; 0 when there are none. */
  random(): number {
    const index = this.#index
    if (index === undefined) return this.#few[Math.floor(Math.random() * this.#size)] ?? 0
    for (;;) {
      const item = index[2 * Math.floor(Math.random() * (index.length >>> 1)) + 1]!
      if (item !== 0) return item
    }
  }

  /** The next part of a walk: about `count` items, all of some homes. Each item that is there from
   *  the beginning to the end is visited, some maybe twice. @param cursor  0 to begin */
  visit(cursor: number, count: number): Visit {
    const index = this.#index
    if (index === undefined) return { items: [...this.#few], cursor: 0 }
    const items: number[] = []
    const mask = (index.length >>> 1) - 1
    let home = cursor & mask
    // Homes that are empty count as well, so that a piece ends.
    for (let homes = 0; homes < 10 * count && items.length < count; homes++) {
      for (let place = home; index[2 * place + 1] !== 0; place = (place + 1) & mask) {
        if ((index[2 * place]! & mask) === home) items.push(index[2 * place + 1]!)
      }
      home = next(home, mask)
      if (home === 0) break
    }
    return { items, cursor: home }
  }

  #makeIndex(): void {
    const index = new Int32Array(2 * INDEX_MIN)
    for (const item of this.#few) insert(index, hashOf(this.#items.nameOf(item)), item)
    this.#few = []
    this.#index = index
  }

  #dropIndex(): void {
    this.#few = [...this]
    this.#index = undefined
  }

  #rebuild(length: number): void {
    const old = this.#index!
    const index = new Int32Array(length)
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] !== 0) insert(index, old[at]!, old[at + 1]!)
    }
    this.#index = index
  }
}

function insert(index: Int32Array, hash: number, item: number): void {
  const mask = (index.length >>> 1) - 1
  let place = hash & mask
  while (index[2 * place + 1] !== 0) place = (place + 1) & mask
  index[2 * place] = hash
  index[2 * place + 1] = item
}

/** Frees a place and moves those behind it up, so that no search ends too early. */
function closeGap(index: Int32Array, place: number): void {
  const mask = (index.length >>> 1) - 1
  let gap = place
  for (let at = (gap + 1) & mask; index[2 * at + 1] !== 0; at = (at + 1) & mask) {
    const home = index[2 * at]! & mask
    // It may move to the gap unless its search begins behind it.
    if (((at - home) & mask) < ((at - gap) & mask)) continue
    index[2 * gap] = index[2 * at]!
    index[2 * gap + 1] = index[2 * at + 1]!
    gap = at
  }
  index[2 * gap] = 0
  index[2 * gap + 1] = 0
}

/** The home behind this one, where the highest bit counts least. */
function next(home: number, mask: number): number {
  let bit = (mask + 1) >>> 1
  let at = home
  while (at & bit) {
    at ^= bit
    bit >>>= 1
  }
  return at | bit
}

/** HalfSipHash-1-3. Mixing that is cheaper has names that meet whatever its secret is: whoever
 *  sends them makes each search as long as their number. Source: the reference of SipHash,
 *  `halfsiphash.c`. */
function hashOf({ bytes, start, end }: Span): number {
  let v0 = KEY_0
  let v1 = KEY_1
  let v2 = KEY_0 ^ 0x6c796765
  let v3 = KEY_1 ^ 0x74656462
  const rest = end - ((end - start) & 3)
  // The words of the name, one with what is left and the length, and three that finish it.
  for (let at = start; at <= rest + 12; at += 4) {
    let word = 0
    if (at < rest) {
      word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    } else if (at === rest) {
      word = (end - start) << 24
      for (let i = rest; i < end; i++) word |= bytes[i]! << (8 * (i - rest))
    } else if (at === rest + 4) {
      v2 ^= 0xff
    }
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return v1 ^ v3
}
