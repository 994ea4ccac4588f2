/** BUCKET.CURSORS through a socket. */
import { Int32, ObjectId, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { batchOf, useJson } from '../support/bucket.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('bucket cursors')

const ID = '0123456789abcdef01234567'

/** A bulk as it is sent. */
const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`

test('lists open cursors by operation and id, in both protocols', async () => {
  const client = await server.connect(2)
  await client.call('BUCKET.CREATE', 'listed')
  const empty = `${bulk('QUERY')}*0\r\n${bulk('UPDATE')}*0\r\n${bulk('DELETE')}*0\r\n`
  await client.exchange(['BUCKET.CURSORS'], `*6\r\n${empty}`)
  await batchOf(client, 'BUCKET.QUERY', 'listed', ' {"n" :  1}')
  await batchOf(client, 'BUCKET.DELETE', 'listed', '{}')
  await batchOf(client, 'BUCKET.QUERY', 'listed', '{"ü": "ß"}')
  const first = `:1\r\n${bulk(' {"n" :  1}')}`
  const third = `:3\r\n$12\r\n{"\xc3\xbc": "\xc3\x9f"}\r\n`
  const flat =
    `${bulk('QUERY')}*4\r\n${first}${third}${bulk('UPDATE')}*0\r\n` +
    `${bulk('DELETE')}*2\r\n:2\r\n${bulk('{}')}`
  await client.exchange(['BUCKET.CURSORS'], `*6\r\n${flat}`)
  await client.exchange(
    ['BUCKET.CURSORS', 'delete'],
    `*2\r\n${bulk('DELETE')}*2\r\n:2\r\n$2\r\n{}\r\n`,
  )
  await client.call('HELLO', '3')
  const mapped =
    `${bulk('QUERY')}%2\r\n${first}${third}${bulk('UPDATE')}%0\r\n` +
    `${bulk('DELETE')}%1\r\n:2\r\n${bulk('{}')}`
  await client.exchange(['BUCKET.CURSORS'], `%3\r\n${mapped}`)
  await client.call('BUCKET.CLOSE', 'QUERY', '1')
  await client.exchange(['BUCKET.CURSORS', 'QUERY'], `%1\r\n${bulk('QUERY')}%1\r\n${third}`)
  await client.exchange(['BUCKET.CURSORS', 'UPDATE'], `%1\r\n${bulk('UPDATE')}%0\r\n`)
})

test('shows a BSON filter as relaxed JSON', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'binary')
  const filter = { a: new Int32(5), b: { $gt: 1.5 }, c: new ObjectId(ID), d: new Date(0) }
  await batchOf(client, 'BUCKET.QUERY', 'binary', Buffer.from(serialize(filter)))
  const text =
    `{"a": 5, "b": {"$gt": 1.5}, "c": {"$oid": "${ID}"}, ` +
    '"d": {"$date": "1970-01-01T00:00:00Z"}}'
  await client.exchange(
    ['BUCKET.CURSORS', 'QUERY'],
    `%1\r\n${bulk('QUERY')}%1\r\n:1\r\n${bulk(text)}`,
  )
})

test('belongs to the session, and refuses what is no operation', async () => {
  const [client, other] = [await server.connect(3), await server.connect(3)]
  await client.call('BUCKET.CREATE', 'own')
  await batchOf(client, 'BUCKET.QUERY', 'own', '{}')
  const none = new Map([['QUERY', new Map()]])
  assert.equal(await other.call('BUCKET.CURSORS', 'QUERY'), none)
  assert.is(await client.error('BUCKET.CURSORS', 'foo'), "ERR Unknown 'foo' action")
  const arity = "ERR wrong number of arguments for 'BUCKET.CURSORS' command"
  assert.is(await client.error('BUCKET.CURSORS', 'QUERY', 'DELETE'), arity)
})

test('goes on where nothing could match, once documents have arrays', async () => {
  const client = await useJson(await server.connect(3))
  const indexes = '{"n": {"bson_type": "int32"}, "x": {"bson_type": "int32"}}'
  const empty = '{"n": {"$gt": 9, "$lt": 3}}'
  for (const [bucket, filter] of [
    ['bounds', empty],
    ['branches', `{"$or": [{"x": 1}, ${empty}]}`],
  ] as const) {
    await client.call('BUCKET.CREATE', bucket, 'INDEXES', indexes)
    await client.call('BUCKET.INSERT', bucket, 'DOCS', '{"n": 5}')
    const first = await batchOf(client, 'BUCKET.QUERY', bucket, filter)
    assert.is(first.items.length, 0)
    await client.call('BUCKET.INSERT', bucket, 'DOCS', '{"n": [10, 2]}')
    const next = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(first.cursorId))
    assert.is(next.items.length, 1, filter)
  }
})

test('a full scan goes on where it was, whatever becomes of other branches', async () => {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', 'beside', 'INDEXES', '{"n": {"bson_type": "int32"}}')
  const documents = [1, 2, 3, 4].map(m => `{"n": 1, "m": ${m}}`)
  await client.call('BUCKET.INSERT', 'beside', 'DOCS', ...documents)
  const filter = '{"$or": [{"n": 1}, {"m": {"$gte": 0}}]}'
  const first = await batchOf(client, 'BUCKET.QUERY', 'beside', filter, 'LIMIT', '2')
  const advance = ['BUCKET.ADVANCE', 'QUERY', String(first.cursorId)]
  await client.call('BUCKET.INSERT', 'beside', 'DOCS', '{"n": [5, 6]}')
  await client.call('BUCKET.INDEX', 'DROP', 'beside', 'selector:n.bsonType:INT32')
  const next = await batchOf(client, ...advance)
  const numbers = [...first.items, ...next.items].map(item => JSON.parse(String(item)).m)
  assert.equal(numbers, [1, 2, 3, 4])
})

test('nothing comes twice where a branch begins to have something to read', async () => {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', 'late', 'INDEXES', '{"n": {"bson_type": "int32"}}')
  await client.call('BUCKET.INSERT', 'late', 'DOCS', `{"_id": "${ID}", "n": 1}`)
  const filter = `{"$or": [{"_id": "${ID}"}, {"n": {"$gt": 9, "$lt": 3}}]}`
  const first = await batchOf(client, 'BUCKET.QUERY', 'late', filter)
  assert.is(first.items.length, 1)
  await client.call('BUCKET.INSERT', 'late', 'DOCS', '{"n": [10, 2]}')
  const next = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(first.cursorId))
  assert.equal(
    next.items.map(item => JSON.parse(String(item)).n),
    [[10, 2]],
  )
})

test.run()
