/** A whole server over a store that fails and answers late. */
import * as assert from 'uvu/assert'
import { seed } from '../support/budget.js'
import { troubled } from '../support/faults.js'
import { bytesOf, elementsOf } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const runSeed = seed()
const { server, test } = serverSuite('faults')
server.faults = troubled(runSeed)

/** First words of the errors after which nothing was applied. */
const REFUSED = /^(NOT_COMMITTED|TRANSACTIONOLD) /

test('starts, and applies what it acknowledges and nothing else', async () => {
  const clients = await Promise.all(Array.from({ length: 6 }, () => server.connect()))
  const acknowledged: string[] = []
  const refused: string[] = []
  await Promise.all(
    clients.map(async (client, number) => {
      for (let round = 0; round < 25; round++) {
        const key = `${number}.${String(round).padStart(2, '0')}`
        try {
          await client.call('ZSET', key, 'v')
          acknowledged.push(key)
        } catch (thrown) {
          assert.match((thrown as Error).message, REFUSED)
          refused.push(key)
        }
      }
    }),
  )
  server.faults = undefined
  await server.restart()
  const client = await server.connect()
  const pairs = elementsOf(await client.frame('ZGETRANGE', '*', '*', 'LIMIT', '1000'))
  const keys = pairs.map(pair => bytesOf(elementsOf(pair)[0]!).toString())
  assert.equal(keys, acknowledged.sort(), `refused: ${refused.join(' ')}, SEED=${runSeed}`)
})

test.run()
