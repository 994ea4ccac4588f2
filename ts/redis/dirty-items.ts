/**
 * A set of items in the order in which they were added. Each item knows its place, so that adding
 * and removing it are a few stores: every write of a command comes by here.
 *
 *   places  | 0 | 0 | b | 0 | c | d |      removed ones leave holes
 *             0       first           length
 */
import { CLEAN, CLEARED_WITH_HASH, type Items } from './items.js'

/** Holes in front that are left until there are more of them. */
const HOLES_MIN = 1_024
const HOLE = 0

export class DirtyItems {
  readonly #items: Items
  #places: number[] = []
  /** No item is in front of it. */
  #first = 0
  #count = 0

  constructor(items: Items) {
    this.#items = items
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
    this.#items.setDirtyAt(item, this.#places.length)
    this.#places.push(item)
    this.#count++
  }

  delete(item: number): void {
    const place = this.#items.dirtyAt(item)
    if (place === CLEAN) return
    this.#items.setDirtyAt(item, CLEAN)
    if (place === CLEARED_WITH_HASH) return
    this.#places[place] = HOLE
    this.#count--
    if (this.#count === 0) this.#reset()
    else if (place === this.#first) this.#skipHoles()
  }

  /** Puts items in front of the others; those that are here keep their place. */
  putInFront(items: readonly number[]): void {
    const back = items.filter(item => !this.has(item))
    const others = [...this]
    for (const item of others) this.#items.setDirtyAt(item, CLEAN)
    this.#reset()
    for (const item of back) this.add(item)
    for (const item of others) this.add(item)
  }

  /** Oldest first, also what is added meanwhile. Nothing may be removed. */
  *[Symbol.iterator](): IterableIterator<number> {
    for (let i = this.#first; i < this.#places.length; i++) {
      const item = this.#places[i]!
      if (item !== HOLE) yield item
    }
  }

  #reset(): void {
    this.#places = []
    this.#first = 0
    this.#count = 0
  }

  /** Moves the items down when most places in front of them are holes. */
  #skipHoles(): void {
    const places = this.#places
    while (places[this.#first] === HOLE) this.#first++
    if (this.#first < HOLES_MIN || this.#first < places.length / 2) return
    const rest = places.slice(this.#first).filter(item => item !== HOLE)
    for (let i = 0; i < rest.length; i++) this.#items.setDirtyAt(rest[i]!, i)
    this.#places = rest
    this.#first = 0
  }
}
