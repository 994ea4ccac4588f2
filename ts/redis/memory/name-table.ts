/**
 * Finds items by their names: the keys of a part of a shard, or the fields of a hash.
 *
 *   up to 8        searched one by one
 *   up to 12,288   an index, see `name-index.ts`
 *   more           an index in segments, see `SegmentedIndex`: no larger one is ever made anew
 *
 * INVARIANT: at most three quarters of an index are in use.
 */
import type { Span } from '../../resp/span.js'
import type { Items } from './items.js'
import {
  collect,
  draw,
  hashOf,
  insert,
  itemsOf,
  nextHome,
  remove,
  type Visit,
} from './name-index.js'
import { SegmentedIndex } from './segmented-index.js'

/** Fewer are searched one by one. */
const SEARCHED_MAX = 8
const INDEX_MIN = 16
/** Places of an index, or of a segment: to make a new one of these takes a fraction of a ms. */
const INDEX_MAX = 16_384

export class NameTable {
  readonly #items: Items
  /** ORDER: items are in one of the three: here unless there is an index, or segments. */
  #few: number[] = []
  #index: Int32Array | undefined
  #segments: SegmentedIndex | undefined
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
    if (index === undefined) return this.#findElsewhere(name)
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
    if (this.#segments !== undefined) this.#segments.add(hashOf(name), item)
    else if (this.#index !== undefined) this.#addToIndex(this.#index, hashOf(name), item)
    else {
      this.#few.push(item)
      if (this.#size > SEARCHED_MAX) this.#makeIndex()
    }
  }

  /** Takes an item out. @param name  of the item */
  remove(item: number, name: Span): void {
    this.#size--
    if (this.#segments !== undefined) this.#removeFromSegments(this.#segments, hashOf(name), item)
    else if (this.#index !== undefined) this.#removeFromIndex(this.#index, hashOf(name), item)
    else this.#few.splice(this.#few.indexOf(item), 1)
  }

  /** All items. Nothing may be added or removed meanwhile. */
  [Symbol.iterator](): IterableIterator<number> {
    if (this.#segments !== undefined) return this.#segments[Symbol.iterator]()
    return this.#index === undefined ? this.#few.values() : itemsOf(this.#index)
  }

  /** An item drawn at random, each with the same chance; 0 when there are none. */
  random(): number {
    const index = this.#index
    if (index !== undefined) {
      for (;;) {
        const item = draw(index)
        if (item !== 0) return item
      }
    }
    if (this.#segments !== undefined) return this.#segments.random()
    return this.#few[Math.floor(Math.random() * this.#size)] ?? 0
  }

  /** The next part of a walk: about `count` items, all of some homes. Each item that is there from
   *  the beginning to the end is visited, some maybe twice. @param cursor  0 to begin */
  visit(cursor: number, count: number): Visit {
    if (this.#segments !== undefined) return this.#segments.visit(cursor, count)
    const index = this.#index
    if (index === undefined) return { items: [...this.#few], cursor: 0 }
    const items: number[] = []
    const mask = (index.length >>> 1) - 1
    let home = cursor & mask
    // Homes that are empty count as well, so that a piece ends.
    for (let homes = 0; homes < 10 * count && items.length < count; homes++) {
      collect(index, home, items)
      home = nextHome(home, mask)
      if (home === 0) break
    }
    return { items, cursor: home }
  }

  #findElsewhere(name: Span): number {
    const items = this.#items
    if (this.#segments !== undefined) return this.#segments.find(items, name)
    for (const item of this.#few) if (items.hasName(item, name)) return item
    return 0
  }

  #addToIndex(index: Int32Array, hash: number, item: number): void {
    const places = index.length >>> 1
    if (this.#size * 4 <= places * 3) insert(index, hash, item)
    else if (places < INDEX_MAX) insert(this.#rebuild(index, index.length * 2), hash, item)
    else {
      this.#segments = new SegmentedIndex(index, this.#size - 1)
      this.#segments.add(hash, item)
      this.#index = undefined
    }
  }

  #removeFromIndex(index: Int32Array, hash: number, item: number): void {
    remove(index, hash, item)
    if (this.#size <= SEARCHED_MAX / 2) {
      this.#few = [...itemsOf(index)]
      this.#index = undefined
    } else if (index.length > INDEX_MIN * 2 && this.#size * 16 < index.length) {
      this.#rebuild(index, index.length / 2)
    }
  }

  #removeFromSegments(segments: SegmentedIndex, hash: number, item: number): void {
    segments.remove(hash, item)
    const { single } = segments
    if (single === undefined) return
    this.#index = single
    this.#segments = undefined
  }

  #makeIndex(): void {
    const index = new Int32Array(2 * INDEX_MIN)
    for (const item of this.#few) insert(index, hashOf(this.#items.nameOf(item)), item)
    this.#few = []
    this.#index = index
  }

  #rebuild(old: Int32Array, length: number): Int32Array {
    const index = new Int32Array(length)
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] !== 0) insert(index, old[at]!, old[at + 1]!)
    }
    this.#index = index
    return index
  }
}
