/** Whatever was done to a REDIS shard, a restart finds it as it was. */
import fc from 'fast-check'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadShard } from '../../ts/redis/persistence/loader.js'
import { Syncer } from '../../ts/redis/persistence/syncer.js'
import { ShardData, type StoredItem } from '../../ts/redis/shard.js'
import { Rope } from '../../ts/resp/rope.js'
import { prefixRange, redisRecordsPrefix } from '../../ts/store/keyspace.js'
import type { Store } from '../../ts/store/store.js'
import { property } from '../support/budget.js'
import { type DataMember, openDataMember } from '../support/data-member.js'
import { slotOfText, TextShard } from '../support/text-shard.js'

const PREFIX = Buffer.from('syncer00')
/** All of one slot, so that each may be renamed to each. */
const KEYS = [...['a', 'b', 'c'].map(name => `{${tagBeside('')}}${name}`), '']
/** What a batch fails with. */
const WANTED = 'as the test wants it'
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

function longOf(sizes: { min: number; max: number }): fc.Arbitrary<string> {
  return fc.integer(sizes).map(size => 'x'.repeat(size))
}

/** What a command does to a shard. */
type Change =
  | { readonly do: 'set'; readonly key: string; readonly value: string; readonly isTimed: boolean }
  | {
      readonly do: 'hset'
      readonly key: string
      readonly fields: readonly string[]
      readonly value: string
    }
  | { readonly do: 'hdel'; readonly key: string; readonly fields: readonly string[] }
  | { readonly do: 'del'; readonly key: string }
  | { readonly do: 'rename'; readonly key: string; readonly to: string }
  | { readonly do: 'expire'; readonly key: string; readonly expiresAtMs: number }

type Step =
  | Change
  | { readonly do: 'flush' }
  /** Writes what is dirty, all of it or until a batch fails; changes come while one is written. */
  | {
      readonly do: 'sync'
      readonly meanwhile: readonly Change[]
      readonly during: number
      readonly fails: { readonly batch: number; readonly at: 'append' | 'stage' } | undefined
    }

const keys = fc.constantFrom(...KEYS)
const fields = fc.subarray([...'abcdefghijk', ''], { minLength: 1 })
const short = fc.string({ unit: fc.nat(255).map(c => String.fromCharCode(c)) })
/** All keys together have less than a batch takes. */
const values = fc.oneof({ weight: 6, arbitrary: short }, longOf({ min: 20_000, max: 600_000 }))
const fieldValues = fc.oneof({ weight: 6, arbitrary: short }, longOf({ min: 20_000, max: 80_000 }))
const EXPIRY_MS = Date.now() + 3_600_000
/** Never, later, even later, and long ago. */
const expiries = fc.constantFrom(0, EXPIRY_MS, EXPIRY_MS + 1, 1)
const changes: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      key: keys,
      value: values,
      isTimed: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('hset' as const),
      key: keys,
      fields,
      value: fieldValues,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('hdel' as const), key: keys, fields }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('del' as const), key: keys }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('rename' as const), key: keys, to: keys }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('expire' as const), key: keys, expiresAtMs: expiries }),
  },
)
const failures = fc.record({
  batch: fc.nat(3),
  at: fc.constantFrom('append' as const, 'stage' as const),
})
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: changes },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('sync' as const),
      meanwhile: fc.array(changes, { maxLength: 3 }),
      during: fc.nat(3),
      fails: fc.option(failures, { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
)
/** Sizes from which hashes are large, and of batches: with the usual ones nothing is. */
const sizes = fc.record({
  smallFields: fc.constantFrom(0, 3, 1_000),
  batchItems: fc.constantFrom(1, 1_000),
})

/** A shard under change. Each value begins with the number of the life that its key had then: a
 *  life begins when a key is made, and moves with it. */
class Lives {
  readonly shard: ShardData
  readonly #text: TextShard
  readonly #lives = new Map<string, number>()
  #last = 0

  constructor(shard: ShardData) {
    this.shard = shard
    this.#text = new TextShard(shard)
  }

  /** Does to the shard what a command does; a hash command on a string is refused. */
  apply(change: Change): void {
    const { key } = change
    const type = this.#text.typeOf(key)
    if (type === undefined || change.do === 'set') this.#lives.set(key, ++this.#last)
    const life = this.#lives.get(key)!
    if (change.do === 'set') {
      this.#text.set(key, `${life} ${change.value}`, change.isTimed ? EXPIRY_MS : 0)
    } else if (change.do === 'hset' && type !== 'string') {
      for (const field of change.fields) this.#text.hset(key, field, `${life} ${change.value}`)
    } else if (change.do === 'hdel' && type === 'hash') {
      for (const field of change.fields) this.#text.hdel(key, field)
    } else if (change.do === 'del') {
      this.#text.del(key)
    } else if (change.do === 'rename' && this.#text.rename(key, change.to)) {
      this.#lives.set(change.to, life)
    } else if (change.do === 'expire') {
      this.#text.expire(key, change.expiresAtMs)
    }
  }
}

/** Remembers the records that a load finds. */
class Records extends ShardData {
  readonly livesOfKey = new Map<string, Set<number>>()
  readonly keysOfLife = new Map<number, Set<string>>()

  override restore(_slot: number, { key, value }: StoredItem): void {
    const name = key.latin1()
    const bytes = value instanceof Rope ? value.flat().toString('latin1') : value.latin1()
    const life = Number.parseInt(bytes, 10)
    add(this.livesOfKey, name, life)
    add(this.keysOfLife, life, name)
  }
}

function add<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  sets.set(key, (sets.get(key) ?? new Set()).add(value))
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

interface Sizes {
  readonly smallFields: number
  readonly batchItems: number
}

function syncerOf(shard: ShardData, { batchItems }: Sizes, store: Store = member.store): Syncer {
  const { redisVolume: volume } = member
  return new Syncer({ shard, volume, store, prefix: PREFIX, periodMs: 1_000, batchItems, log })
}

async function flush(shard: ShardData, used: Sizes): Promise<void> {
  shard.clear()
  await syncerOf(shard, used).wipe()
}

/** Writes what is dirty, and looks at what is in the volume after each batch. */
async function sync(lives: Lives, step: Step & { do: 'sync' }, used: Sizes): Promise<void> {
  const { redisVolume: volume, store } = member
  const { append, stage } = volume
  let batch = 0
  const fail = (at: string) => {
    if (step.fails?.batch === batch && step.fails.at === at) throw new Error(WANTED)
  }
  volume.append = (bodies, lengths) => {
    fail('append')
    return append.call(volume, bodies, lengths)
  }
  volume.stage = tx => {
    if (batch === step.during) for (const change of step.meanwhile) lives.apply(change)
    fail('stage')
    return stage.call(volume, tx)
  }
  const watched: Pick<Store, 'transact'> = {
    transact: async (body, options) => {
      const result = await store.transact(body, options)
      batch++
      await checkRecords(used)
      return result
    },
  }
  try {
    await syncerOf(lives.shard, used, watched as Store).stop()
  } catch (cause) {
    if (!(cause instanceof Error) || cause.message !== WANTED) throw cause
  } finally {
    Object.assign(volume, { append, stage })
  }
}

/** A crash now must not bring back two lives of one key, nor one life under two keys unless it is
 *  too long for one batch. */
async function checkRecords({ batchItems }: Sizes): Promise<void> {
  const { store, redisVolume: volume } = member
  const found = new Records(0)
  await loadShard({ store, volume, shard: found })
  for (const [key, lives] of found.livesOfKey) {
    assert.is(lives.size, 1, `key ${key} has records of the lives ${[...lives].join()}`)
  }
  if (batchItems === 1) return
  for (const [life, names] of found.keysOfLife) {
    assert.is(names.size, 1, `life ${life} has records of the keys ${[...names].join()}`)
  }
}

async function load({ smallFields }: Sizes): Promise<ShardData> {
  const shard = new ShardData(0, smallFields)
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

const ALL = { do: 'sync', meanwhile: [], during: 0, fails: undefined } as const

test('a restart finds the shard as it was, and an emptied one leaves nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 40 }), sizes, async (list, used) => {
      const lives = new Lives(new ShardData(0, used.smallFields))
      const { shard } = lives
      // Also after a failure, which leaves something behind.
      await flush(shard, used)
      for (const step of list) {
        if (step.do === 'sync') await sync(lives, step, used)
        else if (step.do === 'flush') await flush(shard, used)
        else lives.apply(step)
      }
      // Reading removes what has expired, so that its records are cleared as well.
      const found = contents(shard)
      await sync(lives, ALL, used)
      assert.not(shard.isDirty)
      const loaded = await load(used)
      assert.equal(contents(loaded), found)
      assert.is(loaded.usedBytes, shard.usedBytes)
      assert.not(loaded.isDirty)
      for (const key of KEYS) new TextShard(loaded).del(key)
      await sync(new Lives(loaded), ALL, used)
      assert.is(await recordCount(), 0)
      assert.equal(await liveBytes(), { used: 0, entries: 0 })
      assert.is(loaded.usedBytes, 0)
    }),
    property('redis shard'),
  )
})

test.run()
