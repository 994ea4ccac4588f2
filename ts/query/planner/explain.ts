/** What EXPLAIN shows of a plan, as plain values whose members stand in the order of the reply. */

import { type IndexDefinition, PRIMARY_INDEX } from '../indexes/indexes.js'
import { type Collation, shortCollationEntries } from '../language/collation.js'
import type { Condition } from './conditions.js'
import type { Logical, Param } from './logical.js'
import type { FullScanNode, PlanNode, ScanNode, UnionNode } from './physical.js'

/** An object is a map of the reply, a number an integer of it. */
export type ExplainValue = string | number | boolean | null | readonly ExplainValue[] | ExplainMap
export interface ExplainMap {
  readonly [name: string]: ExplainValue
}

/** The reply of EXPLAIN.
 *  @param plan.root  bound, so without choices
 *  @param plan.collation  the option COLLATION */
export function explainQuery(plan: {
  root: PlanNode
  isCached: boolean
  collation: Collation | null
}): ExplainMap {
  const { root, isCached, collation } = plan
  return {
    is_cached: isCached,
    ...(collation && { query_collation: collationMap(collation) }),
    plan: new Explanation().node(root),
  }
}

const PLANNER_VERSION = 1

class Explanation {
  #lastId = 0

  node(node: PlanNode): ExplainMap {
    switch (node.kind) {
      case 'nothing':
        return { planner_version: PLANNER_VERSION }
      case 'full':
        return this.#head('FullScan', fullScan(node))
      case 'scan':
        return this.#withNext(this.#head(...scan(node)), node.residual)
      case 'union':
      case 'concat':
        return this.#union(node)
      case 'choice':
        return this.node(node.candidates[0])
    }
  }

  /** Its id comes before those of the children. */
  #union(node: UnionNode): ExplainMap {
    const isUnion = node.kind === 'union'
    const head = this.#head(isUnion ? 'Union' : 'OrderedConcat', {
      operation: isUnion ? 'UNION' : 'ORDERED_CONCAT',
    })
    const children = node.children.map(child => this.node(child))
    return this.#withNext({ ...head, children }, node.residual)
  }

  #withNext(map: ExplainMap, residual: Logical | null): ExplainMap {
    if (residual === null) return map
    const rest = { operation: 'FILTER', predicate: predicate(residual) }
    return { ...map, next: this.#head('TransformWithResidualPredicate', rest) }
  }

  #head(nodeType: string, rest: ExplainMap): ExplainMap {
    return { planner_version: PLANNER_VERSION, nodeType, id: ++this.#lastId, ...rest }
  }
}

function fullScan(node: FullScanNode): ExplainMap {
  return {
    scanType: 'FULL_SCAN',
    index: PRIMARY_INDEX.name,
    predicate: predicate(node.predicate),
    ...(node.rejected && { collation_mismatch: true, rejected_index: node.rejected.name }),
  }
}

function scan(node: ScanNode): [nodeType: string, rest: ExplainMap] {
  const { index, equalities, lower, upper, excluded } = node
  const conditions = [...equalities, lower, upper].filter(condition => condition !== null)
  if (index.kind === 'compound') {
    const filters = conditions.map(condition => comparison(condition))
    const rest = { scanType: 'COMPOUND_INDEX_SCAN', index: index.name, filters }
    return ['CompoundIndexScan', { ...rest, ...indexCollation(index) }]
  }
  const { selector } = index.fields[0]!
  const [first] = excluded
  const [only] = conditions
  if (first !== undefined)
    return indexScan(index, { selector, operator: 'NE', operand: ref(first) })
  if (only !== undefined && conditions.length === 1) return indexScan(index, comparison(only))
  const rest = {
    scanType: 'RANGE_SCAN',
    index: index.name,
    selector: lower?.selector ?? selector,
    lowerBound: lower && ref(lower.params[0]!),
    upperBound: upper && ref(upper.params[0]!),
    includeLower: lower?.operator === 'gte',
    includeUpper: upper?.operator === 'lte',
  }
  return ['RangeScan', { ...rest, ...indexCollation(index) }]
}

function indexScan(index: IndexDefinition, condition: ExplainMap): [string, ExplainMap] {
  const rest = { scanType: 'INDEX_SCAN', index: index.name, ...condition }
  return ['IndexScan', { ...rest, ...indexCollation(index) }]
}

function comparison({ selector, operator, params }: Condition): ExplainMap {
  return { selector, operator: operator.toUpperCase(), operand: ref(params[0]!) }
}

function indexCollation({ collation }: IndexDefinition): ExplainMap {
  return collation === null ? {} : { index_collation: collationMap(collation) }
}

function collationMap(collation: Collation): ExplainMap {
  return Object.fromEntries(shortCollationEntries(collation))
}

function predicate(filter: Logical): ExplainMap {
  switch (filter.kind) {
    case 'true':
      return { type: 'ALWAYS_TRUE' }
    case 'and':
    case 'or':
      return { type: filter.kind.toUpperCase(), children: filter.children.map(predicate) }
    case 'compare':
      return test(filter.path, filter.operator, ref(filter.param))
    case 'size':
    case 'regex':
      return test(filter.path, filter.kind, ref(filter.param))
    case 'in':
    case 'nin':
    case 'all': {
      const refs = filter.params.map(paramRef).join(', ')
      return test(filter.path, filter.kind, `ParamList[refs=[${refs}]]`)
    }
    case 'exists': {
      const operand = `Literal[value=BooleanVal[value=${filter.value}]]`
      return test(filter.path, filter.kind, operand)
    }
    case 'false':
    case 'not':
    case 'elemMatch':
      return { type: 'UNKNOWN' }
  }
}

function test(selector: string, operator: string, operand: string): ExplainMap {
  return { type: 'PREDICATE', selector, operator: operator.toUpperCase(), operand }
}

function ref(param: Param): string {
  return `Param[ref=${paramRef(param)}]`
}

function paramRef({ index }: Param): string {
  return `ParamRef[index=${index}]`
}
