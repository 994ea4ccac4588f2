/**
 * The build of an index over the documents that were there before it. Writers maintain the index
 * from the moment on that its definition is committed, so the build adds what is missing of older
 * documents, and whoever comes later finds it there.
 *
 * INVARIANT: a document's entries are written in a transaction that conflicts with a change of this
 * document, and with no other writer of documents.
 */

import { RespError } from '../../error.js'
import type { ScanContext } from '../../native.js'
import { keyAfter, prefixEnd, primaryKey, primaryPrefix } from '../../store/keyspace.js'
import { type Pair, unpack } from '../../store/packed-range.js'
import { unpackPointer } from '../../store/pointer.js'
import { StoreError } from '../../store/store-error.js'
import type { Tx } from '../../store/tx.js'
import { sliceOf } from '../bodies.js'
import { type Bucket, changeIndex } from '../buckets.js'
import {
  type BuildProgress,
  type IndexTask,
  type IndexTasks,
  isActive,
  TaskIds,
  type TaskPlace,
} from '../indexes/index-tasks.js'
import { compile, IndexWrites } from '../indexes/index-writes.js'
import type { IndexDefinition } from '../indexes/indexes.js'
import { readBodies } from './stored-bodies.js'

const ID_BYTES = 12
/** What one transaction indexes at most; one document at least. */
const BATCH_DOCUMENTS = 100
const BATCH_BYTES = 1024 * 1024
/** Of its entries: a transaction holds each several times, and 10 MB in all. */
const BATCH_KEY_BYTES = 128 * 1024
/** Entries that one transaction looks at in search of its shard's documents. */
const LOOK_ENTRIES = 1_000

/** What becomes of an index when all documents are in it. */
const BUILT = { status: 'READY', isRebuilt: false } as const

/** A task in the transaction that does a step of it. */
export interface TaskStep extends TaskPlace {
  readonly tx: Tx
  readonly index: IndexDefinition
  readonly task: IndexTask
  readonly tasks: IndexTasks
}

/** What a step came to: the task goes on, or there is nothing left to do of it. */
export type StepOutcome = 'more' | 'over'

/** BOUNDARY: what is there now is to be indexed, by a task for each shard. */
export async function fixBoundary(step: TaskStep): Promise<StepOutcome> {
  const { tx, namespace, bucket, index, task, tasks } = step
  tasks.delete(tx, bucket, task)
  if (index.status !== 'WAITING') return 'over'
  const [lower, last] = [await edgeId(tx, bucket, false), await edgeId(tx, bucket, true)]
  if (lower === undefined || last === undefined) {
    changeIndex(tx, bucket, { id: index.id, change: BUILT })
    return 'over'
  }
  changeIndex(tx, bucket, { id: index.id, change: { status: 'BUILDING' } })
  const ids = new TaskIds(await tx.readVersion())
  const upper = idAfter(last)
  for (const [i, shard] of bucket.shards.entries()) {
    const build = { shard, cursor: null, lower, upper }
    const made = { id: ids.at(i), index: index.id, kind: 'BUILD', status: 'WAITING' } as const
    tasks.add(tx, { namespace, bucket }, { ...made, error: '', build })
  }
  return 'over'
}

/** The first or last `_id`. Adds no read conflict: whoever changes it from now on maintains the
 *  index. */
async function edgeId(tx: Tx, bucket: Bucket, reverse: boolean): Promise<Buffer | undefined> {
  const prefix = primaryPrefix(bucket.data)
  const options = { limit: 1, reverse, snapshot: true }
  for (const { key } of unpack(await tx.getRange(prefix, prefixEnd(prefix), options))) {
    return Buffer.from(key.subarray(-ID_BYTES))
  }
  return undefined
}

/** The next `_id`; null behind the last. */
function idAfter(id: Buffer): Buffer | null {
  const next = Buffer.from(id)
  for (let i = ID_BYTES - 1; i >= 0; i--) {
    next[i] = (next[i]! + 1) & 0xff
    if (next[i] !== 0) return next
  }
  return null
}

/** BUILD: indexes a shard's next documents.
 *  @param isStrict  of the member: a value of another type fails the task */
export async function buildBatch(
  step: TaskStep,
  { context, isStrict }: { context: ScanContext; isStrict: boolean },
): Promise<StepOutcome> {
  const { tx, bucket, index, task, tasks } = step
  const { build } = task
  if (build === undefined || index.status !== 'BUILDING') {
    tasks.delete(tx, bucket, task)
    return 'over'
  }
  const look = await nextBatch(tx, bucket, build)
  for (const { key } of look.entries) tx.addReadConflictKey(key)
  let batch = look
  let changed = bucket
  try {
    const prepared = await prepare(step, look, { context, isStrict })
    batch = prepared.batch
    if (prepared.writes !== undefined) {
      await prepared.writes.check(tx)
      changed = await prepared.writes.fill(tx, i => batch.entries[i]!.value)
    }
  } catch (thrown) {
    if (!(thrown instanceof RespError) || thrown instanceof StoreError) throw thrown
    await failBuild(step, thrown.message)
    return 'over'
  }
  if (batch.isLast) {
    await complete({ ...step, bucket: changed }, build)
    return 'over'
  }
  tasks.update(tx, bucket, {
    ...task,
    status: 'RUNNING',
    build: { ...build, cursor: batch.cursor },
  })
  return 'more'
}

interface Batch {
  /** Of documents in the shard. */
  readonly entries: readonly Pair[]
  /** The last `_id` that was looked at. */
  readonly cursor: Buffer | null
  readonly isLast: boolean
}

async function nextBatch(tx: Tx, bucket: Bucket, build: BuildProgress): Promise<Batch> {
  const { shard, lower, upper } = build
  const prefix = primaryPrefix(bucket.data)
  const begin = build.cursor === null ? primaryKey(bucket.data, lower!) : afterId(bucket, build)
  const end = upper === null ? prefixEnd(prefix) : primaryKey(bucket.data, upper)
  const limit = Math.min(LOOK_ENTRIES, BATCH_DOCUMENTS * bucket.shards.length)
  const range = await tx.getRangeAll(begin, end, { limit, snapshot: true })
  const entries: Pair[] = []
  let { cursor } = build
  let bytes = 0
  for (const { key, value } of unpack(range)) {
    const pointer = unpackPointer(value)
    if (pointer.shard === shard) {
      bytes += pointer.length
      const isFull = entries.length === BATCH_DOCUMENTS || bytes > BATCH_BYTES
      if (isFull && entries.length > 0) return { entries, cursor, isLast: false }
      entries.push({ key, value })
    }
    cursor = Buffer.from(key.subarray(-ID_BYTES))
  }
  return { entries, cursor, isLast: !range.more }
}

function afterId(bucket: Bucket, { cursor }: BuildProgress): Buffer {
  return keyAfter(primaryKey(bucket.data, cursor!))
}

/** Finds the entries of a batch, or of as much of it as one transaction has room for.
 *  @throws RespError that the index cannot be built over these documents */
async function prepare(
  { bucket, index }: TaskStep,
  batch: Batch,
  { context, isStrict }: { context: ScanContext; isStrict: boolean },
): Promise<{ batch: Batch; writes?: IndexWrites }> {
  if (batch.entries.length === 0) return { batch }
  const indexes = compile(bucket, [index], isStrict)
  const bodies = await readBodies(context, batch.entries)
  for (let { entries } = batch; ; ) {
    const after = sliceOf(bodies, 0, entries.length)
    const writes = await IndexWrites.of({ bucket, indexes, after })
    const isWhole = entries.length === batch.entries.length
    if (writes.keyBytes > BATCH_KEY_BYTES && entries.length > 1) {
      entries = entries.slice(0, Math.ceil(entries.length / 2))
    } else if (isWhole) {
      return { batch, writes }
    } else {
      const cursor = Buffer.from(entries.at(-1)!.key.subarray(-ID_BYTES))
      return { batch: { entries, cursor, isLast: false }, writes }
    }
  }
}

/** The index is READY when this was the last shard. */
async function complete(step: TaskStep, build: BuildProgress): Promise<void> {
  const { tx, bucket, index, task, tasks } = step
  const all = await tasks.list(tx, bucket, index.id)
  const isReady = all.every(({ id, kind, status }) => {
    return id.equals(task.id) || kind !== 'BUILD' || status === 'COMPLETED'
  })
  if (!isReady) {
    tasks.end(tx, bucket, { ...task, status: 'COMPLETED', build })
    return
  }
  tasks.deleteAll(tx, bucket, index.id)
  changeIndex(tx, bucket, { id: index.id, change: BUILT })
}

/** The index cannot be built: it is of no use, and may be dropped. */
export async function failBuild(step: TaskStep, error: string): Promise<void> {
  const { tx, bucket, index, task, tasks } = step
  for (const other of await tasks.list(tx, bucket, index.id)) {
    if (other.id.equals(task.id)) tasks.end(tx, bucket, { ...other, status: 'FAILED', error })
    else if (isActive(other)) tasks.end(tx, bucket, { ...other, status: 'STOPPED' })
  }
  changeIndex(tx, bucket, { id: index.id, change: { status: 'FAILED' } })
}
