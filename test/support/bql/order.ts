/** The orders of RESULTSORT and SORTBY, naively. */
import type { ObjectId } from 'bson'
import { valueAt } from './evaluate.js'
import {
  bytewise,
  compare,
  type Doc,
  isArray,
  isDoc,
  type Kind,
  kindOf,
  type TextOrder,
  type Value,
} from './values.js'

/** Low to high; a missing value is as null. */
const BRACKETS: readonly Kind[] = [
  'null',
  'number',
  'string',
  'document',
  'array',
  'binary',
  'objectId',
  'boolean',
  'dateTime',
  'timestamp',
]

export interface Sort {
  readonly path: string
  readonly descending: boolean
  readonly text?: TextOrder
}

/** The order of any two values, by brackets. */
export function compareAll(left: Value, right: Value, text: TextOrder): number {
  const [one, other] = [kindOf(left), kindOf(right)]
  if (one !== other) return BRACKETS.indexOf(one) - BRACKETS.indexOf(other)
  if (one === 'null') return 0
  if (one === 'boolean') return Number(left) - Number(right)
  if (isArray(left) && isArray(right)) return compareLists(left, right, text)
  if (isDoc(left) && isDoc(right)) return compareLists(parts(left), parts(right), text)
  return compare(left, right, text) ?? 0
}

/** Name, value, name, value. */
function parts(doc: Doc): Value[] {
  return Object.entries(doc).flat()
}

function compareLists(left: readonly Value[], right: readonly Value[], text: TextOrder): number {
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = compareAll(left[i]!, right[i]!, text)
    if (order !== 0) return order
  }
  return left.length - right.length
}

/** RESULTSORT: documents of one batch; ties stay as they are. */
export function resultSorted(batch: readonly Doc[], sort: Sort): Doc[] {
  const { path, descending, text = bytewise } = sort
  const key = (doc: Doc) => valueAt(doc, path) ?? null
  return batch.toSorted((left, right) => {
    const order = compareAll(key(left), key(right), text)
    return descending ? -order : order
  })
}

/** SORTBY: null and missing values first, then empty arrays, then values; each document at its
 *  smallest element, or at its largest in descending order. Ties by `_id`, and descending order is
 *  the exact reverse. */
export function sortedBy(docs: readonly Doc[], sort: Sort): Doc[] {
  return docs.toSorted((left, right) => {
    const ids = Buffer.compare((left._id as ObjectId).id, (right._id as ObjectId).id)
    return compareKeys(left, right, sort) || (sort.descending ? -ids : ids)
  })
}

/** Are they in the order of SORTBY, with ties in any order? */
export function areSortedBy(docs: readonly Doc[], sort: Sort): boolean {
  return docs.every((doc, i) => i === 0 || compareKeys(docs[i - 1]!, doc, sort) <= 0)
}

function compareKeys(left: Doc, right: Doc, sort: Sort): number {
  const { path, descending, text = bytewise } = sort
  const [one, other] = [left, right].map(doc => indexKey(valueAt(doc, path) ?? null, sort))
  const order = one!.rank - other!.rank || compareAll(one!.value, other!.value, text)
  return descending ? -order : order
}

function indexKey(value: Value, { descending, text = bytewise }: Sort) {
  if (!isArray(value)) return { rank: value === null ? 0 : 2, value }
  const elements = value.toSorted((left, right) => compareAll(left, right, text))
  const end = elements.at(descending ? -1 : 0)
  if (end === undefined) return { rank: 1, value: null }
  return { rank: end === null ? 0 : 2, value: end }
}
