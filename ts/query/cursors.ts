/**
 * Cursors of a session. A cursor is a position and what is needed to go on from it; the server
 * keeps nothing else of a query, so cursors survive COMMIT and ROLLBACK.
 */

import { err } from '../error.js'
import { addon, type IdSets } from '../native.js'
import type { Bucket, BucketNamespace } from './buckets.js'
import type { Collation } from './language/collation.js'
import type { BoundPlan } from './planner/bind.js'
import type { Sort } from './query-plans.js'
import type { Compiled, Source, Sources } from './statements.js'

export const CURSOR_KINDS = ['QUERY', 'UPDATE', 'DELETE'] as const
export type CursorKind = (typeof CURSOR_KINDS)[number]

/** Its `Sources` are the arguments as they were sent. */
export interface Cursor extends Sources {
  readonly kind: CursorKind
  /** As it was looked up for the last batch. */
  namespace: BucketNamespace
  readonly bucket: string
  /** SORTBY. */
  readonly sort: Sort | null
  /** RESULTSORT. */
  readonly resultSort: Sort | null
  /** The option COLLATION. */
  readonly collation: Collation | null
  /** Documents of one batch at most. */
  readonly limit: number
  /** Reads of QUERY add no conflict ranges. */
  readonly snapshot: boolean
  /** Where what it returns is remembered, under its id. */
  readonly returned: IdSets
  /** Of the arguments; not kept between batches. */
  compiled: Compiled | null
  /** 0 until it is opened. */
  id: number
  /** What the last batch was read from, and how; undefined before the first. */
  lastBucket: Bucket | undefined
  bound: BoundPlan | undefined
  /** The range of `bound` where it goes on, and the key; null: at the start of all. */
  range: number
  key: Source | null
  /** Whether what was returned may be met again, and is remembered. */
  isTracked: boolean
}

export class Cursors {
  /** What the cursors have returned. */
  readonly returned = new addon.IdSets()
  readonly #pools: Readonly<Record<CursorKind, Map<number, Cursor>>> = {
    QUERY: new Map(),
    UPDATE: new Map(),
    DELETE: new Map(),
  }
  #lastId = 0

  /** Adds a cursor. @returns its id: from 1 up, never repeated in a session */
  open(cursor: Cursor): number {
    cursor.id = ++this.#lastId
    this.#pools[cursor.kind].set(cursor.id, cursor)
    return cursor.id
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
    this.returned.drop(id)
  }

  /** Ascending by id. */
  list(kind: CursorKind): IterableIterator<[number, Cursor]> {
    return this.#pools[kind].entries()
  }
}
