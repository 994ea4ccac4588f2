/**
 * Physical plans: which indexes are read, and by which conditions. A plan belongs to a shape and to
 * the definitions of indexes that it was made from; literals are bound when it runs.
 *
 * INVARIANT: for all literals, what a plan reads includes every document that matches. The whole
 * filter is evaluated on each of them, so parts that are named residual are those that the scan
 * itself does not check.
 */

import type { IndexDefinition } from '../indexes/indexes.js'
import type { Condition } from './conditions.js'
import type { Logical, Param } from './logical.js'

export type PlanNode = NothingNode | FullScanNode | ScanNode | UnionNode | ChoiceNode

/** No document can match. */
export interface NothingNode {
  readonly kind: 'nothing'
}

export interface FullScanNode {
  readonly kind: 'full'
  readonly predicate: Logical
  /** Would have served, but orders strings by another collation. */
  readonly rejected: IndexDefinition | null
}

/** Entries of one index that share the values of its leading fields, and lie between the bounds on
 *  the next one. Without any condition: all entries. */
export interface ScanNode {
  readonly kind: 'scan'
  readonly index: IndexDefinition
  /** On the leading fields, in their order. */
  readonly equalities: readonly Condition[]
  readonly lower: Condition | null
  readonly upper: Condition | null
  /** Values whose entries are left out; then there are no other conditions. */
  readonly excluded: readonly Param[]
  readonly residual: Logical | null
}

/** `union`: documents that some child finds. `concat`: equalities on one index, to be read in the
 *  order of their values. */
export interface UnionNode {
  readonly kind: 'union' | 'concat'
  readonly children: readonly PlanNode[]
  readonly residual: Logical | null
}

/** Nodes that serve equally well, as far as the shape tells: statistics decide for the literals,
 *  and else it is the first. */
export interface ChoiceNode {
  readonly kind: 'choice'
  readonly candidates: readonly [PlanNode, ...PlanNode[]]
}

export interface QueryPlan {
  readonly root: PlanNode
  /** The field of SORTBY: the plan reads in its order. */
  readonly sortField: string | null
}
