/**
 * From a logical plan to a physical one.
 *
 * A conjunction is read through one index and a disjunction through one for each branch; where that
 * is not possible, through the primary index. SORTBY only allows scans that give its order.
 */

import { PRIMARY_INDEX } from '../indexes/indexes.js'
import {
  type Candidate,
  compoundCandidates,
  Rank,
  rejectedIndex,
  singleCandidates,
} from './candidates.js'
import { conditionsOf } from './conditions.js'
import type { Logical } from './logical.js'
import type { FullScanNode, PlanNode, QueryPlan, UnionNode } from './physical.js'
import { planSorted, unsortable } from './sorted.js'
import type { PlanInput } from './usable-indexes.js'

/** Plans a query.
 *  @throws RespError ERR query cannot be executed: SORTBY … */
export function planQuery(filter: Logical, input: PlanInput): QueryPlan {
  const { sortField } = input
  const sorted = sortField === null ? undefined : planSorted(filter, sortField, input)
  const root = sorted ?? planNode(filter, input)
  const isByIds = root.kind === 'full' && sortField === '_id'
  if (sortField !== null && sorted === undefined && !isByIds) {
    throw unsortable(filter, sortField, input)
  }
  return { root, sortField }
}

function planNode(filter: Logical, input: PlanInput): PlanNode {
  if (filter.kind === 'false') return { kind: 'nothing' }
  if (filter.kind === 'true') return { kind: 'full', predicate: filter, rejected: null }
  if (filter.kind === 'or') return planOr(filter.children, input)
  return planAnd(filter.kind === 'and' ? filter.children : [filter], input)
}

function planAnd(conjuncts: readonly Logical[], input: PlanInput): PlanNode {
  const conditions = conditionsOf(conjuncts)
  const singles = singleCandidates(conditions, input)
  const exact = singles.find(isFewDocuments)
  if (exact !== undefined) return exact.build(conjuncts, false)
  const compound = mostMatched(compoundCandidates(conditions, input))
  // With conditions on one path only, the entries of its own index are shorter.
  const [onlyPath, ...otherPaths] = new Set(conjuncts.map(pathOf))
  const isOnePath = onlyPath !== undefined && otherPaths.length === 0
  const scans = isOnePath && singles.length > 0 ? [] : compound
  const unions = unionsOf(conjuncts, input)
  const ranked = [
    ...singles.map(candidate => ({ rank: candidate.rank, candidate })),
    ...unions.map(node => ({ rank: Rank.union, node })),
  ].sort((a, b) => a.rank - b.rank)
  const [first, ...others] = [
    ...scans.map(candidate => candidate.build(conjuncts, false)),
    ...ranked.map(option => {
      return 'node' in option ? option.node : option.candidate.build(conjuncts, false)
    }),
  ]
  if (first === undefined) return fullScan(conjuncts, rejectedIndex(conditions, input))
  return others.length === 0 ? first : { kind: 'choice', candidates: [first, ...others] }
}

/** `_id` is unique: no other index can do better. */
function isFewDocuments({ index, rank }: Candidate): boolean {
  return index === PRIMARY_INDEX && rank <= Rank.list
}

/** The path of a part of the filter; parts that have none are on different paths. */
function pathOf(part: Logical): unknown {
  return 'path' in part ? part.path : part
}

/** The first of those with the most conditions; none if there are none. */
function mostMatched(candidates: readonly Candidate[]): Candidate[] {
  const most = Math.max(...candidates.map(({ used }) => used.length))
  return candidates.filter(({ used }) => used.length === most).slice(0, 1)
}

function fullScan(conjuncts: readonly Logical[], rejected: FullScanNode['rejected']): FullScanNode {
  const [only] = conjuncts
  const predicate: Logical =
    conjuncts.length === 1 && only !== undefined ? only : { kind: 'and', children: conjuncts }
  return { kind: 'full', predicate, rejected }
}

/** Unions that a conjunction may choose from, at most: each has the rest of the filter as its
 *  residual. */
const UNIONS = 4

/** Disjunctions inside a conjunction whose branches all have an index. */
function unionsOf(conjuncts: readonly Logical[], input: PlanInput): UnionNode[] {
  const unions: UnionNode[] = []
  for (const part of conjuncts) {
    if (unions.length === UNIONS) break
    if (part.kind !== 'or' || conjuncts.length === 1) continue
    const union = planOr(part.children, input)
    if (union.kind !== 'union' || union.children.some(({ kind }) => kind === 'full')) continue
    const rest = conjuncts.filter(other => other !== part)
    unions.push({ ...union, residual: { kind: 'and', children: rest } })
  }
  return unions
}

function planOr(branches: readonly Logical[], input: PlanInput): PlanNode {
  const nodes = branches.map(branch => planNode(branch, input))
  const full = nodes.filter((node): node is FullScanNode => node.kind === 'full')
  const indexed = nodes.filter(node => node.kind !== 'full').flatMap(withoutUnion)
  const children = full.length === 0 ? indexed : [...indexed, joinFullScans(full)]
  const [only] = children
  return children.length === 1 ? only! : { kind: 'union', children, residual: null }
}

/** The children of a union are as good as the union itself, unless it checks something. */
function withoutUnion(node: PlanNode): readonly PlanNode[] {
  return node.kind === 'union' && node.residual === null ? node.children : [node]
}

function joinFullScans(nodes: readonly FullScanNode[]): FullScanNode {
  const rejected = nodes.find(node => node.rejected !== null)?.rejected ?? null
  const children = nodes.map(({ predicate }) => predicate)
  const [only] = children
  const predicate: Logical = children.length === 1 ? only! : { kind: 'or', children }
  return { kind: 'full', predicate, rejected }
}
