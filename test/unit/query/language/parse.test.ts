/** The grammar of filters, row by row, with every error text. */
import {
  Binary,
  BSONRegExp,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  serialize,
  Timestamp,
} from 'bson'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Filter, SELF_PATH } from '../../../../ts/query/language/filter.js'
import { isBson, parseFilter } from '../../../../ts/query/language/parse.js'
import { compileProgram } from '../../../../ts/query/language/program.js'
import { errorOf } from '../../../support/data-member.js'

const HEX = '507f1f77bcf86cd799439011'

const parse = (text: string): Filter => parseFilter(Buffer.from(text))
const one = new Int32(1)
const two = new Int32(2)
const eq = (path: string, value: unknown): Filter => {
  return { kind: 'compare', path, operator: 'eq', value }
}
const a1 = eq('a', one)
const b2 = eq('b', two)

const ACCEPTED: readonly [text: string, filter: Filter][] = [
  ['{}', { kind: 'true' }],
  ['{"a": 1}', a1],
  ['{"a.b.0": 1}', eq('a.b.0', one)],
  ['{"a": 1, "b": 2}', { kind: 'and', children: [a1, b2] }],
  ['{"a": {"$eq": 1}}', a1],
  ['{"a": null}', eq('a', null)],
  ['{"a": {"$eq": null}}', eq('a', null)],
  ['{"a": {"$ne": null}}', { kind: 'compare', path: 'a', operator: 'ne', value: null }],
  ['{"a": true}', eq('a', true)],
  ['{"a": "x"}', eq('a', 'x')],
  ['{"a": [1, 2]}', eq('a', [one, two])],
  ['{"$and": []}', { kind: 'and', children: [] }],
  ['{"$or": []}', { kind: 'or', children: [] }],
  ['{"$nor": []}', { kind: 'nor', children: [] }],
  ['{"$and": [{"a": 1}, {"b": 2}]}', { kind: 'and', children: [a1, b2] }],
  ['{"$or": [{"a": 1}, {}]}', { kind: 'or', children: [a1, { kind: 'true' }] }],
  ['{"$nor": [{"a": 1}]}', { kind: 'nor', children: [a1] }],
  ['{"$not": {"a": 1}}', { kind: 'not', child: a1 }],
  ['{"a": {"$not": {"$eq": 1}}}', { kind: 'not', child: a1 }],
  ['{"a": {"$in": [1, "x"]}}', { kind: 'in', path: 'a', values: [one, 'x'] }],
  ['{"a": {"$nin": []}}', { kind: 'nin', path: 'a', values: [] }],
  ['{"a": {"$all": [null]}}', { kind: 'all', path: 'a', values: [null] }],
  ['{"a": {"$size": 2}}', { kind: 'size', path: 'a', value: two }],
  ['{"a": {"$exists": false}}', { kind: 'exists', path: 'a', value: false }],
  [
    '{"a": {"$elemMatch": {"$gte": 1, "b": 2}}}',
    {
      kind: 'elemMatch',
      path: 'a',
      child: {
        kind: 'and',
        children: [{ kind: 'compare', path: SELF_PATH, operator: 'gte', value: one }, b2],
      },
    },
  ],
  [
    '{"a": {"$elemMatch": {"$or": [{"$eq": 1}, {"$not": {"$eq": 2}}]}}}',
    {
      kind: 'elemMatch',
      path: 'a',
      child: {
        kind: 'or',
        children: [eq(SELF_PATH, one), { kind: 'not', child: eq(SELF_PATH, two) }],
      },
    },
  ],
  ['{"a": {"$elemMatch": {}}}', { kind: 'elemMatch', path: 'a', child: { kind: 'true' } }],
]
for (const [text, filter] of ACCEPTED) {
  test(`reads ${text}`, () => assert.equal(parse(text), filter))
}

for (const operator of ['eq', 'ne', 'gt', 'gte', 'lt', 'lte'] as const) {
  test(`reads $${operator}`, () => {
    assert.equal(parse(`{"a": {"$${operator}": 1}}`), {
      kind: 'compare',
      path: 'a',
      operator,
      value: one,
    })
  })
}

const REGEXES: readonly [text: string, pattern: string, options: string][] = [
  ['{"a": {"$regex": "x"}}', 'x', ''],
  ['{"a": {"$regex": "x", "$options": "im"}}', 'x', 'im'],
  ['{"a": {"$options": "s", "$regex": "x"}}', 'x', 's'],
  ['{"a": {"$regularExpression": {"pattern": "x", "options": "i"}}}', 'x', 'i'],
  ['{"a": {"$regex": {"$regularExpression": {"pattern": "x", "options": "i"}}}}', 'x', 'i'],
]
for (const [text, pattern, options] of REGEXES) {
  test(`reads the pattern of ${text}`, () => {
    assert.equal(parse(text), { kind: 'regex', path: 'a', value: new BSONRegExp(pattern, options) })
  })
}

test('$options wins over the options of a literal', () => {
  const literal = new BSONRegExp('x', 'i')
  const filter = parseFilter(Buffer.from(serialize({ a: { $regex: literal, $options: 'm' } })))
  assert.equal(filter, { kind: 'regex', path: 'a', value: new BSONRegExp('x', 'm') })
})

const PREFIX = 'ERR BQL parse error: '
const REFUSED: readonly [text: string, error: string][] = [
  ['{"$x": 1}', `${PREFIX}Unknown operator: $x`],
  ['{"$EQ": 1}', `${PREFIX}Unknown operator: $EQ`],
  ['{"$and": [{"$or": [{"$x": 1}]}]}', `${PREFIX}Unknown operator: $x`],
  ['{"a": {"b": 1}}', `${PREFIX}Unknown selector operator: b`],
  ['{"a": {"$EQ": 1}}', `${PREFIX}Unknown selector operator: $EQ`],
  ['{"a": {"$eq": 1, "b": 1}}', `${PREFIX}Unknown selector operator: b`],
  ['{"a": {}}', `${PREFIX}Empty selector operator document for: a`],
  ['{"a.b": {}}', `${PREFIX}Empty selector operator document for: a.b`],
  ['{"a": {"$not": {}}}', `${PREFIX}Empty selector operator document for: a`],
  ['{"a": {"$gt": null}}', `${PREFIX}$gt operator does not support null values`],
  ['{"a": {"$gte": null}}', `${PREFIX}$gte operator does not support null values`],
  ['{"a": {"$lt": null}}', `${PREFIX}$lt operator does not support null values`],
  ['{"a": {"$lte": null}}', `${PREFIX}$lte operator does not support null values`],
  ['{"a": {"$size": "1"}}', `${PREFIX}$size expects an integer`],
  ['{"a": {"$size": 1.0}}', `${PREFIX}$size expects an integer`],
  ['{"a": {"$size": {"$numberLong": "1"}}}', `${PREFIX}$size expects an integer`],
  ['{"a": {"$exists": 1}}', `${PREFIX}$exists expects a boolean`],
  ['{"a": {"$regex": 5}}', `${PREFIX}$regex expects a string pattern or a regular expression`],
  ['{"a": {"$regex": "x", "$options": 5}}', `${PREFIX}$options expects a string`],
  ['{"a": {"$options": "i"}}', `${PREFIX}$options requires $regex`],
  ['{"a": {"$regex": "x", "$options": "ix"}}', `${PREFIX}Unsupported $regex option: x`],
  ['{"a": {"$elemMatch": {"$elemMatch": {}}}}', `${PREFIX}Unknown selector operator: $elemMatch`],
  ['{"a": {"$elemMatch": {"$regex": "x"}}}', `${PREFIX}Unknown selector operator: $regex`],
  ['{"a": {"$elemMatch": {"$x": 1}}}', `${PREFIX}Unknown selector operator: $x`],
  ['{"$and": 5}', `${PREFIX}Invalid BSON format`],
  ['{"$or": {"a": 1}}', `${PREFIX}Invalid BSON format`],
  ['{"$nor": [1]}', `${PREFIX}Invalid BSON format`],
  ['{"$not": []}', `${PREFIX}Invalid BSON format`],
  ['{"a": {"$in": "x"}}', `${PREFIX}Invalid BSON format`],
  ['{"a": {"$all": {"b": 1}}}', `${PREFIX}Invalid BSON format`],
  ['{"a": {"$not": 5}}', `${PREFIX}Invalid BSON format`],
  ['{"a": {"$elemMatch": 5}}', `${PREFIX}Invalid BSON format`],
  ['{"a": {"$size": -1}}', 'ERR Invalid logical plan: SIZE operator requires non-negative integer'],
]
for (const [text, error] of REFUSED) {
  test(`refuses ${text}`, async () => assert.is(await errorOf(() => parse(text)), error))
}

test('a malformed argument is refused with one line', async () => {
  for (const text of ['', '{', '[]', 'null', '{"a": }', '\0\0\0']) {
    const error = await errorOf(() => parse(text))
    assert.match(error, /^ERR BQL parse error: [^\r\n]+$/, text)
  }
})

test('a pattern that does not compile is refused when the filter is compiled', async () => {
  const compile = () => compileProgram(parse('{"a": {"$regex": "(x"}}'))
  assert.match(await errorOf(compile), /^ERR BQL parse error: Invalid \$regex pattern: [^\n]+$/)
})

test('values of types that no document can be compared with are refused', async () => {
  for (const value of [new Code('x'), new MinKey(), new MaxKey()]) {
    for (const filter of [{ a: value }, { a: { $in: [value] } }, { a: { $gt: value } }]) {
      const run = () => parseFilter(Buffer.from(serialize(filter)))
      assert.match(await errorOf(run), /^ERR BQL parse error: Unsupported value type: /)
    }
  }
})

test('keeps every BSON type apart', () => {
  const values = [
    new Int32(7),
    Long.fromString('9007199254740993'),
    new Double(7),
    Decimal128.fromString('7.0'),
    new Date(7),
    new ObjectId(HEX),
    new Timestamp({ t: 7, i: 1 }),
    new Binary(Buffer.from('x'), 5),
  ]
  for (const value of values) {
    const filter = parseFilter(Buffer.from(serialize({ a: value })))
    assert.is(filter.kind, 'compare')
    if (filter.kind !== 'compare') continue
    assert.is(Object.getPrototypeOf(filter.value), Object.getPrototypeOf(value))
    assert.equal(JSON.stringify(filter.value), JSON.stringify(value))
  }
})

test('a string of 24 hexadecimal digits is an ObjectId, wherever it stands as a value', () => {
  const id = new ObjectId(HEX)
  const texts = [
    `{"a": "${HEX}"}`,
    `{"a": {"$eq": "${HEX.toUpperCase()}"}}`,
    `{"a": {"$not": {"$ne": "${HEX}"}}}`,
    `{"a": {"$in": ["${HEX}"]}}`,
    `{"a": ["${HEX}"]}`,
    `{"a": {"$elemMatch": {"$gt": "${HEX}"}}}`,
  ]
  for (const text of texts) {
    assert.ok(JSON.stringify(parse(text)).includes(JSON.stringify(id)), text)
    assert.not.match(JSON.stringify(parse(text)), HEX.toUpperCase())
  }
  assert.equal(parse(`{"a": "${HEX}0"}`), eq('a', `${HEX}0`))
})

test('takes an argument for BSON by its length and its last byte', () => {
  const bson = Buffer.from(serialize({ a: 1 }))
  assert.ok(isBson(bson))
  assert.not(isBson(bson.subarray(0, -1)))
  assert.not(isBson(Buffer.from('{}')))
  assert.equal(parseFilter(bson), a1)
})

test('names that JavaScript objects give a meaning are ordinary paths', () => {
  assert.equal(parse('{"__proto__": 1}'), eq('__proto__', one))
  assert.equal(parse('{"constructor": 1}'), eq('constructor', one))
  assert.equal(parse('{"_bsontype": 1}'), eq('_bsontype', one))
})

test.run()
