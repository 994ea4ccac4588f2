/**
 * Tasks of indexes, step by step: each step is one transaction that reads how far the task is, does
 * the next piece, and stores how far it is then. So a task goes on wherever it was left, on
 * whichever member, and a step whose commit has an unknown result may be repeated.
 */

import type { Logger } from 'pino'
import {
  cardinalityKey,
  indexPrefix,
  keyAfter,
  prefixRange,
  statisticsKey,
} from '../../store/keyspace.js'
import type { Namespace, Namespaces } from '../../store/namespaces/namespaces.js'
import { lastKey } from '../../store/packed-range.js'
import type { Store } from '../../store/store.js'
import { StoreCode, StoreError } from '../../store/store-error.js'
import type { Tx } from '../../store/tx.js'
import type { ShardRoutes } from '../../volume/shard-routes.js'
import type { Volumes } from '../../volume/volumes.js'
import { type Bucket, changeIndex, findBucket } from '../buckets.js'
import { allIndexes } from '../indexes/index-administration.js'
import { type IndexTasks, isActive, type QueuedTask, TaskIds } from '../indexes/index-tasks.js'
import { isStale } from '../indexes/indexes.js'
import { analyzeBatch, type Sampling } from './index-analysis.js'
import {
  buildBatch,
  failBuild,
  fixBoundary,
  type StepOutcome,
  type TaskStep,
} from './index-build.js'
import { renewIndexes } from './index-renewal.js'
import type { IndexStatistics } from './index-statistics.js'

/** Entries of a dropped index that one transaction deletes. */
const DROP_ENTRIES = 2_000

const { transactionTooLarge: TOO_LARGE } = StoreCode

/** Few retries: whoever works on tasks waits and looks again, and can be stopped meanwhile. */
const STEP = { idempotent: true, retries: 3 }

export interface IndexWorkParts {
  readonly store: Store
  readonly namespaces: Namespaces
  readonly routes: ShardRoutes
  readonly volumes: Volumes
  readonly tasks: IndexTasks
  readonly statistics: IndexStatistics
  readonly log: Logger
  /** Whether a value of another type than an index's fails its build. */
  readonly isStrict: boolean
}

export class IndexWork {
  readonly #parts: IndexWorkParts
  /** Of the analyses under way, by the ids of their tasks. */
  readonly #samplings = new Map<string, Sampling>()

  constructor(parts: IndexWorkParts) {
    this.#parts = parts
  }

  /** Does the next step of a task.
   *  @returns `elsewhere` when another member is to do it, or nobody at the moment
   *  @throws StoreError, RespError of the namespace, or a native error of a volume: nothing was
   *          done then, and it may be tried again */
  async step(queued: QueuedTask): Promise<StepOutcome | 'elsewhere'> {
    const { store, namespaces, tasks } = this.#parts
    const namespace = await namespaces.find(queued.namespace)
    if (namespace === undefined) {
      await store.transact(tx => tasks.drop(tx, queued), STEP)
      return 'over'
    }
    try {
      return await store.transact(tx => this.#stepIn(tx, namespace, queued), STEP)
    } catch (thrown) {
      const isTooLarge = thrown instanceof StoreError && thrown.code === TOO_LARGE
      if (!isTooLarge) throw thrown
      await store.transact(tx => this.#giveUp(tx, { namespace, queued }, thrown.message), STEP)
      return 'over'
    }
  }

  /** A step has one document at least, so it will not become smaller. */
  async #giveUp(
    tx: Tx,
    { namespace, queued }: { namespace: Namespace; queued: QueuedTask },
    error: string,
  ): Promise<void> {
    const { tasks } = this.#parts
    const found = await this.#find(tx, namespace, queued)
    if (found === undefined) return
    tx.guardCommit(namespace)
    await failBuild({ tx, namespace, tasks, ...found }, error)
  }

  async #stepIn(
    tx: Tx,
    namespace: Namespace,
    queued: QueuedTask,
  ): Promise<StepOutcome | 'elsewhere'> {
    const { tasks, volumes, isStrict } = this.#parts
    const found = await this.#find(tx, namespace, queued)
    if (found === undefined) {
      this.#samplings.delete(queued.id.toString('hex'))
      tasks.drop(tx, queued)
      return 'over'
    }
    const { bucket, index, task } = found
    if (isStale(index)) {
      // Its tasks are of another version as well.
      const taskIds = new TaskIds(await tx.readVersion())
      renewIndexes(tx, { place: { namespace, bucket }, tasks, taskIds })
      return 'over'
    }
    if (!this.#serves(task.build?.shard ?? bucket.shards[0]!)) return 'elsewhere'
    tx.guardCommit(namespace)
    const step = { tx, namespace, bucket, index, task, tasks }
    switch (task.kind) {
      case 'BOUNDARY':
        return fixBoundary(step)
      case 'BUILD':
        return buildBatch(step, { context: volumes.scanContext, isStrict })
      case 'DROP':
        return deleteEntries(step)
      case 'ANALYZE':
        return this.#analyze(step)
    }
  }

  /** @returns undefined when there is nothing to do any more */
  async #find(
    tx: Tx,
    namespace: Namespace,
    queued: QueuedTask,
  ): Promise<Pick<TaskStep, 'bucket' | 'index' | 'task'> | undefined> {
    const bucket = await findBucket(tx, namespace, queued.bucket)
    if (!bucket?.prefix.equals(queued.prefix) || bucket.removal !== undefined) return undefined
    const index = allIndexes(bucket).find(({ id }) => id === queued.index)
    const task = await this.#parts.tasks.find(tx, bucket, queued)
    if (index === undefined || task === undefined || !isActive(task)) return undefined
    return { bucket, index, task }
  }

  async #analyze(step: TaskStep): Promise<StepOutcome> {
    const name = step.task.id.toString('hex')
    const { outcome, sampling } = await analyzeBatch(step, this.#samplings.get(name))
    step.tx.afterCommit(() => {
      if (outcome === 'more') this.#samplings.set(name, sampling)
      else this.#endAnalysis(name, step.bucket)
    })
    return outcome
  }

  #endAnalysis(name: string, bucket: Bucket): void {
    this.#samplings.delete(name)
    const { statistics, log } = this.#parts
    statistics.refresh(bucket).catch(cause => {
      // Queries find them in 15 s.
      log.warn({ err: cause, bucket: bucket.name }, 'reading new statistics failed')
    })
  }

  /** Whether this member works on a shard. */
  #serves(shard: number): boolean {
    const { routes, volumes } = this.#parts
    const route = routes.shard('BUCKET', shard)
    if (!route?.local || route.status === 'INOPERABLE') return false
    const volume = volumes.find('BUCKET', shard)
    return volume !== undefined && volume.status !== 'INOPERABLE'
  }
}

/** DROP: deletes entries; behind the last of them the index itself. No writer adds any, since the
 *  definition says DROPPED. */
async function deleteEntries({ tx, bucket, index, tasks }: TaskStep): Promise<StepOutcome> {
  const { begin, end } = prefixRange(indexPrefix(bucket.data, index.id))
  const options = { limit: DROP_ENTRIES, snapshot: true }
  const range = await tx.getRangeAll(begin, end, options)
  if (range.more) {
    tx.clearRange(begin, keyAfter(lastKey(range)))
    return 'more'
  }
  tx.clearRange(begin, end)
  tx.clear(cardinalityKey(bucket.data, index.id))
  tx.clear(statisticsKey(bucket.data, index.id))
  tasks.deleteAll(tx, bucket, index.id)
  changeIndex(tx, bucket, { id: index.id, change: null })
  return 'over'
}
