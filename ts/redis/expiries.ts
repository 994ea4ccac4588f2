/**
 * When keys expire: those that do, side by side, so that they can be looked at in turn. A key knows
 * its number here; number 0 is for those that never expire.
 */
import type { Items } from './items.js'

const NEVER = 0

export class Expiries {
  readonly #items: Items
  /** By number; in no order. */
  readonly #keys: number[] = [0]
  readonly #timesMs: number[] = [0]
  /** The number that is looked at next. */
  #turn = 1

  constructor(items: Items) {
    this.#items = items
  }

  get size(): number {
    return this.#keys.length - 1
  }

  /** Unix time in ms, 0 = never. */
  get(key: number): number {
    return this.#timesMs[this.#items.linkOf(key)]!
  }

  /** @param timeMs  0 = never */
  set(key: number, timeMs: number): void {
    const number = this.#items.linkOf(key)
    if (number !== NEVER && timeMs !== 0) this.#timesMs[number] = timeMs
    else if (number !== NEVER) this.#remove(key, number)
    else if (timeMs !== 0) {
      this.#items.setLink(key, this.#keys.length)
      this.#keys.push(key)
      this.#timesMs.push(timeMs)
    }
  }

  /** The key whose turn it is; undefined at the end of a round. ORDER: one that is removed leaves
   *  its turn to the last one, so that each has one in a round. */
  next(): number | undefined {
    if (this.#turn > this.size) {
      this.#turn = 1
      return undefined
    }
    return this.#keys[this.#turn++]
  }

  #remove(key: number, number: number): void {
    this.#items.setLink(key, NEVER)
    const last = this.#keys.pop()!
    const timeMs = this.#timesMs.pop()!
    if (last !== key) {
      this.#keys[number] = last
      this.#timesMs[number] = timeMs
      this.#items.setLink(last, number)
    }
    // What took its place has not had its turn yet.
    if (number === this.#turn - 1) this.#turn--
  }
}
