/**
 * From a filter to the way it is executed: single documents by `_id`, a range of `_id`s, or all of
 * them.
 *
 * INVARIANT: a plan only narrows what is read; the whole filter is evaluated on every document
 * that is read, so any plan gives what a full scan gives.
 */

import { ObjectId } from 'bson'
import { keyAfter, prefixRange, primaryKey, primaryPrefix } from '../store/keyspace.js'
import type { Filter, Literal } from './filter.js'

export type Plan =
  /** Nothing can match. */
  | { readonly kind: 'nothing' }
  /** Primary keys with `begin <= key < end`. */
  | { readonly kind: 'scan'; readonly begin: Buffer; readonly end: Buffer }

/** Plans over the primary index of the bucket whose data lies under `data`. */
export function planFilter(filter: Filter, data: Buffer): Plan {
  const all = prefixRange(primaryPrefix(data))
  let { begin, end } = all
  for (const condition of conjuncts(filter)) {
    if (condition.kind !== 'compare' || condition.path !== '_id') continue
    const bounds = idBounds(condition.operator, condition.value, data)
    if (bounds === 'nothing') return { kind: 'nothing' }
    if (bounds.begin !== undefined && Buffer.compare(bounds.begin, begin) > 0) begin = bounds.begin
    if (bounds.end !== undefined && Buffer.compare(bounds.end, end) < 0) end = bounds.end
  }
  if (Buffer.compare(begin, end) >= 0) return { kind: 'nothing' }
  return { kind: 'scan', begin, end }
}

/** Conditions that all must hold. */
function conjuncts(filter: Filter): readonly Filter[] {
  return filter.kind === 'and' ? filter.children.flatMap(conjuncts) : [filter]
}

interface Bounds {
  readonly begin?: Buffer
  readonly end?: Buffer
}

/** `_id` is always an ObjectId, so a comparison with another type is false. */
function idBounds(operator: string, value: Literal, data: Buffer): Bounds | 'nothing' {
  if (!(value instanceof ObjectId)) return operator === 'ne' && value === null ? {} : 'nothing'
  const key = primaryKey(data, Buffer.from(value.id))
  switch (operator) {
    case 'eq':
      return { begin: key, end: keyAfter(key) }
    case 'gt':
      return { begin: keyAfter(key) }
    case 'gte':
      return { begin: key }
    case 'lt':
      return { end: key }
    case 'lte':
      return { end: keyAfter(key) }
    default:
      return {}
  }
}
