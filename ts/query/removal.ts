/**
 * BUCKET.REMOVE and PURGE. REMOVE marks a bucket; PURGE deletes one that is marked, once all
 * members have seen the mark.
 *
 * A bucket's record is read by whatever works on the bucket, so nothing that was opened before the
 * mark can commit behind it; the members' notice is for what they keep in memory.
 *
 * PURGE works in transactions of a bounded size. INVARIANT: the record, with the mark, is deleted
 * by the last of them, so that PURGE may be repeated after a crash, and nothing can be made under
 * the name meanwhile.
 */

import { err, RespError } from '../error.js'
import { keyAfter, prefixRange, primaryPrefix } from '../store/keyspace.js'
import type { Namespaces } from '../store/namespaces/namespaces.js'
import { lastKey, unpack } from '../store/packed-range.js'
import { type Pointer, unpackPointer } from '../store/pointer.js'
import type { Store } from '../store/store.js'
import { yieldTurn } from '../store/turn.js'
import type { Tx } from '../store/tx.js'
import type { PackedRange } from '../store/types.js'
import type { Volumes } from '../volume/volumes.js'
import {
  type Bucket,
  type BucketNamespace,
  changeBucket,
  findBucket,
  noSuchBucket,
  openBucket,
} from './buckets.js'
import type { IndexTasks } from './indexes/index-tasks.js'

/** Documents whose bodies one transaction of PURGE releases. */
const STEP_DOCUMENTS = 500
/** So many of them before others have their turn. */
const TURN_DOCUMENTS = 32
const ALWAYS = { retries: Number.POSITIVE_INFINITY, idempotent: true }

/** Owner of a prefix whose bucket is gone while some volume may still have bodies with it. */
const NOBODY = Buffer.alloc(0)

export interface BucketRemovalParts {
  readonly store: Store
  readonly namespaces: Namespaces
  readonly volumes: Volumes
  readonly tasks: IndexTasks
  /** Content prefix of the cluster's `prefixes` directory. */
  readonly registry: Buffer
}

/** A bucket by its name. */
export interface BucketPlace {
  readonly namespace: BucketNamespace
  readonly name: string
}

export class BucketRemoval {
  readonly #parts: BucketRemovalParts

  constructor(parts: BucketRemovalParts) {
    this.#parts = parts
  }

  /** @param token of the command, random
   *  @throws RespError NOSUCHBUCKET, BUCKETBEINGREMOVED */
  async remove(place: BucketPlace, token: string): Promise<void> {
    const { store, namespaces } = this.#parts
    await store.transact(tx => this.#mark(tx, place, token), ALWAYS)
    await namespaces.catchUp()
  }

  /** @throws RespError ERR (not removed), NOSUCHBUCKET, BARRIERNOTSATISFIED; ERR or VOLUMEFAILED
   *          of a volume that takes no changes: it may be repeated then */
  async purge(place: BucketPlace): Promise<void> {
    const { store, namespaces } = this.#parts
    const { namespace, name } = place
    const bucket = await store.transact(tx => findBucket(tx, namespace, name))
    if (bucket === undefined) throw noSuchBucket(name)
    if (bucket.removal === undefined) throw err(`Bucket '${name}' is not removed`)
    const unseen = (attempts: number): RespError => removalUnseen(bucket.version, attempts)
    await namespaces.barrier(BigInt(bucket.removal.change), unseen)
    for (let isDone = false; !isDone; ) {
      isDone = await store.transact(tx => this.#step(tx, place, bucket.uuid), ALWAYS)
    }
  }

  async #mark(tx: Tx, { namespace, name }: BucketPlace, token: string): Promise<void> {
    tx.guardCommit(namespace)
    const found = await findBucket(tx, namespace, name)
    // Its own mark: an earlier attempt was applied although its commit failed.
    if (found?.removal?.token === token) return
    const bucket = await openBucket(tx, namespace, name)
    const change = await this.#parts.namespaces.announce(tx)
    changeBucket(tx, bucket, { removal: { change: String(change), token } })
  }

  /** @returns whether nothing is left of it, maybe by somebody else's work */
  async #step(tx: Tx, { namespace, name }: BucketPlace, uuid: string): Promise<boolean> {
    tx.guardCommit(namespace)
    const bucket = await findBucket(tx, namespace, name)
    if (bucket?.uuid !== uuid) return true
    const { begin, end } = prefixRange(primaryPrefix(bucket.data))
    const range = await tx.getRangeAll(begin, end, { limit: STEP_DOCUMENTS })
    await this.#release(tx, bucket, range)
    if (range.more) {
      tx.clearRange(begin, keyAfter(lastKey(range)))
      return false
    }
    await this.#forget(tx, bucket)
    return true
  }

  /** Makes the bodies garbage. Those on shards of other members cannot be released here: the
   *  prefix stays registered without an owner, which tells whoever meets them. */
  async #release(tx: Tx, bucket: Bucket, range: PackedRange): Promise<void> {
    let isComplete = true
    let count = 0
    for (const { value } of unpack(range)) {
      if (++count % TURN_DOCUMENTS === 0) await yieldTurn()
      const pointer = unpackPointer(value)
      const volume = this.#parts.volumes.find('BUCKET', pointer.shard)
      if (volume === undefined) isComplete = false
      else volume.stage(tx).release(bucket.prefix, locationOf(pointer), 0)
    }
    if (!isComplete) tx.set(this.#bindingKey(bucket), NOBODY)
  }

  async #forget(tx: Tx, bucket: Bucket): Promise<void> {
    const { begin, end } = prefixRange(bucket.data)
    tx.clearRange(begin, end)
    tx.clear(bucket.key)
    this.#parts.tasks.forget(tx, bucket)
    const binding = this.#bindingKey(bucket)
    const owner = await tx.get(binding)
    if (owner?.length !== NOBODY.length) tx.clear(binding)
  }

  #bindingKey({ prefix }: Bucket): Buffer {
    return Buffer.concat([this.#parts.registry, prefix])
  }
}

function locationOf({ segment, position, length, crc32c }: Pointer): Uint32Array {
  return Uint32Array.of(segment, position, length, crc32c)
}

function removalUnseen(version: number, attempts: number): RespError {
  const unseen = `not all shards observed version ${version} within ${attempts} attempts`
  return new RespError('BARRIERNOTSATISFIED', `Barrier not satisfied: ${unseen}`)
}
