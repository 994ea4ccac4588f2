/**
 * Unique indexes beside a naive model: a write is refused if two documents would have a value in
 * common then, changes nothing in that case, and is done otherwise. `SEED=` replays all rounds.
 */
import { Double, Int32, type ObjectId, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { bytesOf, hexId } from '../support/bql/collection.js'
import { idOf } from '../support/bql/draw-documents.js'
import { valueAt } from '../support/bql/evaluate.js'
import { allBatches, useBson } from '../support/bql/subject.js'
import { type Doc, isArray, type Value } from '../support/bql/values.js'
import { rounds, seed } from '../support/budget.js'
import { assertVerified, untilStatus } from '../support/indexes.js'
import { Random } from '../support/random.js'
import type { RespClient, Word } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('unique values')

const STEPS = 40
const WORDS = ['a', 'A', 'á', 'b', 'B', 'c', 'd', 'ab', 'aB', ''] as const

const seen = new Map<string, number>()
const see = (what: string): void => {
  seen.set(what, (seen.get(what) ?? 0) + 1)
}

type Documents = ReadonlyMap<string, Doc>

/** What a document has in a unique index; no two documents may have one in common. */
type KeysOf = (doc: Doc) => readonly string[]

class Round {
  readonly #random: Random
  readonly #client: RespClient
  readonly #bucket: string
  readonly #isCollated: boolean
  #documents: Documents = new Map()
  #nextNumber = 1

  constructor(random: Random, client: RespClient, bucket: string) {
    this.#random = random
    this.#client = client
    this.#bucket = bucket
    this.#isCollated = random.next() < 0.5
  }

  async run(): Promise<void> {
    // Case is of no matter to it, accents are.
    const collation = this.#isCollated ? { collation: { locale: 'en', strength: 2 } } : {}
    const schema = {
      s: { bson_type: 'string', unique: true, ...collation },
      'd.n': { bson_type: 'double', unique: true },
      $compound: [
        {
          ...{ name: 'pair', unique: true, ...collation },
          fields: [
            { selector: 'x', bson_type: 'string' },
            { selector: 'y', bson_type: 'int32' },
          ],
        },
      ],
    }
    await this.#client.call('BUCKET.CREATE', this.#bucket, 'INDEXES', JSON.stringify(schema))
    for (let step = 0; step < STEPS; step++) {
      if (this.#random.next() < 0.15) await this.#transaction()
      else await this.#step()
    }
    await this.#checkAll()
    await this.#buildLate()
  }

  async #transaction(): Promise<void> {
    const before = this.#documents
    await this.#client.call('BEGIN')
    for (let i = this.#random.between(1, 5); i > 0; i--) await this.#step()
    const isKept = this.#random.next() < 0.5
    await this.#client.call(isKept ? 'COMMIT' : 'ROLLBACK')
    if (!isKept) this.#documents = before
  }

  async #step(): Promise<void> {
    const roll = this.#random.next()
    if (roll < 0.45) await this.#insert()
    else if (roll < 0.75) await this.#update()
    else if (roll < 0.85) await this.#upsert()
    else await this.#delete()
  }

  async #insert(): Promise<void> {
    const docs = Array.from({ length: this.#random.pick([1, 1, 2, 3]) }, () => this.#document())
    const after = new Map([...this.#documents, ...docs.map(named)])
    await this.#write(after, ['BUCKET.INSERT', this.#bucket, 'DOCS', ...docs.map(bytesOf)])
  }

  async #update(): Promise<void> {
    const ids = this.#some()
    const set: Doc = Object.fromEntries(this.#fields().slice(0, 2))
    const unset = this.#random.next() < 0.3 ? ['s', 'x'] : []
    const after = new Map(this.#documents)
    for (const id of ids) {
      const kept = Object.entries(after.get(id)!).filter(([name]) => !unset.includes(name))
      const doc = { ...Object.fromEntries(kept) }
      for (const [name, value] of Object.entries(set)) if (!unset.includes(name)) doc[name] = value
      after.set(id, doc)
    }
    const update = serialized({ $set: set, $unset: unset })
    await this.#write(after, ['BUCKET.UPDATE', this.#bucket, idFilter(ids), update])
  }

  async #upsert(): Promise<void> {
    const doc = this.#document()
    const { _id, ...set } = doc
    const after = new Map([...this.#documents, named(doc)])
    const words = [serialized({ _id: _id! }), serialized({ $set: set, upsert: true })]
    await this.#write(after, ['BUCKET.UPDATE', this.#bucket, ...words])
  }

  async #delete(): Promise<void> {
    const ids = this.#some()
    const after = new Map([...this.#documents].filter(([id]) => !ids.includes(id)))
    await this.#write(after, ['BUCKET.DELETE', this.#bucket, idFilter(ids)])
  }

  /** Does what leaves documents as they are in `after`, or is refused. */
  async #write(after: Documents, words: readonly Word[]): Promise<void> {
    const { type, value } = await this.#client.frame(...words)
    const title = `${this.#isCollated} ${words.map(String).join(' ')}: ${String(value)}`
    const isRefused = this.#keys().some(keysOf => hasCommon(after, keysOf))
    if (isRefused) assert.match(String(value), /^DUPLICATEKEY /, title)
    else assert.is.not(type, '-', title)
    if (!isRefused) this.#documents = after
    see(`${words[0]} ${isRefused ? 'refused' : 'done'}`)
  }

  /** An index over documents that are there is built unless two have a value in common. */
  async #buildLate(): Promise<void> {
    const schema = { k: { bson_type: 'int32', unique: true, name: 'late' } }
    await this.#client.call('BUCKET.INDEX', 'CREATE', this.#bucket, JSON.stringify(schema))
    const isRefused = hasCommon(this.#documents, doc => single(doc, 'k', String))
    const status = isRefused ? 'FAILED' : 'READY'
    await untilStatus(this.#client, status, { bucket: this.#bucket, name: 'late' })
    see(`index ${status}`)
  }

  async #checkAll(): Promise<void> {
    const found = (await allBatches(this.#client, this.#bucket, '{}', { limit: 9_999 })).flat()
    const expected = [...this.#documents].sort(([one], [other]) => (one < other ? -1 : 1))
    assert.equal(
      found.map(body => body.toString('hex')),
      expected.map(([, doc]) => bytesOf(doc).toString('hex')),
    )
    const count = await assertVerified(this.#client, this.#bucket, this.#bucket)
    assert.is(count, expected.length)
  }

  #keys(): KeysOf[] {
    const text = (value: Value) => {
      return this.#isCollated ? String(value).toLowerCase() : String(value)
    }
    const pair = (doc: Doc): string[] => {
      const [x = null, y = null] = [doc.x, doc.y]
      return [JSON.stringify([x === null ? null : text(x), y === null ? null : String(y)])]
    }
    return [doc => single(doc, 's', text), doc => single(doc, 'd.n', String), pair]
  }

  #document(): Doc {
    const fields = this.#fields().filter(() => this.#random.next() < 0.8)
    // Of which few are equal, so that some documents have no other in their way.
    if (this.#random.next() < 0.7) fields.push(['k', new Int32(this.#random.between(0, 500))])
    return { _id: idOf(this.#nextNumber++), ...Object.fromEntries(fields) }
  }

  #fields(): [string, Value][] {
    const word = () => this.#random.pick(WORDS)
    const number = () => {
      const value = this.#random.between(-2, 20)
      return this.#random.next() < 0.5 ? new Int32(value) : new Double(value === 0 ? -0 : value)
    }
    const fields: [string, Value][] = [
      ['s', this.#maybeArray(word)],
      ['d', { n: this.#maybeArray(number) }],
      ['x', this.#random.next() < 0.2 ? null : word()],
      ['y', new Int32(this.#random.between(0, 3))],
    ]
    return this.#random.next() < 0.5 ? fields : fields.reverse()
  }

  #maybeArray(draw: () => Value): Value {
    const roll = this.#random.next()
    if (roll < 0.1) return null
    if (roll < 0.6) return draw()
    const length = this.#random.between(0, 3)
    return Array.from({ length }, () => (this.#random.next() < 0.1 ? null : draw()))
  }

  #some(): string[] {
    const ids = [...this.#documents.keys()]
    if (ids.length === 0) return []
    const some = Array.from({ length: this.#random.pick([1, 1, 2, 4]) }, () =>
      this.#random.pick(ids),
    )
    return [...new Set(some)]
  }
}

/** Null counts as a value, an empty array has none. */
function single(doc: Doc, path: string, keyOf: (value: Value) => string): string[] {
  const value = valueAt(doc, path) ?? null
  const values = isArray(value) ? value : [value]
  return values.map(one => (one === null ? 'null' : `=${keyOf(one)}`))
}

function hasCommon(documents: Documents, keysOf: KeysOf): boolean {
  const keys = [...documents.values()].flatMap(doc => [...new Set(keysOf(doc))])
  return new Set(keys).size < keys.length
}

function named(doc: Doc): [string, Doc] {
  return [hexId(doc), doc]
}

function idFilter(ids: readonly string[]): Buffer {
  const list: ObjectId[] = ids.map(id => idOf(Number.parseInt(id, 16)))
  return serialized({ _id: { $in: list } })
}

function serialized(doc: Doc): Buffer {
  return Buffer.from(serialize(doc))
}

const WANTED = ['INSERT', 'UPDATE'].flatMap(name => {
  return [`BUCKET.${name} done`, `BUCKET.${name} refused`]
})

test('are no two documents’, whatever is written', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const client = await useBson(await server.connect(3))
  for (let number = 0; number < rounds('unique values'); number++) {
    const random = new Random(used + number * 7919)
    await new Round(random, client, `r${number}`).run()
  }
  for (const what of [...WANTED, 'index READY', 'index FAILED']) {
    assert.ok((seen.get(what) ?? 0) > 0, `${what} was never seen`)
  }
  console.log([...seen].map(([what, times]) => `${what}: ${times}`).join('; '))
})

test.run()
