/**
 * Tasks of indexes: work that members do in the background. A task is stored twice, in the same
 * transactions: its record with the bucket, and in the area `tasks`, where members find all tasks
 * of the cluster, where its bucket is. A namespace that is purged leaves the latter behind.
 */

import { randomBytes } from 'node:crypto'
import {
  bucketTasksRange,
  indexTaskKey,
  indexTasksRange,
  prefixRange,
  queuedTaskKey,
  queuedTasksRange,
  tasksAddedKey,
} from '../../store/keyspace.js'
import { unpack } from '../../store/packed-range.js'
import type { Tx } from '../../store/tx.js'
import type { Bucket, BucketNamespace } from '../buckets.js'

const TASK_ID_BYTES = 12
const BUCKET_PREFIX_BYTES = 8
const NO_ID = Buffer.alloc(0)

export type TaskKind = 'BOUNDARY' | 'BUILD' | 'DROP' | 'ANALYZE'
export type TaskStatus = 'WAITING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'STOPPED'

export interface IndexTask {
  /** 12 bytes, see `TaskIds`. */
  readonly id: Buffer
  /** Id of the index. */
  readonly index: bigint
  readonly kind: TaskKind
  readonly status: TaskStatus
  /** Why it failed; else empty. */
  readonly error: string
  /** Of a BUILD. */
  readonly build?: BuildProgress
}

/** What a BUILD goes over: documents with `lower <= _id < upper`. Ids have 12 bytes; null = no
 *  bound. */
export interface BuildProgress {
  readonly shard: number
  /** The last `_id` that is done; null before the first. */
  readonly cursor: Buffer | null
  readonly lower: Buffer | null
  readonly upper: Buffer | null
}

/** A task as the area `tasks` has it. */
export interface QueuedTask {
  /** Its key there; the next look may begin behind it. */
  readonly key: Buffer
  /** Prefix of the namespace, for `Namespaces.find`. */
  readonly namespace: Buffer
  /** Name of the bucket. */
  readonly bucket: string
  /** Prefix of the bucket: another one may have its name by now. */
  readonly prefix: Buffer
  readonly index: bigint
  readonly id: Buffer
}

/** A task as JSON has it. */
interface TaskRecord {
  readonly kind: TaskKind
  readonly status: TaskStatus
  readonly error: string
  readonly build?: {
    readonly shard: number
    readonly cursor: string | null
    readonly lower: string | null
    readonly upper: string | null
  }
}

/**
 * Ids of the tasks that a command or a worker adds, the same ones however often its transaction
 * asks for them. They look like versionstamps, and are larger than those of tasks that were there
 * when they were drawn: a read version (8 bytes), and 4 random ones. A real stamp could not be
 * read back by the transaction that adds it.
 */
export class TaskIds {
  readonly #version: bigint
  readonly #ids: Buffer[] = []

  /** @param version a fresh read version */
  constructor(version: bigint) {
    this.#version = version
  }

  /** The id of the n-th task, from 0 up. */
  at(n: number): Buffer {
    while (this.#ids.length <= n) {
      const id = randomBytes(TASK_ID_BYTES)
      id.writeBigInt64BE(this.#version)
      this.#ids.push(id)
    }
    return this.#ids[n]!
  }
}

/** Is somebody, or will somebody be, at work on it? */
export function isActive({ status }: IndexTask): boolean {
  return status === 'WAITING' || status === 'RUNNING'
}

export class IndexTasks {
  readonly #root: Buffer

  /** @param root content prefix of the cluster's `tasks` directory */
  constructor(root: Buffer) {
    this.#root = root
  }

  /** Changes with every task that is added: to be watched. */
  get addedKey(): Buffer {
    return tasksAddedKey(this.#root)
  }

  /** Tasks of an index, ascending by id. */
  async list(tx: Tx, bucket: Bucket, index: bigint): Promise<IndexTask[]> {
    const { begin, end } = indexTasksRange(bucket.data, index)
    const range = await tx.getRangeAll(begin, end)
    return [...unpack(range)].map(({ key, value }) => {
      return decodeTask(index, Buffer.from(key.subarray(-TASK_ID_BYTES)), value)
    })
  }

  /** @returns undefined when it has been deleted */
  async find(
    tx: Tx,
    bucket: Bucket,
    { index, id }: Pick<IndexTask, 'id' | 'index'>,
  ): Promise<IndexTask | undefined> {
    const value = await tx.get(indexTaskKey(bucket.data, index, id))
    return value === undefined ? undefined : decodeTask(index, id, value)
  }

  /** @param namespace the one that the bucket is in */
  add(tx: Tx, { namespace, bucket }: TaskPlace, task: IndexTask): void {
    tx.set(indexTaskKey(bucket.data, task.index, task.id), encodeTask(task))
    const place = { namespace: namespace.prefix.toString('hex'), bucket: bucket.name }
    tx.set(this.#queuedKey(bucket, task), Buffer.from(JSON.stringify(place)))
    tx.add(this.addedKey, 1)
  }

  /** Stores a task that is there already. */
  update(tx: Tx, bucket: Bucket, task: IndexTask): void {
    tx.set(indexTaskKey(bucket.data, task.index, task.id), encodeTask(task))
  }

  /** Stores a task that nobody is to work on any more. */
  end(tx: Tx, bucket: Bucket, task: IndexTask): void {
    this.update(tx, bucket, task)
    tx.clear(this.#queuedKey(bucket, task))
  }

  delete(tx: Tx, bucket: Bucket, task: Pick<IndexTask, 'id' | 'index'>): void {
    tx.clear(indexTaskKey(bucket.data, task.index, task.id))
    tx.clear(this.#queuedKey(bucket, task))
  }

  /** Takes all tasks of a bucket out of the area; its own data, their records, goes with it. */
  forget(tx: Tx, bucket: Bucket): void {
    const { begin, end } = bucketTasksRange(this.#root, bucket.prefix)
    tx.clearRange(begin, end)
  }

  /** Deletes all tasks of an index. */
  deleteAll(tx: Tx, bucket: Bucket, index: bigint): void {
    const records = indexTasksRange(bucket.data, index)
    tx.clearRange(records.begin, records.end)
    const queued = prefixRange(this.#queuedKey(bucket, { index, id: NO_ID }))
    tx.clearRange(queued.begin, queued.end)
  }

  /** Tasks of the whole cluster, by bucket and index. Adds no read conflicts.
   *  @param after  key of the last one that was seen
   *  @param limit  how many at most */
  async queued(tx: Tx, { after, limit }: QueueLook): Promise<QueuedTask[]> {
    const { begin, end } = queuedTasksRange(this.#root)
    const from = after === undefined ? begin : Buffer.concat([after, Buffer.of(0)])
    const range = await tx.getRangeAll(from, end, { limit, snapshot: true })
    return [...unpack(range)].map(({ key, value }) => decodeQueued(key, begin.length, value))
  }

  /** Takes one out whose bucket is gone. */
  drop(tx: Tx, { key }: QueuedTask): void {
    tx.clear(key)
  }

  #queuedKey({ prefix }: Bucket, { index, id }: Pick<IndexTask, 'id' | 'index'>): Buffer {
    return queuedTaskKey(this.#root, { bucket: prefix, index, task: id })
  }
}

export interface TaskPlace {
  readonly namespace: BucketNamespace
  readonly bucket: Bucket
}

export interface QueueLook {
  readonly after?: Buffer
  readonly limit: number
}

function encodeTask({ kind, status, error, build }: IndexTask): Buffer {
  const record: TaskRecord = {
    kind,
    status,
    error,
    ...(build === undefined
      ? {}
      : {
          build: {
            shard: build.shard,
            cursor: hexOf(build.cursor),
            lower: hexOf(build.lower),
            upper: hexOf(build.upper),
          },
        }),
  }
  return Buffer.from(JSON.stringify(record))
}

function decodeTask(index: bigint, id: Buffer, value: Buffer): IndexTask {
  const { build, ...rest } = JSON.parse(value.toString('utf8')) as TaskRecord
  if (build === undefined) return { ...rest, id, index }
  const { shard } = build
  const [cursor, lower, upper] = [build.cursor, build.lower, build.upper].map(bytesOf)
  return {
    ...rest,
    id,
    index,
    build: { shard, cursor: cursor ?? null, lower: lower ?? null, upper: upper ?? null },
  }
}

function decodeQueued(key: Buffer, head: number, value: Buffer): QueuedTask {
  const place = JSON.parse(value.toString('utf8')) as { namespace: string; bucket: string }
  const own = Buffer.from(key)
  const indexAt = head + BUCKET_PREFIX_BYTES
  return {
    key: own,
    namespace: Buffer.from(place.namespace, 'hex'),
    bucket: place.bucket,
    prefix: own.subarray(head, indexAt),
    index: own.readBigInt64BE(indexAt),
    id: own.subarray(-TASK_ID_BYTES),
  }
}

function hexOf(id: Buffer | null): string | null {
  return id?.toString('hex') ?? null
}

function bytesOf(hex: string | null): Buffer | null {
  return hex === null ? null : Buffer.from(hex, 'hex')
}
