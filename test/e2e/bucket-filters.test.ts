/** Filters on a small set of documents of all kinds; what matches is written down by hand. */
import { EJSON, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('bucket filters')

const DOCUMENTS = [
  '{"n":1,"a":5,"s":"apple","t":true,"tags":["x","y"],"sub":{"x":1}}',
  '{"n":2,"a":10,"s":"banana","t":false,"tags":["y"],"sub":{"x":2,"y":"q"}}',
  '{"n":3,"a":10.0,"s":"cherry","tags":[],"sub":{"x":null}}',
  '{"n":4,"a":null,"s":"Apple","d":{"$date":"2026-06-01T10:00:00Z"}}',
  '{"n":5,"s":"5"}',
  '{"n":6,"a":"5"}',
  '{"n":7,"a":[1,5,20]}',
  '{"n":8,"a":{"$numberLong":"9007199254740993"}}',
  '{"n":9,"a":{"$numberDecimal":"10.0"}}',
  '{"n":10,"items":[{"p":1,"q":"a"},{"p":2,"q":"b"}]}',
]
const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

const MATCHES: [filter: string, numbers: number[]][] = [
  ['{}', ALL],
  ['{"a":5}', [1, 7]],
  ['{"a":{"$eq":10}}', [2, 3, 9]],
  ['{"a":{"$ne":5}}', [2, 3, 4, 5, 8, 9, 10]],
  ['{"a":{"$gt":5}}', [2, 3, 7, 8, 9]],
  ['{"a":{"$gte":10}}', [2, 3, 7, 8, 9]],
  ['{"a":{"$lt":10}}', [1, 7]],
  ['{"a":{"$lte":5}}', [1, 7]],
  ['{"a":{"$gt":5,"$lt":10}}', [7]],
  ['{"a":{"$gt":{"$numberLong":"9007199254740992"}}}', [8]],
  ['{"a":{"$lt":{"$numberDecimal":"10.1"}}}', [1, 2, 3, 7, 9]],
  ['{"a":null}', [4, 5, 10]],
  ['{"a":{"$ne":null}}', [1, 2, 3, 6, 7, 8, 9]],
  ['{"a":{"$in":[5,"5"]}}', [1, 6, 7]],
  ['{"a":{"$in":[null]}}', [4, 5, 10]],
  ['{"a":{"$in":[]}}', []],
  ['{"a":{"$nin":[5,"5"]}}', [2, 3, 4, 5, 8, 9, 10]],
  ['{"a":{"$exists":true}}', [1, 2, 3, 4, 6, 7, 8, 9]],
  ['{"a":{"$exists":false}}', [5, 10]],
  ['{"a":{"$not":{"$gt":5}}}', [1, 4, 5, 6, 10]],
  ['{"tags":{"$size":0}}', [3]],
  ['{"tags":{"$size":2}}', [1]],
  ['{"tags":{"$all":["x","y"]}}', [1]],
  ['{"tags":{"$all":[]}}', [1, 2, 3]],
  ['{"tags":"y"}', [1, 2]],
  ['{"s":{"$regex":"^a"}}', [1]],
  ['{"s":{"$regex":"^a","$options":"i"}}', [1, 4]],
  ['{"tags":{"$regex":"y"}}', [1, 2]],
  ['{"s":{"$gt":"apple"}}', [2, 3]],
  ['{"t":true}', [1]],
  ['{"t":{"$gt":false}}', []],
  ['{"d":{"$gt":{"$date":"2020-01-01T00:00:00Z"}}}', [4]],
  ['{"sub.x":1}', [1]],
  ['{"sub.x":{"$exists":true}}', [1, 2, 3]],
  ['{"sub.y.z":{"$exists":true}}', []],
  ['{"items.p":2}', [10]],
  ['{"items.0.q":"a"}', [10]],
  ['{"items":{"$elemMatch":{"p":1,"q":"b"}}}', []],
  ['{"items":{"$elemMatch":{"p":2,"q":"b"}}}', [10]],
  ['{"a":{"$elemMatch":{"$gt":5,"$lt":10}}}', []],
  ['{"a":{"$elemMatch":{"$gte":5,"$lt":6}}}', [7]],
  ['{"$and":[{"a":{"$gte":5}},{"s":{"$exists":true}}]}', [1, 2, 3]],
  ['{"$or":[{"n":1},{"a":"5"}]}', [1, 6]],
  ['{"$nor":[{"a":{"$exists":true}},{"n":5}]}', [10]],
  ['{"$not":{"n":{"$lt":10}}}', [10]],
  ['{"$or":[{"$and":[{"n":{"$gt":8}},{"n":{"$lt":10}}]},{"$not":{"n":{"$gt":1}}}]}', [1, 9]],
  ['{"$and":[]}', ALL],
  ['{"$or":[]}', []],
  ['{"$nor":[]}', ALL],
]

const PARSE_ERRORS: [filter: string, error: string][] = [
  ['{"$foo":1}', 'Unknown operator: $foo'],
  ['{"a":{"$foo":1}}', 'Unknown selector operator: $foo'],
  ['{"a":{"b":1}}', 'Unknown selector operator: b'],
  ['{"a":{}}', 'Empty selector operator document for: a'],
  ['{"a":{"$not":{}}}', 'Empty selector operator document for: a'],
  ['{"a":{"$gt":null}}', '$gt operator does not support null values'],
  ['{"a":{"$size":"x"}}', '$size expects an integer'],
  ['{"a":{"$exists":1}}', '$exists expects a boolean'],
  ['{"a":{"$regex":1}}', '$regex expects a string pattern or a regular expression'],
  ['{"a":{"$regex":"a","$options":1}}', '$options expects a string'],
  ['{"a":{"$options":"i"}}', '$options requires $regex'],
  ['{"a":{"$regex":"a","$options":"x"}}', 'Unsupported $regex option: x'],
  ['{"a":{"$elemMatch":{"$elemMatch":{"b":1}}}}', 'Unknown selector operator: $elemMatch'],
]

test('accepts the documents', async () => {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', 'kinds')
  const ids = (await client.call('BUCKET.INSERT', 'kinds', 'DOCS', ...DOCUMENTS)) as string[]
  assert.is(ids.length, DOCUMENTS.length)
})

test('matches as written down, for JSON and BSON filters and any batch size', async () => {
  const client = await useJson(await server.connect(3))
  for (const [filter, numbers] of MATCHES) {
    const binary = Buffer.from(serialize(EJSON.parse(filter, { relaxed: false })))
    for (const [argument, limit] of [
      [filter, '100'],
      [filter, '1'],
      [binary, '3'],
    ] as const) {
      const found = await queryAll(client, 'kinds', argument, 'LIMIT', limit)
      assert.equal(
        found.map(({ n }) => n),
        numbers,
        `${filter} LIMIT ${limit}`,
      )
    }
  }
})

test('gives back what was stored, in relaxed extended JSON', async () => {
  const client = await useJson(await server.connect())
  const found = (await queryAll(client, 'kinds', '{}')).map(({ _id, ...rest }) => rest)
  const expected = DOCUMENTS.map(text => JSON.parse(text))
  expected[7].a = 9007199254740992
  assert.equal(found, expected)
})

test('answers mistakes in a filter with the documented texts', async () => {
  const client = await useJson(await server.connect())
  for (const [filter, error] of PARSE_ERRORS) {
    assert.is(await client.error('BUCKET.QUERY', 'kinds', filter), `ERR BQL parse error: ${error}`)
    assert.is(await client.error('BUCKET.DELETE', 'kinds', filter), `ERR BQL parse error: ${error}`)
  }
  const invalid = /^ERR BQL parse error: Invalid \$regex pattern: /
  assert.match(await client.error('BUCKET.QUERY', 'kinds', '{"a":{"$regex":"("}}'), invalid)
  assert.match(
    await client.error('BUCKET.QUERY', 'kinds', '{"a":{"$size":-1}}'),
    /^ERR Invalid logical plan/,
  )
  for (const malformed of ['{', '', '[]', '5', '{"a":}', '{"$and":5}', '{"a":{"$in":"x"}}']) {
    const error = await client.error('BUCKET.QUERY', 'kinds', malformed)
    assert.match(error, /^ERR /, malformed)
    assert.not.match(error, /internal error/, malformed)
  }
})

test('opens no cursor after a mistake', async () => {
  const client = await useJson(await server.connect(3))
  await client.error('BUCKET.QUERY', 'kinds', '{"$foo":1}')
  const reply = (await client.call('BUCKET.QUERY', 'kinds', '{}')) as Map<string, unknown>
  assert.is(reply.get('cursor_id'), 1)
})

test.run()
