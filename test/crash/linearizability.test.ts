/**
 * Histories of concurrent sessions on ZMap registers, counters and accounts, over servers that are
 * killed in the middle: what the sessions were told is linearizable, transactions included.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { isOnCluster } from '../support/cluster.js'
import { type Faults, troubled } from '../support/faults.js'
import { History } from '../support/history.js'
import { assertLinearizable, keyOf } from '../support/linearizability.js'
import { Random } from '../support/random.js'
import { GROUPS, RegisterClient, START_BALANCE } from '../support/register-client.js'
import { untilGone } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const test = suite('linearizability')

const SESSIONS = 8
/** The server's processes in one history. */
const LIVES = 3

/** One history on keys of its own, over some kills of the servers, which share a store. */
class Round {
  readonly history = new History()
  conflicts = 0
  #name = 0

  constructor(
    readonly servers: readonly TestServer[],
    readonly random: Random,
    readonly prefix: string,
  ) {}

  async run(): Promise<void> {
    await (await this.#client(this.servers[0]!)).open()
    for (let life = 1; life <= LIVES; life++) {
      const victim = this.random.pick(this.servers)
      await this.#kill(victim)
      // What is read in the end must not fail.
      if (life === LIVES) for (const server of this.servers) server.faults = undefined
      await victim.start()
      // Of a store with one process nothing outlives it but what is on disk.
      if (!isOnCluster && this.servers.length === 1) this.history.decide()
    }
  }

  /** Kills a server in the middle of sessions on all of them. */
  async #kill(victim: TestServer): Promise<void> {
    let isOver = false
    const end = async (): Promise<void> => {
      await this.history.grows(this.random.between(200, 1_500))
      await victim.kill()
      // The others go on.
      if (this.servers.length > 1) await this.history.grows(this.random.between(50, 500))
      isOver = true
    }
    const sessions = Array.from({ length: SESSIONS }, (_, number) =>
      this.#session(this.servers[number % this.servers.length]!, () => isOver),
    )
    await Promise.all([end(), ...sessions])
  }

  /** Reads what is there, and judges. */
  async judge(): Promise<void> {
    const sum = await (await this.#client(this.random.pick(this.servers))).readAll()
    assert.is(sum, 3 * START_BALANCE)
    const { operations } = this.history
    for (const group of GROUPS) {
      const own = operations.filter(({ steps: [step] }) => group.includes(keyOf(step!)))
      assert.ok(own.length > 0, group.join())
      assertLinearizable(`the history of ${group.join()}`, own)
    }
    const lost = operations.filter(({ isCertain }) => !isCertain).length
    const shown = `${operations.length} operations, ${lost} of unknown outcome`
    console.log(`${this.prefix} ${shown}, ${this.conflicts} conflicts`)
    assert.ok(lost > 0)
  }

  /** Connects again and again, until it is over or the server is gone. */
  #session(server: TestServer, isOver: () => boolean): Promise<void> {
    return untilGone(async () => {
      while (!isOver()) {
        const client = await this.#client(server)
        try {
          await client.run(isOver)
        } finally {
          this.conflicts += client.conflicts
        }
      }
    })
  }

  async #client(server: TestServer): Promise<RegisterClient> {
    this.#name += 1
    const client = await server.connect(this.#name % 2 === 0 ? 3 : 2)
    return new RegisterClient(client, {
      history: this.history,
      random: new Random(this.random.between(0, 2 ** 31)),
      prefix: this.prefix,
      name: String(this.#name),
    })
  }
}

async function runRounds(
  servers: readonly TestServer[],
  { used, faultsOf }: { used: number; faultsOf?: (seed: number) => Faults },
): Promise<void> {
  const random = new Random(used)
  console.log(`SEED=${used}`)
  let conflicts = 0
  for (let number = 0; number < rounds('histories over kills'); number++) {
    const round = new Round(servers, random, `round ${number}:`)
    for (const server of servers) server.faults = faultsOf?.(used + number)
    await round.run()
    await round.judge()
    conflicts += round.conflicts
  }
  assert.ok(conflicts > 0)
}

test('histories over kills are linearizable', () =>
  withTestServer([], server => runRounds([server], { used: seed() })))

test('histories over kills of members that share a store are linearizable', () =>
  withTestServer([], owner =>
    withTestServer(owner.storeSettings, follower => runRounds([owner, follower], { used: seed() })),
  ))

if (!isOnCluster) {
  const faultsOf = (used: number): Faults => ({ ...troubled(used), unknownResult: 0.03 })
  test('histories of a troubled store over kills are linearizable', () => {
    const used = seed()
    return withTestServer([], server => runRounds([server], { used, faultsOf }), faultsOf(used))
  })
}

test.run()
