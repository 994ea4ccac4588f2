/** What settings change of documents and their plans. */
import { serialize } from 'bson'
import * as assert from 'uvu/assert'
import { batchOf, queryAll, textsOf, useJson } from '../support/bucket.js'
import { entryCount } from '../support/indexes.js'
import { bytesOf, elementsOf, type RespClient } from '../support/resp-client.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('settings of buckets', [
  ...['bucket.object_id_format=hex', 'session_attributes.limit=2'],
  ...['bucket.index.strict_types=false', 'bucket.plan_cache.enabled=false'],
])

const INDEX = ['INDEXES', '{"n":{"bson_type":"int32","name":"by-n"}}']

/** Does EXPLAIN find a plan of the query that was remembered? The session speaks RESP2. */
async function isCached(client: RespClient): Promise<boolean> {
  const reply = await client.call('BUCKET.EXPLAIN', 'cached', '{"n":1}')
  return (reply as unknown[])[1] === 1
}

test('sessions begin with the form of ids and the batch size that are set', async () => {
  const client = await server.connect()
  await client.call('BUCKET.CREATE', 'defaults')
  const documents = [1, 2, 3].map(n => Buffer.from(serialize({ n })))
  const ids = elementsOf(await client.frame('BUCKET.INSERT', 'defaults', 'DOCS', ...documents))
  assert.equal(
    ids.map(id => bytesOf(id).length),
    [24, 24, 24],
  )
  assert.is((await batchOf(client, 'BUCKET.QUERY', 'defaults', '{}')).items.length, 2)
  assert.is((await batchOf(client, 'BUCKET.DELETE', 'defaults', '{}')).items.length, 2)
})

test('without strict types a value of another type has no entry, and is still found', async () => {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', 'loose', ...INDEX)
  await client.call('BUCKET.INSERT', 'loose', 'DOCS', '{"n": 1}', '{"n": "x"}', '{"n": [2, "y"]}')
  assert.is(await entryCount(client, 'loose', 'by-n'), 2)
  assert.equal(await textsOf(client, 'loose', '{"n":"x"}'), ['{"n": "x"}'])
  assert.equal(await textsOf(client, 'loose', '{"n":"y"}'), ['{"n": [2, "y"]}'])
  assert.equal(await textsOf(client, 'loose', '{"n":2}'), ['{"n": [2, "y"]}'])
  const changed = await batchOf(client, 'BUCKET.UPDATE', 'loose', '{"n":1}', '{"$set":{"n":{}}}')
  assert.is(changed.items.length, 1)
  assert.is((await queryAll(client, 'loose', '{}')).length, 3)
})

test('remembers no plan where that is switched off', async () => {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', 'cached', ...INDEX)
  await queryAll(client, 'cached', '{"n":1}')
  assert.not(await isCached(client))
})

test('forgets plans when their time is over', () =>
  withTestServer(['bucket.plan_cache.max_ttl=300'], async short => {
    const client = await useJson(await short.connect())
    await client.call('BUCKET.CREATE', 'cached', ...INDEX)
    // A query that was planned just now; if the machine was slow, once more.
    await until('a plan is remembered', async () => {
      await queryAll(client, 'cached', '{"n":1}')
      return await isCached(client)
    })
    await until('it is forgotten', async () => !(await isCached(client)))
  }))

test.run()
