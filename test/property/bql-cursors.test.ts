/**
 * Cursors of two buckets, while other sessions write documents and make and drop indexes: no
 * document comes twice, none that nobody touched is missing, and each is as it is stored then. All
 * ask with a few filters, so that what was compiled for one is used by others that sort otherwise,
 * compare otherwise, or read the other bucket. `SEED=` replays all rounds of a run.
 */
import { EJSON, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { drawChange } from '../support/bql/changes.js'
import { type CollationSpec, drawCollation, readCollations } from '../support/bql/collation.js'
import { bytesOf, hexId } from '../support/bql/collection.js'
import { drawDocuments, drawShape, type Shape } from '../support/bql/draw-documents.js'
import { FilterDraw } from '../support/bql/draw-filters.js'
import { drawIndexes } from '../support/bql/draw-indexes.js'
import {
  type CursorKind,
  type Documents,
  FollowedCursor,
  type Question,
  wordsOf,
} from '../support/bql/followed-cursor.js'
import {
  analyzeIndexes,
  filterArgument,
  insertAll,
  useBson,
  written,
} from '../support/bql/subject.js'
import type { Doc } from '../support/bql/values.js'
import { rounds, seed } from '../support/budget.js'
import { assertVerified, untilStatus } from '../support/indexes.js'
import { Random } from '../support/random.js'
import {
  type Data,
  ReplyError,
  type RespClient,
  toData,
  type Word,
} from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('cursors beside writers', ['bucket.index.strict_types=false'])

const STEPS = 60
const FILTERS = 5
const CURSORS = 6
const KINDS = [...Array<CursorKind>(8).fill('QUERY'), 'UPDATE', 'DELETE'] as const

const seen = new Map<string, number>()
const see = (what: string): void => {
  seen.set(what, (seen.get(what) ?? 0) + 1)
}

interface Subject {
  readonly bucket: string
  readonly collation: CollationSpec | undefined
  readonly documents: Documents
}

interface AskedFilter {
  readonly filter: Doc
  readonly argument: Word
}

class Round {
  readonly #random: Random
  readonly #reader: RespClient
  readonly #writer: RespClient
  readonly #shape: Shape
  readonly #subjects: Subject[] = []
  readonly #filters: AskedFilter[]
  readonly #cursors: FollowedCursor[] = []
  /** Who changes documents: the reader while it has a transaction open. */
  #active: RespClient
  /** Buckets that have indexes which nobody has waited for. */
  readonly #building = new Set<string>()
  #nextNumber = 1
  #nextIndex = 1

  constructor(random: Random, reader: RespClient, writer: RespClient) {
    this.#random = random
    this.#reader = reader
    this.#writer = writer
    this.#active = writer
    this.#shape = drawShape(random)
    const draw = new FilterDraw(random, this.#shape, 60)
    this.#filters = Array.from({ length: FILTERS }, (_, i) => {
      const filter = i === 0 ? {} : drawFilter(random, draw)
      return { filter, argument: filterArgument(filter, random.next() < 0.5) }
    })
  }

  async run(name: string): Promise<void> {
    for (const letter of ['a', 'b']) await this.#create(`${name}${letter}`)
    for (let step = 0; step < STEPS; step++) await this.#step()
    while (this.#cursors.length > 0) await this.#finish()
    for (const { bucket, documents } of this.#subjects) {
      assert.is(await assertVerified(this.#writer, bucket, bucket), documents.size, bucket)
    }
  }

  /** With a collation for all of it: that of an index would change what a cursor asks for. */
  async #create(bucket: string): Promise<void> {
    const collation = this.#random.next() < 0.3 ? drawCollation(this.#random) : undefined
    const { schema } = drawIndexes(this.#random, this.#shape, false)
    const words = collation === undefined ? [] : ['COLLATION', JSON.stringify(collation)]
    const creation = ['BUCKET.CREATE', bucket, 'INDEXES', JSON.stringify(schema), ...words]
    await this.#writer.call(...creation)
    const subject = { bucket, collation, documents: new Map() }
    this.#subjects.push(subject)
    await this.#insert(subject, this.#random.between(10, 40))
  }

  async #step(): Promise<void> {
    const roll = this.#random.next()
    const subject = this.#random.pick(this.#subjects)
    if (roll < 0.05) await this.#transaction()
    else if (roll < 0.22) await this.#changeIndexes(subject)
    else if (roll < 0.24) await this.#finish()
    else await this.#stepIn(subject)
  }

  /** What can be done in a transaction too. */
  async #stepIn(subject: Subject): Promise<void> {
    const roll = this.#random.next()
    if (roll < 0.3 && this.#cursors.length < CURSORS) await this.#open(subject)
    else if (roll < 0.6) await this.#advance()
    else if (roll < 0.72) await this.#insert(subject, this.#random.between(1, 6))
    else if (roll < 0.92) await this.#update(subject)
    else await this.#delete(subject)
  }

  async #changeIndexes(subject: Subject): Promise<void> {
    const roll = this.#random.next()
    if (roll < 0.5) await this.#makeIndex(subject)
    else if (roll < 0.9) await this.#dropIndex(subject)
    else await analyzeIndexes(this.#writer, subject.bucket)
  }

  /** The reader changes documents itself, and may take that back. */
  async #transaction(): Promise<void> {
    const before = this.#subjects.map(({ documents }) => new Map(documents))
    await this.#reader.call('BEGIN')
    this.#active = this.#reader
    const count = this.#random.between(1, 6)
    for (let i = 0; i < count; i++) await this.#stepIn(this.#random.pick(this.#subjects))
    this.#active = this.#writer
    const isKept = this.#random.next() < 0.5
    const { type, value } = await this.#reader.frame(isKept ? 'COMMIT' : 'ROLLBACK')
    // A build of an index may have changed the bucket meanwhile.
    if (type === '-') assert.match(String(value), /^NOT_COMMITTED /)
    if (isKept && type !== '-') return see('COMMIT')
    see('ROLLBACK')
    for (const [i, { bucket, documents }] of this.#subjects.entries()) {
      this.#restore(bucket, documents, before[i]!)
    }
  }

  #restore(bucket: string, documents: Documents, before: Documents): void {
    for (const id of new Set([...documents.keys(), ...before.keys()])) {
      if (documents.get(id) !== before.get(id)) this.#touch(bucket, id)
    }
    documents.clear()
    for (const [id, doc] of before) documents.set(id, doc)
    this.#note(bucket, 'ROLLBACK')
  }

  async #open(subject: Subject): Promise<void> {
    const question = this.#question(subject)
    // EXPLAIN is about what is committed, and by the next command an index may be built.
    const isOpen = this.#active === this.#reader || this.#building.has(subject.bucket)
    const explained = isOpen ? undefined : await this.#explained(question)
    const cursor = new FollowedCursor(this.#reader, subject.documents, question)
    // A value of another type has no entry in an index, which is not read then.
    cursor.mayBeRefused = this.#shape.noise > 0
    let count = 0
    try {
      count = await cursor.open()
    } catch (cause) {
      if (!(cause instanceof ReplyError)) throw cause
      assert.match(cause.message, /^ERR query cannot be executed: SORTBY '/, cursor.describe())
      if (!isOpen) assert.is(explained, cause.message, cursor.describe())
      see('SORTBY refused')
      return
    }
    see(question.kind)
    if (question.sort !== undefined) see('SORTBY accepted')
    if (question.kind === 'QUERY' && !isOpen) assert.is(explained, count, cursor.describe())
    if (question.kind !== 'QUERY') this.#touchOthers(cursor)
    this.#cursors.push(cursor)
  }

  #question({ bucket, collation }: Subject): Question {
    const random = this.#random
    const kind: CursorKind = random.pick(KINDS)
    const option = random.next() < 0.2 ? drawCollation(random) : undefined
    const none = { bucket: collation, singles: new Map(), compounds: [] }
    const collations = readCollations(option, none)
    const path = random.pick(['_id', ...this.#shape.slots.map(slot => slot.path)])
    const isSorted = kind !== 'DELETE' && random.next() < 0.3
    const text = collations(path)
    const sort = isSorted ? { path, descending: random.next() < 0.5, text } : undefined
    const change = kind === 'UPDATE' ? drawChange(random, this.#shape) : undefined
    return {
      ...{ kind, bucket, sort, collation: option, collations },
      ...random.pick(this.#filters),
      limit: random.pick([1, 2, 3, 5]),
      change: change && {
        argument: Buffer.from(serialize(change.argument)),
        apply: change.apply,
      },
    }
  }

  /** What EXPLAIN … ANALYZE says: documents of the first batch, or why there is none. */
  async #explained(question: Question): Promise<number | string> {
    const [, bucket, argument, ...options] = wordsOf({ ...question, change: undefined })
    const words = ['BUCKET.EXPLAIN', bucket!, argument!, ...options]
    try {
      await this.#reader.call(...words)
      const reply = (await this.#reader.call(...words, 'ANALYZE')) as Map<Data, Data>
      const execution = reply.get('execution') as Map<Data, Data>
      const [examined, returned] = ['entries_examined', 'documents_returned'].map(name => {
        return Number(execution.get(name))
      })
      assert.ok(examined! >= returned!, words.join(' '))
      return returned!
    } catch (cause) {
      if (!(cause instanceof ReplyError)) throw cause
      return cause.message
    }
  }

  async #advance(): Promise<void> {
    if (this.#cursors.length === 0) return
    const cursor = this.#random.pick(this.#cursors)
    await cursor.advance()
    this.#touchOthers(cursor)
  }

  async #finish(): Promise<void> {
    if (this.#cursors.length === 0) return
    const cursor = this.#random.pick(this.#cursors)
    await cursor.finish()
    this.#touchOthers(cursor)
    this.#cursors.splice(this.#cursors.indexOf(cursor), 1)
  }

  /** What an updating or deleting cursor does is somebody else's change to the others. */
  #touchOthers(cursor: FollowedCursor): void {
    for (const id of cursor.takeWritten()) {
      for (const other of this.#cursors) if (other !== cursor) other.touch(id)
    }
  }

  async #insert({ bucket, documents }: Subject, count: number): Promise<void> {
    const docs = drawDocuments(this.#random, this.#shape, { from: this.#nextNumber, count })
    this.#nextNumber += count
    await insertAll(this.#active, bucket, docs)
    for (const doc of docs) documents.set(hexId(doc), doc)
    this.#note(bucket, `insert ${docs.map(hexId).map(id => id.slice(-4))}`)
  }

  async #update({ bucket, documents }: Subject): Promise<void> {
    const change = drawChange(this.#random, this.#shape)
    const ids = this.#some(documents)
    const filter = idFilter(documents, ids)
    toData(
      await written(this.#active, 'BUCKET.UPDATE', bucket, filter, serialized(change.argument)),
    )
    for (const id of ids) {
      const doc = documents.get(id)!
      const after = change.apply(doc)
      if (bytesOf(after).equals(bytesOf(doc))) continue
      documents.set(id, after)
      this.#touch(bucket, id)
    }
    this.#note(bucket, `update ${ids} ${EJSON.stringify(change.argument)}`)
  }

  async #delete({ bucket, documents }: Subject): Promise<void> {
    const ids = this.#some(documents)
    toData(await written(this.#active, 'BUCKET.DELETE', bucket, idFilter(documents, ids)))
    for (const id of ids) {
      documents.delete(id)
      this.#touch(bucket, id)
    }
    this.#note(bucket, `delete ${ids}`)
  }

  async #makeIndex({ bucket }: Subject): Promise<void> {
    const { schema } = drawIndexes(this.#random, this.#shape, false)
    const [path, spec] = this.#random.pick(Object.entries(schema))
    const name = `late${this.#nextIndex++}`
    const named =
      path === '$compound'
        ? { $compound: [{ ...(spec as readonly object[])[0], name }] }
        : { [path]: { ...spec, name } }
    const words = ['BUCKET.INDEX', 'CREATE', bucket, JSON.stringify(named)]
    const { type, value } = await this.#writer.frame(...words)
    if (type === '-') return assert.match(String(value), / already exists/)
    if (this.#random.next() < 0.6) await untilStatus(this.#writer, 'READY', { bucket, name })
    else this.#building.add(bucket)
    see('index made')
    this.#note(bucket, `index ${JSON.stringify(named)}`)
  }

  async #dropIndex({ bucket }: Subject): Promise<void> {
    const names = (await this.#writer.call('BUCKET.INDEX', 'LIST', bucket)) as string[]
    const name = this.#random.pick(names)
    const { type, value } = await this.#writer.frame('BUCKET.INDEX', 'DROP', bucket, name)
    if (type === '-') {
      assert.match(String(value), /primary index|active tasks|'DROPPED' status|NOSUCHINDEX/)
      return
    }
    see('index dropped')
    this.#note(bucket, `drop ${name}`)
    for (const cursor of this.#of(bucket)) cursor.mayBeRefused = true
  }

  #some(documents: Documents): string[] {
    return [...documents.keys()].filter(() => this.#random.next() < 0.1)
  }

  #of(bucket: string): FollowedCursor[] {
    return this.#cursors.filter(({ question }) => question.bucket === bucket)
  }

  #touch(bucket: string, id: string): void {
    for (const cursor of this.#of(bucket)) cursor.touch(id)
  }

  #note(bucket: string, what: string): void {
    for (const cursor of this.#of(bucket)) cursor.note(what)
  }
}

/** A range, two of which either may hold, or any filter. */
function drawFilter(random: Random, draw: FilterDraw): Doc {
  const roll = random.next()
  if (roll < 0.4) return draw.narrow()
  return roll < 0.8 ? { $or: [draw.narrow(), draw.narrow()] } : draw.next()
}

function idFilter(documents: Documents, ids: readonly string[]): Buffer {
  return serialized({ _id: { $in: ids.map(id => documents.get(id)!._id!) } })
}

function serialized(doc: Doc): Buffer {
  return Buffer.from(serialize(doc))
}

const WANTED = [
  'QUERY',
  'UPDATE',
  'DELETE',
  'SORTBY accepted',
  'SORTBY refused',
  'index made',
  'COMMIT',
  'ROLLBACK',
]

test('neither repeat nor skip documents, and give them as they are', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const reader = await useBson(await server.connect(3))
  const writer = await useBson(await server.connect(3))
  for (let number = 0; number < rounds('cursors beside writers'); number++) {
    const random = new Random(used + number * 7919)
    await new Round(random, reader, writer).run(`r${number}`)
  }
  console.log([...seen].map(([what, times]) => `${what}: ${times}`).join('; '))
  for (const what of WANTED) assert.ok((seen.get(what) ?? 0) > 0, `${what} was never seen`)
})

test.run()
