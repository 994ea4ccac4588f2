/**
 * Keys that sessions WATCH. A write that addresses one touches every watch that has it.
 *
 *   key  ──▶ watches that have it        a touched watch has no keys any more: it is decided
 *
 * That an existing key went without a write, by expiry or FLUSHALL, is seen at EXEC: it was there
 * when its watch began, and is not now. Whoever made it again has touched the watch.
 */
import { Span } from '../resp/span.js'
import type { HeldBytes } from './memory/held-bytes.js'
import type { ShardData } from './shard.js'

/** Estimated cost of a watched key besides its bytes, counted twice: index and watch. */
const KEY_OVERHEAD_BYTES = 256

/** Finds the shard that serves a slot here; undefined when none does. */
type FindShard = (slot: number) => ShardData | undefined

export class WatchedKeys {
  readonly #watches = new Map<string, Set<Watch>>()

  /** Number of keys that anybody watches. */
  get size(): number {
    return this.#watches.size
  }

  /** The key was written. */
  touch(key: string): void {
    const watches = this.#watches.get(key)
    if (watches === undefined) return
    for (const watch of [...watches]) watch.touch()
  }

  /** Another member may have written keys of these slots. */
  touchSlots(isTouched: (slot: number) => boolean): void {
    const watches = new Set([...this.#watches.values()].flatMap(each => [...each]))
    for (const watch of watches) {
      if (watch.hasSlot(isTouched)) watch.touch()
    }
  }

  /** For `Watch`. */
  add(key: string, watch: Watch): void {
    const watches = this.#watches.get(key)
    if (watches === undefined) this.#watches.set(key, new Set([watch]))
    else watches.add(watch)
  }

  /** For `Watch`. */
  remove(key: string, watch: Watch): void {
    const watches = this.#watches.get(key)
    watches?.delete(watch)
    if (watches?.size === 0) this.#watches.delete(key)
  }
}

interface WatchedKey {
  readonly slot: number
  /** It was there when the watch began. */
  readonly existed: boolean
}

/** The watched keys of one session, from its first WATCH until they are dropped. */
export class Watch {
  readonly #index: WatchedKeys
  readonly #held: HeldBytes
  readonly #keys = new Map<string, WatchedKey>()
  #heldBytes = 0
  #isTouched = false

  constructor(index: WatchedKeys, held: HeldBytes) {
    this.#index = index
    this.#held = held
  }

  /** Watches a key of a slot that `shard` serves. @throws RespError ERR, out of room */
  add(slot: number, key: string, shard: ShardData): void {
    if (this.#isTouched || this.#keys.has(key)) return
    const bytes = 2 * key.length + KEY_OVERHEAD_BYTES
    this.#held.take(bytes)
    this.#heldBytes += bytes
    this.#keys.set(key, { slot, existed: shard.find(slot, Span.of(key)) !== 0 })
    this.#index.add(key, this)
  }

  /** Did a watched key change after its `add`? */
  isChanged(find: FindShard): boolean {
    if (this.#isTouched) return true
    for (const [key, { slot, existed }] of this.#keys) {
      const shard = find(slot)
      if (shard === undefined) return true
      if (existed && shard.find(slot, Span.of(key)) === 0) return true
    }
    return false
  }

  hasSlot(isWanted: (slot: number) => boolean): boolean {
    return [...this.#keys.values()].some(({ slot }) => isWanted(slot))
  }

  /** One of the keys has changed. */
  touch(): void {
    this.drop()
    this.#isTouched = true
  }

  /** Forgets all keys. */
  drop(): void {
    for (const key of this.#keys.keys()) this.#index.remove(key, this)
    this.#keys.clear()
    this.#held.give(this.#heldBytes)
    this.#heldBytes = 0
  }
}
