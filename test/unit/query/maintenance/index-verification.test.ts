/** Everything that may be wrong with an index is noticed. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Bucket, changeIndex, openBucket } from '../../../../ts/query/buckets.js'
import type { IndexDefinition } from '../../../../ts/query/indexes/indexes.js'
import {
  type VerificationReport,
  verifyBucket,
} from '../../../../ts/query/maintenance/index-verification.js'
import {
  cardinalityKey,
  indexPrefix,
  prefixRange,
  primaryKey,
} from '../../../../ts/store/keyspace.js'
import { type Pair, unpack } from '../../../../ts/store/packed-range.js'
import {
  type DataMember,
  insertJson,
  makeBucket,
  openDataMember,
} from '../../../support/data-member.js'

let member: DataMember
let ids: string[]

const INDEX: IndexDefinition = {
  ...{ id: 5n, name: 'n', kind: 'single', status: 'READY', unique: true, collation: null },
  fields: [{ selector: 'n', type: 'INT32', multiKey: false }],
  ...{ collatorVersion: null, hasArrays: false, hasSkipped: false, isRebuilt: false },
}

test.before.each(async () => {
  member = await openDataMember()
  const made = await makeBucket(member)
  const { store, namespace } = member
  await store.transact(async tx => {
    const bucket = await openBucket(tx, namespace, made.name)
    tx.set(bucket.key, withIndex((await tx.get(bucket.key))!))
  })
  const documents = [1, 2, 3, [4, 5], [], []].map(n => ({ n }))
  ids = await insertJson(member, await open(), documents)
})
test.after.each(() => member.close())

/** The record of a bucket with an index. */
function withIndex(record: Buffer): Buffer {
  const indexes = [{ ...INDEX, id: String(INDEX.id) }]
  return Buffer.from(JSON.stringify({ ...JSON.parse(record.toString()), indexes }))
}

const open = (): Promise<Bucket> =>
  member.store.transact(tx => openBucket(tx, member.namespace, 'b'))

function verify(): Promise<VerificationReport> {
  const { store, documents, volumes, namespace } = member
  return verifyBucket({ store, documents, context: volumes.scanContext }, { namespace, name: 'b' })
}

async function entries(): Promise<Pair[]> {
  const { begin, end } = prefixRange(indexPrefix((await open()).data, INDEX.id))
  const range = await member.store.transact(tx => tx.getRangeAll(begin, end))
  return [...unpack(range)]
}

/** The entry of a document. @param n of those that it has */
async function entryOf(document: number, n = 0): Promise<Pair> {
  const own = (await entries()).filter(({ key }) => key.toString('hex').endsWith(ids[document]!))
  return own[n]!
}

async function damage(set: readonly Pair[], cleared: readonly Buffer[] = []): Promise<void> {
  await member.store.transact(tx => {
    for (const { key, value } of set) tx.set(key, value)
    for (const key of cleared) tx.clear(key)
  })
}

test('finds nothing wrong with what writers wrote', async () => {
  assert.equal(await verify(), { documents: 6, entries: 7, errors: [] })
})

test('notices an entry that is missing', async () => {
  await damage([], [(await entryOf(1)).key])
  assert.equal((await verify()).errors, [
    `index 'n': document ${ids[1]} has no entry`,
    "index 'n': there are 6 entries, and the counter says 7",
  ])
})

test('notices an entry that points at another body', async () => {
  const [{ key }, { value }] = [await entryOf(0), await entryOf(2)]
  await damage([{ key, value }])
  assert.equal((await verify()).errors, [
    `index 'n': document ${ids[0]} has an entry that points elsewhere`,
    `index 'n': the document ${ids[0]} of an entry is elsewhere`,
  ])
})

test('notices entries of no document, and of no value', async () => {
  const [{ key }, { value }] = [await entryOf(0), await entryOf(3, 1)]
  const nobody = Buffer.concat([key.subarray(0, -12), Buffer.alloc(12, 0xff)])
  const other = Buffer.concat([key.subarray(0, -12), Buffer.from(ids[3]!, 'hex')])
  await damage([
    { key: nobody, value },
    { key: other, value },
  ])
  assert.equal((await verify()).errors, [
    `index 'n': the document ${'ff'.repeat(12)} of an entry does not exist`,
    `index 'n': an entry is not of a value of its document ${ids[3]}`,
    "index 'n': there are 9 entries, and the counter says 7",
  ])
})

test('notices a document that lost its primary entry', async () => {
  const bucket = await open()
  await damage([], [primaryKey(bucket.data, Buffer.from(ids[1]!, 'hex'))])
  assert.equal((await verify()).errors, [
    `index 'n': the document ${ids[1]} of an entry does not exist`,
    "index 'primary-index': there are 5 entries, and the counter says 6",
  ])
})

test('notices a counter that is wrong', async () => {
  const bucket = await open()
  await member.store.transact(tx => tx.add(cardinalityKey(bucket.data, INDEX.id), 2))
  assert.equal((await verify()).errors, ["index 'n': there are 7 entries, and the counter says 9"])
})

test('notices two documents with one value of a unique index, also in two batches', async () => {
  const { store, namespace } = member
  const unique = async (isUnique: boolean): Promise<void> => {
    await store.transact(async tx => {
      const bucket = await openBucket(tx, namespace, 'b')
      changeIndex(tx, bucket, { id: INDEX.id, change: { unique: isUnique } })
    })
  }
  await unique(false)
  const more = Array.from({ length: 400 }, (_, n) => ({ n: 1_000 + Math.floor((n + 1) / 2) }))
  const made = await insertJson(member, await open(), more)
  await unique(true)
  const { errors } = await verify()
  const later = made.filter((_, n) => n > 0 && n % 2 === 0)
  assert.is(errors.length, 100)
  assert.equal(
    errors,
    later.slice(0, 100).map(id => `index 'n': document ${id} has the value of another`),
  )
})

test('does not ask for entries that a build has not come to', async () => {
  await damage([], [(await entryOf(1)).key])
  const { store, namespace } = member
  await store.transact(async tx => {
    const bucket = await openBucket(tx, namespace, 'b')
    changeIndex(tx, bucket, { id: INDEX.id, change: { status: 'BUILDING' } })
    tx.add(cardinalityKey(bucket.data, INDEX.id), -1)
  })
  assert.equal(await verify(), { documents: 6, entries: 6, errors: [] })
})

test.run()
