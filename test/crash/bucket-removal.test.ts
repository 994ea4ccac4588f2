/** SIGKILL in the middle of BUCKET.PURGE: repeating it completes it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { assertVerified } from '../support/indexes.js'
import { Random } from '../support/random.js'
import { untilGone } from '../support/resp-client.js'
import { withTestServer } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'

const test = suite('purges of buckets over a kill')

const COUNT = 6_000
/** Several transactions of a purge. */
const LONGEST_MS = 120

test('a purge that was killed is completed by the next, and no body stays in use', async () => {
  const first = seed()
  const random = new Random(first)
  const documents = Array.from({ length: COUNT }, (_, n) => `{"n": ${n}}`)
  const schema = '{"n": {"bson_type": "int32", "unique": true}}'
  await withTestServer([], async server => {
    const inUse = async () => (await describeVolume(server, 'bucket-shard-0')).cardinality
    for (let round = 0; round < rounds('kill during purges'); round++) {
      const title = `round ${round}, SEED=${first}`
      const before = await useJson(await server.connect())
      await before.call('BUCKET.CREATE', 'b', 'INDEXES', schema)
      await before.call('BUCKET.INSERT', 'b', 'DOCS', ...documents)
      assert.is(await inUse(), COUNT, title)
      assert.is(await assertVerified(before, 'b', title), COUNT)
      await before.call('BUCKET.REMOVE', 'b')
      const purging = untilGone(async () => {
        await before.call('BUCKET.PURGE', 'b')
      })
      await Promise.race([purging, sleep(random.between(0, LONGEST_MS))])
      await server.kill()
      await purging
      await server.start()
      const client = await useJson(await server.connect())
      const { type, value } = await client.frame('BUCKET.PURGE', 'b')
      const reply = `${type}${value}`
      assert.ok(['+OK', "-NOSUCHBUCKET No such bucket: 'b'"].includes(reply), `${title}: ${reply}`)
      assert.is(await inUse(), 0, title)
      await client.call('BUCKET.CREATE', 'b', 'INDEXES', schema)
      assert.equal(await queryAll(client, 'b', '{}'), [], title)
      assert.is(await assertVerified(client, 'b', title), 0)
      await client.call('BUCKET.REMOVE', 'b')
      await client.call('BUCKET.PURGE', 'b')
    }
  })
})

test.run()
