/** A whole server over a store that fails and answers late. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seed } from '../support/budget.js'
import { embeddedOnly } from '../support/cluster.js'
import { troubled } from '../support/faults.js'
import { bytesOf, elementsOf, type RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const tests = suite('faults')
const test = embeddedOnly(tests, 'a cluster has no fault mode')
const runSeed = seed()

/** What a write may be told: whether it was applied, where that is certain. */
const TOLD: ReadonlyMap<string, boolean | undefined> = new Map([
  ['OK', true],
  ['NOT_COMMITTED', false],
  ['TRANSACTIONOLD', false],
  ['COMMIT_UNKNOWN_RESULT', undefined],
])

/** First word of the reply. */
async function set(client: RespClient, key: string): Promise<string> {
  try {
    await client.call('ZSET', key, 'v')
    return 'OK'
  } catch (thrown) {
    return (thrown as Error).message.split(' ')[0]!
  }
}

test('starts, and applies what it acknowledges and nothing that it refuses', () =>
  withTestServer([], server => appliesWhatItAcknowledges(server), {
    ...troubled(runSeed),
    unknownResult: 0.05,
  }))

async function appliesWhatItAcknowledges(server: TestServer): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 6 }, () => server.connect()))
  const replies = new Map<string, string>()
  await Promise.all(
    clients.map(async (client, number) => {
      for (let round = 0; round < 25; round++) {
        const key = `${number}.${round}`
        replies.set(key, await set(client, key))
      }
    }),
  )
  server.faults = undefined
  await server.restart()
  const client = await server.connect()
  const pairs = elementsOf(await client.frame('ZGETRANGE', '*', '*', 'LIMIT', '1000'))
  const present = new Set(pairs.map(pair => bytesOf(elementsOf(pair)[0]!).toString()))
  for (const [key, reply] of replies) {
    const shown = `${key}: ${reply}, SEED=${runSeed}`
    assert.ok(TOLD.has(reply), shown)
    assert.is(present.has(key), TOLD.get(reply) ?? present.has(key), shown)
  }
}

tests.run()
