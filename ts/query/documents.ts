/**
 * Documents in and out of buckets: insert, query, update, delete. Each works in a transaction that
 * the caller commits; bodies are appended to a shard's volume before, and become visible with it.
 */

import { err, RespError } from '../error.js'
import { nativeReason, type PackedDocuments, type UpdateHandle } from '../native.js'
import { cardinalityKey, primaryKey } from '../store/keyspace.js'
import { type Pointer, packPointer } from '../store/pointer.js'
import { storeError } from '../store/store-error.js'
import { leaveTurn, yieldTurn } from '../store/turn.js'
import type { Tx } from '../store/tx.js'
import { checksumAt, type Locations, lengthAt, positionAt, segmentAt } from '../volume/locations.js'
import { volumeName } from '../volume/name.js'
import type { ShardRoutes } from '../volume/shard-routes.js'
import type { Volume } from '../volume/volume.js'
import type { Volumes } from '../volume/volumes.js'
import {
  applyUpdate,
  bodiesAt,
  endsOf,
  finishBatch,
  resultSortOf,
  upsertDocument,
} from './bodies.js'
import { type Bucket, openBucket } from './buckets.js'
import type { Cursor } from './cursors.js'
import { IndexWrites } from './indexes/index-writes.js'
import { isStale, PRIMARY_INDEX } from './indexes/indexes.js'
import { duplicateId, Insertion, idAt } from './insertion.js'
import type { IndexRenewal } from './maintenance/index-renewal.js'
import { type ExplainMap, explainQuery } from './planner/explain.js'
import type { QueryPlans } from './query-plans.js'
import { programOf, type Run, runOf } from './query-runs.js'
import { type Match, type ScanBatch, scanBatch } from './scan.js'
import { type Compiled, compile } from './statements.js'

/** A large write is worked on in pieces of so many documents, so that other connections get their
 *  turn. */
const PIECE_DOCUMENTS = 256

/** Filters from this size on are parsed, planned and executed in turns of their own. */
const LARGE_FILTER_BYTES = 16 * 1024

export interface DocumentsParts {
  readonly volumes: Volumes
  readonly routes: ShardRoutes
  readonly plans: QueryPlans
  readonly renewal: IndexRenewal
}

export interface ReadOptions {
  /** `indexed`: BSON if the bucket has indexes, else ids. */
  readonly format: 'bson' | 'json' | 'indexed'
  /** Whether the batch says where its documents are. */
  readonly withMatches?: boolean
  /** Whether this member must serve a shard of the bucket, even if nothing has to be written. */
  readonly needsShard?: boolean
  /** Called when nothing is left to refuse before documents are read. */
  readonly planned: () => void
}

/** A batch of a cursor. */
export interface DoneBatch {
  readonly bucket: Bucket
  readonly batch: ScanBatch
  /** How it was read. */
  readonly run: Run
}

/** A batch of a cursor that writes. */
export interface DoneWrites extends DoneBatch {
  /** Ids of the documents that were written, 12 bytes each. */
  readonly ids: readonly Buffer[]
}

/** Bodies that lie in a volume but belong to nobody yet. */
interface Placed {
  readonly volume: Volume
  /** The volume's epoch before they were appended. */
  readonly epoch: bigint
  readonly locations: Locations
}

export class Documents {
  readonly #volumes: Volumes
  readonly #routes: ShardRoutes
  readonly #plans: QueryPlans
  readonly #renewal: IndexRenewal

  constructor({ volumes, routes, plans, renewal }: DocumentsParts) {
    this.#volumes = volumes
    this.#routes = routes
    this.#plans = plans
    this.#renewal = renewal
  }

  /** Shards of a new bucket that names none: one of those that this member serves, in turn.
   *  @throws RespError ERR No route found for Bucket shard: <id> */
  placeBucket(requested: readonly number[], turn: number): number[] {
    for (const id of requested) {
      if (!this.#routes.shard('BUCKET', id)?.primary) throw noRoute(id)
    }
    if (requested.length > 0) return [...new Set(requested)].sort((a, b) => a - b)
    const local = this.#routes.shards('BUCKET').filter(route => route.local)
    const chosen = local[turn % local.length]
    if (chosen === undefined) throw noRoute(0)
    return [chosen.id]
  }

  /** Inserts all documents or none.
   *  @throws RespError REJECT, DUPLICATEKEY, INDEXTYPE_MISMATCH, … */
  async insert(tx: Tx, bucket: Bucket, insertion: Insertion): Promise<void> {
    const volume = this.#localVolume(bucket)
    volume.checkWritable()
    await this.#renewStale(bucket)
    const { count } = insertion
    const prepared = await insertion.prepareInTurns()
    for (let from = 0; from < count; from += PIECE_DOCUMENTS) {
      const length = Math.min(PIECE_DOCUMENTS, count - from)
      const keys = Array.from({ length }, (_, i) => idAt(prepared, from + i))
      const existing = await Promise.all(keys.map(id => tx.get(primaryKey(bucket.data, id))))
      const taken = existing.findIndex(value => value !== undefined)
      if (taken !== -1) throw duplicateId(keys[taken]!.toString('hex'))
      await yieldTurn()
    }
    const after = { payload: prepared.bodies, ends: endsOf(prepared.lengths) }
    const entries = await IndexWrites.of({ bucket, indexes: this.#plans.indexesOf(bucket), after })
    await entries.check(tx)
    const ids = Array.from({ length: count }, (_, i) => idAt(prepared, i))
    const placed = await insertion.append(volume)
    await this.#store(tx, bucket, { placed, ids, entries })
    tx.add(cardinalityKey(bucket.data, PRIMARY_INDEX.id), count)
  }

  /** Reads the next batch of a cursor. The cursor is moved by `advance`, once the batch counts.
   *  @throws RespError NOSUCHBUCKET, BUCKETBEINGREMOVED, CORRUPTED, ERR query cannot be … */
  async read(tx: Tx, cursor: Cursor, options: ReadOptions): Promise<DoneBatch> {
    const bucket = await openBucket(tx, cursor.namespace, cursor.bucket)
    if (bucket.indexes.some(isStale)) this.#renewal.begin(bucket)
    const { statement, projection } = compiledOf(cursor)
    const isLarge = cursor.filter.length > LARGE_FILTER_BYTES
    if (isLarge) await leaveTurn()
    const run = runOf(cursor, { statement, bucket, plans: this.#plans })
    if (isLarge) await leaveTurn()
    this.#checkReadable(bucket)
    if (options.needsShard === true) this.#localVolume(bucket)
    options.planned()
    const { bound, isTracked, position } = run
    if (bound.ranges.length === 0) return { bucket, run, batch: NO_RESULTS }
    const { resultSort } = cursor
    // INVARIANT: bodies stay beside their matches; only what a client reads gets another order.
    const isFinished =
      options.withMatches === true ||
      (bound.order === 'scan' && projection === null && resultSort === null)
    const request = {
      context: this.#volumes.scanContext,
      ranges: bound.ranges,
      position,
      reverse: bound.reverse,
      filter: programOf(cursor, statement, bucket),
      // Ranges of an index hold what the filter asks for, often no others.
      isBounded: isTracked,
      returned: isTracked ? cursor.returned : null,
      cursor: cursor.id,
      mayRepeat: bound.mayRepeat,
      format: isFinished ? this.#formatOf(options, bucket) : ('bson' as const),
      limit: cursor.limit,
      snapshot: cursor.snapshot,
    }
    try {
      const batch = await scanBatch(tx, request, options.withMatches)
      if (isFinished) return { bucket, run, batch }
      return {
        bucket,
        run,
        batch: await finishBatch(batch, {
          isById: bound.order === 'id',
          projection,
          sort: resultSort && resultSortOf(resultSort, bucket, cursor),
          isJson: options.format === 'json',
        }),
      }
    } catch (cause) {
      if (nativeReason(cause)?.code !== 'UNKNOWN_SHARD') throw cause
      const isMissing = (shard: number) => this.#volumes.find('BUCKET', shard) === undefined
      throw this.#reject(bucket.shards.find(isMissing) ?? 0)
    }
  }

  #formatOf({ format }: ReadOptions, bucket: Bucket): 'bson' | 'json' | 'ids' {
    if (format !== 'indexed') return format
    return this.#plans.indexesOf(bucket).definitions.length > 0 ? 'bson' : 'ids'
  }

  /** How a query would be executed. It is planned, and that plan is not remembered; with
   *  `isAnalyzed` its first batch is read, and the plan may have been remembered for that.
   *  @throws RespError as `read` */
  async explain(tx: Tx, cursor: Cursor, isAnalyzed: boolean): Promise<ExplainMap> {
    const bucket = await openBucket(tx, cursor.namespace, cursor.bucket)
    const { collation } = cursor
    const { bound, isCached } = this.#plans.explain(bucket, compiledOf(cursor).statement, cursor)
    const plan = explainQuery({ root: bound.root, isCached, collation })
    if (!isAnalyzed) return plan
    const startedAt = performance.now()
    let plannedAt = startedAt
    const planned = () => {
      plannedAt = performance.now()
    }
    const { batch } = await this.read(tx, cursor, { format: 'json', planned })
    return {
      ...plan,
      execution: {
        entries_examined: batch.examined,
        documents_read: batch.bodiesRead,
        documents_returned: batch.ends.length,
        planning_us: microseconds(plannedAt - startedAt),
        reading_us: microseconds(batch.scanMs),
        finishing_us: microseconds(performance.now() - plannedAt - batch.scanMs),
      },
    }
  }

  /** Deletes the next batch of a cursor. */
  async delete(tx: Tx, cursor: Cursor, planned: () => void): Promise<DoneWrites> {
    tx.guardCommit(cursor.namespace)
    const done = await this.read(tx, cursor, { format: 'indexed', withMatches: true, planned })
    const { bucket, batch } = done
    await this.#renewStale(bucket)
    const indexes = this.#plans.indexesOf(bucket)
    const entries = await IndexWrites.of({ bucket, indexes, before: batch })
    await this.#release(tx, bucket, batch.matches)
    for (const [i, { id }] of batch.matches.entries()) {
      tx.clear(primaryKey(bucket.data, id))
      if (i % PIECE_DOCUMENTS === 0) await yieldTurn()
    }
    await entries.apply(tx, noPointer)
    const { length: count } = batch.matches
    if (count > 0) tx.add(cardinalityKey(bucket.data, PRIMARY_INDEX.id), -count)
    return { ...done, ids: batch.matches.map(({ id }) => id) }
  }

  /** Updates the next batch of a cursor. @throws RespError of the update, DUPLICATEKEY, … */
  async update(tx: Tx, cursor: Cursor, planned: () => void): Promise<DoneWrites> {
    const update = compiledOf(cursor).update!
    tx.guardCommit(cursor.namespace)
    const options = { format: 'bson', withMatches: true, needsShard: true, planned } as const
    const done = await this.read(tx, cursor, options)
    const { bucket, batch, run } = done
    await this.#renewStale(bucket)
    if (batch.matches.length === 0) {
      // Only a scan that came to its end knows that nothing matches.
      const isUpsert = update.isUpsert && !run.isStarted && batch.isComplete
      return { ...done, ids: isUpsert ? [await this.#upsert(tx, bucket, update)] : [] }
    }
    const after = await applyUpdate(update, batch)
    if (after.ends.length === 0) return { ...done, ids: [] }
    const before = bodiesAt(batch, after.places)
    const indexes = this.#plans.indexesOf(bucket)
    const entries = await IndexWrites.of({ bucket, indexes, before, after })
    await entries.check(tx)
    const matches = Array.from(after.places, place => batch.matches[place]!)
    const ids = matches.map(({ id }) => id)
    const placed = await this.#place(bucket, after)
    await this.#release(tx, bucket, matches)
    await this.#store(tx, bucket, { placed, ids, entries })
    return { ...done, ids }
  }

  async #upsert(tx: Tx, bucket: Bucket, update: UpdateHandle): Promise<Buffer> {
    const insertion = new Insertion([upsertDocument(update)], false)
    await this.insert(tx, bucket, insertion)
    return idAt(insertion.prepare(), 0)
  }

  /** Nobody writes keys into an index whose keys are of another version.
   *  @throws StoreError 1020: there was one, and the transaction has to begin again */
  async #renewStale(bucket: Bucket): Promise<void> {
    if (!bucket.indexes.some(isStale)) return
    await this.#renewal.run(bucket)
    throw storeError('notCommitted')
  }

  /** Appends bodies to a volume of this member. */
  async #place(bucket: Bucket, { payload, ends }: PackedDocuments): Promise<Placed> {
    const volume = this.#localVolume(bucket)
    volume.checkWritable()
    const { epoch } = volume
    const lengths = ends.map((end, i) => end - (i === 0 ? 0 : ends[i - 1]!))
    return { volume, epoch, locations: await volume.append(payload, lengths) }
  }

  /** Makes bodies the documents with the given ids. */
  async #store(
    tx: Tx,
    bucket: Bucket,
    stored: { placed: Placed; ids: readonly Buffer[]; entries: IndexWrites },
  ): Promise<void> {
    const { placed, ids, entries } = stored
    const { volume, epoch, locations } = placed
    const writes = volume.stage(tx)
    if (writes.epoch !== epoch) throw storeError('notCommitted')
    for (const [i, id] of ids.entries()) {
      tx.set(primaryKey(bucket.data, id), pointerOf(volume.shard, locations, i))
      writes.append(bucket.prefix, id, locations, i)
      if (i % PIECE_DOCUMENTS === 0) await yieldTurn()
    }
    await entries.apply(tx, i => pointerOf(volume.shard, locations, i))
  }

  /** Gives up the bodies of documents. */
  async #release(tx: Tx, bucket: Bucket, matches: readonly Match[]): Promise<void> {
    // ORDER: all checks before the first change, so that a refusal leaves an open transaction as it
    // was.
    const writes = matches.map(({ pointer }) => this.#volumeOf(pointer).stage(tx))
    for (const [i, { pointer }] of matches.entries()) {
      const { segment, position, length, crc32c } = pointer
      writes[i]!.release(bucket.prefix, Uint32Array.of(segment, position, length, crc32c), 0)
      if (i % PIECE_DOCUMENTS === 0) await yieldTurn()
    }
  }

  /** Whether all documents of a bucket can be read here.
   *  @throws RespError REJECT, ERR No route found …, ERR shard id: <n> is in INOPERABLE status */
  checkServed(bucket: Bucket): void {
    for (const shard of bucket.shards) {
      if (this.#volumes.find('BUCKET', shard) === undefined) throw this.#reject(shard)
    }
    this.#checkReadable(bucket)
  }

  /** @throws RespError ERR shard id: <n> is in INOPERABLE status, or the volume's text */
  #checkReadable(bucket: Bucket): void {
    for (const shard of bucket.shards) {
      if (this.#routes.shard('BUCKET', shard)?.status === 'INOPERABLE') {
        throw err(`shard id: ${shard} is in INOPERABLE status`)
      }
      this.#volumes.find('BUCKET', shard)?.checkReadable()
    }
  }

  #volumeOf({ shard }: Pointer): Volume {
    const volume = this.#volumes.find('BUCKET', shard)
    if (volume === undefined) throw this.#reject(shard)
    return volume
  }

  /** The volume of the first bucket shard that this member is primary of. */
  #localVolume(bucket: Bucket): Volume {
    for (const shard of bucket.shards) {
      const volume = this.#volumes.find('BUCKET', shard)
      if (volume !== undefined) return volume
    }
    throw this.#reject(bucket.shards[0] ?? 0)
  }

  /** Why a shard is not served here. */
  #reject(shard: number): RespError {
    const route = this.#routes.shard('BUCKET', shard)
    if (route?.local) return err(`Volume: '${volumeName('BUCKET', shard)}' is not open`)
    const address = route?.primaryAddress
    return address ? new RespError('REJECT', `${shard} ${address}`) : noRoute(shard)
  }
}

function compiledOf(cursor: Cursor): Compiled {
  cursor.compiled ??= compile(cursor)
  return cursor.compiled
}

const NO_RESULTS: ScanBatch = {
  payload: Buffer.alloc(0),
  ends: new Uint32Array(),
  matches: [],
  position: undefined,
  isComplete: true,
  examined: 0,
  bodiesRead: 0,
  scanMs: 0,
}

function microseconds(ms: number): number {
  return Math.round(ms * 1_000)
}

/** Of documents that go: no entry points at them. */
function noPointer(): never {
  throw new Error('a document that goes has no pointer')
}

function pointerOf(shard: number, locations: Locations, i: number): Buffer {
  return packPointer({
    shard,
    segment: segmentAt(locations, i),
    position: positionAt(locations, i),
    length: lengthAt(locations, i),
    crc32c: checksumAt(locations, i),
  })
}

function noRoute(shard: number): RespError {
  return err(`No route found for Bucket shard: ${shard}`)
}
