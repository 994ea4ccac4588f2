/** Synchronous mode of the syncer: batches that commit once standbys have stored their bytes. */
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { err } from '../../../ts/error.js'
import { loadShard } from '../../../ts/redis/persistence/loader.js'
import { StandbyWait } from '../../../ts/redis/persistence/standby-wait.js'
import { Syncer } from '../../../ts/redis/persistence/syncer.js'
import { ShardData } from '../../../ts/redis/shard.js'
import { prefixRange, redisRecordsPrefix } from '../../../ts/store/keyspace.js'
import { type DataMember, errorOf, openDataMember } from '../../support/data-member.js'
import { HeldStandbys } from '../../support/held-standbys.js'
import { slotOfText, TextShard } from '../../support/text-shard.js'
import { until } from '../../support/wait.js'

const PREFIX = Buffer.from('syncer00')
const HOUR_MS = 3_600_000
const FAILED = 'writing Redis data failed; trying again'
const AGAIN = 'Redis data is written again'
const LOST = 'stopping: the last changes of Redis data are lost'

let member: DataMember
let shard: ShardData
let standbys: HeldStandbys
let logged: Record<string, unknown>[]
let syncer: Syncer

/** The member's own syncer stays idle: nothing is dirty in its shard. */
test.before.each(async () => {
  member = await openDataMember()
  shard = new ShardData(0)
  standbys = new HeldStandbys()
  logged = []
  syncer = makeSyncer(HOUR_MS)
})
test.after.each(async () => {
  syncer.abandon()
  // What a test that failed has left is written when the member stops.
  standbys.isQuick = true
  await member.close()
})

function makeSyncer(timeoutMs: number): Syncer {
  const { store, redisVolume: volume } = member
  const log = pino({}, { write: (line: string) => logged.push(JSON.parse(line)) })
  const synchronous = { standbys, timeoutMs }
  return new Syncer({ shard, volume, store, prefix: PREFIX, periodMs: 5, synchronous, log })
}

const set = (key: string, value: string) => new TextShard(shard).set(key, value)
const messages = () => logged.map(({ msg }) => msg)

async function loaded(): Promise<TextShard> {
  const data = new ShardData(0)
  const { store, redisVolume: volume } = member
  await loadShard({ store, volume, shard: data })
  return new TextShard(data)
}

async function records(): Promise<number> {
  const { begin, end } = prefixRange(redisRecordsPrefix(member.redisVolume.prefix))
  return (await member.store.transact(tx => tx.getRangeAll(begin, end))).count
}

/** Opens the volume again, under another epoch. */
async function openAgain(): Promise<void> {
  const { administration } = member.cluster
  await administration.setShardStatus('REDIS', 0, 'READONLY')
  await administration.setShardStatus('REDIS', 0, 'READWRITE')
}

/** The place where the next byte goes. */
const tail = () => member.redisVolume.handle.tail

test('a batch commits once the standbys have its bytes, and the next one comes then', async () => {
  set('first', 'some value')
  syncer.start()
  const first = await standbys.question(1)
  assert.ok(first.bytes.includes('some value'))
  assert.is(first.epoch, member.redisVolume.epoch)
  assert.not(shard.isDirty)
  set('second', '2')
  assert.is(await records(), 0)
  first.answer()
  const second = await standbys.question(2)
  assert.is(await records(), 1)
  assert.is((await loaded()).get('first'), 'some value')
  second.answer()
  await syncer.stop()
  assert.is(await records(), 2)
  assert.is(standbys.asked.length, 2)
  assert.equal(logged, [])
})

test('what becomes dirty during a wait is neither lost nor written as it was', async () => {
  set('changes', 'old')
  set('goes', '1')
  syncer.start()
  const first = await standbys.question(1)
  set('changes', 'new')
  new TextShard(shard).del('goes')
  first.answer()
  const second = await standbys.question(2)
  assert.is((await loaded()).get('changes'), 'old')
  second.answer()
  await syncer.stop()
  assert.is((await loaded()).get('changes'), 'new')
  assert.is(await records(), 1)
})

test('a batch that the standbys did not store is put back, and written as it is then', async () => {
  set('k', 'old')
  set('other', '1')
  syncer.start()
  const first = await standbys.question(1)
  first.fail(err('a standby has no space left'))
  const second = await standbys.question(2)
  assert.ok(second.bytes.includes('old'))
  assert.is(await records(), 0)
  set('k', 'new')
  second.fail(err('a standby has no space left'))
  const third = await standbys.question(3)
  assert.not(third.bytes.includes('old'))
  assert.ok(third.bytes.includes('new'))
  third.answer()
  await syncer.stop()
  assert.equal(messages(), [FAILED, AGAIN])
  const data = await loaded()
  assert.is(data.get('k'), 'new')
  assert.is(data.get('other'), '1')
})

test('nothing is appended while the standbys take no bytes', async () => {
  set('k', '1')
  standbys.refusal = err('shard id: 0: a standby is away')
  const before = tail()
  syncer.start()
  await until('it was tried three times', () => standbys.chosen.length >= 3)
  assert.equal(tail(), before)
  assert.ok(shard.isDirty)
  standbys.refusal = undefined
  const first = await standbys.question(1)
  assert.equal(messages(), [FAILED])
  first.answer()
  await syncer.stop()
  assert.is((await loaded()).get('k'), '1')
})

test('standbys that do not answer in time count as failed', async () => {
  syncer = makeSyncer(20)
  set('k', '1')
  syncer.start()
  const first = await standbys.question(1)
  const second = await standbys.question(2)
  assert.ok(first.signal.aborted)
  const [line] = logged as { msg: string; err: { message: string } }[]
  assert.is(line?.msg, FAILED)
  assert.is(line?.err.message, 'shard id: 0: its standbys did not store its data within 20 ms')
  // An answer that comes too late says nothing about the bytes of the next try.
  first.answer()
  second.fail(err('not yet'))
  standbys.isQuick = true
  await syncer.stop()
  assert.is((await loaded()).get('k'), '1')
})

test('a wait ends when the volume is opened again, and the bytes are written again', async () => {
  set('k', '1')
  syncer.start()
  const first = await standbys.question(1)
  syncer.followRoutes()
  assert.not(first.signal.aborted)
  await openAgain()
  syncer.followRoutes()
  assert.ok(first.signal.aborted)
  const second = await standbys.question(2)
  assert.is(second.epoch, member.redisVolume.epoch)
  assert.ok(second.epoch > first.epoch)
  second.answer()
  await syncer.stop()
  assert.is((await loaded()).get('k'), '1')
  assert.equal(logged, [])
})

test('bytes that were stored under an earlier epoch are not committed', async () => {
  set('k', '1')
  syncer.start()
  const first = await standbys.question(1)
  await openAgain()
  first.answer()
  const second = await standbys.question(2)
  assert.is(await records(), 0)
  assert.equal(messages(), [FAILED])
  second.answer()
  await syncer.stop()
  assert.is((await loaded()).get('k'), '1')
})

test('a wipe does not wait for standbys, and drops the batch that did', async () => {
  set('written', '1')
  syncer.start()
  ;(await standbys.question(1)).answer()
  await until('it is written', async () => (await records()) === 1)
  set('before', '1')
  const second = await standbys.question(2)
  shard.clear()
  const wiped = syncer.wipe()
  set('after', '1')
  await wiped
  assert.ok(second.signal.aborted)
  assert.is(await records(), 0)
  const third = await standbys.question(3)
  assert.not(third.bytes.includes('before'))
  // Bytes that are not wanted any more are stored all the same: nothing comes of it.
  second.answer()
  third.answer()
  await syncer.stop()
  const data = await loaded()
  assert.is(data.data.size, 1)
  assert.is(data.get('after'), '1')
  assert.equal(logged, [])
})

test('what comes while bytes are appended ends the wait before it begins', async () => {
  const { redisVolume: volume } = member
  const append = volume.append.bind(volume)
  const meanwhile: (() => unknown)[] = [
    openAgain,
    () => {
      shard.clear()
      const wiped = syncer.wipe()
      set('after', '1')
      // It comes behind the batch.
      wiped.catch(() => undefined)
    },
  ]
  volume.append = async (bodies, lengths) => {
    const locations = await append(bodies, lengths)
    await meanwhile.shift()?.()
    return locations
  }
  set('k', '1')
  syncer.start()
  const first = await standbys.question(1)
  assert.is(first.epoch, volume.epoch)
  assert.ok(first.bytes.includes('after'))
  first.answer()
  await syncer.stop()
  assert.is((await loaded()).get('after'), '1')
  assert.is(await records(), 1)
  assert.equal(logged, [])
})

test('a syncer that is abandoned while it appends asks nobody', async () => {
  const { redisVolume: volume } = member
  const append = volume.append.bind(volume)
  const appended = new Promise<void>(resolve => {
    volume.append = async (bodies, lengths) => {
      const locations = await append(bodies, lengths)
      syncer.abandon()
      resolve()
      return locations
    }
  })
  set('k', '1')
  syncer.start()
  await appended
  // It comes behind the batch.
  const wiped = syncer.wipe()
  assert.is(await errorOf(() => wiped), 'ERR shard id: 0 belongs to another member now')
  assert.equal(standbys.asked, [])
  assert.is(await records(), 0)
  assert.equal(logged, [])
})

test('a syncer that is abandoned during a wait writes nothing more', async () => {
  set('k', '1')
  syncer.start()
  const first = await standbys.question(1)
  syncer.abandon()
  assert.ok(first.signal.aborted)
  first.answer()
  // It comes behind the batch.
  const wiped = syncer.wipe()
  assert.is(await errorOf(() => wiped), 'ERR shard id: 0 belongs to another member now')
  assert.is(await records(), 0)
  assert.is(standbys.asked.length, 1)
})

test('a stop waits for standbys that answer', async () => {
  set('k', '1')
  syncer.start()
  const first = await standbys.question(1)
  set('late', '1')
  const stopped = syncer.stop()
  standbys.isQuick = true
  first.answer()
  await stopped
  const data = await loaded()
  assert.is(data.get('k'), '1')
  assert.is(data.get('late'), '1')
})

test('a stop does not outwait standbys that are silent, and says what is lost', async () => {
  syncer = makeSyncer(50)
  set('k', '1')
  set('l', '1')
  syncer.start()
  await standbys.question(1)
  const silent = 'ERR shard id: 0: its standbys did not store its data within 50 ms'
  assert.is(await errorOf(() => syncer.stop()), silent)
  assert.is(logged.find(({ msg }) => msg === LOST)?.items, 2)
  assert.is(await records(), 0)
})

test('a stop ends at once when the standbys take no bytes', async () => {
  set('k', '1')
  standbys.refusal = err('shard id: 0: a standby is away')
  assert.is(await errorOf(() => syncer.stop()), 'ERR shard id: 0: a standby is away')
  assert.is(logged.find(({ msg }) => msg === LOST)?.items, 1)
})

test('a stop shortens a long wait', async () => {
  const wait = new StandbyWait(0, HOUR_MS)
  const group = standbys.choose('REDIS', 0)!
  const locations = new Uint32Array()
  const volume = member.redisVolume
  const waited = errorOf(() => wait.stored(group, { volume, locations, epoch: volume.epoch }))
  assert.is(wait.epoch, volume.epoch)
  wait.hurry()
  const late = 'ERR shard id: 0: its standbys did not store its data within 5000 ms'
  assert.is(await waited, late)
  assert.is(wait.epoch, undefined)
})

test('what has no bytes waits for nobody', async () => {
  set('k', '1')
  standbys.isQuick = true
  syncer.start()
  await until('it is written', async () => (await records()) === 1)
  new TextShard(shard).del('k')
  await syncer.stop()
  assert.is(await records(), 0)
  assert.is(standbys.asked.length, 1)
})

test('a shard without standbys is written at once', async () => {
  standbys.isThere = false
  set('k', '1')
  await syncer.stop()
  assert.equal(standbys.chosen, ['REDIS 0'])
  assert.is(await records(), 1)
})

test('a member asks its standbys in synchronous mode, and follows the routes', async () => {
  await member.close()
  member = await openDataMember(['redis.volume_syncer.synchronous_replication=true'], standbys)
  const data = () => new TextShard(member.redis.shardOf(slotOfText('k')))
  data().set('k', '1')
  const first = await standbys.question(1)
  await openAgain()
  assert.ok(first.signal.aborted)
  const { epoch } = member.redisVolume
  await until('they are asked under the new epoch', () => standbys.asked.at(-1)?.epoch === epoch)
  const second = standbys.asked.at(-1)!
  assert.is(await records(), 0)
  // What the member has in memory is served and changed meanwhile, and emptied.
  data().set('k', '2')
  assert.is(data().get('k'), '2')
  await member.redis.flush()
  assert.ok(second.signal.aborted)
  standbys.isQuick = true
  data().set('k', '3')
  await until('it is written', async () => (await records()) === 1)
  member = await member.reopen()
  assert.is(data().get('k'), '3')
})

test('a member asks nobody unless it is told to', async () => {
  await member.close()
  member = await openDataMember([], standbys)
  new TextShard(member.redis.shardOf(slotOfText('k'))).set('k', '1')
  await until('it is written', async () => (await records()) === 1)
  assert.equal(standbys.chosen, [])
})

test.run()
