/** Connections that write the same documents through every command of buckets, beside indexes that
 *  come and go: nothing acknowledged is lost, nothing refused is done, and every index is right. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { embeddedOnly } from '../support/cluster.js'
import { checkRivals, compete, tried } from '../support/competition.js'
import { type Faults, troubled } from '../support/faults.js'
import { verify } from '../support/indexes.js'
import { Random } from '../support/random.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const tests = suite('rivals for documents')
const inTrouble = embeddedOnly(tests, 'a cluster has no fault mode')
const STEPS = 80
/** What the rivals do; each must have been done at all. */
const KINDS = ['insert', 'update', 'transaction', 'delete', 'upsert', 'read', 'batches', 'look']

/** All that can go wrong, commits of unknown result included. */
const trouble = (used: number): Faults => ({ ...troubled(used), unknownResult: 0.05 })

async function manyRounds(count: number, faultsOf: (used: number) => Faults | undefined) {
  const first = seed()
  const random = new Random(first)
  const done = new Map<string, number>()
  await withTestServer(
    [],
    async server => {
      for (let round = 0; round < count; round++) {
        const [bucket, title] = [`b${round}`, `round ${round}, SEED=${first}`]
        const ledger = await compete(server, { bucket, random, title, steps: STEPS })
        for (const [what, times] of ledger.done) done.set(what, (done.get(what) ?? 0) + times)
        // What is checked is what is stored, not what the process has in memory.
        const { faults } = server
        server.faults = undefined
        await server.restart()
        await checkRivals(server, { bucket, ledger, title })
        server.faults = faults
        if (faults !== undefined) await server.restart()
      }
    },
    faultsOf(first),
  )
  for (const kind of KINDS) assert.ok((done.get(kind) ?? 0) > 0, `${kind} was never done`)
  console.log([...done].map(([what, times]) => `${what} ${times}`).join(', '))
}

tests('every document is as its writers were told', () =>
  manyRounds(rounds('rivals for documents'), () => undefined),
)

inTrouble('so it is over a store that refuses commits, answers late, or not at all', () =>
  manyRounds(rounds('rivals for documents'), trouble),
)

const UPSERTERS = 6
const PLACES = 12

/** Everybody upserts everything: each place has one document then.
 *  @param field  of the filter; the bucket has indexes on `unique` and `indexed` */
async function upsertAll(server: TestServer, field: string, used: number): Promise<void> {
  const bucket = `upserts-${field}`
  const client = await useJson(await server.connect(3))
  const schema = JSON.stringify({
    unique: { bson_type: 'int32', unique: true, name: 'unique' },
    indexed: { bson_type: 'int32', name: 'indexed' },
  })
  const creation = ['BUCKET.CREATE', bucket, 'INDEXES', schema, 'IF-NOT-EXISTS']
  while (!(await tried(() => client.call(...creation))));
  let mark = 0
  const known = new Map<number, Set<number>>()
  const done = new Set<number>()
  const upserts = Array.from({ length: UPSERTERS }, async (_, n) => {
    const random = new Random(used + n)
    const own = await useJson(await server.connect(3))
    for (let i = 0; i < 2 * PLACES; i++) {
      const [place, ownMark] = [random.between(1, PLACES), ++mark]
      // Null counts as a value of a unique index.
      const others = field === 'unique' ? {} : { unique: ownMark }
      const update = JSON.stringify({ $set: { mark: ownMark, ...others }, upsert: true })
      const words = ['BUCKET.UPDATE', bucket, `{"${field}": ${place}}`, update]
      const { type, value } = await own.frame(...words)
      const error = type === '-' ? String(value) : ''
      assert.match(error, /^$|^(NOT_COMMITTED|TRANSACTIONOLD|COMMIT_UNKNOWN_RESULT|DUPLICATEKEY) /)
      if (error !== '' && !error.startsWith('COMMIT_UNKNOWN_RESULT')) continue
      known.set(place, (known.get(place) ?? new Set()).add(ownMark))
      if (error === '') done.add(place)
    }
  })
  await Promise.all(upserts)
  const found = await queryAll(client, bucket, '{}')
  const title = `${field}, SEED=${used}`
  const places = found.map(document => Number(document[field]))
  assert.is(new Set(places).size, places.length, `two documents of one place: ${title}`)
  for (const place of done) assert.ok(places.includes(place), `${place} is missing: ${title}`)
  for (const { mark: last, [field]: place } of found) {
    assert.ok(known.get(Number(place))?.has(Number(last)), `${last} was refused: ${title}`)
  }
  const { documents, errors } = await verify(client, bucket)
  assert.equal([documents, errors], [found.length, []], title)
  assert.ok(done.size > 0, title)
}

async function manyUpserts(faultsOf: (used: number) => Faults | undefined): Promise<void> {
  const used = seed()
  const upserting = async (server: TestServer): Promise<void> => {
    for (const field of ['unique', 'indexed', 'plain']) await upsertAll(server, field, used)
  }
  await withTestServer([], upserting, faultsOf(used))
}

tests('of many upserts of one thing one inserts', () => manyUpserts(() => undefined))

inTrouble('of many upserts one inserts, over such a store', () => {
  // A check reads much in one transaction.
  return manyUpserts(used => ({ ...trouble(used), tooOldReads: 0.000_5 }))
})

tests.run()
