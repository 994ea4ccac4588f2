/** Who may commit to a volume: the fence against members that lost a shard, and failed disks. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addon, type VolumeHandle } from '../../../ts/native.js'
import { changeLogPrefix, prefixRange } from '../../../ts/store/keyspace.js'
import type { Tx } from '../../../ts/store/tx.js'
import type { Locations } from '../../../ts/volume/locations.js'
import { Volume } from '../../../ts/volume/volume.js'
import { type DataMember, errorOf, once, openDataMember } from '../../support/data-member.js'
import { until } from '../../support/wait.js'

const OWNER = Buffer.from('owner-01')
const KEY = Buffer.from('key')

let member: DataMember
let volume: Volume

test.before.each(async () => {
  member = await openDataMember()
  volume = member.bucketVolume
})
test.after.each(() => member.close())

function route() {
  return member.cluster.routes.shard('BUCKET', 0)!
}

function append(target = volume): Promise<Locations> {
  return Promise.resolve(target.append(Buffer.from('body'), Uint32Array.of(4)))
}

function stage(tx: Tx, locations: Locations, target = volume): void {
  target.stage(tx).append(OWNER, KEY, locations, 0)
}

async function write(target = volume): Promise<void> {
  const locations = await append(target)
  await once(member.store, tx => stage(tx, locations, target))
}

function storedEpoch(): Promise<bigint> {
  return member.store.transact(async tx => (await tx.get(volume.epochKey))!.readBigInt64LE())
}

async function commitCount(): Promise<number> {
  const { begin, end } = prefixRange(changeLogPrefix(volume.prefix))
  return (await member.store.transact(tx => tx.getRangeAll(begin, end))).count
}

/** The same volume, opened by a twin of this process. */
function twin(change: (handle: VolumeHandle) => VolumeHandle = handle => handle): Volume {
  const { store, config, cluster } = member
  const handle = addon.VolumeHandle.open(volume.directory, {
    segmentSize: config.bucket.volume.segment_size,
    preallocateBytes: config.volume.preallocate_bytes,
  })
  return new Volume(route(), {
    store,
    routes: cluster.routes,
    prefix: volume.prefix,
    handle: change(handle),
    directory: volume.directory,
    segmentSizeBytes: config.bucket.volume.segment_size,
    log: silent,
  })
}

const silent = { info() {}, warn() {}, error() {} } as unknown as ConstructorParameters<
  typeof Volume
>[1]['log']

/** Replaces one method of a native handle. */
function withMethod(handle: VolumeHandle, name: string, method: unknown): VolumeHandle {
  return new Proxy(handle, {
    get: (target, property) => {
      if (property === name) return method
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

test('opening bumps the ownership epoch', async () => {
  assert.is(await storedEpoch(), volume.epoch)
  const before = volume.epoch
  member = await member.reopen()
  volume = member.bucketVolume
  assert.is(volume.epoch, before + 1n)
})

test('what was staged before another opened the volume cannot commit', async () => {
  await write()
  const tx = member.store.begin()
  stage(tx, await append())
  await member.cluster.routes.reload()
  const other = twin()
  assert.ok(await other.open(route().epoch))
  assert.match(await errorOf(() => tx.commit()), /^NOT_COMMITTED /)
  assert.is(await commitCount(), 1)
  await other.close()
})

test('a change of the shard during a commit makes the commit fail', async () => {
  await write()
  const tx = member.store.begin()
  stage(tx, await append())
  await tx.get(volume.epochKey)
  await member.store.transact(other => other.add(volume.epochKey, 1n))
  assert.match(await errorOf(() => tx.commit()), /^NOT_COMMITTED /)
  assert.is(await commitCount(), 1)
})

test('a volume is not opened by a route that is out of date', async () => {
  const stale = route()
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READONLY')
  const before = await storedEpoch()
  const other = twin()
  assert.not(await other.open(stale.epoch))
  assert.is(await storedEpoch(), before)
  await other.close()
})

test('follows a change of its epoch by opening again, and serves on', async () => {
  await write()
  const before = volume.epoch
  await member.store.transact(tx => tx.add(volume.epochKey, 1n))
  const locations = await append()
  assert.match(await errorOf(() => once(member.store, tx => stage(tx, locations))), /^NOT_COMM/)
  assert.is(volume.epoch, before + 2n)
  await write()
  assert.is(await commitCount(), 2)
})

test('what was appended before the volume was opened again cannot commit after it', async () => {
  await write()
  const tx = member.store.begin()
  stage(tx, await append())
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READONLY')
  await member.cluster.administration.setShardStatus('BUCKET', 0, 'READWRITE')
  assert.match(await errorOf(() => tx.commit()), /^NOT_COMMITTED /)
  await write()
  assert.is(await commitCount(), 2)
})

test('segments made while the volume is opened again are not lost and not doubled', async () => {
  const size = 600 * 1024
  const body = Buffer.alloc(size)
  for (let round = 0; round < 5; round++) {
    const status = round % 2 === 0 ? 'READONLY' : 'READWRITE'
    const appending = Promise.allSettled([
      volume.append(body, Uint32Array.of(size)),
      volume.append(body, Uint32Array.of(size)),
    ])
    await member.cluster.administration.setShardStatus('BUCKET', 0, status)
    await appending
    await member.cluster.administration.setShardStatus('BUCKET', 0, 'READWRITE')
  }
  await write()
  const ids = [...(await volume.describe()).keys()]
  assert.equal(
    ids,
    ids.map((_, i) => i),
  )
  member = await member.reopen()
  assert.is(member.bucketVolume.status, 'READWRITE')
  assert.equal([...(await member.bucketVolume.describe()).keys()], ids)
})

test('refuses writes while the shard is not in READWRITE status', async () => {
  const { administration } = member.cluster
  await administration.setShardStatus('BUCKET', 0, 'READONLY')
  const readOnly = 'ERR shard id: 0 is not in READWRITE status'
  assert.is(await errorOf(() => append()), readOnly)
  assert.is(await errorOf(() => volume.stage(member.store.begin())), readOnly)
  await administration.setShardStatus('BUCKET', 0, 'INOPERABLE')
  assert.is(await errorOf(() => append()), 'ERR shard id: 0 is in INOPERABLE status')
  await administration.setShardStatus('BUCKET', 0, 'READWRITE')
  await write()
})

test('a failed flush fails the commit, and every write after it', async () => {
  await volume.close()
  await member.cluster.routes.reload()
  let isBroken = false
  const broken = twin(handle => {
    const flush = () => {
      if (!isBroken) return handle.flush()
      return Promise.reject(new Error('POISONED|segment 0 is poisoned: other error'))
    }
    return withMethod(handle, 'flush', flush)
  })
  assert.ok(await broken.open(route().epoch))
  await write(broken)
  isBroken = true
  const failed = 'VOLUMEFAILED Volume: bucket-shard-0 failed: write'
  for (let i = 0; i < 2; i++) assert.is(await errorOf(() => write(broken)), failed)
  assert.is(await commitCount(), 1)
  isBroken = false
  await broken.close()
})

test('a full device fails the write, and the volume serves again later', async () => {
  await volume.close()
  await member.cluster.routes.reload()
  let isFull = true
  const limited = twin(handle => {
    const appendBodies = (bodies: Buffer, lengths: Uint32Array) => {
      if (isFull) throw new Error('OUT_OF_SPACE|no space')
      return handle.append(bodies, lengths)
    }
    return withMethod(handle, 'append', appendBodies)
  })
  assert.ok(await limited.open(route().epoch))
  const full = 'ERR Volume: bucket-shard-0 has no space left on its device'
  assert.is(await errorOf(() => write(limited)), full)
  isFull = false
  await write(limited)
  await limited.close()
})

test('a closed volume commits nothing', async () => {
  await write()
  const tx = member.store.begin()
  stage(tx, await append())
  const other = twin()
  volume.handle.close()
  assert.is(await errorOf(() => tx.commit()), 'ERR Volume bucket-shard-0 is closed.')
  assert.is(await errorOf(() => append()), 'ERR Volume bucket-shard-0 is closed.')
  assert.is(await commitCount(), 1)
  other.handle.close()
})

test('a shard that moves is opened by its new primary; the old one commits no more', async () => {
  await write()
  const other = await member.join()
  assert.equal(other.volumes.names(), [])
  await member.store.transact(async tx => {
    const record = { primary: other.cluster.memberId, standbys: [], status: 'READWRITE' }
    tx.set(routeKey(), Buffer.from(JSON.stringify(record)))
    tx.add(volume.epochKey, 1n)
  })
  await other.cluster.routes.reload()
  assert.equal(other.volumes.names(), ['bucket-shard-0'])
  const locations = await append()
  assert.match(await errorOf(() => once(member.store, tx => stage(tx, locations))), /^NOT_COMM/)
  await until('the old primary has closed it', () => !member.volumes.names().includes(volume.name))
  await other.close()
})

/** The route is the epoch's sibling. */
function routeKey(): Buffer {
  const key = Buffer.from(volume.epochKey)
  key[key.length - 1] = 1
  return key
}

test.run()
