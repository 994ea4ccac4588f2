/** Indexes of a server that takes values of other types: they have no entry, and are found. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import {
  assertVerified,
  createIndexes,
  entryCount,
  insertAll,
  untilStatus,
} from '../support/indexes.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('loose types', ['bucket.index.strict_types=false'])

const json = async (): Promise<RespClient> => useJson(await server.connect(3))

const SCHEMA = {
  n: { bson_type: 'int32', name: 'n' },
  u: { bson_type: 'int32', name: 'u', unique: true },
  other: { bson_type: 'int32', name: 'other' },
  $compound: [
    {
      name: 'both',
      fields: [
        { selector: 'k', bson_type: 'string' },
        { selector: 'n', bson_type: 'int32' },
      ],
    },
  ],
}

async function nodeOf(client: RespClient, bucket: string, filter: string): Promise<Data> {
  const reply = (await client.call('BUCKET.EXPLAIN', bucket, filter)) as Map<Data, Data>
  return (reply.get('plan') as Map<Data, Data>).get('nodeType')!
}

test('an index that lacks a document is not read any more, and results stay the same', async () => {
  const client = await json()
  await client.call('BUCKET.CREATE', 'b', 'INDEXES', JSON.stringify(SCHEMA))
  await insertAll(client, 'b', [{ n: 1, u: 1, k: 'a', other: 1 }])
  assert.is(await nodeOf(client, 'b', '{"n": 1}'), 'IndexScan')
  assert.is(await nodeOf(client, 'b', '{"k": "a"}'), 'CompoundIndexScan')
  const odd = { n: 'text', u: 2, k: 'a', other: 1 }
  await insertAll(client, 'b', [odd])
  assert.is(await entryCount(client, 'b', 'n'), 1)
  assert.is(await entryCount(client, 'b', 'both'), 1)
  for (const filter of ['{"n": 1}', '{"n": "text"}', '{"n": {"$ne": 5}}', '{"k": "a"}']) {
    assert.is(await nodeOf(client, 'b', filter), 'FullScan', filter)
  }
  assert.is((await queryAll(client, 'b', '{"n": "text"}')).length, 1)
  assert.is((await queryAll(client, 'b', '{"k": "a"}')).length, 2)
  assert.is(await nodeOf(client, 'b', '{"other": 1}'), 'IndexScan')
  const sorted = ['BUCKET.QUERY', 'b', '{}', 'SORTBY', 'n', 'ASC']
  assert.match(await client.error(...sorted), /^ERR query cannot be executed: SORTBY 'n' /)
  await assertVerified(client, 'b', 'with a value of another type')
  // It gets an entry when its value has the type.
  await client.call('BUCKET.UPDATE', 'b', '{"n": "text"}', '{"$set": {"n": 7}}')
  assert.is(await entryCount(client, 'b', 'n'), 2)
  assert.is(await entryCount(client, 'b', 'both'), 2)
  await client.call('BUCKET.UPDATE', 'b', '{"n": 7}', '{"$set": {"n": [8, "x", 9]}}')
  assert.is(await entryCount(client, 'b', 'n'), 3)
  assert.is((await queryAll(client, 'b', '{"n": "x"}')).length, 1)
  assert.is(await assertVerified(client, 'b', 'after updates'), 2)
})

test('values without an entry are not subject to uniqueness', async () => {
  const client = await json()
  await client.call('BUCKET.CREATE', 'u', 'INDEXES', JSON.stringify(SCHEMA))
  await insertAll(client, 'u', [{ u: 'x' }, { u: 'x' }, { u: 1 }])
  const twice = ['BUCKET.INSERT', 'u', 'DOCS', '{"u": 1}']
  assert.is(await client.error(...twice), "DUPLICATEKEY Duplicate key: 'u' 1")
  assert.is((await queryAll(client, 'u', '{"u": "x"}')).length, 2)
  assert.is(await assertVerified(client, 'u', 'uniqueness'), 3)
})

test('a build over such values becomes READY, and the index is not read', async () => {
  const client = await json()
  await client.call('BUCKET.CREATE', 'built')
  await insertAll(client, 'built', [
    { n: 1, u: 1 },
    { n: 'x', u: 2 },
    { n: 2, u: 3 },
  ])
  await createIndexes(client, 'built', SCHEMA)
  for (const name of ['n', 'u', 'both']) {
    await untilStatus(client, 'READY', { bucket: 'built', name })
  }
  assert.is(await entryCount(client, 'built', 'n'), 2)
  assert.is(await nodeOf(client, 'built', '{"n": 1}'), 'FullScan')
  assert.is(await nodeOf(client, 'built', '{"u": 1}'), 'IndexScan')
  assert.is((await queryAll(client, 'built', '{"n": "x"}')).length, 1)
  await assertVerified(client, 'built', 'after the build')
})

test.run()
