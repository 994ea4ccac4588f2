/**
 * Which index may serve which condition. An index holds an entry for each document, but an operand
 * finds its entries only if it has the type of the index, and a string only if the index orders
 * strings as the filter compares them.
 */

import {
  type IndexDefinition,
  type IndexedType,
  type IndexField,
  isStale,
  MAINTAINED,
} from '../indexes/indexes.js'
import { type Collation, sameCollation } from '../language/collation.js'
import type { LiteralType } from './logical.js'

export interface PlanInput {
  /** Of the bucket, in the order of their creation, without the primary index. */
  readonly indexes: readonly IndexDefinition[]
  readonly bucketCollation: Collation | null
  /** The option COLLATION. */
  readonly collation: Collation | null
  /** The field of SORTBY. */
  readonly sortField: string | null
}

/** Types whose values an index of a type holds: its own, and those that it widens. */
const OPERANDS: Readonly<Record<IndexedType, readonly LiteralType[]>> = {
  STRING: ['string'],
  INT32: ['int32'],
  INT64: ['int32', 'int64'],
  DOUBLE: ['int32', 'double'],
  BOOLEAN: ['boolean'],
  DATE_TIME: ['datetime'],
  TIMESTAMP: ['timestamp'],
  BINARY: ['binary'],
  OBJECT_ID: ['objectid'],
}

/** Whether all that equals an operand, or is in its order, is among the entries of a field. */
export function fits(operand: LiteralType, field: IndexField): boolean {
  return OPERANDS[field.type].includes(operand)
}

/** As `fits`, or it is null, which has entries in every index. */
export function fitsOrNull(operand: LiteralType, field: IndexField): boolean {
  return operand === 'null' || fits(operand, field)
}

/** Whether queries may read an index at all: each document is in it, under the keys of now. */
export function isReadable(index: IndexDefinition): boolean {
  return index.status === 'READY' && !index.hasSkipped && !isStale(index)
}

/** Whether the entries of a field are ordered as the filter compares its values. */
export function isOrderedAlike(
  index: IndexDefinition,
  field: IndexField,
  input: PlanInput,
): boolean {
  if (input.collation !== null) {
    const hasStrings = index.fields.some(({ type }) => type === 'STRING')
    return !hasStrings || sameCollation(index.collation, input.collation)
  }
  if (field.type !== 'STRING') return true
  return sameCollation(index.collation, effectiveCollation(field.selector, input))
}

/** The collation that a filter, and RESULTSORT, compare the strings at a path with; null = bytes.
 *  @param path  from the document; inside `$elemMatch` the path of the array comes first */
export function effectiveCollation(
  path: string,
  input: Omit<PlanInput, 'sortField'>,
): Collation | null {
  if (input.collation !== null) return input.collation
  const defining = input.indexes.filter(index => {
    const { collation, fields } = index
    const isString = fields.some(({ selector, type }) => selector === path && type === 'STRING')
    return collation !== null && isString && decidesComparisons(index)
  })
  const single = defining.find(({ kind }) => kind === 'single')
  if (single !== undefined) return single.collation
  const [first, ...others] = defining
  if (first !== undefined && others.every(o => sameCollation(o.collation, first.collation))) {
    return first.collation
  }
  return input.bucketCollation
}

/** A build over again does not change what filters find. */
function decidesComparisons({ status, isRebuilt }: IndexDefinition): boolean {
  return status === 'READY' || (isRebuilt && MAINTAINED.has(status))
}

/** Whether a document may have several values in a field of an index: then two conditions on it may
 *  be met by two of them, and no entry has to lie between two bounds. */
export function mayHoldArrays(index: IndexDefinition, field: IndexField): boolean {
  return index.hasArrays && (index.kind === 'single' || field.multiKey)
}
