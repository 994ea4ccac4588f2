/**
 * A transaction that reads through random indexes, and another one that writes before it commits:
 * if what it read is not so any more, it must not commit; if it commits, all is as if it had run
 * after the other. `SEED=` replays all rounds of a run.
 */
import { deserialize, EJSON, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { drawChange } from '../support/bql/changes.js'
import { bytesOf, hexId } from '../support/bql/collection.js'
import { drawDocuments, drawShape, type Shape } from '../support/bql/draw-documents.js'
import { FilterDraw } from '../support/bql/draw-filters.js'
import { drawIndexes } from '../support/bql/draw-indexes.js'
import { matches } from '../support/bql/evaluate.js'
import { allBatches, filterArgument, idIn, insertAll, useBson } from '../support/bql/subject.js'
import type { Doc } from '../support/bql/values.js'
import { batchIn, batchOf } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { assertVerified } from '../support/indexes.js'
import { Random } from '../support/random.js'
import type { RespClient, Word } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('transactions on documents', [
  'bucket.index.strict_types=false',
])

/** Keeps all types apart. */
const TYPED = { promoteValues: false, bsonRegExp: true } as const

const STEPS = 30
/** All documents of a bucket in one batch. */
const EVERYTHING = ['LIMIT', '9999'] as const

const seen = new Map<string, number>()
const see = (what: string): void => {
  seen.set(what, (seen.get(what) ?? 0) + 1)
}

type Documents = Map<string, Doc>

/** What one of the two does: the words of its command, and what becomes of the documents. */
interface Deed {
  readonly words: readonly Word[]
  readonly apply: (documents: Documents) => Documents
}

class Round {
  readonly #random: Random
  /** Commits last, commits first. */
  readonly #late: RespClient
  readonly #early: RespClient
  readonly #shape: Shape
  readonly #bucket: string
  #documents: Documents = new Map()
  #sortable: readonly string[] = []
  #nextNumber = 1

  constructor(random: Random, [late, early]: readonly [RespClient, RespClient], bucket: string) {
    this.#random = random
    this.#late = late
    this.#early = early
    this.#bucket = bucket
    this.#shape = drawShape(random)
  }

  async run(): Promise<void> {
    const { schema, sortable } = drawIndexes(this.#random, this.#shape, false)
    this.#sortable = sortable
    await this.#early.call('BUCKET.CREATE', this.#bucket, 'INDEXES', JSON.stringify(schema))
    await this.#early.call('BUCKET.CREATE', `${this.#bucket}-other`)
    const docs = this.#drawDocuments(this.#random.between(5, 30))
    await insertAll(this.#early, this.#bucket, docs)
    for (const doc of docs) this.#documents.set(hexId(doc), doc)
    for (let step = 0; step < STEPS; step++) {
      const isReader = this.#random.next() < 0.5
      const title = await (isReader ? this.#readThenWrite() : this.#writeBoth())
      await this.#checkAll(`${title} ${JSON.stringify(schema)}`)
    }
    await assertVerified(this.#early, this.#bucket, this.#bucket)
  }

  /** What a query has found must still be so when its transaction commits. */
  async #readThenWrite(): Promise<string> {
    const sort = this.#random.next() < 0.3 ? this.#sort() : undefined
    // Then the index is read from one of its ends.
    const filter = sort === undefined ? this.#filter() : {}
    const limit = this.#random.pick(['1', '3', '9999'])
    const options = ['LIMIT', limit, ...(sort ?? [])]
    const query = ['BUCKET.QUERY', this.#bucket, filterArgument(filter, false), ...options]
    await this.#late.call('BEGIN')
    const before = await batchOf(this.#late, ...query)
    await this.#mark()
    const deed = this.#deed()
    await this.#do(this.#early, deed)
    this.#documents = deed.apply(this.#documents)
    const after = await batchOf(this.#early, ...query)
    const isSame = Buffer.concat([...before.items]).equals(Buffer.concat([...after.items]))
    const isCommitted = await this.#commit()
    const said = `${EJSON.stringify(filter, { relaxed: false })} ${options.join(' ')}`
    const title = `${said} ${shown(deed)}`
    if (!isSame) assert.not.ok(isCommitted, `what was read has changed: ${title}`)
    see(`${isSame ? 'same' : 'changed'}, ${isCommitted ? 'committed' : 'refused'}`)
    return title
  }

  /** Two writers: if both commit, the later one has seen what the earlier one did. */
  async #writeBoth(): Promise<string> {
    const [later, earlier] = [this.#deed(), this.#deed()]
    const title = `${shown(earlier)} during ${shown(later)}`
    await this.#late.call('BEGIN')
    await this.#do(this.#late, later)
    await this.#mark()
    await this.#do(this.#early, earlier)
    this.#documents = earlier.apply(this.#documents)
    const isCommitted = await this.#commit()
    if (isCommitted) this.#documents = later.apply(this.#documents)
    see(`writers, ${isCommitted ? 'committed' : 'refused'}`)
    return title
  }

  /** Writes something: a transaction that writes nothing is as of when it began. */
  async #mark(): Promise<void> {
    await insertAll(this.#late, `${this.#bucket}-other`, this.#drawDocuments(1))
  }

  async #commit(): Promise<boolean> {
    const { type, value } = await this.#late.frame('COMMIT')
    if (type === '-') assert.match(String(value), /^NOT_COMMITTED /)
    return type !== '-'
  }

  async #do(client: RespClient, { words }: Deed): Promise<void> {
    const frame = await client.frame(...words)
    if (words[0] !== 'BUCKET.INSERT') batchIn(frame)
    else assert.is.not(frame.type, '-', String(frame.value))
  }

  #deed(): Deed {
    const roll = this.#random.next()
    if (roll < 0.3) return this.#insertion()
    const filter = this.#filter()
    const argument = filterArgument(filter, false)
    const isMeant = (doc: Doc) => matches(doc, filter)
    if (roll < 0.5) {
      return {
        words: ['BUCKET.DELETE', this.#bucket, argument, ...EVERYTHING],
        apply: documents => new Map([...documents].filter(([, doc]) => !isMeant(doc))),
      }
    }
    const change = drawChange(this.#random, this.#shape)
    const update = Buffer.from(serialize(change.argument))
    return {
      words: ['BUCKET.UPDATE', this.#bucket, argument, update, ...EVERYTHING],
      apply: documents =>
        new Map([...documents].map(([id, doc]) => [id, isMeant(doc) ? change.apply(doc) : doc])),
    }
  }

  #insertion(): Deed {
    const docs = this.#drawDocuments(this.#random.between(1, 3))
    return {
      words: ['BUCKET.INSERT', this.#bucket, 'DOCS', ...docs.map(bytesOf)],
      apply: documents =>
        new Map([...documents, ...docs.map((doc): [string, Doc] => [hexId(doc), doc])]),
    }
  }

  #sort(): string[] | undefined {
    if (this.#sortable.length === 0) return undefined
    return ['SORTBY', this.#random.pick(this.#sortable), this.#random.pick(['ASC', 'DESC'])]
  }

  #filter(): Doc {
    const draw = new FilterDraw(this.#random, this.#shape, this.#nextNumber)
    return this.#random.next() < 0.7 ? draw.narrow() : draw.next()
  }

  #drawDocuments(count: number): Doc[] {
    const from = this.#nextNumber
    this.#nextNumber += count
    return drawDocuments(this.#random, this.#shape, { from, count })
  }

  async #checkAll(title: string): Promise<void> {
    const options = { limit: 9_999 }
    const found = (await allBatches(this.#early, this.#bucket, '{}', options)).flat()
    const expected = [...this.#documents].sort(([one], [other]) => (one < other ? -1 : 1))
    assert.equal(
      found.map(idIn),
      expected.map(([id]) => id),
      title,
    )
    for (const [i, body] of found.entries()) {
      const doc = expected[i]![1]
      const isSame = bytesOf(doc).equals(body)
      const both = () =>
        [doc, deserialize(body, TYPED)]
          .map(one => EJSON.stringify(one, { relaxed: false }))
          .join('\n')
      if (!isSame) assert.unreachable(`${title}\nexpected and stored:\n${both()}`)
    }
  }
}

function shown({ words }: Deed): string {
  const show = (word: Word) => {
    return typeof word === 'string' ? word : EJSON.stringify(deserialize(word, TYPED))
  }
  return words.map(show).join(' ')
}

const WANTED = [
  ...['same, committed', 'changed, refused', 'writers, committed', 'writers, refused'],
]

test('do not commit what they have not seen', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const clients = [await server.connect(3), await server.connect(3)] as const
  for (const client of clients) await useBson(client)
  for (let number = 0; number < rounds('transactions on documents'); number++) {
    const random = new Random(used + number * 7919)
    await new Round(random, clients, `r${number}`).run()
  }
  for (const what of WANTED) assert.ok((seen.get(what) ?? 0) > 0, `${what} was never seen`)
  console.log([...seen].map(([what, times]) => `${what}: ${times}`).join('; '))
})

test.run()
