/** What a session's open transaction reads through indexes: its own writes, and nobody else's. */
import * as assert from 'uvu/assert'
import { batchOf, queryAll, useJson } from '../support/bucket.js'
import { assertVerified, createIndexes, insertAll, untilStatus } from '../support/indexes.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('own writes of buckets')

const json = async (): Promise<RespClient> => useJson(await server.connect(3))

/** Of documents `{n, u, kind, sub, tags, name}`. */
const SCHEMA = JSON.stringify({
  n: { bson_type: 'int32', name: 'n' },
  u: { bson_type: 'int32', unique: true, name: 'u' },
  tags: { bson_type: 'int32', multi_key: true, name: 'tags' },
  name: { bson_type: 'string', name: 'name', collation: { locale: 'en', strength: 1 } },
  $compound: [
    {
      name: 'kind',
      fields: [
        { selector: 'kind', bson_type: 'string' },
        { selector: 'sub', bson_type: 'int32' },
      ],
    },
  ],
})

/** Filters, and the nodes of the plans that the indexes allow. */
const FILTERS: readonly [filter: object, plan: string][] = [
  [{ n: 3 }, 'IndexScan n'],
  [{ n: { $gte: 2, $lt: 5 } }, 'RangeScan n'],
  [{ n: { $ne: 3 } }, 'IndexScan n'],
  [{ n: null }, 'IndexScan n'],
  [{ u: 3 }, 'IndexScan u'],
  [{ tags: 3 }, 'IndexScan tags'],
  [{ tags: { $gt: 3, $lt: 9 } }, 'RangeScan tags'],
  [{ name: 'nAme 3' }, 'IndexScan name'],
  [{ kind: 'k1' }, 'CompoundIndexScan kind'],
  [{ kind: 'k1', sub: { $gt: 1 } }, 'CompoundIndexScan kind'],
  [{ n: { $in: [1, 3, 70] } }, 'Union'],
  [{ $or: [{ n: 3 }, { tags: 4 }, { kind: 'k2' }] }, 'Union'],
  [{ _id: { $gte: '0'.repeat(24) } }, 'IndexScan primary-index'],
]

/** The same, found by a scan of all documents: one branch of it has no index. */
function scanOf(filter: object): object {
  return { $or: [filter, { never: { $exists: true } }] }
}

function fieldsOf(n: number): Record<string, unknown> {
  return { n, u: n, kind: `k${n % 3}`, sub: n, tags: [n, n + 1], name: `Name ${n}` }
}

/** A bucket of documents with n from 0 to 9. */
async function filled(client: RespClient, bucket: string): Promise<void> {
  await client.call('BUCKET.CREATE', bucket, 'INDEXES', SCHEMA)
  const documents = Array.from({ length: 10 }, (_, n) => fieldsOf(n))
  await insertAll(client, bucket, documents)
}

/** The filters find what a scan of all documents finds. @returns what there is, by n */
async function assertSeen(client: RespClient, bucket: string, when: string): Promise<number[]> {
  for (const [filter] of FILTERS) {
    const scan = JSON.stringify(scanOf(filter))
    const sorted = (found: Record<string, unknown>[]) => found.map(({ _id }) => String(_id)).sort()
    const found = sorted(await queryAll(client, bucket, JSON.stringify(filter), 'LIMIT', '2'))
    const expected = sorted(await queryAll(client, bucket, scan))
    assert.equal(found, expected, `${JSON.stringify(filter)} ${when}`)
  }
  const values = (await queryAll(client, bucket, '{}')).map(({ n }) => Number(n ?? -1))
  values.sort((a, b) => a - b)
  for (const order of ['ASC', 'DESC']) {
    const found = await queryAll(client, bucket, '{}', 'SORTBY', 'n', order, 'LIMIT', '3')
    const wanted = order === 'ASC' ? values : values.toReversed()
    assert.equal(
      found.map(({ n }) => Number(n ?? -1)),
      wanted,
      `${order} ${when}`,
    )
  }
  return values
}

test('the filters are served by indexes', async () => {
  const client = await json()
  await filled(client, 'served')
  for (const [filter, plan] of FILTERS) {
    const reply = await client.call('BUCKET.EXPLAIN', 'served', JSON.stringify(filter))
    const node = (reply as Map<Data, Data>).get('plan') as Map<Data, Data>
    const shown = [node.get('nodeType'), node.get('index')].filter(Boolean).join(' ')
    assert.is(shown, plan, JSON.stringify(filter))
    const scan = await client.call('BUCKET.EXPLAIN', 'served', JSON.stringify(scanOf(filter)))
    const union = (scan as Map<Data, Data>).get('plan') as Map<Data, Data>
    const children = union.get('children') as Map<Data, Data>[]
    assert.is(children.at(-1)!.get('nodeType'), 'FullScan')
  }
})

test('writes are seen through every index, by their session alone', async () => {
  const [own, other] = [await json(), await json()]
  await filled(own, 'seen')
  const before = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
  await own.call('BEGIN')
  const insertion = [3, 70].map(n => JSON.stringify({ ...fieldsOf(n), u: n + 1_000 }))
  await own.call('BUCKET.INSERT', 'seen', 'DOCS', ...insertion)
  assert.equal(await assertSeen(own, 'seen', 'after INSERT'), [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 70])
  const changed = JSON.stringify({ $set: { ...fieldsOf(4), u: 2_000 } })
  await own.call('BUCKET.UPDATE', 'seen', '{"n": 8}', changed)
  await own.call('BUCKET.UPDATE', 'seen', '{"u": 1070}', '{"$unset": ["n"]}')
  assert.equal(await assertSeen(own, 'seen', 'after UPDATE'), [-1, 0, 1, 2, 3, 3, 4, 4, 5, 6, 7, 9])
  await own.call('BUCKET.DELETE', 'seen', '{"tags": {"$lte": 3}}')
  assert.equal(await assertSeen(own, 'seen', 'after DELETE'), [-1, 4, 4, 5, 6, 7, 9])
  // A value that is free again.
  await own.call('BUCKET.INSERT', 'seen', 'DOCS', JSON.stringify(fieldsOf(1)))
  await own.call('BUCKET.UPDATE', 'seen', '{"n": 55}', '{"$set": {"u": 2}, "upsert": true}')
  const last = [-1, 1, 4, 4, 5, 6, 7, 9, 55]
  assert.equal(await assertSeen(own, 'seen', 'after upsert'), last)
  const twice = ['BUCKET.INSERT', 'seen', 'DOCS', JSON.stringify(fieldsOf(1))]
  assert.is(await own.error(...twice), "DUPLICATEKEY Duplicate key: 'u' 1")
  assert.equal(await assertSeen(own, 'seen', 'after a refusal'), last)
  assert.equal(await assertSeen(other, 'seen', 'elsewhere'), before)
  await own.call('ROLLBACK')
  assert.equal(await assertSeen(own, 'seen', 'after ROLLBACK'), before)
  await assertVerified(own, 'seen', 'after ROLLBACK')
})

test('and by everybody once they are committed', async () => {
  const [own, other] = [await json(), await json()]
  await filled(own, 'committed')
  await own.call('BEGIN')
  await own.call('BUCKET.DELETE', 'committed', '{"kind": "k1"}')
  await own.call('BUCKET.UPDATE', 'committed', '{"n": {"$gte": 5}}', '{"$set": {"n": 3}}')
  await own.call('BUCKET.INSERT', 'committed', 'DOCS', JSON.stringify(fieldsOf(4)))
  await own.call('COMMIT')
  const expected = [0, 2, 3, 3, 3, 3, 3, 4]
  for (const client of [own, other]) {
    assert.equal(await assertSeen(client, 'committed', 'after COMMIT'), expected)
  }
  await assertVerified(own, 'committed', 'after COMMIT')
})

/** The values of n in the next batch of a query. */
async function advance(client: RespClient, cursor: number): Promise<number[]> {
  const { items } = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(cursor))
  return items.map(item => JSON.parse(String(item)).n)
}

test('a cursor goes on among own writes: no document comes twice', async () => {
  const [client, other] = [await json(), await json()]
  await filled(client, 'ahead')
  await client.call('BEGIN')
  const opening = ['BUCKET.QUERY', 'ahead', '{"n": {"$gte": 0}}', 'SORTBY', 'n', 'ASC']
  const { cursorId, items } = await batchOf(client, ...opening, 'LIMIT', '3')
  assert.equal(
    items.map(item => JSON.parse(String(item)).n),
    [0, 1, 2],
  )
  const more = [0, 4, 20].map(n => JSON.stringify({ ...fieldsOf(n), u: n + 1_000 }))
  await client.call('BUCKET.INSERT', 'ahead', 'DOCS', ...more)
  // One that was there comes ahead, one that is ahead goes behind, one ahead goes.
  await client.call('BUCKET.UPDATE', 'ahead', '{"n": 1}', '{"$set": {"n": 6}}')
  await client.call('BUCKET.UPDATE', 'ahead', '{"n": 8}', '{"$set": {"n": 1}}')
  await client.call('BUCKET.DELETE', 'ahead', '{"n": 5}')
  assert.equal(await advance(client, cursorId), [3, 4, 4])
  assert.equal(await advance(client, cursorId), [6, 7, 9])
  await client.call('COMMIT')
  assert.equal(await advance(client, cursorId), [20])
  assert.equal(await advance(client, cursorId), [])
  await insertAll(other, 'ahead', [{ ...fieldsOf(30), u: 30 }])
  assert.equal(await advance(client, cursorId), [30])
  await assertVerified(client, 'ahead', 'after COMMIT')
})

test('a cursor survives ROLLBACK, and goes on where it was', async () => {
  const client = await json()
  await filled(client, 'kept')
  await client.call('BEGIN')
  const opening = ['BUCKET.QUERY', 'kept', '{"n": {"$gte": 0}}', 'LIMIT', '4']
  const { cursorId } = await batchOf(client, ...opening)
  await client.call('BUCKET.DELETE', 'kept', '{"n": {"$gte": 5}}')
  assert.equal(await advance(client, cursorId), [4])
  await client.call('ROLLBACK')
  assert.equal(await advance(client, cursorId), [5, 6, 7, 8])
  assert.equal(await advance(client, cursorId), [9])
})

test('an UPDATE that moves documents forward in its index changes each once', async () => {
  const client = await json()
  await filled(client, 'forward')
  await client.call('BEGIN')
  const ids: string[] = []
  const request = ['BUCKET.UPDATE', 'forward', '{"n": {"$gte": 0}}', '{"$set": {"n": 100}}']
  let batch = await batchOf(client, ...request, 'LIMIT', '3')
  while (batch.items.length > 0) {
    ids.push(...batch.items.map(String))
    batch = await batchOf(client, 'BUCKET.ADVANCE', 'UPDATE', String(batch.cursorId))
  }
  assert.is(ids.length, 10)
  assert.is(new Set(ids).size, 10)
  await client.call('COMMIT')
  assert.equal(await assertSeen(client, 'forward', 'after COMMIT'), Array(10).fill(100))
})

test('plans are those of the indexes that the transaction sees', async () => {
  const admin = await json()
  const names = ['a', 'b', 'c', 'd']
  const schema = Object.fromEntries(names.map(name => [name, { bson_type: 'int32', name }]))
  await admin.call('BUCKET.CREATE', 'plans', 'INDEXES', JSON.stringify(schema))
  // Two elements of an array meet it, one number cannot.
  const filter = '{"a": {"$gt": 5, "$lt": 3}}'
  const sessions = await Promise.all(names.map(json))
  for (const session of sessions) {
    await session.call('BEGIN')
    assert.equal(await queryAll(session, 'plans', filter), [])
  }
  // Meanwhile the definitions change as often as they do in one of the transactions.
  await createIndexes(admin, 'plans', { e: { bson_type: 'int32', name: 'e' } })
  await untilStatus(admin, 'READY', { bucket: 'plans', name: 'e' })
  for (const [i, session] of sessions.entries()) {
    for (const name of names.slice(0, i + 1)) {
      await session.call('BUCKET.INSERT', 'plans', 'DOCS', `{"${name}": [1, 9]}`)
    }
    assert.equal(await queryAll(admin, 'plans', filter), [])
    assert.is((await queryAll(session, 'plans', filter)).length, 1, `after ${i + 1} changes`)
  }
})

test.run()
