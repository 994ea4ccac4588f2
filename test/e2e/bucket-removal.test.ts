/** BUCKET.REMOVE and PURGE: what is refused in between, what is left, several members. */
import * as assert from 'uvu/assert'
import { batchOf, queryAll, useJson } from '../support/bucket.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('removal of buckets')

const AGE = '{"age": {"bson_type": "int32"}}'
const documents = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `{"n": ${n}}`)

async function jsonClient(protocol: 2 | 3 = 3): Promise<RespClient> {
  return await useJson(await server.connect(protocol))
}

async function filled(client: RespClient, bucket: string, count: number): Promise<void> {
  await client.call('BUCKET.CREATE', bucket, 'INDEXES', AGE)
  await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents(count))
}

test('every command on a removed bucket says so', async () => {
  for (const isJson of [true, false]) {
    const client = isJson ? await jsonClient() : await server.connect(2)
    const bucket = `removed-${isJson}`
    await client.call('BUCKET.CREATE', bucket, 'INDEXES', AGE)
    const { cursorId } = await batchOf(client, 'BUCKET.QUERY', bucket, '{}')
    const { cursorId: deleting } = await batchOf(client, 'BUCKET.DELETE', bucket, '{}')
    assert.is(await client.call('BUCKET.REMOVE', bucket), 'OK')
    const name = 'selector:age.bsonType:INT32'
    for (const words of [
      ['BUCKET.INSERT', bucket, 'DOCS', '{}'],
      ['BUCKET.QUERY', bucket, '{}'],
      ['BUCKET.DELETE', bucket, '{}'],
      ['BUCKET.ADVANCE', 'QUERY', String(cursorId)],
      ['BUCKET.ADVANCE', 'DELETE', String(deleting)],
      ['BUCKET.LOCATE', bucket],
      ['BUCKET.REMOVE', bucket],
      ['BUCKET.INDEX', 'CREATE', bucket, '{"n": {"bson_type": "int32"}}'],
      ['BUCKET.INDEX', 'LIST', bucket],
      ['BUCKET.INDEX', 'DESCRIBE', bucket, name],
      ['BUCKET.INDEX', 'DROP', bucket, name],
      ['BUCKET.INDEX', 'TASKS', bucket, name],
      ['BUCKET.INDEX', 'ANALYZE', bucket, name],
    ]) {
      const error = `BUCKETBEINGREMOVED Bucket '${bucket}' is being removed`
      assert.is(await client.error(...words), error, words.join(' '))
    }
    assert.is(
      await client.error('BUCKET.CREATE', bucket),
      `BUCKETALREADYEXISTS Bucket already exists: ${bucket}`,
    )
    assert.is(await client.call('BUCKET.CREATE', bucket, 'IF-NOT-EXISTS'), 'OK')
    assert.ok(((await client.call('BUCKET.LIST')) as string[]).includes(bucket))
    assert.is(await client.call('BUCKET.CLOSE', 'QUERY', String(cursorId)), 'OK')
    assert.is(await client.call('BUCKET.PURGE', bucket), 'OK')
    const gone = `NOSUCHBUCKET No such bucket: '${bucket}'`
    assert.is(await client.error('BUCKET.ADVANCE', 'DELETE', String(deleting)), gone)
  }
})

test('answers mistakes with the documented texts', async () => {
  const client = await jsonClient()
  await client.call('BUCKET.CREATE', 'live')
  const cases: [words: string[], error: string][] = [
    [['REMOVE'], "ERR wrong number of arguments for 'BUCKET.REMOVE' command"],
    [['REMOVE', 'a', 'b'], "ERR wrong number of arguments for 'BUCKET.REMOVE' command"],
    [['PURGE'], "ERR wrong number of arguments for 'BUCKET.PURGE' command"],
    [['LOCATE'], "ERR wrong number of arguments for 'BUCKET.LOCATE' command"],
    [['REMOVE', 'none'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['PURGE', 'none'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['LOCATE', 'none'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['PURGE', 'live'], "ERR Bucket 'live' is not removed"],
  ]
  for (const [[name, ...words], error] of cases) {
    assert.is(await client.error(`BUCKET.${name}`, ...words), error)
  }
  assert.equal(await queryAll(client, 'live', '{}'), [])
})

test('a purge makes all bodies garbage, and frees the name for a fresh bucket', async () => {
  const client = await jsonClient()
  const inUse = async () => {
    const { cardinality, usedBytes } = await describeVolume(server, 'bucket-shard-0')
    return { cardinality, usedBytes }
  }
  const before = await inUse()
  await filled(client, 'purged', 2_500)
  await client.call('BUCKET.DELETE', 'purged', '{"n": {"$lt": 50}}')
  assert.is((await inUse()).cardinality - before.cardinality, 2_450)
  const { cursorId } = await batchOf(client, 'BUCKET.QUERY', 'purged', '{}', 'LIMIT', '10')
  await client.call('BUCKET.REMOVE', 'purged')
  assert.is((await inUse()).cardinality - before.cardinality, 2_450)
  assert.is(await client.call('BUCKET.PURGE', 'purged'), 'OK')
  assert.equal(await inUse(), before)
  assert.not(((await client.call('BUCKET.LIST')) as string[]).includes('purged'))
  const gone = "NOSUCHBUCKET No such bucket: 'purged'"
  assert.is(await client.error('BUCKET.ADVANCE', 'QUERY', String(cursorId)), gone)
  assert.is(await client.error('BUCKET.PURGE', 'purged'), gone)
  await client.call('BUCKET.CREATE', 'purged')
  assert.equal(await client.call('BUCKET.INDEX', 'LIST', 'purged'), ['primary-index'])
  assert.equal(await queryAll(client, 'purged', '{}'), [])
  await client.call('BUCKET.INSERT', 'purged', 'DOCS', '{"n": "new"}')
  // The cursor's position belonged to the old bucket.
  const advanced = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(cursorId))
  assert.is(advanced.items.length, 1)
})

test('a removal is committed at once, and fails transactions that wrote before', async () => {
  const [writer, admin] = [await jsonClient(), await jsonClient()]
  await filled(admin, 'at-once', 1)
  await writer.call('BEGIN')
  await writer.call('BUCKET.INSERT', 'at-once', 'DOCS', '{"n": 2}')
  await admin.call('BEGIN')
  await admin.call('BUCKET.REMOVE', 'at-once')
  await admin.call('ROLLBACK')
  assert.match(await writer.error('COMMIT'), /^NOT_COMMITTED /)
  assert.match(await admin.error('BUCKET.QUERY', 'at-once', '{}'), /^BUCKETBEINGREMOVED /)
  await admin.call('BUCKET.PURGE', 'at-once')
  assert.match(await admin.error('BUCKET.QUERY', 'at-once', '{}'), /^NOSUCHBUCKET /)
})

test('a removal survives a restart, and is purged after it', async () => {
  const client = await jsonClient()
  await filled(client, 'restarted', 10)
  await client.call('BUCKET.REMOVE', 'restarted')
  await server.restart()
  const again = await jsonClient()
  assert.match(await again.error('BUCKET.QUERY', 'restarted', '{}'), /^BUCKETBEINGREMOVED /)
  assert.is(await again.call('BUCKET.PURGE', 'restarted'), 'OK')
})

test('a purge is refused while the shard takes no writes, and may be repeated', async () => {
  const [client, admin] = [await jsonClient(), await server.connectAdmin()]
  const setStatus = (status: string) =>
    admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'BUCKET', '0', status)
  await filled(client, 'refused', 10)
  await client.call('BUCKET.REMOVE', 'refused')
  await setStatus('READONLY')
  try {
    const error = 'ERR shard id: 0 is not in READWRITE status'
    assert.is(await client.error('BUCKET.PURGE', 'refused'), error)
    assert.match(await client.error('BUCKET.QUERY', 'refused', '{}'), /^BUCKETBEINGREMOVED /)
  } finally {
    await setStatus('READWRITE')
  }
  await until('the volume is open for writing', async () => {
    return (await client.frame('BUCKET.PURGE', 'refused')).type === '+'
  })
})

test('of several sessions one removes, and all may purge at the same time', async () => {
  const clients = await Promise.all(Array.from({ length: 6 }, () => jsonClient()))
  await filled(clients[0]!, 'crowded', 3_000)
  const removals = await Promise.all(
    clients.map(client => client.frame('BUCKET.REMOVE', 'crowded')),
  )
  assert.is(removals.filter(({ type }) => type === '+').length, 1)
  const purges = await Promise.all(clients.map(client => client.frame('BUCKET.PURGE', 'crowded')))
  for (const { type, value } of purges) {
    assert.ok(type === '+' || String(value).startsWith('NOSUCHBUCKET '), String(value))
  }
  assert.ok(purges.some(({ type }) => type === '+'))
})

test('commands on buckets of a removed namespace name the namespace', async () => {
  const client = await jsonClient()
  await client.call('NAMESPACE', 'CREATE', 'going.far')
  await client.call('NAMESPACE', 'USE', 'going.far')
  await filled(client, 'b', 3)
  await client.call('NAMESPACE', 'MOVE', 'going', 'gone')
  await client.call('NAMESPACE', 'USE', 'gone.far')
  assert.is((await queryAll(client, 'b', '{}')).length, 3)
  await client.call('NAMESPACE', 'REMOVE', 'gone')
  for (const words of [
    ['BUCKET.CREATE', 'c'],
    ['BUCKET.LIST'],
    ['BUCKET.LOCATE', 'b'],
    ['BUCKET.REMOVE', 'b'],
    ['BUCKET.PURGE', 'b'],
    ['BUCKET.INDEX', 'LIST', 'b'],
    ['BUCKET.INDEX', 'CREATE', 'b', '{"n": {"bson_type": "int32"}}'],
    ['BUCKET.INDEX', 'DROP', 'b', 'selector:age.bsonType:INT32'],
  ]) {
    const error = "NAMESPACEBEINGREMOVED Namespace 'gone' is being removed"
    assert.is(await client.error(...words), error, words.join(' '))
  }
})

test('locates shards, in both protocols', async () => {
  for (const protocol of [2, 3] as const) {
    const client = await server.connect(protocol)
    await client.call('BUCKET.CREATE', 'located', 'IF-NOT-EXISTS')
    const address = `127.0.0.1:${server.clientPort}`
    await client.exchange(
      ['BUCKET.LOCATE', 'located'],
      `*3\r\n:0\r\n$${address.length}\r\n${address}\r\n*0\r\n`,
    )
  }
})

test('a bucket on several shards has three items for each, in their order', () =>
  withTestServer(['bucket.shards=3'], async three => {
    const client = await useJson(await three.connect())
    const address = `127.0.0.1:${three.clientPort}`
    await client.call('BUCKET.CREATE', 'wide', 'SHARDS', '2', '0', '2')
    assert.equal(await client.call('BUCKET.LOCATE', 'wide'), [0, address, [], 2, address, []])
    await client.call('BUCKET.INSERT', 'wide', 'DOCS', ...documents(10))
    await client.call('BUCKET.REMOVE', 'wide')
    assert.is(await client.call('BUCKET.PURGE', 'wide'), 'OK')
  }))

function withPair(
  body: (pair: { one: RespClient; other: RespClient; pid: number }) => Promise<void>,
) {
  return withTestServer([], first =>
    withTestServer(first.storeSettings, async second => {
      const [one, other] = [await first.connect(), await second.connect()]
      await body({ one, other, pid: second.pid })
    }),
  )
}

test('a purge waits for a member that hangs, and says so', () =>
  withPair(async ({ one, other, pid }) => {
    await one.call('BUCKET.CREATE', 'b')
    assert.equal(await other.call('BUCKET.INDEX', 'LIST', 'b'), ['primary-index'])
    process.kill(pid, 'SIGSTOP')
    try {
      await one.call('BUCKET.REMOVE', 'b')
      assert.is(
        await one.error('BUCKET.PURGE', 'b'),
        'BARRIERNOTSATISFIED Barrier not satisfied: not all shards observed version 1 within 20 ' +
          'attempts',
      )
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await until('the other member has seen the removal', async () => {
      return (await other.frame('BUCKET.PURGE', 'b')).type === '+'
    })
    assert.is(await one.error('BUCKET.INDEX', 'LIST', 'b'), "NOSUCHBUCKET No such bucket: 'b'")
  }))

test('any member may purge, whoever has the bodies', () =>
  withPair(async ({ one, other }) => {
    await useJson(one)
    await one.call('BUCKET.CREATE', 'b')
    await one.call('BUCKET.INSERT', 'b', 'DOCS', ...documents(5))
    await other.call('BUCKET.REMOVE', 'b')
    assert.match(await one.error('BUCKET.QUERY', 'b', '{}'), /^BUCKETBEINGREMOVED /)
    assert.is(await other.call('BUCKET.PURGE', 'b'), 'OK')
    await one.call('BUCKET.CREATE', 'b')
    assert.equal(await queryAll(one, 'b', '{}'), [])
  }))

test.run()
