/**
 * Writes what is dirty in a REDIS shard to the shard's volume, in the background: batch after batch
 * until nothing is dirty, then it sleeps for a period.
 *
 * ORDER of a batch: bodies appended -> one metadata transaction (flush first, see volume) that
 * switches the records of the batch and clears those of items that are gone. A batch that fails is
 * put back as a whole and tried again after a period.
 */

import type { Logger } from 'pino'
import { redisChunkKey, redisChunksRange, redisRecordKey } from '../store/keyspace.js'
import { unpack } from '../store/packed-range.js'
import { packPointer, unpackPointer } from '../store/pointer.js'
import type { Store } from '../store/store.js'
import { yieldTurn } from '../store/turn.js'
import type { Tx } from '../store/tx.js'
import {
  checksumAt,
  LOCATION_WORDS,
  type Locations,
  lengthAt,
  positionAt,
  segmentAt,
} from '../volume/locations.js'
import type { Volume } from '../volume/volume.js'
import type { VolumeWrites } from '../volume/volume-writes.js'
import { encodeChunkCount, encodeRecord, RecordKind } from './record.js'
import { Batch, type Item, type ShardData } from './shard.js'

/** Items of one batch, and those that belong to them, up to the maximum. */
const BATCH_ITEMS = 1_000
const BATCH_ITEMS_MAX = 8 * BATCH_ITEMS
/** Bytes after which a batch takes no further item. */
const BATCH_BYTES = 16 * 1024 * 1024
/** Bytes that are appended in one turn of the event loop. */
const APPEND_BYTES = 8 * 1024 * 1024
/** A record longer than this, or than a quarter of a segment, is cut into chunks. */
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

/** One record on its way: itself or its head, and the chunks that belong to it. */
interface Prepared {
  readonly item: Item
  /** Index of the record's body in the batch. */
  readonly body: number
  readonly chunkCount: number
}

interface Records {
  /** Ids of the records to clear. */
  readonly gone: readonly number[]
  readonly prepared: readonly Prepared[]
  readonly locations: Locations
  /** The volume's epoch when the bodies were appended. */
  readonly epoch: bigint
}

export class Syncer {
  readonly #parts: SyncerParts
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false
  #abandoned = false

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
    this.#abandoned = true
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

  #takeBatch(): Item[] {
    const { shard } = this.#parts
    const batch = new Batch(BATCH_ITEMS_MAX, BATCH_BYTES)
    const { items } = batch
    let lastKey: string | undefined
    for (const item of shard.dirty) {
      // What a command did to one key stays together: a hash that a string replaced must not be
      // half gone after a crash, nor gone without the string.
      if (items.size >= BATCH_ITEMS && item.key !== lastKey) break
      if (!shard.joinBatch(item, batch)) break
      lastKey = item.key
    }
    for (const item of items) {
      shard.dirty.delete(item)
      if (item.recordId === 0) item.recordId = ++shard.lastRecordId
    }
    return [...items]
  }

  async #writeBatch(items: readonly Item[]): Promise<void> {
    const { shard, volume, store } = this.#parts
    try {
      const { epoch } = volume
      const gone = items.filter(item => !item.isLive).map(item => item.recordId)
      const { prepared, bodies } = this.#prepare(items.filter(item => item.isLive))
      const batch = { gone, prepared, epoch, locations: await this.#append(bodies) }
      // Idempotent: a record that already points at its new place is left as it is.
      await store.transact(tx => this.#switchRecords(tx, batch), { idempotent: true })
      shard.written(items)
    } catch (cause) {
      shard.putBack(items)
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
      const { key, field, value } = item
      const kind = field === undefined ? RecordKind.string : RecordKind.hashField
      const expiresAtMs = shard.expiryOf(slotOfKey(key), item)
      const body = encodeRecord({ kind, expiresAtMs, key, field: field ?? '', value })
      const chunks = body.length > chunkBytes ? cut(body, chunkBytes) : []
      prepared.push({ item, body: bodies.length, chunkCount: chunks.length })
      bodies.push(chunks.length === 0 ? body : encodeHead(expiresAtMs, chunks.length), ...chunks)
    }
    return { prepared, bodies }
  }

  /** Appends in pieces, so that other work gets its turn in between. */
  async #append(bodies: readonly Buffer[]): Promise<Locations> {
    const locations = new Uint32Array(bodies.length * LOCATION_WORDS)
    for (let from = 0; from < bodies.length; ) {
      let to = from
      let bytes = 0
      while (to < bodies.length && bytes < APPEND_BYTES) bytes += bodies[to++]!.length
      const piece = bodies.slice(from, to)
      const lengths = Uint32Array.from(piece, body => body.length)
      const appended = await this.#parts.volume.append(Buffer.concat(piece), lengths)
      locations.set(appended, from * LOCATION_WORDS)
      from = to
      await yieldTurn()
    }
    return locations
  }

  async #switchRecords(tx: Tx, { gone, prepared, locations, epoch }: Records): Promise<void> {
    const { volume, prefix } = this.#parts
    if (this.#abandoned || volume.epoch !== epoch) {
      throw new Error('the shard changed hands after the batch was appended')
    }
    const writes = volume.stage(tx)
    for (const id of gone) await this.#clearRecord(tx, writes, id)
    for (const { item, body, chunkCount } of prepared) {
      const { recordId } = item
      const pointer = this.#pointer(locations, body)
      const key = this.#recordKey(recordId)
      if ((await tx.get(key))?.equals(pointer)) continue
      await this.#clearRecord(tx, writes, recordId)
      tx.set(key, pointer)
      writes.append(prefix, idBytes(recordId), locations, body)
      for (let chunk = 0; chunk < chunkCount; chunk++) {
        const at = body + 1 + chunk
        tx.set(this.#chunkKey(recordId, chunk), this.#pointer(locations, at))
        writes.append(prefix, idBytes(recordId), locations, at)
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

/** Cuts a record into bodies of at most `chunkBytes`. */
function cut(record: Buffer, chunkBytes: number): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < record.length; at += chunkBytes) {
    chunks.push(record.subarray(at, at + chunkBytes))
  }
  return chunks
}

function encodeHead(expiresAtMs: number, chunkCount: number): Buffer {
  const value = encodeChunkCount(chunkCount)
  return encodeRecord({ kind: RecordKind.chunked, expiresAtMs, key: '', field: '', value })
}

function idBytes(id: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(BigInt(id))
  return bytes
}
