/**
 * BUCKET.INDEX VERIFY: are the indexes of a bucket what its documents say?
 *
 * First all documents are looked for in the indexes, then all entries in the documents, then the
 * counters are compared. Each batch is a transaction, so a document and its entries are seen at one
 * moment, whoever writes meanwhile.
 */

import { RespError } from '../../error.js'
import type { ScanContext } from '../../native.js'
import {
  indexPrefix,
  type KeyRange,
  keyAfter,
  prefixRange,
  primaryKey,
  primaryPrefix,
} from '../../store/keyspace.js'
import { lastKey, type Pair, unpack } from '../../store/packed-range.js'
import type { Store } from '../../store/store.js'
import { leaveTurn, yieldTurn } from '../../store/turn.js'
import type { Tx } from '../../store/tx.js'
import type { Bodies } from '../bodies.js'
import { type Bucket, openBucket } from '../buckets.js'
import type { Documents } from '../documents.js'
import { allIndexes, cardinality } from '../indexes/index-administration.js'
import { compile, EMPTY_ARRAY } from '../indexes/index-writes.js'
import { type IndexDefinition, isStale, MAINTAINED, PRIMARY_INDEX } from '../indexes/indexes.js'
import type { BucketPlace } from '../removal.js'
import { type BodyKeys, bodyName, KnownKeys } from './known-keys.js'
import { readBodies, upToBytes } from './stored-bodies.js'

const ID_BYTES = 12
/** What one transaction checks at most. */
const BATCH_ENTRIES = 500
const BATCH_BYTES = 1024 * 1024
/** Keys that are looked up in one turn of the event loop. */
const PIECE_KEYS = 500
/** Entries that are counted at a time, and how long a count may take. */
const COUNT_ENTRIES = 2_000
const COUNT_LIMIT_MS = 3_000
const ERRORS_MAX = 100

export interface VerificationParts {
  readonly store: Store
  readonly documents: Documents
  readonly context: ScanContext
}

/** What was checked, and what is wrong, a line each. */
export interface VerificationReport {
  readonly documents: number
  readonly entries: number
  /** 100 at most. */
  readonly errors: readonly string[]
}

/** @throws RespError NOSUCHBUCKET, BUCKETBEINGREMOVED, REJECT, … */
export async function verifyBucket(
  parts: VerificationParts,
  place: BucketPlace,
): Promise<VerificationReport> {
  return new Verification(parts, place).run()
}

/** What a batch came to. */
interface Checked {
  readonly count: number
  readonly errors: readonly string[]
  /** Where the next one begins; absent behind the last. */
  readonly next: Buffer | undefined
}

const NOTHING: Checked = { count: 0, errors: [], next: undefined }

class Verification {
  readonly #parts: VerificationParts
  readonly #place: BucketPlace
  #documents = 0
  #entries = 0
  readonly #errors: string[] = []
  /** In the index whose entries are checked. */
  #known = new KnownKeys()

  constructor(parts: VerificationParts, place: BucketPlace) {
    this.#parts = parts
    this.#place = place
  }

  async run(): Promise<VerificationReport> {
    const { indexes } = await this.#in(async (_, bucket) => bucket)
    this.#documents = await this.#all((tx, bucket, from) => this.#checkDocuments(tx, bucket, from))
    for (const { id } of indexes) {
      this.#known = new KnownKeys()
      this.#entries += await this.#all((tx, bucket, from) => {
        const index = bucket.indexes.find(candidate => candidate.id === id)
        // The keys of another version are void.
        if (index === undefined || isStale(index) || !MAINTAINED.has(index.status)) return NOTHING
        return this.#checkEntries(tx, bucket, { index, from })
      })
    }
    for (const { id } of [PRIMARY_INDEX, ...indexes]) {
      this.#note(await this.#in((tx, bucket) => checkCounter(tx, bucket, id)))
    }
    return { documents: this.#documents, entries: this.#entries, errors: this.#errors }
  }

  #in<T>(body: (tx: Tx, bucket: Bucket) => Promise<T>): Promise<T> {
    const { store, documents } = this.#parts
    const { namespace, name } = this.#place
    return store.transact(async tx => {
      const bucket = await openBucket(tx, namespace, name)
      documents.checkServed(bucket)
      return body(tx, bucket)
    })
  }

  /** Checks batch by batch. @returns how much was checked */
  async #all(
    check: (tx: Tx, bucket: Bucket, from: Buffer | undefined) => Promise<Checked> | Checked,
  ): Promise<number> {
    let total = 0
    for (let from: Buffer | undefined; this.#errors.length < ERRORS_MAX; ) {
      const { count, errors, next } = await this.#in(async (tx, bucket) => check(tx, bucket, from))
      total += count
      this.#note(errors)
      if (next === undefined) break
      from = next
      await leaveTurn()
    }
    return total
  }

  #note(errors: readonly string[]): void {
    this.#errors.push(...errors.slice(0, ERRORS_MAX - this.#errors.length))
  }

  /** Do documents have all their entries? */
  async #checkDocuments(tx: Tx, bucket: Bucket, from: Buffer | undefined): Promise<Checked> {
    const { begin, end } = prefixRange(primaryPrefix(bucket.data))
    const batch = await readBatch(tx, { begin: from ?? begin, end })
    const errors: string[] = []
    const { bodies, pairs } = await this.#readAll(batch.pairs, errors)
    const ready = bucket.indexes.filter(index => index.status === 'READY' && !isStale(index))
    const expected = [...keysOf(bucket, ready, bodies)]
    for (let from = 0; from < expected.length; from += PIECE_KEYS) {
      const piece = expected.slice(from, from + PIECE_KEYS)
      const entries = await Promise.all(piece.map(({ key }) => tx.get(key, true)))
      for (const [i, { index, document }] of piece.entries()) {
        const entry = entries[i]
        if (entry?.equals(pairs[document]!.value)) continue
        const what = entry === undefined ? 'no entry' : 'an entry that points elsewhere'
        errors.push(`${nameOf(ready[index]!)}: document ${idOf(pairs[document]!)} has ${what}`)
      }
      await yieldTurn()
    }
    return { count: batch.pairs.length, errors, next: batch.next && keyAfter(batch.next) }
  }

  /** Are entries those of documents? A batch begins with the entry that the one before ended with,
   *  so that neighbours are always compared. */
  async #checkEntries(
    tx: Tx,
    bucket: Bucket,
    { index, from }: { index: IndexDefinition; from: Buffer | undefined },
  ): Promise<Checked> {
    const { begin, end } = prefixRange(indexPrefix(bucket.data, index.id))
    const batch = await readBatch(tx, { begin: from ?? begin, end }, this.#known)
    const errors: string[] = []
    const right: Pair[] = []
    const ids = batch.pairs.map(({ key }) => key.subarray(-ID_BYTES))
    const documents = await Promise.all(ids.map(id => tx.get(primaryKey(bucket.data, id), true)))
    for (const [i, pair] of batch.pairs.entries()) {
      const document = documents[i]
      if (document?.equals(pair.value)) right.push(pair)
      else {
        const what = document === undefined ? 'does not exist' : 'is elsewhere'
        errors.push(`${nameOf(index)}: the document ${idOf(pair)} of an entry ${what}`)
      }
    }
    const documentKeys = await this.#keysOfAll(right, { bucket, index, errors })
    let previous: Buffer | undefined
    for (const pair of right) {
      const keys = documentKeys.get(bodyName(pair))
      // It is damaged, which was noted.
      if (keys === undefined) continue
      const isEmptyArray = keys.get(pair.key.toString('latin1'))
      if (isEmptyArray === undefined) {
        errors.push(`${nameOf(index)}: an entry is not of a value of its document ${idOf(pair)}`)
      } else if (index.unique && !isEmptyArray) {
        const value = pair.key.subarray(0, -ID_BYTES)
        if (previous?.equals(value)) {
          errors.push(`${nameOf(index)}: document ${idOf(pair)} has the value of another`)
        }
        previous = value
      }
    }
    const overlap = from !== undefined && batch.pairs[0]?.key.equals(from) ? 1 : 0
    return { count: batch.pairs.length - overlap, errors, next: batch.next }
  }

  /** The keys of the documents of entries, by the names of their bodies. */
  async #keysOfAll(
    entries: readonly Pair[],
    { bucket, index, errors }: { bucket: Bucket; index: IndexDefinition; errors: string[] },
  ): Promise<Map<string, BodyKeys>> {
    const found = new Map<string, BodyKeys>()
    const unknown: Pair[] = []
    for (const [name, entry] of new Map(entries.map(entry => [bodyName(entry), entry]))) {
      const keys = this.#known.get(name)
      if (keys === undefined) unknown.push(entry)
      else found.set(name, keys)
    }
    const { bodies, pairs } = await this.#readAll(unknown, errors)
    const made = pairs.map(() => new Map<string, boolean>())
    for (const { key, document, isEmptyArray } of keysOf(bucket, [index], bodies)) {
      made[document]!.set(key.toString('latin1'), isEmptyArray)
    }
    for (const [i, pair] of pairs.entries()) {
      found.set(bodyName(pair), made[i]!)
      this.#known.add(bodyName(pair), made[i]!)
    }
    return found
  }

  /** Reads the documents that can be read, and notes those that cannot. */
  async #readAll(
    pairs: readonly Pair[],
    errors: string[],
  ): Promise<{ bodies: Bodies; pairs: readonly Pair[] }> {
    const { context } = this.#parts
    try {
      return { bodies: await readBodies(context, pairs), pairs }
    } catch (cause) {
      if (!(cause instanceof RespError)) throw cause
    }
    const whole: Pair[] = []
    for (const pair of pairs) {
      try {
        await readBodies(context, [pair])
        whole.push(pair)
      } catch (cause) {
        if (!(cause instanceof RespError)) throw cause
        errors.push(cause.message)
      }
    }
    return { bodies: await readBodies(context, whole), pairs: whole }
  }
}

/** Entries, as many as have so many bytes of documents that are not known. */
interface ReadBatch {
  readonly pairs: readonly Pair[]
  /** The last key, if there are more. */
  readonly next: Buffer | undefined
}

async function readBatch(
  tx: Tx,
  { begin, end }: KeyRange,
  known = new KnownKeys(),
): Promise<ReadBatch> {
  const options = { limit: BATCH_ENTRIES, snapshot: true }
  const range = await tx.getRangeAll(begin, end, options)
  const all = [...unpack(range)]
  // Two at least: the first may be the one that the batch before ended with.
  const few = upToBytes(all, BATCH_BYTES, entry => known.get(bodyName(entry)) !== undefined)
  const pairs = few.length === 1 ? all.slice(0, 2) : few
  const isLast = pairs.length === all.length && !range.more
  return { pairs, next: isLast ? undefined : pairs.at(-1)!.key }
}

interface ExpectedKey {
  readonly key: Buffer
  /** Place of the index. */
  readonly index: number
  /** Place of the document. */
  readonly document: number
  readonly isEmptyArray: boolean
}

/** The keys that documents have. A value without an entry has none, whatever the settings say. */
function* keysOf(
  bucket: Bucket,
  indexes: readonly IndexDefinition[],
  { payload, ends: bodyEnds }: Bodies,
): Generator<ExpectedKey> {
  if (indexes.length === 0 || bodyEnds.length === 0) return
  const { set } = compile(bucket, indexes, false)
  const changes = set.changes(undefined, undefined, payload, bodyEnds)
  const { keys, ends, documents, kinds } = changes
  let start = 0
  for (let i = 0; i < ends.length; i++) {
    yield {
      key: keys.subarray(start, ends[i]),
      index: changes.indexes[i]!,
      document: documents[i]!,
      isEmptyArray: (kinds[i]! & EMPTY_ARRAY) !== 0,
    }
    start = ends[i]!
  }
}

/** Does the counter of an index say how many entries there are, if they can be counted at one
 *  moment? */
async function checkCounter(tx: Tx, bucket: Bucket, id: bigint): Promise<string[]> {
  const index = allIndexes(bucket).find(candidate => candidate.id === id)
  if (index === undefined || !MAINTAINED.has(index.status)) return []
  const isPrimary = id === PRIMARY_INDEX.id
  const prefix = isPrimary ? primaryPrefix(bucket.data) : indexPrefix(bucket.data, id)
  const deadline = performance.now() + COUNT_LIMIT_MS
  const counter = await cardinality(tx, bucket, id)
  let count = 0n
  for (let { begin, end } = prefixRange(prefix); ; ) {
    const range = await tx.getRange(begin, end, { limit: COUNT_ENTRIES, snapshot: true })
    count += BigInt(range.count)
    if (!range.more) break
    if (performance.now() > deadline) return []
    begin = keyAfter(lastKey(range))
    await leaveTurn()
  }
  if (count === counter) return []
  return [`${nameOf(index)}: there are ${count} entries, and the counter says ${counter}`]
}

function nameOf({ name }: IndexDefinition): string {
  return `index '${name}'`
}

function idOf({ key }: Pair): string {
  return key.subarray(-ID_BYTES).toString('hex')
}
