/**
 * Random documents, filters and sets of indexes: what a server finds is what a naive evaluator
 * finds, whatever indexes there are. `SEED=` replays all rounds of a run.
 */
import { deserialize, EJSON } from 'bson'
import * as assert from 'uvu/assert'
import { addon } from '../../ts/native.js'
import { type CollationSpec, drawCollation, textOrder } from '../support/bql/collation.js'
import { bytesOf, Collection, hexId, type Subject } from '../support/bql/collection.js'
import { FilterDraw } from '../support/bql/draw-filters.js'
import { matches, valueAt } from '../support/bql/evaluate.js'
import { areSortedBy, resultSorted, type Sort, sortedBy } from '../support/bql/order.js'
import { drawProjection } from '../support/bql/projection.js'
import { allBatches, filterArgument, idIn, useBson } from '../support/bql/subject.js'
import type { Doc } from '../support/bql/values.js'
import type { Batch } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { assertVerified } from '../support/indexes.js'
import { Random } from '../support/random.js'
import { type Data, type RespClient, toData } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('BQL results', ['bucket.index.strict_types=false'])

/** How much a round has to do. */
interface Size {
  readonly documents: readonly [least: number, most: number]
  readonly filters: number
  readonly filtersAfterChanges: number
  readonly limits: readonly number[]
  /** A transaction may last five seconds, of which the naive evaluator takes its share. */
  readonly hasTransaction: boolean
}

const SMALL: Size = {
  documents: [5, 40],
  filters: 60,
  filtersAfterChanges: 20,
  limits: [1, 3, 7, 20, 100, 100, 100],
  hasTransaction: true,
}
/** Scans have several chunks, which are scanned on other threads. */
const LARGE: Size = {
  documents: [1_500, 3_000],
  filters: 12,
  filtersAfterChanges: 4,
  limits: [150, 600, 1_300, 9_999],
  hasTransaction: false,
}

const PLANS = ['FullScan', 'IndexScan', 'RangeScan', 'CompoundIndexScan', 'Union'] as const

/** How often something was seen, so that a test that has become blind fails. */
const seen = new Map<string, number>()
const see = (what: string): void => {
  seen.set(what, (seen.get(what) ?? 0) + 1)
}

interface Asked {
  readonly filter: Doc
  readonly limit: number
  readonly collation: CollationSpec | undefined
}

class Round {
  readonly #random: Random
  readonly #client: RespClient
  readonly #collection: Collection
  readonly #size: Size
  cases = 0

  constructor(random: Random, client: RespClient, size: Size) {
    this.#random = random
    this.#size = size
    this.#client = client
    this.#collection = new Collection(random, client)
  }

  async run(name: string): Promise<void> {
    const { documents, filters, filtersAfterChanges } = this.#size
    await this.#collection.create(name, this.#random.between(...documents))
    if (this.#random.next() < 0.5) await this.#collection.analyze()
    await this.#ask(filters)
    await this.#change()
    await this.#ask(filtersAfterChanges)
    if (this.#size.hasTransaction) await this.#inTransaction()
    await this.#ask(filtersAfterChanges)
    for (const subject of this.#collection.subjects) {
      const title = this.#collection.describe({}, subject)
      const count = await assertVerified(this.#client, subject.bucket, title)
      assert.is(count, this.#collection.docs.length, title)
    }
  }

  /** A session sees its own changes, and only these if it takes them back. */
  async #inTransaction(): Promise<void> {
    const before = this.#collection.docs
    await this.#client.call('BEGIN')
    await this.#change()
    await this.#ask(this.#size.filtersAfterChanges)
    const isKept = this.#random.next() < 0.7
    const { type, value } = await this.#client.frame(isKept ? 'COMMIT' : 'ROLLBACK')
    // An index that is built meanwhile changes what the transaction has read.
    if (type === '-') assert.match(String(value), /^NOT_COMMITTED /)
    if (type === '-' || !isKept) this.#collection.docs = before
    else see('COMMIT')
  }

  async #ask(count: number): Promise<void> {
    const draw = new FilterDraw(this.#random, this.#collection.shape, this.#collection.count)
    for (let i = 0; i < count; i++) {
      const asked = {
        filter: this.#random.next() < 0.3 ? draw.narrow() : draw.next(),
        limit: this.#random.pick(this.#size.limits),
        collation: this.#random.next() < 0.2 ? drawCollation(this.#random) : undefined,
      }
      for (const subject of this.#collection.subjects) {
        await this.#check(asked, subject)
        this.cases++
      }
    }
  }

  async #change(): Promise<void> {
    const draw = new FilterDraw(this.#random, this.#collection.shape, this.#collection.count)
    const narrow = () => ({ ...draw.narrow(), ...draw.narrow() })
    const argument = (filter: Doc) => filterArgument(filter, this.#random.next() < 0.5)
    for (const filter of [narrow(), narrow()]) {
      await this.#collection.delete(filter, argument(filter))
    }
    for (const filter of [draw.narrow(), draw.next(), draw.next()]) {
      await this.#collection.update(filter, argument(filter))
    }
    await this.#collection.updateMatched()
    await this.#collection.upsert()
    await this.#collection.insert(this.#random.between(1, 10))
  }

  async #check(asked: Asked, subject: Subject): Promise<void> {
    const collations = this.#collection.collations(subject, asked.collation)
    const expected = this.#collection.docs.filter(doc => matches(doc, asked.filter, collations))
    see(expected.length === 0 ? 'nothing found' : 'something found')
    const roll = this.#random.next()
    try {
      if (roll < 0.15) await this.#checkSorted(asked, subject, expected)
      else if (roll < 0.3) await this.#checkResultSort(asked, subject, expected)
      else if (roll < 0.4) await this.#checkProjected(asked, subject, expected)
      else await this.#checkFound(asked, subject, expected)
      await this.#explain(asked, subject)
    } catch (cause) {
      const where = this.#collection.describe(asked.filter, subject)
      const options = `LIMIT ${asked.limit} ${JSON.stringify(asked.collation)}`
      throw new Error(`${options} ${where}\n${reasonOf(cause)}`, { cause })
    }
  }

  async #checkFound(asked: Asked, subject: Subject, expected: readonly Doc[]): Promise<void> {
    const batches = await this.#batches(asked, subject, [])
    const found = batches.flat()
    const ids = found.map(idIn)
    // An index that is built meanwhile brings another order.
    if (!subject.isLate && this.#random.next() < 0.1) await this.#checkJson(asked, subject, found)
    if (!subject.isLate && this.#random.next() < 0.2)
      await this.#checkOrder(asked, subject, batches)
    // Without indexes the order is that of the ids.
    const inOrder = subject.indexes === undefined ? ids : [...ids].sort()
    assertSame(inOrder, expected)
    const bodies = new Map(expected.map(doc => [hexId(doc), bytesOf(doc)]))
    for (const [i, body] of found.entries()) assert.ok(bodies.get(ids[i]!)!.equals(body), ids[i])
  }

  /** In JSON the same documents come, in the same order. */
  async #checkJson(asked: Asked, subject: Subject, found: readonly Buffer[]): Promise<void> {
    await this.#client.call('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'json')
    const texts = (await this.#batches(asked, subject, [])).flat()
    await this.#client.call('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'bson')
    const expected = found.map(body => addon.bsonToJson(body).toString())
    assert.equal(texts.map(String), expected)
  }

  /** A union has each batch by ids; a scan of one index has the order of that, which is told of
   *  values that are no arrays. */
  async #checkOrder(asked: Asked, subject: Subject, batches: readonly Batch['items'][]) {
    const collated = collationWords(asked.collation)
    const words = [subject.bucket, filterArgument(asked.filter, false), ...collated]
    const reply = (await this.#client.call('BUCKET.EXPLAIN', ...words)) as Map<Data, Data>
    const plan = reply.get('plan') as Map<Data, Data>
    const nodeType = plan.get('nodeType')
    if (nodeType === 'Union' || nodeType === 'FullScan') {
      for (const batch of batches) assert.equal(batch.map(idIn), batch.map(idIn).sort())
      see('batches by ids')
    }
    const path = /^selector:(.+)\.bsonType:/.exec(String(plan.get('index')))?.[1]
    if (path === undefined || !['a', 'c', 'd.x', 'd.z.w'].includes(path)) return
    const text = textOrder(subject.indexes?.collations.singles.get(path))
    const byId = new Map(this.#collection.docs.map(doc => [hexId(doc), doc]))
    const docs = batches.flat().map(body => byId.get(idIn(body))!)
    const ids = docs.map(hexId)
    const expected = sortedBy(docs, { path, descending: false, text }).map(hexId)
    assert.equal(ids, expected, `by ${path}\n${this.#valuesAt(path, ids)}`)
    see('batches by values')
  }

  async #checkSorted(asked: Asked, subject: Subject, expected: readonly Doc[]): Promise<void> {
    const { indexes } = subject
    const sortable = ['_id', ...(indexes?.sortable ?? [])]
    const slots = this.#collection.shape.slots.map(slot => slot.path)
    const path = this.#random.pick(this.#random.next() < 0.7 ? sortable : slots)
    const descending = this.#random.next() < 0.5
    const words = ['SORTBY', path, descending ? 'DESC' : 'ASC']
    let found: string[]
    try {
      found = (await this.#batches(asked, subject, words)).flat().map(idIn)
    } catch (cause) {
      assert.match(String(cause), /query cannot be executed: SORTBY '/)
      const isPlain = Object.keys(asked.filter).length === 0 && asked.collation === undefined
      const isReady = sortable.includes(path) && !subject.isLate
      assert.not.ok(isPlain && isReady, `${words.join(' ')}: ${cause}`)
      see('SORTBY refused')
      return
    }
    see('SORTBY accepted')
    const defined = indexes?.collations
    const specs = (defined?.compounds ?? []).filter(one => one.path === path).map(one => one.spec)
    // The index that was read orders the texts; which one that was is the planner's choice.
    const orders = [defined?.singles.get(path), ...specs].map(textOrder)
    if (!sortable.includes(path) || indexes?.tiedOtherwise.includes(path)) {
      // Maybe read through a compound index: then ties are in the order of its other fields.
      assert.equal(found.toSorted(), expected.map(hexId).toSorted())
      const byId = new Map(expected.map(doc => [hexId(doc), doc]))
      const docs = found.map(id => byId.get(id)!)
      const isSorted = orders.some(text => areSortedBy(docs, { path, descending, text }))
      assert.ok(isSorted, `${words.join(' ')}\n${this.#valuesAt(path, found)}`)
      return
    }
    const possible = orders.map(text => sortedBy(expected, { path, descending, text }).map(hexId))
    if (possible.some(ids => ids.join() === found.join())) return
    assert.equal(found, possible[0], `${words.join(' ')}\n${this.#valuesAt(path, found)}`)
  }

  async #checkResultSort(asked: Asked, subject: Subject, expected: readonly Doc[]): Promise<void> {
    const { shape } = this.#collection
    // Values that filters can't compare have no place in this order either.
    if (shape.noise > 0) return await this.#checkFound(asked, subject, expected)
    const path = this.#random.pick([...shape.slots.map(slot => slot.path), '_id', 'd', 'e', 'q'])
    const text = this.#collection.collations(subject, asked.collation)(path)
    const sort: Sort = { path, descending: this.#random.next() < 0.5, text }
    const words = ['RESULTSORT', path, sort.descending ? 'DESC' : 'ASC']
    const batches = await this.#batches(asked, subject, words)
    see('RESULTSORT')
    const ids = batches.map(batch => batch.map(idIn))
    assertSame(ids.flat().sort(), expected)
    for (const [i, batch] of ids.entries()) {
      if (subject.indexes === undefined) {
        const scanned = expected.slice(i * asked.limit, (i + 1) * asked.limit)
        const context = `${words.join(' ')}\n${this.#valuesAt(path, batch)}`
        assert.equal(batch, resultSorted(scanned, sort).map(hexId), context)
        continue
      }
      // The order of the scan is the planner's choice, so ties may stand in any order.
      const docs = batch.map(id => expected.find(doc => hexId(doc) === id)!)
      const context = `${words.join(' ')}\n${this.#valuesAt(path, batch)}`
      assert.equal(batch, resultSorted(docs, sort).map(hexId), context)
    }
  }

  /** What the documents that were found have at a path, in their order. */
  #valuesAt(path: string, ids: readonly string[]): string {
    const docs = new Map(this.#collection.docs.map(doc => [hexId(doc), doc]))
    const values = ids.map(id => [id.slice(-4), valueAt(docs.get(id) ?? {}, path) ?? null])
    return EJSON.stringify(values, { relaxed: false })
  }

  async #checkProjected(asked: Asked, subject: Subject, expected: readonly Doc[]): Promise<void> {
    const { argument, apply } = drawProjection(this.#random, asked.filter)
    const text = JSON.stringify(argument)
    // Ids may be left out, so documents are told apart by their order.
    const found = (await this.#batches(asked, subject, ['PROJECTION', text])).flat()
    assert.is(found.length, expected.length, text)
    see('PROJECTION')
    if (subject.indexes !== undefined) return
    for (const [i, doc] of expected.entries()) {
      const projected = apply(doc)
      if (projected === undefined) continue
      const shown = () => `${text} of ${EJSON.stringify(doc)}: ${EJSON.stringify(read(found[i]!))}`
      if (!bytesOf(projected).equals(found[i]!)) assert.unreachable(shown())
    }
  }

  #batches({ filter, limit, collation }: Asked, { bucket }: Subject, words: readonly string[]) {
    const argument = filterArgument(filter, this.#random.next() < 0.5)
    const options = { limit, words: [...words, ...collationWords(collation)] }
    return allBatches(this.#client, bucket, argument, options)
  }

  /** Counts the kinds of plans. */
  async #explain({ filter }: Asked, { bucket, indexes }: Subject): Promise<void> {
    if (indexes === undefined || this.#random.next() > 0.2) return
    const reply = await this.#client.frame('BUCKET.EXPLAIN', bucket, filterArgument(filter, false))
    const text = JSON.stringify(toData(reply), (_, value) => {
      return value instanceof Map ? [...value] : value
    })
    for (const kind of PLANS) if (text.includes(`"${kind}"`)) see(kind)
  }
}

function collationWords(collation: CollationSpec | undefined): string[] {
  return collation === undefined ? [] : ['COLLATION', JSON.stringify(collation)]
}

/** What must have been seen. */
const WANTED = [
  ...['nothing found', 'something found', 'COMMIT', 'SORTBY accepted', 'SORTBY refused'],
  ...['RESULTSORT', 'PROJECTION', 'batches by ids', 'batches by values', ...PLANS],
]

function checkSeen(): void {
  for (const what of WANTED) {
    const isRare = what === 'COMMIT' || (PLANS as readonly string[]).includes(what)
    const least = isRare ? 1 : 10
    assert.ok((seen.get(what) ?? 0) >= least, `${what}: ${seen.get(what)}`)
  }
  // A third of the filters at least finds something.
  assert.ok(seen.get('something found')! * 2 > seen.get('nothing found')!, 'too few hits')
}

/** An assertion's text, with what differs. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const { details } = cause as { details?: string }
  return `${cause.message}\n${details ?? ''}`
}

function read(body: Buffer): object {
  return deserialize(body, { promoteValues: false, bsonRegExp: true })
}

function assertSame(ids: readonly string[], expected: readonly Doc[]): void {
  const wanted = expected.map(hexId)
  if (ids.join() === wanted.join()) return
  const missing = expected.filter(doc => !ids.includes(hexId(doc)))
  const extra = ids.filter(id => !wanted.includes(id))
  const text = missing.slice(0, 3).map(doc => EJSON.stringify(doc, { relaxed: false }))
  assert.equal(ids, wanted, `not found: ${text.join('\n')}; found: ${extra.join(', ')}`)
}

test('are those of a naive evaluator, with any indexes', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const client = await useBson(await server.connect(3))
  const wanted = rounds('filters on random documents')
  for (let cases = 0, number = 0; cases < wanted; number++) {
    const round = new Round(new Random(used + number * 7919), client, SMALL)
    await round.run(`r${number}`)
    cases += round.cases
  }
  checkSeen()
})

test('so they are of many documents', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const client = await useBson(await server.connect(3))
  for (let number = 0; number < rounds('filters on many documents'); number++) {
    const round = new Round(new Random(used + number * 7919), client, LARGE)
    await round.run(`many${number}`)
  }
})

test.run()
