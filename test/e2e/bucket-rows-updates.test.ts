/** The update language, row by row: what becomes of a document, and what is refused. */
import * as assert from 'uvu/assert'
import { ARGUMENT_FORMS, batchOf, textsOf, useJson } from '../support/bucket.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('rows of the update language')

const HEX = '0123456789abcdef01234567'
const SCORES = '{"s": [85, 90, 75]}'
const ITEMS = '{"items": [{"q": 1, "w": 1}, {"q": 2, "w": 1}, {"q": 2, "w": 2}]}'

/** A document, a filter, an update, and what the document is then; null if it is not listed. */
type Case = readonly [doc: string, filter: string, update: string, after: string | null]

async function check(cases: readonly Case[]): Promise<void> {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', 'rows', 'IF-NOT-EXISTS')
  for (const [doc, filter, update, after] of cases) {
    for (const as of ARGUMENT_FORMS) {
      await client.call('BUCKET.INSERT', 'rows', 'DOCS', doc)
      const { items } = await batchOf(client, 'BUCKET.UPDATE', 'rows', as(filter), as(update))
      const found = await textsOf(client, 'rows', '{}')
      assert.equal(found, [after ?? doc], `${update} on ${doc}`)
      assert.is(items.length, after === null ? 0 : 1, `${update} on ${doc}`)
      assert.is((await batchOf(client, 'BUCKET.DELETE', 'rows', '{}')).items.length, 1)
    }
  }
}

test('$set on plain paths', () =>
  check([
    [
      '{"a": 1, "b": 2}',
      '{}',
      '{"$set":{"z":1,"a":{"c":3},"y":2}}',
      '{"a": {"c": 3}, "b": 2, "z": 1, "y": 2}',
    ],
    ['{"a": 1}', '{}', '{"$set":{"x.y.z":2}}', '{"a": 1, "x": {"y": {"z": 2}}}'],
    ['{"x": {"a": 1}}', '{}', '{"$set":{"x.y":2}}', '{"x": {"a": 1, "y": 2}}'],
    ['{"a": null}', '{}', '{"$set":{"a.b":2}}', null],
    ['{"a": "text"}', '{}', '{"$set":{"a.0":"x"}}', null],
    ['{"s": [1, 2]}', '{}', '{"$set":{"s.1":9}}', '{"s": [1, 9]}'],
    ['{"s": [1, 2]}', '{}', '{"$set":{"s.2":9}}', null],
    ['{"s": [1, 2]}', '{}', '{"$set":{"s.x":9}}', null],
    ['{"s": [{"q": 1}]}', '{}', '{"$set":{"s.q":9}}', null],
    ['{"s": [{"q": 1}, {}]}', '{}', '{"$set":{"s.1.q":9}}', '{"s": [{"q": 1}, {"q": 9}]}'],
    ['{"m": [[1], [2, 3]]}', '{}', '{"$set":{"m.1.0":9}}', '{"m": [[1], [9, 3]]}'],
    ['{"a": 1}', '{}', '{"$set":{"m.0":9}}', '{"a": 1, "m": []}'],
    ['{"a": 1}', '{}', '{"$set":{"m.0.x":9}}', '{"a": 1, "m": []}'],
    ['{"a": {"0": 1}}', '{}', '{"$set":{"a.0":2,"a.1":3}}', '{"a": {"0": 2, "1": 3}}'],
    ['{"a": 1}', '{}', '{"$set":{"b":{"c":1},"b.d":2}}', '{"a": 1, "b": {"c": 1, "d": 2}}'],
    ['{"a": 1}', '{}', '{"$set":{"b.d":2,"b":{"c":1}}}', '{"a": 1, "b": {"c": 1}}'],
    ['{"a": 1}', '{}', '{"$set":{"a":null}}', '{"a": null}'],
    ['{"a": 1}', '{}', '{"$set":{"a":1.0}}', '{"a": 1.0}'],
    ['{"a": {"b": 1}}', '{}', '{"$set":{"a":{"b":1}}}', null],
    ['{"a": {"b": 1, "c": 2}}', '{}', '{"$set":{"a":{"c":2,"b":1}}}', '{"a": {"c": 2, "b": 1}}'],
    [
      '{"a": 1}',
      '{}',
      '{"$set":{"r":{"$oid":"0123456789abcdef01234567"},"t":"0123456789abcdef01234567"}}',
      `{"a": 1, "r": {"$oid": "${HEX}"}, "t": "${HEX}"}`,
    ],
  ]))

test('$unset on plain paths, and keys in any case', () =>
  check([
    ['{"a": 1, "b": 2, "c": 3}', '{}', '{"$unset":{"b":1,"c":"any"}}', '{"a": 1}'],
    ['{"a": {"b": 1, "c": 2}}', '{}', '{"$unset":["a.b"]}', '{"a": {"c": 2}}'],
    ['{"a": {"b": 1}}', '{}', '{"$unset":["a.b"]}', '{"a": {}}'],
    ['{"a": 1}', '{}', '{"$unset":["b","a.b","b.c"]}', null],
    ['{"s": [1, 2, 3]}', '{}', '{"$unset":["s.1"]}', '{"s": [1, 3]}'],
    ['{"s": [1, 2, 3]}', '{}', '{"$unset":["s.3"]}', null],
    ['{"m": [[1, 2], [3]]}', '{}', '{"$unset":["m.0.1"]}', '{"m": [[1], [3]]}'],
    ['{"s": [{"q": 1}]}', '{}', '{"$unset":["s.q"]}', null],
    ['{"s": [{"q": 1}]}', '{}', '{"$unset":["s.0.q"]}', '{"s": [{}]}'],
    ['{"a": 1, "b": 2}', '{}', '{"$set":{"a":5},"$unset":["a"]}', '{"b": 2}'],
    ['{"a": {"b": 1}}', '{}', '{"$set":{"a.c":5},"$unset":["a"]}', '{"a": {"c": 5}}'],
    ['{"a": 1}', '{}', '{"$SET":{"a":2},"$Unset":[],"UPSERT":false}', '{"a": 2}'],
    ['{"a": 1}', '{}', '{"$inc":{"a":1},"a":7,"$push":{"b":1}}', null],
    ['{"a": 1}', '{}', '{"$set":{},"$unset":[]}', null],
  ]))

test('$[] means every element', () =>
  check([
    ['{"s": [1, 2]}', '{}', '{"$set":{"s.$[]":{"n":0}}}', '{"s": [{"n": 0}, {"n": 0}]}'],
    [
      '{"items": [{"q": 1}, 5, {"w": 1}]}',
      '{}',
      '{"$set":{"items.$[].q":9}}',
      '{"items": [{"q": 9}, 5, {"w": 1, "q": 9}]}',
    ],
    ['{"m": [[1], [2, 3]]}', '{}', '{"$set":{"m.$[].$[]":0}}', '{"m": [[0], [0, 0]]}'],
    ['{"m": [[1], [2, 3]]}', '{}', '{"$set":{"m.$[].0":0}}', '{"m": [[0], [0, 3]]}'],
    ['{"s": [1, 2]}', '{}', '{"$unset":["s.$[]"]}', '{"s": []}'],
    [
      '{"items": [{"q": 1, "w": 2}, 5]}',
      '{}',
      '{"$unset":["items.$[].q"]}',
      '{"items": [{"w": 2}, 5]}',
    ],
    ['{"s": []}', '{}', '{"$set":{"s.$[]":1},"$unset":["s.$[].x"]}', null],
    ['{"a": 1}', '{}', '{"$set":{"s.$[]":1,"a.$[]":1}}', null],
    ['{"a": {"b": 1}}', '{}', '{"$set":{"a.$[]":1}}', null],
  ]))

test('$[identifier] means the elements that pass a filter', () =>
  check([
    [
      ITEMS,
      '{}',
      '{"$set":{"items.$[x].w":0},"array_filters":[{"x.q":{"$gte":2}}]}',
      '{"items": [{"q": 1, "w": 1}, {"q": 2, "w": 0}, {"q": 2, "w": 0}]}',
    ],
    [
      ITEMS,
      '{}',
      '{"$unset":["items.$[x].w"],"array_filters":[{"x.q":2}]}',
      '{"items": [{"q": 1, "w": 1}, {"q": 2}, {"q": 2}]}',
    ],
    [
      ITEMS,
      '{}',
      '{"$unset":["items.$[x]"],"array_filters":[{"x.w":1}]}',
      '{"items": [{"q": 2, "w": 2}]}',
    ],
    [
      '{"o": [{"k": 1, "i": [1, 5]}, {"k": 2, "i": [1, 5]}]}',
      '{}',
      '{"$set":{"o.$[k].i.$[v]":0},"array_filters":[{"k.k":2},{"v":{"$gt":3}}]}',
      '{"o": [{"k": 1, "i": [1, 5]}, {"k": 2, "i": [1, 0]}]}',
    ],
    [
      '{"s": [90, {"q": 90}, {"z": 1}]}',
      '{}',
      '{"$set":{"s.$[x]":0},"array_filters":[{"x.q":{"$gte":85}}]}',
      '{"s": [0, 0, {"z": 1}]}',
    ],
    [
      '{"s": ["cafe", "Cafe"]}',
      '{}',
      '{"$set":{"s.$[x]":0},"array_filters":[{"x":"cafe"}]}',
      '{"s": [0, "Cafe"]}',
    ],
    [
      `{"s": ["${HEX}"]}`,
      '{}',
      `{"$set":{"s.$[x]":0},"array_filters":[{"x":"${HEX}"}]}`,
      '{"s": [0]}',
    ],
    ['{"a": 1}', '{}', '{"$set":{"a.$[x]":0},"array_filters":[{"x":1}]}', null],
    ['{"s": []}', '{}', '{"$set":{"s.$[x]":0},"array_filters":[{"x":1}]}', null],
    [
      '{"s": [1]}',
      '{}',
      '{"$set":{"s.$[x]":0},"array_filters":[{"x":1},{"unused":2}]}',
      '{"s": [0]}',
    ],
  ]))

test('array filters have eleven operators', async () => {
  const elements = '[1, 5, "b", null, [1, 2], {"q": 1}]'
  const tests: readonly (readonly [test: string, hit: number[]])[] = [
    ['{"x":5}', [1]],
    ['{"x":null}', [3]],
    ['{"x":{"$eq":"b"}}', [2]],
    ['{"x":{"$ne":1}}', [1, 3]],
    ['{"x":{"$gt":1}}', [1, 4]],
    ['{"x":{"$gte":1}}', [0, 1, 4]],
    ['{"x":{"$lt":5}}', [0, 4]],
    ['{"x":{"$lte":5}}', [0, 1, 4]],
    ['{"x":{"$in":[5,"b"]}}', [1, 2]],
    ['{"x":{"$nin":[5,"b"]}}', [0, 3, 4, 5]],
    ['{"x":{"$all":[2,1]}}', [4]],
    ['{"x":{"$size":2}}', [4]],
    ['{"x":{"$exists":true}}', [0, 1, 2, 3, 4, 5]],
    ['{"x.q":{"$exists":false}}', []],
    ['{"x.z":{"$exists":false}}', [5]],
    ['{"x.z":{"$ne":1}}', [1, 3]],
    ['{"x.q":{"$nin":[7]}}', [0, 1, 2, 3, 4, 5]],
  ]
  const parts = elements.slice(1, -1).split(/, (?![2\]])/)
  const cases = tests.map(([filter, hit]): Case => {
    const after = parts.map((part, i) => (hit.includes(i) ? '"hit"' : part)).join(', ')
    const update = `{"$set":{"s.$[x]":"hit"},"array_filters":[${filter}]}`
    return [`{"s": ${elements}}`, '{}', update, hit.length === 0 ? null : `{"s": [${after}]}`]
  })
  await check(cases)
})

test('$ means the first element that satisfies the filter', () =>
  check([
    [SCORES, '{"s":{"$gte":80,"$lt":88}}', '{"$set":{"s.$":0}}', '{"s": [0, 90, 75]}'],
    [SCORES, '{"s":75,"$and":[{"s":{"$gt":0}}]}', '{"$set":{"s.$":0}}', '{"s": [85, 90, 0]}'],
    [SCORES, '{"s":{"$in":[75,90]}}', '{"$set":{"s.$":0}}', '{"s": [85, 0, 75]}'],
    [SCORES, '{"s":{"$all":[75,90]}}', '{"$set":{"s.$":0}}', '{"s": [85, 0, 75]}'],
    [SCORES, '{"$or":[{"s":75},{"s":1}]}', '{"$set":{"s.$":0}}', '{"s": [85, 90, 0]}'],
    [
      SCORES,
      '{"s":{"$elemMatch":{"$gt":80,"$ne":85}}}',
      '{"$set":{"s.$":0}}',
      '{"s": [85, 0, 75]}',
    ],
    [SCORES, '{"s":90,"$nor":[{"s":1}]}', '{"$unset":["s.$"]}', '{"s": [85, null, 75]}'],
    [SCORES, '{"s":{"$size":3,"$gt":88}}', '{"$set":{"s.$":0}}', '{"s": [85, 0, 75]}'],
    [
      '{"s": ["ab", "cd"]}',
      '{"s":{"$regex":"^C","$options":"i"}}',
      '{"$set":{"s.$":0}}',
      '{"s": ["ab", 0]}',
    ],
    [
      ITEMS,
      '{"items.q":2,"items.w":2}',
      '{"$set":{"items.$.hit":true}}',
      '{"items": [{"q": 1, "w": 1}, {"q": 2, "w": 1}, {"q": 2, "w": 2, "hit": true}]}',
    ],
    [
      ITEMS,
      '{"items":{"$elemMatch":{"q":2,"w":1}}}',
      '{"$unset":["items.$.q"]}',
      '{"items": [{"q": 1, "w": 1}, {"w": 1}, {"q": 2, "w": 2}]}',
    ],
    [
      '{"o": [{"i": [{"v": 1}]}, {"i": [{"v": 2}]}]}',
      '{"o":{"$elemMatch":{"i":{"$elemMatch":{"v":2}}}}}',
      '{"$set":{"o.$.hit":1}}',
      '{"o": [{"i": [{"v": 1}]}, {"i": [{"v": 2}], "hit": 1}]}',
    ],
    ['{"o": {"s": [1, 2]}}', '{"o.s":2}', '{"$set":{"o.s.$":0}}', '{"o": {"s": [1, 0]}}'],
    [SCORES, '{"s":{"$gt":88}}', '{"$set":{"s.$.x":0}}', null],
  ]))

const NO_ELEMENT = "No array element in 's' matches the query condition"
const REFUSALS: readonly (readonly [filter: string, update: string, error: string])[] = [
  ['{}', '{"$set":{"_id.x":1}}', '_id field is immutable and cannot be modified with $set'],
  ['{}', '{"$unset":["_id.x"]}', '_id field is immutable and cannot be modified with $unset'],
  ['{}', '{"$unset":{"_id":1}}', '_id field is immutable and cannot be modified with $unset'],
  ['{}', '{"$set":{"":1}}', 'field is null/blank'],
  ['{}', '{"$set":{" ":1}}', 'field is null/blank'],
  ['{}', '{"$unset":[""]}', 'field is null/blank'],
  ['{}', '{"upsert":"true"}', 'upsert must be a boolean'],
  ['{}', '{"upsert":null}', 'upsert must be a boolean'],
  ['{}', '{"array_filters":[1]}', 'array_filters element must be a document'],
  [
    '{}',
    '{"array_filters":[{}]}',
    'Array filter document must have exactly one key (the identifier)',
  ],
  [
    '{}',
    '{"array_filters":[{"a":1,"b":1}]}',
    'Array filter document must have exactly one key (the identifier)',
  ],
  [
    '{}',
    '{"array_filters":[{"a":{"$gt":1,"$lt":2}}]}',
    'Array filter operator document must have exactly one operator',
  ],
  [
    '{}',
    '{"array_filters":[{"a":{}}]}',
    'Array filter operator document must have exactly one operator',
  ],
  ['{}', '{"array_filters":[{"a":{"$regex":"x"}}]}', 'Unsupported array filter operator: $regex'],
  ['{}', '{"array_filters":[{"a":{"b":1}}]}', 'Unsupported array filter operator: b'],
  [
    '{}',
    '{"$set":{"s.$[x].y":1},"array_filters":[{"z":1}]}',
    "No array filter found for identifier 'x' in path 's.$[x].y'",
  ],
  ['{}', '{"$set":{"s.$x":1}}', "Invalid positional operator '$x' in path: s.$x"],
  ['{}', '{"$unset":["s.$[x"]}', "Invalid positional operator '$[x' in path: s.$[x"],
  [
    '{"s":1}',
    '{"$set":{"s.$.t.$":1}}',
    'Multiple positional operators not supported in path: s.$.t.$',
  ],
  [
    '{"s":1}',
    '{"$set":{"$":1}}',
    'Invalid positional operator path: $ - array field required before $',
  ],
  [
    '{"s":1}',
    '{"$set":{"$.s":1}}',
    'Invalid positional operator path: $.s - array field required before $',
  ],
  [
    '{"s":1}',
    '{"$set":{"s.$":1},"upsert":true}',
    'Positional operator $ cannot be used with upsert=true',
  ],
  ['{"t":5}', '{"$set":{"s.$":1}}', "Positional operator $ requires array field 's' in query"],
  [
    '{"s":{"$size":2}}',
    '{"$set":{"s.$":1}}',
    "Positional operator $ requires array field 's' in query",
  ],
  [
    '{"s":{"$not":{"$gt":99}}}',
    '{"$set":{"s.$":1}}',
    "Positional operator $ requires array field 's' in query",
  ],
  ['{"t":5}', '{"$unset":["t.$"]}', "Field 't' is not an array or does not exist"],
  ['{"u":null}', '{"$set":{"u.$":1}}', "Field 'u' is not an array or does not exist"],
  ['{"e":{"$ne":1}}', '{"$set":{"e.$":1}}', "Array 'e' is empty - no element to update"],
  ['{"s":{"$gt":80,"$lt":30}}', '{"$set":{"s.$":1}}', NO_ELEMENT],
  ['{"s":{"$nin":[7]},"$and":[{"s":{"$lt":20}},{"s":90}]}', '{"$set":{"s.$":1}}', NO_ELEMENT],
]

test('refuses what is malformed or does not fit, and changes nothing', async () => {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', 'refusing')
  // Both match most filters; a change of one alone would be seen.
  const documents = ['{"s": [10, 90], "t": 5, "e": []}', '{"s": [90, 10], "t": 5, "e": []}']
  await client.call('BUCKET.INSERT', 'refusing', 'DOCS', ...documents)
  for (const [filter, update, error] of REFUSALS) {
    for (const as of ARGUMENT_FORMS) {
      const words = ['BUCKET.UPDATE', 'refusing', as(filter), as(update)]
      assert.is(await client.error(...words), `ERR ${error}`, update)
    }
  }
  for (const item of ['1', 'null', '{"a":1}', '["a"]']) {
    const error = await client.error('BUCKET.UPDATE', 'refusing', '{}', `{"$unset":[${item}]}`)
    assert.match(error, /^ERR unset key must be a string/)
  }
  for (const update of ['{', '5', '[]', '{"$set":5}', '{"$unset":5}', '{"array_filters":5}']) {
    const error = await client.error('BUCKET.UPDATE', 'refusing', '{}', update)
    assert.match(error, /^ERR (?!internal error)/, update)
  }
  assert.equal(await textsOf(client, 'refusing', '{}'), documents)
})

test('looks for an array filter only if some document matched', async () => {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', 'lazy')
  const update = '{"$set":{"s.$[x]":1}}'
  assert.equal((await batchOf(client, 'BUCKET.UPDATE', 'lazy', '{}', update)).items, [])
})

test('one document that does not fit fails the whole call', async () => {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', 'whole')
  const documents = ['{"s": [1]}', '{"s": 1}', '{"s": [1]}']
  await client.call('BUCKET.INSERT', 'whole', 'DOCS', ...documents)
  const error = await client.error('BUCKET.UPDATE', 'whole', '{"s":1}', '{"$set":{"s.$":2}}')
  assert.is(error, "ERR Field 's' is not an array or does not exist")
  assert.equal(await textsOf(client, 'whole', '{}'), documents)
})

test('a value of another type is a change, also if it prints the same', async () => {
  const client = await useJson(await server.connect())
  const update = (value: string): Promise<number> => count(client, `{"$set":{"a":${value}}}`)
  await client.call('BUCKET.CREATE', 'typed')
  await client.call('BUCKET.INSERT', 'typed', 'DOCS', '{"a": {"$numberLong": "1"}}')
  assert.equal([await update('1'), await update('1')], [1, 0])
  assert.equal([await update('1.0'), await update('-0.0'), await update('0.0')], [1, 1, 1])
})

async function count(client: RespClient, update: string): Promise<number> {
  return (await batchOf(client, 'BUCKET.UPDATE', 'typed', '{}', update)).items.length
}

test.run()
