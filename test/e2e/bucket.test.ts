/** The BUCKET commands through a socket: shapes of replies, cursors, deletes, errors. */
import { deserialize, Int32, ObjectId, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { batchOf, queryAll, useJson } from '../support/bucket.js'
import { bytesOf, elementsOf, type RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('bucket')

const ID = '0123456789abcdef01234567'
const idOf = (n: number): string => n.toString(16).padStart(24, '0')

async function jsonClient(protocol: 2 | 3 = 2): Promise<RespClient> {
  return await useJson(await server.connect(protocol))
}

/** Makes a bucket of documents `{_id, n}` with n from 1 to `count`. */
async function numbered(client: RespClient, bucket: string, count: number): Promise<void> {
  await client.call('BUCKET.CREATE', bucket)
  const documents = Array.from({ length: count }, (_, i) => `{"_id":"${idOf(i + 1)}","n":${i + 1}}`)
  await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents)
}

test('answers JSON sessions byte for byte in both protocols', async () => {
  const client = await jsonClient()
  await client.exchange(['BUCKET.CREATE', 'exact'], '+OK\r\n')
  const document = `{"n": 1, "_id": "${ID}", "x": [1, 2.5, null, true]}`
  const stored = `{"_id": "${ID}", "n": 1, "x": [1, 2.5, null, true]}`
  await client.exchange(['BUCKET.INSERT', 'exact', 'DOCS', document], `*1\r\n$24\r\n${ID}\r\n`)
  const entries = `*1\r\n$${stored.length}\r\n${stored}\r\n`
  const ids = `*1\r\n$24\r\n${ID}\r\n`
  await client.exchange(['BUCKET.QUERY', 'exact', '{}'], `*2\r\n:1\r\n${entries}`)
  await client.exchange(['BUCKET.ADVANCE', 'QUERY', '1'], '*2\r\n:1\r\n*0\r\n')
  await client.call('HELLO', '3')
  const head = (id: number): string => `%2\r\n$9\r\ncursor_id\r\n:${id}\r\n`
  await client.exchange(['BUCKET.QUERY', 'exact', '{}'], `${head(2)}$7\r\nentries\r\n${entries}`)
  await client.exchange(['BUCKET.ADVANCE', 'query', '2'], `${head(2)}$7\r\nentries\r\n*0\r\n`)
  await client.exchange(['BUCKET.DELETE', 'exact', '{}'], `${head(3)}$10\r\nobject_ids\r\n${ids}`)
  await client.exchange(['BUCKET.ADVANCE', 'DELETE', '3'], `${head(3)}$10\r\nobject_ids\r\n*0\r\n`)
  await client.exchange(['BUCKET.CLOSE', 'QUERY', '2'], '+OK\r\n')
  await client.exchange(['BUCKET.CLOSE', 'QUERY', '2'], '-ERR no cursor found\r\n')
  await client.exchange(['BUCKET.CLOSE', 'QUERY', '3'], '-ERR no cursor found\r\n')
})

test('takes and gives BSON unless told otherwise, with the id in front', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'binary')
  const given = new ObjectId()
  const documents = [serialize({ a: 1, _id: given, b: 'ü' }), serialize({ a: 2 })].map(Buffer.from)
  const inserted = elementsOf(await client.frame('BUCKET.INSERT', 'binary', 'DOCS', ...documents))
  const ids = inserted.map(bytesOf)
  assert.equal(ids[0]!.toString('hex'), given.toHexString())
  assert.is(ids[1]!.length, 12)
  const filter = Buffer.from(serialize({ a: new Int32(1) }))
  const found = await batchOf(client, 'BUCKET.QUERY', 'binary', filter)
  assert.is(found.items.length, 1)
  assert.ok(found.items[0]!.equals(Buffer.from(serialize({ _id: given, a: 1, b: 'ü' }))))
  const all = (await batchOf(client, 'BUCKET.QUERY', 'binary', '{}')).items.map(item =>
    deserialize(item),
  )
  assert.equal(new Set(all.map(({ a }) => a)), new Set([1, 2]))
  assert.match(await client.error('BUCKET.INSERT', 'binary', 'DOCS', '{"a":1}'), /^ERR /)
})

test('gives generated ids in ascending order', async () => {
  const client = await jsonClient()
  await client.call('BUCKET.CREATE', 'generated')
  const ids: string[] = []
  for (let i = 0; i < 5; i++) {
    const documents = Array.from({ length: 20 }, (_, j) => `{"n":${i * 20 + j}}`)
    ids.push(
      ...((await client.call('BUCKET.INSERT', 'generated', 'DOCS', ...documents)) as string[]),
    )
  }
  assert.equal([...new Set(ids)].sort(), ids)
  const documents = await queryAll(client, 'generated', '{}')
  assert.equal(
    documents.map(({ _id, n }) => [_id, n]),
    ids.map((id, n) => [id, n]),
  )
})

test('inserts all documents of a request or none', async () => {
  const client = await jsonClient()
  await numbered(client, 'atomic', 1)
  const cases: [documents: string[], error: string][] = [
    [['{"n":7}', `{"_id":"${idOf(1)}"}`], `DUPLICATEKEY Duplicate key: _id '${idOf(1)}'`],
    [
      [`{"_id":"${ID}"}`, '{"n":7}', `{"_id":{"$oid":"${ID}"}}`],
      `DUPLICATEKEY Duplicate key: _id '${ID}'`,
    ],
    [['{"n":7}', '{"_id":5}'], 'ERR _id field must be of type ObjectId'],
    [['{"n":7}', '{"_id":null}'], 'ERR _id field must be of type ObjectId'],
    [['{"n":7}', '{"_id":"short"}'], 'ERR _id field must be of type ObjectId'],
  ]
  for (const [documents, error] of cases) {
    assert.is(await client.error('BUCKET.INSERT', 'atomic', 'DOCS', ...documents), error)
  }
  assert.match(await client.error('BUCKET.INSERT', 'atomic', 'DOCS', '{"n":7}', '{"n":'), /^ERR /)
  assert.is((await queryAll(client, 'atomic', '{}')).length, 1)
})

test('walks cursors of any batch size without a gap or a repetition', async () => {
  const client = await jsonClient()
  await numbered(client, 'walked', 1_000)
  const expected = Array.from({ length: 1_000 }, (_, i) => i + 1)
  for (const options of [[], ['LIMIT', '1000'], ['LIMIT', '333'], ['limit', '7']]) {
    const found = await queryAll(client, 'walked', '{}', ...options)
    assert.equal(
      found.map(({ n }) => n),
      expected,
    )
  }
  const odd = await queryAll(client, 'walked', '{"n":{"$nin":[2,4,6,8,10]}}', 'LIMIT', '3')
  assert.is(odd.length, 995)
  await client.call('SESSION.ATTRIBUTE', 'SET', 'limit', '400')
  assert.is((await batchOf(client, 'BUCKET.QUERY', 'walked', '{}')).items.length, 400)
  assert.is((await batchOf(client, 'BUCKET.QUERY', 'walked', '{}', 'LIMIT', '0')).items.length, 400)
})

test('shows documents inserted ahead of a cursor, also after its end', async () => {
  const client = await jsonClient()
  await numbered(client, 'growing', 4)
  const { cursorId } = await batchOf(client, 'BUCKET.QUERY', 'growing', '{}', 'LIMIT', '2')
  await client.call('BUCKET.INSERT', 'growing', 'DOCS', `{"_id":"${idOf(0)}","n":0}`)
  await client.call('BUCKET.INSERT', 'growing', 'DOCS', `{"_id":"${idOf(9)}","n":9}`)
  const next = async (): Promise<unknown[]> => {
    const { items } = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(cursorId))
    return items.map(item => JSON.parse(item.toString()).n)
  }
  assert.equal([await next(), await next(), await next()], [[3, 4], [9], []])
  await client.call('BUCKET.INSERT', 'growing', 'DOCS', `{"_id":"${idOf(10)}","n":10}`)
  assert.equal([await next(), await next()], [[10], []])
})

test('reads one session with several cursors at a time', async () => {
  const client = await jsonClient()
  await numbered(client, 'parallel', 30)
  const first = await batchOf(client, 'BUCKET.QUERY', 'parallel', '{}', 'LIMIT', '10')
  const second = await batchOf(client, 'BUCKET.QUERY', 'parallel', '{"n":{"$gt":20}}', 'LIMIT', '4')
  assert.is(second.cursorId, first.cursorId + 1)
  const numbers = async (cursor: number): Promise<number[]> => {
    const { items } = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(cursor))
    return items.map(item => JSON.parse(item.toString()).n)
  }
  assert.equal(await numbers(second.cursorId), [25, 26, 27, 28])
  assert.equal((await numbers(first.cursorId))[0], 11)
  assert.equal(await numbers(second.cursorId), [29, 30])
  assert.equal((await numbers(first.cursorId))[9], 30)
})

test('deletes a batch at a time', async () => {
  const client = await jsonClient()
  await numbered(client, 'deleted', 250)
  const first = await batchOf(client, 'BUCKET.DELETE', 'deleted', '{}')
  const sizes = [first.items.length]
  for (let i = 0; i < 3; i++) {
    const { items } = await batchOf(client, 'BUCKET.ADVANCE', 'DELETE', String(first.cursorId))
    sizes.push(items.length)
  }
  assert.equal(sizes, [100, 100, 50, 0])
  assert.is(first.items[0]!.toString(), idOf(1))
  assert.equal(await queryAll(client, 'deleted', '{}'), [])
  await numbered(await jsonClient(), 'picked', 10)
  const picked = await batchOf(client, 'BUCKET.DELETE', 'picked', '{"n":{"$gte":8}}', 'LIMIT', '2')
  assert.equal(picked.items.map(String), [idOf(8), idOf(9)])
  assert.is((await queryAll(client, 'picked', '{}')).length, 8)
  await client.call('BUCKET.INSERT', 'picked', 'DOCS', `{"_id":"${idOf(8)}","again":true}`)
  assert.equal(await queryAll(client, 'picked', `{"_id":"${idOf(8)}"}`), [
    { _id: idOf(8), again: true },
  ])
})

test('finds documents by their id', async () => {
  const client = await jsonClient()
  await numbered(client, 'looked-up', 50)
  const found = async (filter: string): Promise<unknown[]> =>
    (await queryAll(client, 'looked-up', filter)).map(({ n }) => n)
  const id = (n: number): string => JSON.stringify(idOf(n))
  assert.equal(await found(`{"_id":${id(7)}}`), [7])
  assert.equal(await found(`{"_id":{"$eq":{"$oid":${id(7)}}}}`), [7])
  assert.equal(await found(`{"_id":${id(7)},"n":8}`), [])
  assert.equal(await found(`{"_id":${id(51)}}`), [])
  assert.equal(await found(`{"_id":5}`), [])
  assert.equal(await found(`{"_id":{"$gte":${id(48)}}}`), [48, 49, 50])
  assert.equal(await found(`{"_id":{"$gt":${id(3)},"$lt":${id(6)}}}`), [4, 5])
  assert.equal(await found(`{"_id":{"$lte":${id(2)}}}`), [1, 2])
  assert.equal(await found(`{"_id":{"$in":[${id(9)},${id(3)}]}}`), [3, 9])
  assert.equal(await found(`{"$or":[{"_id":${id(50)}},{"n":1}]}`), [1, 50])
  assert.equal((await found(`{"_id":{"$ne":${id(1)}}}`)).length, 49)
  assert.equal((await found('{"_id":{"$exists":true}}')).length, 50)
})

test('shows an insert of an open transaction to its own session only', async () => {
  const [a, b] = [await jsonClient(), await jsonClient()]
  await numbered(a, 'open', 3)
  await a.call('BEGIN')
  await a.call('BUCKET.INSERT', 'open', 'DOCS', `{"_id":"${idOf(4)}","n":4}`)
  await batchOf(a, 'BUCKET.DELETE', 'open', '{"n":1}')
  const numbers = async (client: RespClient): Promise<unknown[]> =>
    (await queryAll(client, 'open', '{}')).map(({ n }) => n)
  assert.equal(
    [await numbers(a), await numbers(b)],
    [
      [2, 3, 4],
      [1, 2, 3],
    ],
  )
  await a.call('COMMIT')
  assert.equal(
    [await numbers(a), await numbers(b)],
    [
      [2, 3, 4],
      [2, 3, 4],
    ],
  )
})

test('lets one of two inserts of an id through', async () => {
  const [a, b] = [await jsonClient(), await jsonClient()]
  await a.call('BUCKET.CREATE', 'contested')
  const document = `{"_id":"${ID}"}`
  await a.call('BEGIN')
  await a.call('BUCKET.INSERT', 'contested', 'DOCS', document)
  await b.call('BUCKET.INSERT', 'contested', 'DOCS', document)
  assert.match(await a.error('COMMIT'), /^NOT_COMMITTED /)
  assert.is(
    await a.error('BUCKET.INSERT', 'contested', 'DOCS', document),
    `DUPLICATEKEY Duplicate key: _id '${ID}'`,
  )
  assert.is((await queryAll(a, 'contested', '{}')).length, 1)
})

test('keeps cursors over COMMIT and ROLLBACK', async () => {
  const client = await jsonClient()
  await numbered(client, 'kept', 6)
  await client.call('BEGIN')
  const { cursorId } = await batchOf(client, 'BUCKET.QUERY', 'kept', '{}', 'LIMIT', '2')
  await client.call('COMMIT')
  await client.call('BEGIN')
  await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(cursorId))
  await client.call('ROLLBACK')
  const { items } = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(cursorId))
  assert.is(JSON.parse(items[0]!.toString()).n, 5)
})

test('answers mistakes with the documented texts', async () => {
  const client = await jsonClient()
  await client.call('BUCKET.CREATE', 'wrong')
  await client.exchange(['BUCKET.CREATE', 'wrong', 'if-not-exists'], '+OK\r\n')
  const noCursor = (kind: string): string =>
    `ERR No previous query context found for '${kind}' operation with the given cursor id`
  const cases: [words: string[], error: string][] = [
    [['CREATE', 'wrong'], 'BUCKETALREADYEXISTS Bucket already exists: wrong'],
    [['CREATE', 'new', 'Foo'], "ERR Unknown 'Foo' argument"],
    [['CREATE', 'new', 'SHARDS', '9999'], 'ERR No route found for Bucket shard: 9999'],
    [['CREATE'], "ERR wrong number of arguments for 'BUCKET.CREATE' command"],
    [['INSERT', 'wrong', 'Docz', '{}'], "ERR Unknown 'Docz' argument"],
    [['INSERT', 'wrong', 'DOCS'], 'ERR No documents provided'],
    [['INSERT', 'wrong'], "ERR wrong number of arguments for 'BUCKET.INSERT' command"],
    [['INSERT', 'none', 'DOCS', '{}'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['QUERY', 'none', '{}'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['DELETE', 'none', '{}'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['QUERY', 'wrong'], "ERR wrong number of arguments for 'BUCKET.QUERY' command"],
    [['QUERY', 'wrong', '{}', 'foo'], "ERR Unknown 'FOO' argument"],
    [
      ['QUERY', 'wrong', '{}', 'LIMIT'],
      'ERR LIMIT argument must be followed by a positive integer',
    ],
    [['QUERY', 'wrong', '{}', 'LIMIT', 'x'], 'ERR value is not a int or out of range'],
    [['QUERY', 'wrong', '{}', 'LIMIT', '-1'], 'ERR LIMIT argument must be a non-negative integer'],
    [['QUERY', 'wrong', '{}', 'LIMIT', '10000'], 'ERR Maximum limit value is 10000'],
    [['DELETE', 'wrong', '{}', 'SORTBY', 'n', 'ASC'], "ERR 'SORTBY' is an unsupported argument"],
    [['ADVANCE', 'foo', '1'], "ERR Unknown 'foo' action"],
    [['ADVANCE', 'QUERY', '77'], noCursor('query')],
    [['ADVANCE', 'delete', '77'], noCursor('delete')],
    [['ADVANCE', 'QUERY', 'x'], 'ERR value is not a int or out of range'],
    [['CLOSE', 'Foo', '1'], "ERR Unknown 'Foo' action"],
    [['CLOSE', 'UPDATE', '1'], 'ERR no cursor found'],
    [['LIST', 'x'], "ERR wrong number of arguments for 'BUCKET.LIST' command"],
  ]
  for (const [[name, ...words], error] of cases) {
    assert.is(await client.error(`BUCKET.${name}`, ...words), error)
  }
})

test('lists buckets in byte order', async () => {
  const client = await jsonClient()
  await client.call('NAMESPACE', 'CREATE', 'listed')
  await client.call('NAMESPACE', 'USE', 'listed')
  await client.exchange(['BUCKET.LIST'], '*0\r\n')
  for (const name of ['b', 'a.b', 'ä', 'B', 'a b']) await client.call('BUCKET.CREATE', name)
  assert.equal(await client.call('BUCKET.LIST'), ['B', 'a b', 'a.b', 'b', 'ä'])
})

test.run()
