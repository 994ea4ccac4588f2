/** What a session's open transaction reads through indexes: its own writes, and nobody else's. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { createIndexes, untilStatus } from '../support/indexes.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('own writes of buckets')

const json = async (): Promise<RespClient> => useJson(await server.connect(3))

test('plans are those of the indexes that the transaction sees', async () => {
  const admin = await json()
  const names = ['a', 'b', 'c', 'd']
  const schema = Object.fromEntries(names.map(name => [name, { bson_type: 'int32', name }]))
  await admin.call('BUCKET.CREATE', 'plans', 'INDEXES', JSON.stringify(schema))
  // Two elements of an array meet it, one number cannot.
  const filter = '{"a": {"$gt": 5, "$lt": 3}}'
  const sessions = await Promise.all(names.map(json))
  for (const session of sessions) {
    await session.call('BEGIN')
    assert.equal(await queryAll(session, 'plans', filter), [])
  }
  // Meanwhile the definitions change as often as they do in one of the transactions.
  await createIndexes(admin, 'plans', { e: { bson_type: 'int32', name: 'e' } })
  await untilStatus(admin, 'READY', { bucket: 'plans', name: 'e' })
  for (const [i, session] of sessions.entries()) {
    for (const name of names.slice(0, i + 1)) {
      await session.call('BUCKET.INSERT', 'plans', 'DOCS', `{"${name}": [1, 9]}`)
    }
    assert.equal(await queryAll(admin, 'plans', filter), [])
    assert.is((await queryAll(session, 'plans', filter)).length, 1, `after ${i + 1} changes`)
  }
})

test.run()
