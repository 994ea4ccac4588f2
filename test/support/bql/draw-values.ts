/** Random values from small sets, so that what is stored meets what is asked for. */
import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from 'bson'
import type { Random } from '../random.js'
import type { Value } from './values.js'

/** What an index declares; `decimal128` can't be indexed. */
export type ScalarType =
  | 'int32'
  | 'int64'
  | 'double'
  | 'decimal128'
  | 'string'
  | 'boolean'
  | 'datetime'
  | 'timestamp'
  | 'binary'
  | 'objectid'

export const SCALAR_TYPES: readonly ScalarType[] = [
  ...(['int32', 'int64', 'double', 'decimal128', 'string'] as const),
  ...(['boolean', 'datetime', 'timestamp', 'binary', 'objectid'] as const),
]

const int32 = [-1, 0, 1, 2, 5, -(2 ** 31)].map(number => new Int32(number))
const int64 = ['0', '1', '2', '5', '-7', '2147483648', '9007199254740993', '-9223372036854775808']
const doubles = [0, -0, 1, 1.5, 2, 5, -0.1, 2 ** 53, 1e300, 5e-324, NaN, Infinity, -Infinity]
const decimals = ['0', '-0', '1.00', '1.5', '2E+0', '5', '-0.1', '9007199254740993', '1E+6000']
const strings = ['', 'a', 'A', 'ab', 'b', 'B', 'á', 'é', 'item2', 'item10', 'b\na', '\u{1f40c}']
const IDS = ['a'.repeat(24), `0${'1'.repeat(23)}`, 'f'.repeat(24)]
const bytes = [[], [0], [0, 0], [1], [1, 0], [255]]

const VALUES: Readonly<Record<ScalarType, readonly Value[]>> = {
  int32,
  int64: int64.map(text => Long.fromString(text)),
  double: doubles.map(number => new Double(number)),
  decimal128: [...decimals, 'NaN', 'Infinity', '-Infinity'].map(Decimal128.fromString),
  string: [...strings, IDS[0]!],
  boolean: [false, true],
  datetime: [-1, 0, 1, 86_400_000].map(ms => new Date(ms)),
  timestamp: [
    [0, 1],
    [1, 0],
    [1, 1],
    [4_294_967_295, 0],
  ].map(([t, i]) => new Timestamp({ t: t!, i: i! })),
  binary: bytes.flatMap(list => [0, 128].map(kind => new Binary(Buffer.from(list), kind))),
  objectid: IDS.map(hex => new ObjectId(hex)),
}

const NUMBERS: readonly ScalarType[] = ['int32', 'int64', 'double', 'decimal128']

/** Types that an index of a type takes over from narrower ones. */
const WIDENED: Readonly<Partial<Record<ScalarType, readonly ScalarType[]>>> = {
  int64: ['int32', 'int64'],
  double: ['int32', 'double'],
}

export function drawScalar(random: Random, type: ScalarType): Value {
  return random.pick(VALUES[type])
}

/** A value that an index of this type holds. */
export function drawFitting(random: Random, type: ScalarType): Value {
  return drawScalar(random, random.pick(WIDENED[type] ?? [type]))
}

/** Types that an index over values of this type may declare without a mismatch. */
export function indexTypesOf(type: ScalarType): readonly ScalarType[] {
  if (type === 'decimal128') return []
  return type === 'int32' ? ['int32', 'int64', 'double'] : [type]
}

/** An operand that makes sense beside values of a type: as a rule of it, or another number. */
export function drawOperand(random: Random, type: ScalarType): Value {
  const roll = random.next()
  if (roll < 0.7) return drawFitting(random, type)
  if (roll < 0.85 && NUMBERS.includes(type)) return drawScalar(random, random.pick(NUMBERS))
  if (roll < 0.97) return drawScalar(random, random.pick(SCALAR_TYPES))
  return random.pick<Value>([[], [new Int32(1)], ['a', null], [[]], { x: new Int32(1) }])
}

/** Any value, types that filters can't compare included. */
export function drawAnything(random: Random, depth = 3): Value {
  const roll = random.next()
  if (roll < 0.08) return null
  if (roll < 0.16) return random.pick(UNCOMMON)
  if (roll < 0.7 || depth === 0) return drawScalar(random, random.pick(SCALAR_TYPES))
  const count = random.between(0, 3)
  if (roll < 0.87) return Array.from({ length: count }, () => drawAnything(random, depth - 1))
  const names = Array.from({ length: count }, () => random.pick(['x', 'y', 'z', 'a', '0', '1', '']))
  return Object.fromEntries(names.map(name => [name, drawAnything(random, depth - 1)]))
}

const UNCOMMON: readonly Value[] = [
  new BSONRegExp('a', 'i'),
  new BSONSymbol('a'),
  new Code('a'),
  new MinKey(),
  new MaxKey(),
]
