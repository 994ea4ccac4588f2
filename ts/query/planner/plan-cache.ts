/**
 * Plans that were made, by bucket and by shape. A plan is used only for the record of the bucket
 * and the statistics that it was made for, so nothing has to be told when these change; what has
 * become useless makes room in time.
 */

import type { QueryPlan } from './physical.js'

/** Plans of one bucket at most. */
export const PLANS_PER_BUCKET = 200

/** Buckets that have plans, at most. */
const BUCKETS = 1_000

/** Shapes with a longer key, such as lists of thousands of values, are planned each time: they
 *  would take more memory than planning takes time. */
export const KEY_LENGTH = 4_096

export interface PlanCacheSettings {
  readonly enabled: boolean
  readonly maxTtlMs: number
  /** Milliseconds that only grow. */
  readonly now: () => number
}

/** What a plan was made for. */
export interface PlannedFor {
  readonly bucketUuid: string
  /** Path, as the bucket was looked up. */
  readonly namespace: string
  /** Of the bucket's record. */
  readonly edition: string
  /** Rises when statistics of the bucket's indexes are saved. */
  readonly statisticsGeneration: number
}

interface CachedPlan {
  readonly plan: QueryPlan
  readonly plannedFor: PlannedFor
  readonly madeAtMs: number
}

export class PlanCache {
  readonly #settings: PlanCacheSettings
  /** By uuid, then by the key of the shape; the bucket used last and the plan made last are at the
   *  end. */
  readonly #buckets = new Map<string, Map<string, CachedPlan>>()

  constructor(settings: PlanCacheSettings) {
    this.#settings = settings
  }

  /** The plan of a shape, if there is one that is neither out of date nor too old.
   *  @param key  of the shape */
  get(plannedFor: PlannedFor, key: string): QueryPlan | undefined {
    const plans = this.#buckets.get(plannedFor.bucketUuid)
    const cached = plans?.get(key)
    if (plans === undefined || cached === undefined) return undefined
    if (!isSame(cached.plannedFor, plannedFor) || this.#isExpired(cached)) {
      plans.delete(key)
      return undefined
    }
    this.#buckets.delete(plannedFor.bucketUuid)
    this.#buckets.set(plannedFor.bucketUuid, plans)
    return cached.plan
  }

  set(plannedFor: PlannedFor, key: string, plan: QueryPlan): void {
    if (!this.#settings.enabled || key.length > KEY_LENGTH) return
    const { bucketUuid } = plannedFor
    const plans = this.#buckets.get(bucketUuid) ?? new Map<string, CachedPlan>()
    plans.delete(key)
    plans.set(key, { plan, plannedFor, madeAtMs: this.#settings.now() })
    evictOldest(plans, PLANS_PER_BUCKET)
    this.#buckets.delete(bucketUuid)
    this.#buckets.set(bucketUuid, plans)
    evictOldest(this.#buckets, BUCKETS)
  }

  /** Forgets the plans of a bucket that is gone. */
  drop(bucketUuid: string): void {
    this.#buckets.delete(bucketUuid)
  }

  #isExpired({ madeAtMs }: CachedPlan): boolean {
    return this.#settings.now() - madeAtMs >= this.#settings.maxTtlMs
  }
}

function isSame(a: PlannedFor, b: PlannedFor): boolean {
  return (
    a.bucketUuid === b.bucketUuid &&
    a.namespace === b.namespace &&
    a.edition === b.edition &&
    a.statisticsGeneration === b.statisticsGeneration
  )
}

function evictOldest(entries: Map<string, unknown>, limit: number): void {
  if (entries.size <= limit) return
  const [oldest] = entries.keys()
  if (oldest !== undefined) entries.delete(oldest)
}
