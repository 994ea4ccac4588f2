/** From the arguments of a command to its cursor, which nobody has read from yet. */

import type { IdSets } from '../native.js'
import type { BucketNamespace } from './buckets.js'
import type { Cursor, CursorKind } from './cursors.js'
import type { Collation } from './language/collation.js'
import type { Sort } from './query-plans.js'
import { compile, sourceOf } from './statements.js'

/** Options of BUCKET.QUERY and its kin. */
export interface QueryOptions {
  /** 0 = the session's limit. */
  readonly limit: number
  readonly sort: Sort | null
  readonly resultSort: Sort | null
  /** As it was sent. */
  readonly projection: Buffer | null
  readonly collation: Collation | null
}

/** What a command is about; its buffers are borrowed. */
export interface CursorTarget {
  readonly kind: CursorKind
  readonly namespace: BucketNamespace
  readonly bucket: string
  readonly filter: Buffer
  /** Of an UPDATE. */
  readonly update: Buffer | null
  readonly options: QueryOptions
  /** Documents of one batch at most. */
  readonly limit: number
  readonly snapshot: boolean
  /** Where what it returns is remembered. */
  readonly returned: IdSets
}

/** @throws RespError ERR: what is wrong with filter, update or projection */
export function newCursor(target: CursorTarget): Cursor {
  const { kind, namespace, bucket, options, limit, snapshot, returned } = target
  const filter = sourceOf(target.filter)
  const projection = options.projection && sourceOf(options.projection)
  const update = target.update && sourceOf(target.update)
  const compiled = compile({ filter, projection, update })
  const { sort, resultSort, collation } = options
  return {
    kind,
    namespace,
    bucket,
    filter,
    projection,
    update,
    sort,
    resultSort,
    collation,
    limit,
    snapshot,
    returned,
    compiled,
    id: 0,
    lastBucket: undefined,
    bound: undefined,
    range: 0,
    key: null,
    isTracked: false,
  }
}
