/** Projections, row by row: what a reply carries of a document, byte for byte, and mistakes. */
import { Double, EJSON, Int32, Long, ObjectId, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { ARGUMENT_FORMS, batchOf, textsOf, useJson } from '../support/bucket.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('rows of projections')

const ID = '665f0a3e0000000000000001'
const DOCUMENT =
  '{"a": 1, "b": {"c": 2, "d": {"e": 3, "f": 4}}, "s": [85, 90, 75], ' +
  '"items": [{"q": 1, "w": [1, 2, 3]}, 5, {"w": [4]}, [{"q": 7}], null], "n": null}'

/** A specification, a filter, and what is left. */
type Case = readonly [spec: string, filter: string, left: string]

const CASES: readonly Case[] = [
  ['{}', '{}', DOCUMENT],
  // Inclusion: in the order of the specification.
  ['{"n":1,"a":1}', '{}', '{"n": null, "a": 1}'],
  ['{"a":-0.5}', '{}', '{"a": 1}'],
  ['{"a":{"$numberLong":"7"}}', '{}', '{"a": 1}'],
  ['{"a":{"$numberDecimal":"0.1"}}', '{}', '{"a": 1}'],
  ['{"b.d.f":1,"b.c":1}', '{}', '{"b": {"d": {"f": 4}, "c": 2}}'],
  ['{"b.c":1,"a":1,"b.d.e":1}', '{}', '{"b": {"c": 2, "d": {"e": 3}}, "a": 1}'],
  ['{"zz":1,"b.zz":1,"a.zz":1}', '{}', '{"b": {}}'],
  ['{"items.q":1}', '{}', '{"items": [{"q": 1}, {}]}'],
  ['{"s.q":1}', '{}', '{"s": []}'],
  ['{"s":1}', '{}', '{"s": [85, 90, 75]}'],
  // Exclusion: in the order of the document.
  ['{"n":0,"a":0,"s":0,"items":0}', '{}', '{"b": {"c": 2, "d": {"e": 3, "f": 4}}}'],
  [
    '{"b.d.e":0,"s":0.0,"items":{"$numberLong":"0"}}',
    '{}',
    '{"a": 1, "b": {"c": 2, "d": {"f": 4}}, "n": null}',
  ],
  [
    '{"items.q":0,"a":0,"b":0,"s":0,"n":0}',
    '{}',
    '{"items": [{"w": [1, 2, 3]}, 5, {"w": [4]}, [{"q": 7}], null]}',
  ],
  ['{"zz":0,"a.zz":0,"b.c.zz":0}', '{}', DOCUMENT],
  // Slices keep the rest, unless a field is included.
  ['{"s":{"$slice":2},"b":0,"items":0}', '{}', '{"a": 1, "s": [85, 90], "n": null}'],
  ['{"s":{"$slice":2},"a":1}', '{}', '{"s": [85, 90], "a": 1}'],
  ['{"a":1,"s":{"$slice":-2}}', '{}', '{"a": 1, "s": [90, 75]}'],
  ['{"a":1,"s":{"$slice":0}}', '{}', '{"a": 1, "s": []}'],
  ['{"a":1,"s":{"$slice":9}}', '{}', '{"a": 1, "s": [85, 90, 75]}'],
  ['{"a":1,"s":{"$slice":-9}}', '{}', '{"a": 1, "s": [85, 90, 75]}'],
  ['{"a":1,"s":{"$slice":{"$numberLong":"1"}}}', '{}', '{"a": 1, "s": [85]}'],
  ['{"a":1,"s":{"$slice":[1,1]}}', '{}', '{"a": 1, "s": [90]}'],
  ['{"a":1,"s":{"$slice":[-2,1]}}', '{}', '{"a": 1, "s": [90]}'],
  ['{"a":1,"s":{"$slice":[-9,2]}}', '{}', '{"a": 1, "s": [85, 90]}'],
  ['{"a":1,"s":{"$slice":[3,2]}}', '{}', '{"a": 1, "s": []}'],
  [
    '{"a":1,"b":{"$slice":1},"n":{"$slice":1}}',
    '{}',
    '{"a": 1, "b": {"c": 2, "d": {"e": 3, "f": 4}}, "n": null}',
  ],
  ['{"a":1,"items.w":{"$slice":1}}', '{}', '{"a": 1, "items": [{"w": [1]}, {"w": [4]}]}'],
  [
    '{"items.w":{"$slice":-1},"a":0,"b":0,"s":0,"n":0}',
    '{}',
    '{"items": [{"q": 1, "w": [3]}, 5, {"w": [4]}, [{"q": 7}], null]}',
  ],
  // The element that the filter is about.
  ['{"s.$":1}', '{"s":{"$gte":88}}', '{"s": [90]}'],
  ['{"s.$":1}', '{"s":{"$lt":88,"$ne":3}}', '{"s": [85]}'],
  ['{"s.$":1}', '{}', '{"s": [85]}'],
  ['{"s.$":1}', '{"a":1}', '{"s": [85]}'],
  ['{"s.$":1}', '{"s":{"$gt":88,"$lt":80}}', '{"s": []}'],
  ['{"s.$":1}', '{"s":{"$elemMatch":{"$gt":80,"$lt":80.5}},"a":2}', ''],
  ['{"s.$":1}', '{"s":{"$elemMatch":{"$gt":70,"$lt":80}}}', '{"s": [75]}'],
  ['{"s.$":1}', '{"$or":[{"s":75},{"a":9}]}', '{"s": [75]}'],
  ['{"s.$":1}', '{"s":{"$all":[75,90]}}', '{"s": [90]}'],
  ['{"s.$":1}', '{"s":{"$size":3}}', '{"s": [85]}'],
  ['{"items.$":1}', '{"items.w":4}', '{"items": [{"w": [4]}]}'],
  [
    '{"items.$":1}',
    '{"items":{"$elemMatch":{"q":1,"w":2}}}',
    '{"items": [{"q": 1, "w": [1, 2, 3]}]}',
  ],
  ['{"zz.$":1,"a":1}', '{}', '{"a": 1}'],
  ['{"a.$":1,"n":1}', '{}', '{"n": null}'],
]

async function open(bucket: string): Promise<RespClient> {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', bucket)
  await client.call('BUCKET.INSERT', bucket, 'DOCS', `{"_id": "${ID}", ${DOCUMENT.slice(1)}`)
  return client
}

test('leaves what a specification says, with the id in front', async () => {
  const client = await open('cases')
  for (const [spec, filter, left] of CASES) {
    const expected = left === '' ? [] : [`{"_id": "${ID}", ${left.slice(1)}`]
    for (const as of ARGUMENT_FORMS) {
      const words = ['BUCKET.QUERY', 'cases', as(filter), 'PROJECTION', as(spec)]
      const { items } = await batchOf(client, ...words)
      assert.equal(items.map(String), expected, `${spec} ${filter}`)
    }
  }
})

const OF_ID: readonly (readonly [spec: string, left: string])[] = [
  ['{"_id":1}', `{"_id": "${ID}"}`],
  ['{"_id":0}', DOCUMENT],
  ['{"_id":0,"a":1}', '{"a": 1}'],
  ['{"a":1,"_id":0}', '{"a": 1}'],
  ['{"a":1,"_id":1}', `{"_id": "${ID}", "a": 1}`],
  ['{"_id":0,"a":0,"b":0,"items":0,"n":0}', '{"s": [85, 90, 75]}'],
  ['{"_id":0,"s":{"$slice":1},"a":0,"b":0,"items":0}', '{"s": [85], "n": null}'],
  ['{"zz":1}', `{"_id": "${ID}"}`],
  ['{"zz":1,"_id":0}', '{}'],
]

test('the id stays unless it is 0', async () => {
  const client = await open('ids')
  for (const [spec, left] of OF_ID) {
    const { items } = await batchOf(client, 'BUCKET.QUERY', 'ids', '{}', 'PROJECTION', spec)
    assert.equal(items.map(String), [left], spec)
  }
})

const LAST = 'The positional operator $ can only appear at the end of the field path: '
const PAIR = 'must be a number or [skip, limit]'
const REFUSALS: readonly (readonly [spec: string, error: string])[] = [
  ['{"a":1,"b":0}', 'Cannot mix inclusion and exclusion in projection spec (except _id: 0)'],
  ['{"a":0,"b":1}', 'Cannot mix inclusion and exclusion in projection spec (except _id: 0)'],
  ['{"s.$.q":1}', `${LAST}s.$.q`],
  ['{"$":1}', `${LAST}$`],
  ['{"s.$":1,"items.$":1}', 'Only one positional $ operator is allowed in the projection spec'],
  [
    '{"s":{"$elemMatch":{"q":1}}}',
    "Unsupported projection operator for field 's': only $slice is supported",
  ],
  ['{"s":{}}', "Unsupported projection operator for field 's': only $slice is supported"],
  [
    '{"s":{"$slice":1,"$x":1}}',
    "Unsupported projection operator for field 's': only $slice is supported",
  ],
  ['{"s":{"$slice":"1"}}', `$slice on 's' ${PAIR}`],
  ['{"s":{"$slice":[]}}', `$slice on 's' ${PAIR}`],
  ['{"s":{"$slice":[1]}}', `$slice on 's' ${PAIR}`],
  ['{"s":{"$slice":[1,2,3]}}', `$slice on 's' ${PAIR}`],
  ['{"s":{"$slice":[1.5,2]}}', "$slice on 's' must be an integer, not DOUBLE"],
  ['{"s":{"$slice":[1,2.0]}}', "$slice on 's' must be an integer, not DOUBLE"],
  ['{"s":{"$slice":["1",2]}}', "$slice on 's' must be an integer, not STRING"],
  [
    '{"s":{"$slice":3000000000}}',
    "$slice on 's' is out of the supported integer range: 3000000000",
  ],
  [
    '{"s":{"$slice":[0,3000000000]}}',
    "$slice on 's' is out of the supported integer range: 3000000000",
  ],
  ['{"s":{"$slice":[0,0]}}', '$slice limit must be positive: s'],
  ['{"s":{"$slice":[0,-1]}}', '$slice limit must be positive: s'],
  [
    '{"s":{"$slice":1},"items.$":1}',
    '$slice cannot be combined with the positional $ operator in the same projection spec',
  ],
  ['{"b":{"$slice":1},"b.c":1}', "$slice on 'b' collides with projecting field 'b.c'"],
  ['{"b.c":1,"b":{"$slice":1}}', "$slice on 'b' collides with projecting field 'b.c'"],
  ['{"b.c":{"$slice":1},"b":1}', "$slice on 'b.c' collides with projecting field 'b'"],
  ['{"b":{"$slice":1},"b.c":{"$slice":1}}', "$slice on 'b' collides with $slice on 'b.c'"],
]

test('checks a specification before it looks for documents', async () => {
  const client = await open('refused')
  await client.call('BUCKET.CREATE', 'empty')
  for (const [spec, error] of REFUSALS) {
    for (const bucket of ['refused', 'empty']) {
      const words = ['BUCKET.QUERY', bucket, '{"a":1}', 'PROJECTION', spec]
      assert.is(await client.error(...words), `ERR ${error}`, spec)
    }
  }
  for (const spec of ['{"a":true}', '{"a":"1"}', '{"a":null}', '{"a":[1]}', '[]', '1', '{', '']) {
    const error = await client.error('BUCKET.QUERY', 'empty', '{}', 'PROJECTION', spec)
    assert.match(error, /^ERR (?!internal error)/, spec)
  }
  assert.is((await batchOf(client, 'BUCKET.QUERY', 'empty', '{}')).cursorId, 1)
})

test('takes BSON, and answers BSON that is exactly the document', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'binary')
  const doc = { _id: new ObjectId(ID), a: new Int32(1), b: new Double(2), c: Long.fromNumber(3) }
  await client.call('BUCKET.INSERT', 'binary', 'DOCS', Buffer.from(serialize(doc)))
  const specs: readonly (readonly [spec: object, left: object])[] = [
    [
      { c: 1, a: new Int32(1) },
      { _id: doc._id, c: doc.c, a: doc.a },
    ],
    [{ b: new Double(0) }, { _id: doc._id, a: doc.a, c: doc.c }],
    [{ _id: 0, b: 1 }, { b: doc.b }],
    [{}, doc],
  ]
  for (const [spec, left] of specs) {
    for (const argument of [Buffer.from(serialize(spec)), EJSON.stringify(spec)]) {
      const words = ['BUCKET.QUERY', 'binary', '{}', 'PROJECTION', argument]
      const { items } = await batchOf(client, ...words)
      assert.equal(
        items.map(item => item.toString('hex')),
        [Buffer.from(serialize(left)).toString('hex')],
      )
    }
  }
})

test('stays with the cursor, and comes after matching and sorting', async () => {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', 'kept', 'INDEXES', '{"n":{"bson_type":"int32"}}')
  const documents = [3, 1, 2, 4].map(n => `{"n": ${n}, "m": ${-n}}`)
  await client.call('BUCKET.INSERT', 'kept', 'DOCS', ...documents)
  const options = ['SORTBY', 'n', 'DESC', 'PROJECTION', '{"_id":0,"m":1}', 'LIMIT', '2']
  const first = await batchOf(client, 'BUCKET.QUERY', 'kept', '{"n":{"$gt":1}}', ...options)
  const second = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(first.cursorId))
  assert.equal(first.items.map(String), ['{"m": -4}', '{"m": -3}'])
  assert.equal(second.items.map(String), ['{"m": -2}'])
  const sorted = ['kept', '{}', 'RESULTSORT', 'n', 'ASC', 'PROJECTION', '{"_id":0,"n":0}']
  assert.equal(await textsOf(client, ...sorted), [
    '{"m": -1}',
    '{"m": -2}',
    '{"m": -3}',
    '{"m": -4}',
  ])
})

test.run()
