/**
 * Cursors of a session. A cursor is a position and what is needed to go on from it; the server
 * keeps nothing else of a query, so cursors survive COMMIT and ROLLBACK.
 */

import { err } from '../error.js'
import type { FilterHandle, IdSet, ProjectionHandle, UpdateHandle } from '../native.js'
import type { BucketNamespace } from './buckets.js'
import type { Collation } from './language/collation.js'
import type { BoundPlan } from './planner/bind.js'
import type { PlannedQuery, Sort } from './query-plans.js'
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
  readonly query: PlannedQuery
  /** The filter, compiled without collations; null when it matches everything. */
  readonly program: FilterHandle | null
  /** RESULTSORT. */
  readonly resultSort: Sort | null
  readonly projection: ProjectionHandle | null
  /** Of an UPDATE. */
  readonly update: UpdateHandle | null
  /** Documents of one batch at most. */
  readonly limit: number
  /** Reads of QUERY add no conflict ranges. */
  readonly snapshot: boolean
  /** Undefined before the first batch. */
  run: Run | undefined
}

/** How a cursor is read. */
export interface Run {
  readonly bucketUuid: string
  /** Of the bucket's record, for which it holds. */
  readonly bucketEdition: string
  readonly bound: BoundPlan
  /** The filter, compiled with the collations that apply. */
  readonly program: FilterHandle | null
  readonly resultCollation: Collation | null
  /** Whether one document may have several entries in the ranges. */
  readonly mayRepeat: boolean
  /** What was returned, if that may be met again. */
  readonly seen: IdSet | null
  /** Undefined before the first batch. */
  readonly position: Position | undefined
  /** Whether a batch was read. */
  readonly isStarted: boolean
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
