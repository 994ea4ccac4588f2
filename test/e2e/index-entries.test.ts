/** What an index holds of documents, and what a unique one refuses: through sockets. */
import { EJSON } from 'bson'
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { assertVerified, entryCount } from '../support/indexes.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'

const { server, test } = serverSuite('entries of indexes', ['bucket.shards=2'])

/** Values as extended JSON, by the names of their types in errors. */
const VALUES = {
  STRING: '"text"',
  INT32: '5',
  INT64: '{"$numberLong": "5"}',
  DOUBLE: '5.5',
  DECIMAL128: '{"$numberDecimal": "5"}',
  BOOLEAN: 'true',
  DATE_TIME: '{"$date": "2026-06-01T10:00:00Z"}',
  TIMESTAMP: '{"$timestamp": {"t": 5, "i": 1}}',
  BINARY: '{"$binary": {"base64": "AAEC", "subType": "00"}}',
  OBJECT_ID: '{"$oid": "0123456789abcdef01234567"}',
  DOCUMENT: '{"x": 1}',
} as const

/** The types that an index may have, and whose values it has entries of. */
const TYPES: Readonly<Record<string, readonly (keyof typeof VALUES)[]>> = {
  string: ['STRING'],
  int32: ['INT32'],
  int64: ['INT64', 'INT32'],
  double: ['DOUBLE', 'INT32'],
  boolean: ['BOOLEAN'],
  datetime: ['DATE_TIME'],
  timestamp: ['TIMESTAMP'],
  binary: ['BINARY'],
  objectid: ['OBJECT_ID'],
}

let made = 0

/** A new bucket with indexes. @returns its name */
async function bucketWith(client: RespClient, schema: object, ...words: string[]): Promise<string> {
  const bucket = `b${++made}`
  await client.call('BUCKET.CREATE', bucket, 'INDEXES', JSON.stringify(schema), ...words)
  return bucket
}

const json = async (): Promise<RespClient> => useJson(await server.connect(3))

const insert = (bucket: string, ...documents: string[]): string[] => {
  return ['BUCKET.INSERT', bucket, 'DOCS', ...documents]
}

/** Entries that a document adds to the index `i` of a bucket. */
async function entriesOf(client: RespClient, bucket: string, document: string): Promise<number> {
  const before = await entryCount(client, bucket, 'i')
  await client.call(...insert(bucket, document))
  return (await entryCount(client, bucket, 'i')) - before
}

async function planOf(client: RespClient, bucket: string, filter: string): Promise<Data> {
  const reply = (await client.call('BUCKET.EXPLAIN', bucket, filter)) as Map<Data, Data>
  return (reply.get('plan') as Map<Data, Data>).get('nodeType')!
}

for (const [type, held] of Object.entries(TYPES)) {
  test(`${type}: values have an entry, others are refused`, async () => {
    const client = await json()
    const bucket = await bucketWith(client, { v: { bson_type: type, name: 'i' } })
    const shown = held[0]!
    for (const document of ['{"w": 1}', '{"v": null}']) {
      assert.is(await entriesOf(client, bucket, document), 1, document)
    }
    assert.is((await queryAll(client, bucket, '{"v": null}')).length, 2)
    for (const [name, value] of Object.entries(VALUES)) {
      if ((held as readonly string[]).includes(name)) {
        assert.is(await entriesOf(client, bucket, `{"v": ${value}}`), 1, name)
        const filter = `{"v": ${value}}`
        assert.is(await planOf(client, bucket, filter), 'IndexScan', filter)
        const found = await queryAll(client, bucket, filter)
        assert.ok(
          found.some(({ v }) => sameJson(v, value)),
          filter,
        )
      } else {
        assert.is(
          await client.error(...insert(bucket, '{"v": null}', `{"v": ${value}}`)),
          `INDEXTYPE_MISMATCH Index type mismatch: index 'i' expects '${shown}',` +
            ` but selector 'v' matched a value of type '${name}'`,
        )
        const wrong = JSON.stringify({ $set: { v: JSON.parse(value) } })
        const update = ['BUCKET.UPDATE', bucket, '{"w": 1}', wrong]
        assert.match(await client.error(...update), /^INDEXTYPE_MISMATCH /)
      }
    }
    assert.is(await assertVerified(client, bucket, type), 2 + held.length)
  })
}

function sameJson(value: unknown, text: string): boolean {
  return EJSON.stringify(EJSON.parse(JSON.stringify(value))) === EJSON.stringify(EJSON.parse(text))
}

const MULTI = [false, true] as const

for (const isMulti of MULTI) {
  test(`arrays ${isMulti ? 'with' : 'without'} multi_key: each different element`, async () => {
    const client = await json()
    const index = { bson_type: 'int32', name: 'i', multi_key: isMulti }
    const bucket = await bucketWith(client, { v: index })
    const rows: readonly [value: string, entries: number][] = [
      ['[1, 2, 3]', 3],
      ['[1, 1, 1]', 1],
      ['[null, 4, null]', 2],
      // Null, so that no document is missing in the index.
      ['[]', 1],
    ]
    for (const [value, entries] of rows) {
      assert.is(await entriesOf(client, bucket, `{"v": ${value}}`), entries, value)
    }
    for (const [value, type] of [
      ['[1, "x"]', 'STRING'],
      ['[[1]]', 'ARRAY'],
      ['[{}]', 'DOCUMENT'],
    ]) {
      const refused = await client.error(...insert(bucket, `{"v": ${value}}`))
      const end = `but selector 'v' matched a value of type '${type}'`
      assert.is(refused.slice(refused.indexOf('but')), end, value)
    }
    assert.is((await queryAll(client, bucket, '{"v": 1}')).length, 2)
    // An array is not null, whatever is in it.
    assert.is((await queryAll(client, bucket, '{"v": null}')).length, 0)
    assert.is(await assertVerified(client, bucket, 'arrays'), rows.length)
  })
}

test('a path through an array of documents collects what is there', async () => {
  const client = await json()
  const bucket = await bucketWith(client, { 'a.q': { bson_type: 'int32', name: 'i' } })
  assert.is(await entriesOf(client, bucket, '{"a": [{"q": 1}, {"q": 2}, {"r": 3}, {"q": 1}]}'), 2)
  assert.is(await entriesOf(client, bucket, '{"a": {"q": [3, 4]}}'), 2)
  assert.is(await entriesOf(client, bucket, '{"a": [{"r": 1}]}'), 1)
  for (const q of [1, 2, 3, 4]) {
    assert.is((await queryAll(client, bucket, `{"a.q": ${q}}`)).length, 1, `${q}`)
  }
  await assertVerified(client, bucket, 'a path through an array')
})

test('a compound index has the elements of its multi-key field, each with the others', async () => {
  const client = await json()
  const fields = [
    { selector: 'k', bson_type: 'string' },
    { selector: 'v', bson_type: 'int32', multi_key: true },
  ]
  const bucket = await bucketWith(client, { $compound: [{ name: 'i', fields }] })
  const rows: readonly [document: string, entries: number][] = [
    ['{"k": "a", "v": [1, 2, 2]}', 2],
    ['{"k": "b", "v": 3}', 1],
    ['{"k": "c"}', 1],
    ['{}', 1],
    ['{"k": "d", "v": []}', 1],
  ]
  for (const [document, entries] of rows) {
    assert.is(await entriesOf(client, bucket, document), entries, document)
  }
  const mismatch = (field: string, type: string, wrong: string): string =>
    `INDEXTYPE_MISMATCH Index type mismatch: compound index 'i' field '${field}' ` +
    `expects '${type}', but got '${wrong}'`
  const refused: readonly [document: string, error: string][] = [
    ['{"k": ["a"], "v": 1}', mismatch('k', 'STRING', 'ARRAY')],
    ['{"k": 5, "v": 1}', mismatch('k', 'STRING', 'INT32')],
    ['{"k": "a", "v": "x"}', mismatch('v', 'INT32', 'STRING')],
    ['{"k": "a", "v": [1, "x"]}', mismatch('v', 'INT32', 'STRING')],
  ]
  for (const [document, error] of refused) {
    assert.is(await client.error(...insert(bucket, document)), error)
  }
  assert.is((await queryAll(client, bucket, '{"k": "a", "v": 2}')).length, 1)
  assert.is((await queryAll(client, bucket, '{"k": "d"}')).length, 1)
  assert.is(await assertVerified(client, bucket, 'compound'), rows.length)
})

test('keys are in the order of their values: null first, then by _id', async () => {
  const client = await json()
  const orders: Readonly<Record<string, readonly string[]>> = {
    string: ['""', '"A"', '"Z"', '"a"', '"a\\u0000"', '"aa"', '"é"', '"😀"'],
    int32: ['-2147483648', '-1', '0', '1', '2147483647'],
    int64: ['{"$numberLong": "-9223372036854775808"}', '-5', '{"$numberLong": "-4"}', '0', '7'],
    double: ['{"$numberDouble": "-Infinity"}', '-1e300', '-3', '-2.5', '0', '1e-300', '2', '2.5'],
    boolean: ['false', 'true'],
    datetime: ['{"$date": {"$numberLong": "-1"}}', '{"$date": "1970-01-01T00:00:00Z"}'],
    timestamp: ['{"$timestamp": {"t": 1, "i": 9}}', '{"$timestamp": {"t": 2, "i": 0}}'],
    objectid: ['{"$oid": "00ffffffffffffffffffffff"}', '{"$oid": "010000000000000000000000"}'],
  }
  for (const [type, values] of Object.entries(orders)) {
    const bucket = await bucketWith(client, { v: { bson_type: type, name: 'i' } })
    const documents = values.map((value, i) => `{"at": ${i}, "v": ${value}}`)
    await client.call(...insert(bucket, ...documents.toReversed()))
    await client.call(...insert(bucket, '{"at": -2}', '{"at": -1, "v": null}'))
    const expected = [-2, -1, ...values.keys()]
    for (const [order, wanted] of [
      ['ASC', expected],
      ['DESC', expected.toReversed()],
    ] as const) {
      const found = await queryAll(client, bucket, '{}', 'SORTBY', 'v', order, 'LIMIT', '2')
      assert.equal(
        found.map(({ at }) => at),
        wanted,
        `${type} ${order}`,
      )
    }
  }
})

const DUPLICATE = 'DUPLICATEKEY Duplicate key:'

test('a value of a unique index is one document’s, and errors show it', async () => {
  const client = await json()
  const shown: Readonly<Record<string, readonly [value: string, shown: string]>> = {
    string: ['"a@x.io"', 'a@x.io'],
    int32: ['5', '5'],
    int64: ['{"$numberLong": "9007199254740993"}', '9007199254740993'],
    boolean: ['true', 'true'],
    binary: ['{"$binary": {"base64": "AAH/", "subType": "00"}}', '0x0001ff'],
    objectid: ['{"$oid": "0123456789abcdef01234567"}', '0123456789abcdef01234567'],
  }
  for (const [type, [value, text]] of Object.entries(shown)) {
    const bucket = await bucketWith(client, { 'a.v': { bson_type: type, unique: true, name: 'i' } })
    const document = `{"a": {"v": ${value}}}`
    await client.call(...insert(bucket, document))
    assert.is(await client.error(...insert(bucket, document)), `${DUPLICATE} 'a.v' ${text}`)
    await client.call(...insert(bucket, '{}'))
    assert.is(await client.error(...insert(bucket, '{"a": null}')), `${DUPLICATE} 'a.v' null`)
  }
})

test('it is kept by every write, inside of one call as well', async () => {
  const client = await json()
  const bucket = await bucketWith(client, { u: { bson_type: 'int32', unique: true, name: 'i' } })
  const taken = (u: number): string => `${DUPLICATE} 'u' ${u}`
  assert.is(await client.error(...insert(bucket, '{"u": 1}', '{"u": 2}', '{"u": 1}')), taken(1))
  assert.equal(await queryAll(client, bucket, '{}'), [])
  await client.call(...insert(bucket, '{"u": 1}', '{"u": 2}', '{"u": 3}'))
  const update = (filter: string, change: string): string[] => {
    return ['BUCKET.UPDATE', bucket, filter, change]
  }
  assert.is(await client.error(...update('{"u": 1}', '{"$set": {"u": 2}}')), taken(2))
  assert.is(await client.error(...update('{"u": {"$gt": 1}}', '{"$set": {"u": 9}}')), taken(9))
  const upsert = '{"$set": {"u": 3}, "upsert": true}'
  assert.is(await client.error(...update('{"x": 1}', upsert)), taken(3))
  await client.call(...update('{"u": 3}', '{"$set": {"u": 3, "x": 1}}'))
  await client.call(...update('{"u": 1}', '{"$unset": ["u"]}'))
  assert.is(await client.error(...update('{"u": 2}', '{"$unset": ["u"]}')), `${DUPLICATE} 'u' null`)
  await client.call(...insert(bucket, '{"u": 1}'))
  await client.call('BUCKET.DELETE', bucket, '{"u": 2}')
  await client.call(...insert(bucket, '{"u": 2}'))
  const found = await queryAll(client, bucket, '{}', 'SORTBY', 'u', 'ASC')
  assert.equal(
    found.map(({ u }) => u ?? null),
    [null, 1, 2, 3],
  )
  assert.is(await assertVerified(client, bucket, 'after all'), 4)
})

test('elements of arrays are those of one document, empty arrays of any', async () => {
  const client = await json()
  const bucket = await bucketWith(client, { u: { bson_type: 'int32', unique: true, name: 'i' } })
  await client.call(...insert(bucket, '{"u": [1, 1, 2]}', '{"u": []}', '{"u": []}'))
  assert.is(await client.error(...insert(bucket, '{"u": 2}')), `${DUPLICATE} 'u' 2`)
  assert.is(await client.error(...insert(bucket, '{"u": [3, 1]}')), `${DUPLICATE} 'u' 1`)
  await client.call('BUCKET.UPDATE', bucket, '{"u": 1}', '{"$set": {"u": [2, 3]}}')
  await client.call(...insert(bucket, '{"u": 1}', '{}'))
  assert.is(await client.error(...insert(bucket, '{"u": null}')), `${DUPLICATE} 'u' null`)
  assert.is(await assertVerified(client, bucket, 'arrays'), 5)
})

test('texts are one value when the collation of the index says so', async () => {
  const client = await json()
  const collation = { locale: 'en', strength: 1 }
  const index = { bson_type: 'string', unique: true, name: 'i', collation }
  const bucket = await bucketWith(client, { s: index })
  await client.call(...insert(bucket, '{"s": "Café"}'))
  assert.is(await client.error(...insert(bucket, '{"s": "CAFE"}')), `${DUPLICATE} 's' CAFE`)
  await client.call(...insert(bucket, '{"s": "cave"}'))
  await client.call('BUCKET.UPDATE', bucket, '{"s": "cafe"}', '{"$set": {"s": "CAFÉ"}}')
  assert.is((await queryAll(client, bucket, '{"s": "cafe"}'))[0]!.s, 'CAFÉ')
  assert.is(await assertVerified(client, bucket, 'collated'), 2)
})

test('the fields of a unique compound index are unique together', async () => {
  const client = await json()
  const fields = [
    { selector: 'k', bson_type: 'string' },
    { selector: 'n', bson_type: 'int32' },
  ]
  const bucket = await bucketWith(client, { $compound: [{ name: 'kn', unique: true, fields }] })
  const taken = (values: string): string => `${DUPLICATE} 'kn' [${values}]`
  await client.call(...insert(bucket, '{"k": "A", "n": 30}', '{"k": "A"}', '{"n": 30}', '{}'))
  assert.is(await client.error(...insert(bucket, '{"k": "A", "n": 30}')), taken('A, 30'))
  assert.is(await client.error(...insert(bucket, '{"k": "A", "n": null}')), taken('A, null'))
  assert.is(await client.error(...insert(bucket, '{"x": 1}')), taken('null, null'))
  const update = ['BUCKET.UPDATE', bucket, '{"n": 30, "k": null}', '{"$set": {"k": "A"}}']
  assert.is(await client.error(...update), taken('A, 30'))
  await client.call(...insert(bucket, '{"k": "B", "n": 30}', '{"k": "A", "n": 31}'))
  assert.is(await assertVerified(client, bucket, 'compound'), 6)
})

test('what is refused leaves no body in the volume', async () => {
  const client = await json()
  const schema = { u: { bson_type: 'int32', unique: true, name: 'i' } }
  const bucket = await bucketWith(client, schema, 'SHARDS', '1')
  const garbage = async (): Promise<number> => {
    const { segments } = await describeVolume(server, 'bucket-shard-1')
    const bytes = [...segments.values()].map(segment => {
      return segment.size - segment.free_bytes - segment.used_bytes
    })
    return bytes.reduce((total, count) => total + count, 0)
  }
  await client.call(...insert(bucket, '{"u": 1}'))
  const before = await garbage()
  const large = JSON.stringify({ u: 1, pad: 'x'.repeat(100_000) })
  assert.is(await client.error(...insert(bucket, large)), `${DUPLICATE} 'u' 1`)
  const wrong = JSON.stringify({ u: 'x', pad: 'x'.repeat(100_000) })
  assert.match(await client.error(...insert(bucket, wrong)), /^INDEXTYPE_MISMATCH /)
  // Bytes that were written and are nobody's would lie before those of the next document.
  await client.call(...insert(bucket, '{"u": 2}'))
  assert.is(await garbage(), before)
})

test.run()
