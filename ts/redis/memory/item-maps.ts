/**
 * Maps and sets of items that may have millions of entries: made of small ones, since a large one
 * stops everything for tens of milliseconds whenever it grows or shrinks.
 */

/** Items of one part of a map. */
const PART_BITS = 12
/** Items of one part of a list. */
const PART_ITEMS = 4_096

/** Something about each of many items. */
export class ItemMap<V> {
  /** Neighbours are together, so that those which come one after the other make one part grow. */
  readonly #parts: (Map<number, V> | undefined)[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  get(item: number): V | undefined {
    return this.#parts[item >>> PART_BITS]?.get(item)
  }

  set(item: number, value: V): void {
    const number = item >>> PART_BITS
    let part = this.#parts[number]
    if (part === undefined) {
      part = new Map()
      while (this.#parts.length <= number) this.#parts.push(undefined)
      this.#parts[number] = part
    }
    if (!part.has(item)) this.#size++
    part.set(item, value)
  }

  has(item: number): boolean {
    return this.#parts[item >>> PART_BITS]?.has(item) === true
  }

  delete(item: number): void {
    const number = item >>> PART_BITS
    const part = this.#parts[number]
    if (part === undefined || !part.delete(item)) return
    this.#size--
    if (part.size === 0) this.#parts[number] = undefined
  }
}

/** Items in the order in which they were added. Those that were added first are found first. */
export class ItemList {
  readonly #parts: Set<number>[]

  /** @param items  all different */
  constructor(...items: number[]) {
    this.#parts = [new Set(items)]
  }

  get isEmpty(): boolean {
    return this.#parts.length === 1 && this.#parts[0]!.size === 0
  }

  /** Adds an item that is not here. */
  add(item: number): void {
    if (this.#parts.at(-1)!.size >= PART_ITEMS) this.#parts.push(new Set())
    this.#parts.at(-1)!.add(item)
  }

  /** Takes an item out that is here. */
  delete(item: number): void {
    const number = this.#parts.findIndex(part => part.delete(item))
    if (this.#parts[number]!.size === 0 && this.#parts.length > 1) this.#parts.splice(number, 1)
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (const part of this.#parts) yield* part
  }
}
