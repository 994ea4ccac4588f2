/** Builds and drops of indexes while clients write: nothing is lost, and the indexes are right. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { embeddedOnly, isOnCluster } from '../support/cluster.js'
import { type Faults, troubled } from '../support/faults.js'
import { IndexWriter, LATER_INDEXES, WRITERS_SCHEMA } from '../support/index-writers.js'
import { createIndexes, untilStatus, verify } from '../support/indexes.js'
import { Random } from '../support/random.js'
import type { RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const tests = suite('builds of indexes beside writers')
const WRITERS = 4
const NAMES = ['n', 'tags', 'text', 'both']
const SHARDS = ['bucket.shards=2']

/** One bucket: written, indexed, an index dropped and made again, and checked. */
async function buildBeside(
  server: TestServer,
  { bucket, random, title }: { bucket: string; random: Random; title: string },
): Promise<void> {
  const client = await useJson(await server.connect(3))
  const shards = random.next() < 0.5 ? ['SHARDS', '0', '1'] : []
  await client.call('BUCKET.CREATE', bucket, ...shards, 'INDEXES', WRITERS_SCHEMA)
  const writers = await Promise.all(
    Array.from({ length: WRITERS }, async (_, n) => {
      const own = new Random(random.between(0, 2 ** 31 - 1))
      const options = { bucket, random: own, owner: `w${n}` }
      return IndexWriter.of(await server.connect(3), options)
    }),
  )
  for (const writer of writers) await writer.insert(random.between(50, 400))
  const running = Promise.all(writers.map(writer => writer.run()))
  try {
    await createIndexes(client, bucket, LATER_INDEXES)
    for (const name of NAMES) await untilStatus(client, 'READY', { bucket, name })
    await client.call('BUCKET.INDEX', 'DROP', bucket, 'n')
    await untilStatus(client, 'gone', { bucket, name: 'n' })
    const { errors } = await verify(client, bucket)
    assert.equal(errors, [], `beside writers: ${title}`)
    await createIndexes(client, bucket, { n: LATER_INDEXES.n })
    await untilStatus(client, 'READY', { bucket, name: 'n' })
  } finally {
    for (const writer of writers) writer.stop()
    await running
  }
  await check(client, bucket, { writers, title })
}

async function check(
  client: RespClient,
  bucket: string,
  { writers, title }: { writers: readonly IndexWriter[]; title: string },
): Promise<void> {
  const { documents, errors } = await verify(client, bucket)
  assert.equal(errors, [], title)
  const found = await queryAll(client, bucket, '{}', 'LIMIT', '1000')
  assert.is(found.length, documents, title)
  const byKey = new Map(found.map(({ _id, key, ...fields }) => [key, fields]))
  for (const writer of writers) {
    for (const [key, fields] of writer.documents) {
      if (fields !== 'unknown') assert.equal(byKey.get(key), fields, `${key}: ${title}`)
      byKey.delete(key)
    }
  }
  assert.equal([...byKey.keys()], [], `documents that should not be there: ${title}`)
}

async function manyBuilds(count: number, faults?: Faults): Promise<void> {
  const first = seed()
  const random = new Random(first)
  await withTestServer(
    isOnCluster ? [] : SHARDS,
    async server => {
      for (let round = 0; round < count; round++) {
        const title = `round ${round}, SEED=${first}`
        await buildBeside(server, { bucket: `b${round}`, random, title })
        server.closeClients()
      }
    },
    faults,
  )
}

tests('all that is acknowledged is there, and every index is right', () =>
  manyBuilds(rounds('builds beside writers')),
)

const inTrouble = embeddedOnly(tests, 'a cluster has no fault mode')

inTrouble('so it is over a store that refuses commits and answers late', () => {
  const count = Math.ceil(rounds('builds beside writers') / 4)
  // A check reads much in one transaction.
  return manyBuilds(count, { ...troubled(seed()), unknownResult: 0.05, tooOldReads: 0.000_5 })
})

tests('a value of a unique index is one document’s, whoever asks for it when', async () => {
  const first = seed()
  await withTestServer([], async server => {
    const client = await useJson(await server.connect(3))
    await client.call('BUCKET.CREATE', 'u')
    const before = Array.from({ length: 2_000 }, (_, n) => JSON.stringify({ u: n + 1_000 }))
    await client.call('BUCKET.INSERT', 'u', 'DOCS', ...before)
    const won = new Map<number, number>()
    await createIndexes(client, 'u', { u: { bson_type: 'int32', unique: true, name: 'u' } })
    await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const random = new Random(first + n)
        const own = await useJson(await server.connect(3))
        for (let round = 0; round < 150; round++) {
          const u = random.between(0, 199)
          const words =
            random.next() < 0.7
              ? ['BUCKET.INSERT', 'u', 'DOCS', `{"u": ${u}}`]
              : ['BUCKET.UPDATE', 'u', `{"u": ${1_000 + round * 8 + n}}`, `{"$set": {"u": ${u}}}`]
          const { type, value } = await own.frame(...words)
          if (type !== '-') won.set(u, (won.get(u) ?? 0) + 1)
          else assert.match(String(value), /^(DUPLICATEKEY|NOT_COMMITTED) /, `SEED=${first}`)
        }
      }),
    )
    await untilStatus(client, 'READY', { bucket: 'u', name: 'u' })
    for (const [u, times] of won) assert.is(times, 1, `${u}, SEED=${first}`)
    const { documents, entries, errors } = await verify(client, 'u')
    assert.equal(errors, [], `SEED=${first}`)
    assert.is(entries, documents)
    for (const u of won.keys()) {
      assert.is((await queryAll(client, 'u', `{"u": ${u}}`)).length, 1, `${u}, SEED=${first}`)
    }
  })
})

tests.run()
