/**
 * How the batches of a cursor are read. A cursor keeps its plan while that holds; when an index of
 * it is gone, or has become one that must be read otherwise, the cursor begins again with another
 * plan and passes over what it has returned.
 */

import { addon } from '../native.js'
import type { Bucket } from './buckets.js'
import type { Cursor, Run } from './cursors.js'
import { type IndexDefinition, PRIMARY_INDEX } from './indexes/indexes.js'
import { compileProgram } from './language/program.js'
import { effectiveCollation, isReadable } from './planner/usable-indexes.js'
import type { QueryPlans } from './query-plans.js'

/** The run of a cursor's next batch.
 *  @throws RespError ERR query cannot be executed: SORTBY … */
export function runOf(cursor: Cursor, bucket: Bucket, plans: QueryPlans): Run {
  const { run } = cursor
  if (run === undefined || run.bucketUuid !== bucket.uuid) return newRun(cursor, bucket, plans)
  if (run.bucketEdition === bucket.edition) return run
  if (run.bound.ranges.every(({ index }) => isAsPlanned(index, bucket))) {
    return { ...run, bucketEdition: bucket.edition }
  }
  const { seen, isStarted } = run
  return { ...newRun(cursor, bucket, plans), seen, isStarted }
}

function newRun(cursor: Cursor, bucket: Bucket, plans: QueryPlans): Run {
  const { query, resultSort } = cursor
  const bound = plans.bind(bucket, query)
  const { collation } = query
  const collations = { indexes: bucket.indexes, bucketCollation: bucket.collation, collation }
  const collationOf = (path: string) => effectiveCollation(path, collations)
  const isCollated =
    collation !== null ||
    bucket.collation !== null ||
    bucket.indexes.some(index => index.collation !== null)
  const indexes = new Set(bound.ranges.map(({ index }) => index))
  return {
    bucketUuid: bucket.uuid,
    bucketEdition: bucket.edition,
    bound,
    program:
      cursor.program !== null && isCollated
        ? compileProgram(query.filter, collationOf)
        : cursor.program,
    resultCollation: resultSort === null ? null : collationOf(resultSort.field),
    mayRepeat: indexes.size > 1 || [...indexes].some(({ hasArrays }) => hasArrays),
    // A document has one primary entry, which never moves.
    seen: [...indexes].every(({ id }) => id === PRIMARY_INDEX.id) ? null : new addon.IdSet(),
    position: undefined,
    isStarted: false,
  }
}

/** Can an index still be read as it was planned? */
function isAsPlanned(planned: IndexDefinition, bucket: Bucket): boolean {
  if (planned.id === PRIMARY_INDEX.id) return true
  const index = bucket.indexes.find(({ id }) => id === planned.id)
  return index !== undefined && isReadable(index) && index.hasArrays === planned.hasArrays
}
