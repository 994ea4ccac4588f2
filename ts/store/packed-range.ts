/**
 * Reads what one range read packed into one buffer: per pair key length u32le, value length u32le,
 * key, value. Keys and values are views of that buffer: copy what outlives the turn.
 */

import type { PackedRange } from './types.js'

const HEADER_BYTES = 8

/** Walks a range without an object per pair: `while (r.next()) use(r.key, r.value)`. */
export class PackedReader {
  readonly #data: Buffer
  #at = 0
  #keyStart = 0
  #valueStart = 0

  constructor(range: PackedRange) {
    this.#data = range.data
  }

  /** Moves to the next pair. @returns false behind the last */
  next(): boolean {
    const at = this.#at
    if (at >= this.#data.length) return false
    this.#keyStart = at + HEADER_BYTES
    this.#valueStart = this.#keyStart + this.#data.readUInt32LE(at)
    this.#at = this.#valueStart + this.#data.readUInt32LE(at + 4)
    return true
  }

  get key(): Buffer {
    return this.#data.subarray(this.#keyStart, this.#valueStart)
  }

  /** The key without its first `prefixBytes` bytes. */
  keyFrom(prefixBytes: number): Buffer {
    return this.#data.subarray(this.#keyStart + prefixBytes, this.#valueStart)
  }

  get value(): Buffer {
    return this.#data.subarray(this.#valueStart, this.#at)
  }
}

export interface Pair {
  key: Buffer
  value: Buffer
}

/** All pairs in order. */
export function* unpack(range: PackedRange): Generator<Pair> {
  const reader = new PackedReader(range)
  while (reader.next()) yield { key: reader.key, value: reader.value }
}

/** Key of the last pair of a range that has one. */
export function lastKey(range: PackedRange): Buffer {
  const reader = new PackedReader(range)
  while (reader.next());
  return reader.key
}
