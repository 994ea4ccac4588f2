import { Int32, ObjectId } from 'bson'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { IndexDefinition } from '../../../../ts/query/indexes/indexes.js'
import type { BoundPlan } from '../../../../ts/query/planner/bind.js'
import { primaryRange } from '../../../../ts/query/planner/primary-range.js'
import { keyAfter, prefixRange, primaryKey, primaryPrefix } from '../../../../ts/store/keyspace.js'
import { DATA, encodeRange, index } from '../../../support/plan-model.js'
import { bound, type PlanOptions } from '../../../support/plans.js'

const n = index({ n: 'INT32' }, { name: 'n' })
const m = index({ m: 'INT32' }, { name: 'm', hasArrays: true })
const nm = index({ n: 'INT32', m: 'INT32' }, { name: 'nm', multiKey: 'm', hasArrays: true })
const mn = index({ m: 'INT32', n: 'INT32' }, { name: 'mn', multiKey: 'm', hasArrays: true })
const indexes = [n, m]

type Edge = number | null
interface Between {
  readonly equal?: readonly Edge[]
  readonly from?: number
  readonly above?: number
  readonly to?: number
  readonly below?: number
}

/** What `encodeRange` gives for whole numbers. */
function keys(definition: IndexDefinition, between: Between) {
  const { equal = [], from, above, to, below } = between
  const literal = (value: Edge) => (value === null ? null : new Int32(value))
  const edge = (inclusive?: number, exclusive?: number) => {
    const value = inclusive ?? exclusive
    if (value === undefined) return undefined
    return { value: new Int32(value), isInclusive: inclusive !== undefined }
  }
  const values = equal.map(literal)
  const range = encodeRange(definition, values, edge(from, above), edge(to, below))
  assert.ok(range !== 'nothing')
  return range as { begin: Buffer; end: Buffer }
}

/** Begins of some range and ends of another. */
function span(definition: IndexDefinition, first: Between, last: Between) {
  return { begin: keys(definition, first).begin, end: keys(definition, last).end }
}

function reads(plan: BoundPlan, ...expected: { begin: Buffer; end: Buffer }[]): void {
  const hex = ({ begin, end }: { begin: Buffer; end: Buffer }) => {
    return `${begin.toString('hex')} to ${end.toString('hex')}`
  }
  assert.equal(plan.ranges.map(hex), expected.map(hex))
}

const all = prefixRange(primaryPrefix(DATA))

test('a full scan and nothing', () => {
  const plan = bound({ x: 1 })
  reads(plan, all)
  assert.is(plan.order, 'scan')
  assert.not.ok(plan.reverse)
  reads(bound({ x: { $in: [] } }))
})

test('each comparison', () => {
  const rows: [object, Between][] = [
    [{ n: 1 }, { equal: [1] }],
    [{ n: null }, { equal: [null] }],
    [{ n: { $gt: 1 } }, { above: 1 }],
    [{ n: { $gte: 1 } }, { from: 1 }],
    [{ n: { $lt: 1 } }, { below: 1 }],
    [{ n: { $lte: 1 } }, { to: 1 }],
    [{ n: { $gt: 1, $lte: 5 } }, { above: 1, to: 5 }],
  ]
  for (const [filter, between] of rows) {
    const plan = bound(filter, { indexes })
    reads(plan, keys(n, between))
    assert.is(plan.order, 'scan')
    assert.is(plan.ranges[0]!.index, n)
  }
})

test('bounds that no value is between', () => {
  reads(bound({ n: { $gt: 9, $lt: 3 } }, { indexes }))
  reads(bound({ n: { $gt: 3, $lt: 3 } }, { indexes }))
})

test('all but some values, in order', () => {
  const before = (value: number) => keys(n, { equal: [value] }).begin
  const after = (value: number) => keys(n, { equal: [value] }).end
  const { begin, end } = keys(n, {})
  const rest = { begin: after(1), end }
  reads(bound({ n: { $ne: 1 } }, { indexes }), { begin, end: before(1) }, rest)
  reads(
    bound({ n: { $nin: [5, 1, 5] } }, { indexes }),
    { begin, end: before(1) },
    { begin: after(1), end: before(5) },
    { begin: after(5), end },
  )
})

test('null is not left out, because an empty array has its entry', () => {
  reads(bound({ n: { $ne: null } }, { indexes }), keys(n, {}))
  const { begin, end } = keys(n, {})
  const one = keys(n, { equal: [1] })
  reads(
    bound({ n: { $nin: [null, 1] } }, { indexes }),
    { begin, end: one.begin },
    { begin: one.end, end },
  )
})

test('a union, each range once', () => {
  const plan = bound({ n: { $in: [5, 1, 5] } }, { indexes })
  reads(plan, keys(n, { equal: [1] }), keys(n, { equal: [5] }))
  assert.is(plan.order, 'id')
  const one = bound({ n: { $in: [5, 5] } }, { indexes })
  reads(one, keys(n, { equal: [5] }))
  assert.is(one.order, 'id')
  const touching = bound({ $or: [{ n: { $lt: 5 } }, { n: { $gte: 5 } }] }, { indexes })
  reads(touching, span(n, { below: 5 }, { from: 5 }))
  assert.is(touching.order, 'id')
  const overlapping = { $or: [{ n: { $lt: 5 } }, { n: { $gt: 1, $lt: 3 } }, { m: 1 }] }
  const joined = bound(overlapping, { indexes })
  reads(joined, keys(n, { below: 5 }), keys(m, { equal: [1] }))
  assert.is(joined.order, 'id')
})

test('a union with a full scan is the full scan', () => {
  const plan = bound({ $or: [{ n: 1 }, { x: 1 }] }, { indexes })
  reads(plan, all)
  assert.is(plan.order, 'scan')
})

test('a union of ids is in their order', () => {
  const [low, high] = ['1'.repeat(24), '2'.repeat(24)].map(hex => new ObjectId(hex))
  const plan = bound({ _id: { $in: [high!.toHexString(), low!.toHexString()] } })
  reads(plan, ...[low!, high!].map(id => primaryRange(DATA, [id]) as never))
  assert.is(plan.order, 'scan')
  const other = bound({ $or: [{ _id: low!.toHexString() }, { n: 1 }] }, { indexes })
  assert.is(other.order, 'id')
})

test('of two bounds on arrays only one holds for an entry', () => {
  reads(bound({ m: { $gt: 5, $lt: 3 } }, { indexes }), keys(m, { above: 5 }))
  const one = { m: { $elemMatch: { $gt: 1, $lt: 3 } } }
  reads(bound(one, { indexes }), keys(m, { above: 1, below: 3 }))
  const two = [{ m: { $elemMatch: { $gt: 5 } } }, { m: { $elemMatch: { $lt: 3 } } }]
  reads(bound({ $and: two }, { indexes }), keys(m, { above: 5 }))
  const inner = index({ 'm.p': 'INT32' }, { name: 'm.p', hasArrays: true })
  const field = { m: { $elemMatch: { p: { $gt: 5, $lt: 3 } } } }
  reads(bound(field, { indexes: [inner] }), keys(inner, { above: 5 }))
})

test('bounds that the same element must meet come before others', () => {
  const filter = { $and: [{ m: { $gt: 0 } }, { m: { $elemMatch: { $gt: 1, $lt: 3 } } }] }
  reads(bound(filter, { indexes }), keys(m, { above: 1, below: 3 }))
})

test('in a compound index only the multi-key field has arrays', () => {
  const onArray = bound({ n: 1, m: { $gt: 5, $lt: 3 } }, { indexes: [nm] })
  reads(onArray, keys(nm, { equal: [1], above: 5 }))
  const onOther = bound({ m: 1, n: { $gt: 2, $lt: 3 } }, { indexes: [mn] })
  reads(onOther, keys(mn, { equal: [1], above: 2, below: 3 }))
  const without = { ...nm, hasArrays: false }
  const plain = bound({ n: 1, m: { $gt: 2, $lt: 3 } }, { indexes: [without] })
  reads(plain, keys(nm, { equal: [1], above: 2, below: 3 }))
})

const up = (sortField: string): PlanOptions => ({ indexes, sortField })
const down = (sortField: string): PlanOptions => ({ indexes, sortField, isDescending: true })

test('SORTBY reads ranges in the order that is asked for', () => {
  const one = keys(n, { equal: [1] })
  const five = keys(n, { equal: [5] })
  const ascending = bound({ n: { $in: [5, 1, 5] } }, up('n'))
  reads(ascending, one, five)
  assert.is(ascending.order, 'scan')
  assert.not.ok(ascending.reverse)
  const descending = bound({ n: { $in: [1, 5] } }, down('n'))
  reads(descending, five, one)
  assert.ok(descending.reverse)
  const { begin, end } = keys(n, {})
  const unequal = bound({ n: { $ne: 1 } }, down('n'))
  reads(unequal, { begin: one.end, end }, { begin, end: one.begin })
  reads(bound({}, down('n')), { begin, end })
  assert.ok(bound({ x: 1 }, down('_id')).reverse)
})

test('a direction without SORTBY has no effect', () => {
  assert.not.ok(bound({ n: 1 }, { indexes, isDescending: true }).reverse)
})

test('SORTBY begins where the order does, as documents stand at their first element', () => {
  const whole = {}
  reads(bound({ m: 3 }, up('m')), span(m, whole, { equal: [3] }))
  reads(bound({ m: 3 }, down('m')), span(m, { equal: [3] }, whole))
  reads(bound({ m: { $gt: 1, $lt: 3 } }, up('m')), span(m, whole, { below: 3 }))
  reads(bound({ m: { $gt: 1, $lt: 3 } }, down('m')), span(m, { above: 1 }, whole))
  // No element lies between the bounds, but two may meet them.
  reads(bound({ m: { $gt: 3, $lt: 1 } }, up('m')), span(m, whole, { below: 1 }))
  reads(bound({ m: { $gt: 1 } }, up('m')), keys(m, whole))
  reads(bound({ m: { $in: [3, 1] } }, up('m')), span(m, whole, { equal: [3] }))
  reads(bound({ m: { $in: [3, 1] } }, down('m')), span(m, { equal: [1] }, whole))
})

test('SORTBY in a compound index begins behind what is equal', () => {
  const compound = { indexes: [nm], sortField: 'm' }
  reads(bound({ n: 1 }, compound), keys(nm, { equal: [1] }))
  const between = bound({ n: 1, m: { $gt: 2, $lt: 3 } }, compound)
  reads(between, span(nm, { equal: [1] }, { equal: [1], below: 3 }))
  const before = bound({ m: 2, n: { $gt: 1 } }, { indexes: [mn], sortField: 'm' })
  reads(before, span(mn, {}, { equal: [2] }))
  const behind = bound({ m: 2, n: { $gt: 1 } }, { indexes: [mn], sortField: 'n' })
  reads(behind, keys(mn, { equal: [2], above: 1 }))
})

test('ranges of the primary index are those of ids', () => {
  const id = new ObjectId('1'.repeat(24))
  const key = primaryKey(DATA, Buffer.from(id.id))
  const at = (isInclusive: boolean) => ({ value: id, isInclusive })
  assert.equal(primaryRange(DATA, []), all)
  assert.equal(primaryRange(DATA, [id]), { begin: key, end: keyAfter(key) })
  assert.equal(primaryRange(DATA, [], at(true)), { begin: key, end: all.end })
  assert.equal(primaryRange(DATA, [], at(false)), { begin: keyAfter(key), end: all.end })
  assert.equal(primaryRange(DATA, [], undefined, at(false)), { begin: all.begin, end: key })
  assert.equal(primaryRange(DATA, [], at(true), at(true)), { begin: key, end: keyAfter(key) })
  assert.is(primaryRange(DATA, [5]), 'nothing')
  assert.is(primaryRange(DATA, [], { value: null, isInclusive: true }), 'nothing')
})

test.run()
