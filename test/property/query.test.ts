/** Any plan gives what a full scan gives; cursors neither skip nor repeat. */
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Bucket } from '../../ts/query/buckets.js'
import { advance } from '../../ts/query/query-runs.js'
import { property } from '../support/budget.js'
import {
  type DataMember,
  insertJson,
  makeBucket,
  makeCursor,
  once,
  openDataMember,
} from '../support/data-member.js'

let member: DataMember
let bucketCount = 0

test.before(async () => {
  member = await openDataMember()
})
test.after(() => member.close())

interface Doc {
  readonly _id: string
  readonly n?: number
}

/** A small set of ids, with the first and the last there are. */
const ID_COUNT = 12
const idOf = (i: number): string => {
  if (i === 0) return '0'.repeat(24)
  return i === ID_COUNT - 1 ? 'f'.repeat(24) : `5${String(i).padStart(23, '0')}`
}

const ids = fc.integer({ min: 0, max: ID_COUNT - 1 }).map(idOf)
const numbers = fc.integer({ min: 0, max: 3 })
const documents: fc.Arbitrary<Doc[]> = fc.uniqueArray(
  fc.record({ _id: ids, n: numbers }, { requiredKeys: ['_id'] }),
  { selector: ({ _id }) => _id, maxLength: ID_COUNT },
)

type Json = null | number | string | boolean | Json[] | { [name: string]: Json }
type Condition = { [name: string]: Json }

const comparison = fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte')
const onId: fc.Arbitrary<Condition> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(comparison, ids).map(([op, id]) => ({ _id: { [op]: id } })) },
  { weight: 2, arbitrary: ids.map(id => ({ _id: id })) },
  fc.tuple(comparison, numbers).map(([op, n]) => ({ _id: { [op]: n } })),
  fc.array(ids, { maxLength: 3 }).map(list => ({ _id: { $in: list } })),
  fc.array(ids, { maxLength: 3 }).map(list => ({ _id: { $nin: list } })),
  fc.constantFrom('$eq', '$ne').map(op => ({ _id: { [op]: null } })),
  fc.tuple(comparison, ids).map(([op, id]) => ({ _id: { $not: { [op]: id } } })),
)
const onNumber: fc.Arbitrary<Condition> = fc.oneof(
  fc.tuple(comparison, numbers).map(([op, n]) => ({ n: { [op]: n } })),
  fc.boolean().map(exists => ({ n: { $exists: exists } })),
)
const filters: fc.Arbitrary<Condition> = fc.letrec<{ any: Condition }>(tie => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: onId },
    onNumber,
    fc
      .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(tie('any'), { maxLength: 3 }))
      .map(([op, list]) => ({ [op]: list })),
    tie('any').map(inner => ({ $not: inner })),
    fc.tuple(onId, onNumber).map(([id, number]) => ({ ...id, ...number })),
  ),
})).any

/** The rules of spec: bucket-bql §3 for the conditions above, on one document. */
function matches(doc: Doc, filter: Condition): boolean {
  return Object.entries(filter).every(([name, operand]) => {
    if (name === '$not') return !matches(doc, operand as Condition)
    if (name.startsWith('$')) {
      const results = (operand as Condition[]).map(inner => matches(doc, inner))
      if (name === '$and') return results.every(Boolean)
      return results.some(Boolean) === (name === '$or')
    }
    const value = name === '_id' ? doc._id : doc.n
    if (typeof operand !== 'object' || operand === null) return compare(value, '$eq', operand)
    return Object.entries(operand).every(([op, right]) => compare(value, op, right))
  })
}

function compare(left: string | number | undefined, op: string, right: Json): boolean {
  if (op === '$not') {
    return !Object.entries(right as Condition).every(([inner, r]) => compare(left, inner, r))
  }
  if (op === '$exists') return (left !== undefined) === right
  if (right === null) return (left === undefined) === (op === '$eq')
  if (left === undefined) return op === '$ne' || op === '$nin'
  if (op === '$in' || op === '$nin') return (right as Json[]).includes(left) === (op === '$in')
  if (typeof left !== typeof right) return false
  const order = left < (right as typeof left) ? -1 : Number(left > (right as typeof left))
  const holds = { $eq: order === 0, $ne: order !== 0, $gt: order > 0, $lt: order < 0 }
  if (op === '$gte') return order >= 0
  return op === '$lte' ? order <= 0 : holds[op as keyof typeof holds]
}

/** Ids of one batch, in order. */
async function nextBatch(cursor: ReturnType<typeof makeCursor>): Promise<string[]> {
  const done = await once(member.store, tx => {
    return member.documents.read(tx, cursor, { format: 'indexed', planned() {} })
  })
  advance(cursor, done)
  const { payload, ends } = done.batch
  return [...ends].map(end => payload.toString('hex', end - 12, end))
}

async function bucketWith(docs: readonly Doc[]): Promise<{ bucket: Bucket; name: string }> {
  const name = `b${++bucketCount}`
  const bucket = await makeBucket(member, name)
  if (docs.length > 0) await insertJson(member, bucket, docs)
  return { bucket, name }
}

const idsThatMatch = (docs: readonly Doc[], filter: Condition): string[] =>
  docs
    .filter(doc => matches(doc, filter))
    .map(({ _id }) => _id)
    .sort()

test('any plan gives what a naive evaluation of all documents gives', async () => {
  await fc.assert(
    fc.asyncProperty(
      documents,
      fc.array(filters, { minLength: 1, maxLength: 8 }),
      async (docs, list) => {
        const { name } = await bucketWith(docs)
        for (const filter of list) {
          const cursor = { ...makeCursor(member, filter), bucket: name }
          assert.equal(await nextBatch(cursor), idsThatMatch(docs, filter), JSON.stringify(filter))
        }
      },
    ),
    property('plans'),
  )
})

test('batches neither skip nor repeat documents, for any limit and filter', async () => {
  const limits = fc.integer({ min: 1, max: 5 })
  await fc.assert(
    fc.asyncProperty(documents, filters, limits, async (docs, filter, limit) => {
      const { name } = await bucketWith(docs)
      const cursor = { ...makeCursor(member, filter, { limit }), bucket: name }
      const expected = idsThatMatch(docs, filter)
      const seen: string[] = []
      for (;;) {
        const batch = await nextBatch(cursor)
        assert.ok(batch.length <= limit)
        // An empty batch ends it: the bucket is far smaller than what one call examines.
        if (batch.length === 0) break
        seen.push(...batch)
      }
      assert.equal(seen, expected)
    }),
    property('cursor batches'),
  )
})

test('a cursor gives what comes ahead of its position, and nothing from behind it', async () => {
  const positions = fc.integer({ min: 0, max: 8 })
  await fc.assert(
    fc.asyncProperty(documents, documents, positions, async (docs, more, before) => {
      const { bucket, name } = await bucketWith(docs)
      const cursor = { ...makeCursor(member, {}, { limit: 1 }), bucket: name }
      let last = ''
      for (let i = 0; i < before; i++) last = (await nextBatch(cursor))[0] ?? last
      const added = more.filter(({ _id }) => !docs.some(doc => doc._id === _id))
      if (added.length > 0) await insertJson(member, bucket, added)
      const expected = [...docs, ...added].map(({ _id }) => _id).filter(id => id > last)
      const rest: string[] = []
      for (let batch = await nextBatch(cursor); batch.length > 0; batch = await nextBatch(cursor)) {
        rest.push(...batch)
      }
      assert.equal(rest, expected.sort())
    }),
    property('cursor batches'),
  )
})

test.run()
