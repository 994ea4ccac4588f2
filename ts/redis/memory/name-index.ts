/**
 * Open addressing by the hashes of names:
 *
 *   index   | hash of the name | item | 0 | 0 | hash | item | …       item 0 = free place
 *             home = low bits of the hash; what finds it taken goes to the next free place
 *
 * INVARIANT: no free place is between an item and its home.
 *
 * A walk goes through the homes in the order of their bits read backwards, as Redis does with its
 * tables: homes that were visited stay visited when the index doubles or halves. Source: Redis,
 * `dictScan`.
 */
import { randomInt } from 'node:crypto'
import type { Span } from '../../resp/span.js'

/** Of this process alone, so that nobody can choose names that meet in one place. */
const KEY_0 = randomInt(2 ** 32) | 0
const KEY_1 = randomInt(2 ** 32) | 0

/** A part of a walk. */
export interface Visit {
  readonly items: readonly number[]
  /** 0 = the walk is over. */
  readonly cursor: number
}

/** Puts an item at the first free place from its home on. @param shift  bits of the hash that do
 *  not count for the home */
export function insert(index: Int32Array, hash: number, item: number, shift = 0): void {
  const mask = (index.length >>> 1) - 1
  let place = (hash >>> shift) & mask
  while (index[2 * place + 1] !== 0) place = (place + 1) & mask
  index[2 * place] = hash
  index[2 * place + 1] = item
}

/** Takes an item that is there out, and moves those behind it up, so that no search ends too
 *  early. */
export function remove(index: Int32Array, hash: number, item: number, shift = 0): void {
  const mask = (index.length >>> 1) - 1
  let gap = (hash >>> shift) & mask
  while (index[2 * gap + 1] !== item) gap = (gap + 1) & mask
  for (let at = (gap + 1) & mask; index[2 * at + 1] !== 0; at = (at + 1) & mask) {
    const home = (index[2 * at]! >>> shift) & mask
    // It may move to the gap unless its search begins behind it.
    if (((at - home) & mask) < ((at - gap) & mask)) continue
    index[2 * gap] = index[2 * at]!
    index[2 * gap + 1] = index[2 * at + 1]!
    gap = at
  }
  index[2 * gap] = 0
  index[2 * gap + 1] = 0
}

/** Adds all items of one home. */
export function collect(index: Int32Array, home: number, items: number[], shift = 0): void {
  const mask = (index.length >>> 1) - 1
  for (let place = home; index[2 * place + 1] !== 0; place = (place + 1) & mask) {
    if (((index[2 * place]! >>> shift) & mask) === home) items.push(index[2 * place + 1]!)
  }
}

/** All items. */
export function* itemsOf(index: Int32Array): IterableIterator<number> {
  for (let at = 1; at < index.length; at += 2) if (index[at] !== 0) yield index[at]!
}

/** What is at a place drawn at random: an item, or 0. */
export function draw(index: Int32Array): number {
  return index[2 * Math.floor(Math.random() * (index.length >>> 1)) + 1]!
}

/** The home behind this one, where the highest bit counts least. */
export function nextHome(home: number, mask: number): number {
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
export function hashOf({ bytes, start, end }: Span): number {
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
