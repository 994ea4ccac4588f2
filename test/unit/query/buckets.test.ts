import { randomUUID } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createBucket, listBuckets, openBucket } from '../../../ts/query/buckets.js'
import { prefixRange } from '../../../ts/store/keyspace.js'
import { unpack } from '../../../ts/store/packed-range.js'
import { type DataMember, errorOf, makeBucket, openDataMember } from '../../support/data-member.js'

let member: DataMember

test.before.each(async () => {
  member = await openDataMember()
})
test.after.each(() => member.close())

const list = () => member.store.transact(tx => listBuckets(tx, member.namespace))

test('lists names in byte order', async () => {
  for (const name of ['b', 'a', 'ä', 'B', 'a b', 'aa']) await makeBucket(member, name)
  assert.equal(await list(), ['B', 'a', 'a b', 'aa', 'b', 'ä'])
})

test('lists more buckets than one batch holds', async () => {
  const { store, namespace, registry } = member
  const names = Array.from({ length: 1500 }, (_, i) => `bucket-${String(i).padStart(5, '0')}`)
  await store.transact(async tx => {
    for (const name of names) {
      await createBucket(tx, namespace, { name, uuid: name, shards: [0], registry })
    }
  })
  assert.equal(await list(), names)
})

test('refuses a name that is taken', async () => {
  const { uuid } = await makeBucket(member)
  const taken = 'BUCKETALREADYEXISTS Bucket already exists: b'
  assert.is(await errorOf(() => makeBucket(member)), taken)
  assert.is(uuid.length, 36)
})

test('makes a bucket once, however often one attempt is repeated', async () => {
  const { store, namespace, registry } = member
  const bucket = { name: 'again', uuid: 'its own', shards: [0], registry }
  const make = () => store.transact(tx => createBucket(tx, namespace, bucket))
  await make()
  const { prefix } = await store.transact(tx => openBucket(tx, namespace, 'again'))
  await make()
  assert.equal((await store.transact(tx => openBucket(tx, namespace, 'again'))).prefix, prefix)
})

test('opens a bucket that was made before there were indexes', async () => {
  const { store, namespace } = member
  const { key, data, prefix } = await makeBucket(member, 'old')
  const record = { uuid: 'u', prefix: prefix.toString('hex'), shards: [0], version: 0 }
  const text = JSON.stringify({ ...record, removed: false })
  await store.transact(tx => tx.set(key, Buffer.from(text)))
  const bucket = await store.transact(tx => openBucket(tx, namespace, 'old'))
  const { collation, indexes, removal } = bucket
  assert.equal(
    { collation, indexes, removal },
    { collation: null, indexes: [], removal: undefined },
  )
  assert.equal(bucket.data, data)
})

test('of two transactions that create one bucket at most one commits', async () => {
  const { store, namespace, registry } = member
  const transactions = [store.begin(), store.begin()]
  for (const tx of transactions) {
    await createBucket(tx, namespace, { name: 'b', uuid: randomUUID(), shards: [0], registry })
  }
  const errors = await Promise.all(transactions.map(tx => errorOf(() => tx.commit())))
  assert.is(errors.filter(error => error === 'no error').length, 1)
})

test('binds the prefix of each bucket to its metadata', async () => {
  const buckets = [await makeBucket(member, 'x'), await makeBucket(member, 'y')]
  const { begin, end } = prefixRange(member.registry)
  const bound = await member.store.transact(async tx => {
    return [...unpack(await tx.getRangeAll(begin, end))].map(({ key, value }) => {
      return [key.toString('hex', begin.length), value.toString('latin1', value.length - 1)]
    })
  })
  const expected = buckets.map(({ prefix, name }) => [prefix.toString('hex'), name])
  assert.equal(bound.sort(), expected.sort())
})

test.run()
