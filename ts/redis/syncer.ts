/**
 * Writes what is dirty in a REDIS shard to the shard's volume, in the background: batch after batch
 * until nothing is dirty, then it sleeps for a period.
 *
 * ORDER of a batch: bodies appended -> one metadata transaction (flush first, see volume) that
 * switches the records of the batch and clears those of dropped items. A batch that fails is put
 * back as a whole and tried again after a period.
 */

import type { Logger } from 'pino'
import { redisChunkKey, redisChunksRange, redisRecordKey } from '../store/keyspace.js'
import { unpack } from '../store/packed-range.js'
import { packPointer, unpackPointer } from '../store/pointer.js'
import type { Store } from '../store/store.js'
import type { Tx } from '../store/tx.js'
import { checksumAt, type Locations, lengthAt, positionAt, segmentAt } from '../volume/locations.js'
import { ENTRY_LIMIT_BYTES, type Volume } from '../volume/volume.js'
import type { VolumeWrites } from '../volume/volume-writes.js'
import { encodeChunkCount, encodeRecord, RecordKind, type Value } from './record.js'
import type { Item, ShardData } from './shard.js'

/** Dirty items and dropped records of one batch, each at most. */
const BATCH_ITEMS = 1_000
/** Bytes after which a batch takes no further item. */
const BATCH_BYTES = 16 * 1024 * 1024
/** A value longer than this, or than a quarter of a segment, is cut into chunks. */
const CHUNK_MAX_BYTES = 8 * 1024 * 1024

export interface SyncerParts {
  readonly shard: ShardData
  readonly volume: Volume
  readonly store: Store
  /** Marks the shard's records in the volume; 8 bytes. */
  readonly prefix: Buffer
  readonly periodMs: number
  readonly slotOfKey: (key: string) => number
  readonly log: Logger
}

/** One record on its way: a head or a whole value, and the chunks that belong to it. */
interface Prepared {
  readonly item: Item
  /** Index of the record's body in the batch. */
  readonly body: number
  readonly chunkCount: number
}

interface Batch {
  readonly items: readonly Item[]
  readonly dropped: readonly number[]
}

export class Syncer {
  readonly #parts: SyncerParts
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(parts: SyncerParts) {
    this.#parts = parts
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#drain().then(() => {
        if (!this.#stopped) this.start()
      })
    }, this.#parts.periodMs)
  }

  /** Writes everything that is dirty, then ends. @throws what the last batch failed with */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
    while (this.#parts.shard.isDirty) await this.#writeBatch(this.#takeBatch())
  }

  /** Ends without writing: the shard belongs to another member now. */
  abandon(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #drain(): Promise<void> {
    const { shard, log } = this.#parts
    while (shard.isDirty && !this.#stopped) {
      try {
        await this.#writeBatch(this.#takeBatch())
      } catch (cause) {
        log.error({ err: cause, shard: shard.id }, 'writing Redis data failed; trying again')
        return
      }
    }
  }

  #takeBatch(): Batch {
    const { shard } = this.#parts
    const items: Item[] = []
    let bytes = 0
    for (const item of shard.dirty) {
      items.push(item)
      bytes += item.value.length
      if (items.length === BATCH_ITEMS || bytes > BATCH_BYTES) break
    }
    const dropped: number[] = []
    for (const id of shard.dropped) {
      dropped.push(id)
      if (dropped.length === BATCH_ITEMS) break
    }
    for (const item of items) {
      shard.dirty.delete(item)
      if (item.recordId === 0) item.recordId = ++shard.lastRecordId
    }
    for (const id of dropped) shard.dropped.delete(id)
    return { items, dropped }
  }

  async #writeBatch(batch: Batch): Promise<void> {
    const { shard, volume, store } = this.#parts
    try {
      const { prepared, bodies } = this.#prepare(batch.items)
      const lengths = Uint32Array.from(bodies, body => body.length)
      const locations = await volume.append(Buffer.concat(bodies), lengths)
      // Idempotent: a record that already points at its new place is left as it is.
      await store.transact(tx => this.#switchRecords(tx, { batch, prepared, locations }), {
        idempotent: true,
      })
    } catch (cause) {
      for (const item of batch.items) {
        if (item.isLive) shard.dirty.add(item)
      }
      for (const id of batch.dropped) shard.dropped.add(id)
      throw cause
    }
  }

  /** Bodies in the order in which `Prepared` counts them: a head, then its chunks. */
  #prepare(items: readonly Item[]): { prepared: Prepared[]; bodies: Buffer[] } {
    const { shard, slotOfKey, volume } = this.#parts
    const chunkBytes = Math.min(CHUNK_MAX_BYTES, Math.floor(volume.segmentSizeBytes / 4))
    const prepared: Prepared[] = []
    const bodies: Buffer[] = []
    for (const item of items) {
      const { key, field = '', value } = item
      const isString = item.field === undefined
      const expiresAtMs = shard.expiryOf(slotOfKey(key), item)
      const chunks = value.length > chunkBytes ? cut(value, chunkBytes) : []
      prepared.push({ item, body: bodies.length, chunkCount: chunks.length })
      if (chunks.length === 0) {
        const kind = isString ? RecordKind.string : RecordKind.hashField
        bodies.push(encodeRecord({ kind, expiresAtMs, key, field, value }))
      } else {
        const kind = isString ? RecordKind.chunkedString : RecordKind.chunkedHashField
        const count = encodeChunkCount(chunks.length)
        bodies.push(encodeRecord({ kind, expiresAtMs, key, field, value: count }), ...chunks)
      }
    }
    return { prepared, bodies }
  }

  async #switchRecords(
    tx: Tx,
    work: { batch: Batch; prepared: readonly Prepared[]; locations: Locations },
  ): Promise<void> {
    const writes = this.#parts.volume.stage(tx)
    for (const id of work.batch.dropped) await this.#clearRecord(tx, writes, id)
    for (const { item, body, chunkCount } of work.prepared) {
      const pointer = this.#pointer(work.locations, body)
      const key = this.#recordKey(item.recordId)
      if ((await tx.get(key))?.equals(pointer)) continue
      await this.#clearRecord(tx, writes, item.recordId)
      tx.set(key, pointer)
      writes.append(this.#parts.prefix, idBytes(item.recordId), work.locations, body)
      for (let chunk = 0; chunk < chunkCount; chunk++) {
        const at = body + 1 + chunk
        tx.set(this.#chunkKey(item.recordId, chunk), this.#pointer(work.locations, at))
        writes.append(this.#parts.prefix, idBytes(item.recordId), work.locations, at)
      }
    }
  }

  /** Clears a record and its chunks, as far as they are there. */
  async #clearRecord(tx: Tx, writes: VolumeWrites, id: number): Promise<void> {
    const key = this.#recordKey(id)
    const head = await tx.get(key)
    if (head === undefined) return
    tx.clear(key)
    this.#release(writes, head)
    const chunks = redisChunksRange(this.#parts.volume.prefix, BigInt(id))
    const stored = await tx.getRangeAll(chunks.begin, chunks.end)
    if (stored.count === 0) return
    for (const { value } of unpack(stored)) this.#release(writes, value)
    tx.clearRange(chunks.begin, chunks.end)
  }

  #release(writes: VolumeWrites, packed: Buffer): void {
    const { segment, position, length, crc32c } = unpackPointer(packed)
    writes.release(this.#parts.prefix, Uint32Array.of(segment, position, length, crc32c), 0)
  }

  #recordKey(id: number): Buffer {
    return redisRecordKey(this.#parts.volume.prefix, BigInt(id))
  }

  #chunkKey(id: number, index: number): Buffer {
    return redisChunkKey(this.#parts.volume.prefix, BigInt(id), index)
  }

  #pointer(locations: Locations, i: number): Buffer {
    return packPointer({
      shard: this.#parts.shard.id,
      segment: segmentAt(locations, i),
      position: positionAt(locations, i),
      length: lengthAt(locations, i),
      crc32c: checksumAt(locations, i),
    })
  }
}

/** Cuts a value into bodies of at most `chunkBytes`. */
function cut(value: Value, chunkBytes: number): Buffer[] {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value
  const size = Math.min(chunkBytes, ENTRY_LIMIT_BYTES)
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
  return chunks
}

function idBytes(id: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(BigInt(id))
  return bytes
}
