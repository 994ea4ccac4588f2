/**
 * How the batches of a cursor are read. A cursor keeps its plan while that holds; when an index of
 * it is gone, or has become one that must be read otherwise, the cursor begins again with another
 * plan and passes over what it has returned.
 */

import type { FilterHandle } from '../native.js'
import type { Bucket } from './buckets.js'
import type { Cursor } from './cursors.js'
import { PRIMARY_INDEX } from './indexes/indexes.js'
import type { Collation } from './language/collation.js'
import { type BoundPlan, indexesOf } from './planner/bind.js'
import { effectiveCollation, isReadable } from './planner/usable-indexes.js'
import type { QueryPlans } from './query-plans.js'
import type { Position, ScanBatch } from './scan.js'
import { argumentOf, type Statement, sourceOf } from './statements.js'

/** How a cursor's next batch is read. */
export interface Run {
  readonly bound: BoundPlan
  /** Undefined: from the start. */
  readonly position: Position | undefined
  /** Whether what is returned is remembered. */
  readonly isTracked: boolean
  /** Whether a batch was read before. */
  readonly isStarted: boolean
}

/** The run of a cursor's next batch.
 *  @throws RespError ERR query cannot be executed: SORTBY … */
export function runOf(
  cursor: Cursor,
  { statement, bucket, plans }: { statement: Statement; bucket: Bucket; plans: QueryPlans },
): Run {
  const { lastBucket, bound: last, isTracked, key } = cursor
  const isStarted = lastBucket?.uuid === bucket.uuid
  if (isStarted && last !== undefined && isAsPlanned(last, lastBucket, bucket)) {
    const position = key === null ? undefined : { range: cursor.range, key: argumentOf(key) }
    return { bound: last, position, isTracked, isStarted }
  }
  // Another bucket of that name: nothing of it was returned.
  if (!isStarted && lastBucket !== undefined) cursor.returned.drop(cursor.id)
  const bound = plans.bind(bucket, statement, cursor)
  const isStillTracked = isStarted && isTracked
  return { bound, position: undefined, isTracked: isStillTracked || bound.mayMove, isStarted }
}

/** Moves a cursor behind a batch that counts. */
export function advance(
  cursor: Cursor,
  { run, bucket, batch }: { run: Run; bucket: Bucket; batch: Pick<ScanBatch, 'position'> },
): void {
  if (run.isTracked) cursor.returned.commit(cursor.id)
  const reached = batch.position ?? run.position
  cursor.compiled = null
  cursor.lastBucket = bucket
  cursor.bound = run.bound
  cursor.range = reached?.range ?? 0
  cursor.key = reached === undefined ? null : sourceOf(reached.key)
  cursor.isTracked = run.isTracked
}

/** The filter of a cursor, compiled with the collations that apply; null = all documents. */
export function programOf(
  { collation }: Cursor,
  statement: Statement,
  bucket: Bucket,
): FilterHandle | null {
  if (statement.filter.kind === 'true') return null
  const isCollated =
    collation !== null ||
    bucket.collation !== null ||
    bucket.indexes.some(index => index.collation !== null)
  if (!isCollated) return statement.program
  return statement.collated(bucket, collation, path => collationOf(path, bucket, collation))
}

/** What strings at a path are compared with; null = bytes.
 *  @param option  COLLATION */
export function collationOf(
  path: string,
  bucket: Bucket,
  option: Collation | null,
): Collation | null {
  const { indexes, collation: bucketCollation } = bucket
  return effectiveCollation(path, { indexes, bucketCollation, collation: option })
}

/** Can the indexes of a plan still be read as they were planned? Also those of which nothing lies
 *  between the bounds: of an array two elements may meet them. */
function isAsPlanned({ root }: BoundPlan, planned: Bucket, bucket: Bucket): boolean {
  if (planned.edition === bucket.edition) return true
  return indexesOf(root).every(index => {
    if (index.id === PRIMARY_INDEX.id) return true
    const now = bucket.indexes.find(({ id }) => id === index.id)
    return now !== undefined && isReadable(now) && now.hasArrays === index.hasArrays
  })
}
