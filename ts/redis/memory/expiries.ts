/**
 * When keys expire: those that do, side by side, so that they can be looked at in turn. A key knows
 * its number here; number 0 is for those that never expire. They are in chunks, since one large
 * array stops everything for tens of milliseconds whenever it grows.
 */
import type { Items } from './items.js'

const NEVER = 0
const CHUNK_BITS = 12
const CHUNK_KEYS = 1 << CHUNK_BITS
const CHUNK_MASK = CHUNK_KEYS - 1

/** Some numbers one after the other. */
interface Chunk {
  readonly keys: Int32Array
  readonly timesMs: Float64Array
}

export class Expiries {
  readonly #items: Items
  readonly #chunks: Chunk[] = [newChunk()]
  /** Numbers in use are below; in no order. */
  #end = 1
  /** The number that is looked at next. */
  #turn = 1

  constructor(items: Items) {
    this.#items = items
  }

  get size(): number {
    return this.#end - 1
  }

  /** Unix time in ms, 0 = never. */
  get(key: number): number {
    return this.#timeOf(this.#items.linkOf(key))
  }

  /** @param timeMs  0 = never */
  set(key: number, timeMs: number): void {
    const number = this.#items.linkOf(key)
    if (number === NEVER && timeMs === 0) return
    if (timeMs === 0) this.#remove(key, number)
    else if (number !== NEVER) this.#chunkOf(number).timesMs[number & CHUNK_MASK] = timeMs
    else this.#add(key, timeMs)
  }

  /** The key whose turn it is; undefined at the end of a round. ORDER: one that is removed leaves
   *  its turn to the last one, so that each has one in a round. */
  next(): number | undefined {
    if (this.#turn > this.size) {
      this.#turn = 1
      return undefined
    }
    return this.#keyOf(this.#turn++)
  }

  /** Keys whose time is over at a time, in no order. Nothing may change meanwhile. */
  *expiredAt(timeMs: number): IterableIterator<number> {
    for (let number = 1; number < this.#end; number++) {
      if (this.#timeOf(number) < timeMs) yield this.#keyOf(number)
    }
  }

  #add(key: number, timeMs: number): void {
    const number = this.#end
    if (number >>> CHUNK_BITS === this.#chunks.length) this.#chunks.push(newChunk())
    this.#end++
    this.#put(number, key, timeMs)
  }

  #remove(key: number, number: number): void {
    this.#items.setLink(key, NEVER)
    const last = --this.#end
    if (last !== number) this.#put(number, this.#keyOf(last), this.#timeOf(last))
    // One chunk stays for what comes next.
    if (this.#chunks.length > (last >>> CHUNK_BITS) + 2) this.#chunks.pop()
    // What took its place has not had its turn yet.
    if (number === this.#turn - 1) this.#turn--
  }

  #put(number: number, key: number, timeMs: number): void {
    const { keys, timesMs } = this.#chunkOf(number)
    keys[number & CHUNK_MASK] = key
    timesMs[number & CHUNK_MASK] = timeMs
    this.#items.setLink(key, number)
  }

  #keyOf(number: number): number {
    return this.#chunkOf(number).keys[number & CHUNK_MASK]!
  }

  #timeOf(number: number): number {
    return this.#chunkOf(number).timesMs[number & CHUNK_MASK]!
  }

  #chunkOf(number: number): Chunk {
    return this.#chunks[number >>> CHUNK_BITS]!
  }
}

function newChunk(): Chunk {
  return { keys: new Int32Array(CHUNK_KEYS), timesMs: new Float64Array(CHUNK_KEYS) }
}
