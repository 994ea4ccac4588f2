import { serialize } from 'bson'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Bucket, createBucket, openBucket } from '../../../ts/query/buckets.js'
import { IndexIds, parseIndexSchema } from '../../../ts/query/indexes/index-schema.js'
import { Insertion } from '../../../ts/query/insertion.js'
import { advance } from '../../../ts/query/query-runs.js'
import {
  bucketMetadataKey,
  changeLogPrefix,
  prefixRange,
  primaryKey,
} from '../../../ts/store/keyspace.js'
import type { Tx } from '../../../ts/store/tx.js'
import {
  type DataMember,
  errorOf,
  insertJson,
  jsonOf,
  makeBucket,
  makeCursor,
  once,
  openDataMember,
} from '../../support/data-member.js'

const A = 'aaaaaaaaaaaaaaaaaaaaaaa1'
const B = 'aaaaaaaaaaaaaaaaaaaaaaa2'
const DUPLICATE_A = `DUPLICATEKEY Duplicate key: _id '${A}'`
const ID_TYPE = 'ERR _id field must be of type ObjectId'

let member: DataMember
let bucket: Bucket

test.before.each(async () => {
  member = await openDataMember(['bucket.shards=2'])
  bucket = await makeBucket(member)
})
test.after.each(() => member.close())

const insert = (...documents: object[]) => insertJson(member, bucket, documents)

async function read(filter: object, limit = 100): Promise<string[]> {
  const cursor = makeCursor(member, filter, { limit })
  const { batch } = await once(member.store, tx => {
    return member.documents.read(tx, cursor, { format: 'json', planned() {} })
  })
  return [...batch.ends].map((end, i) => {
    return batch.payload.toString('utf8', i === 0 ? 0 : batch.ends[i - 1], end)
  })
}

/** Ids that a DELETE with `cursor` removed. */
async function remove(tx: Tx, cursor: ReturnType<typeof makeCursor>): Promise<string[]> {
  const done = await member.documents.delete(tx, cursor, () => {})
  advance(cursor, done)
  return done.batch.matches.map(({ id }) => id.toString('hex'))
}

const usedBytes = async (): Promise<number> => {
  let total = 0
  for (const segment of (await member.bucketVolume.describe()).values()) total += segment.usedBytes
  return total
}

const writtenBytes = (): number => member.bucketVolume.handle.tail?.position ?? 0

test('gives documents without an _id ascending ids, in front', async () => {
  const ids = await insert({ n: 1 }, { n: 2 }, { n: 3 })
  assert.equal([...ids].sort(), ids)
  assert.equal(
    await read({}),
    ids.map((id, i) => `{"_id": "${id}", "n": ${i + 1}}`),
  )
})

test('keeps the _id of a document, as an ObjectId, in front', async () => {
  assert.equal(await insert({ n: 1, _id: A }, { _id: { $oid: B } }), [A, B])
  assert.equal(await read({}), [`{"_id": "${A}", "n": 1}`, `{"_id": "${B}"}`])
})

test('refuses an _id of another type, and inserts nothing', async () => {
  for (const id of [5, null, 'text', { a: 1 }, true]) {
    assert.is(await errorOf(() => insert({ n: 1 }, { _id: id })), ID_TYPE)
  }
  assert.equal(await read({}), [])
  assert.is(writtenBytes(), 0)
})

test('refuses an _id that occurs twice in one call', async () => {
  assert.is(await errorOf(() => insert({ _id: A }, { n: 1 }, { _id: A })), DUPLICATE_A)
  assert.equal(await read({}), [])
})

test('refuses an _id that is taken, and inserts nothing', async () => {
  await insert({ _id: A })
  assert.is(await errorOf(() => insert({ _id: B }, { _id: A })), DUPLICATE_A)
  assert.equal(await read({ _id: B }), [])
  const [id] = await insert({ _id: B })
  assert.is(id, B)
})

test('one _id may be in two buckets', async () => {
  await insert({ _id: A })
  bucket = await makeBucket(member, 'other')
  assert.equal(await insert({ _id: A }), [A])
})

test('a value of a unique index is one document’s, whatever shards they are in', async () => {
  const { store, namespace, registry } = member
  const schema = jsonOf({ u: { bson_type: 'int32', unique: true } })
  const none = { existing: [], collation: null, status: 'READY' } as const
  const indexes = () => parseIndexSchema(schema, { ...none, ids: new IndexIds() })
  const made = { name: 'u', uuid: 'u', shards: [0, 1], registry, indexes }
  await store.transact(tx => createBucket(tx, namespace, made))
  const both = await store.transact(tx => openBucket(tx, namespace, 'u'))
  await insertJson(member, { ...both, shards: [0] }, [{ u: 1 }])
  await insertJson(member, { ...both, shards: [1] }, [{ u: 2 }])
  for (const [shard, u] of [
    [0, 2],
    [1, 1],
  ] as const) {
    const inserting = () => insertJson(member, { ...both, shards: [shard] }, [{ u }])
    assert.is(await errorOf(inserting), `DUPLICATEKEY Duplicate key: 'u' ${u}`)
  }
})

test('an _id is free again once its document is deleted', async () => {
  await insert({ _id: A, n: 1 })
  await once(member.store, tx => remove(tx, makeCursor(member, {}, { kind: 'DELETE' })))
  await insert({ _id: A, n: 2 })
  assert.equal(await read({}), [`{"_id": "${A}", "n": 2}`])
})

test('an _id inserted twice in one transaction is refused the second time', async () => {
  await once(member.store, async tx => {
    const first = new Insertion([jsonOf({ _id: A, n: 1 })], true)
    await member.documents.insert(tx, bucket, first)
    const second = new Insertion([jsonOf({ _id: A, n: 2 })], true)
    assert.is(await errorOf(() => member.documents.insert(tx, bucket, second)), DUPLICATE_A)
  })
  assert.equal(await read({}), [`{"_id": "${A}", "n": 1}`])
})

test('of two transactions with one _id at most one commits', async () => {
  const transactions = [member.store.begin(), member.store.begin()]
  for (const tx of transactions) {
    await member.documents.insert(tx, bucket, new Insertion([jsonOf({ _id: A })], true))
  }
  const [first, second] = transactions.map(tx => errorOf(() => tx.commit()))
  assert.is(await first, 'no error')
  assert.match(await second!, /^NOT_COMMITTED /)
  assert.is((await read({})).length, 1)
})

test('malformed documents are refused with one line, and nothing is inserted', async () => {
  const texts = ['', '{', '[]', '5', '{"a": }']
  for (const text of texts) {
    const insertion = new Insertion([jsonOf({ n: 1 }), Buffer.from(text)], true)
    const run = () => once(member.store, tx => member.documents.insert(tx, bucket, insertion))
    assert.match(await errorOf(run), /^ERR [^\r\n]+$/, text)
  }
  const json = new Insertion([jsonOf({ n: 1 })], false)
  const run = () => once(member.store, tx => member.documents.insert(tx, bucket, json))
  assert.match(await errorOf(run), /^ERR [^\r\n]+$/)
  assert.equal(await read({}), [])
})

test('a missing bucket and a foreign shard are told before documents are looked at', async () => {
  const malformed = new Insertion([Buffer.from('{')], true)
  const foreign = { ...bucket, shards: [5] }
  const run = () => once(member.store, tx => member.documents.insert(tx, foreign, malformed))
  assert.is(await errorOf(run), 'ERR No route found for Bucket shard: 5')
})

test('refuses more documents than one call may have', async () => {
  const document = Buffer.from(serialize({}))
  const many = new Insertion(Array<Buffer>(65_536).fill(document), false)
  const run = () => once(member.store, tx => member.documents.insert(tx, bucket, many))
  assert.is(await errorOf(run), 'ERR too many entries in a single transaction')
})

test('inserts as many documents as a transaction can hold, or none of them', async () => {
  const document = Buffer.from(serialize({}))
  const insertCopies = (count: number) => {
    const insertion = new Insertion(Array<Buffer>(count).fill(document), false)
    return errorOf(() => once(member.store, tx => member.documents.insert(tx, bucket, insertion)))
  }
  assert.match(await insertCopies(65_535), /^TRANSACTION_TOO_LARGE /)
  assert.equal(await read({}), [])
  assert.is(await insertCopies(25_000), 'no error')
  assert.is((await read({}, 9_999)).length, 9_999)
})

test('a retried insert appends its bodies once and keeps its ids', async () => {
  await insert({ n: 0 })
  const before = writtenBytes()
  const insertion = new Insertion([jsonOf({ n: 1 }), jsonOf({ n: 2 })], true)
  let attempts = 0
  await member.store.transact(async tx => {
    await member.documents.insert(tx, bucket, insertion)
    if (++attempts > 2) return
    const key = primaryKey(bucket.data, insertion.prepare().ids.subarray(0, 12))
    const behind = Buffer.concat([key, Buffer.of(0)])
    await member.store.transact(other => other.addWriteConflictRange(key, behind))
  })
  assert.is(attempts, 3)
  assert.is(writtenBytes() - before, insertion.prepare().bodies.length)
  assert.is((await read({})).length, 3)
  assert.is(await usedBytes(), writtenBytes())
})

test('an insert writes its bodies again when its volume is opened again meanwhile', async () => {
  const insertion = new Insertion([jsonOf({ n: 1 })], true)
  const tx = member.store.begin()
  await member.documents.insert(tx, bucket, insertion)
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READONLY')
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READWRITE')
  assert.match(await errorOf(() => tx.commit()), /^NOT_COMMITTED /)
  await once(member.store, again => member.documents.insert(again, bucket, insertion))
  assert.is((await read({})).length, 1)
  assert.is(writtenBytes(), 2 * insertion.prepare().bodies.length)
})

test('a rolled-back insert leaves nothing to read', async () => {
  const tx = member.store.begin()
  await member.documents.insert(tx, bucket, new Insertion([jsonOf({ n: 1 })], true))
  tx.cancel()
  assert.equal(await read({}), [])
  assert.is(await usedBytes(), 0)
})

test('a transaction reads the documents that it inserted', async () => {
  const tx = member.store.begin()
  await member.documents.insert(tx, bucket, new Insertion([jsonOf({ _id: A })], true))
  const cursor = makeCursor(member, {})
  const { batch } = await member.documents.read(tx, cursor, { format: 'json', planned() {} })
  assert.is(batch.payload.toString(), `{"_id": "${A}"}`)
  assert.equal(await read({}), [])
  tx.cancel()
})

test('deletes one batch at a time, each document once', async () => {
  const ids = await insert(...Array.from({ length: 7 }, (_, n) => ({ n })))
  const cursor = makeCursor(member, {}, { kind: 'DELETE', limit: 3 })
  const removed: string[][] = []
  for (let i = 0; i < 4; i++) removed.push(await once(member.store, tx => remove(tx, cursor)))
  assert.equal(removed, [ids.slice(0, 3), ids.slice(3, 6), ids.slice(6), []])
  assert.equal(await read({}), [])
  assert.is(await usedBytes(), 0)
})

test('a delete that is refused leaves an open transaction as it was', async () => {
  await insert({ n: 1 }, { n: 2 })
  const tx = member.store.begin()
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READONLY')
  const cursor = makeCursor(member, {}, { kind: 'DELETE' })
  const refused = 'ERR shard id: 0 is not in READWRITE status'
  assert.is(await errorOf(() => remove(tx, cursor)), refused)
  assert.not(tx.hasMutations)
  await tx.commit()
  assert.is((await read({})).length, 2)
})

test('an update whose volume is opened again meanwhile cannot be committed', async () => {
  await insert({ n: 1 }, { n: 2 })
  const before = await usedBytes()
  const { bucketVolume: volume } = member
  const append = volume.append.bind(volume)
  const reopening: typeof append = async (...bodies) => {
    const locations = await append(...bodies)
    await member.cluster.administration.setShardStatus('BUCKET', 0, 'READONLY')
    await member.cluster.administration.setShardStatus('BUCKET', 0, 'READWRITE')
    return locations
  }
  const tx = member.store.begin()
  const cursor = makeCursor(member, {}, { kind: 'UPDATE', update: { $set: { n: 3 } } })
  volume.append = reopening
  const updating = () => member.documents.update(tx, cursor, () => {})
  assert.match(await errorOf(updating), /^NOT_COMMITTED /)
  volume.append = append
  // Whatever the caller thinks of the refusal.
  assert.match(await errorOf(() => tx.commit()), /^NOT_COMMITTED /)
  assert.equal((await read({ n: { $lt: 3 } })).length, 2)
  assert.is(await usedBytes(), before)
})

test('an INOPERABLE shard answers no reads', async () => {
  await insert({ n: 1 })
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'INOPERABLE')
  const inoperable = 'ERR shard id: 0 is in INOPERABLE status'
  assert.is(await errorOf(() => read({})), inoperable)
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READONLY')
  assert.is((await read({})).length, 1)
})

test('a removed or missing bucket is told to every reader', async () => {
  const cursor = { ...makeCursor(member, {}), bucket: 'none' }
  const readWith = (given: typeof cursor) => {
    const options = { format: 'json', planned() {} } as const
    return errorOf(() => once(member.store, tx => member.documents.read(tx, given, options)))
  }
  assert.is(await readWith(cursor), "NOSUCHBUCKET No such bucket: 'none'")
  await member.store.transact(async tx => {
    const key = bucketMetadataKey(member.namespace.prefix, Buffer.from('b'))
    const record: object = JSON.parse((await tx.get(key))!.toString())
    tx.set(key, jsonOf({ ...record, removal: { change: '1', token: 't' } }))
  })
  assert.is(
    await readWith(makeCursor(member, {})),
    "BUCKETBEINGREMOVED Bucket 'b' is being removed",
  )
})

/** A key that nothing else uses, among those of this test. */
function unrelated(): Buffer {
  return Buffer.concat([member.namespace.prefix, Buffer.of(0x7f)])
}

test('a snapshot read does not conflict with what it read', async () => {
  await insert({ _id: A })
  for (const snapshot of [true, false]) {
    const tx = member.store.begin()
    const cursor = makeCursor(member, {}, { snapshot })
    await member.documents.read(tx, cursor, { format: 'json', planned() {} })
    tx.set(unrelated(), Buffer.from('x'))
    await insert({})
    const error = await errorOf(() => tx.commit())
    if (snapshot) assert.is(error, 'no error')
    else assert.match(error, /^NOT_COMMITTED /)
  }
})

test('a read of a few documents conflicts only with those', async () => {
  await insert({ _id: A }, { _id: B })
  const tx = member.store.begin()
  await member.documents.read(tx, makeCursor(member, {}, { limit: 1 }), {
    format: 'json',
    planned() {},
  })
  tx.set(unrelated(), Buffer.from('x'))
  const cursor = makeCursor(member, { _id: B }, { kind: 'DELETE' })
  await once(member.store, other => remove(other, cursor))
  assert.is(await errorOf(() => tx.commit()), 'no error')
})

test('places buckets on the shards of this member in turn, or as asked', async () => {
  const { documents } = member
  assert.equal(
    [0, 1, 2].map(turn => documents.placeBucket([], turn)),
    [[0], [1], [0]],
  )
  assert.equal(documents.placeBucket([1, 0, 1], 0), [0, 1])
  const missing = 'ERR No route found for Bucket shard: 9999'
  assert.is(await errorOf(() => documents.placeBucket([0, 9999], 0)), missing)
})

test('a foreign shard is answered with the address of its primary', async () => {
  const other = await member.join()
  await other.cluster.routes.reload()
  const run = () => once(member.store, tx => other.documents.insert(tx, bucket, insertion))
  const insertion = new Insertion([jsonOf({ n: 1 })], true)
  assert.is(await errorOf(run), 'REJECT 0 127.0.0.1:5484')
  await insert({ n: 2 })
  const readThere = () => {
    const options = { format: 'json', planned() {} } as const
    const cursor = makeCursor(other, {})
    return once(member.store, tx => other.documents.read(tx, cursor, options))
  }
  assert.is(await errorOf(readThere), 'REJECT 0 127.0.0.1:5484')
  const remove = () => {
    const cursor = makeCursor(other, {}, { kind: 'DELETE' })
    return once(member.store, tx => other.documents.delete(tx, cursor, () => {}))
  }
  assert.is(await errorOf(remove), 'REJECT 0 127.0.0.1:5484')
  await other.close()
})

test('an insert is one change-log entry', async () => {
  await insert({ n: 1 }, { n: 2 })
  await insert({ n: 3 })
  const { begin, end } = prefixRange(changeLogPrefix(member.bucketVolume.prefix))
  const entries = await member.store.transact(tx => tx.getRangeAll(begin, end))
  assert.is(entries.count, 2)
})

test.run()
