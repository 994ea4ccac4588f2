/**
 * Buckets: named sets of documents inside a namespace. A bucket's metadata, the definitions of its
 * indexes included, is one record under its name; its data lies under a random 8-byte prefix, which
 * also marks its bodies in volumes and is registered once in the cluster, so that the owner of any
 * body can be found.
 */

import { createHash, randomBytes } from 'node:crypto'
import { RespError } from '../error.js'
import { bucketDataPrefix, bucketMetadataKey, bucketMetadataRange } from '../store/keyspace.js'
import { unpack } from '../store/packed-range.js'
import type { CommitGuard, Tx } from '../store/tx.js'
import { andThen, type MaybePromise } from '../store/types.js'
import {
  decodeIndex,
  encodeIndex,
  type IndexDefinition,
  type StoredIndex,
} from './indexes/indexes.js'
import type { Collation } from './language/collation.js'

const PREFIX_BYTES = 8

/** Records whose parsed form is kept. */
const PARSED_MAX = 1000

/** What is stored of a bucket, as JSON. */
interface BucketRecord {
  readonly uuid: string
  /** 16 hexadecimal digits. */
  readonly prefix: string
  /** Ascending. */
  readonly shards: readonly number[]
  /** Counts changes of the record. */
  readonly version: number
  /** Present once it is logically removed. */
  readonly removal?: Removal
  /** Absent: bytes. */
  readonly collation?: Collation
  /** Absent: none besides the primary index. */
  readonly indexes?: readonly StoredIndex[]
}

/** The removal of a bucket. */
export interface Removal {
  /** Number of the change that members take note of, decimal. */
  readonly change: string
  /** Of the command that did it. */
  readonly token: string
}

export interface Bucket {
  readonly name: string
  readonly namespace: string
  readonly uuid: string
  readonly shards: readonly number[]
  /** Rises with every change of the record, definitions of indexes included. */
  readonly version: number
  /** Tells the record from any other, also from those of the same version that transactions see
   *  which have changed it and are not committed. */
  readonly edition: string
  /** Marks the bucket's bodies in volumes; 8 bytes. */
  readonly prefix: Buffer
  /** Key of the record. */
  readonly key: Buffer
  /** Prefix of the bucket's data keys. */
  readonly data: Buffer
  /** What its strings are compared with where nothing else says; null = bytes. */
  readonly collation: Collation | null
  /** Without the primary index; in the order in which they were made. The same array as long as
   *  the record is the same. */
  readonly indexes: readonly IndexDefinition[]
  /** Absent while it may be used. */
  readonly removal: Removal | undefined
}

/** The namespace that a command works in; guard of the commits of what writes into it. */
export interface BucketNamespace extends CommitGuard {
  readonly path: string
  readonly prefix: Buffer
}

export interface NewBucket {
  readonly name: string
  readonly uuid: string
  readonly shards: readonly number[]
  /** Content prefix of the cluster's `prefixes` directory. */
  readonly registry: Buffer
  readonly collation?: Collation | null
  /** Makes the indexes; called when the name is known to be free. */
  readonly indexes?: () => readonly IndexDefinition[]
}

/** Makes a bucket; with the same uuid it may be done again.
 *  @throws RespError BUCKETALREADYEXISTS, also while one of that name is being removed */
export async function createBucket(
  tx: Tx,
  namespace: BucketNamespace,
  bucket: NewBucket,
): Promise<void> {
  const { name, uuid, shards, registry } = bucket
  tx.guardCommit(namespace)
  const existing = await findBucket(tx, namespace, name)
  if (existing !== undefined) {
    // Its own uuid: an earlier attempt was applied although its commit failed.
    if (existing.uuid === uuid) return
    throw new RespError('BUCKETALREADYEXISTS', `Bucket already exists: ${name}`)
  }
  const key = bucketKey(namespace, name)
  const indexes = bucket.indexes?.() ?? []
  const prefix = await registerPrefix(tx, registry, key)
  const collation = bucket.collation ?? null
  putRecord(tx, { key, uuid, shards, prefix, collation, indexes, version: 0, removal: undefined })
}

/** Reads a bucket in the caller's transaction, so that its removal, and every change of its
 *  indexes, conflicts with the caller.
 *  @throws RespError NOSUCHBUCKET, BUCKETBEINGREMOVED */
export function openBucket(tx: Tx, namespace: BucketNamespace, name: string): MaybePromise<Bucket> {
  return andThen(findBucket(tx, namespace, name), bucket => {
    if (bucket === undefined) throw noSuchBucket(name)
    if (bucket.removal !== undefined) {
      throw new RespError('BUCKETBEINGREMOVED', `Bucket '${name}' is being removed`)
    }
    return bucket
  })
}

/** Key of a bucket's record. */
export function bucketKey(namespace: BucketNamespace, name: string): Buffer {
  return bucketMetadataKey(namespace.prefix, Buffer.from(name))
}

/** As `openBucket`, but also finds one that is removed. @returns undefined when there is none */
export function findBucket(
  tx: Tx,
  namespace: BucketNamespace,
  name: string,
): MaybePromise<Bucket | undefined> {
  const key = bucketKey(namespace, name)
  return andThen(tx.get(key), bytes => {
    return bytes === undefined ? undefined : parsed({ bytes, key, namespace, name })
  })
}

export function noSuchBucket(name: string): RespError {
  return new RespError('NOSUCHBUCKET', `No such bucket: '${name}'`)
}

/** Stores a changed bucket: from the commit on, whoever opened it before cannot commit any more.
 *  @returns the bucket as it is then */
export function changeBucket(
  tx: Tx,
  bucket: Bucket,
  change: Partial<Pick<Bucket, 'indexes' | 'removal'>>,
): Bucket {
  const changed = { ...bucket, ...change, version: bucket.version + 1 }
  return { ...changed, edition: editionOf(putRecord(tx, changed)) }
}

/** Stores a bucket with one of its indexes changed; null takes the index away. */
export function changeIndex(
  tx: Tx,
  bucket: Bucket,
  { id, change }: { id: bigint; change: Partial<IndexDefinition> | null },
): Bucket {
  const indexes = bucket.indexes.flatMap(index => {
    if (index.id !== id) return index
    return change === null ? [] : { ...index, ...change }
  })
  return changeBucket(tx, bucket, { indexes })
}

/** @returns what is stored */
function putRecord(
  tx: Tx,
  bucket: Omit<Bucket, 'name' | 'namespace' | 'data' | 'edition'>,
): Buffer {
  const { uuid, prefix, shards, version, removal, collation, indexes } = bucket
  const record: BucketRecord = {
    uuid,
    prefix: prefix.toString('hex'),
    shards,
    version,
    ...(removal === undefined ? {} : { removal }),
    ...(collation === null ? {} : { collation }),
    indexes: indexes.map(encodeIndex),
  }
  const bytes = Buffer.from(JSON.stringify(record))
  tx.set(bucket.key, bytes)
  return bytes
}

function editionOf(record: Buffer): string {
  return createHash('sha256').update(record).digest('base64')
}

interface Parsed {
  readonly bytes: Buffer
  readonly bucket: Bucket
}

/** Records that were parsed, by namespace and name. INVARIANT: one is used for the same bytes only,
 *  so it does not matter what transaction it was read in. */
const PARSED = new Map<string, Parsed>()

function parsed(read: {
  bytes: Buffer
  key: Buffer
  namespace: BucketNamespace
  name: string
}): Bucket {
  const { bytes, key, namespace, name } = read
  const place = `${namespace.path}\0${name}`
  const known = PARSED.get(place)
  if (known?.bytes.equals(bytes) && known.bucket.key.equals(key)) return known.bucket
  const record = JSON.parse(bytes.toString('utf8')) as BucketRecord
  const prefix = Buffer.from(record.prefix, 'hex')
  const bucket: Bucket = {
    name,
    namespace: namespace.path,
    uuid: record.uuid,
    shards: record.shards,
    version: record.version,
    edition: editionOf(bytes),
    prefix,
    key,
    data: bucketDataPrefix(namespace.prefix, prefix),
    collation: record.collation ?? null,
    indexes: (record.indexes ?? []).map(decodeIndex),
    removal: record.removal,
  }
  if (known === undefined && PARSED.size >= PARSED_MAX) {
    const [oldest] = PARSED.keys()
    PARSED.delete(oldest!)
  }
  PARSED.set(place, { bytes: Buffer.from(bytes), bucket })
  return bucket
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
