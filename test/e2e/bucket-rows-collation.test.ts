/** Collations: orders of all options in queries and in indexes, which one counts, mistakes. */
import * as assert from 'uvu/assert'
import { batchOf, textsOf, useJson } from '../support/bucket.js'
import { untilStatus } from '../support/indexes.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('rows of collations')

/** Orders as ICU has them. */
const ORDERS: readonly (readonly [spec: string, order: string])[] = [
  [
    '{"locale": "en", "strength": 1}',
    'ä=Ä < a10=A10 < a2 < co te < co-te < cote=Cote=coté=côte=côté=coTe < i=I=İ < ı < ' +
      'ñ=n=n\u00ad < z',
  ],
  [
    '{"locale": "en", "strength": 2}',
    'ä=Ä < a10=A10 < a2 < co te < co-te < cote=Cote=coTe < coté < côte < côté < i=I < İ < ' +
      'ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "strength": 3}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "strength": 4}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "strength": 5}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n < n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "strength": 1, "case_level": true}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote=coté=côte=côté < coTe < Cote < i < I=İ < ' +
      'ı < ñ=n=n\u00ad < z',
  ],
  [
    '{"locale": "en", "strength": 2, "case_level": true}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "case_first": "upper"}',
    'Ä < ä < A10 < a10 < a2 < co te < co-te < Cote < coTe < cote < coté < côte < côté < I < ' +
      'i < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "case_first": "lower"}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "strength": 1, "case_level": true, "case_first": "upper"}',
    'Ä < ä < A10 < a10 < a2 < co te < co-te < Cote < coTe < cote=coté=côte=côté < I=İ < i < ' +
      'ı < ñ=n=n\u00ad < z',
  ],
  [
    '{"locale": "en", "numeric_ordering": true}',
    'ä < Ä < a2 < a10 < A10 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "strength": 1, "alternate": "shifted"}',
    'ä=Ä < a10=A10 < a2 < cote=Cote=coté=côte=côté=co-te=co te=coTe < i=I=İ < ı < ' +
      'ñ=n=n\u00ad < z',
  ],
  [
    '{"locale": "en", "strength": 3, "alternate": "shifted"}',
    'ä < Ä < a10 < A10 < a2 < cote=co-te=co te < coTe < Cote < coté < côte < côté < i < I < ' +
      'İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "strength": 4, "alternate": "shifted"}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "strength": 3, "alternate": "shifted", "max_variable": "space"}',
    'ä < Ä < a10 < A10 < a2 < co-te < cote=co te < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "en", "backwards": true}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < côte < coté < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "fr", "strength": 2, "backwards": true}',
    'ä=Ä < a10=A10 < a2 < co te < co-te < cote=Cote=coTe < côte < coté < côté < i=I < İ < ' +
      'ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "fr-CA"}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "fr-CA", "backwards": true}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < côte < coté < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "sv"}',
    'a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < I < İ < ' +
      'ı < n=n\u00ad < ñ < z < ä < Ä',
  ],
  [
    '{"locale": "tr"}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < ı < ' +
      'I < i < İ < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "es"}',
    'ä < Ä < a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "de-u-co-phonebk"}',
    'a10 < A10 < a2 < ä < Ä < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < ' +
      'I < İ < ı < n=n\u00ad < ñ < z',
  ],
  [
    '{"locale": "da"}',
    'a10 < A10 < a2 < co te < co-te < cote < coTe < Cote < coté < côte < côté < i < I < İ < ' +
      'ı < n=n\u00ad < ñ < z < ä < Ä',
  ],
]

/** The words of an order, those that are equal together. */
const parsed = (order: string): string[][] => order.split(' < ').map(words => words.split('='))

async function open(bucket: string, ...words: string[]): Promise<RespClient> {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', bucket, ...words)
  return client
}

/** Inserts a document for each word, the last of them first. */
async function insert(client: RespClient, bucket: string, words: readonly string[]): Promise<void> {
  const documents = words.toReversed().map(w => JSON.stringify({ w, list: [w] }))
  await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents)
}

async function wordsOf(client: RespClient, ...words: string[]): Promise<string[]> {
  return (await textsOf(client, ...words)).map(text => JSON.parse(text).w)
}

/** Words in their groups, from a list in the order of the groups. */
function grouped(words: readonly string[], groups: readonly string[][]): string[][] {
  let at = 0
  return groups.map(({ length }) => {
    at += length
    return words.slice(at - length, at)
  })
}

const sameWords = (found: readonly string[][], expected: readonly string[][]): void => {
  const inside = (groups: readonly string[][]) => groups.map(words => words.toSorted())
  assert.equal(inside(found), inside(expected))
}

test('each option orders a batch as ICU does', async () => {
  const client = await open('batches')
  const all = parsed(ORDERS[0]![1]).flat()
  await insert(client, 'batches', all)
  for (const [spec, order] of ORDERS) {
    for (const direction of ['ASC', 'DESC']) {
      const groups = parsed(order)
      if (direction === 'DESC') groups.reverse()
      const sort = ['RESULTSORT', 'w', direction, 'COLLATION', spec]
      sameWords(grouped(await wordsOf(client, 'batches', '{}', ...sort), groups), groups)
    }
  }
})

/** Compares a word of each group with all others; @param words of the query besides its filter */
async function checkComparisons(
  client: RespClient,
  bucket: string,
  groups: readonly string[][],
  words: readonly string[],
): Promise<void> {
  const found = async (condition: object) => {
    const filter = JSON.stringify(condition)
    return (await wordsOf(client, bucket, filter, ...words)).toSorted()
  }
  const all = groups.flat()
  const sorted = (list: readonly string[]) => list.toSorted()
  // Some places of the order are enough: the first, one in the middle, and the last.
  for (const at of [0, groups.findIndex(({ length }) => length > 1), groups.length - 1]) {
    const group = groups.at(at)!
    const operand = group[0]!
    const [below, above] = [groups.slice(0, at === -1 ? -1 : at).flat(), [] as string[]]
    above.push(...all.filter(word => !below.includes(word) && !group.includes(word)))
    assert.equal(await found({ w: operand }), sorted(group))
    assert.equal(await found({ list: operand }), sorted(group))
    assert.equal(await found({ w: { $ne: operand } }), sorted([...below, ...above]))
    assert.equal(await found({ w: { $gt: operand } }), sorted(above))
    assert.equal(await found({ w: { $lte: operand } }), sorted([...below, ...group]))
    assert.equal(await found({ w: { $in: [operand] } }), sorted(group))
    assert.equal(await found({ list: { $all: [operand] } }), sorted(group))
    assert.equal(await found({ w: { $nin: [operand] } }), sorted([...below, ...above]))
  }
}

test('each option says what is equal, above and below, by the option of a query', async () => {
  const client = await open('compared')
  await insert(client, 'compared', parsed(ORDERS[0]![1]).flat())
  for (const [spec, order] of ORDERS) {
    await checkComparisons(client, 'compared', parsed(order), ['COLLATION', spec])
  }
})

test('each option is the order of an index, with the same matches', async () => {
  const client = await open('none')
  for (const [i, [spec, order]] of ORDERS.entries()) {
    const bucket = `indexed-${i}`
    const schema = `{"w":{"bson_type":"string","name":"by-w","collation":${spec}}}`
    await client.call('BUCKET.CREATE', bucket, 'INDEXES', schema, 'COLLATION', spec)
    const groups = parsed(order)
    await insert(client, bucket, groups.flat())
    for (const option of [[], ['COLLATION', spec]]) {
      await checkComparisons(client, bucket, groups, option)
      const ascending = await wordsOf(client, bucket, '{}', 'SORTBY', 'w', 'ASC', ...option)
      sameWords(grouped(ascending, groups), groups)
      const descending = await wordsOf(client, bucket, '{}', 'SORTBY', 'w', 'DESC', ...option)
      assert.equal(descending, ascending.toReversed())
      assert.equal(await planOf(client, bucket, '{"w":"n"}', ...option), ['IndexScan', 'by-w'])
    }
  }
})

/** Node and index of the plan of a query. */
async function planOf(client: RespClient, ...words: string[]): Promise<Data[]> {
  const reply = (await client.call('BUCKET.EXPLAIN', ...words)) as Map<Data, Data>
  const plan = reply.get('plan') as Map<Data, Data>
  return [plan.get('nodeType')!, plan.get('index')!]
}

const CAFES = ['cafe', 'Cafe', 'café']
const EN = '{"locale":"en"}'
const EN_1 = '{"locale":"en","strength":1}'
const EN_2 = '{"locale":"en","strength":2}'
const string = (collation: string, name: string) =>
  `{"bson_type":"string","name":"${name}","collation":${collation}}`
const compound = (name: string, collation: string, other: string) =>
  `{"name":"${name}","collation":${collation},"fields":[
    {"selector":"w","bson_type":"string"},{"selector":"${other}","bson_type":"int32"}]}`

/** How a bucket is made, options of the query for "CAFE", and how many of the words it finds. */
const EFFECTIVE: readonly (readonly [create: string[], query: string[], count: number])[] = [
  [[], [], 0],
  [[], ['COLLATION', EN_1], 3],
  [['COLLATION', EN_2], [], 2],
  [['COLLATION', EN_2], ['COLLATION', EN_1], 3],
  [['COLLATION', EN_2], ['COLLATION', EN], 0],
  [['INDEXES', `{"w":${string(EN_1, 'i')}}`], [], 3],
  [['INDEXES', `{"w":${string(EN_1, 'i')}}`, 'COLLATION', EN_2], [], 3],
  [['INDEXES', `{"w":${string(EN_1, 'i')}}`, 'COLLATION', EN_2], ['COLLATION', EN_2], 2],
  [['INDEXES', `{"$compound":[${compound('c', EN_1, 'x')}]}`], [], 3],
  [['INDEXES', `{"$compound":[${compound('c', EN_1, 'x')},${compound('d', EN_1, 'y')}]}`], [], 3],
  [['INDEXES', `{"$compound":[${compound('c', EN_1, 'x')},${compound('d', EN_2, 'y')}]}`], [], 0],
  [['INDEXES', `{"$compound":[${compound('c', EN_1, 'x')}],"w":${string(EN_2, 'i')}}`], [], 2],
  [['INDEXES', '{"w":{"bson_type":"string"}}', 'COLLATION', EN_1], [], 3],
]

test('the option counts before indexes, and these before the bucket', async () => {
  const client = await open('unused')
  for (const [i, [create, query, count]] of EFFECTIVE.entries()) {
    const bucket = `effective-${i}`
    await client.call('BUCKET.CREATE', bucket, ...create)
    await insert(client, bucket, CAFES)
    const row = `${create.join(' ')} ${query.join(' ')}`
    const found = (filter: string) => wordsOf(client, bucket, filter, ...query)
    assert.is((await found('{"w":"CAFE"}')).length, count, row)
    assert.is((await found('{"w":{"$gte":"CAFE","$lte":"CAFE"}}')).length, count, row)
    // Another path has no index.
    const other = query.length > 0 ? count : create.at(-1) === EN_2 ? 2 : 0
    if (create.at(-1) !== EN_1) assert.is((await found('{"list":"CAFE"}')).length, other, row)
    const update = ['BUCKET.UPDATE', bucket, '{"w":"CAFE"}', '{"$set":{"u":1}}', ...query]
    assert.is((await batchOf(client, ...update)).items.length, count, row)
    const deleted = await batchOf(client, 'BUCKET.DELETE', bucket, '{"w":"CAFE"}', ...query)
    assert.is(deleted.items.length, count, row)
  }
})

test('an index is read only where its collation is that of the query', async () => {
  const schema = `{"w":${string(EN_2, 'text')},"p":{"bson_type":"string","name":"plain"},
    "n":{"bson_type":"int32","name":"number"},"$compound":[${compound('both', EN_2, 'n')}]}`
  const client = await open('chosen', 'INDEXES', schema)
  const full = ['FullScan', 'primary-index']
  const plan = (filter: string, ...words: string[]) => planOf(client, 'chosen', filter, ...words)
  assert.equal(await plan('{"w":"x"}'), ['IndexScan', 'text'])
  assert.equal(await plan('{"w":"x"}', 'COLLATION', EN_2), ['IndexScan', 'text'])
  assert.equal(await plan('{"w":"x"}', 'COLLATION', EN), full)
  assert.equal(await plan('{"p":"x"}'), ['IndexScan', 'plain'])
  assert.equal(await plan('{"p":"x"}', 'COLLATION', EN_2), full)
  assert.equal(await plan('{"n":1}', 'COLLATION', EN), ['IndexScan', 'number'])
  const both = '{"w":"x","n":1}'
  assert.equal(await plan(both, 'COLLATION', EN_2), ['CompoundIndexScan', 'both'])
  assert.equal(await plan(both, 'COLLATION', EN), ['IndexScan', 'number'])
  // Equal are all nine values, however they are written.
  const long =
    '{"max_variable":"punct","normalization":false,"backwards":false,"alternate":"non-ignorable",' +
    '"numeric_ordering":false,"case_first":"off","case_level":false,"strength":2,"locale":"en"}'
  assert.equal(await plan('{"w":"x"}', 'COLLATION', long), ['IndexScan', 'text'])
  const other = long.replace('"normalization":false', '"normalization":true')
  assert.equal(await plan('{"w":"x"}', 'COLLATION', other), full)
})

test('an index that is not READY says nothing about a path', async () => {
  const client = await open('states', 'INDEXES', `{"w":${string(EN_1, 'i')}}`)
  await insert(client, 'states', CAFES)
  const found = async () => (await wordsOf(client, 'states', '{"w":"CAFE"}')).length
  assert.is(await found(), 3)
  await client.call('BUCKET.INDEX', 'DROP', 'states', 'i')
  assert.is(await found(), 0)
  await untilStatus(client, 'gone', { bucket: 'states', name: 'i' })
  // Two of the words are the same to it, so it can't be built.
  const unique = `{"w":{"bson_type":"string","name":"u","unique":true,"collation":${EN_2}}}`
  await client.call('BUCKET.INDEX', 'CREATE', 'states', unique)
  await untilStatus(client, 'FAILED', { bucket: 'states', name: 'u' })
  assert.is(await found(), 0)
})

test('EXPLAIN shows collations, in both protocols', async () => {
  const client = await open('shown', 'INDEXES', `{"w":${string(EN_2, 'i')}}`)
  const explain = async (...words: string[]) => {
    return (await client.call('BUCKET.EXPLAIN', 'shown', '{"w":"x"}', ...words)) as Map<Data, Data>
  }
  const en2 = new Map<Data, Data>([
    ['locale', 'en'],
    ['strength', 2],
  ])
  const own = await explain()
  assert.equal([...own.keys()], ['is_cached', 'plan'])
  assert.equal((own.get('plan') as Map<Data, Data>).get('index_collation'), en2)
  const other = await explain('COLLATION', '{"locale":"en","numeric_ordering":true,"strength":3}')
  assert.equal([...other.keys()], ['is_cached', 'query_collation', 'plan'])
  assert.equal(
    [...(other.get('query_collation') as Map<Data, Data>)],
    [
      ['locale', 'en'],
      ['strength', 3],
      ['numeric_ordering', true],
    ],
  )
  const plan = other.get('plan') as Map<Data, Data>
  assert.is(plan.get('collation_mismatch'), true)
  assert.is(plan.get('rejected_index'), 'i')
  await client.call('HELLO', '2')
  const flat = await client.call('BUCKET.EXPLAIN', 'shown', '{"w":"x"}', 'COLLATION', EN_2)
  assert.equal((flat as Data[]).slice(0, 4), [
    ...['is_cached', 0, 'query_collation'],
    ['locale', 'en', 'strength', 2],
  ])
})

test('what is equal by its collation collides in a unique index', async () => {
  const schema = `{"w":{"bson_type":"string","unique":true,"collation":${EN_1}}}`
  const client = await open('unique', 'INDEXES', schema)
  await insert(client, 'unique', ['café'])
  const again = ['BUCKET.INSERT', 'unique', 'DOCS', '{"w":"CAFE"}']
  assert.is(await client.error(...again), "DUPLICATEKEY Duplicate key: 'w' CAFE")
  // The option of a command is about reading.
  const update = ['BUCKET.UPDATE', 'unique', '{"w":"x"}', '{"$set":{"w":"Cafe"},"upsert":true}']
  const error = await client.error(...update, 'COLLATION', EN)
  assert.is(error, "DUPLICATEKEY Duplicate key: 'w' Cafe")
})

test('ids are compared as ids, whatever the collation', async () => {
  const client = await open('ids', 'COLLATION', EN_1)
  const id = 'abcdef0123456789abcdef01'
  await client.call('BUCKET.INSERT', 'ids', 'DOCS', `{"_id":"${id}","w":"x"}`)
  const filter = `{"_id":"${id.toUpperCase()}"}`
  assert.equal(await wordsOf(client, 'ids', filter, 'COLLATION', EN_1), ['x'])
  assert.equal(await wordsOf(client, 'ids', '{"_id":{"$gt":"x"}}', 'COLLATION', EN_1), [])
})

const INVALID = 'Invalid collation specification'
const MISTAKES: readonly (readonly [spec: string, error: string])[] = [
  ['{}', "Collation 'locale' is required"],
  ['{"locale":""}', "Collation 'locale' is required"],
  ['{"locale":"  ","strength":1}', "Collation 'locale' is required"],
  ['{"locale":"xx"}', 'Invalid collation locale: xx'],
  ['{"locale":"english"}', 'Invalid collation locale: english'],
  ['{"locale":"en","Strength":1}', 'Unknown collation field: Strength'],
  ['{"locale":"en","caseLevel":true}', 'Unknown collation field: caseLevel'],
  ['{"locale":"en","strength":0}', "Collation 'strength' must be between 1 and 5, got: 0"],
  ['{"locale":"en","strength":6}', "Collation 'strength' must be between 1 and 5, got: 6"],
  ['{"locale":"en","strength":-1}', "Collation 'strength' must be between 1 and 5, got: -1"],
  [
    '{"locale":"en","case_first":"UPPER"}',
    "Collation 'case_first' must be one of 'upper', 'lower', 'off', got: UPPER",
  ],
  [
    '{"locale":"en","alternate":"blanked"}',
    "Collation 'alternate' must be one of 'non-ignorable', 'shifted', got: blanked",
  ],
  [
    '{"locale":"en","max_variable":"symbol"}',
    "Collation 'max_variable' must be one of 'punct', 'space', got: symbol",
  ],
  ['{"locale":5}', INVALID],
  ['{"locale":"en","strength":"1"}', INVALID],
  ['{"locale":"en","strength":1.0}', INVALID],
  ['{"locale":"en","case_level":1}', INVALID],
  ['{"locale":"en","case_first":true}', INVALID],
  ['{"locale":"en","numeric_ordering":"true"}', INVALID],
  ['{"locale":"en","backwards":0}', INVALID],
  ['{"locale":"en","normalization":{}}', INVALID],
  ['[]', INVALID],
]

test('refuses malformed specifications wherever one may stand', async () => {
  const client = await open('mistakes')
  for (const [spec, text] of MISTAKES) {
    const error = `ERR ${text}`
    for (const request of [
      ['BUCKET.QUERY', 'mistakes', '{}', 'COLLATION', spec],
      ['BUCKET.EXPLAIN', 'mistakes', '{}', 'COLLATION', spec],
      ['BUCKET.UPDATE', 'mistakes', '{}', '{}', 'COLLATION', spec],
      ['BUCKET.DELETE', 'mistakes', '{}', 'COLLATION', spec],
      ['BUCKET.CREATE', 'other', 'COLLATION', spec],
      ['BUCKET.INDEX', 'CREATE', 'mistakes', `{"w":${string(spec, 'i')}}`],
    ]) {
      assert.is(await client.error(...request), error, request.join(' '))
    }
  }
  for (const spec of ['', '{', 'en', '5', '{"locale":"en"']) {
    const error = await client.error('BUCKET.QUERY', 'mistakes', '{}', 'COLLATION', spec)
    assert.match(error, /^ERR (?!internal error)[^\n]+$/, spec)
  }
})

test.run()
