/**
 * What writes of documents do to the entries of their bucket's indexes. Keys come from the
 * documents as they were and as they become (`native/document`), so that nothing has to be stored
 * about what a document has in an index.
 */

import { RespError } from '../../error.js'
import { addon, type IndexSet, type KeyChanges, nativeReason } from '../../native.js'
import { cardinalityKey, indexPrefix, prefixRange } from '../../store/keyspace.js'
import { PackedReader } from '../../store/packed-range.js'
import { yieldTurn } from '../../store/turn.js'
import type { Tx } from '../../store/tx.js'
import { type Bodies, bodyAt, sliceOf } from '../bodies.js'
import { type Bucket, changeBucket } from '../buckets.js'
import { collatorOf } from '../language/collation.js'
import { type IndexDefinition, MAINTAINED } from './indexes.js'

const ID_BYTES = 12
/** Documents whose keys are found in one turn of the event loop, and of how many bytes. */
const PIECE_DOCUMENTS = 256
const PIECE_BYTES = 256 * 1024
/** Entries that are written in one turn. */
const PIECE_ENTRIES = 1_024

/** Of `KeyChanges.kinds`. */
const CLEARED = 0
const ADDED = 1
export const EMPTY_ARRAY = 4
/** Of `KeyChanges.flags`. */
const HAS_ARRAYS = 1
const HAS_SKIPPED = 2

/** The indexes of a bucket that are written, compiled. */
export interface CompiledIndexes {
  /** In the order in which `set` counts them. */
  readonly definitions: readonly IndexDefinition[]
  readonly set: IndexSet
}

/** By the definitions of a bucket, which stay the same array as long as its record does. */
const compiled = new WeakMap<readonly IndexDefinition[], CompiledIndexes>()

/** @param isStrict  of the member: a value of another type refuses the write */
export function compileIndexes(bucket: Bucket, isStrict: boolean): CompiledIndexes {
  const known = compiled.get(bucket.indexes)
  if (known !== undefined) return known
  const definitions = bucket.indexes.filter(({ status }) => MAINTAINED.has(status))
  const made = compile(bucket, definitions, isStrict)
  compiled.set(bucket.indexes, made)
  return made
}

/** Compiles some of a bucket's indexes, for one use. */
export function compile(
  bucket: Bucket,
  definitions: readonly IndexDefinition[],
  isStrict: boolean,
): CompiledIndexes {
  const set = new addon.IndexSet(
    definitions.map(({ id, name, kind, fields, collation }) => ({
      name,
      prefix: indexPrefix(bucket.data, id),
      fields: [...fields],
      compound: kind === 'compound',
      strict: isStrict,
      ...(collation === null ? {} : { collator: collatorOf(collation) }),
    })),
  )
  return { definitions, set }
}

/** Entries of one piece of the documents. */
interface Piece {
  /** Its first document. */
  readonly from: number
  readonly changes: KeyChanges
}

/** The change of one entry. */
interface Change {
  readonly key: Buffer
  /** Of the write. */
  readonly document: number
  /** Place of the index. */
  readonly index: number
  readonly isCleared: boolean
  readonly isAdded: boolean
  /** Stands for an empty array, which is not subject to uniqueness. */
  readonly isEmptyArray: boolean
}

export interface IndexWriteParts {
  readonly bucket: Bucket
  readonly indexes: CompiledIndexes
  /** The documents as they are; absent when they are new. */
  readonly before?: Bodies
  /** As they become, in the same order; absent when they go. */
  readonly after?: Bodies
}

/** The entries of documents that one command writes. */
export class IndexWrites {
  readonly #parts: IndexWriteParts
  readonly #pieces: readonly Piece[]

  private constructor(parts: IndexWriteParts, pieces: readonly Piece[]) {
    this.#parts = parts
    this.#pieces = pieces
  }

  /** Finds the entries. @throws RespError INDEXTYPE_MISMATCH, KEY_TOO_LARGE */
  static async of(parts: IndexWriteParts): Promise<IndexWrites> {
    const { before, after, indexes } = parts
    const pieces: Piece[] = []
    const count = (after ?? before)!.ends.length
    if (indexes.definitions.length === 0) return new IndexWrites(parts, pieces)
    for (let from = 0; from < count; from += PIECE_DOCUMENTS) {
      const to = Math.min(from + PIECE_DOCUMENTS, count)
      const old = before && sliceOf(before, from, to)
      const next = after && sliceOf(after, from, to)
      pieces.push({ from, changes: await changesOf(indexes, old, next) })
      if (to < count) await yieldTurn()
    }
    return new IndexWrites(parts, pieces)
  }

  /** Bytes of the keys of all entries. */
  get keyBytes(): number {
    return this.#pieces.reduce((total, { changes }) => total + changes.keys.length, 0)
  }

  /** @throws RespError DUPLICATEKEY when a value of a unique index is another document's, among
   *          those that are stored and those of this write */
  async check(tx: Tx): Promise<void> {
    const { definitions } = this.#parts.indexes
    if (!definitions.some(({ unique }) => unique)) return
    const cleared = new Set<string>()
    for (const change of this.#changes()) {
      if (change.isCleared) cleared.add(change.key.toString('latin1'))
    }
    const owners = new Map<string, number>()
    let sinceTurn = 0
    for (const change of this.#changes()) {
      if (change.isCleared || change.isEmptyArray || !definitions[change.index]!.unique) continue
      const value = change.key.subarray(0, -ID_BYTES)
      const text = value.toString('latin1')
      const owner = owners.get(text)
      if (owner !== undefined && owner !== change.document) throw this.#duplicate(change)
      owners.set(text, change.document)
      if (change.isAdded && (await isTaken(tx, change.key, cleared))) throw this.#duplicate(change)
      if (++sinceTurn % PIECE_DOCUMENTS === 0) await yieldTurn()
    }
  }

  /** Writes the entries, their counters, and what the definitions have to say of them.
   *  @param pointerOf  the pointer to a document as it becomes */
  async apply(tx: Tx, pointerOf: (document: number) => Buffer): Promise<void> {
    const { indexes } = this.#parts
    const deltas = indexes.definitions.map(() => 0)
    let sinceTurn = 0
    for (const change of this.#changes()) {
      const { key, index, isCleared } = change
      let { isAdded } = change
      let isThere = !isAdded
      if (isThere && indexes.definitions[index]!.status !== 'READY') {
        // The build may not have come to this document yet.
        isThere = (await tx.get(key)) !== undefined
        isAdded = !isThere
      }
      if (isCleared) {
        if (isThere) deltas[index]!--
        tx.clear(key)
      } else {
        if (isAdded) deltas[index]!++
        tx.set(key, pointerOf(change.document))
      }
      if (++sinceTurn % PIECE_ENTRIES === 0) await yieldTurn()
    }
    this.#count(tx, deltas)
    this.#noteFlags(tx)
  }

  /** As `apply`, for documents that were there before the indexes: entries that writers have made
   *  meanwhile stay as they are.
   *  @returns the bucket with what its definitions say then */
  async fill(tx: Tx, pointerOf: (document: number) => Buffer): Promise<Bucket> {
    const deltas = this.#parts.indexes.definitions.map(() => 0)
    const changes = [...this.#changes()]
    for (let from = 0; from < changes.length; from += PIECE_ENTRIES) {
      const piece = changes.slice(from, from + PIECE_ENTRIES)
      const existing = await Promise.all(piece.map(({ key }) => tx.get(key)))
      for (const [i, { key, index, document }] of piece.entries()) {
        if (existing[i] !== undefined) continue
        deltas[index]!++
        tx.set(key, pointerOf(document))
      }
      await yieldTurn()
    }
    this.#count(tx, deltas)
    return this.#noteFlags(tx)
  }

  #count(tx: Tx, deltas: readonly number[]): void {
    const { bucket, indexes } = this.#parts
    for (const [i, delta] of deltas.entries()) {
      if (delta !== 0) tx.add(cardinalityKey(bucket.data, indexes.definitions[i]!.id), delta)
    }
  }

  /** The definitions say from now on that documents have arrays, or values without an entry. */
  #noteFlags(tx: Tx): Bucket {
    const { bucket, indexes } = this.#parts
    const flags = new Map<bigint, number>()
    for (const { changes } of this.#pieces) {
      for (const [i, { id }] of indexes.definitions.entries()) {
        flags.set(id, (flags.get(id) ?? 0) | changes.flags[i]!)
      }
    }
    let isChanged = false
    const noted = bucket.indexes.map(index => {
      const flag = flags.get(index.id) ?? 0
      const hasArrays = index.hasArrays || (flag & HAS_ARRAYS) !== 0
      const hasSkipped = index.hasSkipped || (flag & HAS_SKIPPED) !== 0
      if (hasArrays === index.hasArrays && hasSkipped === index.hasSkipped) return index
      isChanged = true
      return { ...index, hasArrays, hasSkipped }
    })
    return isChanged ? changeBucket(tx, bucket, { indexes: noted }) : bucket
  }

  *#changes(): Generator<Change> {
    for (const { from, changes } of this.#pieces) {
      const { keys, ends, documents, indexes, kinds } = changes
      let start = 0
      for (let i = 0; i < ends.length; i++) {
        const kind = kinds[i]!
        const change = kind & ~EMPTY_ARRAY
        yield {
          key: keys.subarray(start, ends[i]),
          document: from + documents[i]!,
          index: indexes[i]!,
          isCleared: change === CLEARED,
          isAdded: change === ADDED,
          isEmptyArray: kind !== change,
        }
        start = ends[i]!
      }
    }
  }

  #duplicate({ index, document, key }: Change): RespError {
    const { indexes, after } = this.#parts
    return keyError(indexes.set.duplicate(index, bodyAt(after!, document), key))
  }
}

/** Is the value of an entry another document's, apart from entries that go? */
async function isTaken(tx: Tx, key: Buffer, cleared: ReadonlySet<string>): Promise<boolean> {
  const { begin, end } = prefixRange(key.subarray(0, -ID_BYTES))
  const reader = new PackedReader(await tx.getRangeAll(begin, end))
  while (reader.next()) {
    if (!reader.key.equals(key) && !cleared.has(reader.key.toString('latin1'))) return true
  }
  return false
}

/** Of large documents off the event loop. */
async function changesOf(
  { set }: CompiledIndexes,
  before: Bodies | undefined,
  after: Bodies | undefined,
): Promise<KeyChanges> {
  const bytes = Math.max(before?.payload.length ?? 0, after?.payload.length ?? 0)
  try {
    if (bytes > PIECE_BYTES) {
      return await set.changesAsync(before?.payload, before?.ends, after?.payload, after?.ends)
    }
    return set.changes(before?.payload, before?.ends, after?.payload, after?.ends)
  } catch (cause) {
    const reason = nativeReason(cause)
    if (reason?.code === 'KEY_TOO_LARGE' || reason?.code === 'INDEX_TYPE') {
      throw keyError(reason.message)
    }
    throw cause
  }
}

/** An error whose text begins with its prefix. */
function keyError(text: string): RespError {
  const end = text.indexOf(' ')
  return new RespError(text.slice(0, end), text.slice(end + 1))
}
