/**
 * The server is killed under concurrent transactions. Afterwards every acknowledged commit is
 * there, and of every other transaction all or nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { assertVerified } from '../support/indexes.js'
import { Random } from '../support/random.js'
import { type Frame, type RespClient, untilGone } from '../support/resp-client.js'
import { TestServer } from '../support/server.js'
import { reporting, withTestServer } from '../support/server-suite.js'

const test = suite('transactions over a kill')

const WRITERS = 4
const ACCOUNTS = 8
const START_BALANCE = 1_000
/** Of the documents: a number and its writer are there once. */
const SCHEMA = JSON.stringify({
  w: { bson_type: 'int32' },
  $compound: [
    {
      unique: true,
      fields: [
        { selector: 'n', bson_type: 'int32' },
        { selector: 'w', bson_type: 'int32' },
      ],
    },
  ],
})
const SETTINGS = ['bucket.volume.segment_size=262144', 'volume.preallocate_bytes=65536']

/** Writes the same number under two keys and into a document, one transaction after the other. */
class Writer {
  /** Number of the newest acknowledged transaction. */
  acknowledged = 0
  /** Number of the newest transaction that was sent. */
  sent = 0

  constructor(readonly id: number) {}

  async run(client: RespClient): Promise<void> {
    for (;;) {
      const number = String(++this.sent)
      for (const words of this.#transaction(number)) client.send(...words)
      for (const expected of ['+', '+', '+', '*']) {
        const reply = await client.read()
        assert.is(reply.type, expected, String(reply.value))
      }
      if (!isDone(await client.read())) throw new Error('a transaction without rivals failed')
      this.acknowledged = this.sent
    }
  }

  /** @returns the number that all three places agree on */
  async check(client: RespClient): Promise<number> {
    const first = await client.call('ZGET', `first:${this.id}`)
    assert.is(await client.call('ZGET', `second:${this.id}`), first, `writer ${this.id}`)
    const number = Number(first ?? 0)
    assert.ok(number >= this.acknowledged, `${number} is older than ${this.acknowledged}`)
    assert.ok(number <= this.sent)
    const documents = await queryAll(client, 'written', `{"w":${this.id}}`, 'LIMIT', '9999')
    // Ids ascend within a process only: those of two processes may share a second.
    const numbers = documents.map(({ n }) => Number(n)).sort((a, b) => a - b)
    const expected = Array.from({ length: number }, (_, i) => i + 1)
    assert.is(numbers.join(' '), expected.join(' '), `documents of writer ${this.id}`)
    return number
  }

  /** Goes on after the newest transaction that is there. */
  resume(number: number): void {
    this.acknowledged = number
    this.sent = number
  }

  #transaction(number: string): string[][] {
    return [
      ['BEGIN'],
      ['ZSET', `first:${this.id}`, number],
      ['ZSET', `second:${this.id}`, number],
      ['BUCKET.INSERT', 'written', 'DOCS', `{"w":${this.id},"n":${number}}`],
      ['COMMIT'],
    ]
  }
}

/** Moves money between accounts; rivals may make a transaction fail, which changes nothing. */
async function transfer(client: RespClient, random: Random): Promise<void> {
  for (;;) {
    const [from, to] = [random.between(1, ACCOUNTS), random.between(1, ACCOUNTS)]
    const amount = random.between(1, 50)
    await client.call('BEGIN')
    const balance = await balanceOf(client, from)
    await client.call('ZSET', `account:${from}`, String(balance - amount))
    const other = await balanceOf(client, to)
    await client.call('ZSET', `account:${to}`, String(other + amount))
    isDone(await client.frame('COMMIT'))
  }
}

async function balanceOf(client: RespClient, account: number): Promise<number> {
  return Number((await client.call('ZGET', `account:${account}`)) ?? START_BALANCE)
}

/** Whether a COMMIT went through. @throws Error  for an outcome other than a conflict */
function isDone({ type, value }: Frame): boolean {
  if (type === '+') return true
  assert.match(String(value), /^NOT_COMMITTED /)
  return false
}

async function runLoads(server: TestServer, writers: Writer[], random: Random): Promise<void> {
  const loads = writers.map(writer =>
    untilGone(async () => writer.run(await useJson(await server.connect()))),
  )
  for (let i = 0; i < 2; i++) {
    const own = new Random(random.between(0, 2 ** 31))
    loads.push(untilGone(async () => transfer(await server.connect(), own)))
  }
  await Promise.all(loads)
}

test('keeps every acknowledged commit and no half of another', async () => {
  const used = seed()
  const random = new Random(used)
  console.log(`SEED=${used}`)
  await withTestServer(SETTINGS, async server => {
    const writers = Array.from({ length: WRITERS }, (_, i) => new Writer(i))
    await (await server.connect()).call('BUCKET.CREATE', 'written', 'INDEXES', SCHEMA)
    for (let round = 0; round < rounds('kill during transactions'); round++) {
      const killed = sleep(random.between(20, 500)).then(() => server.kill())
      await Promise.all([runLoads(server, writers, random), killed])
      await server.start()
      const client = await useJson(await server.connect())
      for (const writer of writers) writer.resume(await writer.check(client))
      await assertVerified(client, 'written', `round ${round}, SEED=${used}`)
      let total = 0
      for (let account = 1; account <= ACCOUNTS; account++) {
        total += await balanceOf(client, account)
      }
      assert.is(total, ACCOUNTS * START_BALANCE)
      console.log(`round ${round}: ${writers.map(({ sent }) => sent).join(' ')} transactions`)
    }
  })
})

test('starts after a kill at any moment of the first start', async () => {
  const used = seed()
  const random = new Random(used)
  console.log(`SEED=${used}`)
  for (let round = 0; round < rounds('kill during the start'); round++) {
    const server = new TestServer()
    try {
      await reporting(server, async () => {
        for (let i = 0; i < 3; i++) await server.startAndKill(random.between(50, 400))
        await server.start()
        const client = await useJson(await server.connect())
        await client.call('BUCKET.CREATE', 'b')
        await client.call('BUCKET.INSERT', 'b', 'DOCS', '{}')
        await client.call('SET', 'k', 'v')
        await server.stop()
      })
    } finally {
      await server.dispose()
    }
  }
})

test.run()
