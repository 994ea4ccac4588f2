/**
 * Reads one batch of a cursor: a range of the primary index, then for each chunk of it one native
 * call that reads the bodies, filters and encodes. Nothing is remembered here: the caller moves
 * the cursor once the batch counts.
 */

import { RespError } from '../error.js'
import { type FilterHandle, nativeReason, type ScanContext, type ScanResult } from '../native.js'
import { keyAfter } from '../store/keyspace.js'
import { PackedReader } from '../store/packed-range.js'
import { type Pointer, unpackPointer } from '../store/pointer.js'
import type { Tx } from '../store/tx.js'
import { type MaybePromise, type PackedRange, StreamingMode } from '../store/types.js'

/** What ends a batch early: entries examined, the age of the scan, bytes found. */
const BUDGET_ENTRIES = 50_000
const BUDGET_MS = 4_000
const BUDGET_BYTES = 64 * 1024 * 1024

/** Entries of one range read: grows from the number wanted. With a filter, more than those have
 *  to be read as a rule. */
const CHUNK_FILTERED_MIN = 100
const CHUNK_SECOND = 1_000
const CHUNK_GROWTH = 1.5
const CHUNK_MAX = 10_000

/** Chunks of at most so many entries and bytes of documents are scanned on this thread. */
const INLINE_ENTRIES = 256
const INLINE_BYTES = 1024 * 1024

const ID_BYTES = 12

export interface ScanRequest {
  readonly context: ScanContext
  readonly begin: Buffer
  readonly end: Buffer
  readonly filter: FilterHandle | null
  readonly format: 'bson' | 'json' | 'ids'
  readonly limit: number
  readonly snapshot: boolean
}

/** One document that was found. */
export interface Match {
  /** Its primary key, copied. */
  readonly key: Buffer
  readonly pointer: Pointer
}

export interface ScanBatch {
  /** Results back to back, as `PackedBulks` has them. */
  readonly payload: Buffer
  readonly ends: Uint32Array
  /** Only for format `ids`. */
  readonly matches: readonly Match[]
  /** Where the next batch begins. */
  readonly position: Buffer
}

/** Reads until `limit` documents are found, the range ends, or the budget is used up.
 *  @throws RespError CORRUPTED, and database errors */
export async function scanBatch(tx: Tx, request: ScanRequest): Promise<ScanBatch> {
  const parts: ScanResult[] = []
  const matches: Match[] = []
  const startedAt = performance.now()
  let position = request.begin
  let found = 0
  let foundBytes = 0
  let examined = 0
  let chunk = Math.min(request.limit, CHUNK_MAX)
  if (request.filter !== null) chunk = Math.max(chunk, CHUNK_FILTERED_MIN)
  while (found < request.limit && examined < BUDGET_ENTRIES) {
    const limit = Math.min(chunk, BUDGET_ENTRIES - examined)
    const range = await readChunk(tx, request, position, limit)
    if (range.count === 0) break
    const part = await scanChunk(range, request, request.limit - found)
    parts.push(part)
    if (request.format === 'ids') collectMatches(range, part.matches, matches)
    found += part.ends.length
    foundBytes += part.payload.length
    examined += part.examined
    position = keyAfter(keyAt(range, part.examined - 1))
    if (part.examined === range.count && !range.more) break
    if (foundBytes >= BUDGET_BYTES || performance.now() - startedAt > BUDGET_MS) break
    chunk = Math.min(Math.max(CHUNK_SECOND, Math.floor(chunk * CHUNK_GROWTH)), CHUNK_MAX)
  }
  return { ...joinParts(parts), matches, position }
}

function readChunk(
  tx: Tx,
  request: ScanRequest,
  begin: Buffer,
  limit: number,
): MaybePromise<PackedRange> {
  const { end, snapshot } = request
  // The limit bounds what the read conflicts with, so the mode may fetch all of it.
  return tx.getRange(begin, end, { limit, snapshot, mode: StreamingMode.wantAll })
}

function scanChunk(
  range: PackedRange,
  request: ScanRequest,
  maxResults: number,
): MaybePromise<ScanResult> {
  const { context, filter, format } = request
  const options = { count: range.count, idOffset: -ID_BYTES, format, maxResults }
  try {
    if (isScannedInline(range)) return context.scan(range.data, filter, options)
    return context.scanAsync(range.data, filter, options).catch(cause => {
      throw scanError(cause, range)
    })
  } catch (cause) {
    throw scanError(cause, range)
  }
}

function isScannedInline(range: PackedRange): boolean {
  if (range.count > INLINE_ENTRIES) return false
  let bytes = 0
  const reader = new PackedReader(range)
  while (reader.next()) bytes += unpackPointer(reader.value).length
  return bytes <= INLINE_BYTES
}

/** A document whose bytes are damaged is named by its id; anything else is unexpected here. */
function scanError(cause: unknown, range: PackedRange): unknown {
  const reason = nativeReason(cause)
  if (reason === undefined) return cause
  if (reason.code !== 'DAMAGED' && reason.code !== 'CORRUPTED') return cause
  const index = Number.parseInt(reason.message, 10)
  const id = keyAt(range, index).subarray(-ID_BYTES).toString('hex')
  return new RespError('CORRUPTED', `Document ${id} is damaged`, { cause })
}

/** A view of the key of pair `index`. */
function keyAt(range: PackedRange, index: number): Buffer {
  const reader = new PackedReader(range)
  for (let i = 0; i <= index; i++) reader.next()
  return reader.key
}

/** Copies out the pairs with the given indexes, which ascend. */
function collectMatches(range: PackedRange, indexes: Uint32Array, matches: Match[]): void {
  const reader = new PackedReader(range)
  let at = -1
  for (const index of indexes) {
    for (; at < index; at++) reader.next()
    matches.push({ key: Buffer.from(reader.key), pointer: unpackPointer(reader.value) })
  }
}

function joinParts(parts: readonly ScanResult[]): { payload: Buffer; ends: Uint32Array } {
  const [only] = parts
  if (only === undefined) return { payload: Buffer.alloc(0), ends: new Uint32Array() }
  if (parts.length === 1) return { payload: only.payload, ends: only.ends }
  const ends = new Uint32Array(parts.reduce((total, part) => total + part.ends.length, 0))
  let count = 0
  let base = 0
  for (const part of parts) {
    for (const end of part.ends) ends[count++] = base + end
    base += part.payload.length
  }
  return { payload: Buffer.concat(parts.map(part => part.payload)), ends }
}
