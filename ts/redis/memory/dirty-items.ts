/**
 * A set of items in the order in which they were added. Each item knows its place, so that adding
 * and removing it are a few stores: every write of a command comes by here. However many they are,
 * never more than a chunk of them is gone over.
 *
 *   chunk   | 0 | 0 | b | 0 | … |    chunk   | c | d |              removed ones leave holes
 *             place = number of the chunk, 18 bits | 12 bits
 *
 * INVARIANT: each chunk but the last one has items.
 */
import { CLEAN, CLEARED_WITH_HASH, type Items } from './items.js'

const PLACE_BITS = 12
const CHUNK_PLACES = 1 << PLACE_BITS
/** Numbers of chunks go round. */
const NUMBER_MASK = (1 << 18) - 1
const HOLE = 0

interface Chunk {
  readonly number: number
  readonly items: Int32Array
  /** How many are not holes. */
  count: number
}

export class DirtyItems {
  readonly #items: Items
  /** By number, in the order of their items. */
  #chunks = new Map<number, Chunk>()
  #number = 0
  #last: Chunk
  /** Places of the last chunk that were given away. */
  #used = 0
  #count = 0

  constructor(items: Items) {
    this.#items = items
    this.#last = this.#newChunk()
    this.#chunks.set(this.#last.number, this.#last)
  }

  get size(): number {
    return this.#count
  }

  /** Is it here, or to be cleared with a hash that is? */
  has(item: number): boolean {
    return this.#items.dirtyAt(item) !== CLEAN
  }

  /** Adds an item at the end; one that is there already stays at its place. */
  add(item: number): void {
    if (this.#items.dirtyAt(item) !== CLEAN) return
    if (this.#used === CHUNK_PLACES) {
      this.#last = this.#newChunk()
      this.#chunks.set(this.#last.number, this.#last)
      this.#used = 0
    }
    this.#put(item, this.#last, this.#used++)
  }

  delete(item: number): void {
    const place = this.#items.dirtyAt(item)
    if (place === CLEAN) return
    this.#items.setDirtyAt(item, CLEAN)
    if (place === CLEARED_WITH_HASH) return
    const chunk = this.#chunks.get(place >>> PLACE_BITS)!
    chunk.items[place & (CHUNK_PLACES - 1)] = HOLE
    this.#count--
    if (--chunk.count > 0) return
    if (chunk === this.#last) this.#used = 0
    else this.#chunks.delete(chunk.number)
  }

  /** Puts items in front of the others; those that are here keep their place. */
  putInFront(items: readonly number[]): void {
    const back = [...new Set(items)].filter(item => !this.has(item))
    const chunks = new Map<number, Chunk>()
    for (let at = 0; at < back.length; at += CHUNK_PLACES) {
      const chunk = this.#newChunk()
      chunks.set(chunk.number, chunk)
      const some = back.slice(at, at + CHUNK_PLACES)
      for (const [i, item] of some.entries()) this.#put(item, chunk, i)
    }
    for (const [number, chunk] of this.#chunks) chunks.set(number, chunk)
    this.#chunks = chunks
  }

  /** Oldest first, also what is added meanwhile. Nothing may be removed. */
  *[Symbol.iterator](): IterableIterator<number> {
    for (const { items } of this.#chunks.values()) {
      for (let at = 0; at < CHUNK_PLACES; at++) if (items[at] !== HOLE) yield items[at]!
    }
  }

  #put(item: number, chunk: Chunk, at: number): void {
    chunk.items[at] = item
    chunk.count++
    this.#items.setDirtyAt(item, (chunk.number << PLACE_BITS) | at)
    this.#count++
  }

  #newChunk(): Chunk {
    do this.#number = (this.#number + 1) & NUMBER_MASK
    while (this.#chunks.has(this.#number))
    return { number: this.#number, items: new Int32Array(CHUNK_PLACES), count: 0 }
  }
}
