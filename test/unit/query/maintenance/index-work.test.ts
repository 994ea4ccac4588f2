/** Tasks of indexes, one step at a time: whose they are, how they end, where they go on. */
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Bucket, changeBucket, openBucket } from '../../../../ts/query/buckets.js'
import {
  createIndexes,
  dropIndex,
  type IndexChange,
  requireIndex,
} from '../../../../ts/query/indexes/index-administration.js'
import { IndexIds } from '../../../../ts/query/indexes/index-schema.js'
import {
  type IndexTask,
  IndexTasks,
  type QueuedTask,
  TaskIds,
} from '../../../../ts/query/indexes/index-tasks.js'
import { IndexStatistics } from '../../../../ts/query/maintenance/index-statistics.js'
import { verifyBucket } from '../../../../ts/query/maintenance/index-verification.js'
import { IndexWork, type IndexWorkParts } from '../../../../ts/query/maintenance/index-work.js'
import { IndexWorker } from '../../../../ts/query/maintenance/index-worker.js'
import { openClusterDirectory } from '../../../../ts/store/directory.js'
import { primaryKey } from '../../../../ts/store/keyspace.js'
import type { Tx } from '../../../../ts/store/tx.js'
import type { MaybePromise } from '../../../../ts/store/types.js'
import {
  type DataMember,
  insertJson,
  makeBucket,
  openDataMember,
} from '../../../support/data-member.js'
import { until } from '../../../support/wait.js'

const SHARDS = 2
const HOUR_MS = 3_600_000
const LARGE_SEGMENTS = 'bucket.volume.segment_size=16777216'

let member: DataMember
let tasks: IndexTasks
let work: IndexWork

test.before.each(async () => {
  member = await openDataMember([`bucket.shards=${SHARDS}`, LARGE_SEGMENTS])
  const { store, config } = member
  tasks = new IndexTasks(await openClusterDirectory(store, config.cluster.name, 'tasks'))
  work = workOf(member)
})
test.after.each(() => member.close())

function partsOf(of: DataMember): IndexWorkParts {
  const { store, namespaces, volumes, cluster } = of
  const log = pino({ level: 'silent' })
  const statistics = new IndexStatistics({ store, log, now: () => performance.now() })
  const { routes } = cluster
  return { store, namespaces, volumes, routes, tasks, statistics, log, isStrict: true }
}

const workOf = (of: DataMember): IndexWork => new IndexWork(partsOf(of))

const open = (): Promise<Bucket> =>
  member.store.transact(tx => openBucket(tx, member.namespace, 'b'))

async function change(body: (tx: Tx, change: IndexChange) => MaybePromise<void>): Promise<void> {
  const { store, namespace } = member
  const taskIds = new TaskIds(await store.readVersion())
  await store.transact(async tx => {
    const bucket = await openBucket(tx, namespace, 'b')
    await body(tx, { place: { namespace, bucket }, tasks, taskIds })
  })
}

/** Makes an index `n`, WAITING. */
async function create(isUnique = false): Promise<void> {
  const schema = { n: { bson_type: 'int32', name: 'n', unique: isUnique } }
  const made = { schema: Buffer.from(JSON.stringify(schema)), ids: new IndexIds() }
  await change((tx, at) => createIndexes(tx, at, made))
}

const queued = (): Promise<QueuedTask[]> =>
  member.store.transact(tx => tasks.queued(tx, { limit: 100 }))

async function list(): Promise<IndexTask[]> {
  const bucket = await open()
  const { id } = requireIndex(bucket, 'n')
  return member.store.transact(tx => tasks.list(tx, bucket, id))
}

const status = async (): Promise<string> => requireIndex(await open(), 'n').status

/** The one task of the queue. */
async function onlyTask(): Promise<QueuedTask> {
  const [task, ...others] = await queued()
  assert.equal(others, [])
  return task!
}

/** @returns steps that it took */
async function finish(task: QueuedTask, by = work): Promise<number> {
  for (let steps = 1; ; steps++) {
    const outcome = await by.step(task)
    if (outcome === 'over') return steps
    assert.is(outcome, 'more')
  }
}

/** A bucket with documents, all of them in shard 0. */
async function filled(count: number, shards = [0]): Promise<string[]> {
  const bucket = await makeBucket(member, 'b', shards)
  const documents = Array.from({ length: count }, (_, n) => ({ n }))
  return insertJson(member, bucket, documents)
}

test('a build goes through 100 documents a step, from where it was', async () => {
  const ids = await filled(250)
  await create()
  assert.is(await status(), 'WAITING')
  await finish(await onlyTask())
  assert.is(await status(), 'BUILDING')
  const build = await onlyTask()
  assert.is(await work.step(build), 'more')
  const [task] = await list()
  assert.is(task!.status, 'RUNNING')
  assert.is(task!.build!.cursor!.toString('hex'), ids[99])
  assert.is(task!.build!.lower!.toString('hex'), ids[0])
  // Nobody keeps anything in memory.
  assert.is(await finish(build, workOf(member)), 2)
  assert.is(await status(), 'READY')
  assert.equal([await list(), await queued()], [[], []])
  assert.is(await work.step(build), 'over')
})

test('the index is READY when the builds of all shards are through', async () => {
  await filled(10, [0, 1])
  await create()
  await finish(await onlyTask())
  const builds = await queued()
  assert.is(builds.length, SHARDS)
  await finish(builds[1]!)
  assert.is(await status(), 'BUILDING')
  const statuses = (await list()).map(task => task.status)
  assert.equal(statuses, ['WAITING', 'COMPLETED'])
  assert.is((await queued()).length, 1)
  await finish(builds[0]!)
  assert.is(await status(), 'READY')
  assert.equal([await list(), await queued()], [[], []])
})

test('a build that fails stops those of other shards', async () => {
  const bucket = await makeBucket(member, 'b', [0, 1])
  await insertJson(member, bucket, [{ n: 1 }, { n: 1 }])
  await create(true)
  await finish(await onlyTask())
  // The documents are in shard 0; the order of the tasks is random.
  const own = (await list()).find(({ build }) => build!.shard === 0)!
  await finish((await queued()).find(({ id }) => id.equals(own.id))!)
  assert.is(await status(), 'FAILED')
  const found = (await list()).map(({ status, error }) => `${status} ${error}`)
  assert.equal(found.sort(), ["FAILED Duplicate key: 'n' 1", 'STOPPED '])
  assert.equal(await queued(), [])
  await change((tx, at) => dropIndex(tx, at, { name: 'n' }))
  await finish(await onlyTask())
  assert.equal((await open()).indexes, [])
})

test('a damaged document fails the build and is named', async () => {
  const [id] = await filled(1)
  await create()
  await finish(await onlyTask())
  const { data } = await open()
  await member.store.transact(async tx => {
    const key = primaryKey(data, Buffer.from(id!, 'hex'))
    const pointer = Buffer.from((await tx.get(key))!)
    pointer[pointer.length - 1]! ^= 1
    tx.set(key, pointer)
  })
  await finish(await onlyTask())
  assert.is((await list())[0]!.error, `Document ${id} is damaged`)
})

test('documents with many entries are built a few at a time', async () => {
  const bucket = await makeBucket(member)
  const n = Array.from({ length: 2_000 }, (_, i) => i)
  for (let i = 0; i < 40; i++) await insertJson(member, bucket, [{ n }])
  await create()
  await finish(await onlyTask())
  assert.ok((await finish(await onlyTask())) > 3)
  assert.is(await status(), 'READY')
  const { store, documents, volumes, namespace } = member
  const parts = { store, documents, context: volumes.scanContext }
  const report = await verifyBucket(parts, { namespace, name: 'b' })
  assert.equal(report, { documents: 40, entries: 80_000, errors: [] })
})

test('a document with more entries than a transaction holds fails the build', async () => {
  const bucket = await makeBucket(member)
  await insertJson(member, bucket, [{ n: Array.from({ length: 150_000 }, (_, i) => i) }])
  await create()
  await finish(await onlyTask())
  await finish(await onlyTask())
  assert.is(await status(), 'FAILED')
  assert.equal(
    (await list()).map(({ error }) => error),
    ['Transaction exceeds byte limit'],
  )
})

test('tasks are left to the primary of the shard', async () => {
  const other = await member.join()
  try {
    await filled(5)
    await create()
    const task = await onlyTask()
    assert.is(await workOf(other).step(task), 'elsewhere')
    assert.is(await status(), 'WAITING')
    await finish(task)
    const build = await onlyTask()
    assert.is(await workOf(other).step(build), 'elsewhere')
    await finish(build)
    assert.is(await status(), 'READY')
  } finally {
    await other.close()
  }
})

test('nobody works on a shard that is INOPERABLE', async () => {
  const { administration } = member.cluster
  await filled(5)
  await create()
  await finish(await onlyTask())
  await administration.setShardStatus('BUCKET', 0, 'INOPERABLE')
  assert.is(await work.step(await onlyTask()), 'elsewhere')
  await administration.setShardStatus('BUCKET', 0, 'READWRITE')
  await finish(await onlyTask())
  assert.is(await status(), 'READY')
})

test('tasks of a removed bucket, and of a purged namespace, are forgotten', async () => {
  await filled(5)
  await create()
  const task = await onlyTask()
  await member.store.transact(async tx => {
    const bucket = await openBucket(tx, member.namespace, 'b')
    changeBucket(tx, bucket, { removal: { change: '1', token: 't' } })
  })
  assert.is(await work.step(task), 'over')
  assert.equal(await queued(), [])
  const { namespaces } = member
  await namespaces.create('doomed')
  const namespace = await namespaces.resolve('doomed')
  const stray = { ...member, namespace }
  const bucket = await makeBucket(stray, 'other')
  await member.store.transact(tx => {
    const id = new TaskIds(1n).at(0)
    const lost = { id, index: 7n, kind: 'DROP', status: 'WAITING', error: '' } as const
    tasks.add(tx, { namespace, bucket }, lost)
  })
  await namespaces.remove('doomed')
  assert.is(await work.step(await onlyTask()), 'over')
  assert.equal(await queued(), [])
})

test('the worker wakes when a task is added, and stops in the middle of one', async () => {
  await filled(20_000)
  const worker = new IndexWorker({ ...partsOf(member), poolSize: 1, intervalMs: HOUR_MS })
  worker.start()
  await create()
  await until('the build is under way', async () => (await status()) !== 'WAITING')
  await worker.stop()
  const before = await list()
  const again = new IndexWorker({ ...partsOf(member), poolSize: 1, intervalMs: HOUR_MS })
  assert.equal(await list(), before)
  again.start()
  await until('the index is READY', async () => (await status()) === 'READY')
  await again.stop()
})

test.run()
