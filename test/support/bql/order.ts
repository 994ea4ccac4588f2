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

/** SORTBY: each document at its smallest element, or at its largest in descending order; ties by
 *  `_id`, and descending order is the exact reverse. */
export function sortedBy(docs: readonly Doc[], sort: Sort): Doc[] {
  const { path, descending, text = bytewise } = sort
  const key = (doc: Doc) => indexKey(valueAt(doc, path) ?? null, sort)
  const ids = (left: Doc, right: Doc) =>
    Buffer.compare((left._id as ObjectId).id, (right._id as ObjectId).id)
  const ascending = (left: Doc, right: Doc) =>
    compareAll(key(left), key(right), text) || ids(left, right)
  return docs.toSorted((left, right) => ascending(left, right) * (descending ? -1 : 1))
}

function indexKey(value: Value, { descending, text = bytewise }: Sort): Value {
  if (!isArray(value)) return value
  const elements = value.toSorted((left, right) => compareAll(left, right, text))
  return elements[descending ? elements.length - 1 : 0] ?? null
}
