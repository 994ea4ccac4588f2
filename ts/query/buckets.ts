/**
 * Buckets: named sets of documents inside a namespace. A bucket's metadata is one record under its
 * name; its data lies under a random 8-byte prefix, which also marks its bodies in volumes and is
 * registered once in the cluster, so that the owner of any body can be found.
 */

import { randomBytes } from 'node:crypto'
import { RespError } from '../error.js'
import { bucketDataPrefix, bucketMetadataKey, bucketMetadataRange } from '../store/keyspace.js'
import { unpack } from '../store/packed-range.js'
import type { Tx } from '../store/tx.js'
import { andThen, type MaybePromise } from '../store/types.js'

const PREFIX_BYTES = 8

/** What is stored of a bucket, as JSON. */
export interface BucketRecord {
  readonly uuid: string
  /** 16 hexadecimal digits. */
  readonly prefix: string
  /** Ascending. */
  readonly shards: readonly number[]
  /** Counts changes of the record. */
  readonly version: number
  /** Logically removed. */
  readonly removed: boolean
}

export interface Bucket {
  readonly name: string
  readonly namespace: string
  readonly uuid: string
  readonly shards: readonly number[]
  /** Marks the bucket's bodies in volumes; 8 bytes. */
  readonly prefix: Buffer
  /** Prefix of the bucket's data keys. */
  readonly data: Buffer
}

/** The namespace that a command works in. */
export interface BucketNamespace {
  readonly path: string
  readonly prefix: Buffer
}

/** Makes a bucket; with the same uuid it may be done again.
 *  @param registry  content prefix of the cluster's `prefixes` directory
 *  @throws RespError BUCKETALREADYEXISTS, also while one of that name is being removed */
export async function createBucket(
  tx: Tx,
  namespace: BucketNamespace,
  options: { name: string; uuid: string; shards: readonly number[]; registry: Buffer },
): Promise<void> {
  const { name, uuid, shards, registry } = options
  const key = bucketMetadataKey(namespace.prefix, Buffer.from(name))
  const existing = await tx.get(key)
  if (existing !== undefined) {
    // Its own uuid: an earlier attempt was applied although its commit failed.
    if ((JSON.parse(existing.toString('utf8')) as BucketRecord).uuid === uuid) return
    throw new RespError('BUCKETALREADYEXISTS', `Bucket already exists: ${name}`)
  }
  const prefix = await registerPrefix(tx, registry, key)
  const record: BucketRecord = {
    uuid,
    prefix: prefix.toString('hex'),
    shards,
    version: 0,
    removed: false,
  }
  tx.set(key, Buffer.from(JSON.stringify(record)))
}

/** Reads a bucket in the caller's transaction, so that its removal conflicts with the caller.
 *  @throws RespError NOSUCHBUCKET, BUCKETBEINGREMOVED */
export function openBucket(tx: Tx, namespace: BucketNamespace, name: string): MaybePromise<Bucket> {
  const key = bucketMetadataKey(namespace.prefix, Buffer.from(name))
  return andThen(tx.get(key), value => {
    if (value === undefined) throw new RespError('NOSUCHBUCKET', `No such bucket: '${name}'`)
    const record = JSON.parse(value.toString('utf8')) as BucketRecord
    if (record.removed) {
      throw new RespError('BUCKETBEINGREMOVED', `Bucket '${name}' is being removed`)
    }
    const prefix = Buffer.from(record.prefix, 'hex')
    return {
      name,
      namespace: namespace.path,
      uuid: record.uuid,
      shards: record.shards,
      prefix,
      data: bucketDataPrefix(namespace.prefix, prefix),
    }
  })
}

/** Names of all buckets of a namespace, bytewise ascending, those being removed included. */
export async function listBuckets(tx: Tx, namespace: BucketNamespace): Promise<string[]> {
  const names: string[] = []
  const range = bucketMetadataRange(namespace.prefix)
  let { begin } = range
  for (;;) {
    const batch = await tx.getRange(begin, range.end)
    for (const { key } of unpack(batch)) {
      names.push(key.toString('utf8', range.begin.length))
      begin = Buffer.concat([key, Buffer.of(0)])
    }
    if (!batch.more) return names
  }
}

/** Draws prefixes until one is free, and binds it to its owner's metadata key. */
async function registerPrefix(tx: Tx, registry: Buffer, owner: Buffer): Promise<Buffer> {
  for (;;) {
    const prefix = randomBytes(PREFIX_BYTES)
    const key = Buffer.concat([registry, prefix])
    if ((await tx.get(key)) !== undefined) continue
    tx.set(key, owner)
    return prefix
  }
}
