/**
 * SORTBY: which plans read in the order of a field, and what is said when none does.
 *
 * The order is that of the index: null and missing first, then values; ties by the fields behind
 * the sorted one, then by `_id`. So an index that has no such fields comes first.
 */

import { err, type RespError } from '../../error.js'
import { sameCollation } from '../language/collation.js'
import {
  type Candidate,
  compoundCandidates,
  listCandidate,
  singleCandidates,
  singleIndex,
} from './candidates.js'
import { type Condition, conditionsOf } from './conditions.js'
import type { Logical, Param } from './logical.js'
import type { PlanNode } from './physical.js'
import { fitsOrNull, isOrderedAlike, isReadable, type PlanInput } from './usable-indexes.js'

/** The best plan that reads in the order of a field, if an index gives it. */
export function planSorted(
  filter: Logical,
  sortField: string,
  input: PlanInput,
): PlanNode | undefined {
  if (filter.kind === 'false') return { kind: 'nothing' }
  if (filter.kind === 'true') return wholeIndex(sortField, input)
  const conjuncts = conjunctsOf(filter)
  const conditions = sortableConditions(conjuncts)
  const compound = compoundCandidates(conditions, input).filter(candidate => {
    return gives(candidate, sortField)
  })
  const single = [
    ...singleCandidates(conditions, input),
    ...alternatives(conjuncts, sortField, input),
  ].filter(({ index }) => index.fields[0]!.selector === sortField)
  const ranked = [...compound, ...single].sort((a, b) => {
    const byTies = Number(hasTiesById(b, sortField)) - Number(hasTiesById(a, sortField))
    return byTies || b.used.length - a.used.length
  })
  return ranked[0]?.build(conjuncts, true)
}

function conjunctsOf(filter: Logical): readonly Logical[] {
  return filter.kind === 'and' ? filter.children : [filter]
}

/** `$elemMatch` says nothing of the element that a document is sorted by. */
function sortableConditions(conjuncts: readonly Logical[]): Condition[] {
  return conditionsOf(conjuncts).filter(({ elemMatch }) => elemMatch === null)
}

/** All of an index, from null on. */
function wholeIndex(sortField: string, input: PlanInput): PlanNode | undefined {
  const index = singleIndex(sortField, input)
  if (index === undefined || !isReadable(index)) return undefined
  if (input.collation !== null && !isOrderedAlike(index, index.fields[0]!, input)) return undefined
  return {
    kind: 'scan',
    index,
    equalities: [],
    lower: null,
    upper: null,
    excluded: [],
    residual: null,
  }
}

/** `$or` of equalities on the sorted field, which is a list of values. */
function alternatives(
  conjuncts: readonly Logical[],
  sortField: string,
  input: PlanInput,
): Candidate[] {
  const index = singleIndex(sortField, input)
  const field = index?.fields[0]
  if (index === undefined || field === undefined) return []
  if (!isReadable(index) || !isOrderedAlike(index, field, input)) return []
  return conjuncts.flatMap(source => {
    if (source.kind !== 'or') return []
    const params: Param[] = []
    for (const child of source.children) {
      const isEquality = child.kind === 'compare' && child.operator === 'eq'
      if (!isEquality || child.path !== sortField || !fitsOrNull(child.param.type, field)) return []
      params.push(child.param)
    }
    const list: Condition = {
      path: sortField,
      selector: sortField,
      operator: 'in',
      params,
      source,
      elemMatch: null,
      isOnElement: false,
    }
    return [listCandidate(index, list)]
  })
}

/** Whether a compound scan reads in the order of a field: equalities on all fields before it. */
function gives({ index, used }: Candidate, sortField: string): boolean {
  const position = positionOf(index, sortField)
  return position !== -1 && position <= equalityCount(used)
}

/** Whether documents with equal values of the sorted field come by their ids. */
function hasTiesById({ index, used }: Candidate, sortField: string): boolean {
  const constant = Math.max(positionOf(index, sortField) + 1, equalityCount(used))
  return constant >= index.fields.length
}

function positionOf(index: Candidate['index'], selector: string): number {
  return index.fields.findIndex(field => field.selector === selector)
}

function equalityCount(used: readonly Condition[]): number {
  return used.filter(({ operator }) => operator === 'eq').length
}

/** Why no plan reads in the order of a field. */
export function unsortable(filter: Logical, sortField: string, input: PlanInput): RespError {
  const range = rangeBefore(filter, sortField, input)
  if (range !== undefined) {
    return refused(
      `SORTBY '${sortField}' cannot be executed because a range filter on '${range}' breaks` +
        ` compound index ordering. Hint: use an equality filter on '${range}' or create an index` +
        ` on '${sortField}'`,
    )
  }
  const index = singleIndex(sortField, input)
  if (index === undefined) {
    return refused(
      `SORTBY '${sortField}' requires an index that provides natural ordering.` +
        ` Hint: create an index on '${sortField}'`,
    )
  }
  const isString = index.fields[0]!.type === 'STRING'
  if (isString && input.collation && !sameCollation(index.collation, input.collation)) {
    return refused(
      `SORTBY '${sortField}' cannot use the existing index because its collation does not match` +
        ` the query collation. Hint: use a collation that matches the index on '${sortField}'`,
    )
  }
  return refused(
    `SORTBY '${sortField}' cannot be used because the query's execution plan does not provide` +
      ` natural ordering on this field. Hint: use RESULTSORT '${sortField}' for in-memory sorting`,
  )
}

function refused(reason: string): RespError {
  return err(`query cannot be executed: ${reason}`)
}

/** The field with bounds before the sorted one, in a compound index that the filter uses. */
function rangeBefore(filter: Logical, sortField: string, input: PlanInput): string | undefined {
  for (const { index, used } of compoundCandidates(conditionsOf(conjunctsOf(filter)), input)) {
    const last = used.at(-1)!
    const isBroken = last.operator !== 'eq' && positionOf(index, sortField) > equalityCount(used)
    if (isBroken) return last.path
  }
  return undefined
}
