/** Indexes of a bucket whose shards are on two members: one index, built and kept by both. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { useJson } from '../support/bucket.js'
import { seed } from '../support/budget.js'
import {
  createIndexes,
  describeIndex,
  entryCount,
  insertAll,
  tasksOf,
  untilStatus,
} from '../support/indexes.js'
import { Random } from '../support/random.js'
import type { Data, RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const test = suite('indexes of several members')

const SETS = ['bucket.shards=2', 'cluster.auto_bootstrap=false', 'redis.enabled=false']
const SCHEMA = { n: { bson_type: 'int32', name: 'n', unique: true } }
const COUNT = 1_000

interface Pair {
  /** The primary of shard 1. */
  readonly second: TestServer
  readonly one: RespClient
  readonly other: RespClient
}

async function memberId(admin: RespClient): Promise<string> {
  const described = (await admin.call('KR.ADMIN', 'DESCRIBE-MEMBER')) as Map<Data, Data>
  return String(described.get('member_id'))
}

/** Two members, a shard each, and a bucket on both shards. */
function withPair(body: (pair: Pair) => Promise<void>): Promise<void> {
  return withTestServer(SETS, first =>
    withTestServer([...first.storeSettings, ...SETS], async second => {
      const [admin, its] = [await first.connectAdmin(), await second.connectAdmin()]
      await admin.call('KR.ADMIN', 'INITIALIZE-CLUSTER')
      for (const [shard, member] of [admin, its].entries()) {
        const primary = ['PRIMARY', 'BUCKET', String(shard), await memberId(member)]
        await admin.call('KR.ADMIN', 'ROUTE', 'SET', ...primary)
      }
      await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'BUCKET', '*', 'READWRITE')
      const one = await useJson(await first.connect(3))
      await one.call('BUCKET.CREATE', 'b', 'SHARDS', '0', '1')
      const other = await useJson(await second.connect(3))
      await until('the second member has its shard', async () => {
        return (await other.frame('BUCKET.INSERT', 'b', 'DOCS', '{"n": -1}')).type === '*'
      })
      await body({ second, one, other })
    }),
  )
}

function numbers(from: number, count: number): { n: number }[] {
  return Array.from({ length: count }, (_, i) => ({ n: from + i }))
}

test('each builds its shards, and the index is READY when both have', () =>
  withPair(async ({ second, one, other }) => {
    await insertAll(one, 'b', numbers(0, COUNT))
    await insertAll(other, 'b', numbers(COUNT, COUNT))
    await createIndexes(other, 'b', SCHEMA)
    for (const client of [one, other]) {
      await untilStatus(client, 'READY', { bucket: 'b', name: 'n' })
      assert.is(await entryCount(client, 'b', 'n'), 2 * COUNT + 1)
    }
    await one.call('BUCKET.INDEX', 'DROP', 'b', 'n')
    await untilStatus(other, 'gone', { bucket: 'b', name: 'n' })
    await second.stop()
    await createIndexes(one, 'b', SCHEMA)
    await until('the first member is through', async () => {
      const statuses = (await tasksOf(one, 'b', 'n')).map(({ status }) => status)
      return statuses.toSorted().join() === 'COMPLETED,WAITING'
    })
    const described = await describeIndex(one, 'b', 'n')
    assert.ok(described !== 'gone')
    assert.is(described.get('status'), 'BUILDING')
    await second.start()
    await untilStatus(one, 'READY', { bucket: 'b', name: 'n' })
    assert.is(await entryCount(one, 'b', 'n'), 2 * COUNT + 1)
  }))

test('a value is one document’s, whichever member has it', () =>
  withPair(async ({ one, other }) => {
    const first = seed()
    await createIndexes(one, 'b', SCHEMA)
    const winners = new Map<number, number>()
    await Promise.all(
      [one, other].map(async (client, member) => {
        const random = new Random(first + member)
        for (let i = 0; i < 200; i++) {
          const n = random.between(0, 99)
          const { type, value } = await client.frame('BUCKET.INSERT', 'b', 'DOCS', `{"n": ${n}}`)
          if (type === '-') assert.match(String(value), /^(DUPLICATEKEY|NOT_COMMITTED) /)
          else winners.set(n, (winners.get(n) ?? 0) + 1)
        }
      }),
    )
    await untilStatus(one, 'READY', { bucket: 'b', name: 'n' })
    for (const [n, times] of winners) assert.is(times, 1, `${n}, SEED=${first}`)
    assert.is(await entryCount(one, 'b', 'n'), winners.size + 1)
    const taken = [...winners.keys()][0]!
    for (const client of [one, other]) {
      const insertion = ['BUCKET.INSERT', 'b', 'DOCS', `{"n": ${taken}}`]
      assert.is(await client.error(...insertion), `DUPLICATEKEY Duplicate key: 'n' ${taken}`)
    }
  }))

test.run()
