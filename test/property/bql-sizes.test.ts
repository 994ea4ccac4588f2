/**
 * Documents whose sizes are around those of blocks, chunks and reads, written, changed, deleted and
 * read in any order, over restarts: every byte is as it was sent, whether it comes from the block
 * cache, a joined read, or a read of its own. `SEED=` replays all rounds of a run.
 */
import { Binary, Int32, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { idOf } from '../support/bql/draw-documents.js'
import { allBatches, idIn, useBson } from '../support/bql/subject.js'
import { batchOf } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { Random } from '../support/random.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const MIB = 1024 * 1024
const { server, test } = serverSuite('sizes of documents', [
  `bucket.volume.segment_size=${4 * MIB}`,
])

const STEPS = 40
/** Of documents beside which others lie in the same block or read. */
const EDGES = [0, 512, 4_096, 4_096, 8_192, 16 * 1024, 64 * 1024] as const
const KEYS = 1_000

class Round {
  readonly #random: Random
  readonly #bucket: string
  #client: RespClient
  /** By id, as they are stored. */
  readonly #bodies = new Map<string, Buffer>()
  readonly #keys = new Map<string, number>()
  #nextNumber = 1

  constructor(random: Random, client: RespClient, bucket: string) {
    this.#random = random
    this.#client = client
    this.#bucket = bucket
  }

  async run(): Promise<RespClient> {
    const index = '{"k": {"bson_type": "int32"}}'
    await this.#client.call('BUCKET.CREATE', this.#bucket, 'INDEXES', index)
    await this.#insert()
    for (let step = 0; step < STEPS; step++) await this.#step()
    await this.#all()
    return this.#client
  }

  async #step(): Promise<void> {
    const roll = this.#random.next()
    if (roll < 0.25) await this.#insert()
    else if (roll < 0.35) await this.#update()
    else if (roll < 0.4) await this.#delete()
    else if (roll < 0.7) await this.#byKey()
    else if (roll < 0.94) await this.#byIds()
    else if (roll < 0.98) await this.#all()
    else await this.#restart()
  }

  #length(): number {
    if (this.#random.next() < 0.01) return MIB + this.#random.between(-100, 100)
    const length = this.#random.pick(EDGES) + this.#random.between(-60, 60)
    return Math.max(length, this.#random.between(50, 300))
  }

  /** A body of about so many bytes; equal lengths of different documents differ in their bytes. */
  #body(id: string, length: number): Buffer {
    const key = this.#random.between(0, KEYS)
    this.#keys.set(id, key)
    const bytes = Buffer.alloc(Math.max(length - 50, 0), `${id}${this.#random.between(0, 999)}`)
    const doc = { _id: idOf(Number.parseInt(id, 16)), k: new Int32(key), b: new Binary(bytes) }
    return Buffer.from(serialize(doc))
  }

  async #insert(): Promise<void> {
    const count = this.#random.pick([1, 1, 5, 60])
    const bodies = Array.from({ length: count }, () => {
      const id = idOf(this.#nextNumber++).toHexString()
      const body = this.#body(id, this.#length())
      this.#bodies.set(id, body)
      return body
    })
    await this.#client.call('BUCKET.INSERT', this.#bucket, 'DOCS', ...bodies)
  }

  async #update(): Promise<void> {
    const [id] = this.#some(1)
    if (id === undefined) return
    const body = this.#body(id, this.#length())
    const set = { k: new Int32(this.#keys.get(id)!), b: new Binary(body.subarray(-51, -1)) }
    const words = [idFilter([id]), Buffer.from(serialize({ $set: set }))]
    const { items } = await batchOf(this.#client, 'BUCKET.UPDATE', this.#bucket, ...words)
    assert.is(items.length, 1)
    const doc = { _id: idOf(Number.parseInt(id, 16)), ...set }
    this.#bodies.set(id, Buffer.from(serialize(doc)))
  }

  async #delete(): Promise<void> {
    const ids = this.#some(this.#random.between(1, 5))
    const filter = idFilter(ids)
    const { items } = await batchOf(this.#client, 'BUCKET.DELETE', this.#bucket, filter)
    assert.equal(items.map(String).sort(), ids)
    for (const id of ids) this.#bodies.delete(id)
  }

  /** In the order of the keys, which is none of the places. */
  async #byKey(): Promise<void> {
    const from = this.#random.between(0, KEYS)
    const to = from + this.#random.pick([0, 5, 50, 300])
    const filter = { k: { $gte: new Int32(from), $lte: new Int32(to) } }
    const ids = [...this.#bodies.keys()].filter(id => {
      const key = this.#keys.get(id)!
      return key >= from && key <= to
    })
    await this.#expect(Buffer.from(serialize(filter)), ids)
  }

  async #byIds(): Promise<void> {
    const ids = this.#some(this.#random.pick([1, 2, 10, 30]))
    await this.#expect(idFilter(ids), ids)
  }

  async #all(): Promise<void> {
    await this.#expect(Buffer.from(serialize({})), [...this.#bodies.keys()])
  }

  async #restart(): Promise<void> {
    await (this.#random.next() < 0.5 ? server.kill() : server.stop())
    await server.start()
    this.#client = await useBson(await server.connect(3))
  }

  async #expect(filter: Buffer, ids: readonly string[]): Promise<void> {
    const limit = this.#random.pick([1, 10, 100, 1_000])
    const found = (await allBatches(this.#client, this.#bucket, filter, { limit })).flat()
    assert.equal(found.map(idIn).sort(), ids.toSorted())
    for (const body of found) {
      const id = idIn(body)
      const expected = this.#bodies.get(id)!
      assert.ok(expected.equals(body), `${id}: ${expected.length} bytes, ${body.length} came`)
    }
  }

  /** Ids of some documents, ascending. */
  #some(count: number): string[] {
    const ids = [...this.#bodies.keys()]
    if (ids.length === 0) return []
    const some = new Set(Array.from({ length: count }, () => this.#random.pick(ids)))
    return [...some].sort()
  }
}

function idFilter(ids: readonly string[]): Buffer {
  const list = ids.map(id => idOf(Number.parseInt(id, 16)))
  return Buffer.from(serialize({ _id: { $in: list } }))
}

test('are no matter to what comes back', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  let client = await useBson(await server.connect(3))
  for (let number = 0; number < rounds('sizes of documents'); number++) {
    const random = new Random(used + number * 7919)
    client = await new Round(random, client, `r${number}`).run()
  }
})

test.run()
