/**
 * The server is killed under Redis writes, which reach the volume later. Afterwards each key has a
 * state that it had at some moment since everything was last synced: nothing older, nothing torn,
 * nothing that a deletion had ended.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { Random } from '../support/random.js'
import { type RespClient, untilGone } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'
import { until } from '../support/wait.js'

const test = suite('Redis data over a kill')

/** More records than the syncer takes at a time. */
const KEYS = 1_000
const FIELDS = ['a', 'b', 'c', 'd']
const PACKET = 200
const VOLUME = 'redis-shard-0'
/** Without writes, the volume must look the same for so long before it counts as complete. */
const QUIET_MS = 200
const SETTINGS = ['redis.volume.segment_size=262144', 'volume.preallocate_bytes=65536']

/** Unix time in ms that no test lasts to, plus the number of the write. */
const EXPIRY_MS = 4_102_444_800_000

/** A value tells which life of its key it belongs to, so that two lives cannot mix unseen.
 *  expiresAtMs  0 = never */
type State =
  | {
      readonly kind: 'none' | 'string'
      readonly value: string | null
      readonly expiresAtMs: number
    }
  | {
      readonly kind: 'hash'
      readonly life: string
      readonly fields: Readonly<Record<string, string>>
      readonly expiresAtMs: number
    }

const NONE: State = { kind: 'none', value: null, expiresAtMs: 0 }

class Key {
  /** States since the last sync, oldest first. */
  states: State[] = [NONE]

  constructor(readonly name: string) {}

  get state(): State {
    return this.states.at(-1)!
  }

  /** Draws a write, adds the state it leads to, and returns the command.
   *  @param other  a key that this one may be renamed to */
  write(random: Random, number: number, other: Key): string[] {
    const { state, name } = this
    const chance = random.next()
    if (chance < 0.2) {
      this.states.push(NONE)
      return [state.kind === 'string' ? random.pick(['DEL', 'UNLINK', 'GETDEL']) : 'DEL', name]
    }
    if (state.kind !== 'none' && chance < 0.3) return this.#changeExpiry(random, number)
    if (state.kind !== 'none' && chance < 0.33 && other !== this) {
      other.states.push(state)
      this.states.push(NONE)
      return ['RENAME', name, other.name]
    }
    if (state.kind === 'string' || chance < 0.5) {
      this.states.push({ kind: 'string', value: String(number), expiresAtMs: 0 })
      return ['SET', name, String(number)]
    }
    const old = state.kind === 'hash' ? state : { life: `${number}`, fields: {}, expiresAtMs: 0 }
    const [field, value] = [random.pick(FIELDS), `${old.life}/${number}`]
    this.states.push({ ...old, kind: 'hash', fields: { ...old.fields, [field]: value } })
    return ['HSET', name, field, value]
  }

  #changeExpiry(random: Random, number: number): string[] {
    const dice = random.next()
    if (dice < 0.2) {
      this.states.push(NONE)
      return ['PEXPIREAT', this.name, '1']
    }
    const expiresAtMs = dice < 0.6 ? 0 : EXPIRY_MS + number
    this.states.push({ ...this.state, expiresAtMs })
    if (expiresAtMs === 0) return ['PERSIST', this.name]
    return ['PEXPIREAT', this.name, String(expiresAtMs)]
  }

  /** Compares what the server has now with the states that may have been written. */
  check(found: State): void {
    const shown = `${this.name}: ${JSON.stringify(found)}`
    if (found.kind !== 'hash') {
      const isKnown = this.states.some(state => {
        return (
          state.kind === found.kind &&
          state.value === found.value &&
          state.expiresAtMs === found.expiresAtMs
        )
      })
      assert.ok(isKnown, `${shown} never was`)
      return
    }
    // Fields are records of their own, so each may be of another moment, but of one life.
    const life = this.states.filter(state => state.kind === 'hash' && state.life === found.life)
    const isTime = life.some(({ expiresAtMs }) => expiresAtMs === found.expiresAtMs)
    assert.ok(isTime, `${shown} never was`)
    for (const field of FIELDS) {
      const isKnown = life.some(state => {
        return state.kind === 'hash' && state.fields[field] === found.fields[field]
      })
      assert.ok(isKnown, `field ${field} of ${shown} never was`)
    }
  }
}

class Writes {
  readonly keys = Array.from({ length: KEYS }, (_, i) => new Key(`{key}:${i}`))
  readonly #random: Random
  #number = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Writes until `stopsAt`, or until the server is gone. */
  async run(client: RespClient, stopsAt = Number.POSITIVE_INFINITY): Promise<void> {
    await untilGone(async () => {
      while (Date.now() < stopsAt) {
        for (let i = 0; i < PACKET; i++) {
          const [key, other] = [this.#random.pick(this.keys), this.#random.pick(this.keys)]
          client.send(...key.write(this.#random, ++this.#number, other))
        }
        for (let i = 0; i < PACKET; i++) assert.not.equal((await client.read()).type, '-')
      }
    })
  }

  /** Waits until everything is in the volume: only the newest states may come back from then on. */
  async sync(server: TestServer): Promise<void> {
    const expected = this.keys.reduce((total, { state }) => total + recordsOf(state), 0)
    const isComplete = async (): Promise<boolean> =>
      (await describeVolume(server, VOLUME)).cardinality === expected
    await until('everything is in the volume', async () => {
      if (!(await isComplete())) return false
      await sleep(QUIET_MS)
      return isComplete()
    })
    for (const key of this.keys) key.states = [key.state]
  }

  async check(client: RespClient): Promise<void> {
    const seen = new Map<string, string>()
    for (const key of this.keys) {
      const found = await stateOf(client, key.name)
      key.check(found)
      key.states = [found]
      // Nothing is written twice, so what two keys have was renamed in part only.
      const written = found.kind === 'hash' ? `${found.life}/` : found.value
      if (written === null) continue
      assert.is(seen.get(written), undefined, `${key.name} has what another key has: ${written}`)
      seen.set(written, key.name)
    }
  }
}

/** A string is one record, and so is each field of a hash. */
function recordsOf(state: State): number {
  if (state.kind === 'hash') return Object.keys(state.fields).length
  return state.kind === 'string' ? 1 : 0
}

async function stateOf(client: RespClient, name: string): Promise<State> {
  const { type, value } = await client.frame('GET', name)
  const expiresAtMs = Math.max(0, Number(await client.call('PEXPIRETIME', name)))
  if (type !== '-') {
    return value === null ? NONE : { kind: 'string', value: String(value), expiresAtMs }
  }
  const fields = Object.fromEntries((await client.call('HGETALL', name)) as Map<string, string>)
  const lives = new Set(Object.values(fields).map(text => text.split('/')[0]!))
  assert.is(lives.size, 1, `${name} mixes two lives: ${JSON.stringify(fields)}`)
  return { kind: 'hash', life: [...lives][0]!, fields, expiresAtMs }
}

async function round(server: TestServer, writes: Writes, random: Random): Promise<void> {
  if (random.next() < 0.5) {
    await writes.run(await server.connect(), Date.now() + random.between(0, 300))
    await writes.sync(server)
  }
  const client = await server.connect()
  const killed = sleep(random.between(1, 600)).then(() => server.kill())
  await Promise.all([writes.run(client), killed])
  await server.start()
  await writes.check(await server.connect(3))
}

test('brings back states that were, and none from before the last sync', async () => {
  const used = seed()
  const random = new Random(used)
  console.log(`SEED=${used}`)
  await withTestServer(SETTINGS, async server => {
    const writes = new Writes(random)
    for (let i = 0; i < rounds('kill during Redis writes'); i++) await round(server, writes, random)
    await writes.run(await server.connect(), Date.now() + 200)
    for (const key of writes.keys) key.states = [key.state]
    await server.restart()
    await writes.check(await server.connect(3))
  })
})

test.run()
