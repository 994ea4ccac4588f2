import { Binary, Decimal128, Double, Int32, Long, MaxKey, ObjectId, Timestamp } from 'bson'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { literalType } from '../../../../ts/query/planner/logical.js'
import { collation } from '../../../support/plan-model.js'
import { type PlanOptions, shape } from '../../../support/plans.js'

const same = (a: object, b: object) => assert.is(shape(a).key, shape(b).key)
const other = (a: object, b: object) => assert.is.not(shape(a).key, shape(b).key)

test('values are not part of a shape', () => {
  same({ a: 1 }, { a: 2 })
  same({ a: { $in: [1, 'x'] } }, { a: { $in: [2, 'y'] } })
  same({ a: { $regex: 'x' } }, { a: { $regex: 'y', $options: 'i' } })
  same({ a: { $size: 1 } }, { a: { $size: 2 } })
  same({ a: { $gt: 9, $lt: 3 } }, { a: { $gt: 1, $lt: 5 } })
})

test('the order of and, or and nor is not part of it', () => {
  same({ a: 1, b: 2 }, { b: 1, a: 2 })
  same({ a: 1, b: 2 }, { $and: [{ b: 1 }, { a: 2 }] })
  same({ $or: [{ a: 1 }, { b: 'x' }] }, { $or: [{ b: 'x' }, { a: 1 }] })
  same({ $or: [{ a: 1, b: 1 }, { c: 1 }] }, { $or: [{ c: 1 }, { b: 1, a: 1 }] })
  same({ $nor: [{ a: 1 }, { b: 1 }] }, { $nor: [{ b: 1 }, { a: 1 }] })
  same({ a: { $elemMatch: { x: 1, y: 1 } } }, { a: { $elemMatch: { y: 1, x: 1 } } })
})

test('operators, paths, types, lengths and flags are', () => {
  other({ a: 1 }, { a: { $gt: 1 } })
  other({ a: 1 }, { b: 1 })
  other({ a: 1 }, { a: '1' })
  other({ a: 1 }, { a: null })
  other({ a: 1 }, { a: 1.5 })
  other({ a: { $in: [1] } }, { a: { $in: [1, 2] } })
  other({ a: { $in: [1, 'x'] } }, { a: { $in: [1, 2] } })
  other({ a: { $in: [1] } }, { a: { $nin: [1] } })
  other({ a: { $exists: true } }, { a: { $exists: false } })
  other({ $and: [{ a: 1 }, { b: 1 }] }, { $or: [{ a: 1 }, { b: 1 }] })
  other({ $not: { a: 1 } }, { a: 1 })
  other({ a: { $elemMatch: { x: 1 } } }, { 'a.x': 1 })
  other({ 'a:"b"': 1 }, { a: 1 })
})

test('SORTBY and COLLATION are', () => {
  const key = (options: PlanOptions) => shape({ a: 1 }, options).key
  const options: PlanOptions[] = [
    {},
    { sortField: 'a' },
    { sortField: 'b' },
    { collation: collation(1) },
    { collation: collation(2) },
    { collation: { ...collation(2), backwards: true } },
    { sortField: 'a', collation: collation(1) },
  ]
  assert.is(new Set(options.map(key)).size, options.length)
  assert.is(key({ collation: collation(1) }), key({ collation: { ...collation(1) } }))
})

test('literals stand in the same order for each filter of a shape', () => {
  const literals = (filter: object) => shape(filter).literals
  assert.equal(literals({ a: 1, b: 2 }), literals({ b: 2, a: 1 }))
  assert.equal(
    literals({ $or: [{ s: 'x' }, { a: 1, b: 2 }] }),
    literals({ $or: [{ b: 2, a: 1 }, { s: 'x' }] }),
  )
  assert.equal(literals({ a: { $in: [2, 1] } }), [new Int32(2), new Int32(1)])
})

test('rewrites keep what the literals are', () => {
  same({ $not: { $not: { a: 1 } } }, { a: 1 })
  same({ $and: [{ $and: [{ a: 1 }, {}] }] }, { a: 1 })
  same({ $or: [{ $or: [{ a: 1 }, { b: 1 }] }, { c: 1 }] }, { $or: [{ a: 1 }, { b: 1 }, { c: 1 }] })
  same({ $nor: [{ a: 1 }] }, { $not: { a: 1 } })
  same({ $not: { $nor: [{ a: 1 }, { b: 1 }] } }, { $or: [{ a: 1 }, { b: 1 }] })
  same({ a: { $not: { $in: [] } } }, {})
  same({ a: { $elemMatch: { $and: [{ x: 1 }, { $and: [] }] } } }, { a: { $elemMatch: { x: 1 } } })
  // An array with an element matches, and so not everything does.
  other({ a: { $elemMatch: {} } }, {})
  // Nothing is folded that different elements of an array can satisfy.
  other({ $and: [{ t: 'a' }, { t: 'b' }] }, { t: 'a' })
  other({ $or: [{ a: { $gt: 5 } }, { a: { $lte: 5 } }] }, {})
  assert.is(shape({ $not: {} }).filter.kind, 'false')
  assert.is(shape({ $not: { $not: {} } }).filter.kind, 'true')
})

test('knows the type of every literal', () => {
  const types = [
    [null, 'null'],
    [true, 'boolean'],
    ['x', 'string'],
    [new Int32(1), 'int32'],
    [new Long(1), 'int64'],
    [new Timestamp({ t: 1, i: 1 }), 'timestamp'],
    [new Double(1), 'double'],
    [Decimal128.fromString('1'), 'decimal128'],
    [new ObjectId(), 'objectid'],
    [new Binary(Buffer.of(1)), 'binary'],
    [new Date(0), 'datetime'],
    [[1], 'array'],
    [{ x: 1 }, 'document'],
    [new MaxKey(), 'document'],
  ] as const
  for (const [value, type] of types) assert.is(literalType(value), type)
})

test.run()
