import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RespError } from '../../../../ts/error.js'
import { collation, index } from '../../../support/plan-model.js'
import { brief, type PlanOptions } from '../../../support/plans.js'

const ID = '100000000000000000000000'

const a = index({ a: 'INT32' }, { name: 'a' })
const b = index({ b: 'INT32' }, { name: 'b' })
const s = index({ s: 'STRING' }, { name: 's', collation: collation(2) })
const many = index({ m: 'INT32' }, { name: 'm', multiKey: 'm', hasArrays: true })
const ab = index({ a: 'INT32', b: 'INT32' }, { name: 'ab' })
const abc = index({ a: 'INT32', b: 'INT32', c: 'INT32' }, { name: 'abc' })

/** Plans of sorted queries: [sorted by, filter, plan]. */
function accepted(
  name: string,
  options: PlanOptions,
  rows: readonly [string, object, string][],
): void {
  const test = suite(name)
  for (const [sortField, filter, plan] of rows) {
    test(`${JSON.stringify(filter)} by ${sortField}`, () => {
      assert.is(brief(filter, { ...options, sortField }), plan)
    })
  }
  test.run()
}

accepted('by the field of an index', { indexes: [a, b, s, many] }, [
  ['a', {}, 'a (-, -)'],
  ['s', {}, 's (-, -)'],
  ['a', { a: 1 }, 'a EQ'],
  ['a', { a: { $gt: 1 } }, 'a GT'],
  ['a', { a: { $gte: 1, $lt: 5 } }, 'a […, …)'],
  ['a', { a: { $ne: 1 } }, 'a NE'],
  ['a', { a: { $nin: [1, 2] } }, 'a NE + AND(a NE)'],
  ['a', { a: { $gt: 1 }, x: 1 }, 'a GT + AND(x EQ)'],
  ['a', { a: { $gt: 1 }, b: 1 }, 'a GT + AND(b EQ)'],
  ['a', { b: 1, a: { $ne: 1 } }, 'a NE + AND(b EQ)'],
  ['a', { a: { $gt: 1 }, m: { $elemMatch: { $gt: 1 } } }, 'a GT + AND(UNKNOWN)'],
  ['a', { a: { $in: [3, 1, 2] } }, 'concat(a EQ | a EQ | a EQ)'],
  ['a', { a: { $in: [3] } }, 'a EQ'],
  ['a', { a: { $in: [3, 1] }, x: 1 }, 'concat(a EQ | a EQ) + AND(x EQ)'],
  ['a', { $or: [{ a: 3 }, { a: 1 }] }, 'concat(a EQ | a EQ)'],
  ['a', { x: 1, $or: [{ a: 3 }, { a: 1 }] }, 'concat(a EQ | a EQ) + AND(x EQ)'],
  ['m', { m: { $gt: 1 } }, 'm GT'],
  ['a', { a: { $in: [] } }, 'nothing'],
])

accepted('by _id', { indexes: [a] }, [
  ['_id', {}, 'primary-index (-, -)'],
  ['_id', { x: 1 }, 'full'],
  ['_id', { $or: [{ x: 1 }, { y: 1 }] }, 'full'],
  ['_id', { a: { $exists: true } }, 'full'],
  ['_id', { _id: { $gt: ID } }, 'primary-index GT'],
  ['_id', { _id: { $gt: ID }, a: 1 }, 'primary-index GT + AND(a EQ)'],
  ['_id', { _id: { $in: [ID, ID] } }, 'concat(primary-index EQ | primary-index EQ)'],
])

accepted('by a field of a compound index', { indexes: [abc] }, [
  ['c', { a: 1, b: 2 }, 'abc {a EQ, b EQ}'],
  ['b', { a: 1, b: { $gte: 5 } }, 'abc {a EQ, b GTE}'],
  ['b', { a: 1 }, 'abc {a EQ}'],
  ['b', { a: 1, x: 1 }, 'abc {a EQ} + AND(x EQ)'],
  ['a', { a: { $gt: 1 } }, 'abc {a GT}'],
  ['a', { a: 1 }, 'abc {a EQ}'],
  ['a', { a: 1, b: 2 }, 'abc {a EQ, b EQ}'],
])

accepted('by several indexes', { indexes: [abc, ab, a, b] }, [
  // Ties by `_id` come before what is matched, and that before the kind of the index.
  ['b', { a: 1 }, 'ab {a EQ}'],
  ['a', { a: 1 }, 'a EQ'],
  ['a', { a: { $gt: 1 } }, 'a GT'],
  ['b', { a: 1, b: { $gt: 1 } }, 'ab {a EQ, b GT}'],
  ['c', { a: 1, b: 1 }, 'abc {a EQ, b EQ}'],
  ['b', { a: { $gt: 1 }, b: 1 }, 'b EQ + AND(a GT)'],
])

const same: PlanOptions = { indexes: [s, a], collation: collation(2) }
accepted('by the collation of the index', same, [
  ['s', {}, 's (-, -)'],
  ['s', { s: { $gt: 'a' } }, 's GT'],
  ['a', { a: 1 }, 'a EQ'],
])

const cannot = (text: string) => `query cannot be executed: SORTBY ${text}`
const breaks = (field: string, range: string) =>
  cannot(
    `'${field}' cannot be executed because a range filter on '${range}' breaks compound index` +
      ` ordering. Hint: use an equality filter on '${range}' or create an index on '${field}'`,
  )
const unlike = (field: string) =>
  cannot(
    `'${field}' cannot use the existing index because its collation does not match the query` +
      ` collation. Hint: use a collation that matches the index on '${field}'`,
  )
const unread = (field: string) =>
  cannot(
    `'${field}' cannot be used because the query's execution plan does not provide natural` +
      ` ordering on this field. Hint: use RESULTSORT '${field}' for in-memory sorting`,
  )
const missing = (field: string) =>
  cannot(
    `'${field}' requires an index that provides natural ordering.` +
      ` Hint: create an index on '${field}'`,
  )

/** Refusals of sorted queries: [sorted by, filter, text]. */
function refused(
  name: string,
  options: PlanOptions,
  rows: readonly [string, object, string][],
): void {
  const test = suite(`refused: ${name}`)
  for (const [sortField, filter, text] of rows) {
    test(`${JSON.stringify(filter)} by ${sortField}`, () => {
      try {
        brief(filter, { ...options, sortField })
      } catch (error) {
        assert.instance(error, RespError)
        assert.is((error as RespError).prefix, 'ERR')
        assert.is((error as RespError).message, text)
        return
      }
      assert.unreachable('it is refused')
    })
  }
  test.run()
}

refused('without an index', { indexes: [a, abc] }, [
  ['x', {}, missing('x')],
  ['x', { a: 1 }, missing('x')],
  ['x', { x: 1 }, missing('x')],
  ['c', {}, missing('c')],
  ['c', { a: 1 }, missing('c')],
  ['b', { c: 1 }, missing('b')],
])

refused('the plan reads something else', { indexes: [a, b, many] }, [
  ['b', { a: 1 }, unread('b')],
  ['b', { x: 1 }, unread('b')],
  ['b', { a: { $in: [1, 2] } }, unread('b')],
  ['b', { a: { $ne: 1 } }, unread('b')],
  ['b', { a: { $nin: [1] } }, unread('b')],
  ['a', { $or: [{ a: 1 }, { b: 1 }] }, unread('a')],
  ['a', { $or: [{ a: 1 }, { a: { $gt: 5 } }] }, unread('a')],
  ['a', { $nor: [{ a: 1 }] }, unread('a')],
  ['a', { $not: { a: 1 } }, unread('a')],
  ['a', { a: { $elemMatch: { $gt: 1 } } }, unread('a')],
  ['a', { a: 'x' }, unread('a')],
  ['a', { a: { $in: [1, 'x'] } }, unread('a')],
  ['a', { a: { $exists: true } }, unread('a')],
  ['m', { m: { $ne: 1 } }, unread('m')],
  ['_id', { a: 1 }, unread('_id')],
  ['_id', { $or: [{ a: 1 }, { x: 1 }] }, unread('_id')],
])

refused('a range before the sorted field', { indexes: [abc, b] }, [
  ['b', { a: { $gt: 1 } }, breaks('b', 'a')],
  ['c', { a: 1, b: { $gt: 1, $lt: 5 } }, breaks('c', 'b')],
  ['c', { a: { $lt: 1 }, c: 1 }, breaks('c', 'a')],
  ['b', { a: { $ne: 1 } }, unread('b')],
])

refused('another collation', { indexes: [s, abc], collation: collation(1) }, [
  ['s', {}, unlike('s')],
  ['s', { s: 'a' }, unlike('s')],
  ['s', { x: 1 }, unlike('s')],
])

refused('an index that misses documents', { indexes: [{ ...a, hasSkipped: true }] }, [
  ['a', {}, unread('a')],
  ['a', { a: 1 }, unread('a')],
])
refused('an index being built', { indexes: [{ ...a, status: 'BUILDING' }] }, [
  ['a', {}, missing('a')],
])
