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

/** One history on keys of its own, over some kills of the server. */
class Round {
  readonly history = new History()
  conflicts = 0
  #name = 0

  constructor(
    readonly server: TestServer,
    readonly random: Random,
    readonly prefix: string,
  ) {}

  async run(): Promise<void> {
    await (await this.#client()).open()
    for (let life = 1; life <= LIVES; life++) {
      const killed = this.history
        .grows(this.random.between(200, 2_000))
        .then(() => this.server.kill())
      await Promise.all([killed, ...Array.from({ length: SESSIONS }, () => this.#session())])
      // What is read in the end must not fail.
      if (life === LIVES) this.server.faults = undefined
      await this.server.start()
      // Nothing of an embedded store outlives its process but what is on disk.
      if (!isOnCluster) this.history.decide()
    }
  }

  /** Reads what is there, and judges. */
  async judge(): Promise<void> {
    const sum = await (await this.#client()).readAll()
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

  /** Connects again and again, until the server is gone. */
  #session(): Promise<void> {
    return untilGone(async () => {
      for (;;) {
        const client = await this.#client()
        try {
          await client.run()
        } finally {
          this.conflicts += client.conflicts
        }
      }
    })
  }

  async #client(): Promise<RegisterClient> {
    this.#name += 1
    const client = await this.server.connect(this.#name % 2 === 0 ? 3 : 2)
    return new RegisterClient(client, {
      history: this.history,
      random: new Random(this.random.between(0, 2 ** 31)),
      prefix: this.prefix,
      name: String(this.#name),
    })
  }
}

async function runRounds(faultsOf: (seed: number) => Faults | undefined): Promise<void> {
  const used = seed()
  const random = new Random(used)
  console.log(`SEED=${used}`)
  await withTestServer(
    [],
    async server => {
      let conflicts = 0
      for (let number = 0; number < rounds('histories over kills'); number++) {
        const round = new Round(server, random, `round ${number}:`)
        server.faults = faultsOf(used + number)
        await round.run()
        await round.judge()
        conflicts += round.conflicts
      }
      assert.ok(conflicts > 0)
    },
    faultsOf(used),
  )
}

test('histories over kills are linearizable', () => runRounds(() => undefined))

if (!isOnCluster) {
  test('histories of a troubled store over kills are linearizable', () =>
    runRounds(used => ({ ...troubled(used), unknownResult: 0.03 })))
}

test.run()
