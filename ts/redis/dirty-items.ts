/**
 * A set of items in the order in which they were added. Each item knows its place, so that adding
 * and removing it are a few stores: every write of a command comes by here.
 *
 *   places  | 0 | 0 | b | 0 | c | d |      removed ones leave holes
 *             0       first           length
 */
import { CLEAN, type Items } from './items.js'

/** Holes that are left until there are more of them. */
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
    this.#places[place] = HOLE
    this.#items.setDirtyAt(item, CLEAN)
    this.#count--
    if (this.#count === 0) this.#reset()
    else this.#closeHoles()
  }

  /** Puts items in front of the others; those that are here keep their place. */
  putInFront(items: readonly number[]): void {
    const others = [...this]
    for (const item of others) this.#items.setDirtyAt(item, CLEAN)
    const here = new Set(others)
    this.#reset()
    for (const item of items) if (!here.has(item)) this.add(item)
    for (const item of others) this.add(item)
  }

  /** Oldest first. Nothing may be added or removed meanwhile. */
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

  /** Moves the items down when most places are holes, wherever: one that is never written must not
   *  let the places behind it grow for ever. */
  #closeHoles(): void {
    const places = this.#places
    while (places[this.#first] === HOLE) this.#first++
    const holes = places.length - this.#count
    if (holes < HOLES_MIN || holes < places.length / 2) return
    const rest = places.slice(this.#first).filter(item => item !== HOLE)
    for (let i = 0; i < rest.length; i++) this.#items.setDirtyAt(rest[i]!, i)
    this.#places = rest
    this.#first = 0
  }
}
