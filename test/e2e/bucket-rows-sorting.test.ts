/** SORTBY and RESULTSORT, row by row: orders of types, what is accepted, what is refused. */
import * as assert from 'uvu/assert'
import { batchOf, textsOf, useJson } from '../support/bucket.js'
import { elementsOf, type RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('rows of sorting')

const idOf = (n: number): string => n.toString(16).padStart(24, '0')

/** A bucket of documents whose ids ascend from 1. */
async function open(
  bucket: string,
  documents: readonly string[],
  ...words: string[]
): Promise<RespClient> {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', bucket, ...words)
  const withIds = documents.map((text, i) => `{"_id":"${idOf(i + 1)}",${text.slice(1)}`)
  await client.call('BUCKET.INSERT', bucket, 'DOCS', ...withIds)
  return client
}

/** The numbers of all documents that a query finds, a batch each. */
async function batches(client: RespClient, ...words: string[]): Promise<number[][]> {
  const numbers = (items: readonly Buffer[]): number[] =>
    items.map(item => Number.parseInt(JSON.parse(item.toString())._id, 16))
  let batch = await batchOf(client, 'BUCKET.QUERY', ...words)
  const found: number[][] = []
  while (batch.items.length > 0) {
    found.push(numbers(batch.items))
    batch = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(batch.cursorId))
  }
  return found
}

/** The same in one list, read in small batches: their size changes nothing. */
async function sorted(client: RespClient, ...words: string[]): Promise<number[]> {
  const found = (await batches(client, ...words)).flat()
  for (const limit of ['1', '2', '3']) {
    assert.equal((await batches(client, ...words, 'LIMIT', limit)).flat(), found, words.join(' '))
  }
  return found
}

/** All kinds of values, one bracket a line, lowest first. */
const BRACKETS = [
  ['null'],
  ['-5', '{"$numberDecimal":"-4.5"}', '0', '{"$numberLong":"1"}', '1.5', '{"$numberDouble":"NaN"}'],
  ['""', '"A"', '"B"', '"a"', '"ä"', '"｡"', '"😀"'],
  ['{}', '{"a":1}', '{"a":1,"b":0}', '{"a":2}', '{"a":"x"}', '{"b":0}'],
  ['[]', '[null]', '[1]', '[1,0]', '[2]', '["x"]', '[[]]'],
  [
    '{"$binary":{"base64":"","subType":"00"}}',
    '{"$binary":{"base64":"AQ==","subType":"00"}}',
    '{"$binary":{"base64":"AQA=","subType":"00"}}',
    '{"$binary":{"base64":"Ag==","subType":"00"}}',
  ],
  [`{"$oid":"${idOf(1)}"}`, `{"$oid":"${idOf(2)}"}`],
  ['false', 'true'],
  ['{"$date":{"$numberLong":"-1"}}', '{"$date":0}', '{"$date":1}'],
  ['{"$timestamp":{"t":0,"i":1}}', '{"$timestamp":{"t":0,"i":2}}', '{"$timestamp":{"t":1,"i":0}}'],
].flat()

test('RESULTSORT has a bracket for each type', async () => {
  // Every seventh: ascending and descending order are both far from it.
  const order = BRACKETS.map((_, i) => (i * 7) % BRACKETS.length)
  assert.is(new Set(order).size, BRACKETS.length)
  const client = await open(
    'brackets',
    order.map(at => `{"v":${BRACKETS[at]},"at":${at}}`),
  )
  const found = async (direction: string): Promise<unknown[]> => {
    const words = ['brackets', '{}', 'RESULTSORT', 'v', direction]
    return (await textsOf(client, ...words)).map(text => JSON.parse(text).at)
  }
  const ascending = BRACKETS.map((_, at) => at)
  assert.equal(await found('ASC'), ascending)
  assert.equal(await found('DESC'), ascending.reverse())
})

test('RESULTSORT leaves ties in the order of the scan, in both directions', async () => {
  const values = [
    '"v":2',
    '"v":1',
    '"x":1',
    '"v":1.0',
    '"v":null',
    '"v":2',
    '"v":{"$numberLong":"1"}',
  ]
  const client = await open(
    'ties',
    values.map(value => `{${value}}`),
  )
  const words = (direction: string) => ['ties', '{}', 'RESULTSORT', 'v', direction]
  assert.equal(await batches(client, ...words('asc')), [[3, 5, 2, 4, 7, 1, 6]])
  assert.equal(await batches(client, ...words('desc')), [[1, 6, 2, 4, 7, 3, 5]])
})

test('RESULTSORT sorts a batch, whatever comes behind it', async () => {
  const client = await open(
    'local',
    [5, 3, 4, 2, 1].map(v => `{"v":{"w":${v}}}`),
  )
  const words = ['local', '{}', 'RESULTSORT', 'v.w', 'ASC']
  assert.equal(await batches(client, ...words, 'LIMIT', '2'), [[2, 1], [4, 3], [5]])
  assert.equal(await batches(client, ...words), [[5, 4, 2, 3, 1]])
  const both = ['local', '{}', 'SORTBY', '_id', 'DESC', 'RESULTSORT', 'v.w', 'DESC', 'LIMIT', '3']
  assert.equal(await batches(client, ...both), [
    [3, 4, 5],
    [1, 2],
  ])
})

const NUMBERS = ['{"v":3}', '{"v":1}', '{}', '{"v":2}', '{"v":null}', '{"v":1}', '{"v":3}']
const INT = '{"v":{"bson_type":"int32"}}'

test('SORTBY has missing values first, then values, ties by id; DESC is the reverse', async () => {
  const client = await open('global', NUMBERS, 'INDEXES', INT)
  const expected = [3, 5, 2, 6, 4, 1, 7]
  assert.equal(await sorted(client, 'global', '{}', 'SORTBY', 'v', 'ASC'), expected)
  assert.equal(await sorted(client, 'global', '{}', 'SORTBY', 'v', 'DESC'), [...expected].reverse())
})

/** Filters on the field of the order, and what they leave of it. */
const ONE_FIELD: readonly (readonly [filter: string, ascending: number[]])[] = [
  ['{"v":1}', [2, 6]],
  ['{"v":null}', [3, 5]],
  ['{"v":{"$ne":1}}', [3, 5, 4, 1, 7]],
  ['{"v":{"$gt":1}}', [4, 1, 7]],
  ['{"v":{"$gte":2}}', [4, 1, 7]],
  ['{"v":{"$lt":3}}', [2, 6, 4]],
  ['{"v":{"$lte":2}}', [2, 6, 4]],
  ['{"v":{"$gt":0,"$lt":3}}', [2, 6, 4]],
  ['{"v":{"$nin":[2,9]}}', [3, 5, 2, 6, 1, 7]],
  ['{"v":{"$in":[3,1,1]}}', [2, 6, 1, 7]],
  ['{"v":{"$in":[3,null]}}', [3, 5, 1, 7]],
  ['{"$or":[{"v":3},{"v":1}]}', [2, 6, 1, 7]],
  ['{"v":{"$gte":1},"other":null}', [2, 6, 4, 1, 7]],
  ['{"v":{"$gte":1},"$nor":[{"v":2}]}', [2, 6, 1, 7]],
]

test('SORTBY goes with conditions on its field, and any others', async () => {
  const client = await open('one-field', NUMBERS, 'INDEXES', INT)
  for (const [filter, ascending] of ONE_FIELD) {
    assert.equal(await sorted(client, 'one-field', filter, 'SORTBY', 'v', 'ASC'), ascending, filter)
    const descending = await sorted(client, 'one-field', filter, 'SORTBY', 'v', 'DESC')
    assert.equal(descending, [...ascending].reverse(), filter)
  }
})

test('a cursor in the order of an index shows what comes ahead, and nothing twice', async () => {
  const client = await open(
    'moving',
    [1, 2, 3, 4, 5].map(v => `{"v":${v}}`),
    'INDEXES',
    INT,
  )
  const set = (from: number, to: number) =>
    client.call('BUCKET.UPDATE', 'moving', `{"v":${from}}`, `{"$set":{"v":${to}}}`)
  const numbers = (items: readonly Buffer[]) => items.map(item => JSON.parse(item.toString()).v)
  for (const words of [['SORTBY', 'v', 'ASC'], []]) {
    const query = ['moving', '{"v":{"$gte":0}}', ...words, 'LIMIT', '2']
    const first = await batchOf(client, 'BUCKET.QUERY', ...query)
    assert.equal(numbers(first.items), [1, 2])
    // One that was shown goes ahead, one that was not goes behind; new ones come on both sides.
    await set(1, 9)
    await set(4, 0)
    await client.call('BUCKET.INSERT', 'moving', 'DOCS', '{"v":1}', '{"v":7}')
    const rest: number[] = []
    for (let items = first.items; items.length > 0; ) {
      items = (await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(first.cursorId))).items
      rest.push(...numbers(items))
    }
    assert.equal(rest, [3, 5, 7])
    await client.call('BUCKET.DELETE', 'moving', '{"v":{"$in":[1,7]}}')
    await set(9, 1)
    await set(0, 4)
  }
})

test('without SORTBY the order is that of the scan, for a union that of the ids', async () => {
  const client = await open('unsorted', NUMBERS, 'INDEXES', INT)
  const found = (filter: string) => sorted(client, 'unsorted', filter)
  assert.equal(await found('{"other":null}'), [1, 2, 3, 4, 5, 6, 7])
  assert.equal(await found('{"v":{"$gt":0}}'), [2, 6, 4, 1, 7])
  const union = ['unsorted', '{"$or":[{"v":3},{"v":1},{"v":2}]}']
  assert.equal(await batches(client, ...union), [[1, 2, 4, 6, 7]])
  assert.equal(await batches(client, 'unsorted', '{"v":{"$in":[3,null,1]}}'), [[1, 2, 3, 5, 6, 7]])
})

test('SORTBY _id needs no index', async () => {
  const client = await open('by-id', NUMBERS)
  assert.equal(await sorted(client, 'by-id', '{"v":{"$gte":2}}', 'SORTBY', '_id', 'ASC'), [1, 4, 7])
  assert.equal(await sorted(client, 'by-id', '{}', 'SORTBY', '_id', 'DESC'), [7, 6, 5, 4, 3, 2, 1])
  const range = `{"_id":{"$gt":"${idOf(2)}","$lte":"${idOf(5)}"}}`
  assert.equal(await sorted(client, 'by-id', range, 'SORTBY', '_id', 'DESC'), [5, 4, 3])
})

test('SORTBY has an array once, at its smallest or largest element', async () => {
  const documents = ['{"v":[1,9]}', '{"v":[2,3]}', '{"v":[]}', '{"v":5}', '{}', '{"v":[0,4]}']
  const index = '{"v":{"bson_type":"int32","multi_key":true}}'
  const client = await open('arrays', documents, 'INDEXES', index)
  const by = (filter: string, direction: string) =>
    sorted(client, 'arrays', filter, 'SORTBY', 'v', direction)
  // An array without elements is behind what is missing.
  assert.equal(await by('{}', 'ASC'), [5, 3, 6, 1, 2, 4])
  assert.equal(await by('{}', 'DESC'), [1, 4, 6, 2, 3, 5])
  assert.equal(await by('{"v":{"$gt":3}}', 'DESC'), [1, 4, 6])
})

const COMPOUND = JSON.stringify({
  $compound: [
    {
      name: 'abc',
      fields: ['a', 'b', 'c'].map(selector => ({ selector, bson_type: 'int32' })),
    },
  ],
  x: { bson_type: 'int32' },
})

test('SORTBY uses a compound index behind equalities', async () => {
  const tuples = [
    [1, 2, 3],
    [1, 1, 2],
    [2, 0, 0],
    [1, 1, 1],
    [1, 2, 1],
    [0, 5, 5],
  ]
  const documents = tuples.map(([a, b, c]) => `{"a":${a},"b":${b},"c":${c}}`)
  const client = await open('compound', documents, 'INDEXES', COMPOUND)
  const by = (filter: string, ...order: string[]) =>
    sorted(client, 'compound', filter, 'SORTBY', ...order)
  assert.equal(await by('{"a":1}', 'b', 'ASC'), [4, 2, 5, 1])
  assert.equal(await by('{"a":1}', 'b', 'DESC'), [1, 5, 2, 4])
  assert.equal(await by('{"a":1,"b":{"$gt":1}}', 'b', 'ASC'), [5, 1])
  assert.equal(await by('{"a":1,"b":1}', 'c', 'DESC'), [2, 4])
  assert.equal(await by('{"a":1,"b":2,"c":{"$gte":1}}', 'c', 'ASC'), [5, 1])
  assert.equal(await by('{"a":{"$gte":1}}', 'a', 'DESC'), [3, 1, 5, 2, 4])
  assert.equal(await by('{"a":{"$gt":0,"$lt":2}}', 'a', 'ASC'), [4, 2, 5, 1])
})

const BEHIND_RANGE = (f: string, r: string) =>
  `SORTBY '${f}' cannot be executed because a range filter on '${r}' breaks compound index ` +
  `ordering. Hint: use an equality filter on '${r}' or create an index on '${f}'`
const OTHER_COLLATION = (f: string) =>
  `SORTBY '${f}' cannot use the existing index because its collation does not match the query ` +
  'collation. Hint: use a collation that matches the index on ' +
  `'${f}'`
const NOT_READ = (f: string) =>
  `SORTBY '${f}' cannot be used because the query's execution plan does not provide natural ` +
  `ordering on this field. Hint: use RESULTSORT '${f}' for in-memory sorting`
const NO_INDEX = (f: string) =>
  `SORTBY '${f}' requires an index that provides natural ordering. Hint: create an index on '${f}'`

const SCHEMA = JSON.stringify({
  ...JSON.parse(COMPOUND),
  y: { bson_type: 'int32' },
  s: { bson_type: 'string', collation: { locale: 'en', strength: 2 } },
  t: { bson_type: 'string' },
})
const EN = ['COLLATION', '{"locale":"en"}']
const EN_2 = ['COLLATION', '{"locale":"en","strength":2}']

const REJECTED: readonly (readonly [filter: string, f: string, text: string, ...string[]])[] = [
  ['{"a":{"$gt":1}}', 'b', BEHIND_RANGE('b', 'a')],
  ['{"a":1,"b":{"$lt":2}}', 'c', BEHIND_RANGE('c', 'b')],
  ['{"a":{"$gt":1,"$lt":9},"x":1}', 'c', BEHIND_RANGE('c', 'a')],
  ['{}', 's', OTHER_COLLATION('s'), ...EN],
  ['{"s":"x"}', 's', OTHER_COLLATION('s'), ...EN],
  ['{}', 't', OTHER_COLLATION('t'), ...EN],
  ['{"y":1}', 'x', NOT_READ('x')],
  ['{"y":{"$in":[1,2]}}', 'x', NOT_READ('x')],
  ['{"$or":[{"y":1},{"x":1}]}', 'x', NOT_READ('x')],
  ['{"$or":[{"x":1},{"x":{"$gt":5}}]}', 'x', NOT_READ('x')],
  ['{"$nor":[{"x":1}]}', 'x', NOT_READ('x')],
  ['{"x":{"$not":{"$gt":1}}}', 'x', NOT_READ('x')],
  ['{"x":{"$elemMatch":{"$gt":1}}}', 'x', NOT_READ('x')],
  ['{"x":{"$exists":true}}', 'x', NOT_READ('x')],
  ['{"x":"text"}', 'x', NOT_READ('x')],
  ['{"x":{"$in":[1,"text"]}}', 'x', NOT_READ('x')],
  ['{"x":1}', '_id', NOT_READ('_id')],
  ['{"y":{"$ne":1}}', 'x', NOT_READ('x')],
  ['{"a":1,"c":1}', 'c', NO_INDEX('c')],
  ['{"a":{"$in":[1,2]}}', 'b', NO_INDEX('b')],
  ['{}', 'b', NO_INDEX('b')],
  ['{"b":1}', 'b', NO_INDEX('b')],
  ['{"x":1}', 'nowhere', NO_INDEX('nowhere')],
  ['{"x.y":1}', 'x.y', NO_INDEX('x.y')],
]

test('SORTBY that no index gives is refused, and opens no cursor', async () => {
  const client = await open('rejected', ['{"a":1}'], 'INDEXES', SCHEMA)
  for (const [filter, field, text, ...words] of REJECTED) {
    for (const direction of ['ASC', 'DESC']) {
      const options = ['SORTBY', field, direction, ...words]
      const error = `ERR query cannot be executed: ${text}`
      for (const [name, ...update] of [
        ['BUCKET.QUERY'],
        ['BUCKET.EXPLAIN'],
        ['BUCKET.UPDATE', '{"$set":{"z":1}}'],
      ] as const) {
        const words = [name, 'rejected', filter, ...update, ...options]
        assert.is(await client.error(...words), error, words.join(' '))
      }
    }
  }
  assert.is((await batchOf(client, 'BUCKET.QUERY', 'rejected', '{}')).cursorId, 1)
  assert.is(elementsOf(await client.frame('BUCKET.CURSORS', 'UPDATE'))[1]!.type, '*')
})

test('SORTBY has strings in the order of its index', async () => {
  const documents = ['b', 'A', 'a', 'B', 'ä'].map(s => `{"s":"${s}","t":"${s}"}`)
  const client = await open('strings', documents, 'INDEXES', SCHEMA)
  assert.equal(await sorted(client, 'strings', '{}', 'SORTBY', 't', 'ASC'), [2, 4, 3, 1, 5])
  for (const words of [[], EN_2]) {
    const ascending = await sorted(client, 'strings', '{}', 'SORTBY', 's', 'ASC', ...words)
    assert.equal(ascending, [2, 3, 5, 1, 4])
    const range = ['strings', '{"s":{"$gt":"A"}}', 'SORTBY', 's', 'DESC', ...words]
    assert.equal(await sorted(client, ...range), [4, 1, 5])
    const union = ['strings', '{"s":{"$in":["B","a"]}}', 'SORTBY', 's', 'ASC', ...words]
    assert.equal(await sorted(client, ...union), [2, 3, 1, 4])
  }
})

test('RESULTSORT has strings in the order of the collation for the field', async () => {
  const documents = ['b', 'A', 'a', 'B', 'ä'].map(s => `{"s":"${s}","t":"${s}","u":"${s}"}`)
  const bucket = ['COLLATION', '{"locale":"en","case_first":"upper"}']
  const client = await open('collated', documents, ...bucket, 'INDEXES', SCHEMA)
  const by = async (field: string, ...words: string[]) =>
    (await batches(client, 'collated', '{}', 'RESULTSORT', field, 'ASC', ...words)).flat()
  assert.equal(await by('s'), [2, 3, 5, 1, 4])
  assert.equal(await by('u'), [2, 3, 5, 4, 1])
  assert.equal(await by('u', 'COLLATION', '{"locale":"en"}'), [3, 2, 5, 1, 4])
  assert.equal(await by('s', 'COLLATION', '{"locale":"sv"}'), [3, 2, 1, 4, 5])
})

test.run()
