/**
 * Test values: those of package `bson`, which keeps all BSON types apart, and how they compare by
 * the contract's table. Written from the contract alone, knowing nothing of `native/document`.
 */
import {
  Binary,
  type BSONRegExp,
  type BSONSymbol,
  type Code,
  Decimal128,
  Double,
  Int32,
  Long,
  type MaxKey,
  type MinKey,
  ObjectId,
  Timestamp,
} from 'bson'
import { Decimal as DecimalClass } from 'decimal.js'

/** Enough digits for any decimal128, so that constructing one never rounds. */
const Decimal = DecimalClass.clone({ precision: 60 })

export type Value =
  | null
  | boolean
  | string
  | Date
  | Int32
  | Long
  | Double
  | Decimal128
  | ObjectId
  | Binary
  | Timestamp
  | BSONRegExp
  | BSONSymbol
  | Code
  | MinKey
  | MaxKey
  | readonly Value[]
  | Doc

/** A document. Names that write whole numbers come first, whatever the order they are given in. */
export interface Doc {
  readonly [name: string]: Value
}

/** Order of two texts: negative, 0, positive. */
export type TextOrder = (left: string, right: string) => number

/** By UTF-8 bytes. */
export const bytewise: TextOrder = (left, right) =>
  Buffer.compare(Buffer.from(left), Buffer.from(right))

export type Kind =
  | 'null'
  | 'number'
  | 'string'
  | 'document'
  | 'array'
  | 'binary'
  | 'objectId'
  | 'boolean'
  | 'dateTime'
  | 'timestamp'
  /** Can be stored, compares with nothing. */
  | 'other'

export function kindOf(value: Value): Kind {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'string') return 'string'
  if (Array.isArray(value)) return 'array'
  if (value instanceof Date) return 'dateTime'
  // Before Long, which it extends.
  if (value instanceof Timestamp) return 'timestamp'
  if (isNumber(value)) return 'number'
  if (value instanceof ObjectId) return 'objectId'
  if (value instanceof Binary) return 'binary'
  return isDoc(value) ? 'document' : 'other'
}

export function isDoc(value: Value | undefined): value is Doc {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  )
}

export function isArray(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value)
}

type NumberValue = Int32 | Long | Double | Decimal128

function isNumber(value: Value): value is NumberValue {
  return [Int32, Long, Double, Decimal128].some(type => value instanceof type)
}

/** Whether two values are equal; undefined when they can't be, for documents equal nothing. */
export function equal(left: Value, right: Value, text: TextOrder): boolean | undefined {
  if (isArray(left) && isArray(right)) {
    if (left.length !== right.length) return false
    return left.every((element, i) => equal(element, right[i]!, text) === true)
  }
  const kind = kindOf(left)
  if (kind !== kindOf(right)) return undefined
  if (kind === 'null') return true
  if (kind === 'boolean') return left === right
  const order = compare(left, right, text)
  return order === undefined ? undefined : order === 0
}

/** The order of two values of one kind that has an order in filters, else undefined. */
export function compare(left: Value, right: Value, text: TextOrder): number | undefined {
  const kind = kindOf(left)
  if (kind !== kindOf(right)) return undefined
  switch (kind) {
    case 'number':
      return compareNumbers(left as NumberValue, right as NumberValue)
    case 'string':
      return text(left as string, right as string)
    case 'dateTime':
      return (left as Date).getTime() - (right as Date).getTime()
    case 'timestamp': {
      const [one, other] = [(left as Timestamp).toBigInt(), (right as Timestamp).toBigInt()]
      return BigInt.asUintN(64, one) < BigInt.asUintN(64, other) ? -1 : Number(one !== other)
    }
    case 'binary':
      return Buffer.compare((left as Binary).value(), (right as Binary).value())
    case 'objectId':
      return Buffer.compare((left as ObjectId).id, (right as ObjectId).id)
    default:
      return undefined
  }
}

/** INT32 and DOUBLE, and two of one type, as they are; all else as decimals. */
function compareNumbers(left: NumberValue, right: NumberValue): number {
  const [one, other] = [toDecimal(left), toDecimal(right)]
  if (one.isNaN() || other.isNaN()) return Number(one.isNaN()) - Number(other.isNaN())
  return one.comparedTo(other)
}

/** A double as its shortest text, which is what JavaScript prints. */
function toDecimal(value: NumberValue): InstanceType<typeof Decimal> {
  if (value instanceof Double) return new Decimal(String(value.value))
  return new Decimal(value.toString())
}
