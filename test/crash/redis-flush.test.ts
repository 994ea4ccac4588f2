/**
 * The server is killed under writes and flushes. What was there before a flush that was answered is
 * gone for good; what was written after it, and synced, is there.
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

const test = suite('Redis flushes over a kill')

const VOLUME = 'redis-shard-0'
const SETTINGS = [
  'redis.volume.segment_size=1048576',
  'volume.preallocate_bytes=65536',
  'redis.volume_syncer.period=5',
]
const PACKET = 150
const LONG = 'x'.repeat(300_000)

/** Keys tell the flush that they were written after: `<flushes>:<number>`. */
class Writes {
  /** Flushes that were sent, and those that were answered. */
  asked = 0
  answered = 0
  #number = 0
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** Writes and flushes until the server is gone. */
  async run(client: RespClient): Promise<void> {
    // A flush that was not answered may have done nothing: it does not count.
    this.asked = this.answered
    await untilGone(async () => {
      for (;;) {
        for (let i = 0; i < PACKET; i++) client.send(...this.#write())
        for (let i = 0; i < PACKET; i++) assert.not.equal((await client.read()).type, '-')
        if (this.#random.next() < 0.5) await sleep(this.#random.between(0, 30))
        if (this.#random.next() < 0.6) continue
        this.asked++
        const { type } = await client.frame('FLUSHALL')
        assert.is(type, '+')
        this.answered = this.asked
      }
    })
  }

  #write(): string[] {
    const key = `${this.asked}:${++this.#number}`
    if (this.#random.next() < 0.5) return ['HSET', key, 'a', '1', 'b', '2']
    return ['SET', key, this.#random.next() < 0.01 ? LONG : '1']
  }
}

async function keysOf(server: TestServer): Promise<string[]> {
  const client = await server.connect()
  const keys = (await client.call('KEYS', '*')) as string[]
  client.close()
  return keys
}

test('brings nothing back that was flushed, and keeps what came later', async () => {
  const used = seed()
  const random = new Random(used)
  console.log(`SEED=${used}`)
  await withTestServer(SETTINGS, async server => {
    const writes = new Writes(random)
    let flushes = 0
    for (let i = 0; i < rounds('kill during flushes'); i++) {
      const client = await server.connect()
      const killed = sleep(random.between(1, 500)).then(() => server.kill())
      await Promise.all([writes.run(client), killed])
      await server.start()
      const keys = await keysOf(server)
      const old = keys.filter(key => Number(key.split(':')[0]) < writes.answered)
      assert.equal(old, [], `flush ${writes.answered} was answered`)
      flushes = writes.answered
      // A flush that was not answered may have been done or not, but not in part.
      const lives = new Set(keys.map(key => key.split(':')[0]))
      assert.ok(lives.size <= 1, `keys of the times after flushes ${[...lives].join()}`)
    }
    assert.ok(flushes > 0)
  })
})

test('keeps what was synced after a flush', async () => {
  await withTestServer(SETTINGS, async server => {
    const client = await server.connect()
    for (let i = 0; i < 3_000; i++) client.send('SET', `old:${i}`, LONG.slice(0, i))
    for (let i = 0; i < 3_000; i++) await client.read()
    await client.exchange(['FLUSHALL'], '+OK\r\n')
    await client.call('SET', 'new', '1')
    await until('it is in the volume', async () => {
      return (await describeVolume(server, VOLUME)).cardinality === 1
    })
    await server.kill()
    await server.start()
    assert.equal(await keysOf(server), ['new'])
  })
})

test.run()
