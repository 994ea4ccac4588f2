import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseFilter } from '../../../ts/query/parse.js'
import { type Plan, planFilter } from '../../../ts/query/plan.js'
import { keyAfter, prefixRange, primaryKey, primaryPrefix } from '../../../ts/store/keyspace.js'

const DATA = Buffer.from('data')
const LOW = '100000000000000000000000'
const HIGH = '200000000000000000000000'
const all = prefixRange(primaryPrefix(DATA))
const keyOf = (hex: string): Buffer => primaryKey(DATA, Buffer.from(hex, 'hex'))
const low = keyOf(LOW)
const high = keyOf(HIGH)
const nothing: Plan = { kind: 'nothing' }
const scan = (begin: Buffer, end: Buffer): Plan => ({ kind: 'scan', begin, end })

const PLANS: readonly [filter: object, plan: Plan][] = [
  [{}, scan(all.begin, all.end)],
  [{ a: 1 }, scan(all.begin, all.end)],
  [{ _id: LOW }, scan(low, keyAfter(low))],
  [{ _id: { $gt: LOW } }, scan(keyAfter(low), all.end)],
  [{ _id: { $gte: LOW } }, scan(low, all.end)],
  [{ _id: { $lt: HIGH } }, scan(all.begin, high)],
  [{ _id: { $lte: HIGH } }, scan(all.begin, keyAfter(high))],
  [{ _id: { $gte: LOW, $lt: HIGH } }, scan(low, high)],
  [{ _id: { $gte: LOW }, a: 1 }, scan(low, all.end)],
  [
    { $and: [{ _id: { $gt: LOW } }, { $and: [{ _id: { $lt: HIGH } }] }] },
    scan(keyAfter(low), high),
  ],
  [{ _id: { $gte: LOW, $gt: LOW } }, scan(keyAfter(low), all.end)],
  [{ _id: { $gt: HIGH, $lt: LOW } }, nothing],
  [{ _id: { $gt: LOW, $lt: LOW } }, nothing],
  [{ $and: [{ _id: LOW }, { _id: HIGH }] }, nothing],
  [{ _id: 5 }, nothing],
  [{ _id: null }, nothing],
  [{ _id: 'text' }, nothing],
  [{ _id: { $ne: 'text' } }, nothing],
  [{ _id: { $ne: null } }, scan(all.begin, all.end)],
  [{ _id: { $ne: LOW } }, scan(all.begin, all.end)],
  [{ _id: { $not: { $eq: LOW } } }, scan(all.begin, all.end)],
  [{ $or: [{ _id: LOW }, { a: 1 }] }, scan(all.begin, all.end)],
  [{ $nor: [{ _id: LOW }] }, scan(all.begin, all.end)],
  [{ $not: { _id: LOW } }, scan(all.begin, all.end)],
  [{ '_id.x': LOW }, scan(all.begin, all.end)],
]
for (const [filter, plan] of PLANS) {
  const text = JSON.stringify(filter)
  test(`plans ${text}`, () => {
    assert.equal(planFilter(parseFilter(Buffer.from(text)), DATA), plan)
  })
}

test.run()
