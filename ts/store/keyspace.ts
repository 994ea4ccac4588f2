/**
 * Every key of the database, built in one place and frozen by `test/format/keyspace.test.ts`.
 *
 *   directories    ['kronotop', cluster, area …]; the directory layer gives each a short prefix
 *   area tasks     T 01                             counter of what was added, i64le, added to
 *                  T 02 prefix(8) index(8) task(12)      task of an index -> where its bucket is
 *   area namespaces A 01                             number of the last change, i64le
 *                  A 02 member(40)                       the last change that it has seen, i64le
 *                  A 03 path                             tombstone: number of the move, i64le
 *   namespace N    N 01 field                            metadata (`NamespaceField`)
 *                  N 02 key                              ZMap entry -> value
 *                  N 03 name                             bucket -> its metadata
 *                  N 04 prefix(8)                        bucket data Bk
 *   bucket Bk      Bk 01 _id(12)                         document -> P
 *                  Bk 02 index(8) values _id(12)         index entry -> P
 *                  Bk 04 index(8)                        entries of the index, i64le, added to
 *                  Bk 05 index(8)                        statistics of the index
 *                  Bk 06 index(8) task(12)               task of the index
 *   volume V       V 00 field                            identity
 *                  V 01 segment position                 entry -> owner, length, checksum
 *                  V 02 segment prefix(8) 01|02          live entries | live bytes, i64le, added to
 *                  V 03 segment                          registration
 *                  V 03 segment 'tail'                   tail u64be, BYTE_MAX
 *                  V 04 versionstamp(10) userVersion     change log entry
 *                  V 05 01 id(8)                         REDIS record -> P
 *                  V 05 02 id(8) chunk                   chunk of a long REDIS record -> P
 *
 * Integers in keys are big-endian, so that key order is numeric order. P is a `Pointer`.
 */

/** First path element of everything that is stored. */
const ROOT = 'kronotop'

/** Directories directly below a cluster's own. */
export type ClusterArea =
  | 'metadata'
  | 'members'
  | 'shards'
  | 'volumes'
  | 'namespaces'
  | 'prefixes'
  | 'tasks'

/** Directory path of an area of a cluster, or of something below it. */
export function clusterPath(cluster: string, area: ClusterArea, ...below: string[]): string[] {
  return [ROOT, cluster, area, ...below]
}

// Namespaces.

const NamespacesTag = { changes: 0x01, seen: 0x02, tombstones: 0x03 } as const

/** Number of the last change that made look-ups of namespaces out of date.
 *  @param root prefix of area `namespaces` */
export function namespaceChangesKey(root: Buffer): Buffer {
  return tagged(root, NamespacesTag.changes)
}

/** Number of the last change that a member has seen. */
export function namespacesSeenKey(root: Buffer, memberId: string): Buffer {
  return tagged(root, NamespacesTag.seen, Buffer.from(memberId, 'latin1'))
}

/** What all members have seen: [begin, end). */
export function namespacesSeenRange(root: Buffer): KeyRange {
  return prefixRange(tagged(root, NamespacesTag.seen))
}

/** Where a namespace was until it was moved away. @param path as typed */
export function tombstoneKey(root: Buffer, path: string): Buffer {
  return tagged(root, NamespacesTag.tombstones, Buffer.from(path))
}

/** All tombstones: [begin, end). */
export function tombstonesRange(root: Buffer): KeyRange {
  return prefixRange(tagged(root, NamespacesTag.tombstones))
}

const NamespaceTag = { metadata: 0x01, zmap: 0x02, buckets: 0x03, bucketData: 0x04 } as const

/** Fields of a namespace's metadata. Values are on disk: append only. */
export const NamespaceField = {
  /** 16 random bytes, made with the namespace. */
  uuid: 0x01,
  /** Present once the namespace is logically removed: number of that change, i64le, and token of
   *  the command, 16 bytes. */
  removed: 0x02,
  /** i64le, counts removals. */
  version: 0x03,
  /** Last segment of its path. */
  name: 0x04,
  /** Prefix of its parent; of the area, at the top level. */
  parent: 0x05,
  /** Token of the command that moved it last, 16 bytes. */
  moved: 0x06,
} as const
export type NamespaceField = (typeof NamespaceField)[keyof typeof NamespaceField]

export function namespaceFieldKey(namespace: Buffer, field: NamespaceField): Buffer {
  return tagged(namespace, NamespaceTag.metadata, Buffer.of(field))
}

/** Prefix of a namespace's ZMap. */
export function zmapPrefix(namespace: Buffer): Buffer {
  return tagged(namespace, NamespaceTag.zmap)
}

/**
 * Key of a ZMap entry: the map's prefix, then the bytes as they are. All keys of a map share the
 * prefix and nothing else begins with it, so key order is byte order, and no end has to be marked.
 */
export function zmapKey(prefix: Buffer, key: Buffer): Buffer {
  const start = prefix.length
  const encoded = Buffer.allocUnsafe(start + key.length)
  prefix.copy(encoded)
  key.copy(encoded, start)
  return encoded
}

/**
 * As `zmapKey`, for a key that gets the commit's versionstamp: what the database wants is the key
 * with room for it, and where that is.
 * @param template the entry's bytes with 10 for the stamp, and their offset in it (u32le)
 */
export function stampedZmapKey(prefix: Buffer, template: Buffer): Buffer {
  const key = zmapKey(prefix, template)
  const offsetAt = key.length - 4
  key.writeUInt32LE(key.readUInt32LE(offsetAt) + prefix.length, offsetAt)
  return key
}

/** Key of a bucket's metadata. @param name the bucket's name, as typed */
export function bucketMetadataKey(namespace: Buffer, name: Buffer): Buffer {
  return tagged(namespace, NamespaceTag.buckets, name)
}

/** All buckets of a namespace: [begin, end). */
export function bucketMetadataRange(namespace: Buffer): KeyRange {
  return prefixRange(tagged(namespace, NamespaceTag.buckets))
}

/** Prefix of a bucket's data. @param prefix the bucket's 8 bytes, unique in the cluster */
export function bucketDataPrefix(namespace: Buffer, prefix: Buffer): Buffer {
  return tagged(namespace, NamespaceTag.bucketData, prefix)
}

// Bucket data.

const BucketTag = {
  primary: 0x01,
  index: 0x02,
  cardinality: 0x04,
  statistics: 0x05,
  tasks: 0x06,
} as const

/** Prefix of the entries by `_id`. */
export function primaryPrefix(bucketData: Buffer): Buffer {
  return tagged(bucketData, BucketTag.primary)
}

/** @param id the 12 bytes of an `_id` */
export function primaryKey(bucketData: Buffer, id: Buffer): Buffer {
  return tagged(bucketData, BucketTag.primary, id)
}

/** Prefix of the entries of an index. @param index i64 */
export function indexPrefix(bucketData: Buffer, index: bigint): Buffer {
  return i64Tagged(bucketData, BucketTag.index, index)
}

/** Counter of the entries of an index. @param index i64; 0 for the primary index */
export function cardinalityKey(bucketData: Buffer, index: bigint): Buffer {
  return i64Tagged(bucketData, BucketTag.cardinality, index)
}

/** Statistics of an index. @param index i64; 0 for the primary index */
export function statisticsKey(bucketData: Buffer, index: bigint): Buffer {
  return i64Tagged(bucketData, BucketTag.statistics, index)
}

/** Statistics of all indexes of a bucket: [begin, end). */
export function statisticsRange(bucketData: Buffer): KeyRange {
  return prefixRange(tagged(bucketData, BucketTag.statistics))
}

/** Tasks of an index: [begin, end). */
export function indexTasksRange(bucketData: Buffer, index: bigint): KeyRange {
  return prefixRange(i64Tagged(bucketData, BucketTag.tasks, index))
}

/** @param task 12 bytes */
export function indexTaskKey(bucketData: Buffer, index: bigint, task: Buffer): Buffer {
  return Buffer.concat([i64Tagged(bucketData, BucketTag.tasks, index), task])
}

// Tasks of indexes, in the whole cluster.

const TasksTag = { changes: 0x01, tasks: 0x02 } as const

/** Counter of the tasks that were added; members watch it. @param root prefix of area `tasks` */
export function tasksAddedKey(root: Buffer): Buffer {
  return tagged(root, TasksTag.changes)
}

/** @param bucket its prefix, 8 bytes. @param index i64. @param task 12 bytes */
export function queuedTaskKey(
  root: Buffer,
  { bucket, index, task }: { bucket: Buffer; index: bigint; task: Buffer },
): Buffer {
  const number = Buffer.allocUnsafe(8)
  number.writeBigInt64BE(index)
  return Buffer.concat([tagged(root, TasksTag.tasks, bucket), number, task])
}

/** All tasks: [begin, end). */
export function queuedTasksRange(root: Buffer): KeyRange {
  return prefixRange(tagged(root, TasksTag.tasks))
}

/** Tasks of one bucket: [begin, end). @param bucket its prefix, 8 bytes */
export function bucketTasksRange(root: Buffer, bucket: Buffer): KeyRange {
  return prefixRange(tagged(root, TasksTag.tasks, bucket))
}

// Volumes.

const VolumeTag = {
  identity: 0x00,
  entry: 0x01,
  accounting: 0x02,
  segment: 0x03,
  changeLog: 0x04,
  redis: 0x05,
} as const

/** Fields of a volume's identity. Values are on disk: append only. */
export const VolumeField = { id: 0x01, status: 0x02 } as const
export type VolumeField = (typeof VolumeField)[keyof typeof VolumeField]

/** What is counted per segment and owner prefix. Values are on disk: append only. */
export const Accounting = { cardinality: 0x01, usedBytes: 0x02 } as const
export type Accounting = (typeof Accounting)[keyof typeof Accounting]

const TAIL = Buffer.from('tail', 'latin1')
const RedisTag = { record: 0x01, chunk: 0x02 } as const

export function volumeFieldKey(volume: Buffer, field: VolumeField): Buffer {
  return tagged(volume, VolumeTag.identity, Buffer.of(field))
}

/** Prefix of all entries of a volume. */
export function volumeEntriesPrefix(volume: Buffer): Buffer {
  return tagged(volume, VolumeTag.entry)
}

/** @param segment, position u32 */
export function volumeEntryKey(volume: Buffer, segment: number, position: number): Buffer {
  const key = tagged(volume, VolumeTag.entry, 8)
  key.writeUInt32BE(segment, volume.length + 1)
  key.writeUInt32BE(position, volume.length + 5)
  return key
}

/** Entries of one segment: [begin, end). */
export function volumeEntriesRange(volume: Buffer, segment: number): KeyRange {
  return prefixRange(u32Tagged(volume, VolumeTag.entry, segment))
}

/** @param prefix 8 bytes of the owner */
export function accountingKey(
  volume: Buffer,
  segment: number,
  prefix: Buffer,
  what: Accounting,
): Buffer {
  const head = volume.length + 5
  const key = Buffer.allocUnsafe(head + prefix.length + 1)
  writeU32Tagged(key, volume, VolumeTag.accounting, segment)
  prefix.copy(key, head)
  key[head + prefix.length] = what
  return key
}

/** Counters of one segment: [begin, end). */
export function accountingRange(volume: Buffer, segment: number): KeyRange {
  return prefixRange(u32Tagged(volume, VolumeTag.accounting, segment))
}

/** All entries, and all counters, of a volume. */
export function volumeContentRanges(volume: Buffer): readonly KeyRange[] {
  return [VolumeTag.entry, VolumeTag.accounting].map(tag => prefixRange(tagged(volume, tag)))
}

/** Registration of a segment; a writer into it reads exactly this key with a conflict range. */
export function segmentKey(volume: Buffer, segment: number): Buffer {
  return u32Tagged(volume, VolumeTag.segment, segment)
}

/** Sibling of the registration, so that appends do not conflict with each other. */
export function segmentTailKey(volume: Buffer, segment: number): Buffer {
  return Buffer.concat([segmentKey(volume, segment), TAIL])
}

/** All registrations and tails of a volume: [begin, end). */
export function segmentsRange(volume: Buffer): KeyRange {
  return prefixRange(tagged(volume, VolumeTag.segment))
}

/** Prefix of the change log; versionstamp and user version (u16be) follow. */
export function changeLogPrefix(volume: Buffer): Buffer {
  return tagged(volume, VolumeTag.changeLog)
}

/** All records of a REDIS shard, and their chunks: [begin, end). */
export function redisRange(volume: Buffer): KeyRange {
  return prefixRange(tagged(volume, VolumeTag.redis))
}

/** Prefix of the records of a REDIS shard. */
export function redisRecordsPrefix(volume: Buffer): Buffer {
  return tagged(volume, VolumeTag.redis, Buffer.of(RedisTag.record))
}

/** @param id u64, given once in a shard */
export function redisRecordKey(volume: Buffer, id: bigint): Buffer {
  return redisKey(volume, RedisTag.record, id)
}

/** @param id of the record. @param chunk u32, in the order of the value's bytes */
export function redisChunkKey(volume: Buffer, id: bigint, chunk: number): Buffer {
  const key = redisKey(volume, RedisTag.chunk, id, 4)
  key.writeUInt32BE(chunk, key.length - 4)
  return key
}

/** Chunks of one record: [begin, end). */
export function redisChunksRange(volume: Buffer, id: bigint): KeyRange {
  return prefixRange(redisKey(volume, RedisTag.chunk, id))
}

function redisKey(volume: Buffer, tag: number, id: bigint, restBytes = 0): Buffer {
  const key = Buffer.allocUnsafe(volume.length + 10 + restBytes)
  volume.copy(key)
  key[volume.length] = VolumeTag.redis
  key[volume.length + 1] = tag
  key.writeBigUInt64BE(id, volume.length + 2)
  return key
}

// Tuples: the part of FoundationDB's tuple layer that keys here use.

export const TupleType = { bytes: 0x01, text: 0x02, zero: 0x14 } as const

/** Appends a byte string, or UTF-8 text, as a tuple item: `type bytes 00`, each 00 as 00 FF. */
export function withTupleItem(prefix: Buffer, type: 0x01 | 0x02, bytes: Buffer): Buffer {
  const start = prefix.length
  const zeroCount = countZeros(bytes)
  const encoded = Buffer.allocUnsafe(start + bytes.length + zeroCount + 2)
  prefix.copy(encoded)
  encoded[start] = type
  let at = start + 1
  if (zeroCount === 0) {
    bytes.copy(encoded, at)
    at += bytes.length
  } else {
    for (const byte of bytes) {
      encoded[at++] = byte
      if (byte === 0) encoded[at++] = 0xff
    }
  }
  encoded[at] = 0
  return encoded
}

/** The bytes of the one tuple item that `item` is; a view of it where no byte is escaped. */
export function tupleItemBytes(item: Buffer): Buffer {
  const escaped = item.subarray(1, item.length - 1)
  const zeroCount = countZeros(escaped)
  if (zeroCount === 0) return escaped
  const bytes = Buffer.allocUnsafe(escaped.length - zeroCount)
  let at = 0
  for (let i = 0; i < escaped.length; i++) {
    bytes[at++] = escaped[i]!
    if (escaped[i] === 0) i++
  }
  return bytes
}

// Ranges and pieces.

export interface KeyRange {
  begin: Buffer
  end: Buffer
}

/** All keys that start with `prefix`: [begin, end). @param prefix has a byte other than FF */
export function prefixRange(prefix: Buffer): KeyRange {
  return { begin: prefix, end: prefixEnd(prefix) }
}

/** The smallest key above all that start with `prefix`. */
export function prefixEnd(prefix: Buffer): Buffer {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) throw new RangeError('no key is above all keys of this prefix')
  const end = Buffer.from(prefix.subarray(0, length))
  end[length - 1]! += 1
  return end
}

/** The smallest key above `key`. */
export function keyAfter(key: Buffer): Buffer {
  const next = Buffer.allocUnsafe(key.length + 1)
  key.copy(next)
  next[key.length] = 0
  return next
}

/** `prefix tag rest`; a number makes room for that many bytes. */
function tagged(prefix: Buffer, tag: number, rest: Buffer | number = 0): Buffer {
  const restBytes = typeof rest === 'number' ? rest : rest.length
  const key = Buffer.allocUnsafe(prefix.length + 1 + restBytes)
  prefix.copy(key)
  key[prefix.length] = tag
  if (typeof rest !== 'number') rest.copy(key, prefix.length + 1)
  return key
}

function i64Tagged(prefix: Buffer, tag: number, value: bigint): Buffer {
  const key = tagged(prefix, tag, 8)
  key.writeBigInt64BE(value, prefix.length + 1)
  return key
}

function u32Tagged(prefix: Buffer, tag: number, value: number): Buffer {
  const key = Buffer.allocUnsafe(prefix.length + 5)
  writeU32Tagged(key, prefix, tag, value)
  return key
}

function writeU32Tagged(key: Buffer, prefix: Buffer, tag: number, value: number): void {
  prefix.copy(key)
  key[prefix.length] = tag
  key.writeUInt32BE(value, prefix.length + 1)
}

function countZeros(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(0); at !== -1; at = bytes.indexOf(0, at + 1)) count++
  return count
}
