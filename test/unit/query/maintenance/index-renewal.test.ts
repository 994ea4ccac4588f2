/** Indexes whose keys another version of the collator made: not read, not written, built again. */
import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Bucket, changeIndex, createBucket, openBucket } from '../../../../ts/query/buckets.js'
import { cardinality, requireIndex } from '../../../../ts/query/indexes/index-administration.js'
import { IndexIds, parseIndexSchema } from '../../../../ts/query/indexes/index-schema.js'
import { type IndexTask, IndexTasks } from '../../../../ts/query/indexes/index-tasks.js'
import type { IndexDefinition } from '../../../../ts/query/indexes/indexes.js'
import { Insertion } from '../../../../ts/query/insertion.js'
import { IndexStatistics } from '../../../../ts/query/maintenance/index-statistics.js'
import { verifyBucket } from '../../../../ts/query/maintenance/index-verification.js'
import { IndexWork } from '../../../../ts/query/maintenance/index-work.js'
import { openClusterDirectory } from '../../../../ts/store/directory.js'
import { indexPrefix, prefixRange } from '../../../../ts/store/keyspace.js'
import {
  type DataMember,
  errorOf,
  insertJson,
  jsonOf,
  makeCursor,
  once,
  openDataMember,
} from '../../../support/data-member.js'
import { until } from '../../../support/wait.js'

const OLD = 'icu4x-0.0.0/cldr-0.0.0'
const SCHEMA = {
  s: { bson_type: 'string', name: 's', collation: { locale: 'en', strength: 1 } },
  u: { bson_type: 'string', name: 'u', unique: true, collation: { locale: 'en', strength: 1 } },
  n: { bson_type: 'int32', name: 'n' },
}
const DOCUMENTS = ['cafe', 'Café', 'cave'].map((s, n) => ({ s, u: `u${n}`, n }))

let member: DataMember
let tasks: IndexTasks
let work: IndexWork

test.before.each(async () => {
  member = await openDataMember()
  const { store, config, namespaces, namespace, volumes, cluster, registry } = member
  tasks = new IndexTasks(await openClusterDirectory(store, config.cluster.name, 'tasks'))
  const log = pino({ level: 'silent' })
  const statistics = new IndexStatistics({ store, log, now: () => performance.now() })
  const { routes } = cluster
  const parts = { store, namespaces, volumes, routes, tasks, statistics, log, isStrict: true }
  work = new IndexWork(parts)
  const target = { existing: [], collation: null, status: 'READY', ids: new IndexIds() } as const
  const indexes = () => parseIndexSchema(jsonOf(SCHEMA), target)
  const made = { name: 'b', uuid: randomUUID(), shards: [0], registry, indexes }
  await store.transact(tx => createBucket(tx, namespace, made))
  await insertJson(member, await open(), DOCUMENTS)
})
test.after.each(() => member.close())

const open = (): Promise<Bucket> =>
  member.store.transact(tx => openBucket(tx, member.namespace, 'b'))

const indexOf = async (name: string): Promise<IndexDefinition> => requireIndex(await open(), name)

async function change(name: string, changed: Partial<IndexDefinition>): Promise<void> {
  const { id } = await indexOf(name)
  await member.store.transact(async tx => {
    changeIndex(tx, await openBucket(tx, member.namespace, 'b'), { id, change: changed })
  })
}

/** Makes an index one of another version: what it holds is no use, so that a reader would miss
 *  documents. */
async function age(name: string, changed: Partial<IndexDefinition> = {}): Promise<void> {
  await change(name, { collatorVersion: OLD, ...changed })
  const { data } = await open()
  const { begin, end } = prefixRange(indexPrefix(data, (await indexOf(name)).id))
  await member.store.transact(tx => tx.clearRange(begin, end))
}

async function find(filter: object): Promise<number> {
  const { store, documents } = member
  const cursor = makeCursor(member, filter)
  const { batch } = await once(store, tx => {
    return documents.read(tx, cursor, { format: 'json', planned() {} })
  })
  return batch.ends.length
}

async function tasksOf(name: string): Promise<IndexTask[]> {
  const bucket = await open()
  const { id } = requireIndex(bucket, name)
  return member.store.transact(tx => tasks.list(tx, bucket, id))
}

async function finishAll(): Promise<void> {
  for (;;) {
    const queued = await member.store.transact(tx => tasks.queued(tx, { limit: 100 }))
    if (queued.length === 0) return
    for (const task of queued) await work.step(task)
  }
}

async function assertBuilt(name: string, entries: number): Promise<void> {
  const { store, documents, volumes, namespace } = member
  const index = await indexOf(name)
  assert.is(index.status, 'READY')
  assert.is.not(index.collatorVersion, OLD)
  assert.is(index.isRebuilt, false)
  const bucket = await open()
  assert.is(await store.transact(tx => cardinality(tx, bucket, index.id)), BigInt(entries))
  const parts = { store, documents, context: volumes.scanContext }
  assert.equal((await verifyBucket(parts, { namespace, name: 'b' })).errors, [])
}

test('a query does without the index, finds the same, and has it built again', async () => {
  assert.is(await find({ s: 'CAFE' }), 2)
  await age('s')
  assert.is(await find({ s: 'CAFE' }), 2)
  await until('it is WAITING', async () => (await indexOf('s')).status === 'WAITING')
  assert.equal(
    (await tasksOf('s')).map(({ kind, status }) => [kind, status]),
    [['BOUNDARY', 'WAITING']],
  )
  assert.is(await find({ s: 'CAFE' }), 2)
  const [queued] = await member.store.transact(tx => tasks.queued(tx, { limit: 100 }))
  await work.step(queued!)
  assert.is((await indexOf('s')).status, 'BUILDING')
  assert.is(await find({ s: 'CAFE' }), 2)
  await finishAll()
  await assertBuilt('s', 3)
  assert.is(await find({ s: 'CAFE' }), 2)
  assert.is((await indexOf('n')).status, 'READY')
})

test('a write adds no key of another version, it begins again', async () => {
  await age('s')
  const { store, documents } = member
  const bucket = await open()
  const remove = makeCursor(member, { n: 0 }, { kind: 'DELETE' })
  const deleting = () => once(store, tx => documents.delete(tx, remove, () => {}))
  assert.match(await errorOf(deleting), /^NOT_COMMITTED /)
  assert.is((await indexOf('s')).status, 'WAITING')
  await once(store, tx => documents.delete(tx, remove, () => {}))
  // The bucket as it was: its commit would conflict.
  const insertion = new Insertion([jsonOf({ s: 'x', u: 'x' })], true)
  const inserting = () => once(store, tx => documents.insert(tx, bucket, insertion))
  assert.match(await errorOf(inserting), /^NOT_COMMITTED /)
  await insertJson(member, await open(), [{ s: 'CAFE', u: 'x' }])
  assert.is(await find({ s: 'cafe' }), 2)
  await finishAll()
  await assertBuilt('s', 3)
})

test('a command that is repeated does not notice', async () => {
  await age('s')
  const { store, documents } = member
  const options = { kind: 'UPDATE', update: { $set: { s: 'other' } } } as const
  const cursor = makeCursor(member, { s: 'CAFE' }, options)
  const { ids } = await store.transact(tx => {
    return documents.update(tx, cursor, () => {})
  })
  assert.is(ids.length, 2)
  await finishAll()
  await assertBuilt('s', 3)
  assert.is(await find({ s: 'OTHER' }), 2)
})

test('values of a unique index are still one document’s', async () => {
  await age('u')
  assert.is(await find({ u: 'U1' }), 1)
  await until('it is WAITING', async () => (await indexOf('u')).status === 'WAITING')
  await finishAll()
  await assertBuilt('u', 3)
  const inserting = async () => insertJson(member, await open(), [{ u: 'U2' }])
  assert.is(await errorOf(inserting), "DUPLICATEKEY Duplicate key: 'u' U2")
})

test('a build of another version begins again', async () => {
  await age('s')
  await find({ s: 'x' })
  await until('it is WAITING', async () => (await indexOf('s')).status === 'WAITING')
  const [boundary] = await member.store.transact(tx => tasks.queued(tx, { limit: 100 }))
  await work.step(boundary!)
  await change('s', { collatorVersion: OLD })
  const [build] = await member.store.transact(tx => tasks.queued(tx, { limit: 100 }))
  assert.is(await work.step(build!), 'over')
  assert.is((await indexOf('s')).status, 'WAITING')
  assert.is((await indexOf('s')).isRebuilt, true)
  assert.is((await tasksOf('s'))[0]!.kind, 'BOUNDARY')
  await finishAll()
  await assertBuilt('s', 3)
})

test('what is not in use is left as it is', async () => {
  for (const status of ['DROPPED', 'FAILED'] as const) {
    await age('s', { status })
    assert.is(await find({ s: 'cafe' }), 1)
    await insertJson(member, await open(), [{ s: status, u: status }])
    const { collatorVersion, status: kept } = await indexOf('s')
    assert.equal([collatorVersion, kept], [OLD, status])
    assert.equal(await tasksOf('s'), [])
  }
})

test.run()
