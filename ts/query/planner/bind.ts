/**
 * Binds literals to a plan: what is left is ranges of keys. Values are encoded by the function that
 * is passed in; here only keys are compared, which is byte order.
 */

import type { KeyRange } from '../../store/keyspace.js'
import { type IndexDefinition, PRIMARY_INDEX } from '../indexes/indexes.js'
import type { Literal } from '../language/filter.js'
import { shareElement } from './candidates.js'
import type { Condition } from './conditions.js'
import type { Param } from './logical.js'
import type { ChoiceNode, PlanNode, QueryPlan, ScanNode, UnionNode } from './physical.js'
import { mayHoldArrays } from './usable-indexes.js'

/** A bound on the values of a field. */
export interface Bound {
  readonly value: Literal
  readonly isInclusive: boolean
}

/** Gives the keys of the entries whose leading fields equal `equalities` and whose next field lies
 *  between the bounds; with one bound, the other side ends with the values, without null. Without
 *  bounds: all entries below the equalities, those of null included.
 *  @returns absolute keys, in which begin may lie behind end; nothing: no entry can be among
 *           them */
export type EncodeRange = (
  index: IndexDefinition,
  equalities: readonly Literal[],
  lower?: Bound,
  upper?: Bound,
) => KeyRange | 'nothing'

/** As `EncodeRange` for each of several equalities on one index.
 *  @returns absolute keys, ascending; the ranges neither overlap nor touch */
export type EncodeEqualities = (
  index: IndexDefinition,
  equalities: readonly (readonly Literal[])[],
) => KeyRange[]

/** Entries in a range of keys, about; undefined without statistics of the index. */
export type EstimateRange = (index: IndexDefinition, range: KeyRange) => number | undefined

export interface BindOptions {
  readonly literals: readonly Literal[]
  readonly encode: EncodeRange
  /** Absent: `encode` does it, one by one. */
  readonly encodeEach?: EncodeEqualities
  /** Of SORTBY. */
  readonly isDescending?: boolean
  readonly estimate?: EstimateRange | undefined
}

/** Keys with `begin <= key < end`. */
export interface BoundRange {
  readonly index: IndexDefinition
  readonly begin: Buffer
  readonly end: Buffer
}

export interface BoundPlan {
  /** To be read one behind the other, each in reverse if `reverse`. None is empty; they do not
   *  overlap within one index. */
  readonly ranges: readonly BoundRange[]
  readonly reverse: boolean
  /** `scan`: the order in which entries are read. `id`: documents by their ids, from all ranges. */
  readonly order: 'scan' | 'id'
  /** Whether one document may have several entries in the ranges. */
  readonly mayRepeat: boolean
  /** Whether entries may move while they are read: all but primary ones do. INVARIANT: a plan that
   *  changes of indexes concern says so, even if nothing lies between its bounds. */
  readonly mayMove: boolean
  /** What the plan came to, without choices. */
  readonly root: PlanNode
}

/** Binds a plan. The ranges hold an entry of every document that matches. */
export function bindPlan(plan: QueryPlan, options: BindOptions): BoundPlan {
  const binding: Binding = { ...options, sortField: plan.sortField }
  const root = resolve(plan.root, binding)
  const ranges = rangesOf(root, binding)
  const reverse = plan.sortField !== null && options.isDescending === true
  const indexes = new Set(ranges.map(({ index }) => index))
  // The primary index alone is in the order of ids by itself.
  const isMixed = root.kind === 'union' && !indexes.has(PRIMARY_INDEX)
  const order = isMixed || indexes.size > 1 ? 'id' : 'scan'
  return {
    ranges: reverse ? ranges.reverse() : ranges,
    reverse,
    order,
    mayRepeat: indexes.size > 1 || ranges.some(({ index }) => index.hasArrays),
    mayMove: indexesOf(root).some(index => index !== PRIMARY_INDEX),
    root,
  }
}

/** The indexes that a bound plan depends on, read or not: a full scan makes all others needless. */
export function indexesOf(node: PlanNode): readonly IndexDefinition[] {
  switch (node.kind) {
    case 'nothing':
      return []
    case 'full':
      return [PRIMARY_INDEX]
    case 'scan':
      return [node.index]
    case 'union':
    case 'concat':
      if (node.children.some(({ kind }) => kind === 'full')) return [PRIMARY_INDEX]
      return node.children.flatMap(indexesOf)
    case 'choice':
      return node.candidates.flatMap(indexesOf)
  }
}

interface Binding extends BindOptions {
  readonly sortField: string | null
}

/** Replaces choices by what statistics say is the least to read. */
function resolve(node: PlanNode, binding: Binding): PlanNode {
  if (node.kind === 'choice') return choose(node, binding)
  if (node.kind !== 'union') return node
  return { ...node, children: node.children.map(child => resolve(child, binding)) }
}

/** Without statistics the first candidate wins; a compound index does so even against others that
 *  have some, because it uses more of the filter. */
function choose({ candidates }: ChoiceNode, binding: Binding): PlanNode {
  const [first, ...others] = candidates
  if (binding.estimate === undefined) return resolve(first, binding)
  let best = resolve(first, binding)
  let least = estimateOf(best, binding)
  const isCompound = first.kind === 'scan' && first.index.kind === 'compound'
  if (least === undefined && isCompound) return best
  for (const other of others) {
    const node = resolve(other, binding)
    const estimate = estimateOf(node, binding)
    if (estimate === undefined || (least !== undefined && estimate >= least)) continue
    best = node
    least = estimate
  }
  return best
}

function estimateOf(node: PlanNode, binding: Binding): number | undefined {
  let total = 0
  for (const range of rangesOf(node, binding)) {
    const estimate = binding.estimate?.(range.index, range)
    if (estimate === undefined) return undefined
    total += estimate
  }
  return total
}

function rangesOf(node: PlanNode, binding: Binding): BoundRange[] {
  switch (node.kind) {
    case 'nothing':
      return []
    case 'full':
      return encoded(PRIMARY_INDEX, binding.encode(PRIMARY_INDEX, []))
    case 'scan':
      return scanRanges(node, binding)
    case 'union':
      return unionRanges(node, binding)
    case 'concat':
      return concatRanges(node, binding)
    case 'choice':
      return rangesOf(choose(node, binding), binding)
  }
}

/** A full scan finds all that the others find. */
function unionRanges(node: UnionNode, binding: Binding): BoundRange[] {
  const full = node.children.find(({ kind }) => kind === 'full')
  if (full !== undefined) return rangesOf(full, binding)
  return childRanges(node, binding)
}

/** Those of all children, joined where they overlap or touch. */
function childRanges({ children }: UnionNode, binding: Binding): BoundRange[] {
  const { encodeEach } = binding
  const index = indexOfEqualities(children, binding)
  if (encodeEach === undefined || index === undefined) {
    return merge(children.flatMap(child => rangesOf(child, binding)))
  }
  const equalities = (children as readonly ScanNode[]).map(child => {
    return child.equalities.map(condition => literalOf(condition, binding))
  })
  return encodeEach(index, equalities).map(({ begin, end }) => ({ index, begin, end }))
}

/** The index of children that all ask for equal values of one; undefined: they do not. */
function indexOfEqualities(
  children: readonly PlanNode[],
  binding: Binding,
): IndexDefinition | undefined {
  const [first] = children
  if (first?.kind !== 'scan' || first.index === PRIMARY_INDEX) return undefined
  const { index } = first
  const areAlike = children.every(child => {
    if (child.kind !== 'scan' || child.index !== index) return false
    return child.lower === null && child.upper === null && child.excluded.length === 0
  })
  return areAlike && sortPosition(index, binding) === -1 ? index : undefined
}

/** Equalities in the order of their keys, each once. */
function concatRanges(node: UnionNode, binding: Binding): BoundRange[] {
  const ranges = childRanges(node, binding)
  const [first] = ranges
  const position = first === undefined ? -1 : sortPosition(first.index, binding)
  if (first === undefined || position === -1) return ranges
  const own = { begin: first.begin, end: ranges.at(-1)!.end }
  return widened(first.index, binding.encode(first.index, []), own, binding)
}

function scanRanges(scan: ScanNode, binding: Binding): BoundRange[] {
  const { index, equalities, excluded } = scan
  if (excluded.length > 0) return excludedRanges(index, excluded, binding)
  const { lower, upper } = scan
  const values = equalities.map(condition => literalOf(condition, binding))
  const position = sortPosition(index, binding)
  if (position !== -1) {
    const { isDescending } = binding
    const start = binding.encode(index, values.slice(0, position))
    const isBounded = position === values.length
    const bound = isDescending ? [lower, null] : [null, upper]
    const own = isBounded
      ? encodeBetween(index, values, bound[0]!, bound[1]!, binding)
      : binding.encode(index, values.slice(0, position + 1))
    return own === 'nothing' ? [] : widened(index, start, own, binding)
  }
  const field = index.fields[values.length]
  const isOneOf = field !== undefined && mayHoldArrays(index, field)
  // Two elements may meet the bounds, one each, with no element between them.
  const isOpen = lower !== null && upper !== null && isOneOf && !shareElement(lower, upper)
  return encoded(index, encodeBetween(index, values, lower, isOpen ? null : upper, binding))
}

function encodeBetween(
  index: IndexDefinition,
  values: readonly Literal[],
  lower: Condition | null,
  upper: Condition | null,
  binding: Binding,
): KeyRange | 'nothing' {
  return binding.encode(index, values, boundOf(lower, binding), boundOf(upper, binding))
}

/** Where the sorted field stands in an index whose documents may come at several places of the
 *  order, else -1. */
function sortPosition(index: IndexDefinition, { sortField }: Binding): number {
  return index.fields.findIndex(field => {
    return field.selector === sortField && mayHoldArrays(index, field)
  })
}

/** A document stands in the order by its first element of all, which need not be one that the
 *  filter asks for. So reading begins where the order does, and ends where the filter's range does.
 *  @param start  all entries that share the equalities before the sorted field
 *  @param own  those of them that the filter asks for */
function widened(
  index: IndexDefinition,
  start: KeyRange | 'nothing',
  own: KeyRange,
  { isDescending }: Binding,
): BoundRange[] {
  if (start === 'nothing') return []
  const range = isDescending
    ? { begin: own.begin, end: start.end }
    : { begin: start.begin, end: own.end }
  return encoded(index, range)
}

/** All entries but those of some values. An empty array has the entry of null and is none, so null
 *  is not left out. */
function excludedRanges(
  index: IndexDefinition,
  excluded: readonly Param[],
  binding: Binding,
): BoundRange[] {
  const whole = binding.encode(index, [])
  if (whole === 'nothing') return []
  const holes = excluded
    .filter(({ type }) => type !== 'null')
    .flatMap(param => encoded(index, binding.encode(index, [binding.literals[param.index]])))
  const ranges: BoundRange[] = []
  let { begin } = whole
  for (const hole of merge(holes)) {
    ranges.push(...encoded(index, { begin, end: hole.begin }))
    begin = hole.end
  }
  return [...ranges, ...encoded(index, { begin, end: whole.end })]
}

function encoded(index: IndexDefinition, range: KeyRange | 'nothing'): BoundRange[] {
  if (range === 'nothing' || Buffer.compare(range.begin, range.end) >= 0) return []
  return [{ index, begin: range.begin, end: range.end }]
}

function literalOf({ params }: Condition, { literals }: Binding): Literal {
  return literals[params[0]!.index]
}

function boundOf(condition: Condition | null, binding: Binding): Bound | undefined {
  if (condition === null) return undefined
  const isInclusive = condition.operator === 'gte' || condition.operator === 'lte'
  return { value: literalOf(condition, binding), isInclusive }
}

/** Joins ranges of an index that overlap or touch; those of one index ascend. */
function merge(ranges: readonly BoundRange[]): BoundRange[] {
  const merged: BoundRange[] = []
  for (const index of new Set(ranges.map(range => range.index))) {
    const own = ranges.filter(range => range.index === index)
    own.sort((a, b) => Buffer.compare(a.begin, b.begin))
    let last: BoundRange | undefined
    for (const range of own) {
      if (last === undefined || Buffer.compare(range.begin, last.end) > 0) {
        merged.push(range)
        last = range
      } else if (Buffer.compare(range.end, last.end) > 0) {
        last = { index, begin: last.begin, end: range.end }
        merged[merged.length - 1] = last
      }
    }
  }
  return merged
}
