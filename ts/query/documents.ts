/**
 * Documents in and out of buckets: insert, query, delete. Each works in a transaction that the
 * caller commits; bodies are appended to the shard's volume before, and become visible with it.
 */

import { err, RespError } from '../error.js'
import { addon, nativeReason, type PreparedDocuments } from '../native.js'
import { primaryKey } from '../store/keyspace.js'
import { packPointer } from '../store/pointer.js'
import type { Tx } from '../store/tx.js'
import { checksumAt, type Locations, lengthAt, positionAt, segmentAt } from '../volume/locations.js'
import type { ShardRoutes } from '../volume/shard-routes.js'
import type { Volume } from '../volume/volume.js'
import type { Volumes } from '../volume/volumes.js'
import { type Bucket, openBucket } from './buckets.js'
import type { Cursor } from './cursors.js'
import { planFilter } from './plan.js'
import { type Match, type ScanBatch, scanBatch } from './scan.js'

/** Documents of one INSERT at most. */
export const INSERT_LIMIT = 65_535

const ID_BYTES = 12

export interface DocumentsParts {
  readonly volumes: Volumes
  readonly routes: ShardRoutes
}

export interface ReadOptions {
  readonly format: 'bson' | 'json' | 'ids'
  readonly planned: () => void
}

/** Documents on their way in: converted, checked, and appended at most once. */
export interface Insertion {
  readonly prepared: PreparedDocuments
  readonly count: number
  /** Where the bodies lie, once they do; a retried transaction does not append them again. */
  appended: { readonly volume: Volume; readonly locations: Locations } | undefined
}

/** Converts and checks documents, and gives each its `_id`.
 *  @throws RespError ERR _id field must be of type ObjectId, DUPLICATEKEY, ERR <parser text> */
export function prepareInsertion(documents: Buffer[], isJson: boolean): Insertion {
  if (documents.length > INSERT_LIMIT) {
    throw err('too many entries in a single transaction')
  }
  const prepared = prepare(documents, isJson)
  const seen = new Set<string>()
  for (let i = 0; i < documents.length; i++) {
    const id = idAt(prepared, i).toString('hex')
    if (seen.has(id)) throw duplicateId(id)
    seen.add(id)
  }
  return { prepared, count: documents.length, appended: undefined }
}

export class Documents {
  readonly #volumes: Volumes
  readonly #routes: ShardRoutes

  constructor(parts: DocumentsParts) {
    this.#volumes = parts.volumes
    this.#routes = parts.routes
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

  /** Inserts all documents or none. @throws RespError REJECT, DUPLICATEKEY, … */
  async insert(tx: Tx, bucket: Bucket, insertion: Insertion): Promise<void> {
    const volume = this.#localVolume(bucket)
    volume.checkWritable()
    const { prepared, count } = insertion
    const keys = Array.from({ length: count }, (_, i) => {
      return primaryKey(bucket.data, idAt(prepared, i))
    })
    const existing = await Promise.all(keys.map(key => tx.get(key)))
    const taken = existing.findIndex(value => value !== undefined)
    if (taken !== -1) throw duplicateId(idAt(prepared, taken).toString('hex'))
    insertion.appended ??= {
      volume,
      locations: await volume.append(prepared.bodies, prepared.lengths),
    }
    const { locations } = insertion.appended
    const writes = insertion.appended.volume.stage(tx)
    for (let i = 0; i < count; i++) {
      tx.set(keys[i]!, pointerOf(volume.shard, locations, i))
      writes.append(bucket.prefix, idAt(prepared, i), locations, i)
    }
  }

  /** Reads the next batch of a cursor. The cursor is moved by `advance`, once the batch counts.
   *  @param planned  called when nothing is left to refuse before documents are read
   *  @throws RespError NOSUCHBUCKET, BUCKETBEINGREMOVED, CORRUPTED, … */
  async read(
    tx: Tx,
    cursor: Cursor,
    { format, planned }: ReadOptions,
  ): Promise<{ bucket: Bucket; batch: ScanBatch }> {
    const bucket = await openBucket(tx, cursor.namespace, cursor.bucket)
    const plan = planFilter(cursor.filter, bucket.data)
    planned()
    if (plan.kind === 'nothing') return { bucket, batch: NO_RESULTS }
    const isResumed = cursor.bucketUuid === bucket.uuid && cursor.position !== undefined
    const batch = await scanBatch(tx, {
      context: this.#volumes.scanContext,
      begin: isResumed ? cursor.position! : plan.begin,
      end: plan.end,
      filter: cursor.program,
      format,
      limit: cursor.limit,
      snapshot: cursor.snapshot,
    })
    return { bucket, batch }
  }

  /** Deletes the next batch of a cursor. */
  async delete(
    tx: Tx,
    cursor: Cursor,
    planned: () => void,
  ): Promise<{ bucket: Bucket; batch: ScanBatch }> {
    const { bucket, batch } = await this.read(tx, cursor, { format: 'ids', planned })
    for (const match of batch.matches) this.#deleteOne(tx, bucket, match)
    return { bucket, batch }
  }

  #deleteOne(tx: Tx, bucket: Bucket, { key, pointer }: Match): void {
    const volume = this.#volumes.find('BUCKET', pointer.shard)
    if (volume === undefined) throw this.#reject(pointer.shard)
    tx.clear(key)
    const { segment, position, length, crc32c } = pointer
    const location = Uint32Array.of(segment, position, length, crc32c)
    volume.stage(tx).release(bucket.prefix, location, 0)
  }

  /** The volume of the first bucket shard that this member is primary of. */
  #localVolume(bucket: Bucket): Volume {
    for (const shard of bucket.shards) {
      const volume = this.#volumes.find('BUCKET', shard)
      if (volume !== undefined) return volume
    }
    throw this.#reject(bucket.shards[0] ?? 0)
  }

  #reject(shard: number): RespError {
    const address = this.#routes.shard('BUCKET', shard)?.primaryAddress
    return address ? new RespError('REJECT', `${shard} ${address}`) : noRoute(shard)
  }
}

/** Moves a cursor behind a batch that counts. */
export function advance(cursor: Cursor, done: { bucket: Bucket; batch: ScanBatch }): void {
  if (done.batch.position.length === 0) return
  cursor.bucketUuid = done.bucket.uuid
  cursor.position = done.batch.position
}

const NO_RESULTS: ScanBatch = {
  payload: Buffer.alloc(0),
  ends: new Uint32Array(),
  matches: [],
  position: Buffer.alloc(0),
}

function prepare(documents: Buffer[], isJson: boolean): PreparedDocuments {
  try {
    return addon.prepareInsert(documents, isJson)
  } catch (cause) {
    throw err(nativeReason(cause)?.message ?? 'the document is malformed', { cause })
  }
}

function idAt(prepared: PreparedDocuments, i: number): Buffer {
  return prepared.ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES)
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

function duplicateId(hex: string): RespError {
  return new RespError('DUPLICATEKEY', `Duplicate key: _id '${hex}'`)
}

function noRoute(shard: number): RespError {
  return err(`No route found for Bucket shard: ${shard}`)
}
