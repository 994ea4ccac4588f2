/**
 * Writes what is dirty in a REDIS shard to the shard's volume, in the background: batch after batch
 * until nothing is dirty, then it sleeps for a period.
 *
 * ORDER of a batch: bodies appended -> in synchronous mode, stored by the standbys -> one metadata
 * transaction (flush first, see volume) that switches the records of the batch and clears those of
 * items that are gone. A batch that fails is put back as a whole and tried again after a period,
 * or later, see `SyncerTrouble`.
 *
 * A shard that is emptied at once has its volume wiped in one transaction. INVARIANT: nothing that
 * it held before is written after that, and nothing that it got since is written before.
 */

import type { Logger } from 'pino'
import { err } from '../../error.js'
import { PIECE_BYTES, Rope } from '../../resp/rope.js'
import {
  redisChunkKey,
  redisChunksRange,
  redisRange,
  redisRecordKey,
} from '../../store/keyspace.js'
import { unpack } from '../../store/packed-range.js'
import { packPointer, unpackPointer } from '../../store/pointer.js'
import type { Store } from '../../store/store.js'
import { leaveTurn, yieldTurn } from '../../store/turn.js'
import type { Tx } from '../../store/tx.js'
import { andThen, type MaybePromise } from '../../store/types.js'
import {
  checksumAt,
  LOCATION_WORDS,
  type Locations,
  lengthAt,
  positionAt,
  segmentAt,
} from '../../volume/locations.js'
import type { AppendedBytes, StandbyGroup, SynchronousStandbys } from '../../volume/standbys.js'
import type { Volume } from '../../volume/volume.js'
import type { VolumeWrites } from '../../volume/volume-writes.js'
import { Batch } from '../memory/moves.js'
import type { ShardData } from '../shard.js'
import { CHUNKED_HEAD_BYTES, encodeChunkedHead } from './record.js'
import { StandbyWait } from './standby-wait.js'
import { SyncerTrouble } from './syncer-trouble.js'

/** Items of one batch, and how many times as many with those that belong to them. */
const BATCH_ITEMS = 1_000
const BATCH_EXTENSION = 8
/** Bytes after which a batch takes no further item. */
const BATCH_BYTES = 8 * 1024 * 1024
/** Bytes that are appended in one turn of the event loop. */
const APPEND_BYTES = 2 * 1024 * 1024
/** Records that are switched in one turn of the event loop. */
const TURN_RECORDS = 16
/** After so long a transaction leaves no more turns to others: it lasts five seconds at most. */
const TURNS_MS = 1_000
/** Fields of a gone hash that are dropped in one turn of the event loop. */
const TURN_DROPS = 2_000
/** So many fields of one hash in a row are more than what one command did: others may wait. */
const KEY_RUN_ITEMS = 500
/** Behind each batch others are watched for so long. While they keep the thread as busy as this, it
 *  is theirs for longer, and batches are small: over 10,000 items a second are written even so. */
const PROBE_MS = 2
const BUSY_UTILIZATION = 0.3
const BUSY_PAUSE_MS = 13
const BUSY_BATCH_ITEMS = 250
/** Chunks of a record that are switched in one turn of the event loop. */
const TURN_CHUNKS = 128
/** A record longer than this, or than a quarter of a segment, is cut into chunks: the pieces of its
 *  value as they are, or parts of them. */
const CHUNK_MAX_BYTES = PIECE_BYTES

export interface SyncerParts {
  readonly shard: ShardData
  readonly volume: Volume
  readonly store: Store
  /** Marks the shard's records in the volume; 8 bytes. */
  readonly prefix: Buffer
  readonly periodMs: number
  /** Synchronous mode: the standbys that batches wait for, each for so long at most. */
  readonly synchronous?: SynchronousMode | undefined
  /** Items of one batch, unless they are 1,000. */
  readonly batchItems?: number
  readonly log: Logger
}

export interface SynchronousMode {
  readonly standbys: SynchronousStandbys
  readonly timeoutMs: number
}

/** One record on its way: itself or its head, and the chunks that belong to it. */
interface Prepared {
  readonly recordId: number
  /** Index of the record's body in the batch. */
  readonly body: number
  readonly chunkCount: number
}

/** Bodies that are appended in one go, back to back. */
interface Piece {
  readonly bytes: Buffer
  readonly lengths: Uint32Array
}

/** What one batch takes from the shard. */
interface Taken {
  readonly batch: Batch
  /** Ids from this one on were given by this batch: no record has ever had them. */
  readonly firstNewId: number
  /** `clears` of the shard then. */
  readonly clears: number
}

interface Records {
  /** Ids of the records to clear. */
  readonly gone: readonly number[]
  readonly prepared: readonly Prepared[]
  readonly locations: Locations
  /** The volume's epoch when the bodies were appended. */
  readonly epoch: bigint
  readonly firstNewId: number
}

/** The transaction that switches the records of a batch. */
interface Switching {
  readonly tx: Tx
  readonly writes: VolumeWrites
  readonly records: Records
}

export class Syncer {
  readonly #parts: SyncerParts
  readonly #trouble: SyncerTrouble
  readonly #wait: StandbyWait
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false
  #abandoned = false
  /** How often the volume was to be wiped, and what of that is done. */
  #wipesAsked = 0
  #wipesDone = 0
  #endPause: (() => void) | undefined
  /** Whether others kept the thread busy behind the last batch. */
  #isBusy = false

  constructor(parts: SyncerParts) {
    this.#parts = parts
    const { log, periodMs, shard } = parts
    this.#trouble = new SyncerTrouble({ log, periodMs, shardId: shard.id })
    this.#wait = new StandbyWait(shard.id, parts.synchronous?.timeoutMs ?? 0)
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#running
        .then(() => this.#drain())
        .then(() => {
          if (!this.#stopped) this.start()
        })
    }, this.#trouble.pauseMs)
  }

  /** Writes everything that is dirty, then ends. It does not outwait standbys that are away.
   *  @throws what the last batch failed with */
  async stop(): Promise<void> {
    const { shard, log } = this.#parts
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#endPause?.()
    this.#wait.hurry()
    await this.#running
    try {
      while (this.#isBehind && !this.#abandoned) await this.#catchUp()
    } catch (cause) {
      const items = shard.dirty.size
      log.error({ shard: shard.id, items }, 'stopping: the last changes of Redis data are lost')
      throw cause
    }
  }

  /** Gives up a wait for standbys whose bytes count no more: the volume was opened again. */
  followRoutes(): void {
    if (this.#wait.epoch !== this.#parts.volume.epoch) this.#wait.cancel()
  }

  /** Clears all records of the shard, which was emptied in this turn of the event loop. A wipe that
   *  fails is tried again, before anything else is written.
   *  @throws what it failed with */
  wipe(): Promise<void> {
    this.#wipesAsked++
    this.#endPause?.()
    this.#wait.cancel()
    const wiped = this.#running.then(() => (this.#mustWipe ? this.#wipeVolume() : undefined))
    // The caller hears of a failure; batches only wait for the end.
    this.#running = wiped.catch(() => undefined)
    return wiped
  }

  /** Ends without writing: the shard belongs to another member now. */
  abandon(): void {
    this.#stopped = true
    this.#abandoned = true
    clearTimeout(this.#timer)
    this.#wait.cancel()
  }

  async #drain(): Promise<void> {
    const { shard } = this.#parts
    const wipesAsked = this.#wipesAsked
    // A wipe that is asked for meanwhile waits for the end of this, and always a batch may be due.
    while (this.#isBehind && !this.#stopped && this.#wipesAsked === wipesAsked) {
      try {
        await this.#catchUp()
      } catch (cause) {
        this.#trouble.failed(cause)
        return
      }
      if (shard.isDirty) await this.#giveWay()
    }
    this.#isBusy = false
  }

  /** Leaves the thread for a moment, to see how busy others keep it, and for longer if they do. */
  async #giveWay(): Promise<void> {
    const before = performance.eventLoopUtilization()
    await this.#pause(PROBE_MS)
    const { utilization } = performance.eventLoopUtilization(before)
    this.#isBusy = utilization > BUSY_UTILIZATION
    if (this.#isBusy) await this.#pause(BUSY_PAUSE_MS)
  }

  /** Waits; a stop and a wipe end it. */
  #pause(ms: number): Promise<void> {
    if (this.#stopped || this.#mustWipe) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  get #isBehind(): boolean {
    return this.#mustWipe || this.#parts.shard.isDirty
  }

  get #mustWipe(): boolean {
    return this.#wipesDone < this.#wipesAsked
  }

  async #catchUp(): Promise<void> {
    if (!this.#mustWipe) await this.#dropFields()
    if (this.#mustWipe) await this.#wipeVolume()
    else if (this.#parts.shard.isDirty) await this.#writeNext()
  }

  async #writeNext(): Promise<void> {
    const { shard, synchronous } = this.#parts
    const standbys = synchronous?.standbys.choose('REDIS', shard.id)
    await this.#writeBatch(this.#takeBatch(), standbys)
  }

  /** Frees what large hashes had that are gone. */
  async #dropFields(): Promise<void> {
    while (!this.#parts.shard.dropFields(TURN_DROPS)) await leaveTurn()
  }

  async #wipeVolume(): Promise<void> {
    const { shard, volume, store } = this.#parts
    const asked = this.#wipesAsked
    await store.transact(
      tx => {
        if (this.#abandoned) throw err(`shard id: ${shard.id} belongs to another member now`)
        volume.stage(tx).releaseAll()
        const { begin, end } = redisRange(volume.prefix)
        tx.clearRange(begin, end)
      },
      { idempotent: true },
    )
    this.#wipesDone = asked
    this.#trouble.ended()
  }

  #takeBatch(): Taken {
    const { shard, batchItems = this.#isBusy ? BUSY_BATCH_ITEMS : BATCH_ITEMS } = this.#parts
    const mostItems = BATCH_EXTENSION * (this.#parts.batchItems ?? BATCH_ITEMS)
    const batch = new Batch(mostItems, BATCH_BYTES)
    const { items } = batch
    let last = 0
    let run = 0
    for (const item of shard.dirty) {
      // What a command did to one key stays together: a hash that a string replaced must not be
      // half gone after a crash, nor gone without the string.
      const isSameKey = last !== 0 && shard.keyOf(item) === shard.keyOf(last)
      run = isSameKey && shard.isLive(item) && shard.isLive(last) ? run + 1 : 0
      if (items.size >= batchItems && (!isSameKey || run >= KEY_RUN_ITEMS)) break
      if (!shard.joinBatch(item, batch)) break
      last = item
    }
    return { batch, firstNewId: shard.take(batch), clears: shard.clears }
  }

  async #writeBatch(taken: Taken, standbys: StandbyGroup | undefined): Promise<void> {
    const { shard, volume, store } = this.#parts
    const { batch, firstNewId, clears } = taken
    const items = [...batch.items]
    try {
      const { epoch } = volume
      const gone = items.filter(item => !shard.isLive(item)).map(item => shard.recordIdOf(item))
      const { prepared, pieces } = this.#prepare(items.filter(item => shard.isLive(item)))
      const locations = await this.#append(pieces)
      if (standbys !== undefined && locations.length > 0) {
        const bytes = { volume, locations, epoch }
        if (!(await this.#areStored(standbys, bytes))) return this.#putBack(taken)
      }
      let records: Records = { gone, prepared, epoch, locations, firstNewId }
      const switchRecords = (tx: Tx) => {
        const attempt = records
        // What an attempt of unknown result has written, the next one finds.
        records = { ...records, firstNewId: Number.POSITIVE_INFINITY }
        return this.#switchRecords(tx, attempt)
      }
      // Idempotent: a record that already points at its new place is left as it is.
      await store.transact(switchRecords, { idempotent: true })
      // ORDER: the items of a shard that was emptied meanwhile are others now.
      if (shard.clears === clears) shard.written(batch)
      this.#trouble.ended()
    } catch (cause) {
      this.#putBack(taken)
      throw cause
    }
  }

  /** Waits for the standbys. @returns false when nobody wants the batch any more */
  async #areStored(standbys: StandbyGroup, bytes: AppendedBytes): Promise<boolean> {
    // What ends a wait may have come before it, while the bytes were appended.
    const isInVain = this.#mustWipe || this.#abandoned || bytes.volume.epoch !== bytes.epoch
    return !isInVain && (await this.#wait.stored(standbys, bytes))
  }

  /** ORDER: what a shard that was emptied meanwhile had before is not its any more. */
  #putBack({ batch, clears }: Taken): void {
    const { shard } = this.#parts
    if (shard.clears === clears) shard.putBack(batch)
  }

  /** Copies the records out of the shard, so that it may change while they are written. */
  #prepare(items: readonly number[]): { prepared: Prepared[]; pieces: Piece[] } {
    const { shard, volume } = this.#parts
    const chunkBytes = Math.min(CHUNK_MAX_BYTES, Math.floor(volume.segmentSizeBytes / 4))
    const prepared: Prepared[] = []
    const pieces: Piece[] = []
    let run: number[] = []
    let runBytes = 0
    let body = 0
    const endRun = () => {
      if (run.length > 0) pieces.push(this.#encode(run, runBytes))
      run = []
      runBytes = 0
    }
    for (const item of items) {
      const bytes = shard.recordBytes(item)
      const recordId = shard.recordIdOf(item)
      if (bytes <= chunkBytes) {
        if (runBytes + bytes > APPEND_BYTES) endRun()
        run.push(item)
        runBytes += bytes
        prepared.push({ recordId, body: body++, chunkCount: 0 })
        continue
      }
      endRun()
      const chunks = cutRecord(shard, item, chunkBytes)
      const head = encodeChunkedHead(shard.recordExpiry(item), chunks.length)
      for (const bytes of [head, ...chunks]) {
        pieces.push({ bytes, lengths: Uint32Array.of(bytes.length) })
      }
      prepared.push({ recordId, body, chunkCount: chunks.length })
      body += 1 + chunks.length
    }
    endRun()
    return { prepared, pieces }
  }

  #encode(items: readonly number[], totalBytes: number): Piece {
    const bytes = Buffer.allocUnsafeSlow(totalBytes)
    const lengths = new Uint32Array(items.length)
    let at = 0
    for (let i = 0; i < items.length; i++) {
      const end = this.#parts.shard.encode(items[i]!, bytes, at)
      lengths[i] = end - at
      at = end
    }
    return { bytes, lengths }
  }

  /** Appends piece by piece, so that other work gets its turn in between.
   *  @returns the locations of all bodies, in order */
  async #append(pieces: readonly Piece[]): Promise<Locations> {
    const count = pieces.reduce((total, { lengths }) => total + lengths.length, 0)
    const locations = new Uint32Array(count * LOCATION_WORDS)
    let at = 0
    for (const { bytes, lengths } of pieces) {
      locations.set(await this.#parts.volume.append(bytes, lengths), at)
      at += lengths.length * LOCATION_WORDS
      await yieldTurn()
    }
    return locations
  }

  async #switchRecords(tx: Tx, records: Records): Promise<void> {
    const { volume } = this.#parts
    if (this.#abandoned || volume.epoch !== records.epoch) {
      throw new Error('the shard changed hands after the batch was appended')
    }
    const writes = volume.stage(tx)
    const switching: Switching = { tx, writes, records }
    const untilMs = performance.now() + TURNS_MS
    let count = 0
    const isTurnOver = () => ++count % TURN_RECORDS === 0 && performance.now() < untilMs
    for (const id of records.gone) {
      await this.#clearRecord(switching, id)
      if (isTurnOver()) await leaveTurn()
    }
    for (const one of records.prepared) {
      await this.#switchRecord(switching, one)
      if (isTurnOver()) await leaveTurn()
    }
  }

  #switchRecord(switching: Switching, prepared: Prepared): MaybePromise<void> {
    const { tx, records } = switching
    const { recordId, body } = prepared
    const key = this.#recordKey(recordId)
    const pointer = this.#pointer(records.locations, body)
    const put = () => this.#putRecord(switching, prepared, { key, pointer })
    if (recordId >= records.firstNewId) return put()
    return andThen(tx.get(key), head => {
      if (head === undefined) return put()
      if (head.equals(pointer)) return
      return andThen(this.#releaseRecord(switching, recordId, head), put)
    })
  }

  #putRecord(
    { tx, writes, records }: Switching,
    { recordId, body, chunkCount }: Prepared,
    { key, pointer }: { key: Buffer; pointer: Buffer },
  ): MaybePromise<void> {
    const { prefix } = this.#parts
    const id = idBytes(recordId)
    tx.set(key, pointer)
    writes.append(prefix, id, records.locations, body)
    if (chunkCount === 0) return
    return this.#putChunks({ tx, writes, records }, { recordId, body, chunkCount }, id)
  }

  async #putChunks(
    { tx, writes, records: { locations } }: Switching,
    { recordId, body, chunkCount }: Prepared,
    id: Buffer,
  ): Promise<void> {
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      const at = body + 1 + chunk
      tx.set(this.#chunkKey(recordId, chunk), this.#pointer(locations, at))
      writes.append(this.#parts.prefix, id, locations, at)
      if ((chunk + 1) % TURN_CHUNKS === 0) await leaveTurn()
    }
  }

  /** Clears a record and its chunks, as far as they are there. */
  #clearRecord(switching: Switching, id: number): MaybePromise<void> {
    const { tx } = switching
    const key = this.#recordKey(id)
    return andThen(tx.get(key), head => {
      if (head === undefined) return
      tx.clear(key)
      return this.#releaseRecord(switching, id, head)
    })
  }

  /** Gives back what a record points at, and clears its chunks if it has any. */
  #releaseRecord({ tx, writes }: Switching, id: number, head: Buffer): MaybePromise<void> {
    this.#release(writes, head)
    if (unpackPointer(head).length !== CHUNKED_HEAD_BYTES) return
    const chunks = redisChunksRange(this.#parts.volume.prefix, BigInt(id))
    return andThen(tx.getRangeAll(chunks.begin, chunks.end), stored => {
      if (stored.count === 0) return
      for (const { value } of unpack(stored)) this.#release(writes, value)
      tx.clearRange(chunks.begin, chunks.end)
    })
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

/** Cuts a record into bodies of at most `chunkBytes`. A large value is not copied: its bytes stay
 *  as they are while anybody has them. */
function cutRecord(shard: ShardData, item: number, chunkBytes: number): Buffer[] {
  const value = shard.borrow(item)
  const prefixBytes = shard.recordBytes(item) - value.length
  if (!(value instanceof Rope) || prefixBytes > chunkBytes) {
    const record = Buffer.allocUnsafeSlow(prefixBytes + value.length)
    shard.encode(item, record, 0)
    return cut(record, chunkBytes)
  }
  const first = Buffer.allocUnsafeSlow(prefixBytes)
  shard.encodeHead(item, first)
  return [first, ...value.pieces.flatMap(piece => cut(piece, chunkBytes))]
}

function cut(bytes: Buffer, chunkBytes: number): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    chunks.push(bytes.subarray(at, at + chunkBytes))
  }
  return chunks
}

function idBytes(id: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeUInt32BE(Math.floor(id / 2 ** 32), 0)
  bytes.writeUInt32BE(id >>> 0, 4)
  return bytes
}
