/**
 * Indexes whose keys another version of the collator made. They are emptied and built again, when
 * somebody comes across them.
 *
 * INVARIANT: all entries of an index are those of the version that its definition names. So who
 * would write others has the index renewed first, and begins again.
 */

import type { Logger } from 'pino'
import { cardinalityKey, indexPrefix, prefixRange, statisticsKey } from '../../store/keyspace.js'
import type { Namespaces } from '../../store/namespaces/namespaces.js'
import type { Store } from '../../store/store.js'
import type { Tx } from '../../store/tx.js'
import { type Bucket, changeBucket, openBucket } from '../buckets.js'
import type { IndexChange } from '../indexes/index-administration.js'
import { type IndexTasks, TaskIds } from '../indexes/index-tasks.js'
import { collatorVersionFor, type IndexDefinition, isStale } from '../indexes/indexes.js'

export interface IndexRenewalParts {
  readonly store: Store
  readonly namespaces: Namespaces
  readonly tasks: IndexTasks
  readonly log: Logger
}

export class IndexRenewal {
  readonly #parts: IndexRenewalParts
  /** Under way, by the uuids of the buckets. */
  readonly #running = new Map<string, Promise<void>>()

  constructor(parts: IndexRenewalParts) {
    this.#parts = parts
  }

  /** Renews the stale indexes of a bucket, in a transaction of its own.
   *  @throws RespError of the namespace or bucket, StoreError */
  run(bucket: Bucket): Promise<void> {
    const { uuid } = bucket
    const known = this.#running.get(uuid)
    if (known !== undefined) return known
    const running = this.#renew(bucket).finally(() => this.#running.delete(uuid))
    this.#running.set(uuid, running)
    return running
  }

  /** As `run`, for who does not wait for it. */
  begin(bucket: Bucket): void {
    this.run(bucket).catch(cause => {
      // Nothing reads these indexes meanwhile, and the next query tries again.
      this.#parts.log.warn({ err: cause, bucket: bucket.name }, 'renewing indexes failed')
    })
  }

  async #renew({ namespace: path, name }: Bucket): Promise<void> {
    const { store, namespaces, tasks } = this.#parts
    const namespace = await namespaces.resolve(path)
    const taskIds = new TaskIds(await store.readVersion())
    await store.transact(
      async tx => {
        const bucket = await openBucket(tx, namespace, name)
        renewIndexes(tx, { place: { namespace, bucket }, tasks, taskIds })
      },
      { idempotent: true },
    )
  }
}

/** Empties the stale indexes of a bucket, each with a task that begins its build. */
export function renewIndexes(tx: Tx, { place, tasks, taskIds }: IndexChange): void {
  const { namespace, bucket } = place
  const stale = bucket.indexes.filter(isStale)
  if (stale.length === 0) return
  tx.guardCommit(namespace)
  for (const [i, { id }] of stale.entries()) {
    const { begin, end } = prefixRange(indexPrefix(bucket.data, id))
    tx.clearRange(begin, end)
    tx.clear(cardinalityKey(bucket.data, id))
    tx.clear(statisticsKey(bucket.data, id))
    tasks.deleteAll(tx, bucket, id)
    const boundary = { kind: 'BOUNDARY', status: 'WAITING', error: '' } as const
    tasks.add(tx, place, { ...boundary, id: taskIds.at(i), index: id })
  }
  changeBucket(tx, bucket, { indexes: bucket.indexes.map(renewed) })
}

function renewed(index: IndexDefinition): IndexDefinition {
  if (!isStale(index)) return index
  return {
    ...index,
    status: 'WAITING',
    collatorVersion: collatorVersionFor(index.collation),
    isRebuilt: index.isRebuilt || index.status === 'READY',
    hasArrays: false,
    hasSkipped: false,
  }
}
