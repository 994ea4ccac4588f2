/** Batches over many documents: growth of the reads, budgets, damage. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { serialize } from 'bson'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Bucket } from '../../../ts/query/buckets.js'
import type { Cursor } from '../../../ts/query/cursors.js'
import { Insertion } from '../../../ts/query/insertion.js'
import { advance } from '../../../ts/query/query-runs.js'
import {
  type DataMember,
  errorOf,
  insertJson,
  makeBucket,
  makeCursor,
  once,
  openDataMember,
} from '../../support/data-member.js'

let member: DataMember
let bucket: Bucket

test.before.each(async () => {
  member = await openDataMember(['bucket.volume.segment_size=67108864'])
  bucket = await makeBucket(member)
})
test.after.each(() => member.close())

async function insertNumbers(from: number, to: number): Promise<void> {
  const step = 10_000
  for (let start = from; start < to; start += step) {
    const count = Math.min(step, to - start)
    const documents = Array.from({ length: count }, (_, i) =>
      Buffer.from(serialize({ n: start + i })),
    )
    const insertion = new Insertion(documents, false)
    await once(member.store, tx => member.documents.insert(tx, bucket, insertion))
  }
}

/** Values of `n` in the next batch. */
async function nextNumbers(cursor: Cursor): Promise<number[]> {
  const done = await once(member.store, tx => {
    return member.documents.read(tx, cursor, { format: 'json', planned() {} })
  })
  advance(cursor, done)
  const text = done.batch.payload.toString()
  return [...text.matchAll(/"n": (\d+)/g)].map(match => Number(match[1]))
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

test('pages through many documents with any limit', async () => {
  await insertNumbers(0, 2_500)
  for (const limit of [1, 99, 100, 101, 1_000, 2_499, 2_500, 9_999]) {
    const cursor = makeCursor(member, {}, { limit })
    const seen: number[] = []
    for (let round = 0; round < 5; round++) {
      const batch = await nextNumbers(cursor)
      assert.equal(batch, numbers(seen.length, Math.min(seen.length + limit, 2_500)))
      seen.push(...batch)
    }
  }
})

test('a filter that rarely matches finds all matches across the growing reads', async () => {
  await insertNumbers(0, 12_000)
  const wanted = [0, 99, 100, 101, 1_099, 1_100, 2_600, 5_000, 11_999]
  const cursor = makeCursor(member, { n: { $in: wanted } }, { limit: 2 })
  const seen: number[] = []
  for (let round = 0; round < 5; round++) seen.push(...(await nextNumbers(cursor)))
  assert.equal(seen, wanted)
})

test('one call examines 50,000 documents at most, and the next goes on behind them', async () => {
  await insertNumbers(0, 50_001)
  const cursor = makeCursor(member, { n: { $gte: 50_000 } })
  assert.equal(await nextNumbers(cursor), [])
  assert.equal(await nextNumbers(cursor), [50_000])
  assert.equal(await nextNumbers(cursor), [])
  await insertNumbers(50_001, 50_002)
  assert.equal(await nextNumbers(cursor), [50_001])
})

test('a batch of long documents ends early rather than growing without bound', async () => {
  const size = 15 * 1024 * 1024
  for (let n = 0; n < 6; n++) {
    const documents = [Buffer.from(serialize({ n, text: Buffer.alloc(size) }))]
    const insertion = new Insertion(documents, false)
    await once(member.store, tx => member.documents.insert(tx, bucket, insertion))
  }
  const cursor = makeCursor(member, {})
  const counts: number[] = []
  for (let round = 0; round < 3; round++) {
    const done = await once(member.store, tx => {
      return member.documents.read(tx, cursor, { format: 'bson', planned() {} })
    })
    advance(cursor, done)
    counts.push(done.batch.ends.length)
  }
  assert.equal(counts, [5, 1, 0])
})

test('a damaged document is named, and those before it are readable', async () => {
  const ids = await insertJson(member, bucket, [{ n: 0 }, { n: 1 }, { n: 2 }])
  const { handle } = member.bucketVolume
  await member.bucketVolume.flush()
  const file = openSync(handle.path(0), 'r+')
  const { length } = serialize({ _id: 0, n: 0 })
  writeSync(file, Buffer.of(0xff), 0, 1, length * 2 - 3)
  closeSync(file)
  const damaged = `CORRUPTED Document ${ids[1]} is damaged`
  assert.is(await errorOf(() => nextNumbers(makeCursor(member, {}))), damaged)
  const [first] = await nextNumbers(makeCursor(member, {}, { limit: 1 }))
  assert.is(first, 0)
})

test.run()
