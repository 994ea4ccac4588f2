/** The slot gate, and the life of a member's REDIS shards. */
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type KeyedFrame, Redis } from '../../../ts/redis/redis.js'
import { shardOfSlot, slotOf } from '../../../ts/redis/slots.js'
import { Watch } from '../../../ts/redis/watched-keys.js'
import { prefixRange, redisRecordsPrefix } from '../../../ts/store/keyspace.js'
import type { ShardKind } from '../../../ts/volume/shard-routes.js'
import { RoutedStandbys } from '../../../ts/volume/standbys.js'
import type { Volume } from '../../../ts/volume/volume.js'
import type { Volumes } from '../../../ts/volume/volumes.js'
import { type DataMember, errorOf, openDataMember } from '../../support/data-member.js'
import { slotOfText, TextShard } from '../../support/text-shard.js'
import { until } from '../../support/wait.js'

const STRANGER = 'f'.repeat(40)

let member: DataMember

test.before.each(async () => {
  member = await openDataMember(['redis.shards=3'])
})
test.after.each(() => member.close())

/** A request as the parser leaves it, somewhere inside its input buffer. */
function frameOf(...words: string[]): KeyedFrame {
  const base = 7
  const starts: number[] = []
  const ends: number[] = []
  let text = ''
  for (const word of words) {
    starts.push(text.length)
    text += word
    ends.push(text.length)
  }
  const input = Buffer.from(`${'{x}'.padEnd(base)}${text}{behind}`)
  return { input, base, count: words.length, starts, ends }
}

const first = { first: 1, last: 1, step: 1 }
const all = { first: 1, last: -1, step: 1 }
const pairs = { first: 1, last: -1, step: 2 }
const admit = (frame: KeyedFrame, keys = first, isWrite = true) => {
  return errorOf(() => member.redis.admit(frame, keys, isWrite))
}

function set(key: string, value: string, expiresAtMs = 0): void {
  shardOf(key).set(key, value, expiresAtMs)
}

function get(key: string): string | undefined {
  return shardOf(key).get(key)
}

function shardOf(key: string): TextShard {
  return new TextShard(member.redis.shardOf(slotOfText(key)))
}

/** All keys of the member, expired ones included. */
function allKeys(): string[] {
  const keys: string[] = []
  member.redis.visitKeys((shard, key) => {
    keys.push(shard.nameOf(key).latin1())
  })
  return keys
}

function inShard(id: number, key: string): boolean {
  return shardOfSlot(slotOf(Buffer.from(key)), 3) === id
}

/** Resolves once so many records of a shard are in its volume. */
function written(shard: number, count: number): Promise<void> {
  const { prefix } = member.volumes.require(`redis-shard-${shard}`)
  const { begin, end } = prefixRange(redisRecordsPrefix(prefix))
  return until(`${count} records are written`, async () => {
    return (await member.store.transact(tx => tx.getRangeAll(begin, end))).count === count
  })
}

/** Writes a route as another member's administration does. */
async function assign(id: number, primary: string): Promise<void> {
  const { epochKey } = member.cluster.routes.shard('REDIS', id)!
  const routeKey = Buffer.from(epochKey)
  routeKey[routeKey.length - 1] = 1
  await member.store.transact(tx => {
    tx.set(routeKey, Buffer.from(JSON.stringify({ primary, standbys: [], status: 'READWRITE' })))
    tx.add(epochKey, 1n)
  })
  await member.cluster.routes.reload()
}

test('admits requests whose keys have one slot, and tells it', () => {
  const { redis } = member
  assert.is(redis.admit(frameOf('GET', 'foo'), first, false), 12_182)
  assert.is(redis.admit(frameOf('MGET', 'foo', '{foo}bar'), all, false), 12_182)
  assert.is(redis.admit(frameOf('MSET', 'foo', '1', '{foo}', '2'), pairs, true), 12_182)
})

test('refuses keys of different slots, also in one shard', async () => {
  const crossSlot = "CROSSSLOT Keys in request don't hash to the same slot"
  assert.is(await admit(frameOf('MGET', 'foo', 'bar'), all), crossSlot)
  assert.is(await admit(frameOf('MGET', 'a{1}', 'a{2}', 'a{1}'), all), crossSlot)
})

test('refuses what the shard of the slot does not serve, in the order of the checks', async () => {
  const shard = 2
  const frame = frameOf('SET', 'foo', '1')
  const { administration } = member.cluster
  await administration.setShardStatus('REDIS', shard, 'READONLY')
  assert.is(await admit(frame), 'ERR shard id: 2 is not in READWRITE status')
  assert.is(await admit(frame, first, false), 'no error')
  await administration.setShardStatus('REDIS', shard, 'INOPERABLE')
  assert.is(await admit(frame), 'ERR shard id: 2 is in INOPERABLE status')
  assert.is(await admit(frame, first, false), 'ERR shard id: 2 is in INOPERABLE status')
  await assign(shard, '')
  assert.is(await admit(frame), 'ERR shard id: 2 not owned by any member yet')
  const other = await member.join()
  await assign(shard, other.cluster.memberId)
  assert.is(await admit(frame), 'MOVED 12182 127.0.0.1:5484')
  await other.close()
})

test('a shard that is being loaded is not usable yet', async () => {
  set('foo', '1')
  await written(2, 1)
  await assign(2, '')
  let error = ''
  const loading = assign(2, member.cluster.memberId)
  await until('the route is local', async () => {
    const answer = await admit(frameOf('GET', 'foo'), first, false)
    if (answer !== 'ERR shard id: 2 not owned by any member yet') error ||= answer
    return error !== ''
  })
  await loading
  assert.ok(['no error', 'ERR shard id: 2 not usable yet'].includes(error), error)
  assert.is(await admit(frameOf('GET', 'foo'), first, false), 'no error')
  assert.is(get('foo'), '1')
})

test('a graceful stop writes everything, and the next start serves it', async () => {
  for (let i = 0; i < 3_000; i++) set(`key:${i}`, String(i))
  set('timed', '1', Date.now() + 60_000)
  member = await member.reopen()
  assert.equal(member.redis.keyspace(), { keys: 3_001, expires: 1 })
  for (let i = 0; i < 3_000; i++) assert.is(get(`key:${i}`), String(i))
})

test('a shard that comes back to a member has what was persisted', async () => {
  const key = 'foo'
  set(key, 'persisted')
  await written(2, 1)
  await assign(2, STRANGER)
  await assign(2, member.cluster.memberId)
  assert.is(get(key), 'persisted')
  set(key, 'again')
  member = await member.reopen()
  assert.is(get(key), 'again')
})

test('a watched key has changed when another member had its shard', async () => {
  const watched = ['foo', 'a'].map(key => {
    const watch = new Watch(member.redis.watched, member.redis.held)
    const slot = slotOf(Buffer.from(key))
    watch.add(slot, key, member.redis.shardOf(slot))
    return watch
  })
  const changed = () => watched.map(each => each.isChanged(slot => member.redis.findShard(slot)))
  // foo is in the last shard, and so is a.
  assert.equal(changed(), [false, false])
  await assign(1, STRANGER)
  assert.equal(changed(), [false, false])
  await assign(2, STRANGER)
  assert.equal(changed(), [true, true])
  await assign(2, member.cluster.memberId)
  assert.equal(changed(), [true, true])
  for (const each of watched) each.drop()
  assert.is(member.redis.held.usedBytes, 0)
})

test('expired keys go without being asked for, and their records too', async () => {
  for (let i = 0; i < 500; i++) set(`key:${i}`, '1', Date.now() + 20)
  set('stays', '1')
  await until('they are gone', () => member.redis.keyspace().keys === 1)
  member = await member.reopen()
  assert.equal(member.redis.keyspace(), { keys: 1, expires: 0 })
})

test('a sweep whose time is up ends, and goes on with the next shard', async () => {
  const swept: number[] = []
  const times = new Set<number>()
  for (const slot of [0, 8_000, 16_000]) {
    const data = member.redis.shardOf(slot)
    data.sweep = (_count, untilMs) => {
      swept.push(data.id)
      times.add(untilMs)
      while (performance.now() < untilMs);
      return 0
    }
  }
  await until('shards were swept', () => swept.length >= 9)
  const ids = swept.slice(0, 9)
  assert.is(times.size, swept.length)
  assert.equal([...ids.slice(0, 3)].sort(), [0, 1, 2])
  assert.equal(ids, [...ids.slice(0, 3), ...ids.slice(0, 3), ...ids.slice(0, 3)])
})

test('writes are refused once the memory bound is reached', async () => {
  member = await member.reopen(['redis.shards=3', 'redis.maxmemory=1048576'])
  assert.is(await errorOf(() => member.redis.checkMemory()), 'no error')
  set('big', 'x'.repeat(1_100_000))
  const oom = "OOM command not allowed when used memory > 'maxmemory'."
  assert.is(await errorOf(() => member.redis.checkMemory()), oom)
  shardOf('big').del('big')
  assert.is(await errorOf(() => member.redis.checkMemory()), 'no error')
})

test('counts, lists and draws the keys of all shards', () => {
  assert.is(member.redis.randomKey(), undefined)
  const keys = Array.from({ length: 60 }, (_, i) => `key:${i}`)
  for (const key of keys) set(key, '1')
  for (let i = 0; i < 10; i++) set(`gone:${i}`, '1', Date.now() - 1)
  assert.equal(
    allKeys()
      .filter(key => get(key) !== undefined)
      .sort(),
    keys.sort(),
  )
  for (let i = 0; i < 10; i++) set(`gone:${i}`, '1', Date.now() - 1)
  assert.is(member.redis.countKeys(), 60)
  const drawn = new Set<string>()
  while (drawn.size < keys.length) drawn.add(member.redis.randomKey()!)
  assert.equal([...drawn].sort(), keys.sort())
})

test('flushing empties all shards of the member, for ever', async () => {
  for (let i = 0; i < 100; i++) set(`key:${i}`, '1')
  await written(2, [...Array(100).keys()].filter(i => inShard(2, `key:${i}`)).length)
  const flushed = member.redis.flush()
  assert.equal(member.redis.keyspace(), { keys: 0, expires: 0 })
  set('after', '1')
  await flushed
  member = await member.reopen()
  assert.equal(member.redis.keyspace(), { keys: 1, expires: 0 })
  assert.is(get('after'), '1')
})

test('what looks at all shards is refused while one of them is not usable', async () => {
  const { redis, cluster } = member
  set('foo', '1')
  await cluster.administration.setShardStatus('REDIS', 1, 'READONLY')
  assert.is(redis.countKeys(), 1)
  const readOnly = 'ERR shard id: 1 is not in READWRITE status'
  assert.is(await errorOf(() => redis.flush()), readOnly)
  await cluster.administration.setShardStatus('REDIS', 1, 'INOPERABLE')
  const inoperable = 'ERR shard id: 1 is in INOPERABLE status'
  assert.is(await errorOf(() => redis.countKeys()), inoperable)
  assert.is(await errorOf(() => redis.walk({ cursor: 0, count: 10 }, () => {})), inoperable)
  assert.is(await errorOf(() => redis.randomKey()), inoperable)
  assert.is(await errorOf(() => allKeys()), inoperable)
  assert.is(get('foo'), '1')
  // A shard of another member is not looked at, and not flushed.
  await assign(1, STRANGER)
  assert.is(redis.countKeys(), 1)
  await redis.flush()
  assert.is(redis.countKeys(), 0)
})

test('a shard that cannot be loaded is unusable, and the others serve', async () => {
  set('foo', 'x'.repeat(1_000))
  set('bar', '1')
  await written(2, 1)
  await written(0, 1)
  const { store } = member
  const { prefix } = member.volumes.require('redis-shard-2')
  await store.transact(tx => {
    // The pointer of record 1 with a wrong checksum.
    const key = Buffer.concat([prefix, Buffer.from('0501', 'hex'), Buffer.alloc(7), Buffer.of(1)])
    const pointer = Buffer.alloc(18)
    pointer.writeUInt32BE(100, 10)
    tx.set(key, pointer)
  })
  member = await member.reopen()
  assert.is(await admit(frameOf('GET', 'foo')), 'ERR shard id: 2 not usable yet')
  assert.is(await admit(frameOf('GET', 'bar')), 'no error')
  assert.is(get('bar'), '1')
  assert.ok(member.logged.some(({ msg }) => msg === 'loading Redis data failed'))
})

test('a load that takes long does not hold the start up', async () => {
  const { store, cluster, config, volumes } = member
  set('foo', 'bar')
  await written(2, 1)
  let release = (): void => {}
  const gate = new Promise<void>(resolve => {
    release = resolve
  })
  const find = (kind: ShardKind, id: number): Volume | undefined => {
    const volume = volumes.find(kind, id)
    return volume && heldVolume(volume, gate)
  }
  const { routes } = cluster
  const slow = { find } as unknown as Volumes
  const standbys = new RoutedStandbys(routes, 0)
  const log = pino({ level: 'silent' })
  const redis = new Redis({ store, routes, config, volumes: slow, standbys, log })
  await redis.start()
  const error = await errorOf(() => redis.admit(frameOf('GET', 'foo'), first, false))
  assert.is(error, 'ERR shard id: 2 not usable yet')
  release()
  await redis.loaded()
  assert.is(redis.admit(frameOf('GET', 'foo'), first, false), 12_182)
  assert.is(redis.keyspace().keys, 1)
  await redis.stop()
})

/** A volume that reads nothing before `gate` is open. */
function heldVolume(volume: Volume, gate: Promise<void>): Volume {
  const get = (target: Volume, name: string): unknown => {
    const value = Reflect.get(target, name, target)
    if (typeof value !== 'function') return value
    const method = value.bind(target)
    if (name !== 'readAsync') return method
    return async (...args: unknown[]) => {
      await gate
      return method(...args)
    }
  }
  return new Proxy(volume, { get } as ProxyHandler<Volume>)
}

test.run()
