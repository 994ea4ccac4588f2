/** A cluster formed by hand and by itself: KR.ADMIN on the administration port. */
import * as assert from 'uvu/assert'
import { useJson } from '../support/bucket.js'
import type { Data, RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'

type Fields = Map<string, Data>

const UNINITIALIZED = 'ERR cluster has not been initialized yet'
const MEMBER_FIELDS = [
  'status',
  'process_id',
  'external_host',
  'external_port',
  'internal_host',
  'internal_port',
  'latest_heartbeat',
]

const manual = serverSuite('cluster formed by hand', ['cluster.auto_bootstrap=false'])

async function memberId(admin: RespClient): Promise<string> {
  return String(((await admin.call('KR.ADMIN', 'DESCRIBE-MEMBER')) as Fields).get('member_id'))
}

/** What the documentation of the system tells operators to do first. */
async function assignAll(admin: RespClient, member: string): Promise<void> {
  for (const kind of ['BUCKET', 'REDIS']) {
    const set = ['KR.ADMIN', 'ROUTE', 'SET', 'PRIMARY', kind, '*', member]
    assert.is(await admin.call(...set), 'OK')
    assert.is(await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', kind, '*', 'READWRITE'), 'OK')
  }
}

async function serves(server: TestServer): Promise<void> {
  const client = await useJson(await server.connect())
  assert.is(await client.call('SET', 'k', 'v'), 'OK')
  assert.is(await client.call('BUCKET.CREATE', 'b', 'IF-NOT-EXISTS'), 'OK')
  assert.is(((await client.call('BUCKET.INSERT', 'b', 'DOCS', '{}')) as Data[]).length, 1)
}

manual.test('tells others the address that the settings advertise', async () => {
  const told = ['advertised_host=db.example', 'advertised_port=7000'].map(
    set => `network.external.${set}`,
  )
  await withTestServer(['network.external.host=0.0.0.0', ...told], async server => {
    const client = await server.connect()
    assert.is(await client.call('PING'), 'PONG')
    const admin = await server.connectAdmin()
    const member = (await admin.call('KR.ADMIN', 'DESCRIBE-MEMBER')) as Fields
    assert.equal(
      [member.get('external_host'), member.get('external_port'), member.get('internal_host')],
      ['db.example', 7000, '127.0.0.1'],
    )
    assert.is(member.get('internal_port'), server.adminPort)
  })
})

manual.test('refuses what needs a cluster before it is initialised', async () => {
  const client = await manual.server.connect()
  const refused = [
    ['ZGET', 'k'],
    ['ZSET', 'k', 'v'],
    ['BEGIN'],
    ['COMMIT'],
    ['ROLLBACK'],
    ['GETREADVERSION'],
    ['GETAPPROXIMATESIZE'],
    ['SNAPSHOTREAD', 'ON'],
    ['TICK', 'FRESH'],
    ['NAMESPACE', 'LIST'],
    ['NAMESPACE', 'CURRENT'],
    ['BUCKET.CREATE', 'b'],
    ['BUCKET.LIST'],
    ['GET', 'k'],
    ['HSET', 'k', 'f', 'v'],
  ]
  for (const words of refused)
    assert.is(await client.error(...words), UNINITIALIZED, words.join(' '))
  assert.match(await client.error('ZGET'), /wrong number of arguments/)
  const allowed = [['PING'], ['ECHO', 'x'], ['HELLO'], ['TIME'], ['INFO'], ['COMMAND', 'COUNT']]
  for (const words of [...allowed, ['CLIENT', 'ID'], ['SESSION.ATTRIBUTE', 'LIST']]) {
    await client.call(...words)
  }
  const admin = await manual.server.connectAdmin()
  assert.is(await admin.error('KR.ADMIN', 'DESCRIBE-CLUSTER'), UNINITIALIZED)
})

manual.test('goes from INITIALIZE-CLUSTER to a serving member', async () => {
  const admin = await manual.server.connectAdmin()
  await admin.exchange(['KR.ADMIN', 'INITIALIZE-CLUSTER'], '+OK\r\n')
  assert.is(
    await admin.error('kr.admin', 'initialize-cluster'),
    'ERR cluster has already been initialized',
  )
  const client = await useJson(await manual.server.connect())
  assert.is(await client.call('ZSET', 'k', 'v'), 'OK')
  assert.is(await client.error('GET', 'k'), 'ERR shard id: 0 not owned by any member yet')
  assert.is(await client.error('BUCKET.CREATE', 'b'), 'ERR No route found for Bucket shard: 0')
  const member = await memberId(admin)
  assert.match(member, /^[0-9a-f]{40}$/)
  await admin.call('KR.ADMIN', 'ROUTE', 'SET', 'PRIMARY', 'REDIS', '*', member.slice(0, 4))
  assert.is(await client.error('GET', 'k'), 'ERR shard id: 0 is in INOPERABLE status')
  await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'REDIS', '0', 'readonly')
  assert.is(await client.call('GET', 'k'), null)
  assert.is(await client.error('SET', 'k', 'v'), 'ERR shard id: 0 is not in READWRITE status')
  await assignAll(admin, member)
  await serves(manual.server)
})

manual.test('shows the member and its shards', async () => {
  const admin = await manual.server.connectAdmin()
  const { server } = manual
  const member = (await admin.call('KR.ADMIN', 'DESCRIBE-MEMBER')) as Fields
  assert.equal([...member.keys()], ['member_id', ...MEMBER_FIELDS])
  assert.is(member.get('status'), 'RUNNING')
  assert.is(member.get('external_port'), server.clientPort)
  assert.is(member.get('internal_port'), server.adminPort)
  const id = String(member.get('member_id'))
  const shard = (kind: string): Fields =>
    new Map<string, Data>([
      ['primary', id],
      ['standbys', []],
      ['status', 'READWRITE'],
      ['linked_volumes', [`${kind}-shard-0`]],
    ])
  assert.equal(await admin.call('KR.ADMIN', 'DESCRIBE-SHARD', 'bucket', '0'), shard('bucket'))
  assert.equal(await admin.call('KR.ADMIN', 'DESCRIBE-SHARD', 'stash', '0'), shard('redis'))
  const cluster = (await admin.call('KR.ADMIN', 'DESCRIBE-CLUSTER')) as Fields
  assert.equal([...cluster.keys()], ['metadata_version', 'cluster_name', 'bucket', 'redis'])
  assert.equal(cluster.get('bucket'), new Map([[0, shard('bucket')]]))
  assert.equal(cluster.get('redis'), new Map([[0, shard('redis')]]))
  const members = (await admin.call('KR.ADMIN', 'LIST-MEMBERS')) as Fields
  assert.equal([...(members.get(id) as Fields).keys()], MEMBER_FIELDS)
})

manual.test('sends maps as flat arrays to RESP2 clients', async () => {
  const admin = await manual.server.connectAdmin(2)
  const shard = (await admin.call('KR.ADMIN', 'DESCRIBE-SHARD', 'BUCKET', '0')) as Data[]
  assert.equal(
    shard.filter((_, i) => i % 2 === 0),
    ['primary', 'standbys', 'status', 'linked_volumes'],
  )
})

manual.test('answers mistakes with the documented texts', async () => {
  const admin = await manual.server.connectAdmin()
  const member = await memberId(admin)
  const stranger = 'f'.repeat(40)
  const cases: [words: string[], error: string][] = [
    [[], "ERR wrong number of arguments for 'KR.ADMIN' command"],
    [['FOO'], "ERR unknown subcommand: 'FOO'"],
    [['DESCRIBE-MEMBER', 'x'], 'ERR invalid number of parameters'],
    [['DESCRIBE-SHARD', 'foo', '0'], 'ERR invalid shard kind'],
    [['DESCRIBE-SHARD', 'BUCKET', '7'], 'ERR invalid shard id'],
    [['DESCRIBE-SHARD', 'BUCKET', 'x'], 'ERR invalid shard id'],
    [['DESCRIBE-SHARD', 'BUCKET'], 'ERR invalid number of parameters'],
    [['SET-SHARD-STATUS', 'BUCKET', '0', 'Odd'], 'ERR Invalid shard status Odd'],
    [['SET-SHARD-STATUS', 'BUCKET', '7', 'READONLY'], 'ERR invalid shard id'],
    [['SET-SHARD-STATUS', 'BUCKET', '0'], 'ERR invalid number of parameters'],
    [['ROUTE', 'SET', 'PRIMARY', 'BUCKET', '*'], 'ERR invalid number of parameters'],
    [['ROUTE', 'Put', 'PRIMARY', 'BUCKET', '*', member], 'ERR Invalid operation kind: Put'],
    [['ROUTE', 'SET', 'Boss', 'BUCKET', '*', member], 'ERR Invalid route kind: Boss'],
    [['ROUTE', 'SET', 'PRIMARY', 'BUCKET', '9', member], 'ERR invalid shard id'],
    [['ROUTE', 'SET', 'PRIMARY', 'BUCKET', '*', stranger], 'ERR member not found'],
  ]
  for (const [words, error] of cases) assert.is(await admin.error('KR.ADMIN', ...words), error)
})

manual.test('stops writes of a shard that is not READWRITE', async () => {
  const admin = await manual.server.connectAdmin()
  const client = await useJson(await manual.server.connect())
  const setStatus = async (status: string): Promise<void> => {
    await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'BUCKET', '0', status)
  }
  await setStatus('READONLY')
  assert.is(
    await client.error('BUCKET.INSERT', 'b', 'DOCS', '{}'),
    'ERR shard id: 0 is not in READWRITE status',
  )
  assert.is(((await client.call('BUCKET.QUERY', 'b', '{}')) as Data[]).length, 2)
  await setStatus('READWRITE')
  await client.call('BEGIN')
  await client.call('BUCKET.INSERT', 'b', 'DOCS', '{"late":true}')
  await setStatus('READONLY')
  assert.match(await client.error('COMMIT'), /^(NOT_COMMITTED|ERR shard id: 0 )/)
  await setStatus('READWRITE')
  const [, late] = (await client.call('BUCKET.QUERY', 'b', '{"late":true}')) as Data[]
  assert.equal(late, [])
  await serves(manual.server)
})

manual.test('keeps id, routes and statuses over restarts', async () => {
  const { server } = manual
  const before = await memberId(await server.connectAdmin())
  await server.restart()
  assert.is(await memberId(await server.connectAdmin()), before)
  await serves(server)
  await server.kill()
  await server.start()
  assert.is(await memberId(await server.connectAdmin()), before)
  await serves(server)
})

manual.test.run()

const automatic = serverSuite('cluster formed by itself', ['bucket.shards=3', 'redis.shards=2'])

automatic.test('serves at once, with all shards', async () => {
  await serves(automatic.server)
  const admin = await automatic.server.connectAdmin()
  const cluster = (await admin.call('KR.ADMIN', 'DESCRIBE-CLUSTER')) as Fields
  assert.equal([...(cluster.get('bucket') as Map<number, Data>).keys()], [0, 1, 2])
  assert.equal([...(cluster.get('redis') as Map<number, Data>).keys()], [0, 1])
  assert.is(((await admin.call('VOLUME.ADMIN', 'LIST')) as Data[]).length, 5)
})

automatic.test('takes the steps by hand again without harm', async () => {
  const admin = await automatic.server.connectAdmin()
  assert.is(
    await admin.error('KR.ADMIN', 'INITIALIZE-CLUSTER'),
    'ERR cluster has already been initialized',
  )
  await assignAll(admin, await memberId(admin))
  await serves(automatic.server)
})

automatic.test('spreads buckets and keys over its shards', async () => {
  const client = await useJson(await automatic.server.connect())
  for (let i = 0; i < 6; i++) {
    await client.call('BUCKET.CREATE', `spread-${i}`)
    await client.call('BUCKET.INSERT', `spread-${i}`, 'DOCS', `{"i":${i}}`)
  }
  await client.call('BUCKET.CREATE', 'placed', 'SHARDS', '2', '1')
  await client.call('BUCKET.INSERT', 'placed', 'DOCS', '{"i":6}')
  for (let i = 0; i < 100; i++) await client.call('SET', `spread:${i}`, String(i))
  await automatic.server.restart()
  const after = await useJson(await automatic.server.connect())
  for (let i = 0; i < 6; i++) {
    const [, entries] = (await after.call('BUCKET.QUERY', `spread-${i}`, '{}')) as Data[]
    assert.is((entries as Data[]).length, 1)
  }
  for (let i = 0; i < 100; i++) assert.is(await after.call('GET', `spread:${i}`), String(i))
})

automatic.test.run()
