/** Identities, process ids and the member's own record. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { advertisedAddress } from '../../../ts/cluster/advertised.js'
import { Cluster } from '../../../ts/cluster/cluster.js'
import { openIdentity } from '../../../ts/cluster/identity.js'
import { addressText } from '../../../ts/cluster/member.js'
import type { Config } from '../../../ts/config/config.js'
import { openClusterDirectory } from '../../../ts/store/directory.js'
import { openDataMember } from '../../support/data-member.js'

let directory: string

test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kronotop-identity-'))
})
test.after.each(() => rm(directory, { recursive: true, force: true }))

async function messageOf(body: () => Promise<unknown>): Promise<string> {
  try {
    await body()
  } catch (thrown) {
    return (thrown as Error).message
  }
  return 'no error'
}

test('a listener everywhere is advertised by the first IPv4 address of the machine', () => {
  const local = { address: '127.0.0.1', family: 'IPv4', internal: true } as const
  const v6 = { address: 'fd00::2', family: 'IPv6', internal: false } as const
  const [first, second] = ['192.0.2.2', '192.0.2.3'].map(
    address => ({ address, family: 'IPv4', internal: false }) as const,
  )
  const interfaces = { lo: [local], eth0: [v6, first!], eth1: [second!] }
  const everywhere = { host: '0.0.0.0', port: 1 }
  assert.equal(advertisedAddress(everywhere, {}, interfaces), { host: '192.0.2.2', port: 1 })
  assert.equal(advertisedAddress({ host: '::', port: 1 }, {}, interfaces).host, '192.0.2.2')
  assert.equal(advertisedAddress({ host: '::1', port: 1 }, {}, interfaces).host, '::1')
  assert.equal(advertisedAddress(everywhere, {}, { lo: [local], eth0: [v6] }), everywhere)
  const settings = { advertised_host: 'db.example', advertised_port: 7 }
  const told = { host: 'db.example', port: 7 }
  assert.equal(advertisedAddress(everywhere, settings, interfaces), told)
})

test('a member id is made once and found again', async () => {
  const first = await openIdentity(directory, 'c')
  assert.match(first.memberId, /^[0-9a-f]{40}$/)
  assert.equal(await readdir(join(directory, 'c')), [first.memberId])
  first.release()
  const again = await openIdentity(directory, 'c')
  assert.is(again.memberId, first.memberId)
  again.release()
})

test('a directory in use is refused until it is released', async () => {
  const held = await openIdentity(directory, 'c')
  const inUse = `the data directory ${held.directory} is in use by another process`
  assert.is(await messageOf(() => openIdentity(directory, 'c')), inUse)
  held.release()
  const { release } = await openIdentity(directory, 'c')
  release()
})

test('more than one entry, or a foreign name, stops the start', async () => {
  const parent = join(directory, 'c')
  await mkdir(parent)
  await writeFile(join(parent, 'notes.txt'), '')
  const foreign = `${join(parent, 'notes.txt')} is not a member's directory`
  assert.is(await messageOf(() => openIdentity(directory, 'c')), foreign)
  await mkdir(join(parent, 'a'.repeat(40)))
  const several = `Found more than one file or directory in ${parent}`
  assert.is(await messageOf(() => openIdentity(directory, 'c')), several)
})

test('clusters in one data directory have members of their own', async () => {
  const [one, two] = [await openIdentity(directory, 'c1'), await openIdentity(directory, 'c2')]
  assert.is.not(one.memberId, two.memberId)
  one.release()
  two.release()
})

test('addresses of IPv6 have brackets', () => {
  assert.is(addressText({ host: '::1', port: 1 }), '[::1]:1')
  assert.is(addressText({ host: 'example.org', port: 5484 }), 'example.org:5484')
})

test('a member is RUNNING while it runs, STOPPED afterwards, newer at each start', async () => {
  let member = await openDataMember()
  const record = () => member.cluster.topology.members.get(member.cluster.memberId)!
  const first = record()
  assert.is(first.status, 'RUNNING')
  assert.equal(first.external, { host: '127.0.0.1', port: 5484 })
  member = await member.reopen()
  assert.is(record().memberId, first.memberId)
  assert.ok(record().processId > first.processId)
  const other = await member.join()
  await member.cluster.leave()
  await other.cluster.routes.reload()
  assert.is(other.cluster.topology.members.get(member.cluster.memberId)?.status, 'STOPPED')
  await other.close()
  await member.close()
})

test('heartbeats are counted at once and at every interval', async () => {
  const member = await openDataMember(['cluster.heartbeat.interval=1'])
  const beats = () => member.cluster.topology.heartbeats.get(member.cluster.memberId)!
  const before = beats()
  assert.ok(before >= 1n)
  const startedAt = performance.now()
  while (beats() < before + 2n && performance.now() - startedAt < 5_000) {
    await new Promise(resolve => setTimeout(resolve, 100))
    await member.cluster.routes.reload()
  }
  assert.ok(beats() >= before + 2n)
  await member.close()
})

test('a member that beats elsewhere is not started again on a FoundationDB cluster', async () => {
  const beating = await openDataMember([
    'cluster.heartbeat.interval=1',
    'cluster.heartbeat.maximum_silent_period=2',
  ])
  const { store, cluster, config: own } = beating
  const config: Config = {
    ...own,
    foundationdb: { ...own.foundationdb, clusterfile: '/etc/foundationdb/fdb.cluster' },
    cluster: { ...own.cluster, force_initialization: false },
  }
  const identity = { memberId: cluster.memberId, directory: '', release() {} }
  const log = pino({ level: 'silent' })
  const twin = await Cluster.open({ store, config, identity, log })
  const message = await messageOf(() => twin.claim())
  assert.is(message, `A member is already running with this id: ${cluster.memberId}`)
  await beating.close()
})

test('a layout of another version stops the start', async () => {
  const member = await openDataMember()
  const metadata = await openClusterDirectory(member.store, member.config.cluster.name, 'metadata')
  await member.store.transact(tx => {
    tx.set(Buffer.concat([metadata, Buffer.of(1)]), Buffer.from('9.9.9'))
  })
  const { store, config, cluster } = member
  const identity = { memberId: cluster.memberId, directory: '', release() {} }
  const log = pino({ level: 'silent' })
  const message = await messageOf(() => Cluster.open({ store, config, identity, log }))
  assert.is(message, "the cluster's layout has version 9.9.9, not 1.0.0")
  await member.close()
})

test.run()
