/** One set of documents in several buckets that differ in their indexes only, and its model. */
import { EJSON, Int32, type ObjectId, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { batchIn } from '../bucket.js'
import type { Random } from '../random.js'
import { elementsOf, type RespClient, type Word } from '../resp-client.js'
import { drawChange, drawMatchedChange, drawUpsert } from './changes.js'
import { type CollationSpec, readCollations } from './collation.js'
import { drawDocuments, drawShape, idOf, type Shape } from './draw-documents.js'
import { drawIndexes, type IndexSet } from './draw-indexes.js'
import { type Collations, matches } from './evaluate.js'
import { analyzeIndexes, insertAll, written } from './subject.js'
import type { Doc } from './values.js'

/** All documents of a bucket in one batch. */
const EVERYTHING = ['LIMIT', '9999'] as const

/** One of the buckets. */
export interface Subject {
  readonly bucket: string
  readonly indexes: IndexSet | undefined
  /** The indexes came when there were documents, and may still be under construction. */
  readonly isLate: boolean
}

export class Collection {
  readonly shape: Shape
  readonly subjects: Subject[] = []
  /** Ascending by id. */
  docs: Doc[] = []
  readonly #random: Random
  readonly #client: RespClient
  #nextNumber = 1

  constructor(random: Random, client: RespClient) {
    this.#random = random
    this.#client = client
    this.shape = drawShape(random)
  }

  /** Makes the buckets and fills them with so many documents. */
  async create(name: string, count: number): Promise<void> {
    await this.#client.call('BUCKET.CREATE', name)
    this.subjects.push({ bucket: name, indexes: undefined, isLate: false })
    const indexes = drawIndexes(this.#random, this.shape, true)
    const indexed = `${name}-indexed`
    await this.#client.call('BUCKET.CREATE', indexed, ...creation(indexes))
    this.subjects.push({ bucket: indexed, indexes, isLate: false })
    // Without collations: from when on that of an index counts is no matter of this test.
    const added = drawIndexes(this.#random, this.shape, false)
    const late = `${name}-late`
    await this.#client.call('BUCKET.CREATE', late)
    this.subjects.push({ bucket: late, indexes: added, isLate: true })
    await this.insert(count)
    await this.#client.call('BUCKET.INDEX', 'CREATE', late, JSON.stringify(added.schema))
  }

  /** Has statistics of indexes made, by which plans are chosen. */
  async analyze(): Promise<void> {
    for (const { bucket } of this.subjects) await analyzeIndexes(this.#client, bucket)
  }

  get count(): number {
    return this.#nextNumber
  }

  async insert(count: number): Promise<void> {
    const docs = drawDocuments(this.#random, this.shape, { from: this.#nextNumber, count })
    this.#nextNumber += count
    this.docs = [...this.docs, ...docs]
    for (const { bucket } of this.subjects) await insertAll(this.#client, bucket, docs)
  }

  /** Deletes what matches, in every bucket. */
  async delete(filter: Doc, argument: Word): Promise<void> {
    const gone = this.#matching(filter, this.subjects[0]!)
    for (const subject of this.subjects) {
      if (subject.indexes !== undefined && hasCollations(subject.indexes)) continue
      const request = ['BUCKET.DELETE', subject.bucket, argument, ...EVERYTHING]
      const { items } = batchIn(await written(this.#client, ...request))
      assert.equal(items.map(String).sort(), gone.map(hexId), this.describe(filter, subject))
    }
    await this.#inCollated('BUCKET.DELETE', gone, [])
    const ids = new Set(gone.map(hexId))
    this.docs = this.docs.filter(doc => !ids.has(hexId(doc)))
  }

  /** Changes what matches, in every bucket. */
  async update(filter: Doc, argument: Word): Promise<void> {
    const change = drawChange(this.#random, this.shape)
    const update = Buffer.from(serialize(change.argument))
    const matching = this.#matching(filter, this.subjects[0]!)
    const changed = new Map<string, Doc>()
    for (const doc of matching) {
      const after = change.apply(doc)
      if (!bytesOf(after).equals(bytesOf(doc))) changed.set(hexId(doc), after)
    }
    for (const subject of this.subjects) {
      if (subject.indexes !== undefined && hasCollations(subject.indexes)) continue
      const request = ['BUCKET.UPDATE', subject.bucket, argument, update, ...EVERYTHING]
      const { items } = batchIn(await written(this.#client, ...request))
      const context = `${EJSON.stringify(change.argument)} ${this.describe(filter, subject)}`
      assert.equal(items.map(String).sort(), [...changed.keys()].sort(), context)
    }
    await this.#inCollated('BUCKET.UPDATE', matching, [update])
    this.docs = this.docs.map(doc => changed.get(hexId(doc)) ?? doc)
  }

  /** Changes the first element of arrays that a filter means. */
  async updateMatched(): Promise<void> {
    const change = drawMatchedChange(this.#random, this.shape)
    if (change === undefined) return
    const { filter, argument, apply } = change
    const changed = new Map<string, Doc>()
    for (const doc of this.#matching(filter, this.subjects[0]!)) {
      const after = apply(doc)
      if (!bytesOf(after).equals(bytesOf(doc))) changed.set(hexId(doc), after)
    }
    const words = [filter, argument].map(part => Buffer.from(serialize(part)))
    for (const subject of this.subjects) {
      const request = ['BUCKET.UPDATE', subject.bucket, ...words, ...EVERYTHING]
      const { items } = batchIn(await written(this.#client, ...request))
      const context = `${EJSON.stringify(argument)} ${this.describe(filter, subject)}`
      assert.equal(items.map(String).sort(), [...changed.keys()].sort(), context)
    }
    this.docs = this.docs.map(doc => changed.get(hexId(doc)) ?? doc)
  }

  /** Inserts a document by an upsert. */
  async upsert(): Promise<void> {
    const number = this.#nextNumber++
    const [id, u] = [idOf(number), new Int32(number)]
    const { filter, argument, document } = drawUpsert(this.#random, this.shape, { id, u })
    const words = [filter, argument].map(part => Buffer.from(serialize(part)))
    for (const subject of this.subjects) {
      const request = ['BUCKET.UPDATE', subject.bucket, ...words]
      const { items } = batchIn(await written(this.#client, ...request))
      const context = `${EJSON.stringify(argument)} ${this.describe(filter, subject)}`
      assert.equal(items.map(String), [hexId(document)], context)
    }
    this.docs = [...this.docs, document]
  }

  /** Buckets whose texts compare otherwise match other documents: theirs are named by `_id`. */
  async #inCollated(command: string, docs: readonly Doc[], words: readonly Word[]): Promise<void> {
    const filter = Buffer.from(serialize({ _id: { $in: docs.map(({ _id }) => _id) } }))
    for (const { bucket, indexes } of this.subjects) {
      if (indexes === undefined || !hasCollations(indexes)) continue
      elementsOf(await written(this.#client, command, bucket, filter, ...words, ...EVERYTHING))
    }
  }

  /** How texts compare in a query of a bucket. */
  collations({ indexes }: Subject, query?: CollationSpec): Collations {
    const none = { bucket: undefined, singles: new Map(), compounds: [] }
    return readCollations(query, indexes?.collations ?? none)
  }

  #matching(filter: Doc, subject: Subject): Doc[] {
    return this.docs.filter(doc => matches(doc, filter, this.collations(subject)))
  }

  /** What is needed to see a failure without running it again. */
  describe(filter: Doc, { bucket, indexes }: Subject): string {
    const schema = indexes === undefined ? 'without indexes' : JSON.stringify(indexes.schema)
    const collation = JSON.stringify(indexes?.bucketCollation)
    return `${bucket} ${schema} ${collation}\n${EJSON.stringify(filter, { relaxed: false })}`
  }
}

function creation({ schema, bucketCollation }: IndexSet): string[] {
  const words = ['INDEXES', JSON.stringify(schema)]
  if (bucketCollation !== undefined) words.push('COLLATION', JSON.stringify(bucketCollation))
  return words
}

function hasCollations({ collations }: IndexSet): boolean {
  const { bucket, singles, compounds } = collations
  return bucket !== undefined || singles.size > 0 || compounds.length > 0
}

export function hexId(doc: Doc): string {
  return (doc._id as ObjectId).toHexString()
}

export function bytesOf(doc: Doc): Buffer {
  return Buffer.from(serialize(doc))
}
