import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ExplainMap } from '../../../../ts/query/planner/explain.js'
import { collation, index } from '../../../support/plan-model.js'
import { explained, type PlanOptions } from '../../../support/plans.js'

const ID = '100000000000000000000000'
const n = index({ n: 'INT32' }, { name: 'n' })
const two = collation(2)
const s = index({ s: 'STRING' }, { name: 's', collation: two })
const shown = { locale: 'en', strength: 2 }

const param = (i: number) => `Param[ref=ParamRef[index=${i}]]`
const head = (nodeType: string, id = 1) => ({ planner_version: 1, nodeType, id })
const predicate = (selector: string, operator: string, operand: string) => {
  return { type: 'PREDICATE', selector, operator, operand }
}
const fullScan = (rest: object) => {
  return { ...head('FullScan'), scanType: 'FULL_SCAN', index: 'primary-index', ...rest }
}
const filter = (id: number, rest: object) => {
  return {
    ...head('TransformWithResidualPredicate', id),
    operation: 'FILTER',
    predicate: rest,
  }
}
const indexScan = (id: number, name: string, operator: string, operand: number) => {
  const scan = { ...head('IndexScan', id), scanType: 'INDEX_SCAN', index: name }
  return { ...scan, selector: name, operator, operand: param(operand) }
}

/** The plan, with its members in order. */
function shows(query: object, options: PlanOptions, plan: object): void {
  const reply = explained(query, options)
  assert.is(JSON.stringify(reply.plan, null, 1), JSON.stringify(plan, null, 1))
}

test('a full scan', () => {
  shows({}, {}, fullScan({ predicate: { type: 'ALWAYS_TRUE' } }))
  shows({ x: 1 }, {}, fullScan({ predicate: predicate('x', 'EQ', param(0)) }))
})

test('a full scan because of a collation', () => {
  const test = predicate('s', 'EQ', param(0))
  const rest = { predicate: test, collation_mismatch: true, rejected_index: 's' }
  shows({ s: 'a' }, { indexes: [s], collation: collation(1) }, fullScan(rest))
})

test('every kind of predicate', () => {
  const query = {
    a: { $in: [1, 2] },
    b: { $nin: [3] },
    c: { $all: [4] },
    d: { $size: 5 },
    e: { $exists: true },
    f: { $regex: 'x' },
    g: { $not: { $gt: 6 } },
    h: { $elemMatch: { $gt: 7 } },
    $or: [{ i: { $ne: 8 } }, { j: { $lte: 9 } }],
  }
  const { predicate: shown } = explained(query).plan as ExplainMap
  const { type, children } = shown as ExplainMap
  const list = children as ExplainMap[]
  assert.is(type, 'AND')
  const operators = list.map(child => child.operator ?? child.type)
  assert.equal(operators, [
    'IN',
    'NIN',
    'ALL',
    'SIZE',
    'EXISTS',
    'REGEX',
    'UNKNOWN',
    'UNKNOWN',
    'OR',
  ])
  assert.match(
    String(list[0]!.operand),
    /^ParamList\[refs=\[ParamRef\[index=\d+\], ParamRef\[index=\d+\]\]\]$/,
  )
  assert.match(String(list[1]!.operand), /^ParamList\[refs=\[ParamRef\[index=\d+\]\]\]$/)
  assert.match(String(list[3]!.operand), /^Param\[ref=ParamRef\[index=\d+\]\]$/)
  assert.is(list[4]!.operand, 'Literal[value=BooleanVal[value=true]]')
  assert.is((list[8]!.children as ExplainMap[])[0]!.operator, 'NE')
})

test('an index scan', () => {
  shows({ n: { $gte: 1 } }, { indexes: [n] }, indexScan(1, 'n', 'GTE', 0))
  const id = { ...indexScan(1, 'primary-index', 'EQ', 0), selector: '_id' }
  shows({ _id: ID }, {}, id)
})

test('an index scan with a collation', () => {
  const scan = { ...indexScan(1, 's', 'EQ', 0), index_collation: shown }
  shows({ s: 'a' }, { indexes: [s] }, scan)
})

test('a residual predicate', () => {
  const rest = { type: 'AND', children: [predicate('x', 'EQ', param(1))] }
  shows({ n: 1, x: 1 }, { indexes: [n] }, { ...indexScan(1, 'n', 'EQ', 0), next: filter(2, rest) })
})

test('an $elemMatch on the elements themselves has an empty selector', () => {
  const scan = { ...indexScan(1, 'n', 'GT', 0), selector: '' }
  const next = filter(2, { type: 'UNKNOWN' })
  shows({ n: { $elemMatch: { $gt: 1 } } }, { indexes: [n] }, { ...scan, next })
})

test('a range scan', () => {
  const scan = { ...head('RangeScan'), scanType: 'RANGE_SCAN', index: 'n', selector: 'n' }
  shows(
    { n: { $gte: 1, $lt: 5 } },
    { indexes: [n] },
    {
      ...scan,
      lowerBound: param(0),
      upperBound: param(1),
      includeLower: true,
      includeUpper: false,
    },
  )
  shows(
    {},
    { indexes: [n], sortField: 'n' },
    {
      ...scan,
      lowerBound: null,
      upperBound: null,
      includeLower: false,
      includeUpper: false,
    },
  )
})

test('a compound index scan', () => {
  const compound = index({ s: 'STRING', n: 'INT32' }, { name: 'c', collation: two })
  const plan = explained({ s: 'a', n: { $gt: 1 } }, { indexes: [compound] }).plan
  assert.equal(Object.keys(plan as object).slice(2), [
    'id',
    'scanType',
    'index',
    'filters',
    'index_collation',
  ])
  const { filters, ...rest } = plan as ExplainMap
  assert.equal(rest, {
    ...head('CompoundIndexScan'),
    scanType: 'COMPOUND_INDEX_SCAN',
    index: 'c',
    index_collation: shown,
  })
  const [first, second] = filters as ExplainMap[]
  assert.equal([first!.selector, first!.operator], ['s', 'EQ'])
  assert.equal([second!.selector, second!.operator], ['n', 'GT'])
})

test('a union and a concatenation', () => {
  const children = [indexScan(2, 'n', 'EQ', 0), indexScan(3, 'n', 'EQ', 1)]
  const union = { ...head('Union'), operation: 'UNION', children }
  shows({ n: { $in: [1, 2] } }, { indexes: [n] }, union)
  const concat = { ...head('OrderedConcat'), operation: 'ORDERED_CONCAT', children }
  shows({ n: { $in: [1, 2] } }, { indexes: [n], sortField: 'n' }, concat)
})

test('nothing', () => {
  shows({ n: { $in: [] } }, { indexes: [n] }, { planner_version: 1 })
})

test('the collation of the query, without what is the default', () => {
  const special = { ...collation(1), strength: 3, caseLevel: true, maxVariable: 'space' }
  const reply = explained({}, { collation: special })
  assert.equal(Object.keys(reply), ['is_cached', 'query_collation', 'plan'])
  assert.equal(reply.query_collation, {
    locale: 'en',
    strength: 3,
    case_level: true,
    max_variable: 'space',
  })
  assert.equal(Object.keys(explained({})), ['is_cached', 'plan'])
})

test.run()
