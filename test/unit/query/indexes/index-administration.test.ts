/** Definitions and tasks in the store, without anybody who works on the tasks. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Bucket, changeIndex, openBucket } from '../../../../ts/query/buckets.js'
import {
  analyzeIndex,
  cardinality,
  createIndexes,
  type Drop,
  dropIndex,
  type IndexChange,
  requireIndex,
} from '../../../../ts/query/indexes/index-administration.js'
import { IndexIds } from '../../../../ts/query/indexes/index-schema.js'
import { type IndexTask, IndexTasks, TaskIds } from '../../../../ts/query/indexes/index-tasks.js'
import { type IndexDefinition, PRIMARY_INDEX } from '../../../../ts/query/indexes/indexes.js'
import { openClusterDirectory } from '../../../../ts/store/directory.js'
import { stampText } from '../../../../ts/store/stamp-text.js'
import type { Tx } from '../../../../ts/store/tx.js'
import type { MaybePromise } from '../../../../ts/store/types.js'
import {
  type DataMember,
  errorOf,
  insertJson,
  makeBucket,
  once,
  openDataMember,
} from '../../../support/data-member.js'

let member: DataMember
let tasks: IndexTasks

test.before.each(async () => {
  member = await openDataMember()
  tasks = new IndexTasks(
    await openClusterDirectory(member.store, member.config.cluster.name, 'tasks'),
  )
  await makeBucket(member)
})
test.after.each(() => member.close())

type Work = (tx: Tx, change: IndexChange) => MaybePromise<void>

/** Does a change as a command does, once. */
async function change(work: Work, taskIds?: TaskIds): Promise<void> {
  const { store, namespace } = member
  const ids = taskIds ?? new TaskIds(await store.readVersion())
  await once(store, async tx => {
    const bucket = await openBucket(tx, namespace, 'b')
    await work(tx, { place: { namespace, bucket }, tasks, taskIds: ids })
  })
}

const open = (): Promise<Bucket> =>
  member.store.transact(tx => openBucket(tx, member.namespace, 'b'))

const indexOf = async (name: string): Promise<IndexDefinition> => requireIndex(await open(), name)

async function tasksOf(name: string): Promise<IndexTask[]> {
  const bucket = await open()
  const { id } = requireIndex(bucket, name)
  return member.store.transact(tx => tasks.list(tx, bucket, id))
}

const create = (schema: string, ids = new IndexIds()): Work => {
  return (tx, at) => createIndexes(tx, at, { schema: Buffer.from(schema), ids })
}
const drop = (name: string): Work => {
  const dropped: Drop = { name }
  return (tx, at) => dropIndex(tx, at, dropped)
}
const analyze = (name: string): Work => {
  return (tx, at) => analyzeIndex(tx, at, name)
}

/** Changes the one index `n` behind everybody's back. */
async function put(changed: Partial<IndexDefinition> | null): Promise<void> {
  const { id } = await indexOf('n')
  await member.store.transact(async tx => {
    changeIndex(tx, await openBucket(tx, member.namespace, 'b'), { id, change: changed })
  })
}

async function endTasks(name: string, status: IndexTask['status']): Promise<void> {
  const bucket = await open()
  for (const task of await tasksOf(name)) {
    await member.store.transact(tx => tasks.update(tx, bucket, { ...task, status }))
  }
}

const NEW = '{"n": {"bson_type": "int32", "name": "n"}}'

test('a new index waits, with a task that begins its build', async () => {
  const before = await open()
  await change(create(NEW))
  const index = await indexOf('n')
  assert.is(index.status, 'WAITING')
  assert.is((await open()).version, before.version + 1)
  const [task, ...others] = await tasksOf('n')
  assert.equal(others, [])
  assert.equal(
    { ...task, id: task!.id.length },
    {
      id: 12,
      index: index.id,
      kind: 'BOUNDARY',
      status: 'WAITING',
      error: '',
    },
  )
  assert.match(stampText(task!.id), /^[0-9A-V]{20}x{4}$/)
  assert.is(await errorOf(() => change(create(NEW))), "ERR An index on field 'n' already exists")
})

test('an index is made, dropped and analyzed once, however often it is attempted', async () => {
  const { store } = member
  const ids = new IndexIds()
  const taskIds = async () => new TaskIds(await store.readVersion())
  for (const [work, status] of [
    [create(NEW, ids), 'WAITING'],
    [analyze('n'), 'READY'],
    [drop('n'), 'DROPPED'],
  ] as const) {
    const one = await taskIds()
    await change(work, one)
    const bucket = await open()
    const found = await tasksOf('n')
    await change(work, one)
    assert.is(await open(), bucket, 'the record is the same')
    assert.equal(await tasksOf('n'), found)
    assert.is((await indexOf('n')).status, status)
    await endTasks('n', 'COMPLETED')
    if (status === 'WAITING') await put({ status: 'READY' })
  }
})

test('an index with work on it is not dropped', async () => {
  await change(create(NEW))
  for (const status of ['WAITING', 'RUNNING'] as const) {
    await endTasks('n', status)
    assert.is(await errorOf(() => change(drop('n'))), 'ERR Index has active tasks')
  }
  await endTasks('n', 'COMPLETED')
  await put({ status: 'READY' })
  await change(analyze('n'))
  assert.is(await errorOf(() => change(drop('n'))), 'ERR Index has active tasks')
})

test('an index whose build has failed is dropped', async () => {
  await change(create(NEW))
  await endTasks('n', 'FAILED')
  await put({ status: 'FAILED' })
  await change(drop('n'))
  assert.is((await indexOf('n')).status, 'DROPPED')
  assert.equal((await tasksOf('n')).map(({ kind }) => kind).sort(), ['BOUNDARY', 'DROP'])
})

test('a dropped index keeps its name and its path until it is gone', async () => {
  await change(create(NEW))
  await endTasks('n', 'COMPLETED')
  await put({ status: 'READY' })
  await change(drop('n'))
  const again = "ERR Index is already in the 'DROPPED' status"
  assert.is(await errorOf(() => change(drop('n'))), again)
  const taken = '{"m": {"bson_type": "int32", "name": "n"}}'
  assert.is(await errorOf(() => change(create(taken))), "ERR 'n' has already exist")
  assert.is(await errorOf(() => change(create(NEW))), "ERR An index on field 'n' already exists")
  await put(null)
  assert.is(await errorOf(() => indexOf('n')), "NOSUCHINDEX No such index: 'n'")
  await change(create(NEW))
})

test('only a READY index is analyzed, one at a time', async () => {
  await change(create(NEW))
  await endTasks('n', 'COMPLETED')
  for (const status of ['WAITING', 'BUILDING', 'DROPPED', 'FAILED'] as const) {
    await put({ status })
    assert.is(
      await errorOf(() => change(analyze('n'))),
      `ERR Cannot analyze index: index is not in READY state (current=${status})`,
    )
  }
  await put({ status: 'READY' })
  await change(analyze('n'))
  const twice = 'ERR An analyze task has already exist'
  assert.is(await errorOf(() => change(analyze('n'))), twice)
  await endTasks('n', 'COMPLETED')
  await change(analyze('n'))
  await change(analyze(PRIMARY_INDEX.name))
})

test('what was opened before a change of the indexes cannot commit behind it', async () => {
  const { store, namespace } = member
  const writer = store.begin()
  const { data } = await openBucket(writer, namespace, 'b')
  writer.set(data, Buffer.alloc(0))
  await change(create(NEW))
  assert.match(await errorOf(() => writer.commit()), /^NOT_COMMITTED /)
})

test('a parsed record is used again as long as its bytes are the same', async () => {
  const bucket = await open()
  assert.is(await open(), bucket)
  await change(create(NEW))
  assert.is.not(await open(), bucket)
  assert.equal(bucket.indexes, [])
})

test('tasks of the whole cluster are found, with the place of their bucket', async () => {
  const { store, namespace } = member
  await change(create('{"a": {"bson_type": "int32"}, "b": {"bson_type": "int32"}}'))
  const bucket = await open()
  const all = await store.transact(tx => tasks.queued(tx, { limit: 10 }))
  assert.equal(all.map(({ index }) => index).sort(), bucket.indexes.map(({ id }) => id).sort())
  for (const queued of all) {
    assert.equal(queued.namespace, namespace.prefix)
    assert.is(queued.bucket, 'b')
    assert.equal(queued.prefix, bucket.prefix)
    const [task] = await store.transact(tx => tasks.list(tx, bucket, queued.index))
    assert.equal(task!.id, queued.id)
  }
  const [first, second] = all
  assert.equal(await store.transact(tx => tasks.queued(tx, { limit: 1 })), [first])
  const behind = { after: first!.key, limit: 10 }
  assert.equal(await store.transact(tx => tasks.queued(tx, behind)), [second])
  await store.transact(tx => tasks.delete(tx, bucket, first!))
  await store.transact(tx => tasks.drop(tx, second!))
  assert.equal(await store.transact(tx => tasks.queued(tx, { limit: 10 })), [])
  assert.equal(await store.transact(tx => tasks.list(tx, bucket, first!.index)), [])
})

test('an added task is told to those that watch', async () => {
  const watch = member.store.watch(tasks.addedKey)
  await change(create(NEW))
  await watch.promise
})

test('a build keeps its progress', async () => {
  await change(create(NEW))
  const bucket = await open()
  const [task] = await tasksOf('n')
  const build = { shard: 3, cursor: Buffer.alloc(12, 7), lower: null, upper: Buffer.alloc(12, 9) }
  const running: IndexTask = { ...task!, kind: 'BUILD', status: 'RUNNING', build }
  await member.store.transact(tx => tasks.update(tx, bucket, running))
  assert.equal(await tasksOf('n'), [running])
})

test('the primary index counts documents', async () => {
  const bucket = await open()
  const count = () => member.store.transact(tx => cardinality(tx, bucket, PRIMARY_INDEX.id))
  assert.is(await count(), 0n)
  await insertJson(member, bucket, [{ n: 1 }, { n: 2 }, { n: 3 }])
  assert.is(await count(), 3n)
})

test.run()
