/** Extended JSON in and out, and what of a session decides between JSON and BSON. */
import {
  Binary,
  BSONRegExp,
  Code,
  Decimal128,
  type Document,
  Double,
  EJSON,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  serialize,
  Timestamp,
} from 'bson'
import * as assert from 'uvu/assert'
import { batchOf, textsOf, useJson } from '../support/bucket.js'
import { bytesOf, elementsOf, type RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('extended JSON and BSON')

const HEX = '0123456789abcdef01234567'
const MIB = 1024 * 1024
const DAY = '2026-06-01T10:00:00'
const at = (text: string): Date => new Date(text)

/** A value as it is sent, what is stored, and how it is shown. */
const VALUES: readonly (readonly [sent: string, stored: unknown, shown: string])[] = [
  ['5', new Int32(5), '5'],
  ['-2147483648', new Int32(-2147483648), '-2147483648'],
  ['2147483648', Long.fromNumber(2147483648), '2147483648'],
  ['-9223372036854775808', Long.MIN_VALUE, '-9223372036854775808'],
  ['9223372036854775807', Long.MAX_VALUE, '9223372036854775807'],
  ['5.0', new Double(5), '5.0'],
  ['-0.0', new Double(-0), '-0.0'],
  ['25e-1', new Double(2.5), '2.5'],
  ['2E2', new Double(200), '200.0'],
  ['0.1', new Double(0.1), '0.1'],
  ['{"$numberInt":"7"}', new Int32(7), '7'],
  ['{"$numberLong":"7"}', Long.fromNumber(7), '7'],
  ['{"$numberDouble":"7"}', new Double(7), '7.0'],
  ['{"$numberDouble":"NaN"}', new Double(Number.NaN), '{"$numberDouble": "NaN"}'],
  ['{"$numberDouble":"Infinity"}', new Double(1 / 0), '{"$numberDouble": "Infinity"}'],
  ['{"$numberDouble":"-Infinity"}', new Double(-1 / 0), '{"$numberDouble": "-Infinity"}'],
  ['{"$numberDecimal":"1.50"}', Decimal128.fromString('1.50'), '{"$numberDecimal": "1.50"}'],
  [`{"$oid":"${HEX}"}`, new ObjectId(HEX), `{"$oid": "${HEX}"}`],
  [`"${HEX}"`, HEX, `"${HEX}"`],
  [`{"_id":"${HEX}"}`, { _id: HEX }, `{"_id": "${HEX}"}`],
  [`{"_id":{"$oid":"${HEX}"}}`, { _id: new ObjectId(HEX) }, `{"_id": {"$oid": "${HEX}"}}`],
  [`{"$date":"${DAY}Z"}`, at(`${DAY}Z`), `{"$date": "${DAY}Z"}`],
  [`{"$date":"${DAY}.120Z"}`, at(`${DAY}.120Z`), `{"$date": "${DAY}.12Z"}`],
  [`{"$date":"${DAY}.005+02:00"}`, at(`${DAY}.005+02:00`), '{"$date": "2026-06-01T08:00:00.005Z"}'],
  ['{"$date":1}', at('1970-01-01T00:00:00.001Z'), '{"$date": "1970-01-01T00:00:00.001Z"}'],
  ['{"$date":{"$numberLong":"-1"}}', new Date(-1), '{"$date": {"$numberLong": "-1"}}'],
  ['{"$date":253402300799999}', new Date(253402300799999), '{"$date": "9999-12-31T23:59:59.999Z"}'],
  [
    '{"$date":253402300800000}',
    new Date(253402300800000),
    '{"$date": {"$numberLong": "253402300800000"}}',
  ],
  [
    '{"$timestamp":{"t":5,"i":9}}',
    new Timestamp({ t: 5, i: 9 }),
    '{"$timestamp": {"t": 5, "i": 9}}',
  ],
  [
    '{"$binary":{"base64":"AQID","subType":"80"}}',
    new Binary(Buffer.from([1, 2, 3]), 0x80),
    '{"$binary": {"base64": "AQID", "subType": "80"}}',
  ],
  [
    '{"$uuid":"00112233-4455-6677-8899-aabbccddeeff"}',
    new Binary(Buffer.from('00112233445566778899aabbccddeeff', 'hex'), 4),
    '{"$binary": {"base64": "ABEiM0RVZneImaq7zN3u/w==", "subType": "04"}}',
  ],
  [
    '{"$regularExpression":{"pattern":"a/b","options":"i"}}',
    new BSONRegExp('a/b', 'i'),
    '{"$regularExpression": {"pattern": "a/b", "options": "i"}}',
  ],
  [
    '/a.b/im',
    new BSONRegExp('a.b', 'im'),
    '{"$regularExpression": {"pattern": "a.b", "options": "im"}}',
  ],
  [
    '{"$regex":"ab","$options":""}',
    new BSONRegExp('ab', ''),
    '{"$regularExpression": {"pattern": "ab", "options": ""}}',
  ],
  ['true', true, 'true'],
  ['null', null, 'null'],
  ['[1,[2.0,{}],[]]', [new Int32(1), [new Double(2), {}], []], '[1, [2.0, {}], []]'],
  ['"\\u00fc\\n\\"\\\\\\u0001\\/"', 'ü\n"\\\u0001/', '"ü\\n\\"\\\\\\u0001/"'],
  ['"\\ud83d\\ude00"', '😀', '"😀"'],
  // Read leniently.
  [`ObjectId("${HEX}")`, new ObjectId(HEX), `{"$oid": "${HEX}"}`],
  [`ISODate("${DAY}Z")`, at(`${DAY}Z`), `{"$date": "${DAY}Z"}`],
  ['NumberLong(5)', Long.fromNumber(5), '5'],
  ['NumberInt("5")', new Int32(5), '5'],
  ['NumberDecimal("1.5")', Decimal128.fromString('1.5'), '{"$numberDecimal": "1.5"}'],
  ["{b: 'x', 'c': 1, }", { b: 'x', c: new Int32(1) }, '{"b": "x", "c": 1}'],
  ['[1, 2, ]', [new Int32(1), new Int32(2)], '[1, 2]'],
  ['{"b":1,"c":2,"b":3}', { b: new Int32(3), c: new Int32(2) }, '{"b": 3, "c": 2}'],
]

const REFUSED = [
  '',
  '{',
  '{"a":}',
  '{"a":1',
  '[]',
  '5',
  '{"a":9223372036854775808}',
  '{"a":1e999}',
  '{"a":{"$numberInt":"2147483648"}}',
  '{"a":{"$numberLong":"x"}}',
  '{"a":{"$oid":"xyz"}}',
  '{"a":{"$date":"yesterday"}}',
  '{"a":{"$numberDecimal":"1..5"}}',
  '{"a":"\u0001',
  '{"a":tru}',
]

async function open(bucket: string): Promise<{ json: RespClient; bson: RespClient }> {
  const json = await useJson(await server.connect())
  await json.call('BUCKET.CREATE', bucket)
  return { json, bson: await server.connect() }
}

/** The bytes of the first document that a filter finds. */
async function firstOf(client: RespClient, bucket: string, filter = '{}'): Promise<Buffer> {
  const { items } = await batchOf(client, 'BUCKET.QUERY', bucket, filter)
  return items[0]!
}

const bodyOf = (document: Document): Buffer => Buffer.from(serialize(document))

test('each form of JSON becomes its BSON type, and is shown relaxed', async () => {
  const { json, bson } = await open('values')
  for (const [sent, stored, shown] of VALUES) {
    const [id] = (await json.call('BUCKET.INSERT', 'values', 'DOCS', `{"v":${sent}}`)) as string[]
    const expected = bodyOf({ _id: new ObjectId(id), v: stored })
    const found = await firstOf(bson, 'values')
    assert.is(found.toString('hex'), expected.toString('hex'), sent)
    assert.equal(await textsOf(json, 'values', '{}'), [`{"v": ${shown}}`], sent)
    await batchOf(json, 'BUCKET.DELETE', 'values', '{}')
  }
})

test('gives back every BSON type as it came', async () => {
  const { json, bson } = await open('types')
  const document = {
    _id: new ObjectId(HEX),
    ...{ code: new Code('f()'), scoped: new Code('f()', { x: new Int32(1) }), undef: undefined },
    ...{ min: new MinKey(), max: new MaxKey(), old: new Binary(Buffer.from([1]), 2) },
    ...{ decimal: Decimal128.fromString('NaN'), nul: 'a\0b', '': 1, 'a.b': { $x: 2 } },
  }
  const body = Buffer.from(serialize(document, { ignoreUndefined: false }))
  await bson.call('BUCKET.INSERT', 'types', 'DOCS', body)
  assert.ok((await firstOf(bson, 'types')).equals(body))
  // As JSON it can be read, and means the same to the package.
  const text = (await firstOf(json, 'types')).toString()
  const { _id, ...rest } = EJSON.parse(text) as Document
  const { _id: id, ...others } = document
  assert.is(_id, id.toHexString())
  assert.equal(EJSON.stringify(rest), EJSON.stringify(others))
})

test('takes hexadecimal digits of an id in any case, at the top only', async () => {
  const { json } = await open('hex')
  const upper = 'ABCDEF0123456789ABCDEF01'
  const inserted = await json.call(
    'BUCKET.INSERT',
    'hex',
    'DOCS',
    `{"a":"${upper}","_id":"${upper}"}`,
  )
  assert.equal(inserted, [upper.toLowerCase()])
  const shown = `{"_id": "${upper.toLowerCase()}", "a": "${upper}"}`
  assert.is((await firstOf(json, 'hex', `{"_id":"${upper}"}`)).toString(), shown)
  for (const id of [`"${upper}0"`, `"${upper.slice(1)}"`, '"g"', '{}', '[]', '{"$date":0}']) {
    const error = await json.error('BUCKET.INSERT', 'hex', 'DOCS', `{"_id":${id}}`)
    assert.is(error, 'ERR _id field must be of type ObjectId')
  }
})

test('ignores what stands behind the closing brace', async () => {
  const { json } = await open('behind')
  await json.call('BUCKET.INSERT', 'behind', 'DOCS', ' {"a":1} and more', '{"a":2}}')
  assert.equal(await textsOf(json, 'behind', '{} x'), ['{"a": 1}', '{"a": 2}'])
})

test('refuses what is no document, and inserts none of the others', async () => {
  const { json } = await open('malformed')
  for (const text of REFUSED) {
    const error = await json.error('BUCKET.INSERT', 'malformed', 'DOCS', '{"a":1}', text)
    assert.match(error, /^ERR (?!internal error)[^\n]+$/, text)
  }
  assert.equal(await textsOf(json, 'malformed', '{}'), [])
})

test('input_type says what documents are, and nothing else', async () => {
  const { json, bson } = await open('inputs')
  const body = bodyOf({ a: new Int32(1) })
  assert.match(await json.error('BUCKET.INSERT', 'inputs', 'DOCS', body), /^ERR /)
  assert.match(await bson.error('BUCKET.INSERT', 'inputs', 'DOCS', '{"a":1}'), /^ERR /)
  await json.call('BUCKET.INSERT', 'inputs', 'DOCS', '{"a":1}')
  // Filters, updates and projections are either, in both sessions.
  const projection = bodyOf({ a: 1, _id: 0 })
  for (const client of [json, bson]) {
    for (const filter of ['{"a":1}', body]) {
      for (const spec of ['{"a":1,"_id":0}', projection]) {
        const words = ['BUCKET.QUERY', 'inputs', filter, 'PROJECTION', spec]
        assert.is((await batchOf(client, ...words)).items.length, 1)
      }
      for (const n of [1, 2]) {
        const update = { $set: { n: new Int32(n) } }
        const given = n === 1 ? EJSON.stringify(update) : bodyOf(update)
        assert.is((await batchOf(client, 'BUCKET.UPDATE', 'inputs', filter, given)).items.length, 1)
      }
    }
  }
  const collation = bodyOf({ locale: 'en' })
  const words = ['BUCKET.QUERY', 'inputs', '{}', 'COLLATION', collation]
  assert.match(await json.error(...words), /^ERR /)
})

test('reply_type and object_id_format count at each reply, of old cursors too', async () => {
  const { json } = await open('replies')
  const ids = [1, 2, 3].map(n => n.toString(16).padStart(24, '0'))
  await json.call('BUCKET.INSERT', 'replies', 'DOCS', ...ids.map(id => `{"_id":"${id}"}`))
  const query = await batchOf(json, 'BUCKET.QUERY', 'replies', '{}', 'LIMIT', '1')
  const update = ['BUCKET.UPDATE', 'replies', '{}', '{"$set":{"x":1}}', 'LIMIT', '1']
  const updated = await batchOf(json, ...update)
  const deleted = await batchOf(json, 'BUCKET.DELETE', 'replies', `{"_id":"${ids[2]}"}`)
  assert.equal([...query.items, ...updated.items, ...deleted.items].map(String), [
    `{"_id": "${ids[0]}"}`,
    ids[0],
    ids[2],
  ])
  await json.call('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'bson')
  await json.call('SESSION.ATTRIBUTE', 'SET', 'object_id_format', 'bytes')
  const next = await batchOf(json, 'BUCKET.ADVANCE', 'QUERY', String(query.cursorId))
  assert.ok(next.items[0]!.equals(bodyOf({ _id: new ObjectId(ids[1]) })))
  const more = await batchOf(json, 'BUCKET.ADVANCE', 'UPDATE', String(updated.cursorId))
  assert.is(more.items[0]!.toString('hex'), ids[1])
  const inserted = await json.frame('BUCKET.INSERT', 'replies', 'DOCS', '{}')
  assert.is(bytesOf(elementsOf(inserted)[0]!).length, 12)
})

test('bounds documents by their BSON, whatever they came as', async () => {
  const { json, bson } = await open('bounds')
  // Length, `_id` with its element, string with its element and length, ends.
  const overhead = 4 + (1 + 4 + 12) + (1 + 2 + 4 + 1) + 1
  const text = 'x'.repeat(16 * MIB - overhead)
  await json.call('BUCKET.INSERT', 'bounds', 'DOCS', `{"s":"${text}"}`)
  assert.is((await firstOf(bson, 'bounds')).length, 16 * MIB)
  assert.is((await textsOf(json, 'bounds', '{}'))[0], `{"s": "${text}"}`)
  const error = await json.error('BUCKET.INSERT', 'bounds', 'DOCS', `{"s":"${text}x"}`)
  assert.match(error, /^ERR (?!internal error)/)
  // Its JSON may be far larger than that.
  const escaped = '\\u0001'.repeat(8 * MIB)
  await json.call('BUCKET.INSERT', 'bounds', 'DOCS', `{"e":"${escaped}"}`)
  const words = ['bounds', '{"e":{"$exists":true}}']
  assert.is((await textsOf(json, ...words))[0]!.length, escaped.length + '{"e": ""}'.length)
})

test('sorts, projects, changes and returns documents of 16 MiB', async () => {
  const { json, bson } = await open('huge')
  const ids = [1, 2, 3, 4, 5].map(n => new ObjectId(n.toString(16).padStart(24, '0')))
  const bytes =
    16 * MIB - bodyOf({ _id: ids[0], n: new Int32(1), b: new Binary(Buffer.alloc(0)) }).length
  const bodies = ids.map((_id, i) => {
    return bodyOf({ _id, n: new Int32(5 - i), b: new Binary(Buffer.alloc(bytes, i)) })
  })
  for (const body of bodies) {
    assert.is(body.length, 16 * MIB)
    await bson.call('BUCKET.INSERT', 'huge', 'DOCS', body)
  }
  // A batch ends when it has become large; what it leaves comes in the next.
  const found: Buffer[] = []
  let batch = await batchOf(bson, 'BUCKET.QUERY', 'huge', '{}')
  for (; batch.items.length > 0; batch = await batchOf(bson, ...advance(batch.cursorId))) {
    assert.ok(batch.items.length < bodies.length)
    found.push(...batch.items)
  }
  assert.ok(found.every((body, i) => body.equals(bodies[i]!)))
  assert.is(found.length, bodies.length)
  const three = ['huge', '{"n":{"$lte":3}}', 'RESULTSORT', 'n', 'ASC']
  const parts = ['PROJECTION', '{"b":0}']
  assert.equal(await textsOf(json, ...three, ...parts), ['{"n": 1}', '{"n": 2}', '{"n": 3}'])
  const sorted = await batchOf(bson, 'BUCKET.QUERY', ...three)
  assert.ok(sorted.items.every((body, i) => body.equals(bodies[4 - i]!)))
  const update = ['BUCKET.UPDATE', 'huge', '{"n":{"$lte":2}}']
  assert.match(await json.error(...update, '{"$set":{"x":1}}'), /^ERR (?!internal error)/)
  assert.is((await batchOf(json, ...update, '{"$set":{"n":7}}')).items.length, 2)
  assert.is(
    (await batchOf(json, 'BUCKET.UPDATE', 'huge', '{"n":7}', '{"$unset":["b"]}')).items.length,
    2,
  )
  assert.equal(await textsOf(json, 'huge', '{"n":7}'), ['{"n": 7}', '{"n": 7}'])
})

const advance = (cursorId: number): string[] => ['BUCKET.ADVANCE', 'QUERY', String(cursorId)]

test.run()
