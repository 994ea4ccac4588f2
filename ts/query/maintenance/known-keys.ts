/**
 * The keys that bodies have in an index, for those that were looked at last: a document with many
 * entries comes again and again. A body never changes, so its keys do not either.
 */

import type { Pair } from '../../store/packed-range.js'

const ID_BYTES = 12
/** Keys of all bodies together, at most; those of the last one are kept in any case. */
const KEYS = 200_000

/** Keys as text, each with whether it stands for an empty array. */
export type BodyKeys = ReadonlyMap<string, boolean>

export class KnownKeys {
  /** The one that was added last is at the end. */
  readonly #bodies = new Map<string, BodyKeys>()
  #count = 0

  /** @param name  see `bodyName` */
  get(name: string): BodyKeys | undefined {
    return this.#bodies.get(name)
  }

  add(name: string, keys: BodyKeys): void {
    this.#bodies.set(name, keys)
    this.#count += keys.size
    for (const [oldest, { size }] of this.#bodies) {
      if (this.#count <= KEYS || oldest === name) return
      this.#bodies.delete(oldest)
      this.#count -= size
    }
  }
}

/** Names the body that an entry points at: by the `_id` of its document, and where it lies. */
export function bodyName({ key, value }: Pair): string {
  return key.toString('latin1', key.length - ID_BYTES) + value.toString('latin1')
}
