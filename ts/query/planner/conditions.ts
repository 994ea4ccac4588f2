/**
 * Conditions that an index can narrow a scan by: what a matching document must satisfy, each on one
 * path and with operands of known types.
 */

import { type CompareOperator, SELF_PATH } from '../language/filter.js'
import type { Logical, LogicalElemMatch, Param } from './logical.js'

export interface Condition {
  /** From the document. */
  readonly path: string
  /** As EXPLAIN shows it: the empty path for an element of an array. */
  readonly selector: string
  readonly operator: CompareOperator | 'in' | 'nin'
  /** One, or those of a list. */
  readonly params: readonly Param[]
  /** The part of the filter that it comes from. */
  readonly source: Logical
  /** The `$elemMatch` that it comes from; null: it is the whole of its source. */
  readonly elemMatch: LogicalElemMatch | null
  /** It tests the elements of an array themselves: all such conditions of one `$elemMatch` must be
   *  met by the same element. */
  readonly isOnElement: boolean
}

/** A bound on a path. */
export function isLower(condition: Condition): boolean {
  return condition.operator === 'gt' || condition.operator === 'gte'
}

export function isUpper(condition: Condition): boolean {
  return condition.operator === 'lt' || condition.operator === 'lte'
}

/** An equality with one parameter of a list. */
export function equalityOf(condition: Condition, param: Param): Condition {
  return { ...condition, operator: 'eq', params: [param] }
}

/** Conditions of parts that all must hold. */
export function conditionsOf(conjuncts: readonly Logical[]): Condition[] {
  return conjuncts.flatMap(source => {
    if (source.kind === 'elemMatch') return elementConditions(source, source, '')
    if (source.kind === 'compare') {
      const { path, operator, param } = source
      return [plain(path, operator, [param], source)]
    }
    if (source.kind === 'in' || source.kind === 'nin') {
      return [plain(source.path, source.kind, source.params, source)]
    }
    return []
  })
}

function plain(
  path: string,
  operator: Condition['operator'],
  params: readonly Param[],
  source: Logical,
): Condition {
  const elemMatch = null
  return { path, selector: path, operator, params, source, elemMatch, isOnElement: false }
}

const ELEMENT_OPERATORS: readonly string[] = ['eq', 'gt', 'gte', 'lt', 'lte', 'in']

/** A number at the begin of a path is a field's name in an element, but an index in the array. */
const NUMBER_FIRST = /^\d+(\.|$)/

/**
 * What some element must satisfy, as conditions on all elements: a value in an element of array `a`
 * at path `p` is among the values at `a.p`.
 *
 * Negations say nothing of all elements. Null at a path of an element neither: that the path is
 * missing in one element leaves no trace in the index while another element has it.
 */
function elementConditions(
  source: LogicalElemMatch,
  elemMatch: LogicalElemMatch,
  prefix: string,
): Condition[] {
  const array = prefix + elemMatch.path
  const { child } = elemMatch
  return (child.kind === 'and' ? child.children : [child]).flatMap(inner => {
    if (inner.kind !== 'compare' && inner.kind !== 'in' && inner.kind !== 'elemMatch') return []
    const isOnElement = inner.path === SELF_PATH
    if (!isOnElement && NUMBER_FIRST.test(inner.path)) return []
    if (inner.kind === 'elemMatch') {
      return isOnElement ? [] : elementConditions(source, inner, `${array}.`)
    }
    const operator = inner.kind === 'in' ? 'in' : inner.operator
    const params = inner.kind === 'in' ? inner.params : [inner.param]
    if (!ELEMENT_OPERATORS.includes(operator)) return []
    if (!isOnElement && params.some(({ type }) => type === 'null')) return []
    const path = isOnElement ? array : `${array}.${inner.path}`
    const selector = isOnElement ? '' : inner.path
    return [{ path, selector, operator, params, source, elemMatch, isOnElement }]
  })
}
