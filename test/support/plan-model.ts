/**
 * A model of documents, index entries and filters that says what a plan has to find. It is written
 * from the rules of the language and knows nothing of plans.
 */
import { Double, Int32, Long, ObjectId } from 'bson'
import {
  collatorVersionFor,
  type IndexDefinition,
  type IndexedType,
  type IndexField,
} from '../../ts/query/indexes/indexes.js'
import type { Collation } from '../../ts/query/language/collation.js'
import type { CompareOperator, Filter, Literal } from '../../ts/query/language/filter.js'
import type { EncodeRange } from '../../ts/query/planner/bind.js'
import { primaryRange } from '../../ts/query/planner/primary-range.js'
import { type KeyRange, prefixEnd, prefixRange, primaryKey } from '../../ts/store/keyspace.js'

export const DATA = Buffer.from('data')

/** A document: `_id` and values as the `bson` package holds them. */
export interface ModelDocument {
  readonly _id: ObjectId
  readonly [name: string]: unknown
}

export function index(
  fields: Record<string, IndexedType>,
  options: Partial<IndexDefinition> & { multiKey?: string } = {},
): IndexDefinition {
  const { multiKey, ...rest } = options
  const list = Object.entries(fields).map(([selector, type]): IndexField => {
    return { selector, type, multiKey: selector === multiKey }
  })
  return {
    id: 1n,
    name: list.map(({ selector }) => selector).join('_'),
    kind: list.length === 1 ? 'single' : 'compound',
    fields: list,
    unique: false,
    collation: null,
    collatorVersion: collatorVersionFor(options.collation ?? null),
    status: 'READY',
    hasArrays: false,
    hasSkipped: false,
    isRebuilt: false,
    ...rest,
  }
}

/** The model knows strength 1, where the first letter counts, and 2, where case does not. */
export function collation(strength: 1 | 2): Collation {
  return {
    locale: 'en',
    strength,
    caseLevel: false,
    caseFirst: 'off',
    numericOrdering: false,
    alternate: 'non-ignorable',
    backwards: false,
    normalization: false,
    maxVariable: 'punct',
  }
}

function sortKey(text: string, by: Collation | null): string {
  if (by === null) return text
  return by.strength === 1 ? text.slice(0, 1).toLowerCase() : text.toLowerCase()
}

// Entries and ranges.

const NULL = Buffer.of(0x05)

function encodeNumber(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  if (value < 0) for (let i = 0; i < 8; i++) bytes[i]! ^= 0xff
  else bytes[0]! ^= 0x80
  return bytes
}

/** One component of a key; undefined: the field has no entry for such a value. */
export function encodeValue(
  value: unknown,
  type: IndexedType,
  by: Collation | null,
): Buffer | undefined {
  if (value === null) return NULL
  const tagged = (rest: Buffer) => Buffer.concat([Buffer.of(0x10), rest])
  if (value instanceof Int32 && ['INT32', 'INT64', 'DOUBLE'].includes(type)) {
    return tagged(encodeNumber(value.value))
  }
  if (value instanceof Double && type === 'DOUBLE') return tagged(encodeNumber(value.value))
  if (value instanceof Long && type === 'INT64') return tagged(encodeNumber(value.toNumber()))
  if (typeof value === 'string' && type === 'STRING') {
    return tagged(Buffer.from(`${sortKey(value, by)}\0`))
  }
  if (typeof value === 'boolean' && type === 'BOOLEAN') return tagged(Buffer.of(Number(value)))
  if (value instanceof Date && type === 'DATE_TIME') return tagged(encodeNumber(value.getTime()))
  if (value instanceof ObjectId && type === 'OBJECT_ID') return tagged(Buffer.from(value.id))
  return undefined
}

function indexPrefix({ name }: IndexDefinition): Buffer {
  return Buffer.concat([DATA, Buffer.from(`\x02${name}\0`)])
}

/** Encodes as the planner asks. @throws Error if an operand does not fit the index */
export const encodeRange: EncodeRange = (definition, equalities, lower, upper) => {
  if (definition.name === 'primary-index') return primaryRange(DATA, equalities, lower, upper)
  const component = (value: Literal, at: number): Buffer => {
    const field = definition.fields[at]
    const bytes = field && encodeValue(value, field.type, definition.collation)
    if (bytes === undefined) throw new Error(`an operand does not fit ${definition.name}`)
    return bytes
  }
  const prefix = Buffer.concat([indexPrefix(definition), ...equalities.map(component)])
  const range: KeyRange = prefixRange(prefix)
  if (lower === undefined && upper === undefined) return range
  const keyOf = (value: Literal) => Buffer.concat([prefix, component(value, equalities.length)])
  range.begin = Buffer.concat([prefix, Buffer.of(0x10)])
  if (lower !== undefined) range.begin = keyOf(lower.value)
  if (lower?.isInclusive === false) range.begin = prefixEnd(range.begin)
  if (upper !== undefined) range.end = keyOf(upper.value)
  if (upper?.isInclusive === true) range.end = prefixEnd(range.end)
  return Buffer.compare(range.begin, range.end) < 0 ? range : 'nothing'
}

/** Distinct components of a document's values in one field; undefined: some value has none. */
export function fieldValues(
  document: ModelDocument,
  definition: IndexDefinition,
  field: IndexField,
): Buffer[] | undefined {
  const found = lookUp(document, segments(field.selector))
  const isList = Array.isArray(found) && (definition.kind === 'single' || field.multiKey)
  const values = isList ? (found.length === 0 ? [null] : found) : [found]
  const components = new Map<string, Buffer>()
  for (const value of values) {
    const bytes = encodeValue(value ?? null, field.type, definition.collation)
    if (bytes === undefined) return undefined
    components.set(bytes.toString('hex'), bytes)
  }
  return [...components.values()]
}

/** Keys of a document's entries; undefined: it is not in the index, or not with all values. */
export function entriesOf(
  document: ModelDocument,
  definition: IndexDefinition,
): Buffer[] | undefined {
  const id = Buffer.from(document._id.id)
  if (definition.name === 'primary-index') return [primaryKey(DATA, id)]
  let keys = [indexPrefix(definition)]
  for (const field of definition.fields) {
    const values = fieldValues(document, definition, field)
    if (values === undefined) return undefined
    keys = keys.flatMap(key => values.map(value => Buffer.concat([key, value])))
  }
  return keys.map(key => Buffer.concat([key, id]))
}

// Paths and predicates.

function segments(path: string): string[] {
  return path === '' ? [] : path.split('.')
}

function isDocument(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value?.constructor === Object
}

/** @returns undefined for what is missing */
function lookUp(value: unknown, path: readonly string[]): unknown {
  const [name, ...rest] = path
  if (name === undefined) return value
  if (isDocument(value)) return Object.hasOwn(value, name) ? lookUp(value[name], rest) : undefined
  if (!Array.isArray(value)) return undefined
  if (/^\d+$/.test(name)) return lookUp(value[Number(name)], rest)
  const hits = value.filter(isDocument).map(element => lookUp(element, path))
  const found = hits.filter(hit => hit !== undefined)
  return found.length === 0 ? undefined : found.flat(1)
}

/** Which collation a path has. */
export type CollationOf = (path: string) => Collation | null

export function matches(
  document: ModelDocument,
  filter: Filter,
  collationOf: CollationOf,
): boolean {
  return holds({ value: document, prefix: '' }, filter, collationOf)
}

/** What paths start at: the document, or an element of an array at a path. */
interface Scope {
  readonly value: unknown
  readonly prefix: string
}

function holds(scope: Scope, filter: Filter, collationOf: CollationOf): boolean {
  const inner = (child: Filter) => holds(scope, child, collationOf)
  switch (filter.kind) {
    case 'true':
      return true
    case 'and':
      return filter.children.every(inner)
    case 'or':
      return filter.children.some(inner)
    case 'nor':
      return !filter.children.some(inner)
    case 'not':
      return !inner(filter.child)
    default:
      return test(scope, filter, collationOf)
  }
}

type Test = Exclude<Filter, { kind: 'true' | 'and' | 'or' | 'nor' | 'not' }>

function test(scope: Scope, filter: Test, collationOf: CollationOf): boolean {
  const isInner = filter.path !== '' && Array.isArray(scope.value)
  const found = isInner ? undefined : lookUp(scope.value, segments(filter.path))
  const path = filter.path === '' ? scope.prefix : join(scope.prefix, filter.path)
  const by = collationOf(path)
  if (filter.kind === 'exists') return (found !== undefined) === filter.value
  if (filter.kind === 'elemMatch') {
    const elementHolds = (value: unknown) =>
      holds({ value, prefix: path }, filter.child, collationOf)
    return Array.isArray(found) && found.some(elementHolds)
  }
  if (filter.kind === 'compare') return compares(found, filter.operator, filter.value, by)
  if (filter.kind === 'regex') throw new Error('the model has no regular expressions')
  if (filter.kind === 'size') {
    return Array.isArray(found) && found.length === (filter.value as Int32).value
  }
  const isListed = (value: unknown) => filter.values.some(item => equals(value, item, by))
  if (filter.kind === 'all') {
    return Array.isArray(found) && filter.values.every(v => found.some(e => equals(e, v, by)))
  }
  const isMissing = found === undefined || found === null
  const isIn = isMissing
    ? filter.values.includes(null)
    : Array.isArray(found)
      ? found.some(isListed)
      : isListed(found)
  return isIn === (filter.kind === 'in')
}

function join(prefix: string, path: string): string {
  return prefix === '' ? path : `${prefix}.${path}`
}

function equals(value: unknown, operand: Literal, by: Collation | null): boolean {
  return value === null || operand === null ? value === operand : order(value, operand, by) === 0
}

function compares(
  found: unknown,
  operator: CompareOperator,
  operand: Literal,
  by: Collation | null,
): boolean {
  const isMissing = found === undefined || found === null
  if (operand === null) return isMissing === (operator === 'eq')
  if (isMissing) return operator === 'ne'
  if (Array.isArray(found)) {
    if (operator === 'ne') return !found.some(element => order(element, operand, by) === 0)
    return found.some(element => satisfies(element, operator, operand, by))
  }
  return satisfies(found, operator, operand, by)
}

function satisfies(
  value: unknown,
  operator: CompareOperator,
  operand: Literal,
  by: Collation | null,
): boolean {
  const sign = order(value, operand, by)
  if (sign === undefined) return false
  if (operator === 'eq') return sign === 0
  if (operator === 'ne') return sign !== 0
  if (typeof operand === 'boolean') return false
  if (operator === 'gt') return sign > 0
  if (operator === 'gte') return sign >= 0
  return operator === 'lt' ? sign < 0 : sign <= 0
}

/** Sign of the order of two values; undefined if their types can't be compared. */
function order(a: unknown, b: unknown, by: Collation | null): number | undefined {
  const [left, right] = [comparable(a, by), comparable(b, by)]
  if (left === undefined || right === undefined || left.type !== right.type) return undefined
  if (left.value === right.value) return 0
  return left.value < right.value ? -1 : 1
}

function comparable(
  value: unknown,
  by: Collation | null,
): { type: string; value: string | number } | undefined {
  if (value instanceof Int32 || value instanceof Double) return { type: 'n', value: value.value }
  if (value instanceof Long) return { type: 'n', value: value.toNumber() }
  if (typeof value === 'string') return { type: 's', value: sortKey(value, by) }
  if (typeof value === 'boolean') return { type: 'b', value: Number(value) }
  if (value instanceof Date) return { type: 'd', value: value.getTime() }
  if (value instanceof ObjectId) return { type: 'o', value: value.toHexString() }
  return undefined
}
