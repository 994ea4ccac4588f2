/** Upserts, options of BUCKET.UPDATE, its replies, and what an update does to indexes. */
import { Int32, ObjectId, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { ARGUMENT_FORMS, batchOf, queryAll, textsOf, useJson } from '../support/bucket.js'
import { entryCount, verify } from '../support/indexes.js'
import { bytesOf, elementsOf, type RespClient, type Word } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('upserts and the rest of BUCKET.UPDATE')

const HEX = '0123456789abcdef01234567'
const idOf = (n: number): string => n.toString(16).padStart(24, '0')

async function open(bucket: string, ...words: string[]): Promise<RespClient> {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', bucket, ...words)
  return client
}

/** Updates, and says how many ids the reply has. */
async function update(client: RespClient, ...words: Word[]): Promise<number> {
  return (await batchOf(client, 'BUCKET.UPDATE', ...words)).items.length
}

/** Filter, update without `upsert`, and the document that is inserted. */
const INSERTED: readonly (readonly [filter: string, update: string, document: string])[] = [
  ['{}', '{}', '{}'],
  ['{}', '{"$set":{"a":1}}', '{"a": 1}'],
  ['{"a":1,"b":{"$eq":"x"}}', '{}', '{"a": 1, "b": "x"}'],
  ['{"$and":[{"a":1},{"$and":[{"b":2}]}],"c":3}', '{}', '{"a": 1, "b": 2, "c": 3}'],
  ['{"a":1,"b":{"$gt":1},"c":{"$in":[1]},"d":{"$ne":1}}', '{}', '{"a": 1}'],
  ['{"a":{"$gt":0,"$eq":5}}', '{}', '{"a": 5}'],
  ['{"$or":[{"a":1}],"$nor":[{"b":1}],"$not":{"c":1}}', '{}', '{}'],
  ['{"a":{"$not":{"$eq":1}},"b":{"$elemMatch":{"c":1}}}', '{}', '{}'],
  ['{"a":1}', '{"$set":{"a":2,"b":3}}', '{"a": 2, "b": 3}'],
  ['{"d.e":1,"d.f":2}', '{"$set":{"d.g.h":3}}', '{"d": {"e": 1, "f": 2, "g": {"h": 3}}}'],
  ['{"a":1}', '{"$set":{"x":1,"y":2},"$unset":["x","a"]}', '{"a": 1, "y": 2}'],
  [
    '{"a":1}',
    '{"$set":{"s.$[]":1,"s.$[x].y":2,"b":1},"array_filters":[{"x":1}]}',
    '{"a": 1, "b": 1}',
  ],
  ['{"a":null}', '{}', '{"a": null}'],
  ['{"a":/x/,"b":{"$exists":false}}', '{}', '{}'],
  ['{"a.0":1}', '{}', '{"a": {"0": 1}}'],
  ['{"a":[1,2]}', '{}', '{"a": [1, 2]}'],
  [
    `{"ref":"${HEX}"}`,
    `{"$set":{"text":"${HEX}"}}`,
    `{"ref": {"$oid": "${HEX}"}, "text": "${HEX}"}`,
  ],
  [
    '{"n":{"$numberLong":"5"},"d":5.0}',
    '{"$set":{"at":{"$date":0}}}',
    '{"n": 5, "d": 5.0, "at": {"$date": "1970-01-01T00:00:00Z"}}',
  ],
]

test('inserts the equalities of the filter and what is set', async () => {
  const client = await open('equalities')
  for (const [filter, changes, document] of INSERTED) {
    const words = changes === '{}' ? '{"upsert":true}' : `${changes.slice(0, -1)},"upsert":true}`
    for (const as of ARGUMENT_FORMS) {
      assert.is(await update(client, 'equalities', as(filter), as(words)), 1, filter)
      assert.equal(await textsOf(client, 'equalities', '{}'), [document], `${filter} ${changes}`)
      await batchOf(client, 'BUCKET.DELETE', 'equalities', '{}')
    }
  }
})

test('takes the id of the filter, and refuses one that is none or taken', async () => {
  const client = await open('ids')
  const upsert = '{"$set":{"n":1},"upsert":true}'
  const { items } = await batchOf(client, 'BUCKET.UPDATE', 'ids', `{"_id":"${HEX}"}`, upsert)
  assert.equal(items.map(String), [HEX])
  assert.is(
    await client.error('BUCKET.UPDATE', 'ids', '{"_id":5}', upsert),
    'ERR _id field must be of type ObjectId',
  )
  assert.is(
    await client.error('BUCKET.UPDATE', 'ids', `{"_id":"${HEX}","n":2}`, upsert),
    `DUPLICATEKEY Duplicate key: _id '${HEX}'`,
  )
  assert.equal(await queryAll(client, 'ids', '{}'), [{ _id: HEX, n: 1 }])
})

test('inserts only where nothing matches, and only if it is asked to', async () => {
  const client = await open('asked')
  assert.is(await update(client, 'asked', '{"a":1}', '{"$set":{"n":1},"upsert":false}'), 0)
  assert.is(await update(client, 'asked', '{"a":1}', '{"$set":{"n":1}}'), 0)
  assert.is(await update(client, 'asked', '{"a":1}', '{"$set":{"n":1},"upsert":true}'), 1)
  assert.is(await update(client, 'asked', '{"a":1}', '{"$set":{"n":2},"upsert":true}'), 1)
  // The match is as it should be already: nothing to write, and nothing to insert.
  assert.is(await update(client, 'asked', '{"a":1}', '{"$set":{"n":2},"upsert":true}'), 0)
  assert.equal(await textsOf(client, 'asked', '{}'), ['{"a": 1, "n": 2}'])
})

test('inserts nothing as long as a scan has not come to its end', async () => {
  const client = await open('budget')
  const documents = Array<string>(10_001).fill('{"n":1}')
  for (let i = 0; i < 5; i++) await client.call('BUCKET.INSERT', 'budget', 'DOCS', ...documents)
  const words = ['budget', '{"a":1}', '{"upsert":true}']
  const first = await batchOf(client, 'BUCKET.UPDATE', ...words)
  const second = await batchOf(client, 'BUCKET.ADVANCE', 'UPDATE', String(first.cursorId))
  assert.equal([first.items, second.items], [[], []])
  await client.call('HELLO', '3')
  assert.is(await entryCount(client, 'budget', 'primary-index'), 5 * documents.length)
})

test('an upsert is checked as an insert is', async () => {
  const schema = '{"n":{"bson_type":"int32","unique":true},"s":{"bson_type":"string"}}'
  const client = await open('checked', 'INDEXES', schema)
  assert.is(await update(client, 'checked', '{"s":"a"}', '{"$set":{"n":1},"upsert":true}'), 1)
  const refused = (...words: string[]): Promise<string> =>
    client.error('BUCKET.UPDATE', 'checked', ...words)
  assert.is(
    await refused('{"s":"b"}', '{"$set":{"n":1},"upsert":true}'),
    "DUPLICATEKEY Duplicate key: 'n' 1",
  )
  assert.match(
    await refused('{"s":7,"n":2}', '{"upsert":true}'),
    /^INDEXTYPE_MISMATCH Index type mismatch: index 'selector:s.bsonType:STRING' expects 'STRING'/,
  )
  assert.is((await textsOf(client, 'checked', '{"n":1}')).length, 1)
  assert.is((await textsOf(client, 'checked', '{}')).length, 1)
})

test('an upsert is seen in its open transaction, and goes with ROLLBACK', async () => {
  const client = await open('staged')
  await client.call('BEGIN')
  assert.is(await update(client, 'staged', '{"a":1}', '{"upsert":true}'), 1)
  assert.is(await update(client, 'staged', '{"a":1}', '{"$set":{"n":2},"upsert":true}'), 1)
  assert.equal(await textsOf(client, 'staged', '{"a":1}'), ['{"a": 1, "n": 2}'])
  await client.call('ROLLBACK')
  assert.equal(await textsOf(client, 'staged', '{}'), [])
})

const EDGES: readonly (readonly [changes: string, gone: string, found: string])[] = [
  ['{"$set":{"s.1":7}}', '{"s":2}', '{"s":7}'],
  ['{"$set":{"s.$[]":8}}', '{"s":7}', '{"s":8}'],
  ['{"$set":{"s.$[x]":9},"array_filters":[{"x":8}]}', '{"s":8}', '{"s":9}'],
  ['{"$unset":["s.0"]}', '{"s":{"$size":2}}', '{"s":9}'],
  ['{"$set":{"d":{"e":2}}}', '{"d.e":1}', '{"d.e":2}'],
  ['{"$set":{"d.e":3}}', '{"d.e":2}', '{"d.e":3}'],
  ['{"$unset":["d"]}', '{"d.e":3}', '{"d.e":null}'],
  ['{"$unset":{"s":1}}', '{"s":9}', '{"s":null}'],
]

test('indexes follow every kind of change', async () => {
  const schema = '{"s":{"bson_type":"int32","multi_key":true},"d.e":{"bson_type":"int32"}}'
  const client = await open('followed', 'INDEXES', schema)
  await client.call('BUCKET.INSERT', 'followed', 'DOCS', '{"s":[1,2],"d":{"e":1}}')
  for (const [changes, gone, found] of EDGES) {
    assert.is(await update(client, 'followed', '{}', changes), 1, changes)
    assert.is((await textsOf(client, 'followed', gone)).length, 0, `${changes}: ${gone}`)
    assert.is((await textsOf(client, 'followed', found)).length, 1, `${changes}: ${found}`)
  }
  await client.call('HELLO', '3')
  assert.equal((await verify(client, 'followed')).errors, [])
})

test('an update that an index refuses changes nothing', async () => {
  const schema = '{"n":{"bson_type":"int32","unique":true}}'
  const client = await open('refused', 'INDEXES', schema)
  await client.call('BUCKET.INSERT', 'refused', 'DOCS', '{"n": 1}', '{"n": 2}', '{"n": 3}')
  const refused = (...words: string[]): Promise<string> =>
    client.error('BUCKET.UPDATE', 'refused', ...words)
  const taken = "DUPLICATEKEY Duplicate key: 'n' "
  assert.is(await refused('{"n":1}', '{"$set":{"n":2}}'), `${taken}2`)
  assert.is(await refused('{}', '{"$set":{"n":9}}'), `${taken}9`)
  assert.is(await refused('{"n":{"$lt":3}}', '{"$unset":["n"]}'), `${taken}null`)
  assert.is(
    await refused('{"n":1}', '{"$set":{"n":"x"}}'),
    "INDEXTYPE_MISMATCH Index type mismatch: index 'selector:n.bsonType:INT32' expects 'INT32', " +
      "but selector 'n' matched a value of type 'STRING'",
  )
  assert.equal(await textsOf(client, 'refused', '{}'), ['{"n": 1}', '{"n": 2}', '{"n": 3}'])
  assert.is(await update(client, 'refused', '{"n":3}', '{"$set":{"n":3,"m":1}}'), 1)
})

test('a refused update leaves the transaction open, with what was written before', async () => {
  const client = await open('left-open', 'INDEXES', '{"n":{"bson_type":"int32","unique":true}}')
  await client.call('BEGIN')
  await client.call('BUCKET.INSERT', 'left-open', 'DOCS', '{"n": 1}', '{"n": 2}')
  const error = await client.error('BUCKET.UPDATE', 'left-open', '{"n":1}', '{"$set":{"n":2}}')
  assert.match(error, /^DUPLICATEKEY /)
  assert.is(await update(client, 'left-open', '{"n":1}', '{"$set":{"n":5}}'), 1)
  await client.call('COMMIT')
  assert.equal(await textsOf(client, 'left-open', '{}'), ['{"n": 5}', '{"n": 2}'])
})

test('SORTBY and LIMIT say which documents a batch has', async () => {
  const client = await open('ordered', 'INDEXES', '{"n":{"bson_type":"int32"}}')
  const documents = [3, 1, 4, 2, 5].map(n => `{"_id":"${idOf(n)}","n":${n}}`)
  await client.call('BUCKET.INSERT', 'ordered', 'DOCS', ...documents)
  const words = ['ordered', '{}', '{"$set":{"seen":true}}', 'LIMIT', '2', 'sortby', 'n', 'desc']
  const first = await batchOf(client, 'BUCKET.UPDATE', ...words)
  const batches = [first.items.map(String)]
  for (let i = 0; i < 3; i++) {
    const { items } = await batchOf(client, 'BUCKET.ADVANCE', 'UPDATE', String(first.cursorId))
    batches.push(items.map(String))
  }
  assert.equal(batches, [[idOf(5), idOf(4)], [idOf(3), idOf(2)], [idOf(1)], []])
})

test('COLLATION concerns the filter, not array filters', async () => {
  const client = await open('collated')
  await client.call('BUCKET.INSERT', 'collated', 'DOCS', '{"s": ["cafe", "Cafe"]}')
  const collation = ['COLLATION', '{"locale":"en","strength":1}']
  const changes = '{"$set":{"s.$[x]":0},"array_filters":[{"x":"CAFE"}]}'
  assert.is(await update(client, 'collated', '{"s":"CAFE"}', changes, ...collation), 0)
  const exact = '{"$set":{"s.$[x]":0},"array_filters":[{"x":"Cafe"}]}'
  assert.is(await update(client, 'collated', '{"s":"CAFE"}', exact), 0)
  assert.is(await update(client, 'collated', '{"s":"CAFE"}', exact, ...collation), 1)
  assert.equal(await textsOf(client, 'collated', '{}'), ['{"s": ["cafe", 0]}'])
  // What `$` means is not collated either: no element is the very text.
  const positional = ['{"s":"CAFE"}', '{"$set":{"s.$":1}}', ...collation]
  assert.is(
    await client.error('BUCKET.UPDATE', 'collated', ...positional),
    "ERR No array element in 's' matches the query condition",
  )
})

test('answers byte for byte in both protocols, ids as the session wants them', async () => {
  const client = await server.connect(2)
  await client.call('BUCKET.CREATE', 'exact')
  const id = new ObjectId(HEX)
  await client.call('BUCKET.INSERT', 'exact', 'DOCS', Buffer.from(serialize({ _id: id, n: 1 })))
  const changes = (n: number) => Buffer.from(serialize({ $set: { n: new Int32(n) } }))
  const filter = Buffer.from(serialize({ _id: id }))
  const binary = Buffer.from(id.id).toString('latin1')
  await client.exchange(
    ['BUCKET.UPDATE', 'exact', filter, changes(2)],
    `*2\r\n:1\r\n*1\r\n$12\r\n${binary}\r\n`,
  )
  await client.exchange(['BUCKET.ADVANCE', 'UPDATE', '1'], '*2\r\n:1\r\n*0\r\n')
  await client.call('HELLO', '3')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'object_id_format', 'hex')
  const head = (cursor: number) => `%2\r\n$9\r\ncursor_id\r\n:${cursor}\r\n$10\r\nobject_ids\r\n`
  await client.exchange(
    ['BUCKET.UPDATE', 'exact', filter, changes(3)],
    `${head(2)}*1\r\n$24\r\n${HEX}\r\n`,
  )
  await client.exchange(['BUCKET.UPDATE', 'exact', filter, changes(3)], `${head(3)}*0\r\n`)
  await client.exchange(['BUCKET.ADVANCE', 'update', '3'], `${head(3)}*0\r\n`)
  const found = await client.frame('BUCKET.QUERY', 'exact', filter)
  const [body] = elementsOf(elementsOf(found)[3]!).map(bytesOf)
  assert.ok(body!.equals(Buffer.from(serialize({ _id: id, n: new Int32(3) }))))
})

test('counts words before it reads them', async () => {
  const client = await open('words')
  const arity = "ERR wrong number of arguments for 'BUCKET.UPDATE' command"
  assert.is(await client.error('BUCKET.UPDATE', 'words', '{}'), arity)
  const options = ['LIMIT', '1', 'SORTBY', '_id', 'ASC', 'LIMIT', '2']
  assert.is(await update(client, 'words', '{}', '{}', ...options), 0)
  assert.is(await client.error('BUCKET.UPDATE', 'words', '{}', '{}', ...options, 'LIMIT'), arity)
  assert.is(
    await client.error('BUCKET.UPDATE', 'words', '{}', '', 'FOO'),
    "ERR Unknown 'FOO' argument",
  )
})

test('refuses a document that an update makes too large, and leaves it as it was', async () => {
  const client = await open('large')
  const half = 'x'.repeat(8 * 1024 * 1024)
  await client.call('BUCKET.INSERT', 'large', 'DOCS', `{"a":"${half}"}`)
  const error = await client.error('BUCKET.UPDATE', 'large', '{}', `{"$set":{"b":"${half}"}}`)
  assert.match(error, /^ERR (?!internal error)/)
  assert.is(await update(client, 'large', '{}', `{"$set":{"b":"${half.slice(100)}"}}`), 1)
  assert.is((await textsOf(client, 'large', '{}'))[0]!.length, 2 * half.length - 100 + 18)
})

test.run()
