/**
 * Clients that write the same documents at the same time, through every command of buckets, and
 * check what they read. What they were told is in a ledger: at the end every document must be
 * explained by it.
 *
 * A document has a counter `v`, which rises with every change, a `log` with one mark of each, and
 * fields that follow from the counter, so that halves of two versions show.
 */
import { ObjectId } from 'bson'
import * as assert from 'uvu/assert'
import { batchOf, queryAll, useJson } from './bucket.js'
import type { Random } from './random.js'
import { ReplyError, type RespClient, type Word } from './resp-client.js'

/** What was told of a change; one that was refused is not noted. */
type Outcome = 'done' | 'unknown'

/** A document from its insertion to its deletion. */
interface Life {
  readonly key: string
  made: Outcome
  gone?: Outcome
  /** What was inserted by the same request, itself included. */
  readonly siblings: readonly string[]
  /** By the marks that were added to its log. */
  readonly marks: Map<number, Outcome>
}

export interface RivalDocument {
  readonly _id: string
  readonly born?: string
  readonly key: string
  readonly v: number
  readonly log: readonly number[]
  readonly text: string
  readonly inner: { readonly pad: string }
  readonly slot?: number
  readonly up?: number
}

/** The schema that their bucket begins with. */
export const RIVALS_SCHEMA = {
  key: { bson_type: 'string', unique: true, name: 'key' },
  log: { bson_type: 'int32', multi_key: true, name: 'log' },
  slot: { bson_type: 'int32', name: 'slot' },
}

/** Indexes that come and go meanwhile. */
export const CHANGING_INDEXES = {
  v: { v: { bson_type: 'int32', name: 'v' } },
  both: {
    $compound: [
      {
        name: 'both',
        fields: [
          { selector: 'text', bson_type: 'string' },
          { selector: 'log', bson_type: 'int64', multi_key: true },
          { selector: 'v', bson_type: 'int32' },
        ],
      },
    ],
  },
}

const KEYS = 12
const SLOTS = 3
/** Errors that leave everything as it was. */
const REFUSALS: ReadonlySet<string> = new Set(['NOT_COMMITTED', 'TRANSACTIONOLD', 'DUPLICATEKEY'])

const UNKNOWN = 'COMMIT_UNKNOWN_RESULT'

/** What all rivals of a bucket were told. */
export class Ledger {
  /** By `born`. */
  readonly lives = new Map<string, Life>()
  /** Marks of upserts, by their place. */
  readonly upserts = new Map<string, Map<number, Outcome>>()
  /** How often something was done, by its name. */
  readonly done = new Map<string, number>()
  #mark = 0

  nextMark(): number {
    return ++this.#mark
  }

  count(what: string): void {
    this.done.set(what, (this.done.get(what) ?? 0) + 1)
  }

  /** Every document of the bucket is as it was told, and none is missing. */
  check(found: readonly RivalDocument[], title: string): void {
    const present = new Map(found.map(document => [document.born ?? document._id, document]))
    const keys = found.map(({ key }) => key)
    assert.is(new Set(keys).size, keys.length, `a key twice: ${title}`)
    for (const document of found) {
      assertWhole(document, title)
      if (document.slot === undefined) this.#checkLife(document, title)
      else this.#checkUpsert(document, title)
    }
    for (const [born, { made, gone, siblings }] of this.lives) {
      if (present.has(born)) assert.is.not(gone, 'done', `${born} was deleted: ${title}`)
      else assert.ok(made === 'unknown' || gone !== undefined, `${born} is lost: ${title}`)
      const remaining = siblings.filter(other => this.lives.get(other)!.gone === undefined)
      const isThere = new Set(remaining.map(other => present.has(other)))
      assert.ok(isThere.size <= 1, `a half of what was inserted with ${born}: ${title}`)
    }
    for (const [place, marks] of this.upserts) {
      const there = found.filter(({ slot }) => `slot ${slot}` === place)
      assert.ok(there.length <= 1, `${there.length} documents of ${place}: ${title}`)
      const isDone = [...marks.values()].includes('done')
      assert.ok(there.length === 1 || !isDone, `nothing of ${place}: ${title}`)
    }
  }

  #checkLife({ born, key, log }: RivalDocument, title: string): void {
    const life = this.lives.get(born!)
    assert.ok(life !== undefined, `${born} was not inserted: ${title}`)
    assert.is(key, life.key, title)
    for (const mark of log) assert.ok(life.marks.has(mark), `${mark} was refused: ${title}`)
    for (const [mark, outcome] of life.marks) {
      if (outcome === 'done') assert.ok(log.includes(mark), `${mark} of ${born} is lost: ${title}`)
    }
  }

  #checkUpsert({ slot, up }: RivalDocument, title: string): void {
    const marks = this.upserts.get(`slot ${slot}`)
    assert.ok(marks?.has(up!), `${up} was refused: ${title}`)
  }
}

/** The fields that follow from a log. */
function fieldsOf(log: readonly number[]): Omit<RivalDocument, '_id' | 'key'> {
  const v = log.length
  return { v, log, text: `t${v}`, inner: { pad: 'x'.repeat((v * 37) % 400) } }
}

function assertWhole({ v, log, text, inner }: RivalDocument, title: string): void {
  assert.equal({ v, log, text, inner }, fieldsOf(log), `torn: ${title}`)
  assert.is(new Set(log).size, log.length, `a change twice: ${title}`)
}

export interface RivalOptions {
  readonly bucket: string
  readonly random: Random
  readonly ledger: Ledger
  readonly title: string
}

export class Rival {
  readonly #client: RespClient
  readonly #options: RivalOptions
  readonly #random: Random
  readonly #ledger: Ledger

  private constructor(client: RespClient, options: RivalOptions) {
    this.#client = client
    this.#options = options
    this.#random = options.random
    this.#ledger = options.ledger
  }

  static async of(client: RespClient, options: RivalOptions): Promise<Rival> {
    return new Rival(await useJson(client), options)
  }

  /** Does so many things, one after the other. */
  async run(count: number): Promise<void> {
    const steps: [name: string, weight: number, step: () => Promise<void>][] = [
      ['insert', 3, () => this.#insert()],
      ['update', 4, () => this.#update()],
      ['transaction', 4, () => this.#transact()],
      ['delete', 1, () => this.#delete()],
      ['upsert', 2, () => this.#upsert()],
      ['read', 3, () => this.#read()],
      ['batches', 1, () => this.#walk()],
      ['look', 1, () => this.#look()],
    ]
    const weighted = steps.flatMap(step => Array<typeof step>(step[1]).fill(step))
    for (let i = 0; i < count; i++) {
      const [name, , step] = this.#random.pick(weighted)
      try {
        await step()
        this.#ledger.count(name)
      } catch (thrown) {
        if (!isRefusal(thrown) && prefixOf(thrown) !== UNKNOWN) throw thrown
        this.#ledger.count(`${name} refused`)
      }
    }
  }

  async #insert(): Promise<void> {
    const { lives } = this.#ledger
    const made = Array.from({ length: this.#random.between(1, 2) }, () => {
      const _id = new ObjectId().toHexString()
      // Not 24 digits alone: a filter would take them for an ObjectId.
      return { _id, born: `born ${_id}`, key: `k${this.#random.between(1, KEYS)}`, ...fieldsOf([]) }
    })
    const texts = made.map(document => JSON.stringify(document))
    // Others may read them before the reply is here.
    const siblings = made.map(({ born }) => born)
    for (const { born, key } of made) {
      lives.set(born, { key, made: 'unknown', siblings, marks: new Map() })
    }
    try {
      await this.#told(['BUCKET.INSERT', this.#options.bucket, 'DOCS', ...texts], outcome => {
        for (const { born } of made) lives.get(born)!.made = outcome
      })
    } catch (thrown) {
      if (isRefusal(thrown)) for (const { born } of made) lives.delete(born)
      throw thrown
    }
  }

  /** Changes a document if it is still as it was read. */
  async #update(): Promise<void> {
    const read = await this.#some()
    if (read?.born === undefined) return
    const { life, mark, words } = this.#change(read, { v: read.v })
    const wasGone = life.gone === 'done'
    const note = (outcome: Outcome) => life.marks.set(mark, outcome)
    // An empty batch: another one was first. An unknown one may have changed it.
    const ids = await this.#told(words, note, items => items.length > 0)
    if (ids !== undefined && ids.length > 0) {
      assert.equal(ids, [read._id], this.#options.title)
      assert.not(wasGone, `${read.born} was deleted before: ${this.#options.title}`)
    }
  }

  /** Changes two documents, or one twice, in a transaction that sees its own changes. */
  async #transact(): Promise<void> {
    const { bucket, title } = this.#options
    const changed: { life: Life; mark: number }[] = []
    await this.#client.call('BEGIN')
    try {
      for (let i = 0; i < 2; i++) {
        const read = await this.#some()
        if (read?.born === undefined) continue
        const { life, mark, words } = this.#change(read, {})
        const { items } = await batchOf(this.#client, ...words)
        assert.equal(
          items.map(String),
          [read._id],
          `${words.join(' ')} ${JSON.stringify(read)} ${title}`,
        )
        changed.push({ life, mark })
        const own = await queryAll(this.#client, bucket, JSON.stringify({ log: mark }))
        assert.equal(
          own.map(({ born, v }) => [born, v]),
          [[read.born, read.v + 1]],
          title,
        )
      }
    } catch (thrown) {
      await this.#client.call('ROLLBACK')
      throw thrown
    }
    await this.#told(['COMMIT'], outcome => {
      for (const { life, mark } of changed) life.marks.set(mark, outcome)
    })
  }

  async #delete(): Promise<void> {
    const read = await this.#some()
    if (read?.born === undefined) return
    const life = this.#lifeOf(read)
    const words = ['BUCKET.DELETE', this.#options.bucket, this.#filterFor(read, {})]
    await this.#told(
      words,
      outcome => {
        life.gone = life.gone === 'done' ? 'done' : outcome
      },
      items => items.length > 0,
    )
  }

  async #upsert(): Promise<void> {
    const { bucket } = this.#options
    const mark = this.#ledger.nextMark()
    const slot = this.#random.between(1, SLOTS)
    const { upserts } = this.#ledger
    const marks = upserts.get(`slot ${slot}`) ?? new Map<number, Outcome>()
    upserts.set(`slot ${slot}`, marks)
    // Another key each time: the unique index must not be what keeps a second one out.
    const $set = { up: mark, key: `slot ${mark}`, ...fieldsOf([mark]) }
    const words = [
      'BUCKET.UPDATE',
      bucket,
      `{"slot": ${slot}}`,
      JSON.stringify({ $set, upsert: true }),
    ]
    const ids = await this.#told(words, outcome => marks.set(mark, outcome))
    if (ids !== undefined) assert.is(ids.length, 1, this.#options.title)
  }

  /** Reads the same in two ways at one moment: through an index, if there is one, and without. */
  async #read(): Promise<void> {
    const { bucket, title } = this.#options
    const filter = this.#filter()
    // One branch has no index.
    const scan = { $or: [filter, { never: { $exists: true } }] }
    await this.#client.call('BEGIN')
    try {
      const [found, scanned] = [
        await queryAll(this.#client, bucket, JSON.stringify(filter), 'LIMIT', '5'),
        await queryAll(this.#client, bucket, JSON.stringify(scan)),
      ]
      for (const document of found) assertWhole(document as unknown as RivalDocument, title)
      assert.equal(byId(found), byId(scanned), `${JSON.stringify(filter)}: ${title}`)
    } finally {
      await this.#client.call('ROLLBACK')
    }
  }

  /** Changes all documents, batch by batch; none twice. */
  async #walk(): Promise<void> {
    const { bucket, title } = this.#options
    const update = JSON.stringify({ $set: { touched: this.#ledger.nextMark() } })
    const first = ['BUCKET.UPDATE', bucket, '{"v": {"$gte": 0}}', update, 'LIMIT', '4']
    let batch = await batchOf(this.#client, ...first)
    const ids: string[] = []
    while (batch.items.length > 0) {
      ids.push(...batch.items.map(String))
      batch = await batchOf(this.#client, 'BUCKET.ADVANCE', 'UPDATE', String(batch.cursorId))
    }
    assert.is(new Set(ids).size, ids.length, title)
  }

  /** Asks for what is known of the bucket. */
  async #look(): Promise<void> {
    const { bucket, title } = this.#options
    const explained = await this.#client.call(
      'BUCKET.EXPLAIN',
      bucket,
      JSON.stringify(this.#filter()),
      'ANALYZE',
    )
    const members = [...(explained as ReadonlyMap<unknown, unknown>).keys()]
    assert.equal(members, ['is_cached', 'plan', 'execution'], title)
    const names = (await this.#client.call('BUCKET.INDEX', 'LIST', bucket)) as string[]
    assert.equal(names.toSorted(), names, title)
    for (const name of ['key', 'log', 'primary-index', 'slot']) assert.ok(names.includes(name))
    await this.#client.call('BUCKET.INDEX', 'TASKS', bucket, 'key')
    assert.ok(((await this.#client.call('BUCKET.LIST')) as string[]).includes(bucket), title)
  }

  /** A filter of one of the kinds that indexes serve. */
  #filter(): object {
    const random = this.#random
    const v = random.between(0, 6)
    return random.pick<object>([
      { key: `k${random.between(1, KEYS)}` },
      { key: { $in: ['k1', 'k5', 'k9'] } },
      { v },
      { v: { $gte: v, $lt: v + 3 } },
      { text: `t${v}`, v },
      { text: `t${v}`, log: { $gt: 0 } },
      { log: { $gte: random.between(0, 400) } },
      { $or: [{ key: 'k2' }, { v }] },
      { $or: [{ key: 'k3' }, { slot: { $gt: 0 } }] },
      { slot: null },
    ])
  }

  /** One of the documents that a filter finds, if any. */
  async #some(): Promise<RivalDocument | undefined> {
    const { bucket, title } = this.#options
    const words = ['BUCKET.QUERY', bucket, JSON.stringify(this.#filter())]
    const { items } = await batchOf(this.#client, ...words)
    if (items.length === 0) return undefined
    const document = JSON.parse(String(this.#random.pick(items))) as RivalDocument
    assertWhole(document, title)
    return document
  }

  /** A filter that finds one document, in one of several ways. */
  #filterFor({ _id, born, key, log, text, v }: RivalDocument, more: object): string {
    const last = log.at(-1)
    const ways: object[] = [{ key }, { _id }, { text, v }, { v }, { $or: [{ key }, { slot: 99 }] }]
    if (last !== undefined) ways.push({ log: last }, { text, log: last })
    return JSON.stringify({ ...this.#random.pick(ways), ...more, born })
  }

  #change(read: RivalDocument, condition: object) {
    const mark = this.#ledger.nextMark()
    const update = JSON.stringify({ $set: fieldsOf([...read.log, mark]) })
    const filter = this.#filterFor(read, condition)
    const words = ['BUCKET.UPDATE', this.#options.bucket, filter, update]
    return { life: this.#lifeOf(read), mark, words }
  }

  #lifeOf({ born }: RivalDocument): Life {
    const life = this.#ledger.lives.get(born!)
    assert.ok(life !== undefined, `${born} was read, and refused: ${this.#options.title}`)
    return life
  }

  /** Sends a request that commits, and notes what is told of it.
   *  @param isDone  whether a reply means that something was changed
   *  @returns the items of the reply, if it has any */
  async #told(
    words: Word[],
    note: (outcome: Outcome) => void,
    isDone: (items: readonly string[]) => boolean = () => true,
  ): Promise<string[] | undefined> {
    let reply: unknown
    try {
      reply = await this.#client.call(...words)
    } catch (thrown) {
      // The server may be gone, too.
      if (!isRefusal(thrown)) note('unknown')
      if (prefixOf(thrown) !== UNKNOWN) throw thrown
      return undefined
    }
    const items = reply instanceof Map ? (reply.get('object_ids') as string[]) : undefined
    if (isDone(items ?? [])) note('done')
    return items
  }
}

function prefixOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof ReplyError)) return undefined
  // An error in place of a batch is thrown as `-<error>, not an aggregate`.
  return thrown.message.split(' ')[0]!.replace(/^-/, '')
}

function isRefusal(thrown: unknown): boolean {
  const word = prefixOf(thrown)
  return word !== undefined && REFUSALS.has(word)
}

function byId(documents: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  return documents.toSorted((a, b) => (String(a._id) < String(b._id) ? -1 : 1))
}
