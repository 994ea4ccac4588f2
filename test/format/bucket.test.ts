/** JSON that is stored of buckets and their index tasks: a change here makes it unreadable. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { changeBucket, createBucket, findBucket } from '../../ts/query/buckets.js'
import { type IndexTask, IndexTasks } from '../../ts/query/indexes/index-tasks.js'
import type { IndexDefinition } from '../../ts/query/indexes/indexes.js'
import { parseCollation } from '../../ts/query/language/collation.js'
import { indexTaskKey, queuedTaskKey } from '../../ts/store/keyspace.js'
import { openDataMember } from '../support/data-member.js'

const COLLATION =
  '{"locale":"en","strength":3,"caseLevel":false,"caseFirst":"off","numericOrdering":false,' +
  '"alternate":"non-ignorable","backwards":false,"normalization":false,"maxVariable":"punct"}'

const collation = parseCollation(Buffer.from('{"locale":"en"}'))
const INDEX: IndexDefinition = {
  id: -5n,
  name: 'i',
  kind: 'single',
  fields: [{ selector: 'a.b', type: 'STRING', multiKey: true }],
  unique: false,
  collation,
  collatorVersion: 'icu4x-2.4.0/cldr-49.0.0',
  status: 'READY',
  hasArrays: false,
  hasSkipped: true,
  isRebuilt: false,
}
const STORED_INDEX =
  `{"id":"-5","name":"i","kind":"single","fields":[{"selector":"a.b","type":"STRING",` +
  `"multiKey":true}],"unique":false,"collation":${COLLATION},` +
  `"collatorVersion":"icu4x-2.4.0/cldr-49.0.0","status":"READY",` +
  `"hasArrays":false,"hasSkipped":true,"isRebuilt":false}`

test('a bucket and its tasks are the JSON that stores have', async () => {
  const member = await openDataMember()
  const { store, namespace, registry } = member
  try {
    const options = { name: 'b', uuid: 'u', shards: [0, 2], registry, collation }
    await store.transact(tx => createBucket(tx, namespace, { ...options, indexes: () => [INDEX] }))
    const bucket = (await store.transact(tx => findBucket(tx, namespace, 'b')))!
    const prefix = bucket.prefix.toString('hex')
    const read = async (key: Buffer): Promise<unknown> =>
      JSON.parse(String(await store.transact(tx => tx.get(key))))
    const record =
      `{"uuid":"u","prefix":"${prefix}","shards":[0,2],"version":0,"collation":${COLLATION},` +
      `"indexes":[${STORED_INDEX}]}`
    assert.equal(await read(bucket.key), JSON.parse(record))
    assert.equal(bucket.indexes, [INDEX])
    assert.equal(bucket.collation, collation)

    const removal = { change: '7', token: 't' }
    await store.transact(tx => {
      changeBucket(tx, bucket, { indexes: [], removal })
    })
    assert.equal(await read(bucket.key), {
      ...JSON.parse(record),
      ...{ version: 1, indexes: [], removal },
    })

    const tasks = new IndexTasks(Buffer.concat([bucket.data, Buffer.of(0xff)]))
    const id = Buffer.alloc(12, 1)
    const build = { shard: 2, cursor: Buffer.alloc(12, 2), lower: null, upper: Buffer.alloc(12, 3) }
    const task: IndexTask = { id, index: -5n, kind: 'BUILD', status: 'RUNNING', error: '', build }
    await store.transact(tx => tasks.add(tx, { namespace, bucket }, task))
    assert.equal(await read(indexTaskKey(bucket.data, -5n, id)), {
      ...{ kind: 'BUILD', status: 'RUNNING', error: '' },
      build: { shard: 2, cursor: '02'.repeat(12), lower: null, upper: '03'.repeat(12) },
    })
    const root = tasks.addedKey.subarray(0, -1)
    const queued = queuedTaskKey(root, { bucket: bucket.prefix, index: -5n, task: id })
    const place = { namespace: namespace.prefix.toString('hex'), bucket: 'b' }
    assert.equal(await read(queued), place)
  } finally {
    await member.close()
  }
})

test.run()
