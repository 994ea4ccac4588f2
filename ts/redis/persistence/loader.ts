/**
 * Rebuilds a REDIS shard in memory from its volume: all record pointers in ranges, their bodies in
 * batches off the event loop. Records that have expired meanwhile are dropped.
 */

import {
  keyAfter,
  prefixRange,
  redisChunksRange,
  redisRecordsPrefix,
} from '../../store/keyspace.js'
import { lastKey, PackedReader, unpack } from '../../store/packed-range.js'
import { unpackPointer } from '../../store/pointer.js'
import type { Store } from '../../store/store.js'
import { yieldTurn } from '../../store/turn.js'
import { LOCATION_WORDS, type Locations, lengthAt, locationCount } from '../../volume/locations.js'
import type { Volume } from '../../volume/volume.js'
import type { ShardData } from '../shard.js'
import { slotOf } from '../slots.js'
import { chunkCountOf, decodeChunks, decodeRecord, RecordKind, type RedisRecord } from './record.js'

/** Records whose pointers are read together. */
const BATCH_RECORDS = 2_000
/** Bytes of bodies that are read together; a single longer body is read alone. */
const BATCH_BYTES = 4 * 1024 * 1024

interface LoadParts {
  readonly store: Store
  readonly volume: Volume
  readonly shard: ShardData
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
    for (let from = 0; from < ids.length; ) {
      const to = endOfBatch(locations, from)
      const words = locations.subarray(from * LOCATION_WORDS, to * LOCATION_WORDS)
      await restoreRecords(parts, ids.slice(from, to), words)
      await yieldTurn()
      from = to
    }
    begin = keyAfter(lastKey(batch))
    await yieldTurn()
  }
}

/** End of the run of locations from `from` on that is read together; one at least. */
function endOfBatch(locations: Locations, from: number): number {
  let bytes = lengthAt(locations, from)
  let to = from + 1
  while (to < locationCount(locations)) {
    bytes += lengthAt(locations, to)
    if (bytes > BATCH_BYTES) break
    to++
  }
  return to
}

async function restoreRecords(
  parts: LoadParts,
  ids: readonly number[],
  locations: Locations,
): Promise<void> {
  const { shard, volume } = parts
  const bodies = await volume.readAsync(locations)
  const now = Date.now()
  let at = 0
  for (const [i, recordId] of ids.entries()) {
    const end = at + lengthAt(locations, i)
    const head = decodeRecord(bodies, at, end)
    at = end
    const { expiresAtMs } = head
    if (expiresAtMs !== 0 && expiresAtMs <= now) {
      shard.discard(recordId)
      continue
    }
    const isChunked = head.kind === RecordKind.chunked
    const record = isChunked ? decodeChunks(await readChunks(parts, recordId, head)) : head
    const { key, value } = record
    const field = record.kind === RecordKind.string ? undefined : record.field
    const slot = slotOf(key.bytes, key.start, key.end)
    shard.restore(slot, { key, field, value, recordId, expiresAtMs })
  }
}

/** The chunks of a record, each in memory of its own. */
async function readChunks(
  { store, volume }: LoadParts,
  recordId: number,
  head: RedisRecord,
): Promise<Buffer[]> {
  const range = redisChunksRange(volume.prefix, BigInt(recordId))
  const pointers = await store.transact(tx => {
    return tx.getRangeAll(range.begin, range.end, { snapshot: true })
  })
  const expected = chunkCountOf(head)
  if (pointers.count !== expected) {
    throw new Error(`record ${recordId} has ${pointers.count} chunks instead of ${expected}`)
  }
  const chunks: Buffer[] = []
  for (const { value } of unpack(pointers)) {
    const location = new Uint32Array(LOCATION_WORDS)
    putLocation(location, 0, value)
    chunks.push(await volume.readAsync(location))
  }
  return chunks
}

function putLocation(locations: Locations, i: number, packed: Buffer): void {
  const { segment, position, length, crc32c } = unpackPointer(packed)
  locations.set([segment, position, length, crc32c], i * LOCATION_WORDS)
}
