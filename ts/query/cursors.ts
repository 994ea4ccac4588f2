/**
 * Cursors of a session. A cursor is a position and what is needed to go on from it; the server
 * keeps nothing else of a query, so cursors survive COMMIT and ROLLBACK.
 */

import { err } from '../error.js'
import type { FilterHandle } from '../native.js'
import type { BucketNamespace } from './buckets.js'
import type { Filter } from './filter.js'
import type { Position } from './scan.js'

export const CURSOR_KINDS = ['QUERY', 'UPDATE', 'DELETE'] as const
export type CursorKind = (typeof CURSOR_KINDS)[number]

export interface Cursor {
  readonly kind: CursorKind
  /** As it was looked up for the last batch. */
  namespace: BucketNamespace
  readonly bucket: string
  /** The filter argument as it was sent. */
  readonly source: Buffer
  readonly filter: Filter
  /** The compiled filter; null when it matches everything. */
  readonly program: FilterHandle | null
  /** Documents of one batch at most. */
  readonly limit: number
  /** Reads of QUERY add no conflict ranges. */
  readonly snapshot: boolean
  /** Uuid of the bucket that the position belongs to. */
  bucketUuid: string | undefined
  /** Undefined before the first batch. */
  position: Position | undefined
}

export class Cursors {
  readonly #pools: Readonly<Record<CursorKind, Map<number, Cursor>>> = {
    QUERY: new Map(),
    UPDATE: new Map(),
    DELETE: new Map(),
  }
  #lastId = 0

  /** Adds a cursor. @returns its id: from 1 up, never repeated in a session */
  open(cursor: Cursor): number {
    this.#lastId++
    this.#pools[cursor.kind].set(this.#lastId, cursor)
    return this.#lastId
  }

  /** @throws RespError ERR No previous query context found for '<kind>' operation … */
  require(kind: CursorKind, id: number): Cursor {
    const cursor = this.#pools[kind].get(id)
    if (cursor === undefined) {
      const operation = kind.toLowerCase()
      throw err(
        `No previous query context found for '${operation}' operation with the given cursor id`,
      )
    }
    return cursor
  }

  /** @throws RespError ERR no cursor found */
  close(kind: CursorKind, id: number): void {
    if (!this.#pools[kind].delete(id)) throw err('no cursor found')
  }

  /** Ascending by id. */
  list(kind: CursorKind): IterableIterator<[number, Cursor]> {
    return this.#pools[kind].entries()
  }
}
