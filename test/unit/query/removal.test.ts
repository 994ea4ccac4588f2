/** What a purge leaves in the store. */
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createIndexes } from '../../../ts/query/indexes/index-administration.js'
import { IndexIds } from '../../../ts/query/indexes/index-schema.js'
import { IndexTasks, TaskIds } from '../../../ts/query/indexes/index-tasks.js'
import { BucketRemoval } from '../../../ts/query/removal.js'
import { openClusterDirectory } from '../../../ts/store/directory.js'
import { prefixRange } from '../../../ts/store/keyspace.js'
import { Namespaces } from '../../../ts/store/namespaces/namespaces.js'
import {
  type DataMember,
  insertJson,
  makeBucket,
  openDataMember,
} from '../../support/data-member.js'

let member: DataMember

test.before.each(async () => {
  member = await openDataMember()
})
test.after.each(() => member.close())

/** Removes and purges bucket `b` by a member. */
async function purge(by: DataMember): Promise<void> {
  const { store, config, cluster, volumes, registry } = by
  const log = pino({ level: 'silent' })
  const namespaces = await Namespaces.open({ store, config, log, members: cluster })
  try {
    const tasks = await openTasks()
    const removal = new BucketRemoval({ store, namespaces, volumes, tasks, registry })
    const place = { namespace: await namespaces.resolve('global'), name: 'b' }
    await removal.remove(place, 'token')
    await removal.purge(place)
  } finally {
    await namespaces.close()
  }
}

async function openTasks(): Promise<IndexTasks> {
  const { store, config } = member
  return new IndexTasks(await openClusterDirectory(store, config.cluster.name, 'tasks'))
}

/** Bytes that the volume of shard 0 has in use. */
async function usedBytes(): Promise<number> {
  const segments = [...(await member.bucketVolume.describe()).values()]
  return segments.reduce((total, segment) => total + segment.usedBytes, 0)
}

test('nothing of the bucket is left, and its prefix is free', async () => {
  const { store, namespace, registry } = member
  const bucket = await makeBucket(member)
  await insertJson(member, bucket, [{ n: 1 }, { n: 2 }])
  const tasks = await openTasks()
  const taskIds = new TaskIds(1n)
  const schema = Buffer.from('{"n": {"bson_type": "int32"}}')
  await store.transact(tx => {
    const change = { place: { namespace, bucket }, tasks, taskIds }
    createIndexes(tx, change, { schema, ids: new IndexIds() })
  })
  assert.is((await store.transact(tx => tasks.queued(tx, { limit: 9 }))).length, 1)
  await purge(member)
  const { begin, end } = prefixRange(bucket.data)
  assert.is((await store.transact(tx => tx.getRange(begin, end))).count, 0)
  assert.is(await store.transact(tx => tx.get(bucket.key)), undefined)
  const binding = Buffer.concat([registry, bucket.prefix])
  assert.is(await store.transact(tx => tx.get(binding)), undefined)
  assert.equal(await store.transact(tx => tasks.queued(tx, { limit: 9 })), [])
  assert.is(await usedBytes(), 0)
})

test('the prefix of bodies on shards of another member stays, without an owner', async () => {
  const { store, registry } = member
  const bucket = await makeBucket(member)
  await insertJson(member, bucket, [{ n: 1 }, { n: 2 }])
  const used = await usedBytes()
  assert.ok(used > 0)
  const other = await member.join()
  try {
    await purge(other)
  } finally {
    await other.close()
  }
  const binding = Buffer.concat([registry, bucket.prefix])
  assert.equal(await store.transact(tx => tx.get(binding)), Buffer.alloc(0))
  assert.is(await store.transact(tx => tx.get(bucket.key)), undefined)
  assert.is(await usedBytes(), used)
})

test.run()
