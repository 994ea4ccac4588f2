/**
 * Reads one batch of a cursor: ranges of index entries, then for each chunk of one a native call
 * that reads the bodies, filters and encodes. Nothing is remembered here: the caller moves the
 * cursor once the batch counts.
 */

import { RespError } from '../error.js'
import {
  type FilterHandle,
  type IdSets,
  nativeReason,
  type ScanContext,
  type ScanResult,
} from '../native.js'
import { type KeyRange, keyAfter } from '../store/keyspace.js'
import { PackedReader } from '../store/packed-range.js'
import { type Pointer, unpackPointer } from '../store/pointer.js'
import { yieldTurn } from '../store/turn.js'
import type { Tx } from '../store/tx.js'
import { type MaybePromise, type PackedRange, StreamingMode } from '../store/types.js'

/** What ends a batch early: entries examined, the age of the scan, bytes found. */
const BUDGET_ENTRIES = 50_000
const BUDGET_MS = 4_000
const BUDGET_BYTES = 64 * 1024 * 1024

/** Entries of one range read: as many as are still wanted, and with a filter as many more as the
 *  ones so far let expect; while it finds nothing, more and more. */
const CHUNK_MARGIN = 1.2
const CHUNK_FILTERED_MIN = 100
const CHUNK_SECOND = 1_000
const CHUNK_GROWTH = 1.5
const CHUNK_MAX = 10_000

/** Chunks of at most so many entries and bytes of documents are scanned on this thread. */
const INLINE_ENTRIES = 512
const INLINE_BYTES = 1024 * 1024

const ID_BYTES = 12

/** How far a cursor came. */
export interface Position {
  /** Index of the range. */
  readonly range: number
  /** Where it goes on: no later key is below it, or above it where the range is read backwards. */
  readonly key: Buffer
}

export interface ScanRequest {
  readonly context: ScanContext
  /** Read one behind the other. */
  readonly ranges: readonly KeyRange[]
  /** Undefined = the start. */
  readonly position: Position | undefined
  /** Each range from its end. */
  readonly reverse: boolean
  readonly filter: FilterHandle | null
  /** Whether most entries of the ranges are of documents that match. */
  readonly isBounded: boolean
  /** Knows what the cursor has returned and must not return again; null: it meets nothing twice. */
  readonly returned: IdSets | null
  /** Under what id it is known there. */
  readonly cursor: number
  /** Whether one document may have several entries in the ranges; needs `returned`. */
  readonly mayRepeat: boolean
  readonly format: 'bson' | 'json' | 'ids'
  readonly limit: number
  readonly snapshot: boolean
}

/** One document that was found. */
export interface Match {
  /** Its `_id`: 12 bytes, copied. */
  readonly id: Buffer
  readonly pointer: Pointer
}

export interface ScanBatch {
  /** Results back to back, as `PackedBulks` has them. */
  readonly payload: Buffer
  readonly ends: Uint32Array
  /** Only if they were asked for. */
  readonly matches: readonly Match[]
  /** Where the next batch begins; undefined when nothing can match. */
  readonly position: Position | undefined
  /** Whether all ranges were read to their end. */
  readonly isComplete: boolean
  /** Entries that were read, those passed over included. */
  readonly examined: number
  /** Bodies that were read. */
  readonly bodiesRead: number
  /** How long it took. */
  readonly scanMs: number
}

/** Reads until `limit` documents are found, the ranges end, or the budget is used up. A read that
 *  may conflict does so with the entries that were examined, and no others.
 *  @param withMatches  whether the batch says where its documents are
 *  @throws RespError CORRUPTED, and database errors */
export async function scanBatch(
  tx: Tx,
  request: ScanRequest,
  withMatches = false,
): Promise<ScanBatch> {
  const scan = new Scan(tx, request, withMatches)
  request.returned?.begin(request.cursor)
  for (;;) {
    await scan.step()
    if (!scan.isGoingOn) break
    await yieldTurn()
  }
  return scan.finish()
}

class Scan {
  readonly #tx: Tx
  readonly #request: ScanRequest
  readonly #withMatches: boolean
  readonly #parts: ScanResult[] = []
  readonly #matches: Match[] = []
  readonly #startedAt = performance.now()
  #range: number
  /** The part of the range that is not examined yet. */
  #rest: KeyRange
  #isComplete = false
  #found = 0
  #foundBytes = 0
  #examined = 0
  #bodiesRead = 0
  #chunk: number

  constructor(tx: Tx, request: ScanRequest, withMatches: boolean) {
    this.#tx = tx
    this.#request = request
    this.#withMatches = withMatches
    const { ranges, position, reverse } = request
    this.#range = position?.range ?? 0
    const range = ranges[this.#range]!
    this.#rest = position === undefined ? range : cut(range, position.key, reverse)
    const chunk = Math.min(request.limit, CHUNK_MAX)
    const isSelective = request.filter === null || request.isBounded
    this.#chunk = isSelective ? chunk : Math.max(chunk, CHUNK_FILTERED_MIN)
  }

  get isGoingOn(): boolean {
    return (
      !this.#isComplete &&
      this.#found < this.#request.limit &&
      this.#examined < BUDGET_ENTRIES &&
      this.#foundBytes < BUDGET_BYTES &&
      (this.#examined === 0 || performance.now() - this.#startedAt <= BUDGET_MS)
    )
  }

  /** Reads the next chunk of the range, and moves on. */
  async step(): Promise<void> {
    const { limit: wanted, ranges, reverse, snapshot } = this.#request
    const { begin, end } = this.#rest
    const limit = Math.min(this.#chunk, BUDGET_ENTRIES - this.#examined)
    const options = { limit, reverse, snapshot: true, mode: StreamingMode.wantAll }
    const read = await this.#tx.getRange(begin, end, options)
    let isEnd = !read.more
    if (read.count > 0) {
      const part = await scanChunk(read, this.#request, wanted - this.#found)
      this.#add(read, part)
      isEnd &&= part.examined === read.count
      this.#rest = cut(this.#rest, nextKey(read, part, reverse), reverse)
    }
    if (!snapshot) this.#addConflict({ begin, end }, isEnd)
    if (!isEnd) return
    if (this.#range === ranges.length - 1) this.#isComplete = true
    else this.#rest = ranges[++this.#range]!
  }

  finish(): ScanBatch {
    const key = this.#request.reverse ? this.#rest.end : this.#rest.begin
    const { payload, ends } = joinParts(this.#parts)
    return {
      payload,
      ends,
      matches: this.#matches,
      position: { range: this.#range, key },
      isComplete: this.#isComplete,
      examined: this.#examined,
      bodiesRead: this.#bodiesRead,
      scanMs: performance.now() - this.#startedAt,
    }
  }

  #add(read: PackedRange, part: ScanResult): void {
    this.#parts.push(part)
    if (this.#withMatches) collectMatches(read, part.matches, this.#matches)
    this.#found += part.ends.length
    this.#foundBytes += part.payload.length
    this.#examined += part.examined
    this.#bodiesRead += part.bodiesRead
    this.#chunk = this.#nextChunk()
  }

  /** Conflicts with changes of what was examined, the gaps in between included. */
  #addConflict(before: KeyRange, isEnd: boolean): void {
    if (isEnd) this.#tx.addReadConflictRange(before.begin, before.end)
    else if (this.#request.reverse) this.#tx.addReadConflictRange(this.#rest.end, before.end)
    else this.#tx.addReadConflictRange(before.begin, this.#rest.begin)
  }

  #nextChunk(): number {
    const missing = this.#request.limit - this.#found
    const expected = Math.ceil((missing * this.#examined * CHUNK_MARGIN) / this.#found)
    const growing = Math.max(CHUNK_SECOND, Math.floor(this.#chunk * CHUNK_GROWTH))
    return Math.max(1, Math.min(expected, growing, CHUNK_MAX))
  }
}

/** What of a range comes behind a bound. */
function cut(range: KeyRange, bound: Buffer, reverse: boolean): KeyRange {
  return reverse ? { begin: range.begin, end: bound } : { begin: bound, end: range.end }
}

/** The bound behind the last entry that was examined. */
function nextKey({ data }: PackedRange, part: ScanResult, reverse: boolean): Buffer {
  const key = data.subarray(part.keyStart, part.keyEnd)
  return reverse ? Buffer.from(key) : keyAfter(key)
}

function scanChunk(
  range: PackedRange,
  request: ScanRequest,
  maxResults: number,
): MaybePromise<ScanResult> {
  const { context, filter, returned, cursor, format, mayRepeat } = request
  const { data, count } = range
  const options = { count, idOffset: -ID_BYTES, format, maxResults, mayRepeat, cursor }
  try {
    if (count <= INLINE_ENTRIES) {
      const result = context.scan(data, filter, returned, options, INLINE_BYTES)
      if (result !== null) return result
    }
    return context.scanAsync(data, filter, returned, options).catch(cause => {
      throw scanError(cause, range)
    })
  } catch (cause) {
    throw scanError(cause, range)
  }
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
    const id = Buffer.from(reader.key.subarray(-ID_BYTES))
    matches.push({ id, pointer: unpackPointer(reader.value) })
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
