/**
 * Logical plans: a filter with parameters in the place of its literals. What a literal is like is
 * known (its type), what it is not, so that a plan made from this holds for all literals.
 */

import { Binary, BSONRegExp, Decimal128, Double, Int32, Long, ObjectId, Timestamp } from 'bson'
import type { CompareOperator, Literal } from '../language/filter.js'

export type LiteralType =
  | 'null'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  | 'decimal128'
  | 'string'
  | 'objectid'
  | 'datetime'
  | 'timestamp'
  | 'binary'
  | 'regex'
  | 'array'
  | 'document'

/** A literal that is bound when the plan runs. */
export interface Param {
  /** In the list of literals. */
  readonly index: number
  readonly type: LiteralType
}

/** INVARIANT: `true` and `false` stand at the root only, or below `elemMatch`. `and` and `or` have
 *  at least two children, none of their own kind. */
export type Logical =
  | { readonly kind: 'true' | 'false' }
  | { readonly kind: 'and' | 'or'; readonly children: readonly Logical[] }
  | { readonly kind: 'not'; readonly child: Logical }
  | LogicalComparison
  | LogicalList<'in'>
  | LogicalList<'nin' | 'all'>
  | { readonly kind: 'size' | 'regex'; readonly path: string; readonly param: Param }
  | { readonly kind: 'exists'; readonly path: string; readonly value: boolean }
  | LogicalElemMatch

export interface LogicalComparison {
  readonly kind: 'compare'
  readonly path: string
  readonly operator: CompareOperator
  readonly param: Param
}

export interface LogicalList<Kind> {
  readonly kind: Kind
  readonly path: string
  readonly params: readonly Param[]
}

export interface LogicalElemMatch {
  readonly kind: 'elemMatch'
  readonly path: string
  readonly child: Logical
}

/** A timestamp is a `Long` to the package, so it comes first. */
const CLASSES = [
  [Int32, 'int32'],
  [Timestamp, 'timestamp'],
  [Long, 'int64'],
  [Double, 'double'],
  [Decimal128, 'decimal128'],
  [ObjectId, 'objectid'],
  [Binary, 'binary'],
  [BSONRegExp, 'regex'],
  [Date, 'datetime'],
  [Array, 'array'],
] as const

/** BSON type of a literal, as the `bson` package holds it with all promotion off. */
export function literalType(value: Literal): LiteralType {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'boolean'
  return CLASSES.find(([type]) => value instanceof type)?.[1] ?? 'document'
}
