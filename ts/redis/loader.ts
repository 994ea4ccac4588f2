/**
 * Rebuilds a REDIS shard in memory from its volume: all record pointers in ranges, their bodies in
 * batches off the event loop. Records that have expired meanwhile are dropped.
 */

import { keyAfter, prefixRange, redisChunksRange, redisRecordsPrefix } from '../store/keyspace.js'
import { lastKey, PackedReader, unpack } from '../store/packed-range.js'
import { unpackPointer } from '../store/pointer.js'
import type { Store } from '../store/store.js'
import { yieldTurn } from '../store/turn.js'
import { LOCATION_WORDS, type Locations, lengthAt } from '../volume/locations.js'
import type { Volume } from '../volume/volume.js'
import { decodeChunkCount, decodeRecord, keepValue, RecordKind, type Value } from './record.js'
import type { ShardData } from './shard.js'

/** Records whose bodies are read together. */
const BATCH_RECORDS = 2_000

interface LoadParts {
  readonly store: Store
  readonly volume: Volume
  readonly shard: ShardData
  readonly slotOfKey: (key: string) => number
}

/** Fills an empty shard. @throws RespError CORRUPTED and other errors of the volume or the store */
export async function loadShard(parts: LoadParts): Promise<void> {
  const range = prefixRange(redisRecordsPrefix(parts.volume.prefix))
  let { begin } = range
  for (;;) {
    // A transaction of its own for each batch: a long load must not hit the age limit.
    const batch = await parts.store.transact(tx =>
      tx.getRange(begin, range.end, { limit: BATCH_RECORDS, snapshot: true }),
    )
    if (batch.count === 0) break
    const ids: number[] = []
    const locations = new Uint32Array(batch.count * LOCATION_WORDS)
    const reader = new PackedReader(batch)
    while (reader.next()) {
      ids.push(Number(reader.key.readBigUInt64BE(reader.key.length - 8)))
      putLocation(locations, ids.length - 1, reader.value)
    }
    await restoreRecords(parts, ids, locations)
    begin = keyAfter(lastKey(batch))
    await yieldTurn()
  }
  parts.shard.isLoaded = true
}

async function restoreRecords(
  parts: LoadParts,
  ids: readonly number[],
  locations: Locations,
): Promise<void> {
  const { shard, volume, slotOfKey } = parts
  const bodies = await volume.readAsync(locations)
  const now = Date.now()
  let at = 0
  for (const [i, recordId] of ids.entries()) {
    const end = at + lengthAt(locations, i)
    const record = decodeRecord(bodies.subarray(at, end))
    at = end
    if (record.expiresAtMs !== 0 && record.expiresAtMs <= now) {
      shard.dropped.add(recordId)
      shard.lastRecordId = Math.max(shard.lastRecordId, recordId)
      continue
    }
    const { key, kind } = record
    const isString = kind === RecordKind.string || kind === RecordKind.chunkedString
    const isChunked = kind === RecordKind.chunkedString || kind === RecordKind.chunkedHashField
    const value = isChunked ? await readChunks(parts, recordId, record.value) : record.value
    const field = isString ? undefined : record.field
    const item = { key, field, value, recordId, isLive: true }
    shard.restore(slotOfKey(key), item, record.expiresAtMs)
  }
}

async function readChunks(parts: LoadParts, recordId: number, head: Value): Promise<Value> {
  const { store, volume } = parts
  const range = redisChunksRange(volume.prefix, BigInt(recordId))
  const pointers = await store.transact(tx => {
    return tx.getRangeAll(range.begin, range.end, { snapshot: true })
  })
  const expected = decodeChunkCount(head)
  if (pointers.count !== expected) {
    throw new Error(`record ${recordId} has ${pointers.count} chunks instead of ${expected}`)
  }
  const locations = new Uint32Array(pointers.count * LOCATION_WORDS)
  let i = 0
  for (const { value } of unpack(pointers)) putLocation(locations, i++, value)
  return keepValue(await volume.readAsync(locations))
}

function putLocation(locations: Locations, i: number, packed: Buffer): void {
  const { segment, position, length, crc32c } = unpackPointer(packed)
  locations.set([segment, position, length, crc32c], i * LOCATION_WORDS)
}
