/** Scans of indexes that conditions allow, for conditions that all must hold. */

import { type IndexDefinition, type IndexField, PRIMARY_INDEX } from '../indexes/indexes.js'
import { type Condition, equalityOf, isLower, isUpper } from './conditions.js'
import type { Logical } from './logical.js'
import type { PlanNode, ScanNode } from './physical.js'
import { fits, fitsOrNull, isOrderedAlike, isReadable, type PlanInput } from './usable-indexes.js'

/** Ways to read, from what is expected to be the fewest entries to the most. */
export const Rank = { equality: 0, list: 1, range: 2, union: 3, inequality: 4 } as const
export type Rank = (typeof Rank)[keyof typeof Rank]

export interface Candidate {
  readonly index: IndexDefinition
  readonly rank: Rank
  /** Conditions that narrow the scan. */
  readonly used: readonly Condition[]
  /** @param isSorted  in the order of the index */
  build(conjuncts: readonly Logical[], isSorted: boolean): PlanNode
}

/** The best scan of each single-field index, the primary one included, in the order in which the
 *  conditions were written. */
export function singleCandidates(conditions: readonly Condition[], input: PlanInput): Candidate[] {
  const candidates: Candidate[] = []
  for (const [path, onField] of byPath(conditions)) {
    const index = singleIndex(path, input)
    if (index === undefined || !isReadable(index)) continue
    if (!isOrderedAlike(index, index.fields[0]!, input)) continue
    const candidate = singleCandidate(index, onField)
    if (candidate !== undefined) candidates.push(candidate)
  }
  return candidates
}

type ByPath = ReadonlyMap<string, readonly Condition[]>

/** There may be many conditions, and few indexes: those of a path are looked for once. */
function byPath(conditions: readonly Condition[]): ByPath {
  const groups = new Map<string, Condition[]>()
  for (const condition of conditions) {
    const group = groups.get(condition.path)
    if (group === undefined) groups.set(condition.path, [condition])
    else group.push(condition)
  }
  return groups
}

/** The READY single-field index on a path; there is one at most. */
export function singleIndex(path: string, input: PlanInput): IndexDefinition | undefined {
  if (path === '_id') return PRIMARY_INDEX
  return input.indexes.find(({ kind, status, fields }) => {
    return kind === 'single' && status === 'READY' && fields[0]?.selector === path
  })
}

function singleCandidate(
  index: IndexDefinition,
  conditions: readonly Condition[],
): Candidate | undefined {
  const field = index.fields[0]!
  const equality = findEquality(conditions, field)
  if (equality !== undefined) return scanCandidate(index, Rank.equality, [equality], null, null)
  const list = conditions.find(({ operator, params }) => {
    return operator === 'in' && params.every(({ type }) => fitsOrNull(type, field))
  })
  if (list !== undefined) return listCandidate(index, list)
  const [lower, upper] = findBounds(conditions, field)
  if (lower || upper) return scanCandidate(index, Rank.range, [], lower, upper)
  const inequality = conditions.find(({ operator, params }) => {
    const isNegated = operator === 'ne' || operator === 'nin'
    return isNegated && !field.multiKey && params.every(({ type }) => fitsOrNull(type, field))
  })
  return inequality && inequalityCandidate(index, inequality)
}

function findEquality(conditions: readonly Condition[], field: IndexField): Condition | undefined {
  return conditions.find(({ operator, params }) => {
    return operator === 'eq' && fitsOrNull(params[0]!.type, field)
  })
}

/** A lower and an upper bound; of several, two that must be met by the same element. */
function findBounds(
  conditions: readonly Condition[],
  field: IndexField,
): [lower: Condition | null, upper: Condition | null] {
  const fitting = conditions.filter(({ params }) => fits(params[0]!.type, field))
  const lowers = fitting.filter(isLower)
  const uppers = fitting.filter(isUpper)
  for (const lower of lowers) {
    const upper = uppers.find(candidate => shareElement(lower, candidate))
    if (upper !== undefined) return [lower, upper]
  }
  return [lowers[0] ?? null, uppers[0] ?? null]
}

/** Whether one value has to lie between two bounds, even where there are arrays. */
export function shareElement(lower: Condition, upper: Condition): boolean {
  return lower.isOnElement && upper.isOnElement && lower.elemMatch === upper.elemMatch
}

function scanCandidate(
  index: IndexDefinition,
  rank: Rank,
  equalities: readonly Condition[],
  lower: Condition | null,
  upper: Condition | null,
): Candidate {
  const used = [...equalities, lower, upper].filter(condition => condition !== null)
  return {
    index,
    rank,
    used,
    build: conjuncts => ({
      kind: 'scan',
      index,
      equalities,
      lower,
      upper,
      excluded: [],
      residual: residualOf(conjuncts, used),
    }),
  }
}

/** One value is an equality; more of them are one equality each. */
export function listCandidate(index: IndexDefinition, list: Condition): Candidate {
  const equalities = list.params.map(param => equalityOf(list, param))
  const [only] = equalities
  if (equalities.length === 1) return scanCandidate(index, Rank.equality, [only!], null, null)
  return {
    index,
    rank: Rank.list,
    used: [list],
    build: (conjuncts, isSorted) => ({
      kind: isSorted ? 'concat' : 'union',
      children: equalities.map(equality => equalityScan(index, equality)),
      residual: residualOf(conjuncts, [list]),
    }),
  }
}

function equalityScan(index: IndexDefinition, equality: Condition): ScanNode {
  const equalities = [equality]
  return {
    kind: 'scan',
    index,
    equalities,
    lower: null,
    upper: null,
    excluded: [],
    residual: null,
  }
}

function inequalityCandidate(index: IndexDefinition, inequality: Condition): Candidate {
  const { path, params } = inequality
  const others = params.slice(1).map((param): Logical => {
    return { kind: 'compare', path, operator: 'ne', param }
  })
  return {
    index,
    rank: Rank.inequality,
    used: [inequality],
    build: conjuncts => {
      const rest = [...others, ...unserved(conjuncts, [inequality])]
      const residual: Logical | null = rest.length > 0 ? { kind: 'and', children: rest } : null
      const bounds = { equalities: [], lower: null, upper: null }
      return { kind: 'scan', index, ...bounds, excluded: params, residual }
    },
  }
}

/** Scans of compound indexes: equalities on the leading fields, then at most one field with bounds.
 *  In the order of the definitions. */
export function compoundCandidates(
  conditions: readonly Condition[],
  input: PlanInput,
): Candidate[] {
  const groups = byPath(conditions)
  return input.indexes
    .filter(index => index.kind === 'compound' && isReadable(index))
    .map(index => compoundCandidate(index, groups, input))
    .filter(candidate => candidate.used.length > 0)
}

function compoundCandidate(
  index: IndexDefinition,
  conditions: ByPath,
  input: PlanInput,
): Candidate {
  const equalities: Condition[] = []
  for (const field of index.fields) {
    if (!isOrderedAlike(index, field, input)) break
    const onField = conditions.get(field.selector) ?? []
    const equality = findEquality(onField, field)
    if (equality === undefined) {
      const [lower, upper] = findBounds(onField, field)
      return scanCandidate(index, Rank.range, equalities, lower, upper)
    }
    equalities.push(equality)
  }
  return scanCandidate(index, Rank.equality, equalities, null, null)
}

/** An index that the conditions could have used if it ordered strings as the query wants. */
export function rejectedIndex(
  conditions: readonly Condition[],
  input: PlanInput,
): IndexDefinition | null {
  const groups = byPath(conditions)
  for (const index of input.indexes) {
    const field = index.fields[0]!
    if (!isReadable(index) || isOrderedAlike(index, field, input)) continue
    const onField = groups.get(field.selector) ?? []
    const serves =
      index.kind === 'single'
        ? singleCandidate(index, onField) !== undefined
        : [findEquality(onField, field), ...findBounds(onField, field)].some(Boolean)
    if (serves) return index
  }
  return null
}

/** What a scan that uses some conditions does not check by itself. */
export function residualOf(
  conjuncts: readonly Logical[],
  used: readonly Condition[],
): Logical | null {
  const rest = unserved(conjuncts, used)
  const [only] = rest
  if (only === undefined) return null
  return conjuncts.length === 1 ? only : { kind: 'and', children: rest }
}

function unserved(conjuncts: readonly Logical[], used: readonly Condition[]): Logical[] {
  const isServed = (part: Logical) =>
    used.some(({ source, elemMatch }) => source === part && elemMatch === null)
  return conjuncts.filter(part => !isServed(part))
}
