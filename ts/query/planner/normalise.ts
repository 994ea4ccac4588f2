/**
 * Rewrites a filter into a simpler one that matches exactly the same documents.
 *
 * INVARIANT: rewrites look at operators, at lengths of lists and at types of literals, never at
 * their values: what comes out has the same form for all filters of a shape. Conditions are not
 * folded into each other, because different elements of an array may satisfy them.
 */

import type { CompareOperator, Filter, Literal } from '../language/filter.js'
import { literalType } from './logical.js'

const TRUE: Filter = { kind: 'true' }
/** No filter has a kind of its own for what matches nothing. */
const FALSE: Filter = { kind: 'or', children: [] }

export function isFalse(filter: Filter): boolean {
  return filter.kind === 'or' && filter.children.length === 0
}

/** @returns a filter without `nor` and without constants inside; see `Logical` for its form */
export function normalise(filter: Filter): Filter {
  return rewrite(filter, true)
}

/** @param isTop  paths start at the document, not at an element */
function rewrite(filter: Filter, isTop: boolean): Filter {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return join(filter.kind, filter.children, isTop)
    case 'nor':
      return negate(join('or', filter.children, isTop))
    case 'not':
      return negate(rewrite(filter.child, isTop))
    case 'compare':
      return isTop && filter.path === '_id' ? comparedId(filter) : filter
    case 'in':
    case 'nin':
      if (filter.values.length === 0) return constant(filter.kind === 'nin')
      return isTop && filter.path === '_id' ? listedId(filter) : filter
    case 'elemMatch': {
      const child = rewrite(filter.child, false)
      return isFalse(child) ? FALSE : { ...filter, child }
    }
    case 'true':
    case 'all':
    case 'size':
    case 'exists':
    case 'regex':
      return filter
  }
}

function constant(value: boolean): Filter {
  return value ? TRUE : FALSE
}

function negate(filter: Filter): Filter {
  if (filter.kind === 'true') return FALSE
  if (isFalse(filter)) return TRUE
  return filter.kind === 'not' ? filter.child : { kind: 'not', child: filter }
}

function join(kind: 'and' | 'or', parts: readonly Filter[], isTop: boolean): Filter {
  const isNeutral = (child: Filter) => (kind === 'and' ? child.kind === 'true' : isFalse(child))
  const isDecisive = (child: Filter) => (kind === 'and' ? isFalse(child) : child.kind === 'true')
  const children: Filter[] = []
  for (const part of parts) {
    const child = rewrite(part, isTop)
    if (isDecisive(child)) return child
    if (isNeutral(child)) continue
    const own = child.kind === kind ? child.children : [child]
    for (const condition of own) children.push(condition)
  }
  const [only] = children
  if (only === undefined) return constant(kind === 'and')
  return children.length === 1 ? only : { kind, children }
}

/** `_id` is an ObjectId in every document, so a comparison with another type is false; only that
 *  it isn't null is true. */
function comparedId(filter: Filter & { kind: 'compare'; operator: CompareOperator }): Filter {
  if (isObjectId(filter.value)) return filter
  return constant(filter.operator === 'ne' && filter.value === null)
}

/** Of what `_id` is compared with, only ObjectIds count. */
function listedId(filter: Filter & { kind: 'in' | 'nin' | 'all' }): Filter {
  const values = filter.values.filter(isObjectId)
  if (values.length === 0) return constant(filter.kind === 'nin')
  return { ...filter, values }
}

function isObjectId(value: Literal): boolean {
  return literalType(value) === 'objectid'
}
