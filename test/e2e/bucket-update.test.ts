/** BUCKET.UPDATE, and the options that QUERY and UPDATE share, as a client sees them. */
import * as assert from 'uvu/assert'
import { batchOf, queryAll, useJson } from '../support/bucket.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('BUCKET.UPDATE')

const ID = '665f0a3e0000000000000001'
let bucketCount = 0

async function open(...documents: string[]): Promise<{ client: RespClient; bucket: string }> {
  const client = await useJson(await server.connect())
  await client.call('SESSION.ATTRIBUTE', 'SET', 'object_id_format', 'hex')
  const bucket = `b${++bucketCount}`
  await client.call('BUCKET.CREATE', bucket)
  if (documents.length > 0) await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents)
  return { client, bucket }
}

/** Document, filter and update; what the document is then, null if it is not listed. */
const UPDATES: readonly [doc: object, filter: string, update: string, after: object | null][] = [
  [{ a: 1 }, '{}', '{"$set":{"b":2}}', { a: 1, b: 2 }],
  [{ a: 1, b: 2 }, '{}', '{"$set":{"a":3}}', { a: 3, b: 2 }],
  [{ a: 1 }, '{}', '{"$set":{"b.c":2}}', { a: 1, b: { c: 2 } }],
  [{ a: 1 }, '{}', '{"$set":{"a.c":2}}', null],
  [{ a: 1 }, '{}', '{"$set":{"a":1}}', null],
  [{ a: 1, b: 2 }, '{}', '{"$unset":["b"]}', { a: 1 }],
  [{ a: 1, b: 2 }, '{}', '{"$unset":["a"],"$set":{"a":5,"c":1}}', { b: 2, c: 1 }],
  [{ s: [85, 90, 75] }, '{}', '{"$unset":["s.0"]}', { s: [90, 75] }],
  [{ s: [85, 90, 75] }, '{}', '{"$set":{"s.9":1}}', null],
  [{ s: [85, 90, 75] }, '{"s":{"$gte":88}}', '{"$set":{"s.$":0}}', { s: [85, 0, 75] }],
  [{ s: [1, 2] }, '{}', '{"$set":{"s.$[]":7}}', { s: [7, 7] }],
  [
    { s: [85, 90, 75] },
    '{}',
    '{"$set":{"s.$[h]":100},"array_filters":[{"h":{"$gte":85}}]}',
    { s: [100, 100, 75] },
  ],
  [
    { s: [85, 90, 75] },
    '{}',
    '{"$unset":["s.$[l]"],"array_filters":[{"l":{"$lt":80}}]}',
    { s: [85, 90] },
  ],
  [{ a: 1 }, '{}', '{}', null],
]

test('changes documents, and lists those that are others now', async () => {
  for (const [doc, filter, update, after] of UPDATES) {
    const { client, bucket } = await open(JSON.stringify({ _id: ID, ...doc }))
    const { items } = await batchOf(client, 'BUCKET.UPDATE', bucket, filter, update)
    assert.equal(items.map(String), after === null ? [] : [ID], update)
    assert.equal(await queryAll(client, bucket, '{}'), [{ _id: ID, ...(after ?? doc) }], update)
  }
})

const REFUSALS: readonly [filter: string, update: string, text: string][] = [
  ['{}', '', 'ERR update parameter cannot be empty'],
  ['{}', '{"$set":{"_id":1}}', 'ERR _id field is immutable and cannot be modified with $set'],
  ['{}', '{"$unset":["_id"]}', 'ERR _id field is immutable and cannot be modified with $unset'],
  ['{}', '{"upsert":1}', 'ERR upsert must be a boolean'],
  ['{}', '{"$set":{"s.$[x]":1}}', "ERR No array filter found for identifier 'x' in path 's.$[x]'"],
  ['{}', '{"$set":{"s.$x":1}}', "ERR Invalid positional operator '$x' in path: s.$x"],
  ['{}', '{"$set":{"s.$":1}}', "ERR Positional operator $ requires array field 's' in query"],
]

test('refuses updates that are malformed, and changes nothing', async () => {
  const { client, bucket } = await open(`{"_id":"${ID}","s":[1]}`)
  for (const [filter, update, text] of REFUSALS) {
    assert.is(await client.error('BUCKET.UPDATE', bucket, filter, update), text)
  }
  assert.equal(await queryAll(client, bucket, '{}'), [{ _id: ID, s: [1] }])
})

test('inserts if nothing matches, once', async () => {
  const { client, bucket } = await open()
  const update = '{"$set":{"b.c":2},"upsert":true}'
  const first = await batchOf(client, 'BUCKET.UPDATE', bucket, '{"a":1,"n":{"$gt":5}}', update)
  assert.is(first.items.length, 1)
  const again = await batchOf(client, 'BUCKET.ADVANCE', 'UPDATE', String(first.cursorId))
  assert.equal(again.items, [])
  const found = await queryAll(client, bucket, '{}')
  assert.equal(found, [{ _id: String(first.items[0]), a: 1, b: { c: 2 } }])
})

test('goes on with a cursor, and touches no document twice', async () => {
  const documents = Array.from({ length: 250 }, (_, n) => `{"n":${n}}`)
  const { client, bucket } = await open(...documents)
  await client.call('BUCKET.CREATE', `${bucket}i`, 'INDEXES', '{"n":{"bson_type":"int32"}}')
  await client.call('BUCKET.INSERT', `${bucket}i`, 'DOCS', ...documents)
  for (const name of [bucket, `${bucket}i`]) {
    // What is updated moves behind the position of an index scan, into its range.
    const update = '{"$set":{"n":1000}}'
    let batch = await batchOf(client, 'BUCKET.UPDATE', name, '{"n":{"$gte":0}}', update)
    const counts = [batch.items.length]
    while (batch.items.length > 0) {
      batch = await batchOf(client, 'BUCKET.ADVANCE', 'UPDATE', String(batch.cursorId))
      counts.push(batch.items.length)
    }
    assert.equal(counts, [100, 100, 50, 0], name)
  }
})

test('changes each document as itself when a union of scans finds them', async () => {
  const { client, bucket } = await open()
  const name = `${bucket}u`
  await client.call('BUCKET.CREATE', name, 'INDEXES', '{"n":{"bson_type":"int32"}}')
  const ids = [1, 2, 3].map(i => ID.slice(0, -1) + i)
  const documents = ids.map((_id, i) => ({ _id, n: 3 - i }))
  await client.call('BUCKET.INSERT', name, 'DOCS', ...documents.map(doc => JSON.stringify(doc)))
  await batchOf(client, 'BUCKET.UPDATE', name, '{"n":{"$in":[1,3]}}', '{"$set":{"m":1}}')
  const [first, second, third] = documents
  const expected = [{ ...first, m: 1 }, second, { ...third, m: 1 }]
  assert.equal(await queryAll(client, name, '{}'), expected)
  for (const doc of expected) {
    assert.equal(await queryAll(client, name, JSON.stringify({ n: doc!.n })), [doc])
  }
})

const SORT = 'argument must be followed by a field name and direction (ASC or DESC)'
const OPTION_REFUSALS: readonly [words: readonly string[], text: string][] = [
  [['SORTBY', 'a'], `ERR SORTBY ${SORT}`],
  [['RESULTSORT'], `ERR RESULTSORT ${SORT}`],
  [['SORTBY', 'a', 'up'], 'ERR Invalid sort direction: UP'],
  [
    ['SORTBY', 'a', 'ASC', 'RESULTSORT', 'a', 'ASC'],
    "ERR SORTBY and RESULTSORT cannot use the same field: 'a'",
  ],
  [['PROJECTION'], 'ERR PROJECTION argument must be followed by a projection specification'],
  [['COLLATION'], 'ERR COLLATION argument must be followed by a collation specification'],
  [['COLLATION', '{}'], "ERR Collation 'locale' is required"],
  [['COLLATION', '{"locale":"en","x":1}'], 'ERR Unknown collation field: x'],
  [
    ['PROJECTION', '{"a":1,"b":0}'],
    'ERR Cannot mix inclusion and exclusion in projection spec (except _id: 0)',
  ],
  [
    ['SORTBY', 'a', 'ASC'],
    "ERR query cannot be executed: SORTBY 'a' requires an index that provides natural ordering. " +
      "Hint: create an index on 'a'",
  ],
  [['ANALYZE'], "ERR 'ANALYZE' is an unsupported argument"],
  [['FOO'], "ERR Unknown 'FOO' argument"],
]

test('refuses malformed options, and opens no cursor', async () => {
  const { client, bucket } = await open('{"a":1}')
  for (const [words, text] of OPTION_REFUSALS) {
    assert.is(await client.error('BUCKET.QUERY', bucket, '{}', ...words), text)
  }
  for (const word of ['RESULTSORT', 'PROJECTION']) {
    const text = `ERR '${word}' is an unsupported argument`
    assert.is(await client.error('BUCKET.UPDATE', bucket, '{}', '{}', word, 'a', 'ASC'), text)
  }
  assert.is((await batchOf(client, 'BUCKET.QUERY', bucket, '{}')).cursorId, 1)
})

test('projects and sorts a batch, and compares strings as a collation does', async () => {
  const { client, bucket } = await open('{"s":"cafe","n":2}', '{"s":"Café","n":1}')
  const words = ['PROJECTION', '{"_id":0,"n":1}', 'RESULTSORT', 'n', 'ASC']
  assert.equal(await queryAll(client, bucket, '{}', ...words), [{ n: 1 }, { n: 2 }])
  const collated = async (spec: string) => {
    const options = ['COLLATION', spec, 'PROJECTION', '{"_id":0,"n":1}']
    return queryAll(client, bucket, '{"s":"CAFE"}', ...options)
  }
  assert.equal(await collated('{"locale":"en","strength":2}'), [{ n: 2 }])
  assert.equal((await collated('{"locale":"en","strength":1}')).length, 2)
  assert.equal(await collated('{"locale":"en"}'), [])
})

test.run()
