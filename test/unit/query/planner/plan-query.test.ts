import { Int32 } from 'bson'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PRIMARY_INDEX } from '../../../../ts/query/indexes/indexes.js'
import type { EstimateRange } from '../../../../ts/query/planner/bind.js'
import { collation, encodeRange, index } from '../../../support/plan-model.js'
import { bound, brief, type PlanOptions } from '../../../support/plans.js'

const ID = '100000000000000000000000'
const HIGH = '200000000000000000000000'

/** Plans of filters: [filter, plan]. */
function plans(name: string, options: PlanOptions, rows: readonly [object, string][]): void {
  const test = suite(name)
  for (const [filter, plan] of rows) {
    test(JSON.stringify(filter), () => assert.is(brief(filter, options), plan))
  }
  test.run()
}

const n = index({ n: 'INT32' }, { name: 'n' })
const s = index({ s: 'STRING' }, { name: 's' })
const d = index({ d: 'DOUBLE' }, { name: 'd' })
const l = index({ l: 'INT64' }, { name: 'l' })
const tags = index({ tags: 'STRING' }, { name: 'tags', multiKey: 'tags', hasArrays: true })

plans('without indexes', {}, [
  [{}, 'full'],
  [{ n: 1 }, 'full'],
  [{ n: 1, s: 'a' }, 'full'],
  [{ $or: [{ n: 1 }, { s: 'a' }] }, 'full'],
  [{ $and: [] }, 'full'],
  [{ $nor: [] }, 'full'],
  [{ n: { $nin: [] } }, 'full'],
  [{ $not: { $or: [] } }, 'full'],
  [{ $or: [] }, 'nothing'],
  [{ n: { $in: [] } }, 'nothing'],
  [{ $not: {} }, 'nothing'],
  [{ $nor: [{}] }, 'nothing'],
  [{ s: 'a', n: { $in: [] } }, 'nothing'],
  [{ $or: [{ s: 'a' }, { n: { $in: [] } }] }, 'full'],
  [{ n: { $elemMatch: { $in: [] } } }, 'nothing'],
  [{ n: { $elemMatch: {} } }, 'full'],
])

plans('one condition', { indexes: [n, s, d, l, tags] }, [
  [{}, 'full'],
  [{ n: 1 }, 'n EQ'],
  [{ n: null }, 'n EQ'],
  [{ n: { $gt: 1 } }, 'n GT'],
  [{ n: { $gte: 1 } }, 'n GTE'],
  [{ n: { $lt: 1 } }, 'n LT'],
  [{ n: { $lte: 1 } }, 'n LTE'],
  [{ n: { $ne: 1 } }, 'n NE'],
  [{ n: { $ne: null } }, 'n NE'],
  [{ tags: { $ne: 'a' } }, 'full'],
  [{ n: { $gte: 1, $lt: 5 } }, 'n […, …)'],
  [{ $and: [{ n: { $lte: 5 } }, { n: { $gt: 1 } }] }, 'n (…, …]'],
  [{ n: { $gt: 1, $gte: 2, $lt: 5 } }, 'n (…, …) + AND(n GTE)'],
  [{ n: { $in: [] } }, 'nothing'],
  [{ n: { $in: [1] } }, 'n EQ'],
  [{ n: { $in: [1, null] } }, 'union(n EQ | n EQ)'],
  [{ n: { $nin: [] } }, 'full'],
  [{ n: { $nin: [1] } }, 'n NE'],
  [{ n: { $nin: [1, 2, null] } }, 'n NE + AND(n NE, n NE)'],
  [{ tags: { $nin: ['a'] } }, 'full'],
  [{ tags: { $in: ['a', 'b'] } }, 'union(tags EQ | tags EQ)'],
  [{ tags: { $all: ['a'] } }, 'full'],
  [{ tags: { $size: 1 } }, 'full'],
  [{ n: { $exists: true } }, 'full'],
  [{ s: { $regex: 'a' } }, 'full'],
  [{ n: { $not: { $eq: 1 } } }, 'full'],
  [{ $not: { $not: { n: 1 } } }, 'n EQ'],
  [{ $nor: [{ n: 1 }] }, 'full'],
  [{ $not: { $nor: [{ n: 1 }] } }, 'n EQ'],
  [{ $not: { $nor: [{ n: 1 }, { s: 'a' }] } }, 'union(n EQ | s EQ)'],
])

plans('types of operands', { indexes: [n, s, d, l] }, [
  [{ n: '25' }, 'full'],
  [{ n: 1.5 }, 'full'],
  [{ n: { $numberLong: '1' } }, 'full'],
  [{ n: [1] }, 'full'],
  [{ n: ID }, 'full'],
  [{ n: { $in: [1, 'a'] } }, 'full'],
  [{ n: { $nin: [1, 'a'] } }, 'full'],
  [{ n: { $gt: 1, $lt: 'a' } }, 'n GT + AND(n LT)'],
  [{ l: 1 }, 'l EQ'],
  [{ l: { $numberLong: '1' } }, 'l EQ'],
  [{ l: 1.5 }, 'full'],
  [{ d: 1 }, 'd EQ'],
  [{ d: 1.5 }, 'd EQ'],
  [{ d: { $numberLong: '1' } }, 'full'],
  [{ d: { $numberDecimal: '1' } }, 'full'],
  [{ s: 1 }, 'full'],
  [{ s: { $in: ['a', null] } }, 'union(s EQ | s EQ)'],
])

const PRIMARY = 'primary-index'
plans('ids', { indexes: [n, index({ n: 'INT32', _id: 'OBJECT_ID' }, { name: 'n_id' })] }, [
  [{ _id: ID }, `${PRIMARY} EQ`],
  [{ _id: { $gt: ID } }, `${PRIMARY} GT`],
  [{ _id: { $gte: ID, $lt: HIGH } }, `${PRIMARY} […, …)`],
  [{ _id: { $ne: ID } }, `${PRIMARY} NE`],
  [{ _id: { $in: [ID, HIGH] } }, `union(${PRIMARY} EQ | ${PRIMARY} EQ)`],
  [{ _id: { $in: [ID, 5, null, 'x'] } }, `${PRIMARY} EQ`],
  [{ _id: { $in: [5] } }, 'nothing'],
  [{ _id: { $nin: [ID, 5] } }, `${PRIMARY} NE`],
  [{ _id: { $nin: [5] } }, 'full'],
  [{ _id: 5 }, 'nothing'],
  [{ _id: null }, 'nothing'],
  [{ _id: { $ne: 'x' } }, 'nothing'],
  [{ _id: { $ne: null } }, 'full'],
  [{ _id: { $gt: 5 } }, 'nothing'],
  [{ _id: { $exists: true } }, 'full'],
  [{ _id: { $size: 1 } }, 'full'],
  [{ _id: { $all: [] } }, 'full'],
  [{ _id: { $regex: 'a' } }, 'full'],
  [{ n: 1, _id: ID }, `${PRIMARY} EQ + AND(n EQ)`],
  [{ _id: { $gt: ID }, n: 1 }, 'n_id {n EQ, _id GT}'],
  [{ n: { $elemMatch: { _id: 5 } } }, 'full'],
])

plans('joined conditions', { indexes: [n, s, d] }, [
  [{ n: 1, x: 1 }, 'n EQ + AND(x EQ)'],
  [{ x: 1, y: 1, n: 1 }, 'n EQ + AND(x EQ, y EQ)'],
  [{ n: { $gt: 1 }, s: 'a' }, 's EQ + AND(n GT)'],
  [{ n: { $ne: 1 }, s: { $gt: 'a' } }, 's GT + AND(n NE)'],
  [{ n: { $in: [1, 2] }, s: { $gt: 'a' } }, 'union(n EQ | n EQ) + AND(s GT)'],
  [{ s: 'a', n: 1 }, 's EQ + AND(n EQ)'],
  [{ n: 1, s: 'a' }, 'n EQ + AND(s EQ)'],
  [{ x: 1, $or: [{ n: 1 }, { s: 'a' }] }, 'union(n EQ | s EQ) + AND(x EQ)'],
  [{ d: { $gt: 1 }, $or: [{ n: 1 }, { s: 'a' }] }, 'd GT + AND(OR(n EQ, s EQ))'],
  [{ d: { $ne: 1 }, $or: [{ n: 1 }, { s: 'a' }] }, 'union(n EQ | s EQ) + AND(d NE)'],
  [{ x: 1, $or: [{ n: 1 }, { y: 1 }] }, 'full'],
  [{ $and: [{ $and: [{ n: 1 }] }, { $and: [{ x: 1 }, {}] }] }, 'n EQ + AND(x EQ)'],
  [{ $and: [{ n: 1 }, { n: 2 }] }, 'n EQ + AND(n EQ)'],
  [{ x: 1, $not: { n: 1 } }, 'full'],
])

plans('alternatives', { indexes: [n, s] }, [
  [{ $or: [{ n: 1 }, { n: 2 }] }, 'union(n EQ | n EQ)'],
  [{ $or: [{ n: 1 }, { s: { $gt: 'a' } }] }, 'union(n EQ | s GT)'],
  [{ $or: [{ n: 1 }, { x: 1 }] }, 'union(n EQ | full)'],
  [{ $or: [{ x: 1 }, { n: 1 }, { y: 1 }] }, 'union(n EQ | full)'],
  [{ $or: [{ x: 1 }, { y: 1 }] }, 'full'],
  [{ $or: [{ n: 1 }] }, 'n EQ'],
  [{ $or: [{ n: 1 }, { $or: [{ s: 'a' }] }] }, 'union(n EQ | s EQ)'],
  [{ $or: [{ n: { $in: [1, 2] } }, { s: 'a' }] }, 'union(n EQ | n EQ | s EQ)'],
  [{ $or: [{ n: 1, x: 1 }, { s: 'a' }] }, 'union(n EQ + AND(x EQ) | s EQ)'],
  [{ $or: [{ n: 1 }, {}] }, 'full'],
  [{ $or: [{ n: { $gt: 5 } }, { n: { $lte: 5 } }] }, 'union(n GT | n LTE)'],
])

const arrays = [
  index({ 'a.p': 'INT32' }, { name: 'a.p' }),
  index({ a: 'INT32' }, { name: 'a' }),
  index({ 'a.0': 'INT32' }, { name: 'a.0' }),
  index({ 'a.b.p': 'INT32' }, { name: 'a.b.p' }),
]
const elem = (inner: object) => ({ a: { $elemMatch: inner } })
plans('$elemMatch', { indexes: arrays }, [
  [elem({ p: 1 }), 'a.p EQ + UNKNOWN'],
  [elem({ p: { $gt: 1, $lt: 5 } }), 'a.p (…, …) + UNKNOWN'],
  [elem({ p: { $in: [1, 2] } }), 'union(a.p EQ | a.p EQ) + UNKNOWN'],
  [elem({ p: { $in: [1] } }), 'a.p EQ + UNKNOWN'],
  [elem({ p: 1, x: 1 }), 'a.p EQ + UNKNOWN'],
  [elem({ $gt: 1, $lt: 5 }), 'a (…, …) + UNKNOWN'],
  [elem({ $eq: null }), 'a EQ + UNKNOWN'],
  [elem({ 'b.p': 1 }), 'a.b.p EQ + UNKNOWN'],
  [elem({ b: { $elemMatch: { p: 1 } } }), 'a.b.p EQ + UNKNOWN'],
  [{ x: 1, ...elem({ p: 1 }) }, 'a.p EQ + AND(x EQ, UNKNOWN)'],
  // One element without the path leaves no entry of null while another has it.
  [elem({ p: null }), 'full'],
  [elem({ p: { $in: [1, null] } }), 'full'],
  // The others may be what is said not to be.
  [elem({ p: { $ne: 1 } }), 'full'],
  [elem({ p: { $nin: [1] } }), 'full'],
  [elem({ $ne: 1 }), 'full'],
  [elem({ p: { $not: { $eq: 1 } } }), 'full'],
  // Index `a.0` has the first element, the condition is on a field called 0.
  [elem({ 0: 1 }), 'full'],
  [elem({ $or: [{ p: 1 }, { p: 2 }] }), 'full'],
  [elem({}), 'full'],
])

const ab = index({ a: 'INT32', b: 'INT32' }, { name: 'ab' })
const abc = index({ a: 'INT32', b: 'INT32', c: 'INT32' }, { name: 'abc' })
const a = index({ a: 'INT32' }, { name: 'a' })
const c = index({ c: 'INT32' }, { name: 'c' })

plans('compound indexes', { indexes: [abc] }, [
  [{ a: 1, b: 2, c: 3 }, 'abc {a EQ, b EQ, c EQ}'],
  [{ a: 1, b: 2 }, 'abc {a EQ, b EQ}'],
  [{ a: 1, b: { $gt: 5 } }, 'abc {a EQ, b GT}'],
  [{ a: 1, b: { $gt: 5, $lt: 10 } }, 'abc {a EQ, b GT, b LT}'],
  [{ a: 1, b: 2, c: { $gt: 100 } }, 'abc {a EQ, b EQ, c GT}'],
  [{ a: 1, b: { $gt: 5 }, c: 3 }, 'abc {a EQ, b GT} + AND(c EQ)'],
  [{ a: 1 }, 'abc {a EQ}'],
  [{ a: null, b: null }, 'abc {a EQ, b EQ}'],
  [{ a: 1, c: 3 }, 'abc {a EQ} + AND(c EQ)'],
  [{ a: { $gt: 5 } }, 'abc {a GT}'],
  [{ a: { $gte: 5, $lte: 6 } }, 'abc {a GTE, a LTE}'],
  [{ a: { $gt: 5 }, b: 2 }, 'abc {a GT} + AND(b EQ)'],
  [{ a: 1, b: 'x' }, 'abc {a EQ} + AND(b EQ)'],
  [{ a: 1, b: { $ne: 1 } }, 'abc {a EQ} + AND(b NE)'],
  [{ a: 1, b: { $in: [1] } }, 'abc {a EQ} + AND(b IN)'],
  [{ b: 2, c: 3 }, 'full'],
  [{ a: { $ne: 1 } }, 'full'],
  [{ a: { $in: [1, 2] } }, 'full'],
  [{ $not: { a: 1 } }, 'full'],
  [{ $nor: [{ a: 1 }, { b: 1 }] }, 'full'],
])

plans('compound and other indexes', { indexes: [ab, abc, a, c] }, [
  [{ a: 1 }, 'a EQ'],
  [{ a: { $gt: 1, $lt: 5 } }, 'a (…, …)'],
  [{ a: 1, b: 2 }, 'ab {a EQ, b EQ}'],
  [{ a: 1, b: 2, c: 3 }, 'abc {a EQ, b EQ, c EQ}'],
  [{ a: 1, c: 3 }, 'ab {a EQ} + AND(c EQ)'],
  [{ b: 1, c: 3 }, 'c EQ + AND(b EQ)'],
])

const options = (changes: object) => ({ indexes: [{ ...n, ...changes }] })
plans('an index being built', options({ status: 'BUILDING' }), [[{ n: 1 }, 'full']])
plans('a dropped index', options({ status: 'DROPPED' }), [[{ n: 1 }, 'full']])
plans('an index without some values', options({ hasSkipped: true }), [[{ n: 1 }, 'full']])

const [two, one] = [collation(2), collation(1)]
const folded = index({ s: 'STRING' }, { name: 'folded', collation: two })
const mixed = index({ n: 'INT32', s: 'STRING' }, { name: 'mixed', collation: two })

plans('COLLATION like that of the index', { indexes: [folded, mixed, n], collation: two }, [
  [{ s: 'a' }, 'folded EQ'],
  [{ n: 1, s: 'a' }, 'mixed {n EQ, s EQ}'],
])
plans('COLLATION unlike that of the index', { indexes: [folded, mixed], collation: one }, [
  [{ s: 'a' }, 'full, not folded'],
  [{ s: { $in: ['a', 'b'] } }, 'full, not folded'],
  [{ n: 1 }, 'full, not mixed'],
  [{ n: 1.5 }, 'full'],
  [{ x: 1 }, 'full'],
])
plans('COLLATION and other types', { indexes: [n, s], collation: one }, [
  [{ n: 1 }, 'n EQ'],
  [{ s: 'a' }, 'full, not s'],
  [{ s: 'a', n: 1 }, 'n EQ + AND(s EQ)'],
])
plans('without COLLATION', { indexes: [folded, mixed], bucketCollation: one }, [
  [{ s: 'a' }, 'folded EQ'],
  [{ n: 1, s: 'a' }, 'mixed {n EQ, s EQ}'],
])
// The single-field index decides how the filter compares, so the other order does not serve.
plans('indexes that disagree', { indexes: [{ ...folded, collation: one }, mixed] }, [
  [{ n: 1, s: 'a' }, 'mixed {n EQ} + AND(s EQ)'],
])

const large = suite('large filters')
const MANY = 20_000
large('of many alternatives inside others are planned', () => {
  const many = Array.from({ length: 10 * MANY }, () => ({ x: 1 }))
  assert.is(brief({ $or: [{ $or: many }, { n: 1 }] }, { indexes: [n] }), 'union(n EQ | full)')
})
large('of many values are bound', () => {
  const values = Array.from({ length: MANY }, (_, i) => i)
  assert.is(bound({ n: { $in: values } }, { indexes: [n] }).ranges.length, MANY)
})
large('on many paths are planned', () => {
  const paths = Array.from({ length: MANY }, (_, i) => [`x${i}`, 1])
  const filter = { ...Object.fromEntries(paths), n: 1 }
  assert.match(brief(filter, { indexes: [n, ab] }), /^n EQ \+ AND/)
})
large('of many alternatives beside each other are planned', () => {
  const either = { $or: [{ n: 1 }, { s: 'a' }] }
  const filter = { $and: Array.from({ length: MANY }, () => either) }
  assert.match(brief(filter, { indexes: [n, s] }), /^union\(n EQ \| s EQ\) \+ AND/)
})
large.run()

const statistics = suite('statistics')
const estimates = (rows: Record<string, number>) => ({
  indexes: [a, c, ab],
  estimate: ({ name }: { name: string }) => rows[name],
})
statistics('decide between indexes', () => {
  assert.is(brief({ c: 1, x: 1 }, estimates({ a: 5, c: 9 })), 'c EQ + AND(x EQ)')
  const few = { ...estimates({ a: 9, c: 5 }), indexes: [a, c] }
  assert.is(brief({ a: 1, c: 1 }, few), 'c EQ + AND(a EQ)')
  assert.is(brief({ a: 1, c: { $gt: 1 } }, few), 'c GT + AND(a EQ)')
  assert.is(brief({ a: 1, c: { $in: [1, 2] } }, few), 'a EQ + AND(c IN)')
})
statistics('leave an index without them behind', () => {
  const some = { ...estimates({ c: 5 }), indexes: [a, c] }
  assert.is(brief({ a: 1, c: { $gt: 1 } }, some), 'c GT + AND(a EQ)')
})
statistics('that are equal leave the first', () => {
  const equal = { ...estimates({ a: 5, c: 5 }), indexes: [a, c] }
  assert.is(brief({ c: 1, a: 1 }, equal), 'c EQ + AND(a EQ)')
  assert.is(brief({ c: { $gt: 1 }, a: 1 }, equal), 'a EQ + AND(c GT)')
})
statistics('leave a compound index first unless they know better', () => {
  assert.is(brief({ a: 1, c: 1 }, estimates({ c: 5 })), 'ab {a EQ} + AND(c EQ)')
  assert.is(brief({ a: 1, c: 1 }, estimates({ c: 5, ab: 9 })), 'c EQ + AND(a EQ)')
  assert.is(brief({ a: 1, c: 1 }, estimates({ c: 9, ab: 5 })), 'ab {a EQ} + AND(c EQ)')
})
statistics('are asked for the ranges that are bound', () => {
  const asked: string[] = []
  const estimate: EstimateRange = (index, range) => {
    const expected = encodeRange(index, [new Int32(index === a ? 1 : 2)])
    assert.equal({ begin: range.begin, end: range.end }, expected)
    asked.push(index.name)
    return 1
  }
  bound({ a: 1, c: 2 }, { indexes: [a, c], estimate })
  assert.equal(asked, ['a', 'c'])
})
statistics('are not asked for what is unique', () => {
  const { root } = bound({ a: 1, _id: ID }, { indexes: [a], estimate: () => 0 })
  assert.is(root.kind === 'scan' && root.index, PRIMARY_INDEX)
})
statistics.run()
