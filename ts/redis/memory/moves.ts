/**
 * Which items of a shard have to be written before or together with which, because keys were
 * deleted, overwritten or renamed:
 *
 *   leaver    its record may still bear a key that is its own no more. INVARIANT: it is written
 *             before, or together with, whatever has the key now, so that records of two lives of a
 *             key are never on disk at once
 *   together  it moved, or something else took its key: it is written together with all that the
 *             key has now, so that no rename is on disk in part
 *
 * Most keys have one leaver and most leavers one key, so lists are made only for more.
 */
import { ItemList, ItemMap } from './item-maps.js'

/** Renames that a batch follows from key to key. */
const LEAVER_DEPTH = 1_000

const NOBODY: readonly number[] = []
const NO_KEYS: readonly string[] = []

/** What a batch has of the fields of a large hash, see `LargeHashes`. */
export interface HashPart {
  /** What was to be done with the hash then. */
  readonly work: object
  /** Where the walk over its fields was before. */
  readonly cursor: number
  /** How often it had moved. */
  readonly moveCount: number
  /** Those of a gone hash. */
  readonly gone: number[]
  /** Has the last one joined? */
  isWhole: boolean
}

/** Items that are about to be written. */
export class Batch {
  readonly items = new Set<number>()
  /** Large hashes of which fields have joined. */
  readonly hashes = new Map<number, HashPart>()
  /** Keys all of which has joined. */
  readonly keys = new Set<string>()
  /** Keys that all their leavers have joined. */
  readonly left = new Set<string>()
  /** Items that wait for others to join first. */
  readonly path = new Set<number>()

  bytes = 0

  /** @param most       items at most
   *  @param mostBytes  beyond these bytes nothing more joins */
  constructor(
    readonly most: number,
    readonly mostBytes: number,
  ) {}

  get isFull(): boolean {
    return this.items.size >= this.most || this.bytes > this.mostBytes
  }

  get isDeep(): boolean {
    return this.path.size >= LEAVER_DEPTH
  }

  add(item: number, bytes: number): void {
    this.items.add(item)
    this.bytes += bytes
  }
}

export class Moves {
  readonly #leavers = new Map<string, number | ItemList>()
  /** By item: the keys it left, the last one behind the others. */
  readonly #keys = new ItemMap<string | readonly string[]>()
  readonly #together = new ItemMap<number>()

  /** Is nobody waiting for anybody? */
  get isEmpty(): boolean {
    return this.#keys.size === 0 && this.#together.size === 0
  }

  /** The record of an item bears a key that will not be its own. */
  leave(item: number, key: string): void {
    const keys = this.#keysLeft(item)
    this.#keys.set(item, keys.length === 0 ? key : [...keys.filter(one => one !== key), key])
    if (keys.includes(key)) return
    const others = this.#leavers.get(key)
    if (others === undefined) this.#leavers.set(key, item)
    else if (typeof others === 'number') this.#leavers.set(key, new ItemList(others, item))
    else others.add(item)
  }

  /** Oldest first. */
  leaversOf(key: string): Iterable<number> {
    const items = this.#leavers.get(key)
    if (items === undefined) return NOBODY
    return typeof items === 'number' ? [items] : items
  }

  /** The key that the item left last; undefined when it left none. */
  keyLeft(item: number): string | undefined {
    return this.#keysLeft(item).at(-1)
  }

  /** Has an item written with what its key, of this slot, has then. */
  bind(item: number, slot: number): void {
    this.#together.set(item, slot)
  }

  /** Slot of the key that the item is written with; undefined when it is written alone. */
  slotOf(item: number): number | undefined {
    return this.#together.get(item)
  }

  /** Does the item wait for others, or others for it? */
  has(item: number): boolean {
    return this.#keys.has(item) || this.#together.has(item)
  }

  /** A field of a hash that moved as a whole has moved likewise. */
  follow(field: number, hash: number): void {
    for (const key of this.#keysLeft(hash)) this.leave(field, key)
    const slot = this.#together.get(hash)
    if (slot !== undefined) this.bind(field, slot)
  }

  /** The item is written as it is now. */
  settle(item: number): void {
    this.#together.delete(item)
    for (const key of this.#keysLeft(item)) {
      const items = this.#leavers.get(key)
      if (items instanceof ItemList) items.delete(item)
      if (!(items instanceof ItemList) || items.isEmpty) this.#leavers.delete(key)
    }
    this.#keys.delete(item)
  }

  #keysLeft(item: number): readonly string[] {
    const keys = this.#keys.get(item)
    if (keys === undefined) return NO_KEYS
    return typeof keys === 'string' ? [keys] : keys
  }
}
