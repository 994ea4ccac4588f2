/**
 * A naive evaluator of filters: it walks the filter as it is sent, once for each document, and
 * follows the contract's rules one by one.
 */
import { BSONRegExp, type Int32, ObjectId } from 'bson'
import {
  bytewise,
  compare,
  type Doc,
  equal,
  isArray,
  isDoc,
  type TextOrder,
  type Value,
} from './values.js'

/** How texts at a path compare. */
export type Collations = (path: string) => TextOrder

const HEX_24 = /^[0-9a-fA-F]{24}$/

/** What a clause is asked about: a document, or an element of an array. */
interface Scope {
  readonly value: Value
  /** The path that leads here, with a dot at its end; '' at the top. */
  readonly path: string
  readonly isElement: boolean
}

/** Whether a document passes a valid filter. */
export function matches(doc: Doc, filter: Doc, collations: Collations = () => bytewise): boolean {
  return passes({ value: doc, path: '', isElement: false }, filter, collations)
}

function passes(scope: Scope, filter: Doc, collations: Collations): boolean {
  return Object.entries(filter).every(([name, operand]) => {
    const all = () => (operand as Doc[]).map(inner => passes(scope, inner, collations))
    if (name === '$and') return all().every(Boolean)
    if (name === '$or') return all().some(Boolean)
    if (name === '$nor') return !all().some(Boolean)
    if (name === '$not') return !passes(scope, operand as Doc, collations)
    if (scope.isElement && name.startsWith('$')) {
      const path = scope.path.slice(0, -1)
      return holds(scope.value, name, { operand, path, collations })
    }
    const value = isDoc(scope.value) ? valueAt(scope.value, name) : undefined
    return meets(value, operand, { path: scope.path + name, collations })
  })
}

interface Place {
  readonly path: string
  readonly collations: Collations
}

/** What stands behind a path: operators, or a value to be equal to. */
function meets(value: Value | undefined, condition: Value, place: Place): boolean {
  if (condition instanceof BSONRegExp) {
    return holds(value, '$regex', { ...place, operand: condition })
  }
  if (!isDoc(condition)) return holds(value, '$eq', { ...place, operand: condition })
  return Object.entries(condition).every(([name, operand]) => {
    if (name === '$options') return true
    if (name === '$not') return !meets(value, operand, place)
    if (name === '$elemMatch') return hasElement(value, operand as Doc, place)
    if (name !== '$regex') return holds(value, name, { ...place, operand })
    const options = condition.$options as string | undefined
    const pattern = operand instanceof BSONRegExp ? operand.pattern : (operand as string)
    const own = operand instanceof BSONRegExp ? operand.options : ''
    return holds(value, name, { ...place, operand: new BSONRegExp(pattern, options ?? own) })
  })
}

function hasElement(value: Value | undefined, inner: Doc, { path, collations }: Place): boolean {
  if (!isArray(value)) return false
  return value.some(element =>
    passes({ value: element, path: `${path}.`, isElement: true }, inner, collations),
  )
}

/** The table of predicates, in its order; the number of a row stands beside it. */
function holds(
  value: Value | undefined,
  operator: string,
  { operand: typed, path, collations }: Place & { readonly operand: Value },
): boolean {
  const operand = coerced(typed)
  const text = collations(path)
  // 1
  if (operator === '$exists') return (value !== undefined) === operand
  const isNullish = value === undefined || value === null
  // 2
  if (operand === null) return operator === '$eq' ? isNullish : !isNullish
  const list = operand as readonly Value[]
  // 3
  if (isNullish) {
    if (operator === '$in') return list.includes(null)
    return operator === '$ne' || (operator === '$nin' && !list.includes(null))
  }
  const meetsListed = (one: Value) => list.some(listed => isListed(one, listed, text))
  switch (operator) {
    case '$all': // 4
      if (!isArray(value)) return false
      return list.every(listed => value.some(element => isListed(element, listed, text)))
    case '$size': // 5
      return isArray(value) && value.length === (operand as Int32).value
    case '$in': // 6
      return isArray(value) ? value.some(meetsListed) : meetsListed(value)
    case '$nin':
      return !(isArray(value) ? value.some(meetsListed) : meetsListed(value))
    case '$regex': // 7
      return isArray(value)
        ? value.some(element => isListed(element, operand, text))
        : isListed(value, operand, text)
  }
  // 8
  if (isArray(value)) {
    if (operator === '$ne') return !value.some(element => equal(element, operand, text) === true)
    return value.some(element => compares(element, operator, { operand, text }))
  }
  // 9, 10
  return compares(value, operator, { operand, text })
}

function compares(
  value: Value,
  operator: string,
  { operand, text }: { operand: Value; text: TextOrder },
): boolean {
  if (operator === '$eq') return equal(value, operand, text) === true
  if (operator === '$ne') return equal(value, operand, text) === false
  const order = compare(value, operand, text)
  if (order === undefined) return false
  if (operator === '$gt') return order > 0
  if (operator === '$gte') return order >= 0
  return operator === '$lt' ? order < 0 : order <= 0
}

/** Equal to a listed value, or a text that a listed pattern is found in. */
function isListed(value: Value, listed: Value, text: TextOrder): boolean {
  if (!(listed instanceof BSONRegExp)) return equal(value, listed, text) === true
  if (typeof value !== 'string') return false
  const flags = [...listed.options].filter(option => option !== 'u').join('')
  return new RegExp(listed.pattern, `${flags}u`).test(value)
}

/** A text of 24 hexadecimal digits means an ObjectId. */
function coerced(operand: Value): Value {
  if (typeof operand === 'string' && HEX_24.test(operand)) return new ObjectId(operand)
  return isArray(operand) ? operand.map(coerced) : operand
}

/** The value at a dotted path; undefined where it is missing. */
export function valueAt(doc: Doc, path: string): Value | undefined {
  return follow(doc, path.split('.'))
}

function follow(value: Value | undefined, names: readonly string[]): Value | undefined {
  const [name, ...rest] = names
  if (name === undefined) return value
  if (isDoc(value)) return Object.hasOwn(value, name) ? follow(value[name], rest) : undefined
  if (!isArray(value)) return undefined
  if (/^\d+$/.test(name)) return follow(value[Number(name)], rest)
  const hits = value
    .filter(isDoc)
    .map(element => follow(element, names))
    .filter(hit => hit !== undefined)
  return hits.length === 0 ? undefined : hits.flatMap(hit => (isArray(hit) ? [...hit] : [hit]))
}
