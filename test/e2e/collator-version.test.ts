/** A server over indexes that another version of the collator made. */
import { rm } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openBucket } from '../../ts/query/buckets.js'
import { indexPrefix, prefixRange } from '../../ts/store/keyspace.js'
import { queryAll, useJson } from '../support/bucket.js'
import { assertVerified, describeIndex, insertAll } from '../support/indexes.js'
import type { Data, RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { openTestNamespaces } from '../support/store.js'
import { until } from '../support/wait.js'

const test = suite('versions of the collator')

const COUNT = 500
const COLLATION = { locale: 'en', strength: 1 }
const SCHEMA = JSON.stringify({
  s: { bson_type: 'string', name: 's', collation: COLLATION },
  u: { bson_type: 'string', name: 'u', unique: true, collation: COLLATION },
})
/** Ten words, in two spellings. */
const wordOf = (n: number): string => `${n % 2 === 0 ? 'Wörd' : 'word'} ${n % 10}`

/** Makes the indexes of a bucket those of another version: what they hold is no use. The server
 *  does not run. */
async function ageIndexes(server: TestServer, name: string): Promise<void> {
  const { store, config, namespaces } = await openTestNamespaces(server.storeSettings)
  const namespace = await namespaces.resolve(config.default_namespace)
  await store.transact(async tx => {
    const { key, data, indexes } = await openBucket(tx, namespace, name)
    const record = JSON.parse(String(await tx.get(key)))
    for (const index of record.indexes) index.collatorVersion = 'another'
    tx.set(key, Buffer.from(JSON.stringify(record)))
    for (const { id } of indexes) {
      const { begin, end } = prefixRange(indexPrefix(data, id))
      tx.clearRange(begin, end)
    }
  })
  await namespaces.close()
  await store.close()
  await rm(config.data_dir, { recursive: true })
}

async function nodeOf(client: RespClient, filter: string): Promise<Data> {
  const reply = (await client.call('BUCKET.EXPLAIN', 'b', filter)) as Map<Data, Data>
  return (reply.get('plan') as Map<Data, Data>).get('nodeType')!
}

/** The index is built, and queries read it. */
async function untilBuilt(client: RespClient, name: string, filter: string): Promise<void> {
  await until(`${name} is built again`, async () => {
    const described = await describeIndex(client, 'b', name)
    const isReady = described !== 'gone' && described.get('status') === 'READY'
    return isReady && (await nodeOf(client, filter)) === 'IndexScan'
  })
}

async function filled(server: TestServer): Promise<RespClient> {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', 'b', 'INDEXES', SCHEMA)
  const documents = Array.from({ length: COUNT }, (_, n) => ({ s: wordOf(n), u: `u${n}` }))
  await insertAll(client, 'b', documents)
  return client
}

const FILTER = '{"s": "WORD 4"}'

test('indexes are built again, and full scans serve meanwhile', () =>
  withTestServer([], async server => {
    const before = await filled(server)
    assert.is(await nodeOf(before, FILTER), 'IndexScan')
    assert.is((await queryAll(before, 'b', FILTER)).length, COUNT / 10)
    await server.stop()
    await ageIndexes(server, 'b')
    await server.start()
    const client = await useJson(await server.connect(3))
    assert.is(await nodeOf(client, FILTER), 'FullScan')
    assert.is((await queryAll(client, 'b', FILTER)).length, COUNT / 10)
    await untilBuilt(client, 's', FILTER)
    await untilBuilt(client, 'u', '{"u": "u1"}')
    assert.is((await queryAll(client, 'b', FILTER)).length, COUNT / 10)
    const sorted = await queryAll(client, 'b', '{}', 'SORTBY', 's', 'ASC', 'LIMIT', '500')
    const expected = Array.from({ length: COUNT }, (_, n) => Math.floor(n / 50))
    assert.equal(
      sorted.map(({ s }) => Number(String(s).at(-1))),
      expected,
    )
    assert.is(await assertVerified(client, 'b', 'after the builds'), COUNT)
    const twice = ['BUCKET.INSERT', 'b', 'DOCS', '{"u": "U7"}']
    assert.is(await client.error(...twice), "DUPLICATEKEY Duplicate key: 'u' U7")
  }))

test('writers notice nothing, and what they write is in the indexes', () =>
  withTestServer([], async server => {
    await filled(server)
    await server.stop()
    await ageIndexes(server, 'b')
    await server.start()
    const client = await useJson(await server.connect(3))
    await insertAll(client, 'b', [{ s: 'WÖRD 4', u: 'new' }])
    const change = ['BUCKET.UPDATE', 'b', '{"u": "U14"}', '{"$set": {"s": "other"}}']
    assert.is(
      ((await client.call(...change)) as Map<Data, Data>).get('object_ids')?.toString().length,
      24,
    )
    await client.call('BUCKET.DELETE', 'b', '{"u": "u24"}')
    await untilBuilt(client, 's', FILTER)
    assert.is((await queryAll(client, 'b', FILTER)).length, COUNT / 10 - 1)
    await untilBuilt(client, 'u', '{"u": "u1"}')
    assert.is(await assertVerified(client, 'b', 'after writes'), COUNT)
  }))

test.run()
