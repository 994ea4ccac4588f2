/** What a member knows of statistics that others make: read at times, never waited for. */
import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Bucket, createBucket, openBucket } from '../../../../ts/query/buckets.js'
import { requireIndex } from '../../../../ts/query/indexes/index-administration.js'
import { IndexIds, parseIndexSchema } from '../../../../ts/query/indexes/index-schema.js'
import { encodeHistogram, histogramOf } from '../../../../ts/query/maintenance/histogram.js'
import { IndexStatistics, prefixOf } from '../../../../ts/query/maintenance/index-statistics.js'
import { prefixRange, statisticsKey } from '../../../../ts/store/keyspace.js'
import { type DataMember, jsonOf, openDataMember } from '../../../support/data-member.js'
import { until } from '../../../support/wait.js'

let member: DataMember
let bucket: Bucket
let nowMs: number
let statistics: IndexStatistics

test.before.each(async () => {
  member = await openDataMember()
  const { store, namespace, registry } = member
  const target = { existing: [], collation: null, status: 'READY', ids: new IndexIds() } as const
  const indexes = () => parseIndexSchema(jsonOf({ n: { bson_type: 'int32', name: 'n' } }), target)
  const made = { name: 'b', uuid: randomUUID(), shards: [0], registry, indexes }
  await store.transact(tx => createBucket(tx, namespace, made))
  bucket = await store.transact(tx => openBucket(tx, namespace, 'b'))
  nowMs = 1_000_000
  statistics = new IndexStatistics({ store, log: pino({ level: 'silent' }), now: () => nowMs })
})
test.after.each(() => member.close())

/** Stores statistics, as another member does. */
async function save(entries: number): Promise<void> {
  const values = Array.from({ length: 10 }, (_, n) => Buffer.of(0x10, n))
  const { id } = requireIndex(bucket, 'n')
  const bytes = encodeHistogram(histogramOf(values, entries))
  await member.store.transact(tx => tx.set(statisticsKey(bucket.data, id), bytes))
}

/** Entries of the whole index, as far as is known. */
function known(): number | undefined {
  const index = requireIndex(bucket, 'n')
  return statistics.estimate(bucket, index, prefixRange(prefixOf(bucket, index)))
}

test('are unknown until somebody has asked, and found in the background', async () => {
  await save(500)
  assert.is(known(), undefined)
  assert.not(statistics.knows(bucket))
  await until('they are read', () => statistics.knows(bucket))
  assert.is(known(), 500)
  assert.is(statistics.generation(bucket), 1)
})

test('are read again after 15 s at the earliest, and only when they are used', async () => {
  await save(500)
  await statistics.refresh(bucket)
  await save(900)
  nowMs += 14_999
  assert.is(known(), 500)
  assert.is(statistics.generation(bucket), 1)
  nowMs += 1
  assert.is(known(), 500)
  await until('they are read again', () => known() === 900)
  assert.is(statistics.generation(bucket), 2)
})

test('that are the same leave plans as they are', async () => {
  await save(500)
  await statistics.refresh(bucket)
  await statistics.refresh(bucket)
  assert.is(statistics.generation(bucket), 1)
})

test('of an index that is gone are forgotten', async () => {
  await save(500)
  await statistics.refresh(bucket)
  const { id } = requireIndex(bucket, 'n')
  await member.store.transact(tx => tx.clear(statisticsKey(bucket.data, id)))
  await statistics.refresh(bucket)
  assert.not(statistics.knows(bucket))
  assert.is(statistics.generation(bucket), 2)
})

test.run()
