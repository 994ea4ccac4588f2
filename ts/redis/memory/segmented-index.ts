/**
 * The index of many names, in segments: each is an index of its own, see `name-index.ts`, and grows
 * by itself, so that no step takes longer than one segment does.
 *
 *   hash       … home in the segment | number of the segment, `depth` bits
 *   directory  entry of each number of as many bits as the deepest segment has; a segment with
 *              fewer bits has several entries
 *
 *     0 ─▶ depth 1      1 ─▶ depth 2      2 ─▶ the same as 0      3 ─▶ depth 2
 *
 * A full segment becomes two that have one bit more. Number and home together are the low bits of
 * the hash, so a walk is one through all of these, backwards, as in an index that is one piece.
 */
import { RespError } from '../../error.js'
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

/** Part of its places that a segment uses at most. */
const FULL = 3 / 4
/** Two segments that use no more of one together become one, which is far from being full. */
const MERGED = 1 / 4
/** Bits of a hash that find a home, and of a cursor. */
const BITS_MAX = 31

interface Segment {
  readonly index: Int32Array
  readonly depth: number
  size: number
}

export class SegmentedIndex {
  /** Of a segment. */
  readonly #places: number
  readonly #placeBits: number
  #directory: Segment[]
  /** Of the entries of the directory, side by side: searches need nothing else. */
  #indexes: Int32Array[]
  #depths = new Uint8Array(1)
  /** Number of segments that have the most bits. */
  #deepest = 1

  /** @param index  becomes the first segment, with `size` items; the others will be as large */
  constructor(index: Int32Array, size: number) {
    this.#places = index.length >>> 1
    this.#placeBits = Math.log2(this.#places)
    this.#directory = [{ index, depth: 0, size }]
    this.#indexes = [index]
  }

  /** The index, when there is but one segment. */
  get single(): Int32Array | undefined {
    return this.#directory.length === 1 ? this.#directory[0]!.index : undefined
  }

  /** @returns the item, 0 when there is none of that name */
  find(items: Items, name: Span): number {
    const hash = hashOf(name)
    const indexes = this.#indexes
    const number = hash & (indexes.length - 1)
    const index = indexes[number]!
    const depth = this.#depths[number]!
    const mask = (index.length >>> 1) - 1
    for (let place = (hash >>> depth) & mask; ; place = (place + 1) & mask) {
      const item = index[2 * place + 1]!
      if (item === 0) return 0
      if (index[2 * place] === hash && items.hasName(item, name)) return item
    }
  }

  /** Adds an item that is not here. @throws RespError OOM when hashes have too few bits for more:
   *  that is beyond a billion items */
  add(hash: number, item: number): void {
    let segment = this.#segmentOf(hash)
    while (segment.size >= this.#places * FULL) {
      if (segment.depth + this.#placeBits === BITS_MAX) {
        throw new RespError('OOM', 'a hash has too many fields.')
      }
      this.#split(segment, hash)
      segment = this.#segmentOf(hash)
    }
    segment.size++
    insert(segment.index, hash, item, segment.depth)
  }

  /** Takes an item out that is here. */
  remove(hash: number, item: number): void {
    const segment = this.#segmentOf(hash)
    segment.size--
    remove(segment.index, hash, item, segment.depth)
    if (segment.size <= this.#places * MERGED) this.#merge(segment, hash)
  }

  /** All items. Nothing may be added or removed meanwhile. */
  *[Symbol.iterator](): IterableIterator<number> {
    for (const [number, { index, depth }] of this.#directory.entries()) {
      // Once for all of its entries.
      if (number >>> depth === 0) yield* itemsOf(index)
    }
  }

  /** An item drawn at random, each with the same chance; there is one. */
  random(): number {
    for (;;) {
      const number = Math.floor(Math.random() * this.#directory.length)
      const { index, depth } = this.#directory[number]!
      // Segments have the same chance, however many entries they have; and then places.
      const item = number >>> depth === 0 ? draw(index) : 0
      if (item !== 0) return item
    }
  }

  /** As `NameTable` does. */
  visit(cursor: number, count: number): Visit {
    const items: number[] = []
    let at = cursor & (2 ** BITS_MAX - 1)
    for (let homes = 0; homes < 10 * count && items.length < count; homes++) {
      const { index, depth } = this.#segmentOf(at)
      const mask = 2 ** (depth + this.#placeBits) - 1
      collect(index, (at & mask) >>> depth, items, depth)
      at = nextHome(at & mask, mask)
      if (at === 0) break
    }
    return { items, cursor: at }
  }

  #segmentOf(hash: number): Segment {
    return this.#directory[hash & (this.#directory.length - 1)]!
  }

  /** Makes two of the segment of a hash. */
  #split({ index, depth }: Segment, hash: number): void {
    const more = depth + 1
    const pair = [this.#makeSegment(more), this.#makeSegment(more)] as const
    for (let at = 0; at < index.length; at += 2) {
      if (index[at + 1] === 0) continue
      const half = pair[(index[at]! >>> depth) & 1]!
      insert(half.index, index[at]!, index[at + 1]!, more)
      half.size++
    }
    if (1 << depth === this.#directory.length) {
      this.#setDirectory([...this.#directory, ...this.#directory])
      this.#deepest = 0
    }
    if (1 << more === this.#directory.length) this.#deepest += 2
    this.#assign(hash, depth, number => pair[(number >>> depth) & 1]!)
  }

  /** Makes one of the segment of a hash and its other half while both together have few items.
   *  INVARIANT: no two halves are left that have, so nothing is left of many segments but one. */
  #merge(segment: Segment, hash: number): void {
    let merged = segment
    while (merged.depth > 0) {
      const half = merged
      const other = this.#segmentOf(hash ^ (1 << (half.depth - 1)))
      if (other.depth !== half.depth || other.size + half.size > this.#places * MERGED) return
      merged = this.#union(half, other)
      this.#assign(hash, merged.depth, () => merged)
      if (1 << half.depth === this.#directory.length) this.#deepest -= 2
      while (this.#deepest === 0) this.#halveDirectory()
    }
  }

  #union(one: Segment, other: Segment): Segment {
    const union = this.#makeSegment(one.depth - 1)
    union.size = one.size + other.size
    for (const { index } of [one, other]) {
      for (let at = 0; at < index.length; at += 2) {
        if (index[at + 1] !== 0) insert(union.index, index[at]!, index[at + 1]!, union.depth)
      }
    }
    return union
  }

  #halveDirectory(): void {
    this.#setDirectory(this.#directory.slice(0, this.#directory.length / 2))
    const { length } = this.#directory
    this.#deepest = this.#directory.filter(({ depth }) => 1 << depth === length).length
  }

  /** Gives each number that ends with the same `depth` bits as a hash its segment. */
  #assign(hash: number, depth: number, segmentOf: (number: number) => Segment): void {
    const step = 1 << depth
    for (let number = hash & (step - 1); number < this.#directory.length; number += step) {
      const segment = segmentOf(number)
      this.#directory[number] = segment
      this.#indexes[number] = segment.index
      this.#depths[number] = segment.depth
    }
  }

  #setDirectory(segments: Segment[]): void {
    this.#directory = segments
    this.#indexes = segments.map(({ index }) => index)
    this.#depths = Uint8Array.from(segments, ({ depth }) => depth)
  }

  #makeSegment(depth: number): Segment {
    return { index: new Int32Array(2 * this.#places), depth, size: 0 }
  }
}
