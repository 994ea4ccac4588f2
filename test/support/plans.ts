/** Plans of filters that are written as JSON, in short words. */

import type { IndexDefinition } from '../../ts/query/indexes/indexes.js'
import type { Collation } from '../../ts/query/language/collation.js'
import { parseFilter } from '../../ts/query/language/parse.js'
import { type BoundPlan, bindPlan, type EstimateRange } from '../../ts/query/planner/bind.js'
import { type ExplainMap, explainQuery } from '../../ts/query/planner/explain.js'
import { planQuery } from '../../ts/query/planner/plan-query.js'
import { type QueryShape, shapeOf } from '../../ts/query/planner/shape.js'
import { encodeRange } from './plan-model.js'

export interface PlanOptions {
  readonly indexes?: readonly IndexDefinition[]
  readonly bucketCollation?: Collation
  readonly collation?: Collation
  readonly sortField?: string
  readonly isDescending?: boolean
  readonly estimate?: EstimateRange
}

export function shape(filter: object, options: PlanOptions = {}): QueryShape {
  const { sortField = null, collation = null } = options
  return shapeOf(parseFilter(Buffer.from(JSON.stringify(filter))), { sortField, collation })
}

export function bound(filter: object, options: PlanOptions = {}): BoundPlan {
  const { indexes = [], sortField = null, isDescending = false, estimate } = options
  const { bucketCollation = null, collation = null } = options
  const { filter: logical, literals } = shape(filter, options)
  const plan = planQuery(logical, { indexes, bucketCollation, collation, sortField })
  return bindPlan(plan, { literals, encode: encodeRange, isDescending, estimate })
}

/** The reply of EXPLAIN. */
export function explained(filter: object, options: PlanOptions = {}): ExplainMap {
  const { root } = bound(filter, options)
  return explainQuery({ root, isCached: false, collation: options.collation ?? null })
}

/** EXPLAIN in short: `full`, `<index> <operator>`, `<index> (…, …]`, `<index> {field operator, …}`,
 *  `union(… | …)`, `concat(… | …)`, `nothing`; ` + ` and a predicate behind them. */
export function brief(filter: object, options: PlanOptions = {}): string {
  return node(explained(filter, options).plan as ExplainMap)
}

function node(map: ExplainMap): string {
  const next = map.next as ExplainMap | undefined
  return next === undefined ? scan(map) : `${scan(map)} + ${predicate(next.predicate)}`
}

function scan(map: ExplainMap): string {
  const lists = (maps: unknown, text: (map: ExplainMap) => string) => {
    return (maps as ExplainMap[]).map(text)
  }
  switch (map.nodeType) {
    case undefined:
      return 'nothing'
    case 'FullScan':
      return map.collation_mismatch === true ? `full, not ${map.rejected_index}` : 'full'
    case 'IndexScan':
      return `${map.index} ${map.operator}`
    case 'RangeScan': {
      const [lower, upper] = [map.lowerBound, map.upperBound].map(bound => (bound ? '…' : '-'))
      return `${map.index} ${map.includeLower ? '[' : '('}${lower}, ${upper}${
        map.includeUpper ? ']' : ')'
      }`
    }
    case 'CompoundIndexScan': {
      const filters = lists(map.filters, ({ selector, operator }) => `${selector} ${operator}`)
      return `${map.index} {${filters.join(', ')}}`
    }
    default:
      return `${map.nodeType === 'Union' ? 'union' : 'concat'}(${lists(map.children, node).join(
        ' | ',
      )})`
  }
}

function predicate(value: unknown): string {
  const map = value as ExplainMap
  if (map.type === 'PREDICATE') return `${map.selector} ${map.operator}`
  const children = map.children as ExplainMap[] | undefined
  if (children === undefined) return String(map.type)
  return `${map.type}(${children.map(predicate).join(', ')})`
}
