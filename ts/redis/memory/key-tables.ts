/**
 * The keys of a shard by name, spread over tables by their slots; those that have expired are keys
 * until somebody removes them.
 */
import type { Span } from '../../resp/span.js'
import { SLOT_COUNT } from '../slots.js'
import type { Items } from './items.js'
import { NameTable } from './name-table.js'

/** Keys are spread over so many tables. A slot is in one of them. */
export const PART_COUNT = 256

export class KeyTables {
  readonly parts: readonly NameTable[]
  readonly #items: Items
  /** Number of keys, by slot. */
  readonly #counts = new Uint32Array(SLOT_COUNT)
  #size = 0

  constructor(items: Items) {
    this.#items = items
    this.parts = Array.from({ length: PART_COUNT }, () => new NameTable(items))
  }

  get size(): number {
    return this.#size
  }

  /** @returns the item, 0 when there is none of that name */
  find(slot: number, name: Span): number {
    return this.#partOf(slot).find(name)
  }

  /** Adds an item, whose name is not here, and which gets that slot. */
  add(slot: number, item: number, name: Span): void {
    this.#partOf(slot).add(item, name)
    this.#items.setSlot(item, slot)
    this.#counts[slot]!++
    this.#size++
  }

  /** Takes an item out. @param name  with which it was added */
  remove(slot: number, item: number, name: Span): void {
    this.#partOf(slot).remove(item, name)
    this.#counts[slot]!--
    this.#size--
  }

  countInSlot(slot: number): number {
    return this.#counts[slot]!
  }

  /** Keys of a slot, in no order. Nothing may change meanwhile. */
  *inSlot(slot: number): IterableIterator<number> {
    let left = this.#counts[slot]!
    if (left === 0) return
    for (const key of this.#partOf(slot)) {
      if (this.#items.slotOf(key) !== slot) continue
      yield key
      if (--left === 0) return
    }
  }

  #partOf(slot: number): NameTable {
    return this.parts[slot % PART_COUNT]!
  }
}
