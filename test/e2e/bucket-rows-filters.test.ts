/** Predicates, paths, `$elemMatch` and regular expressions, row by row; matches by hand. */
import { Code, MaxKey, MinKey, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { ARGUMENT_FORMS, queryAll, useJson } from '../support/bucket.js'
import type { RespClient, Word } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('rows of filters')

const HEX = '0123456789abcdef01234567'

/** Documents, numbered from 1 in their order, and which of them filters match. */
interface Group {
  readonly documents: readonly string[]
  readonly matches: readonly (readonly [filter: string, numbers: number[]])[]
}

async function check(bucket: string, { documents, matches }: Group): Promise<void> {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', bucket)
  const numbered = documents.map((text, i) =>
    text.replace('{', `{"n":${i + 1},`).replace(',}', '}'),
  )
  await client.call('BUCKET.INSERT', bucket, 'DOCS', ...numbered)
  for (const [filter, numbers] of matches) {
    for (const as of ARGUMENT_FORMS) {
      assert.equal(await numbersOf(client, bucket, as(filter)), numbers, filter)
    }
    const others = documents.map((_, i) => i + 1).filter(n => !numbers.includes(n))
    assert.equal(await numbersOf(client, bucket, `{"$nor":[${filter}]}`), others, `not ${filter}`)
  }
}

async function numbersOf(
  client: RespClient,
  bucket: string,
  filter: Word,
  ...words: string[]
): Promise<unknown[]> {
  return (await queryAll(client, bucket, filter, ...words)).map(({ n }) => n)
}

/** All numbers to `last` but some. */
const allBut = (last: number, ...missing: number[]): number[] =>
  Array.from({ length: last }, (_, i) => i + 1).filter(n => !missing.includes(n))

const binary = (base64: string) => `{"$binary":{"base64":"${base64}","subType":"00"}}`
const NAN = '{"$numberDouble":"NaN"}'

const TYPES: Group = {
  documents: [
    '{"v":5}',
    '{"v":{"$numberLong":"5"}}',
    '{"v":5.0}',
    '{"v":{"$numberDecimal":"5.00"}}',
    '{"v":5.5}',
    '{"v":"5"}',
    '{"v":true}',
    '{"v":null}',
    '{}',
    '{"v":{"$date":5}}',
    '{"v":{"$timestamp":{"t":0,"i":5}}}',
    `{"v":${binary('BQ==')}}`,
    `{"v":{"$oid":"${HEX}"}}`,
    '{"v":{"x":5}}',
    '{"v":[5,"5"]}',
    '{"v":[]}',
    '{"v":[null]}',
    '{"v":[[5]]}',
    `{"v":${NAN}}`,
    '{"v":-0.0}',
    '{"v":{"$binary":{"base64":"BQ==","subType":"80"}}}',
    `{"v":"${HEX}"}`,
  ],
  matches: [
    ['{"v":5}', [1, 2, 3, 4, 15]],
    ['{"v":{"$eq":{"$numberDecimal":"5"}}}', [1, 2, 3, 4, 15]],
    ['{"v":{"$ne":5}}', [5, 8, 9, 16, 17, 18, 19, 20]],
    ['{"v":{"$gt":5}}', [5, 19]],
    ['{"v":{"$gte":5}}', [1, 2, 3, 4, 5, 15, 19]],
    ['{"v":{"$lt":5}}', [20]],
    [`{"v":{"$lte":${NAN}}}`, [1, 2, 3, 4, 5, 15, 19, 20]],
    [`{"v":${NAN}}`, [19]],
    ['{"v":{"$gte":{"$numberDecimal":"Infinity"}}}', [19]],
    ['{"v":0}', [20]],
    ['{"v":"5"}', [6, 15]],
    ['{"v":{"$ne":"5"}}', [8, 9, 16, 17, 18, 22]],
    ['{"v":{"$gte":"4"}}', [6, 15]],
    ['{"v":true}', [7]],
    ['{"v":{"$gte":true}}', []],
    ['{"v":{"$ne":false}}', [7, 8, 9, 15, 16, 17, 18]],
    ['{"v":null}', [8, 9]],
    ['{"v":{"$ne":null}}', allBut(22, 8, 9)],
    ['{"v":{"$exists":true}}', allBut(22, 9)],
    ['{"v":{"$date":5}}', [10]],
    ['{"v":{"$gte":{"$date":0}}}', [10]],
    ['{"v":{"$timestamp":{"t":0,"i":5}}}', [11]],
    ['{"v":{"$lte":{"$timestamp":{"t":1,"i":0}}}}', [11]],
    [`{"v":${binary('BQ==')}}`, [12, 21]],
    [`{"v":{"$gt":${binary('BA==')},"$lt":${binary('BQA=')}}}`, [12, 21]],
    // A string of 24 hexadecimal digits in a filter is an ObjectId.
    [`{"v":"${HEX}"}`, [13]],
    [`{"v":{"$in":["${HEX}"]}}`, [13]],
    ['{"v":{"$gt":"000000000000000000000000"}}', [13]],
    ['{"v":{"$in":["5",null]}}', [6, 8, 9, 15, 17]],
    ['{"v":{"$nin":["5",null]}}', allBut(22, 6, 8, 9, 15, 17)],
    ['{"v":{"$in":[[5]]}}', [18]],
    ['{"v":[5]}', [18]],
    ['{"v":[5,"5"]}', []],
    ['{"v":{"$gt":[1]}}', []],
    ['{"v":{"$in":[{"x":5}]}}', []],
    ['{"v":{"$in":[{"$ref":"x","$id":5}]}}', []],
    ['{"v":{"$eq":{"x":5}}}', []],
    ['{"v":{"$ne":{"x":5}}}', [8, 9, 15, 16, 17, 18]],
    ['{"v":{"$all":[5]}}', [15]],
    ['{"v":{"$all":["5",5,5]}}', [15]],
    ['{"v":{"$all":[]}}', [15, 16, 17, 18]],
    ['{"v":{"$all":[null]}}', [17]],
    ['{"v":{"$size":1}}', [17, 18]],
    ['{"v":{"$size":0}}', [16]],
    ['{"v":{"$not":{"$gt":5}}}', allBut(22, 5, 19)],
    ['{"v":{"$not":{"$not":{"$gt":5}}}}', [5, 19]],
    ['{"v":{"$not":{"$gt":4,"$lt":5.2}}}', allBut(22, 1, 2, 3, 4, 15)],
    ['{"v.x":5}', [14]],
    ['{"v.x":{"$exists":true}}', [14]],
    ['{"v.0":5}', [15, 18]],
    ['{"v.0.0":5}', [18]],
    ['{"v.0":null}', allBut(22, 15, 18)],
    ['{"v.1":"5"}', [15]],
    ['{"v.5.x.y":{"$exists":true}}', []],
  ],
}

test('types, equality and order', () => check('types', TYPES))

test('numbers of different types compare without loss', () =>
  check('numbers', {
    documents: [
      '{"v":9007199254740993}',
      '{"v":9007199254740992.0}',
      '{"v":{"$numberDecimal":"0.10"}}',
      '{"v":0.1}',
      '{"v":{"$numberDecimal":"9007199254740993.5"}}',
      '{"v":9223372036854775807}',
      '{"v":{"$numberDouble":"-Infinity"}}',
      '{"v":{"$numberDecimal":"-0E+3"}}',
      '{"v":{"$numberDecimal":"NaN"}}',
      `{"v":${NAN}}`,
      '{"v":{"$numberDecimal":"Infinity"}}',
      '{"v":{"$numberDecimal":"1E+400"}}',
    ],
    matches: [
      ['{"v":9007199254740992.0}', [2]],
      ['{"v":9007199254740992}', [2]],
      ['{"v":{"$gt":9007199254740992.0}}', [1, 5, 6, 9, 10, 11, 12]],
      [`{"v":${NAN}}`, [9, 10]],
      ['{"v":{"$numberDecimal":"NaN"}}', [9, 10]],
      ['{"v":{"$gt":{"$numberDouble":"Infinity"}}}', [9, 10]],
      ['{"v":{"$numberDouble":"Infinity"}}', [11]],
      ['{"v":{"$gt":1.7976931348623157e308}}', [9, 10, 11, 12]],
      ['{"v":{"$numberDecimal":"9007199254740993"}}', [1]],
      ['{"v":{"$lt":{"$numberDecimal":"9007199254740993.5"},"$gt":1}}', [1, 2]],
      // As a decimal a double is its shortest text.
      ['{"v":0.1}', [3, 4]],
      ['{"v":{"$numberDecimal":"0.1"}}', [3, 4]],
      ['{"v":{"$gte":9223372036854775807}}', [6, 9, 10, 11, 12]],
      // The double next to the largest 64-bit integer is above it.
      ['{"v":{"$gte":9223372036854775808.0}}', [9, 10, 11, 12]],
      ['{"v":{"$lt":9223372036854775808.0,"$gt":9007199254740993.5}}', [6]],
      ['{"v":{"$lte":{"$numberDecimal":"-Infinity"}}}', [7]],
      ['{"v":{"$in":[-0.0]}}', [8]],
    ],
  }))

test('paths through arrays', () =>
  check('paths', {
    documents: [
      '{"d":[{"t":[{"n":1},{"n":2}]},{"t":[{"n":3}]},5]}',
      '{"d":[{"t":null},{"t":7},{}]}',
      '{"d":{"0":{"t":9}}}',
      '{"d":[]}',
      '{"d":[{"t":[1,2]},{"t":[3]}]}',
      '{"a":{"b":{"x":1},"c":2}}',
      '{"m":[[1,[2]],[3]]}',
    ],
    matches: [
      ['{"d.t.0.n":3}', [1]],
      ['{"d.t.0.n":2}', []],
      ['{"d.t.n":2}', [1]],
      ['{"d.t":{"$size":3}}', [1, 5]],
      ['{"d.t":{"$size":2}}', [2]],
      ['{"d.t":null}', [3, 4, 6, 7]],
      ['{"d.t":{"$in":[null]}}', [2, 3, 4, 6, 7]],
      ['{"d.t":7}', [2]],
      ['{"d.1.t":7}', [2]],
      ['{"d.0.t":9}', [3]],
      ['{"d.t":{"$all":[1,3]}}', [5]],
      ['{"d.t":{"$exists":true}}', [1, 2, 5]],
      ['{"a.b.y":{"$exists":true}}', []],
      ['{"a.b.y":1}', []],
      ['{"a.b.y":null}', [1, 2, 3, 4, 5, 6, 7]],
      ['{"m.0.1":2}', [7]],
      ['{"m.0.1.0":2}', [7]],
      ['{"m.0":[2]}', [7]],
      ['{"m.1.0":3}', [7]],
    ],
  }))

test('a name may be empty', () =>
  check('unnamed', {
    documents: [
      '{"":5}',
      '{"":[5,7]}',
      '{"a":5}',
      '{"a":{"":5}}',
      '{"a":[{"":5},6]}',
      '{"":{"":5}}',
      '{"":[{"b":5}]}',
    ],
    matches: [
      ['{"":5}', [1, 2]],
      ['{"":{"$exists":true}}', [1, 2, 6, 7]],
      ['{"":{"$ne":5}}', [3, 4, 5, 7]],
      ['{"":{"$elemMatch":{"$gt":6}}}', [2]],
      ['{"":{"$elemMatch":{"b":5}}}', [7]],
      ['{"a.":5}', [4, 5]],
      ['{".":5}', [6]],
      ['{"a":{"$elemMatch":{"":5}}}', [5]],
      ['{"a":{"$elemMatch":{"$gt":5}}}', [5]],
    ],
  }))

test('$elemMatch asks everything of one element', () =>
  check('elements', {
    documents: [
      '{"r":[{"p":"x","s":8},{"p":"y","s":5}]}',
      '{"r":[1,5,9]}',
      '{"r":[null]}',
      '{"r":[]}',
      '{"r":5}',
      '{}',
      '{"r":[{"in":[{"v":1},{"v":2}]}]}',
      '{"r":[[1,5],[9]]}',
    ],
    matches: [
      ['{"r":{"$elemMatch":{"p":"x","s":{"$gt":7}}}}', [1]],
      ['{"r":{"$elemMatch":{"p":"x","s":{"$lt":7}}}}', []],
      ['{"r.p":"x","r.s":{"$lt":7}}', [1]],
      ['{"r":{"$elemMatch":{"$gt":4,"$lt":6}}}', [2, 8]],
      ['{"r":{"$elemMatch":{"$gt":5,"$lt":9}}}', []],
      ['{"r":{"$gt":5,"$lt":9}}', [2]],
      ['{"r":{"$elemMatch":{"$eq":null}}}', [3]],
      ['{"r":{"$elemMatch":{}}}', [1, 2, 3, 7, 8]],
      ['{"r":{"$elemMatch":{"$exists":true}}}', [1, 2, 3, 7, 8]],
      ['{"r":{"$elemMatch":{"$exists":false}}}', []],
      ['{"r":{"$elemMatch":{"p":{"$ne":"x"}}}}', [1, 2, 3, 7, 8]],
      ['{"r":{"$elemMatch":{"in":{"$elemMatch":{"v":2}}}}}', [7]],
      ['{"r.in":{"$elemMatch":{"v":{"$gt":1}}}}', [7]],
      ['{"r":{"$elemMatch":{"$in":[9,null]}}}', [2, 3, 8]],
      ['{"r":{"$elemMatch":{"$nin":[1,5,9]}}}', [1, 3, 7]],
      ['{"r":{"$elemMatch":{"$size":2}}}', [8]],
      ['{"r":{"$elemMatch":{"$all":[9]}}}', [8]],
      ['{"r":{"$elemMatch":{"$or":[{"$eq":9},{"p":"y"}]}}}', [1, 2, 8]],
      ['{"r":{"$elemMatch":{"$and":[{"$gte":5},{"$lte":5}]}}}', [2, 8]],
      ['{"r":{"$elemMatch":{"$nor":[{"s":{"$lt":6}},{"p":null}]}}}', [1]],
      ['{"r":{"$elemMatch":{"$not":{"$gt":4}}}}', [1, 2, 3, 7]],
      ['{"r":{"$not":{"$elemMatch":{"$eq":5}}}}', [1, 3, 4, 5, 6, 7]],
      ['{"r":{"$elemMatch":{"p":/^Y/i}}}', [1]],
      ['{"r":{"$elemMatch":{"p":{"$in":[/y/,"z"]},"s":5}}}', [1]],
    ],
  }))

test('regular expressions and their options', () =>
  check('patterns', {
    documents: [
      '{"v":"Apple\\nbanana"}',
      '{"v":"apple"}',
      '{"v":"a.c"}',
      '{"v":["xyz","Apple"]}',
      '{"v":5}',
      '{"v":"ÄPFEL"}',
      '{"v":"aXc"}',
      '{"v":null}',
    ],
    matches: [
      ['{"v":{"$regex":"^banana"}}', []],
      ['{"v":{"$regex":"^banana","$options":"m"}}', [1]],
      ['{"v":{"$regex":"Apple$","$options":"m"}}', [1, 4]],
      ['{"v":{"$regex":"Apple.banana"}}', []],
      ['{"v":{"$regex":"Apple.banana","$options":"s"}}', [1]],
      ['{"v":{"$regex":"apple","$options":"i"}}', [1, 2, 4]],
      ['{"v":{"$regex":"äpfel","$options":"i"}}', [6]],
      ['{"v":{"$regex":"^A.C$","$options":"uis"}}', [3, 7]],
      ['{"v":{"$options":"i","$regex":"^A.C$"}}', [3, 7]],
      ['{"v":/a\\.c/}', [3]],
      ['{"v":{"$regex":"a\\\\.c"}}', [3]],
      ['{"v":{"$regularExpression":{"pattern":"^A","options":""}}}', [1, 4]],
      ['{"v":{"$regex":/^A/i}}', [1, 2, 3, 4, 7]],
      ['{"v":{"$regex":/^apple$/i,"$options":""}}', [2]],
      ['{"v":{"$regex":/^APPLE$/,"$options":"i"}}', [2, 4]],
      ['{"v":{"$in":[/^A/,5]}}', [1, 4, 5]],
      ['{"v":{"$nin":[/a/i]}}', [5, 6, 8]],
      ['{"v":{"$all":[/^x/,/^A/]}}', [4]],
      ['{"v":{"$not":/a/i}}', [5, 6, 8]],
      ['{"v":{"$not":{"$regex":"a","$options":"i"}}}', [5, 6, 8]],
      ['{"v":{"$regex":"(?i)^APPLE$"}}', [2, 4]],
      ['{"v":{"$regex":"^\\\\w{5}$"}}', [2, 4]],
      ['{"v":{"$regex":"^[[:alpha:]]{5}$|X"}}', [2, 4, 7]],
      ['{"v":{"$regex":"","$ne":"apple"}}', [1, 3, 4, 6, 7]],
    ],
  }))

test('collation does not concern regular expressions', async () => {
  const client = await useJson(await server.connect())
  const words = ['COLLATION', '{"locale":"en","strength":1}']
  assert.equal(await numbersOf(client, 'patterns', '{"v":{"$regex":"^APPLE"}}', ...words), [])
  assert.equal(await numbersOf(client, 'patterns', '{"v":{"$in":[/^APPLE/]}}', ...words), [])
  assert.equal(await numbersOf(client, 'patterns', '{"v":"APPLE"}', ...words), [2, 4])
})

const MISTAKES: readonly (readonly [filter: string, error: string])[] = [
  ['{"$GT":1}', 'Unknown operator: $GT'],
  ['{"$eq":1}', 'Unknown operator: $eq'],
  ['{"$a.b":1}', 'Unknown operator: $a.b'],
  ['{"$ref":"x","$id":1}', 'Unknown operator: $ref'],
  ['{"a":{"$ref":"x","$id":1}}', 'Unknown selector operator: $ref'],
  ['{"a":{"$elemMatch":{"$ref":"x","$id":1}}}', 'Unknown selector operator: $ref'],
  ['{"a":{"$Gt":1}}', 'Unknown selector operator: $Gt'],
  ['{"a":{"$gt":1,"b":2}}', 'Unknown selector operator: b'],
  ['{"a":{"$and":[]}}', 'Unknown selector operator: $and'],
  ['{"a":{"$not":{"$x":1}}}', 'Unknown selector operator: $x'],
  ['{"$or":[{"a":{}}]}', 'Empty selector operator document for: a'],
  ['{"a":{"$gte":null}}', '$gte operator does not support null values'],
  ['{"a":{"$lt":null}}', '$lt operator does not support null values'],
  ['{"a":{"$elemMatch":{"$lte":null}}}', '$lte operator does not support null values'],
  ['{"a":{"$size":1.0}}', '$size expects an integer'],
  ['{"a":{"$size":{"$numberLong":"1"}}}', '$size expects an integer'],
  ['{"a":{"$size":null}}', '$size expects an integer'],
  ['{"a":{"$exists":null}}', '$exists expects a boolean'],
  ['{"a":{"$regex":null}}', '$regex expects a string pattern or a regular expression'],
  ['{"a":{"$regex":"a","$options":null}}', '$options expects a string'],
  ['{"a":{"$regex":/a/,"$options":5}}', '$options expects a string'],
  ['{"a":{"$options":"i","$eq":"x"}}', '$options requires $regex'],
  ['{"a":{"$regex":"a","$options":"ig"}}', 'Unsupported $regex option: g'],
  ['{"a":{"$regex":"a","$options":"I"}}', 'Unsupported $regex option: I'],
  ['{"a":/a/g}', 'Unsupported $regex option: g'],
  ['{"a":{"$in":[/a/q]}}', 'Unsupported $regex option: q'],
  ['{"a":{"$elemMatch":{"$regex":"x"}}}', 'Unknown selector operator: $regex'],
  ['{"a":{"$elemMatch":{"$x":1}}}', 'Unknown selector operator: $x'],
  ['{"a":{"$elemMatch":{"b":{}}}}', 'Empty selector operator document for: b'],
]

const CONTAINERS = [
  '{"$and":{}}',
  '{"$or":[1]}',
  '{"$nor":"x"}',
  '{"$not":5}',
  '{"$not":[]}',
  '{"a":{"$not":5}}',
  '{"a":{"$in":{}}}',
  '{"a":{"$nin":1}}',
  '{"a":{"$all":null}}',
  '{"a":{"$elemMatch":[]}}',
  '{"a":{"$elemMatch":{"$or":5}}}',
  '{"a":1',
  'x',
  '',
]

test('answers mistakes with the documented texts', async () => {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', 'mistaken')
  const refused = (filter: Word) => client.error('BUCKET.QUERY', 'mistaken', filter)
  for (const [filter, error] of MISTAKES) {
    for (const as of ARGUMENT_FORMS) {
      assert.is(await refused(as(filter)), `ERR BQL parse error: ${error}`, filter)
    }
  }
  for (const filter of CONTAINERS) {
    assert.match(await refused(filter), /^ERR BQL parse error: [^\n]+$/, filter)
  }
  const patterns = ['(', '[a', 'a**', '(a)\\\\1', '(?=a)', '(?!a)', '(?<=a)b', 'a{1001}', '\\\\']
  for (const pattern of patterns) {
    const invalid = /^ERR BQL parse error: Invalid \$regex pattern: [^\n]+$/
    assert.match(await refused(`{"a":{"$regex":"${pattern}"}}`), invalid, pattern)
  }
  assert.equal(await numbersOf(client, 'mistaken', '{"a":{"$regex":"a{1000}"}}'), [])
  for (const value of [new Code('f()'), new MinKey(), new MaxKey()]) {
    for (const filter of [{ a: value }, { a: { $gt: value } }, { a: { $in: [1, value] } }]) {
      const error = await refused(Buffer.from(serialize(filter)))
      assert.match(error, /^ERR BQL parse error: Unsupported value type: /)
    }
  }
  assert.match(await refused('{"a":{"$eq":/x/}}'), /^ERR BQL parse error: /)
  const tooDeep = 'ERR document is nested deeper than 200'
  const path = 'a.'.repeat(1_000)
  assert.is(await refused(`{"${path}":1}`), tooDeep)
  assert.is(await refused(`{"a":{"$elemMatch":{"${path}":{"$exists":true}}}}`), tooDeep)
})

/** What other servers of this language get wrong, each twice: with a fresh and a known plan. */
const PITFALLS: readonly (readonly [filter: string, numbers: number[]])[] = [
  ['{"a":{"$gt":9,"$lt":3}}', [4]],
  ['{"a":{"$gt":1,"$lt":5}}', [2, 4]],
  ['{"$and":[{"a":{"$in":[1,3]}},{"a":{"$in":[3,7]}}]}', [2]],
  ['{"$and":[{"a":2},{"a":12}]}', [4]],
  ['{"$and":[{"a":2},{"a":3}]}', []],
  ['{"$or":[{"a":{"$gt":5}},{"a":{"$lte":5}}]}', [1, 2, 3, 4]],
  ['{"$or":[{"a":1},{"a":{"$ne":1}}]}', [1, 2, 3, 4, 5, 6, 7]],
  ['{"a":{"$lt":5}}', [1, 2, 4]],
  ['{"a":{"$lte":7}}', [1, 2, 3, 4]],
  ['{"a":{"$ne":3}}', [1, 3, 4, 5, 6, 7]],
  ['{"a":{"$nin":[3,null]}}', [1, 3, 4, 7]],
  ['{"a":{"$not":{"$gt":3}},"b":1}', [1, 5]],
  ['{"$nor":[{"a":{"$gt":3}},{"b":2}]}', [1, 5, 7]],
  ['{"$or":[{"a":{"$in":[]}},{"a":7}]}', [3]],
  ['{"$and":[{"a":{"$in":[]}},{"b":1}]}', []],
  ['{"a":{"$nin":[]},"b":2}', [2, 3, 4, 6]],
  ['{"a":{"$in":[{"$ref":"x","$id":5}]}}', []],
  ['{"$and":[{"s":{"$gt":"b"}},{"s":{"$gt":"c"}}]}', [3, 5, 6]],
  ['{"s":"00000000000000000000xxxx"}', [4]],
  ['{"s":{"$gt":"\uff61"}}', [5]],
  ['{"_id":{"$exists":true},"b":1}', [1, 5]],
  ['{"_id":{"$exists":false}}', []],
  ['{"_id":{"$size":1}}', []],
  ['{"_id":{"$all":[1]}}', []],
  ['{"_id":{"$regex":"0"}}', []],
  ['{"_id":{"$not":{"$in":[]}},"b":1}', [1, 5]],
]

test('no index, and no plan that is remembered, changes what matches', async () => {
  const client = await useJson(await server.connect())
  const documents = [
    '{"n":1,"a":1,"b":1,"s":"a"}',
    '{"n":2,"a":3,"b":2,"s":"c"}',
    '{"n":3,"a":7,"b":2,"s":"d"}',
    '{"n":4,"a":[2,12],"b":2,"s":"00000000000000000000xxxx"}',
    '{"n":5,"b":1,"s":"😀"}',
    '{"n":6,"a":null,"b":2,"s":"\uff61"}',
    '{"n":7,"a":[],"s":""}',
  ]
  const type = (name: string) => `{"bson_type":"${name}"}`
  const single = `{"a":${type('int32')},"s":${type('string')}}`
  const compound = `{"$compound":[{"name":"ab","fields":[
    {"selector":"a","bson_type":"int32","multi_key":true},{"selector":"b","bson_type":"int32"}]}]}`
  for (const [bucket, ...words] of [
    ['plain'],
    ['single', 'INDEXES', single],
    ['compound', 'INDEXES', compound],
  ] as const) {
    await client.call('BUCKET.CREATE', bucket, ...words)
    await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents)
    for (const [filter, numbers] of [...PITFALLS, ...PITFALLS]) {
      const found = await numbersOf(client, bucket, filter)
      assert.equal(found.sort(), numbers, `${bucket} ${filter}`)
    }
  }
})

test.run()
