/** Batches of the syncer, and what a restart loads. */
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { err } from '../../../../ts/error.js'
import { loadShard } from '../../../../ts/redis/persistence/loader.js'
import { Syncer } from '../../../../ts/redis/persistence/syncer.js'
import { ShardData } from '../../../../ts/redis/shard.js'
import type { KeyRange } from '../../../../ts/store/keyspace.js'
import {
  changeLogPrefix,
  prefixRange,
  redisChunksRange,
  redisRange,
  redisRecordsPrefix,
} from '../../../../ts/store/keyspace.js'
import { type DataMember, errorOf, openDataMember } from '../../../support/data-member.js'
import { TextShard } from '../../../support/text-shard.js'
import { until } from '../../../support/wait.js'

const PREFIX = Buffer.from('syncer00')

let member: DataMember
let shard: ShardData
let syncer: Syncer

/** The member's own syncer stays idle: nothing is dirty in its shard. */
test.before.each(async () => {
  member = await openDataMember()
  shard = new ShardData(0)
  syncer = makeSyncer()
})
test.after.each(async () => {
  syncer.abandon()
  await member.close()
})

function makeSyncer(log = pino({ level: 'silent' })): Syncer {
  const { store, redisVolume: volume } = member
  return new Syncer({ shard, volume, store, prefix: PREFIX, periodMs: 5, log })
}

/** Writes everything that is dirty; another syncer goes on afterwards. */
async function sync(): Promise<void> {
  await syncer.stop()
  syncer = makeSyncer()
}

async function load(): Promise<ShardData> {
  const loaded = new ShardData(0)
  const { store, redisVolume: volume } = member
  await loadShard({ store, volume, shard: loaded })
  return loaded
}

const set = (key: string, value: string | Buffer, expiresAtMs = 0) => {
  new TextShard(shard).set(key, value, expiresAtMs)
}
const hset = (key: string, field: string, value: string) => {
  new TextShard(shard).hset(key, field, value)
}
const del = (key: string) => new TextShard(shard).del(key)
const stringIn = (data: ShardData, key: string) => new TextShard(data).get(key)
const entriesIn = (data: ShardData, key: string) => new TextShard(data).entries(key)

async function count({ begin, end }: KeyRange): Promise<number> {
  return (await member.store.transact(tx => tx.getRangeAll(begin, end))).count
}
const records = () => count(prefixRange(redisRecordsPrefix(member.redisVolume.prefix)))
const commits = () => count(prefixRange(changeLogPrefix(member.redisVolume.prefix)))

async function accounting(): Promise<{ used: number; entries: number }> {
  let used = 0
  let entries = 0
  for (const segment of (await member.redisVolume.describe()).values()) {
    used += segment.usedBytes
    entries += segment.cardinality
  }
  return { used, entries }
}

test('a load gives back strings and hashes with their expiries', async () => {
  const expiresAtMs = Date.now() + 60_000
  set('s', 'value')
  set('t', 'timed', expiresAtMs)
  hset('h', 'a', '1')
  hset('h', '', 'empty field')
  set('', '')
  await sync()
  const loaded = await load()
  assert.not(loaded.isDirty)
  assert.is(loaded.size, 4)
  assert.is(stringIn(loaded, 's'), 'value')
  assert.is(stringIn(loaded, ''), '')
  assert.is(new TextShard(loaded).expiryOf('t'), expiresAtMs)
  assert.is(loaded.expiringSize, 1)
  assert.equal(entriesIn(loaded, 'h'), [
    ['a', '1'],
    ['', 'empty field'],
  ])
  assert.is(loaded.usedBytes, shard.usedBytes)
  assert.is(loaded.lastRecordId, shard.lastRecordId)
})

test('keys, fields and values are bytes', async () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1')
  set(all, all)
  hset('h', all, all)
  await sync()
  const loaded = await load()
  assert.is(stringIn(loaded, all), all)
  assert.equal(entriesIn(loaded, 'h'), [[all, all]])
})

test('a value written again uses its record again, and its old bytes are garbage', async () => {
  set('k', 'first')
  await sync()
  const before = await accounting()
  set('k', 'other')
  await sync()
  assert.equal(await accounting(), before)
  assert.is(await records(), 1)
  assert.is(stringIn(await load(), 'k'), 'other')
})

test('deleted keys do not come back, and leave no record and no entry', async () => {
  set('k', '1')
  hset('h', 'a', '1')
  hset('h', 'b', '1')
  await sync()
  del('k')
  del('h')
  await sync()
  assert.is(await records(), 0)
  assert.equal(await accounting(), { used: 0, entries: 0 })
  assert.is((await load()).size, 0)
})

test('a key that is deleted and made again keeps only its new record', async () => {
  set('k', 'old')
  hset('h', 'a', 'old')
  await sync()
  del('k')
  del('h')
  set('k', 'new')
  hset('h', 'b', 'new')
  await sync()
  assert.is(await records(), 2)
  const loaded = await load()
  assert.is(stringIn(loaded, 'k'), 'new')
  assert.equal(entriesIn(loaded, 'h'), [['b', 'new']])
})

test('a key that changes its type keeps only the records of the new one', async () => {
  hset('k', 'a', '1')
  hset('k', 'b', '1')
  await sync()
  set('k', 'string')
  await sync()
  assert.is(await records(), 1)
  assert.is(stringIn(await load(), 'k'), 'string')
})

test('expired records are not loaded, and are cleared', async () => {
  set('k', '1', Date.now() + 30)
  set('stays', '1')
  await sync()
  await new Promise(resolve => setTimeout(resolve, 40))
  const loaded = await load()
  assert.is(loaded.size, 1)
  assert.ok(loaded.isDirty)
  assert.is(loaded.lastRecordId, 2)
  shard = loaded
  syncer = makeSyncer()
  await sync()
  assert.is(await records(), 1)
})

test('many items are several batches of a thousand', async () => {
  for (let i = 0; i < 2_500; i++) set(`key:${i}`, String(i))
  await sync()
  assert.is(await commits(), 3)
  assert.is(await records(), 2_500)
  const loaded = await load()
  assert.is(loaded.size, 2_500)
  assert.is(stringIn(loaded, 'key:2499'), '2499')
})

test('a batch is written although the event loop is slow', async () => {
  for (const value of ['old', 'new']) {
    if (value === 'new') await sync()
    for (let i = 0; i < 1_000; i++) set(`key:${i}`, value)
  }
  let isBusy = true
  const work = (): void => {
    const endMs = performance.now() + 100
    while (performance.now() < endMs);
    if (isBusy) setImmediate(work)
  }
  work()
  await sync().finally(() => {
    isBusy = false
  })
  assert.is(await records(), 1_000)
  // In one go, before its transaction is too old.
  assert.is(await commits(), 2)
  assert.is(stringIn(await load(), 'key:999'), 'new')
})

test('batches follow each other until nothing is dirty', async () => {
  for (let i = 0; i < 3_500; i++) set(`key:${i}`, String(i))
  syncer.start()
  await until('everything is written', () => !shard.isDirty)
  await sync()
  assert.is(await records(), 3_500)
})

test('long values are cut into chunks and put together again', async () => {
  const sizes = [262_144 - 22, 262_144 - 21, 262_144, 1_000_000, 3 * 1024 * 1024]
  const values = sizes.map((size, i) => Buffer.alloc(size, i + 97))
  for (const [i, value] of values.entries()) set(String(i), value, Date.now() + 60_000)
  hset('h', 'f', 'x'.repeat(600_000))
  await sync()
  const loaded = await load()
  for (const [i, value] of values.entries()) {
    const stored = stringIn(loaded, String(i)) ?? ''
    assert.ok(Buffer.from(stored, 'latin1').equals(value), String(i))
    assert.ok(new TextShard(loaded).expiryOf(String(i))! > Date.now())
  }
  assert.ok(entriesIn(loaded, 'h').some(([f, value]) => f === 'f' && value === 'x'.repeat(600_000)))
})

test('a long key or field does not keep the others from being written', async () => {
  const long = 'k'.repeat(1_500_000)
  set(long, 'value')
  hset('h', long, 'value')
  set('short', '1')
  await sync()
  const loaded = await load()
  assert.is(stringIn(loaded, long), 'value')
  assert.is(stringIn(loaded, 'short'), '1')
  assert.equal(entriesIn(loaded, 'h'), [[long, 'value']])
})

test('the chunks of a long value go when it is replaced or deleted', async () => {
  const chunks = (id: number) => count(redisChunksRange(member.redisVolume.prefix, BigInt(id)))
  set('k', Buffer.alloc(1_000_000))
  await sync()
  // What stands before the value is a chunk of its own.
  assert.is(await chunks(1), 5)
  set('k', Buffer.alloc(600_000))
  await sync()
  assert.is(await chunks(1), 4)
  set('k', 'short')
  await sync()
  assert.is(await chunks(1), 0)
  assert.is((await accounting()).entries, 1)
  set('k', Buffer.alloc(600_000))
  await sync()
  del('k')
  await sync()
  assert.is(await chunks(1), 0)
  assert.equal(await accounting(), { used: 0, entries: 0 })
})

test('a batch that fails is put back, and written later', async () => {
  const volume = member.redisVolume
  const { append } = volume
  set('k', '1')
  await sync()
  volume.append = () => Promise.reject(err('the disk is full'))
  set('k', '2')
  set('new', '1')
  del('nothing')
  assert.is(await errorOf(() => sync()), 'ERR the disk is full')
  syncer = makeSyncer()
  assert.is(shard.dirty.size, 2)
  del('new')
  volume.append = append
  await sync()
  const loaded = await load()
  assert.is(stringIn(loaded, 'k'), '2')
  assert.is(loaded.size, 1)
  assert.is(await records(), 1)
})

test('batches that keep failing are told once, and once more when they are written', async () => {
  const volume = member.redisVolume
  const { append } = volume
  const lines: { msg: string; failures?: number }[] = []
  syncer = makeSyncer(pino({}, { write: line => lines.push(JSON.parse(line)) }))
  let attempts = 0
  volume.append = () => {
    attempts++
    return Promise.reject(err('the disk is full'))
  }
  set('k', '1')
  syncer.start()
  await until('it was tried again and again', () => attempts >= 5)
  assert.equal(
    lines.map(({ msg }) => msg),
    ['writing Redis data failed; trying again'],
  )
  volume.append = append
  await until('it is written', () => !shard.isDirty && lines.length > 1)
  const { msg, failures } = lines[1]!
  assert.equal({ msg, failures }, { msg: 'Redis data is written again', failures: attempts })
  await sync()
  assert.is(stringIn(await load(), 'k'), '1')
})

test('a wipe and a stop go on as ever between batches that fail', async () => {
  const volume = member.redisVolume
  const { append } = volume
  let attempts = 0
  volume.append = () => {
    attempts++
    return Promise.reject(err('the disk is full'))
  }
  set('before', '1')
  syncer.start()
  await until('it was tried', () => attempts >= 3)
  shard.clear()
  await syncer.wipe()
  assert.is(await records(), 0)
  set('after', '1')
  volume.append = append
  await syncer.stop()
  assert.is(stringIn(await load(), 'after'), '1')
})

/** A hash of so many fields is written in several batches. */
const LARGE = 10_000

function fill(key: string): void {
  for (let i = 0; i < LARGE; i++) hset(key, `field:${i}`, 'value')
}

test('a large hash that is deleted or overwritten leaves no record', async () => {
  fill('h')
  await sync()
  assert.is(await records(), LARGE)
  const before = await commits()
  del('h')
  await sync()
  assert.ok((await commits()) > before + 1, 'there were several batches')
  assert.is(await records(), 0)
  assert.equal(await accounting(), { used: 0, entries: 0 })
  fill('h')
  await sync()
  set('h', 'string')
  await sync()
  assert.is(await records(), 1)
  assert.is(stringIn(await load(), 'h'), 'string')
})

test('a large hash that is renamed and timed is so after a load', async () => {
  const expiresAtMs = Date.now() + 60_000
  const text = new TextShard(shard)
  fill('{1}from')
  await sync()
  text.rename('{1}from', '{1}to')
  text.expire('{1}to', expiresAtMs)
  set('{1}from', 'next')
  await sync()
  const loaded = await load()
  assert.not(loaded.isDirty)
  assert.is(loaded.size, 2)
  assert.is(entriesIn(loaded, '{1}to').length, LARGE)
  assert.is(new TextShard(loaded).expiryOf('{1}to'), expiresAtMs)
  assert.is(stringIn(loaded, '{1}from'), 'next')
})

test('the memory of a large hash is free although nothing can be written', async () => {
  fill('h')
  await sync()
  const { stage } = member.redisVolume
  member.redisVolume.stage = () => {
    throw err('the store is gone')
  }
  const full = shard.usedBytes
  del('h')
  assert.is(await errorOf(() => sync()), 'ERR the store is gone')
  assert.ok(shard.usedBytes < 0.8 * full, `${shard.usedBytes} of ${full} bytes are in use`)
  member.redisVolume.stage = stage
  syncer = makeSyncer()
  await sync()
  assert.is(shard.usedBytes, 0)
  assert.is(await records(), 0)
})

test('a wipe that comes while a large hash is dropped is done before anything else', async () => {
  fill('h')
  await sync()
  del('h')
  syncer.start()
  const { dropFields } = shard
  let wiped: Promise<void> | undefined
  shard.dropFields = count => {
    if (wiped === undefined) {
      dropFields.call(shard, 1)
      shard.clear()
      wiped = syncer.wipe()
      set('after', '1')
      return false
    }
    return dropFields.call(shard, count)
  }
  await until('the wipe was asked for', () => wiped !== undefined)
  await wiped
  await sync()
  assert.is(await records(), 1)
  assert.is(stringIn(await load(), 'after'), '1')
})

test('a wipe clears every record, chunks too, in one commit', async () => {
  for (let i = 0; i < 1_500; i++) set(`key:${i}`, String(i))
  set('long', Buffer.alloc(1_000_000))
  hset('h', 'a', '1')
  await sync()
  const before = await commits()
  set('dirty', '1')
  shard.clear()
  await syncer.wipe()
  assert.is(await commits(), before + 1)
  assert.is(await records(), 0)
  assert.is(await count(redisRange(member.redisVolume.prefix)), 0)
  assert.equal(await accounting(), { used: 0, entries: 0 })
  await sync()
  assert.is((await load()).size, 0)
})

test('what is written after a wipe stays, and what was on its way before does not', async () => {
  const volume = member.redisVolume
  const { append } = volume
  let wiped: Promise<void> | undefined
  volume.append = (bodies, lengths) => {
    volume.append = append
    shard.clear()
    wiped = syncer.wipe()
    set('after', '1')
    return append.call(volume, bodies, lengths)
  }
  set('before', '1')
  syncer.start()
  await until('the wipe was asked for', () => wiped !== undefined)
  await wiped
  await sync()
  const loaded = await load()
  assert.is(stringIn(loaded, 'before'), undefined)
  assert.is(stringIn(loaded, 'after'), '1')
  assert.is(await records(), 1)
})

test('a wipe waits for one batch, not for the end of all writes', async () => {
  const volume = member.redisVolume
  const { append } = volume
  let batches = 0
  let batchesOfWipe = 0
  let wiped: Promise<void> | undefined
  // Whenever a batch is written, the next one is due: nothing but the wipe ends this.
  volume.append = (bodies, lengths) => {
    set(`key:${batches++}`, '1')
    if (batches === 3) {
      shard.clear()
      wiped = syncer.wipe().then(() => {
        batchesOfWipe = batches
      })
      set('after', '1')
    }
    return append.call(volume, bodies, lengths)
  }
  set('before', '1')
  syncer.start()
  await until('the wipe was asked for', () => wiped !== undefined)
  await wiped
  assert.is(batchesOfWipe, 3)
  await until('writing goes on', () => batches > 5)
  volume.append = append
  await sync()
  const loaded = await load()
  assert.is(stringIn(loaded, 'after'), '1')
  for (const key of ['before', 'key:0', 'key:1', 'key:2'])
    assert.is(stringIn(loaded, key), undefined)
})

test('a batch that fails while a wipe is due is not put back', async () => {
  const volume = member.redisVolume
  const { append } = volume
  let wiped: Promise<void> | undefined
  volume.append = () => {
    volume.append = append
    shard.clear()
    wiped = syncer.wipe()
    return Promise.reject(err('the disk is full'))
  }
  set('before', '1')
  syncer.start()
  await until('the wipe was asked for', () => wiped !== undefined)
  await wiped
  assert.not(shard.isDirty)
  await sync()
  assert.is(await records(), 0)
})

test('a wipe that fails says so, and is done before anything else is written', async () => {
  const volume = member.redisVolume
  const { stage } = volume
  set('before', '1')
  await sync()
  volume.stage = () => {
    throw err('the store is gone')
  }
  shard.clear()
  const failed = syncer.wipe()
  set('after', '1')
  assert.is(await errorOf(() => failed), 'ERR the store is gone')
  assert.is(await errorOf(() => sync()), 'ERR the store is gone')
  volume.stage = stage
  await syncer.stop()
  const loaded = await load()
  assert.is(stringIn(loaded, 'before'), undefined)
  assert.is(stringIn(loaded, 'after'), '1')
})

test('each of several wipes ends, and only what came last is there', async () => {
  set('a', '1')
  syncer.start()
  const wipes: Promise<void>[] = []
  for (const key of ['b', 'c', 'd']) {
    shard.clear()
    wipes.push(syncer.wipe())
    set(key, '1')
  }
  await Promise.all(wipes)
  await sync()
  const loaded = await load()
  assert.is(loaded.size, 1)
  assert.is(stringIn(loaded, 'd'), '1')
})

test('a wipe of a shard that belongs to another member changes nothing', async () => {
  set('k', '1')
  await sync()
  shard.clear()
  const wiped = syncer.wipe()
  syncer.abandon()
  assert.is(await errorOf(() => wiped), 'ERR shard id: 0 belongs to another member now')
  assert.is(await records(), 1)
})

test('a shard that is opened again under the syncer loses nothing', async () => {
  syncer.start()
  const { administration } = member.cluster
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 300; i++) set(`key:${i}`, `${round}`)
    await administration.setShardStatus('REDIS', 0, round % 2 === 0 ? 'READONLY' : 'READWRITE')
  }
  await administration.setShardStatus('REDIS', 0, 'READWRITE')
  await until('everything is written', () => !shard.isDirty)
  await sync()
  const loaded = await load()
  assert.is(loaded.size, 300)
  for (let i = 0; i < 300; i++) assert.is(stringIn(loaded, `key:${i}`), '4')
})

test('bodies appended before the volume was opened again are written again', async () => {
  const { administration } = member.cluster
  set('first', '1')
  await sync()
  set('k', '1')
  const { transact } = member.store
  member.store.transact = async (body, options) => {
    member.store.transact = transact
    await administration.setShardStatus('REDIS', 0, 'READONLY')
    await administration.setShardStatus('REDIS', 0, 'READWRITE')
    return member.store.transact(body, options)
  }
  let message = ''
  await syncer.stop().catch((cause: Error) => {
    message = cause.message
  })
  assert.is(message, 'the shard changed hands after the batch was appended')
  assert.is(await records(), 1)
  syncer = makeSyncer()
  await sync()
  assert.is(stringIn(await load(), 'k'), '1')
})

test('what was acknowledged is written although the shard takes no writes any more', async () => {
  set('k', '1')
  await member.cluster.administration.setShardStatus('REDIS', 0, 'READONLY')
  await sync()
  assert.is(stringIn(await load(), 'k'), '1')
})

test('a syncer that is abandoned writes nothing more', async () => {
  set('k', '1')
  syncer.start()
  syncer.abandon()
  await new Promise(resolve => setTimeout(resolve, 30))
  assert.is(await records(), 0)
})

test('a load ends loudly when a chunk is missing', async () => {
  set('k', Buffer.alloc(1_000_000))
  await sync()
  const { begin } = redisChunksRange(member.redisVolume.prefix, 1n)
  await member.store.transact(tx => {
    tx.clear(Buffer.concat([begin, Buffer.from('00000002', 'hex')]))
  })
  let message = ''
  await load().catch((cause: Error) => {
    message = cause.message
  })
  assert.is(message, 'record 1 has 4 chunks instead of 5')
})

test.run()
