/**
 * BQL: the filter argument to a tree, which has one node for each operator.
 *
 * An object behind a path is always read as operators; there is no whole-document equality.
 */

import {
  Binary,
  BSONRegExp,
  DBRef,
  Decimal128,
  type Document,
  Double,
  deserialize,
  Int32,
  Long,
  ObjectId,
  Timestamp,
} from 'bson'
import { err, type RespError } from '../../error.js'
import { addon, nativeReason } from '../../native.js'
import { allOf, type CompareOperator, type Filter, type Literal, SELF_PATH } from './filter.js'

const COMPARISONS: ReadonlyMap<string, CompareOperator> = new Map([
  ['$eq', 'eq'],
  ['$ne', 'ne'],
  ['$gt', 'gt'],
  ['$gte', 'gte'],
  ['$lt', 'lt'],
  ['$lte', 'lte'],
])

const LISTS: ReadonlyMap<string, 'in' | 'nin' | 'all'> = new Map([
  ['$in', 'in'],
  ['$nin', 'nin'],
  ['$all', 'all'],
])

const COMBINATORS: ReadonlySet<string> = new Set(['$and', '$or', '$nor', '$not'])

const HEX_24 = /^[0-9a-fA-F]{24}$/
const REGEX_OPTIONS = /^[imsu]*$/
/** What the package says of an option letter that BSON does not know. */
const FOREIGN_OPTION = /^The regular expression option \[(.*)\] is not supported$/

function parseError(message: string): RespError {
  return err(`BQL parse error: ${message}`)
}

/** A BSON document by its own length, or else text. */
export function isBson(argument: Buffer): boolean {
  return (
    argument.length >= 5 &&
    argument.readInt32LE(0) === argument.length &&
    argument[argument.length - 1] === 0
  )
}

/** Decodes a JSON or BSON argument, keeping every BSON type apart.
 *  @throws RespError ERR BQL parse error: Invalid BSON format */
export function decodeArgument(argument: Buffer): Document {
  try {
    const bytes = isBson(argument) ? argument : addon.jsonToBson(argument)
    addon.validateBson(bytes)
    return deserialize(bytes, {
      promoteValues: false,
      promoteLongs: false,
      promoteBuffers: false,
      bsonRegExp: true,
    })
  } catch (cause) {
    const reason = nativeReason(cause)
    if (reason === undefined && !(cause instanceof Error && cause.name === 'BSONError')) throw cause
    const option = cause instanceof Error ? FOREIGN_OPTION.exec(cause.message)?.[1] : undefined
    if (option !== undefined) throw parseError(`Unsupported $regex option: ${option}`)
    throw parseError(reason?.message ?? 'Invalid BSON format')
  }
}

/** A filter argument as JSON: as it was sent, or what a BSON document is in relaxed JSON. */
export function filterText(argument: Buffer): Buffer {
  return isBson(argument) ? addon.bsonToJson(argument) : argument
}

/** Parses a filter argument: JSON text or a BSON document.
 *  @throws RespError ERR BQL parse error: <what is wrong>, ERR Invalid logical plan: … */
export function parseFilter(argument: Buffer): Filter {
  return parseClauses(decodeArgument(argument))
}

function parseClauses(document: Document): Filter {
  return allOf(fieldsOf(document).map(([name, value]) => parseClause(name, value)))
}

function parseClause(name: string, value: unknown): Filter {
  if (COMBINATORS.has(name)) return parseCombinator(name, value, parseClauses)
  if (name.startsWith('$')) throw parseError(`Unknown operator: ${name}`)
  return parsePathValue(name, value)
}

/** @param inner reads one operand: clauses at the top, elements inside `$elemMatch` */
function parseCombinator(
  name: string,
  value: unknown,
  inner: (document: Document) => Filter,
): Filter {
  if (name === '$not') return { kind: 'not', child: inner(requireDocument(value)) }
  if (!Array.isArray(value)) throw parseError('Invalid BSON format')
  const children = value.map(item => inner(requireDocument(item)))
  if (name === '$and') return { kind: 'and', children }
  return { kind: name === '$or' ? 'or' : 'nor', children }
}

function parsePathValue(path: string, value: unknown): Filter {
  if (value instanceof BSONRegExp) return regex(path, value.pattern, value.options)
  if (isDocument(value)) return parseOperators(path, value)
  return { kind: 'compare', path, operator: 'eq', value: literal(value) }
}

function parseOperators(path: string, operators: Document): Filter {
  const entries = fieldsOf(operators)
  if (entries.length === 0) throw parseError(`Empty selector operator document for: ${path}`)
  const conditions: Filter[] = []
  for (const [name, operand] of entries) {
    if (name === '$options') {
      if (!('$regex' in operators)) throw parseError('$options requires $regex')
      continue
    }
    if (name === '$regex') conditions.push(parseRegex(path, operand, operators.$options))
    else if (name === '$elemMatch') conditions.push(parseElemMatch(path, operand))
    else if (name === '$not') conditions.push(parseNot(path, operand))
    else conditions.push(parseOperator(path, name, operand))
  }
  return allOf(conditions)
}

/** The operators that may also stand directly inside `$elemMatch`. */
function parseOperator(path: string, name: string, operand: unknown): Filter {
  const comparison = COMPARISONS.get(name)
  if (comparison !== undefined) {
    if (operand === null && comparison !== 'eq' && comparison !== 'ne') {
      throw parseError(`${name} operator does not support null values`)
    }
    return { kind: 'compare', path, operator: comparison, value: literal(operand) }
  }
  const list = LISTS.get(name)
  if (list !== undefined) {
    if (!Array.isArray(operand)) throw parseError('Invalid BSON format')
    return { kind: list, path, values: operand.map(listItem) }
  }
  if (name === '$size') {
    if (!(operand instanceof Int32)) throw parseError('$size expects an integer')
    if (operand.value < 0) {
      throw err('Invalid logical plan: SIZE operator requires non-negative integer')
    }
    return { kind: 'size', path, value: operand }
  }
  if (name === '$exists') {
    if (typeof operand !== 'boolean') throw parseError('$exists expects a boolean')
    return { kind: 'exists', path, value: operand }
  }
  throw parseError(`Unknown selector operator: ${name}`)
}

function parseNot(path: string, operand: unknown): Filter {
  if (operand instanceof BSONRegExp) {
    return { kind: 'not', child: regex(path, operand.pattern, operand.options) }
  }
  return { kind: 'not', child: parseOperators(path, requireDocument(operand)) }
}

function parseRegex(path: string, operand: unknown, options: unknown): Filter {
  if (options !== undefined && typeof options !== 'string') {
    throw parseError('$options expects a string')
  }
  if (operand instanceof BSONRegExp) {
    return regex(path, operand.pattern, options ?? operand.options)
  }
  if (typeof operand !== 'string') {
    throw parseError('$regex expects a string pattern or a regular expression')
  }
  return regex(path, operand, options ?? '')
}

function regex(path: string, pattern: string, options: string): Filter {
  return { kind: 'regex', path, value: regexLiteral(pattern, options) }
}

function regexLiteral(pattern: string, options: string): BSONRegExp {
  if (!REGEX_OPTIONS.test(options)) {
    const letter = [...options].find(option => !REGEX_OPTIONS.test(option))
    throw parseError(`Unsupported $regex option: ${letter}`)
  }
  if (pattern.includes('\0')) throw parseError('Invalid $regex pattern: it contains a null byte')
  return new BSONRegExp(pattern, options)
}

function parseElemMatch(path: string, operand: unknown): Filter {
  return { kind: 'elemMatch', path, child: parseElement(requireDocument(operand)) }
}

/** Inside `$elemMatch`: clauses on fields of the element, and operators on the element itself. */
function parseElement(document: Document): Filter {
  const conditions = fieldsOf(document).map(([name, value]) => {
    if (COMBINATORS.has(name)) return parseCombinator(name, value, parseElement)
    if (name.startsWith('$')) return parseOperator(SELF_PATH, name, value)
    return parsePathValue(name, value)
  })
  return allOf(conditions)
}

function listItem(value: unknown): Literal {
  return value instanceof BSONRegExp ? regexLiteral(value.pattern, value.options) : literal(value)
}

/** Checks an operand's type; a string of 24 hex digits is an ObjectId. */
function literal(value: unknown): Literal {
  if (typeof value === 'string') return HEX_24.test(value) ? new ObjectId(value) : value
  if (value === null || typeof value === 'boolean' || isDate(value)) return value
  if (Array.isArray(value)) return value.map(literal)
  if (isDocument(value) || isSupported(value)) return value
  throw parseError(`Unsupported value type: ${typeName(value)}`)
}

/** A time that JavaScript can't hold would come back as another one. */
function isDate(value: unknown): boolean {
  return value instanceof Date && !Number.isNaN(value.getTime())
}

const SUPPORTED = [Int32, Long, Double, Decimal128, ObjectId, Binary, Timestamp] as const

function isSupported(value: unknown): boolean {
  return SUPPORTED.some(type => value instanceof type)
}

function typeName(value: unknown): string {
  if (typeof value === 'object' && value !== null && '_bsontype' in value) {
    return String(value._bsontype)
  }
  return typeof value
}

/** The fields of a document. The package makes a class of one with `$ref` and `$id`. */
function fieldsOf(document: Document): [name: string, value: unknown][] {
  return Object.entries(document instanceof DBRef ? document.toJSON() : document)
}

function isDocument(value: unknown): value is Document {
  if (value instanceof DBRef) return true
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !('_bsontype' in value && typeof value._bsontype === 'string' && isBsonClass(value))
  )
}

/** A user's field may be called `_bsontype`; instances of the package's classes are not plain. */
function isBsonClass(value: object): boolean {
  return Object.getPrototypeOf(value) !== Object.prototype
}

function requireDocument(value: unknown): Document {
  if (!isDocument(value)) throw parseError('Invalid BSON format')
  return value
}
