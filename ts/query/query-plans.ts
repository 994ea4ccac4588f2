/**
 * From a query to ranges of keys: the plan of its shape, made or remembered, with the query's
 * literals bound to it.
 */

import { BSONError, type Document, serialize } from 'bson'
import { err } from '../error.js'
import type { KeyRange } from '../store/keyspace.js'
import type { Bucket } from './buckets.js'
import { type CompiledIndexes, compileIndexes } from './indexes/index-writes.js'
import { type IndexDefinition, PRIMARY_INDEX } from './indexes/indexes.js'
import type { Collation } from './language/collation.js'
import type { Literal } from './language/filter.js'
import { type Bound, type BoundPlan, bindPlan, type EstimateRange } from './planner/bind.js'
import type { QueryPlan } from './planner/physical.js'
import { PlanCache, type PlanCacheSettings, type PlannedFor } from './planner/plan-cache.js'
import { planQuery } from './planner/plan-query.js'
import { primaryRange } from './planner/primary-range.js'
import { type QueryShape, shapeOf } from './planner/shape.js'
import type { Statement } from './statements.js'

/** An order by one field. */
export interface Sort {
  readonly field: string
  readonly isDescending: boolean
}

/** What of a query, apart from its filter, decides how it is read. */
export interface PlannedQuery {
  /** SORTBY. */
  readonly sort: Sort | null
  /** The option COLLATION. */
  readonly collation: Collation | null
}

export interface QueryPlansParts extends PlanCacheSettings {
  /** Whether a value of another type than an index's refuses the write. */
  readonly isStrict: boolean
  /** Absent: nothing is known of how many entries are where. */
  readonly statistics?: Statistics
}

/** What is known of indexes. */
export interface Statistics {
  /** Rises when the statistics of a bucket have changed. */
  generation(bucket: Bucket): number
  /** Are there statistics of any index? */
  knows(bucket: Bucket): boolean
  /** Entries in a range of keys, about; undefined without statistics of the index. */
  estimate(bucket: Bucket, index: IndexDefinition, range: KeyRange): number | undefined
}

export class QueryPlans {
  readonly #cache: PlanCache
  readonly #isStrict: boolean
  readonly #statistics: Statistics | undefined

  constructor(parts: QueryPlansParts) {
    this.#cache = new PlanCache(parts)
    this.#isStrict = parts.isStrict
    this.#statistics = parts.statistics
  }

  /** Plans a query for execution, and remembers the plan.
   *  @throws RespError ERR query cannot be executed: SORTBY … */
  bind(bucket: Bucket, statement: Statement, query: PlannedQuery): BoundPlan {
    const shape = shapeIn(statement, query)
    const isDescending = query.sort?.isDescending ?? false
    const plannedFor = this.#plannedFor(bucket)
    const known = this.#cache.get(plannedFor, shape.key)
    const { bound: last } = statement
    // A plan is of one version of one bucket, so what is bound to it stays the same.
    if (known !== undefined && last?.plan === known && last.isDescending === isDescending) {
      return last.bound
    }
    const plan = known ?? this.#plan(bucket, shape, query)
    if (known === undefined) this.#cache.set(plannedFor, shape.key, plan)
    const bound = this.#bound(bucket, plan, { shape, isDescending })
    statement.bound = { plan, isDescending, bound }
    return bound
  }

  /** As `bind`, without remembering it. */
  explain(
    bucket: Bucket,
    statement: Statement,
    query: PlannedQuery,
  ): { bound: BoundPlan; isCached: boolean } {
    const shape = shapeIn(statement, query)
    const known = this.#cache.get(this.#plannedFor(bucket), shape.key)
    const plan = known ?? this.#plan(bucket, shape, query)
    const isDescending = query.sort?.isDescending ?? false
    return {
      bound: this.#bound(bucket, plan, { shape, isDescending }),
      isCached: known !== undefined,
    }
  }

  /** The indexes that writers of a bucket maintain. */
  indexesOf(bucket: Bucket): CompiledIndexes {
    return compileIndexes(bucket, this.#isStrict)
  }

  #plan(bucket: Bucket, shape: QueryShape, { sort, collation }: PlannedQuery): QueryPlan {
    const { indexes, collation: bucketCollation } = bucket
    const sortField = sort?.field ?? null
    return planQuery(shape.filter, { indexes, bucketCollation, collation, sortField })
  }

  #bound(
    bucket: Bucket,
    plan: QueryPlan,
    { shape, isDescending }: { shape: QueryShape; isDescending: boolean },
  ): BoundPlan {
    return bindPlan(plan, {
      literals: shape.literals,
      encode: (index, equalities, lower, upper) => {
        if (index.id === PRIMARY_INDEX.id) {
          return primaryRange(bucket.data, equalities, lower, upper)
        }
        return indexRange(this.indexesOf(bucket), { index, equalities, lower, upper })
      },
      encodeEach: (index, equalities) => equalRanges(this.indexesOf(bucket), index, equalities),
      isDescending,
      estimate: this.#estimator(bucket),
    })
  }

  /** Absent where nothing is known: then nothing has to be compared. */
  #estimator(bucket: Bucket): EstimateRange | undefined {
    const statistics = this.#statistics
    if (!statistics?.knows(bucket)) return undefined
    return (index, range) => statistics.estimate(bucket, index, range)
  }

  #plannedFor(bucket: Bucket): PlannedFor {
    const { uuid, namespace, edition } = bucket
    const statisticsGeneration = this.#statistics?.generation(bucket) ?? 0
    return { bucketUuid: uuid, namespace, edition, statisticsGeneration }
  }
}

function shapeIn(statement: Statement, { sort, collation }: PlannedQuery): QueryShape {
  const { filter, shape: last } = statement
  const sortField = sort?.field ?? null
  if (collation !== null) return shapeOf(filter, { sortField, collation })
  if (last?.sortField === sortField) return last.shape
  const shape = shapeOf(filter, { sortField, collation })
  statement.shape = { sortField, shape }
  return shape
}

interface RangeConditions {
  readonly index: IndexDefinition
  readonly equalities: readonly Literal[]
  readonly lower: Bound | undefined
  readonly upper: Bound | undefined
}

function indexRange(
  { definitions, set }: CompiledIndexes,
  { index, equalities, lower, upper }: RangeConditions,
): KeyRange | 'nothing' {
  const place = definitions.findIndex(({ id }) => id === index.id)
  const range = set.range(place, conditionsOf(equalities, lower, upper))
  if (range !== null) return range
  // No key is as long as the operands: nothing equals them, but entries may be above or below.
  if (lower === undefined && upper === undefined) return 'nothing'
  return set.range(place, conditionsOf(equalities)) ?? 'nothing'
}

function equalRanges(
  { definitions, set }: CompiledIndexes,
  index: IndexDefinition,
  equalities: readonly (readonly Literal[])[],
): KeyRange[] {
  const place = definitions.findIndex(({ id }) => id === index.id)
  const { keys, ends } = set.equalities(place, bsonOf({ ...equalities }))
  const ranges: KeyRange[] = []
  let start = 0
  for (let i = 0; i < ends.length; i += 2) {
    const [middle, end] = [ends[i]!, ends[i + 1]!]
    ranges.push({ begin: keys.subarray(start, middle), end: keys.subarray(middle, end) })
    start = end
  }
  return ranges
}

/** In the form that `Index::range` of `native/document` reads. */
function conditionsOf(equalities: readonly Literal[], lower?: Bound, upper?: Bound): Buffer {
  const conditions: Document = {}
  if (equalities.length > 0) conditions.eq = equalities
  if (lower !== undefined) conditions[lower.isInclusive ? 'gte' : 'gt'] = lower.value
  if (upper !== undefined) conditions[upper.isInclusive ? 'lte' : 'lt'] = upper.value
  return bsonOf(conditions)
}

function bsonOf(document: Document): Buffer {
  try {
    return Buffer.from(serialize(document))
  } catch (cause) {
    if (cause instanceof BSONError) throw err('BQL parse error: Invalid BSON format', { cause })
    throw cause
  }
}
