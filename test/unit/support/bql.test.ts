/** The naive model of BQL on samples from its contract. */
import { Decimal128, Double, Int32, Long, ObjectId } from 'bson'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CollationSpec, readCollations, textOrder } from '../../support/bql/collation.js'
import { matches, valueAt } from '../../support/bql/evaluate.js'
import { resultSorted, sortedBy } from '../../support/bql/order.js'
import { bytewise, compare, type Doc, type Value } from '../../support/bql/values.js'

const int = (number: number) => new Int32(number)
const id = (number: number) => new ObjectId(number.toString(16).padStart(24, '0'))

test('follows paths into arrays by number and by name', () => {
  const doc: Doc = {
    m: [[int(1), int(2)]],
    d: [{ t: [{ n: int(5) }] }, { t: [{ n: int(6) }, { n: int(7) }] }, int(1)],
    a: { b: { x: int(1) }, c: int(2) },
  }
  assert.equal(valueAt(doc, 'm.0.1'), int(2))
  assert.equal(valueAt(doc, 'd.t.0.n'), [int(5), int(6)])
  assert.equal(valueAt(doc, 'd.t.n'), [int(5), int(6), int(7)])
  assert.is(valueAt(doc, 'a.b.y'), undefined)
  assert.is(valueAt(doc, 'd.q'), undefined)
})

test('has the three answers of a mismatch of types', () => {
  const doc: Doc = { age: int(5) }
  assert.is(matches(doc, { age: { $ne: 'x' } }), false)
  assert.is(matches(doc, { age: { $nin: ['x'] } }), true)
  assert.is(matches(doc, { age: { $not: { $eq: 'x' } } }), true)
})

test('compares numbers by value, whatever their types', () => {
  const order = (left: Value, right: Value) => compare(left, right, bytewise)
  assert.is(order(new Double(-0), int(0)), 0)
  assert.is(order(new Double(0.1), Decimal128.fromString('0.10')), 0)
  assert.is(order(Long.fromString('9007199254740993'), new Double(2 ** 53)), 1)
  assert.is(order(new Double(Number.NaN), Decimal128.fromString('NaN')), 0)
  assert.is(order(new Double(Number.NaN), Decimal128.fromString('Infinity')), 1)
})

test('compares texts by the collation that counts for a path', () => {
  const names = ['cafe', 'Cafe', 'café']
  const found = (spec: CollationSpec) => names.filter(name => textOrder(spec)(name, 'CAFE') === 0)
  assert.equal(found({ locale: 'en', strength: 2 }), ['cafe', 'Cafe'])
  assert.equal(found({ locale: 'en', strength: 1 }), names)
  assert.equal(found({ locale: 'en' }), [])
  assert.equal(found({ locale: 'en', strength: 1, case_level: true }), [])
  assert.ok(textOrder({ locale: 'en', numeric_ordering: true })('item2', 'item10') < 0)
  const weak: CollationSpec = { locale: 'en', strength: 1 }
  const defined = {
    bucket: undefined,
    singles: new Map([['a', weak]]),
    compounds: [
      { path: 'b', spec: weak },
      { path: 'c', spec: weak },
      { path: 'c', spec: { locale: 'en' } },
    ],
  }
  const collations = readCollations(undefined, defined)
  const equalsAt = (path: string) => collations(path)('x', 'X') === 0
  assert.equal(['a', 'b', 'c', 'd'].map(equalsAt), [true, true, false, false])
})

test('sorts by brackets of types, ties staying as they are', () => {
  const values: Value[] = [
    ...[false, id(1), [int(2)], [int(1), int(5)], { x: int(1) }, 'b', 'a'],
    ...[new Double(1.5), int(1), null],
  ]
  const docs = values.map((v, i) => ({ _id: id(i), v }))
  const sort = { path: 'v', descending: false }
  const sorted = resultSorted([...docs, { _id: id(99) }], sort).map(doc => (doc as Doc).v)
  assert.equal(sorted, [
    ...[null, undefined, int(1), new Double(1.5), 'a', 'b', { x: int(1) }],
    ...[[int(1), int(5)], [int(2)], id(1), false],
  ])
})

test('sorts by an index with arrays at their smallest or largest element', () => {
  const docs = [
    { _id: id(1), v: [int(1), int(9)] },
    { _id: id(2), v: int(5) },
    { _id: id(3), v: [] },
    { _id: id(4), v: int(5) },
    { _id: id(5), v: null },
  ]
  const ids = (descending: boolean) =>
    sortedBy(docs, { path: 'v', descending }).map(doc => (docs as Doc[]).indexOf(doc) + 1)
  assert.equal(ids(false), [5, 3, 1, 2, 4])
  assert.equal(ids(true), [1, 4, 2, 3, 5])
})

test.run()
