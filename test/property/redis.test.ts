/** Whatever was done to a REDIS shard, a restart finds it as it was. */
import fc from 'fast-check'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadShard } from '../../ts/redis/loader.js'
import { ShardData } from '../../ts/redis/shard.js'
import { Syncer } from '../../ts/redis/syncer.js'
import { prefixRange, redisRecordsPrefix } from '../../ts/store/keyspace.js'
import { property } from '../support/budget.js'
import { type DataMember, openDataMember } from '../support/data-member.js'
import { slotOfText, TextShard } from '../support/text-shard.js'

const PREFIX = Buffer.from('syncer00')
/** All of one slot, so that each may be renamed to each. */
const KEYS = [...['a', 'b', 'c'].map(name => `{${tagBeside('')}}${name}`), '']
const log = pino({ level: 'silent' })

/** A number that has the slot of a key. */
function tagBeside(key: string): number {
  for (let tag = 0; ; tag++) if (slotOfText(String(tag)) === slotOfText(key)) return tag
}

let member: DataMember

test.before(async () => {
  member = await openDataMember()
})
test.after(() => member.close())

type Step =
  | { readonly do: 'set'; readonly key: string; readonly value: string; readonly isTimed: boolean }
  | { readonly do: 'hset'; readonly key: string; readonly field: string; readonly value: string }
  | { readonly do: 'hset many' | 'hdel many'; readonly key: string; readonly count: number }
  | { readonly do: 'hdel'; readonly key: string; readonly field: string }
  | { readonly do: 'del'; readonly key: string }
  | { readonly do: 'rename'; readonly key: string; readonly to: string }
  | { readonly do: 'expire'; readonly key: string; readonly expiresAtMs: number }
  | { readonly do: 'sync' | 'flush' }
  | { readonly do: 'fail'; readonly at: 'append' | 'stage' }

const keys = fc.constantFrom(...KEYS)
const fields = fc.constantFrom('a', 'b', 'c', '')
const values = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.string({ unit: fc.nat(255).map(c => String.fromCharCode(c)) }),
  },
  // Around the length from which on values are Buffers of their own, and with chunks.
  fc.integer({ min: 16_382, max: 16_386 }).map(size => 'x'.repeat(size)),
  fc.integer({ min: 20_000, max: 600_000 }).map(size => 'x'.repeat(size)),
)
const EXPIRY_MS = Date.now() + 3_600_000
/** Never, later, even later, and long ago. */
const expiries = fc.constantFrom(0, EXPIRY_MS, EXPIRY_MS + 1, 1)
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      key: keys,
      value: values,
      isTimed: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('hset' as const),
      key: keys,
      field: fields,
      value: values,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('hdel' as const), key: keys, field: fields }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('hset many' as const, 'hdel many' as const),
      key: keys,
      count: fc.nat(40),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('del' as const), key: keys }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('rename' as const), key: keys, to: keys }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('expire' as const), key: keys, expiresAtMs: expiries }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sync' as const) }) },
  fc.record({ do: fc.constant('flush' as const) }),
  fc.record({ do: fc.constant('fail' as const), at: fc.constantFrom('append', 'stage') }),
)

/** Does to the shard what a command does; a hash command on a string is refused. */
function apply(shard: ShardData, step: Step): void {
  const text = new TextShard(shard)
  if (step.do === 'set') {
    text.set(step.key, step.value, step.isTimed ? EXPIRY_MS : 0)
  } else if (step.do === 'hset') {
    if (text.typeOf(step.key) !== 'string') text.hset(step.key, step.field, step.value)
  } else if (step.do === 'hset many') {
    if (text.typeOf(step.key) === 'string') return
    for (let i = 0; i < step.count; i++) text.hset(step.key, `field ${i}`, String(i))
  } else if (step.do === 'hdel many') {
    if (text.typeOf(step.key) === 'string') return
    for (let i = 0; i < step.count; i++) text.hdel(step.key, `field ${i}`)
  } else if (step.do === 'hdel') {
    if (text.typeOf(step.key) === 'hash') text.hdel(step.key, step.field)
  } else if (step.do === 'del') {
    text.del(step.key)
  } else if (step.do === 'rename') {
    text.rename(step.key, step.to)
  } else if (step.do === 'expire') {
    text.expire(step.key, step.expiresAtMs)
  }
}

/** Everything in a shard, as plain data. */
function contents(shard: ShardData): unknown[] {
  const text = new TextShard(shard)
  return KEYS.map(key => {
    const type = text.typeOf(key)
    if (type === undefined) return [key]
    const value = type === 'string' ? text.get(key) : text.entries(key).sort(byField)
    return [key, text.expiryOf(key), value]
  })
}

function byField([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1
}

function syncerOf(shard: ShardData): Syncer {
  const { store, redisVolume: volume } = member
  return new Syncer({ shard, volume, store, prefix: PREFIX, periodMs: 1_000, log })
}

function drain(shard: ShardData): Promise<void> {
  return syncerOf(shard).stop()
}

async function flush(shard: ShardData): Promise<void> {
  shard.clear()
  await syncerOf(shard).wipe()
}

/** A drain that cannot write: it fails before or after the bodies are appended. */
async function drainInVain(shard: ShardData, stage: 'append' | 'stage'): Promise<void> {
  const volume = member.redisVolume
  const { append, stage: stageIn } = volume
  const fail = () => {
    throw new Error('as the test wants it')
  }
  if (stage === 'append') volume.append = fail
  else volume.stage = fail
  await drain(shard).catch(() => {})
  volume.append = append
  volume.stage = stageIn
}

async function load(): Promise<ShardData> {
  const shard = new ShardData(0)
  const { store, redisVolume: volume } = member
  await loadShard({ store, volume, shard })
  return shard
}

async function recordCount(): Promise<number> {
  const { begin, end } = prefixRange(redisRecordsPrefix(member.redisVolume.prefix))
  return (await member.store.transact(tx => tx.getRangeAll(begin, end))).count
}

async function liveBytes(): Promise<{ used: number; entries: number }> {
  let used = 0
  let entries = 0
  for (const segment of (await member.redisVolume.describe()).values()) {
    used += segment.usedBytes
    entries += segment.cardinality
  }
  return { used, entries }
}

test('a restart finds the shard as it was, and an emptied one leaves nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async list => {
      const shard = new ShardData(0)
      for (const step of list) {
        if (step.do === 'sync') await drain(shard)
        else if (step.do === 'flush') await flush(shard)
        else if (step.do === 'fail') await drainInVain(shard, step.at)
        else apply(shard, step)
      }
      // Reading removes what has expired, so that its records are cleared as well.
      const found = contents(shard)
      await drain(shard)
      assert.not(shard.isDirty)
      const loaded = await load()
      assert.equal(contents(loaded), found)
      assert.is(loaded.usedBytes, shard.usedBytes)
      assert.not(loaded.isDirty)
      for (const key of KEYS) new TextShard(loaded).del(key)
      await drain(loaded)
      assert.is(await recordCount(), 0)
      assert.equal(await liveBytes(), { used: 0, entries: 0 })
      assert.is(loaded.usedBytes, 0)
    }),
    property('redis shard'),
  )
})

test.run()
