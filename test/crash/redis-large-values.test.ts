/**
 * The server is killed while it writes large values. Afterwards each key has a value that it had
 * since the start before, as a whole.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { Random } from '../support/random.js'
import { type RespClient, untilGone } from '../support/resp-client.js'
import { withTestServer } from '../support/server-suite.js'

const test = suite('large values over a kill')

const KIB = 1024
/** Segments of many sizes of chunks: a value takes several. */
const SETTINGS = ['redis.volume_syncer.period=5', 'redis.volume.segment_size=4194304']
const KEYS = ['{l}a', '{l}b', '{l}c', '{l}d']

/** Values since the start, oldest first; all bytes of one are the same. */
type States = Map<string, (Buffer | null)[]>

/** Writes until the server is gone. */
async function write(client: RespClient, states: States, random: Random): Promise<void> {
  for (let number = 0; ; number++) {
    const key = random.pick(KEYS)
    const value = Buffer.alloc(random.between(1, 3_000) * KIB + number, number)
    const chance = random.next()
    // Noted before it is sent: the server may do it and be killed before it answers.
    if (chance < 0.1) {
      states.get(key)!.push(null)
      await client.call('DEL', key)
    } else if (chance < 0.2) {
      states.get(key)!.push(value.subarray(0, 10))
      await client.call('SET', key, value.subarray(0, 10))
    } else {
      states.get(key)!.push(value)
      await client.call('SET', key, value)
    }
  }
}

test('each key has a value as a whole', async () => {
  const random = new Random(seed())
  await withTestServer(SETTINGS, async server => {
    let states: States = new Map(KEYS.map(key => [key, [null]]))
    let found = 0
    for (let round = 0; round < rounds('kill during writes of large values'); round++) {
      const client = await server.connect()
      const writing = untilGone(() => write(client, states, random))
      await sleep(random.between(0, 600))
      await server.kill()
      await writing
      await server.start()
      const reader = await server.connect()
      const next: States = new Map()
      for (const key of KEYS) {
        const { value } = await reader.frame('GET', key)
        const bytes = value as Buffer | null
        const isKnown = states.get(key)!.some(state => {
          return state === null ? bytes === null : bytes?.equals(state) === true
        })
        assert.ok(isKnown, `round ${round}: ${key} has ${bytes?.length} bytes that it never had`)
        if (bytes !== null && bytes.length > KIB) found++
        next.set(key, [bytes])
      }
      states = next
    }
    assert.ok(found > 0, 'no large value was ever written in time')
  })
})

test.run()
