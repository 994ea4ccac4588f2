/**
 * Documents in and out of buckets: insert, query, delete. Each works in a transaction that the
 * caller commits; bodies are appended to the shard's volume before, and become visible with it.
 */

import { err, RespError } from '../error.js'
import { addon, nativeReason, type PreparedDocuments } from '../native.js'
import { cardinalityKey, primaryKey } from '../store/keyspace.js'
import { type Pointer, packPointer } from '../store/pointer.js'
import { storeError } from '../store/store-error.js'
import { yieldTurn } from '../store/turn.js'
import type { Tx } from '../store/tx.js'
import { checksumAt, type Locations, lengthAt, positionAt, segmentAt } from '../volume/locations.js'
import { volumeName } from '../volume/name.js'
import type { ShardRoutes } from '../volume/shard-routes.js'
import type { Volume } from '../volume/volume.js'
import type { Volumes } from '../volume/volumes.js'
import { type Bucket, openBucket } from './buckets.js'
import type { Cursor } from './cursors.js'
import { PRIMARY_INDEX } from './indexes.js'
import { planFilter } from './plan.js'
import { type ScanBatch, scanBatch } from './scan.js'

/** Documents of one INSERT at most. */
export const INSERT_LIMIT = 65_535

const ID_BYTES = 12

/** A large INSERT or DELETE is worked on in pieces, so that other connections get their turn: of so
 *  many documents, and, where their bytes count, of so many bytes. */
const PIECE_DOCUMENTS = 256
const PIECE_BYTES = 256 * 1024

/** Refusals that concern a document of the user's. */
const DOCUMENT_CODES: ReadonlySet<string> = new Set([
  'INVALID_JSON',
  'INVALID_BSON',
  'ID_TYPE',
  'TOO_DEEP',
  'TOO_LARGE',
])

export interface DocumentsParts {
  readonly volumes: Volumes
  readonly routes: ShardRoutes
}

export interface ReadOptions {
  readonly format: 'bson' | 'json' | 'ids'
  /** Whether the batch says where its documents are. */
  readonly withMatches?: boolean
  readonly planned: () => void
}

/** What a batch of a cursor has, and the bucket that it comes from. */
export interface DoneBatch {
  readonly bucket: Bucket
  readonly batch: ScanBatch
}

interface Appended {
  readonly volume: Volume
  /** The volume's epoch before the bodies were appended. */
  readonly epoch: bigint
  readonly locations: Locations
}

/**
 * Documents on their way in. A transaction that is retried goes on with what the attempt before it
 * found out: the same ids, and bodies that are appended once.
 */
export class Insertion {
  readonly #documents: Buffer[]
  readonly #isJson: boolean
  #prepared: PreparedDocuments | undefined
  #appended: Appended | undefined

  /** @param documents  borrowed until the insertion is over */
  constructor(documents: Buffer[], isJson: boolean) {
    this.#documents = documents
    this.#isJson = isJson
  }

  get count(): number {
    return this.#documents.length
  }

  /** The documents, converted and checked, each with its `_id`.
   *  @throws RespError ERR _id field must be of type ObjectId, DUPLICATEKEY, ERR <parser text> */
  prepare(): PreparedDocuments {
    this.#prepared ??= checked(joinPieces([...this.#pieces()]))
    return this.#prepared
  }

  /** As `prepare`, with turns for others in between. */
  async prepareInTurns(): Promise<PreparedDocuments> {
    if (this.#prepared === undefined) {
      const pieces: PreparedDocuments[] = []
      for (const piece of this.#pieces()) {
        pieces.push(piece)
        await yieldTurn()
      }
      this.#prepared = checked(joinPieces(pieces))
    }
    return this.#prepared
  }

  *#pieces(): Generator<PreparedDocuments> {
    if (this.count > INSERT_LIMIT) throw err('too many entries in a single transaction')
    for (let from = 0; from < this.count; ) {
      const to = endOfPiece(this.#documents, from)
      yield prepare(this.#documents.slice(from, to), this.#isJson)
      from = to
    }
  }

  /** Where the bodies lie. They are written again when the volume was opened again meanwhile:
   *  another primary may have used their places. */
  async append(volume: Volume): Promise<Appended> {
    const { epoch } = volume
    if (this.#appended?.volume !== volume || this.#appended.epoch !== epoch) {
      const { bodies, lengths } = this.prepare()
      this.#appended = { volume, epoch, locations: await volume.append(bodies, lengths) }
    }
    return this.#appended
  }
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
    const { count } = insertion
    const prepared = await insertion.prepareInTurns()
    const keyAt = (i: number) => primaryKey(bucket.data, idAt(prepared, i))
    for (let from = 0; from < count; from += PIECE_DOCUMENTS) {
      const length = Math.min(PIECE_DOCUMENTS, count - from)
      const existing = await Promise.all(Array.from({ length }, (_, i) => tx.get(keyAt(from + i))))
      const taken = existing.findIndex(value => value !== undefined)
      if (taken !== -1) throw duplicateId(idAt(prepared, from + taken).toString('hex'))
      await yieldTurn()
    }
    const { epoch, locations } = await insertion.append(volume)
    const writes = volume.stage(tx)
    if (writes.epoch !== epoch) throw storeError('notCommitted')
    for (let i = 0; i < count; i++) {
      tx.set(keyAt(i), pointerOf(volume.shard, locations, i))
      writes.append(bucket.prefix, idAt(prepared, i), locations, i)
      if (i % PIECE_DOCUMENTS === 0) await yieldTurn()
    }
    tx.add(cardinalityKey(bucket.data, PRIMARY_INDEX.id), count)
  }

  /** Reads the next batch of a cursor. The cursor is moved by `advance`, once the batch counts.
   *  @param planned  called when nothing is left to refuse before documents are read
   *  @throws RespError NOSUCHBUCKET, BUCKETBEINGREMOVED, CORRUPTED, … */
  async read(
    tx: Tx,
    cursor: Cursor,
    { format, withMatches, planned }: ReadOptions,
  ): Promise<DoneBatch> {
    const bucket = await openBucket(tx, cursor.namespace, cursor.bucket)
    const plan = planFilter(cursor.filter, bucket.data)
    this.#checkReadable(bucket)
    planned()
    if (plan.kind === 'nothing') return { bucket, batch: NO_RESULTS }
    const request = {
      context: this.#volumes.scanContext,
      ranges: [plan],
      position: cursor.bucketUuid === bucket.uuid ? cursor.position : undefined,
      reverse: false,
      filter: cursor.program,
      seen: null,
      mayRepeat: false,
      format,
      limit: cursor.limit,
      snapshot: cursor.snapshot,
    }
    try {
      return { bucket, batch: await scanBatch(tx, request, withMatches) }
    } catch (cause) {
      if (nativeReason(cause)?.code !== 'UNKNOWN_SHARD') throw cause
      const isMissing = (shard: number) => this.#volumes.find('BUCKET', shard) === undefined
      throw this.#reject(bucket.shards.find(isMissing) ?? 0)
    }
  }

  /** Deletes the next batch of a cursor. */
  async delete(tx: Tx, cursor: Cursor, planned: () => void): Promise<DoneBatch> {
    tx.guardCommit(cursor.namespace)
    const done = await this.read(tx, cursor, { format: 'ids', withMatches: true, planned })
    const { bucket, batch } = done
    // ORDER: all checks before the first change, so that a refusal leaves an open transaction as it
    // was.
    const writes = batch.matches.map(({ pointer }) => this.#volumeOf(pointer).stage(tx))
    for (const [i, { id, pointer }] of batch.matches.entries()) {
      tx.clear(primaryKey(bucket.data, id))
      const { segment, position, length, crc32c } = pointer
      writes[i]!.release(bucket.prefix, Uint32Array.of(segment, position, length, crc32c), 0)
      if (i % PIECE_DOCUMENTS === 0) await yieldTurn()
    }
    const { length: count } = batch.matches
    if (count > 0) tx.add(cardinalityKey(bucket.data, PRIMARY_INDEX.id), -count)
    return done
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

/** Moves a cursor behind a batch that counts. */
export function advance(cursor: Cursor, { bucket, batch }: DoneBatch): void {
  if (batch.position === undefined) return
  cursor.bucketUuid = bucket.uuid
  cursor.position = batch.position
}

const NO_RESULTS: ScanBatch = {
  payload: Buffer.alloc(0),
  ends: new Uint32Array(),
  matches: [],
  position: undefined,
  isComplete: true,
}

function prepare(documents: Buffer[], isJson: boolean): PreparedDocuments {
  try {
    return addon.prepareInsert(documents, isJson)
  } catch (cause) {
    const reason = nativeReason(cause)
    if (reason === undefined || !DOCUMENT_CODES.has(reason.code)) throw cause
    throw err(reason.message, { cause })
  }
}

/** @throws RespError DUPLICATEKEY when an `_id` comes twice */
function checked(prepared: PreparedDocuments): PreparedDocuments {
  const seen = new Set<string>()
  for (let i = 0; i < prepared.lengths.length; i++) {
    const id = idAt(prepared, i).toString('hex')
    if (seen.has(id)) throw duplicateId(id)
    seen.add(id)
  }
  return prepared
}

/** End of the run of documents from `from` on that is converted at once; one at least. */
function endOfPiece(documents: readonly Buffer[], from: number): number {
  let bytes = documents[from]!.length
  let to = from + 1
  while (to < documents.length && to - from < PIECE_DOCUMENTS) {
    bytes += documents[to]!.length
    if (bytes > PIECE_BYTES) break
    to++
  }
  return to
}

function joinPieces(pieces: readonly PreparedDocuments[]): PreparedDocuments {
  const [only] = pieces
  if (only !== undefined && pieces.length === 1) return only
  const lengths = new Uint32Array(pieces.reduce((total, piece) => total + piece.lengths.length, 0))
  let count = 0
  for (const piece of pieces) {
    lengths.set(piece.lengths, count)
    count += piece.lengths.length
  }
  return {
    bodies: Buffer.concat(pieces.map(piece => piece.bodies)),
    ids: Buffer.concat(pieces.map(piece => piece.ids)),
    lengths,
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
