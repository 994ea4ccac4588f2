/**
 * The server is killed while it writes what a command did to a large hash, batch after batch.
 * Afterwards no key has fields of two lives, nothing is there from before, and once something that
 * was written behind the command is in the volume, so is all that the command did.
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

const test = suite('large hashes over a kill')

const VOLUME = 'redis-shard-0'
const SETTINGS = ['redis.volume_syncer.period=5']
const A = '{hash}a'
const B = '{hash}b'
/** Is written behind a command. */
const MARK = '{hash}mark'
/** Fields of a hash that takes several batches, and of one that is large and takes one. */
const LONG = 12_000
const SHORT = 2_000

/** What a key has: so many records, whose values are the number of its life. */
interface State {
  readonly type: 'string' | 'hash'
  readonly life: number
  readonly count: number
}

type Command = 'DEL' | 'UNLINK' | 'SET' | 'PEXPIREAT' | 'RENAME' | 'HSET'
const COMMANDS: readonly Command[] = ['DEL', 'UNLINK', 'SET', 'PEXPIREAT', 'RENAME', 'HSET']

class Round {
  readonly #client: RespClient
  /** Lives that keys have had in this round. */
  readonly lives = new Set<number>()
  readonly states = new Map<string, State>()
  #life: number

  constructor(client: RespClient, firstLife: number) {
    this.#client = client
    this.#life = firstLife
  }

  async fill(key: string, count: number): Promise<void> {
    const life = this.#begin(key, 'hash', count)
    for (let at = 0; at < count; at += 1_000) {
      const fields = Array.from({ length: 1_000 }, (_, i) => [`field:${at + i}`, String(life)])
      await this.#client.call('HSET', key, ...fields.flat())
    }
  }

  async set(key: string): Promise<void> {
    const life = this.#begin(key, 'string', 1)
    await this.#client.call('SET', key, String(life))
  }

  async del(command: 'DEL' | 'UNLINK', key: string): Promise<void> {
    await this.#client.call(command, key)
    this.states.delete(key)
  }

  /** Does something to all fields of the hash A; something else may have its key then. */
  async run(command: Command): Promise<void> {
    if (command === 'SET') return this.set(A)
    if (command === 'DEL' || command === 'UNLINK') return this.del(command, A)
    if (command === 'HSET') {
      await this.del('DEL', A)
      return this.fill(A, SHORT)
    }
    if (command === 'PEXPIREAT') {
      await this.#client.call('PEXPIREAT', A, '1')
      this.states.delete(A)
      return
    }
    await this.#client.call('RENAME', A, B)
    this.states.set(B, this.states.get(A)!)
    await this.set(A)
  }

  get recordCount(): number {
    return [...this.states.values()].reduce((total, { count }) => total + count, 0)
  }

  #begin(key: string, type: State['type'], count: number): number {
    this.lives.add(++this.#life)
    this.states.set(key, { type, life: this.#life, count })
    return this.#life
  }
}

async function stateOf(client: RespClient, key: string): Promise<State | undefined> {
  const type = String(await client.call('TYPE', key))
  if (type === 'none') return undefined
  if (type === 'string') return { type, life: Number(await client.call('GET', key)), count: 1 }
  const values = (await client.call('HVALS', key)) as string[]
  const lives = new Set(values)
  assert.is(lives.size, 1, `${key} has fields of the lives ${[...lives].join()}`)
  return { type: 'hash', life: Number(values[0]), count: values.length }
}

async function persisted(server: TestServer, records: number): Promise<void> {
  await until(`${records} records are in the volume`, async () => {
    return (await describeVolume(server, VOLUME)).cardinality === records
  })
}

/** @param number  of the round */
async function run(server: TestServer, random: Random, number: number): Promise<void> {
  const client = await server.connect()
  await client.call('DEL', A, B, MARK)
  await persisted(server, 0)
  const round = new Round(client, number * 10)
  await round.fill(A, LONG)
  if (random.next() < 0.5) await round.set(B)
  else await round.fill(B, LONG)
  await persisted(server, round.recordCount)
  const command = random.pick(COMMANDS)
  const killed = sleep(random.between(0, 250)).then(() => server.kill())
  await untilGone(async () => {
    await round.run(command)
    await client.call('SET', MARK, String(number))
  })
  await killed
  await server.start()
  const after = await server.connect()
  const found = new Map<string, State | undefined>()
  for (const key of [A, B]) found.set(key, await stateOf(after, key))
  // It was sent after the answer to the command.
  const isWritten = (await after.call('EXISTS', MARK)) === 1
  for (const [key, state] of found) {
    if (isWritten) assert.equal(state, round.states.get(key), `${key} after ${command}`)
    else if (state !== undefined) assert.ok(round.lives.has(state.life), `${key} came back`)
  }
}

test('nothing of two lives is mixed, and what was written stays so', async () => {
  const used = seed()
  const random = new Random(used)
  console.log(`SEED=${used}`)
  await withTestServer(SETTINGS, async server => {
    for (let i = 1; i <= rounds('kill during work on large hashes'); i++) {
      await run(server, random, i)
    }
  })
})

test.run()
