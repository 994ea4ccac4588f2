import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { resolveMemberId } from '../../../ts/cluster/member.js'
import { type DataMember, errorOf, openDataMember } from '../../support/data-member.js'
import { until } from '../../support/wait.js'

const STRANGER = 'f'.repeat(40)
const LAYOUT = { BUCKET: 2, REDIS: 1 } as const

let member: DataMember

/** A cluster that nobody has initialised. */
test.before.each(async () => {
  const first = await openDataMember()
  member = await first.join(['cluster.name=fresh'])
  closeFirst = first.close
})
test.after.each(async () => {
  await member.close()
  await closeFirst()
})

let closeFirst: () => Promise<void>

const admin = () => member.cluster.administration
const routes = () => member.cluster.routes

test('a new cluster is not initialised and has no shards', () => {
  assert.not(member.cluster.initialized)
  assert.equal(routes().shards('BUCKET'), [])
  assert.is(member.cluster.topology.version, '')
})

test('initialising makes all shards, inoperable and without a primary', async () => {
  await admin().initialize(LAYOUT)
  assert.ok(member.cluster.initialized)
  assert.is(member.cluster.topology.version, '1.0.0')
  const shown = member.cluster.topology.routes.map(({ kind, id, primary, standbys, status }) => {
    return { kind, id, primary, standbys, status }
  })
  const fresh = { primary: '', standbys: [], status: 'INOPERABLE' }
  assert.equal(shown, [
    { kind: 'BUCKET', id: 0, ...fresh },
    { kind: 'BUCKET', id: 1, ...fresh },
    { kind: 'REDIS', id: 0, ...fresh },
  ])
})

test('a cluster is initialised once', async () => {
  await admin().initialize(LAYOUT)
  const twice = 'ERR cluster has already been initialized'
  assert.is(await errorOf(() => admin().initialize(LAYOUT)), twice)
})

test('of two members that initialise at once one succeeds', async () => {
  const other = await member.join(['cluster.name=fresh'])
  const errors = await Promise.all(
    [member, other].map(({ cluster }) => {
      return errorOf(() => cluster.administration.initialize(LAYOUT))
    }),
  )
  assert.equal(errors.sort(), ['ERR cluster has already been initialized', 'no error'])
  await other.close()
})

test('the first primary is assigned by id or by its first four digits', async () => {
  await admin().initialize(LAYOUT)
  const { memberId } = member.cluster
  await admin().setPrimary('BUCKET', 0, memberId)
  await admin().setPrimary('BUCKET', 1, memberId.slice(0, 4))
  for (const route of routes().shards('BUCKET')) {
    assert.is(route.primary, memberId)
    assert.ok(route.local)
    assert.is(route.primaryAddress, '127.0.0.1:5484')
  }
  assert.is(routes().shard('REDIS', 0)?.primary, '')
})

test('a change of all shards of a kind leaves the other kind alone', async () => {
  await admin().initialize(LAYOUT)
  await admin().setPrimary('BUCKET', '*', member.cluster.memberId)
  await admin().setShardStatus('BUCKET', '*', 'READWRITE')
  const shown = member.cluster.topology.routes.map(({ primary, status }) => [
    primary !== '',
    status,
  ])
  assert.equal(shown, [
    [true, 'READWRITE'],
    [true, 'READWRITE'],
    [false, 'INOPERABLE'],
  ])
})

test('every change of a shard bumps its ownership epoch, and a repeated one does not', async () => {
  await admin().initialize(LAYOUT)
  const epoch = () => routes().shard('REDIS', 0)!.epoch
  const first = epoch()
  await admin().setShardStatus('REDIS', 0, 'READONLY')
  assert.is(epoch(), first + 1n)
  await admin().setShardStatus('REDIS', 0, 'READONLY')
  assert.is(epoch(), first + 1n)
  await admin().setPrimary('REDIS', 0, member.cluster.memberId)
  // The new primary opens the volume, which bumps the epoch too.
  await routes().reload()
  const assigned = epoch()
  assert.is(assigned, first + 3n)
  await admin().setPrimary('REDIS', 0, member.cluster.memberId)
  await admin().setShardStatus('REDIS', 0, 'READONLY')
  assert.is(epoch(), assigned)
})

test('refuses members and shards that do not exist', async () => {
  await admin().initialize(LAYOUT)
  const { memberId } = member.cluster
  const set = (id: number | '*', target: string) => {
    return errorOf(() => admin().setPrimary('BUCKET', id, target))
  }
  assert.is(await set(0, STRANGER), 'ERR member not found')
  assert.is(await set(0, 'zzzz'), 'ERR no member found with prefix: zzzz')
  assert.is(await set(0, 'abc'), 'ERR Invalid memberId: abc')
  assert.is(await set(2, memberId), 'ERR invalid shard id')
  const status = errorOf(() => admin().setShardStatus('BUCKET', 2, 'READONLY'))
  assert.is(await status, 'ERR invalid shard id')
  assert.ok(member.cluster.topology.routes.every(({ primary }) => primary === ''))
})

test('a prefix that fits several members is refused', async () => {
  const registered = ['1234a', '1234b', '5678c']
  const several = 'ERR more than one member found with prefix: 1234'
  assert.is(await errorOf(() => resolveMemberId('1234', registered)), several)
  assert.is(resolveMemberId('5678', registered), '5678c')
  assert.is(resolveMemberId(STRANGER, registered), STRANGER)
})

test('another member takes over only as a standby of a shard that takes no writes', async () => {
  const other = await member.join(['cluster.name=fresh'])
  await admin().initialize(LAYOUT)
  await admin().setPrimary('BUCKET', '*', member.cluster.memberId)
  await admin().setShardStatus('BUCKET', 0, 'READWRITE')
  const move = (id: number | '*') => {
    return errorOf(() => admin().setPrimary('BUCKET', id, other.cluster.memberId))
  }
  assert.is(await move(0), 'ERR Shard status must not be READWRITE')
  const notStandby = `ERR Member id: ${other.cluster.memberId} is not a standby`
  assert.is(await move(1), notStandby)
  assert.is(await move('*'), 'ERR Shard status must not be READWRITE')
  assert.ok(
    routes()
      .shards('BUCKET')
      .every(({ local }) => local),
  )
  await other.close()
})

test('other members see a change without being asked', async () => {
  const other = await member.join(['cluster.name=fresh'])
  await admin().initialize(LAYOUT)
  await admin().setPrimary('BUCKET', '*', member.cluster.memberId)
  await until('the other member sees the primary', () => {
    const route = other.cluster.routes.shard('BUCKET', 1)
    return route?.primary === member.cluster.memberId && !route.local
  })
  await other.cluster.administration.setShardStatus('BUCKET', 1, 'READONLY')
  await until('this member sees the status', () => {
    return routes().shard('BUCKET', 1)?.status === 'READONLY'
  })
  await other.close()
})

test('bootstrapping makes this member the primary of every shard, once', async () => {
  await member.cluster.bootstrap()
  const before = member.cluster.topology.routes
  assert.ok(before.length >= 2)
  for (const { local, status } of before) assert.ok(local && status === 'READWRITE')
  await member.cluster.bootstrap()
  await routes().reload()
  const settled = member.cluster.topology.routes
  await member.cluster.bootstrap()
  assert.equal(member.cluster.topology.routes, settled)
  await admin().setShardStatus('BUCKET', 0, 'READONLY')
  await member.cluster.bootstrap()
  assert.is(routes().shard('BUCKET', 0)?.status, 'READONLY')
})

test('bootstrapping goes on where an earlier start was interrupted', async () => {
  await admin().initialize({ BUCKET: 1, REDIS: 1 })
  await admin().setPrimary('BUCKET', 0, member.cluster.memberId)
  await member.cluster.bootstrap()
  const redis = routes().shard('REDIS', 0)
  assert.is(redis?.status, 'READWRITE')
  assert.ok(redis?.local)
})

test('two members that bootstrap at once agree on one primary', async () => {
  const other = await member.join(['cluster.name=fresh'])
  await Promise.all([member.cluster.bootstrap(), other.cluster.bootstrap()])
  await Promise.all([routes().reload(), other.cluster.routes.reload()])
  const primaries = new Set(member.cluster.topology.routes.map(({ primary }) => primary))
  assert.is(primaries.size, 1)
  assert.is(other.cluster.routes.shard('BUCKET', 0)?.local, !routes().shard('BUCKET', 0)?.local)
  await other.close()
})

test.run()
