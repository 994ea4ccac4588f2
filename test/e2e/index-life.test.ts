/**
 * The life of an index, stopped where it can be looked at: nobody works on a shard that is
 * INOPERABLE, so a build stays where it is.
 */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import {
  assertVerified,
  createIndexes,
  describeIndex,
  entryCount,
  insertAll,
  tasksOf,
  untilStatus,
} from '../support/indexes.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('the life of an index', ['bucket.shards=2'])

const COUNT = 3_000
const SCHEMA = { n: { bson_type: 'int32', name: 'n' } }

const json = async (): Promise<RespClient> => useJson(await server.connect(3))

async function setStatus(shard: number, status: 'INOPERABLE' | 'READWRITE'): Promise<void> {
  const admin = await server.connectAdmin()
  await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'BUCKET', String(shard), status)
  admin.close()
}

/** Documents with n from 0 up, in a bucket on these shards. */
async function filled(client: RespClient, bucket: string, ...shards: string[]): Promise<void> {
  await client.call('BUCKET.CREATE', bucket, 'SHARDS', ...shards)
  await insertAll(
    client,
    bucket,
    Array.from({ length: COUNT }, (_, n) => ({ n })),
  )
}

async function statusOf(client: RespClient, bucket: string, name = 'n'): Promise<string> {
  const described = await describeIndex(client, bucket, name)
  return described === 'gone' ? 'gone' : String(described.get('status'))
}

async function nodeOf(client: RespClient, bucket: string, filter: string): Promise<Data> {
  const reply = (await client.call('BUCKET.EXPLAIN', bucket, filter)) as Map<Data, Data>
  return (reply.get('plan') as Map<Data, Data>).get('nodeType')!
}

const dropping = (bucket: string): string[] => ['BUCKET.INDEX', 'DROP', bucket, 'n']
const ACTIVE = 'ERR Index has active tasks'
const notReady = (status: string): string =>
  `ERR Cannot analyze index: index is not in READY state (current=${status})`

test('WAITING: a task is there, the index is neither read nor dropped nor analyzed', async () => {
  const client = await json()
  await filled(client, 'waiting', '0')
  await setStatus(0, 'INOPERABLE')
  try {
    await createIndexes(client, 'waiting', SCHEMA)
    assert.is(await statusOf(client, 'waiting'), 'WAITING')
    const [task, ...others] = await tasksOf(client, 'waiting', 'n')
    assert.equal(others, [])
    assert.equal(Object.entries(task!), [
      ['kind', 'BOUNDARY'],
      ['status', 'WAITING'],
      ['error', ''],
    ])
    assert.is(await client.error(...dropping('waiting')), ACTIVE)
    const analysis = ['BUCKET.INDEX', 'ANALYZE', 'waiting', 'n']
    assert.is(await client.error(...analysis), notReady('WAITING'))
    assert.is(await nodeOf(client, 'waiting', '{"n": 1}'), 'FullScan')
    await server.restart()
    const again = await json()
    assert.is(await statusOf(again, 'waiting'), 'WAITING')
    assert.is((await tasksOf(again, 'waiting', 'n')).length, 1)
  } finally {
    await setStatus(0, 'READWRITE')
  }
  const last = await json()
  await untilStatus(last, 'READY', { bucket: 'waiting', name: 'n' })
  assert.is(await entryCount(last, 'waiting', 'n'), COUNT)
  assert.is(await nodeOf(last, 'waiting', '{"n": 1}'), 'IndexScan')
  assert.is(await assertVerified(last, 'waiting', 'after the build'), COUNT)
})

/** Waits until the build of shard 0 is through; that of shard 1 has not begun.
 *  @returns the tasks */
async function halfBuilt(client: RespClient, bucket: string): Promise<Record<string, Data>[]> {
  const statuses = async () => (await tasksOf(client, bucket, 'n')).map(({ status }) => status)
  await until('one shard is built', async () => {
    return (await statuses()).toSorted().join() === 'COMPLETED,WAITING'
  })
  return tasksOf(client, bucket, 'n')
}

test('BUILDING: writes are kept up and checked, queries do not read it', async () => {
  const client = await json()
  await filled(client, 'building', '0', '1')
  await setStatus(1, 'INOPERABLE')
  try {
    await createIndexes(client, 'building', { n: { ...SCHEMA.n, unique: true } })
    const tasks = await halfBuilt(client, 'building')
    for (const task of tasks) {
      const names = ['kind', 'cursor', 'lower', 'upper', 'status', 'error']
      assert.equal(Object.keys(task), names)
      assert.is(task.kind, 'BUILD')
      assert.match(String(task.lower), /^[0-9a-f]{24}$/)
      assert.match(String(task.upper), /^[0-9a-f]{24}$/)
      assert.ok(String(task.lower) < String(task.upper))
    }
    assert.is(await statusOf(client, 'building'), 'BUILDING')
    assert.is(await client.error(...dropping('building')), ACTIVE)
    const analysis = ['BUCKET.INDEX', 'ANALYZE', 'building', 'n']
    assert.is(await client.error(...analysis), notReady('BUILDING'))
    const insertion = ['BUCKET.INSERT', 'building', 'DOCS']
    assert.is(await client.error(...insertion, '{"n": 7}'), "DUPLICATEKEY Duplicate key: 'n' 7")
    const before = await entryCount(client, 'building', 'n')
    await client.call(...insertion, `{"n": ${COUNT}}`)
    assert.is(await entryCount(client, 'building', 'n'), before + 1)
    assert.is(await nodeOf(client, 'building', '{"n": 1}'), 'FullScan')
    // Shard 1 is not readable, so that whoever reads documents is told.
    const inoperable = 'ERR shard id: 1 is in INOPERABLE status'
    assert.is(await client.error('BUCKET.QUERY', 'building', '{"n": 1}'), inoperable)
    await server.restart()
    const again = await json()
    assert.equal(await tasksOf(again, 'building', 'n'), tasks)
  } finally {
    await setStatus(1, 'READWRITE')
  }
  const last = await json()
  await untilStatus(last, 'READY', { bucket: 'building', name: 'n' })
  assert.equal(await tasksOf(last, 'building', 'n'), [])
  assert.is(await assertVerified(last, 'building', 'after the build'), COUNT + 1)
  assert.is((await queryAll(last, 'building', `{"n": ${COUNT}}`)).length, 1)
})

/** Catches a build in the middle of a shard: stopped, and tried again when it was too fast. */
async function caughtBuild(client: RespClient, bucket: string): Promise<string> {
  for (;;) {
    await createIndexes(client, bucket, SCHEMA)
    let cursor = ''
    while (cursor === '' && (await statusOf(client, bucket)) !== 'READY') {
      cursor = String((await tasksOf(client, bucket, 'n'))[0]?.cursor ?? '')
    }
    await setStatus(0, 'INOPERABLE')
    const [task] = await tasksOf(client, bucket, 'n')
    if (task !== undefined) return String(task.cursor)
    await setStatus(0, 'READWRITE')
    await client.call(...dropping(bucket))
    await untilStatus(client, 'gone', { bucket, name: 'n' })
  }
}

test('a build in the middle of a shard goes on over a restart from where it was', async () => {
  const client = await json()
  await filled(client, 'middle', '0')
  for (let i = 0; i < 4; i++) {
    await insertAll(
      client,
      'middle',
      Array.from({ length: COUNT }, (_, n) => ({ n })),
    )
  }
  const cursor = await caughtBuild(client, 'middle')
  const entries = await entryCount(client, 'middle', 'n')
  assert.ok(entries > 0 && entries < 5 * COUNT, `${entries}`)
  await server.restart()
  const again = await json()
  const [task] = await tasksOf(again, 'middle', 'n')
  // A step that was under way may have ended.
  assert.ok(String(task!.cursor) >= cursor, `${task!.cursor} is behind ${cursor}`)
  assert.is(task!.status, 'RUNNING')
  assert.is(await statusOf(again, 'middle'), 'BUILDING')
  await setStatus(0, 'READWRITE')
  await untilStatus(again, 'READY', { bucket: 'middle', name: 'n' })
  assert.is(await assertVerified(again, 'middle', 'after the build'), 5 * COUNT)
})

test('DROPPED: listed until it is gone, neither read nor written nor unique', async () => {
  const client = await json()
  const schema = JSON.stringify({ n: { ...SCHEMA.n, unique: true } })
  await client.call('BUCKET.CREATE', 'dropped', 'INDEXES', schema, 'SHARDS', '0')
  await insertAll(client, 'dropped', [{ n: 1 }, { n: 2 }])
  await setStatus(0, 'INOPERABLE')
  try {
    assert.is(await client.call(...dropping('dropped')), 'OK')
    assert.is(await statusOf(client, 'dropped'), 'DROPPED')
    assert.equal(await client.call('BUCKET.INDEX', 'LIST', 'dropped'), ['n', 'primary-index'])
    const tasks = await tasksOf(client, 'dropped', 'n')
    assert.equal(tasks, [{ kind: 'DROP', status: 'WAITING', error: '' }])
    const dropped = "ERR Index is already in the 'DROPPED' status"
    assert.is(await client.error(...dropping('dropped')), dropped)
    const analysis = ['BUCKET.INDEX', 'ANALYZE', 'dropped', 'n']
    assert.is(await client.error(...analysis), notReady('DROPPED'))
    assert.is(await nodeOf(client, 'dropped', '{"n": 1}'), 'FullScan')
    const creation = ['BUCKET.INDEX', 'CREATE', 'dropped', JSON.stringify(SCHEMA)]
    assert.is(await client.error(...creation), "ERR An index on field 'n' already exists")
    await server.restart()
    assert.is(await statusOf(await json(), 'dropped'), 'DROPPED')
  } finally {
    await setStatus(0, 'READWRITE')
  }
  const last = await json()
  await untilStatus(last, 'gone', { bucket: 'dropped', name: 'n' })
  await insertAll(last, 'dropped', [{ n: 1 }])
  assert.is((await queryAll(last, 'dropped', '{"n": 1}')).length, 2)
  await createIndexes(last, 'dropped', SCHEMA)
  await untilStatus(last, 'READY', { bucket: 'dropped', name: 'n' })
  assert.is(await assertVerified(last, 'dropped', 'with another index'), 3)
})

test('ANALYZE: one at a time, and no DROP meanwhile', async () => {
  const client = await json()
  const schema = JSON.stringify(SCHEMA)
  await client.call('BUCKET.CREATE', 'analyzed', 'INDEXES', schema, 'SHARDS', '0')
  await setStatus(0, 'INOPERABLE')
  try {
    for (const name of ['n', 'primary-index']) {
      assert.is(await client.call('BUCKET.INDEX', 'ANALYZE', 'analyzed', name), 'OK')
      const again = ['BUCKET.INDEX', 'ANALYZE', 'analyzed', name]
      assert.is(await client.error(...again), 'ERR An analyze task has already exist')
      const tasks = await tasksOf(client, 'analyzed', name)
      assert.equal(tasks, [{ kind: 'ANALYZE', status: 'WAITING', error: '' }])
    }
    assert.is(await client.error(...dropping('analyzed')), ACTIVE)
  } finally {
    await setStatus(0, 'READWRITE')
  }
  await until('it is analyzed', async () => (await tasksOf(client, 'analyzed', 'n')).length === 0)
  assert.is(await client.call(...dropping('analyzed')), 'OK')
})

test('tasks are shown in both protocols', async () => {
  const [flat, mapped] = [await useJson(await server.connect(2)), await json()]
  await flat.call('BUCKET.CREATE', 'shown', 'SHARDS', '0')
  await insertAll(flat, 'shown', [{ n: 1 }])
  await flat.exchange(['BUCKET.INDEX', 'TASKS', 'shown', 'primary-index'], '*0\r\n')
  await mapped.exchange(['BUCKET.INDEX', 'TASKS', 'shown', 'primary-index'], '%0\r\n')
  await setStatus(0, 'INOPERABLE')
  try {
    await createIndexes(mapped, 'shown', SCHEMA)
    const tasks = (await mapped.call('BUCKET.INDEX', 'TASKS', 'shown', 'n')) as Map<Data, Data>
    const [[id, task]] = [...tasks] as [[Data, Map<Data, Data>]]
    assert.match(String(id), /^[0-9A-V]{20}x{4}$/)
    const flatTask = [...task].flat()
    assert.equal(await flat.call('BUCKET.INDEX', 'TASKS', 'shown', 'n'), [id, flatTask])
  } finally {
    await setStatus(0, 'READWRITE')
  }
})

test.run()
