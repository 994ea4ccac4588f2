import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  IndexIds,
  parseIndexSchema,
  type SchemaTarget,
} from '../../../../ts/query/indexes/index-schema.js'
import type { IndexDefinition } from '../../../../ts/query/indexes/indexes.js'
import { parseCollation } from '../../../../ts/query/language/collation.js'
import { errorOf } from '../../../support/data-member.js'

function parse(schema: string, target: Partial<SchemaTarget> = {}): IndexDefinition[] {
  const whole = { existing: [], collation: null, status: 'READY', ids: new IndexIds() } as const
  return parseIndexSchema(Buffer.from(schema), { ...whole, ...target })
}

test('knows all types, in any case, and names indexes by them', () => {
  const names: [typed: string, shown: string][] = [
    ['string', 'STRING'],
    ['INT32', 'INT32'],
    ['Int64', 'INT64'],
    ['double', 'DOUBLE'],
    ['boolean', 'BOOLEAN'],
    ['DateTime', 'DATE_TIME'],
    ['timestamp', 'TIMESTAMP'],
    ['binary', 'BINARY'],
    ['objectId', 'OBJECT_ID'],
  ]
  for (const [typed, shown] of names) {
    const [index] = parse(`{"a.b": {"bson_type": "${typed}"}}`)
    assert.equal(index!.fields, [{ selector: 'a.b', type: shown, multiKey: false }])
    assert.is(index!.name, `selector:a.b.bsonType:${shown}`)
  }
})

test('takes singles in their order, then compounds, and lenient JSON', () => {
  const made = parse(`{
    $compound: [{fields: [
      {selector: 'category', bson_type: 'string', multi_key: true, other: 1},
      {selector: 'price', bson_type: 'double'}]}],
    b: {bson_type: "int32", unique: true, ignored: {}},
    a: {bson_type: "string", multi_key: true, name: "my own"},
  }`)
  assert.equal(
    made.map(({ name, kind, unique }) => [name, kind, unique]),
    [
      ['selector:b.bsonType:INT32', 'single', true],
      ['my own', 'single', false],
      ['compound:category.STRING_price.DOUBLE', 'compound', false],
    ],
  )
  assert.equal(made[2]!.fields, [
    { selector: 'category', type: 'STRING', multiKey: true },
    { selector: 'price', type: 'DOUBLE', multiKey: false },
  ])
  assert.is(new Set(made.map(({ id }) => id)).size, 3)
})

test('an index with a string and without a collation gets that of the bucket', () => {
  const own = parseCollation(Buffer.from('{"locale": "tr"}'))
  const collation = parseCollation(Buffer.from('{"locale": "en", "strength": 2}'))
  const schema = `{
    "s": {"bson_type": "string"},
    "t": {"bson_type": "string", "collation": {"locale": "tr"}},
    "n": {"bson_type": "int32"},
    "$compound": [
      {"fields": [{"selector": "s", "bson_type": "string"},
        {"selector": "n", "bson_type": "int32"}]},
      {"fields": [{"selector": "m", "bson_type": "int32"},
        {"selector": "n", "bson_type": "int32"}]}]
  }`
  const made = parse(schema, { collation })
  assert.equal(
    made.map(index => index.collation),
    [collation, own, null, collation, null],
  )
})

test('the ids of a command stay the same', () => {
  const ids = new IndexIds()
  const schema = '{"a": {"bson_type": "int32"}, "b": {"bson_type": "int32"}}'
  assert.equal(parse(schema, { ids }), parse(schema, { ids }))
})

const FIELD = (selector: string, more = ''): string =>
  `{"selector": "${selector}", "bson_type": "int32"${more}}`
const COMPOUND = (fields: string, more = ''): string =>
  `{"$compound": [{"fields": [${fields}]${more}}]}`
const MULTI = ', "multi_key": true'

/** What the bucket of the table has. */
const EXISTING = parse(`{"taken": {"bson_type": "int32", "name": "one"},
  "$compound": [{"name": "two", "fields": [${FIELD('x')}, ${FIELD('y')}]}]}`)

const MISTAKES: readonly (readonly [schema: string, error: string])[] = [
  ['[]', 'Invalid index schema'],
  ['', 'Invalid index schema'],
  ['"a"', 'Invalid index schema'],
  ['{"a": "int32"}', 'Invalid index schema'],
  ['{"a": null}', 'Invalid index schema'],
  ['{"a": []}', 'Invalid index schema'],
  ['{"a": {"$oid": "0123456789abcdef01234567"}}', 'Invalid index schema'],
  ['{"": {"bson_type": "int32"}}', 'Invalid index schema'],
  ['{"a": {"bson_type": 5}}', 'Invalid index schema'],
  ['{"a": {"bson_type": "int32", "unique": "yes"}}', 'Invalid index schema'],
  ['{"a": {"bson_type": "int32", "multi_key": 1}}', 'Invalid index schema'],
  ['{"a": {"bson_type": "int32", "name": 1}}', 'Invalid index schema'],
  ['{}', 'Index schemas cannot be empty'],
  ['{"$foo": {}}', 'Unknown directive: $foo'],
  ['{"a": {"bson_type": "int32"}, "$foo": 1}', 'Unknown directive: $foo'],
  ['{"$vector": {"field": "v", "dimensions": 3}}', 'Unknown directive: $vector'],
  ['{"a": {}}', "'bson_type' cannot be null"],
  ['{"a": {"bson_type": null}}', "'bson_type' cannot be null"],
  ['{"a": {"bson_type": "INTEGER"}}', 'Unknown BSON type: integer'],
  ['{"a": {"bson_type": "date_time"}}', 'Unknown BSON type: date_time'],
  [
    '{"a": {"bson_type": "Decimal128"}}',
    'Creating indexes on DECIMAL128 fields not implemented yet',
  ],
  [
    COMPOUND(`${FIELD('a')}, {"selector": "b", "bson_type": "decimal128"}`),
    'Creating indexes on DECIMAL128 fields not implemented yet',
  ],
  [
    '{"a": {"bson_type": "int32", "unique": true, "multi_key": true}}',
    'A unique index cannot be multi-key',
  ],
  [
    COMPOUND(`${FIELD('a')}, ${FIELD('b', MULTI)}`, ', "unique": true'),
    'A unique index cannot be multi-key',
  ],
  [
    '{"a": {"bson_type": "int32", "collation": {"locale": "en"}}}',
    'Collation is only supported for STRING indexes',
  ],
  [
    COMPOUND(`${FIELD('a')}, ${FIELD('b')}`, ', "collation": {"locale": "en"}'),
    'Collation requires at least one STRING field in compound index',
  ],
  [
    '{"a": {"bson_type": "string", "collation": {"locale": "en", "strength": 0}}}',
    "Collation 'strength' must be between 1 and 5, got: 0",
  ],
  ['{"a": {"bson_type": "string", "collation": "en"}}', 'Invalid collation specification'],
  ['{"taken": {"bson_type": "string"}}', "An index on field 'taken' already exists"],
  ['{"_id": {"bson_type": "objectid"}}', "An index on field '_id' already exists"],
  [
    COMPOUND(`${FIELD('x')}, ${FIELD('y')}`),
    "A compound index on the same fields already exists: 'two'",
  ],
  [
    `{"$compound": [{"name": "p", "fields": [${FIELD('p')}, ${FIELD('q')}]},
      {"name": "q", "fields": [${FIELD('p')}, ${FIELD('q')}]}]}`,
    "A compound index on the same fields already exists: 'p'",
  ],
  ['{"a": {"bson_type": "int32", "name": "one"}}', "'one' has already exist"],
  ['{"a": {"bson_type": "int32", "name": "two"}}', "'two' has already exist"],
  ['{"a": {"bson_type": "int32", "name": "primary-index"}}', "'primary-index' has already exist"],
  [
    '{"a": {"bson_type": "int32", "name": "n"}, "b": {"bson_type": "int32", "name": "n"}}',
    "'n' has already exist",
  ],
  [COMPOUND(`${FIELD('a')}, ${FIELD('b')}`, ', "name": "one"'), "'one' has already exist"],
  ['{"$compound": {}}', '$compound value must be an array'],
  ['{"$compound": []}', '$compound array must not be empty'],
  ['{"$compound": ["a"]}', 'Invalid index schema'],
  ['{"$compound": [{}]}', 'Compound index requires at least 2 fields'],
  ['{"$compound": [{"fields": {}}]}', 'Invalid index schema'],
  [COMPOUND(FIELD('a')), 'Compound index requires at least 2 fields'],
  [
    COMPOUND(Array.from({ length: 33 }, (_, i) => FIELD(`f${i}`)).join(', ')),
    'Compound index supports at most 32 fields',
  ],
  [
    COMPOUND(`${FIELD('a')}, {"bson_type": "int32"}`),
    "Each compound index field must have a 'selector'",
  ],
  [
    COMPOUND(`${FIELD('a')}, {"selector": "b"}`),
    "Each compound index field must have a 'bson_type'",
  ],
  [COMPOUND(`${FIELD('a')}, "b"`), 'Invalid index schema'],
  [COMPOUND(`${FIELD('a')}, ${FIELD('a')}`), "Duplicate selector in compound index: 'a'"],
  [
    COMPOUND(`${FIELD('a', MULTI)}, ${FIELD('b', MULTI)}`),
    'Compound index allows at most one multi-key field',
  ],
]

for (const [schema, error] of MISTAKES) {
  test(`refuses ${schema.slice(0, 80)}: ${error}`, async () => {
    assert.is(await errorOf(() => parse(schema, { existing: EXISTING })), `ERR ${error}`)
  })
}

test('the same fields in another order, or otherwise declared, are another compound index', () => {
  for (const fields of [
    `${FIELD('y')}, ${FIELD('x')}`,
    `${FIELD('x')}, ${FIELD('y', MULTI)}`,
    `${FIELD('x')}, {"selector": "y", "bson_type": "int64"}`,
  ]) {
    assert.is(parse(COMPOUND(fields), { existing: EXISTING }).length, 1)
  }
})

test('thirty-two fields are allowed', () => {
  const fields = Array.from({ length: 32 }, (_, i) => FIELD(`f${i}`)).join(', ')
  assert.is(parse(COMPOUND(fields))[0]!.fields.length, 32)
})

test('JSON that cannot be read is refused with the reason', async () => {
  assert.match(await errorOf(() => parse('{"a": {"bson_type": "int32"}')), /^ERR ./)
})

test.run()
