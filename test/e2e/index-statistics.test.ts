/** BUCKET.INDEX ANALYZE: another index is read, the same is found. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { insertAll, tasksOf } from '../support/indexes.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('statistics of indexes')

const SCHEMA = `{
  "kind": {"bson_type": "string", "name": "kind"},
  "n": {"bson_type": "int32", "name": "n"}}`
/** Few documents have such an `n`, a quarter has the kind. */
const NARROW = '{"kind": "k1", "n": {"$gte": 100, "$lt": 120}}'

async function indexOf(client: RespClient, bucket: string, filter: string): Promise<Data> {
  const explained = (await client.call('BUCKET.EXPLAIN', bucket, filter)) as Map<Data, Data>
  return (explained.get('plan') as Map<Data, Data>).get('index')!
}

async function analyzed(client: RespClient, bucket: string, name: string): Promise<void> {
  assert.is(await client.call('BUCKET.INDEX', 'ANALYZE', bucket, name), 'OK')
  await until(`index ${name} is analyzed`, async () => {
    return (await tasksOf(client, bucket, name)).length === 0
  })
}

async function filled(bucket: string): Promise<RespClient> {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', bucket, 'INDEXES', SCHEMA)
  const documents = Array.from({ length: 5_000 }, (_, n) => ({ n, kind: `k${n % 4}` }))
  await insertAll(client, bucket, documents)
  return client
}

test('the index with fewer entries is read, and the same documents are found', async () => {
  const client = await filled('b')
  const found = async () => (await queryAll(client, 'b', NARROW)).map(({ n }) => n)
  const before = await found()
  assert.equal(before, [101, 105, 109, 113, 117])
  assert.is(await indexOf(client, 'b', NARROW), 'kind')
  await analyzed(client, 'b', 'kind')
  await analyzed(client, 'b', 'n')
  await until('the planner knows', async () => (await indexOf(client, 'b', NARROW)) === 'n')
  assert.equal(await found(), before)
  const wide = '{"kind": "k1", "n": {"$gte": 0}}'
  assert.is(await indexOf(client, 'b', wide), 'kind')
  assert.is((await queryAll(client, 'b', wide, 'LIMIT', '5000')).length, 1_250)
})

test('plans that were cached are made again', async () => {
  const client = await filled('cached')
  const isCached = async (): Promise<Data> => {
    const explained = (await client.call('BUCKET.EXPLAIN', 'cached', NARROW)) as Map<Data, Data>
    return explained.get('is_cached')!
  }
  await queryAll(client, 'cached', NARROW)
  assert.is(await isCached(), true)
  await analyzed(client, 'cached', 'n')
  await until('the plan is dropped', async () => (await isCached()) === false)
})

test('the primary index and an empty one can be analyzed', async () => {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', 'empty', 'INDEXES', SCHEMA)
  for (const name of ['primary-index', 'n']) await analyzed(client, 'empty', name)
  await insertAll(client, 'empty', [{ n: 1, kind: 'k1' }])
  assert.is((await queryAll(client, 'empty', '{"n": 1, "kind": "k1"}')).length, 1)
})

test('statistics go with their index', async () => {
  const client = await filled('dropped')
  await analyzed(client, 'dropped', 'n')
  await until('the planner knows', async () => (await indexOf(client, 'dropped', NARROW)) === 'n')
  await client.call('BUCKET.INDEX', 'DROP', 'dropped', 'n')
  assert.is(await indexOf(client, 'dropped', NARROW), 'kind')
  assert.is((await queryAll(client, 'dropped', NARROW)).length, 5)
})

test.run()
