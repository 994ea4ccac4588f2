/** Numbers that Redis commands read from values and write back into them. */

import { Decimal } from 'decimal.js'
import { err } from '../../../error.js'
import { parseCanonicalInt64 } from '../../../resp/numbers.js'
import type { Rope } from '../../../resp/rope.js'
import { Span } from '../../../resp/span.js'

/** What an absent value counts as. */
export const ZERO_TEXT = Span.of('0')

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)
/** Integers of so many digits are held exactly by a double, also after an addition. */
const SMALL_DIGITS_MAX = 15
const SMALL_MAX = 10n ** BigInt(SMALL_DIGITS_MAX)
const INTEGER_TEXT_MAX = 20
const ZERO = 0x30
const MINUS = 0x2d

/** Digits that hold the exact sum of any two decimals that are accepted. */
const PRECISION = 20_000
const Exact = Decimal.clone({ precision: PRECISION, minE: -20_000, maxE: 20_000 })
/** The range of redis-server's decimals: x87's 80 bits. */
const DECIMAL_MAX = new Exact('1.18973149535723176502126385303097021e4932')
const DECIMAL_MIN = new Exact('1.8225997659412373012642029668e-4951')
const DECIMAL_PLACES = 17
/** Longest text of a decimal, as in Redis. */
const DECIMAL_TEXT_MAX = 5_119
/** ORDER: each digit can be matched in one way only, or a long text would take quadratic time. */
const DECIMAL_TEXT = /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/
const HEX_TEXT = /^[-+]?0[xX]([0-9a-fA-F]+(\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)([pP][-+]?\d+)?$/
const INFINITE_TEXT = /^[-+]?inf(inity)?$/i

/** An increment of 64 bits: a number up to 10^15 either way, which is added faster. */
export type Increment = number | bigint

/** A bigint as an increment. */
export function incrementOf(by: bigint): Increment {
  return by <= SMALL_MAX && by >= -SMALL_MAX ? Number(by) : by
}

/** Adds to an integer that is kept as text.
 *  @param value   what is there
 *  @param refuse  the text of the error for a value that is no integer
 *  @returns       the sum, as a number where it is a safe one
 *  @throws RespError ERR `refuse`, ERR increment or decrement would overflow */
export function addInteger(value: Span | Rope, by: Increment, refuse: string): Increment {
  if (typeof by === 'number' && value instanceof Span) {
    const small = smallInteger(value)
    if (small !== undefined) return small + by
  }
  const old = value.length > INTEGER_TEXT_MAX ? undefined : parseCanonicalInt64(textOf(value))
  if (old === undefined) throw err(refuse)
  const sum = old + BigInt(by)
  if (sum > INT64_MAX || sum < INT64_MIN) throw err('increment or decrement would overflow')
  return sum
}

/** An integer that a double holds exactly, also after an addition; undefined for other texts. */
function smallInteger({ bytes, start, end }: Span): number | undefined {
  const isNegative = bytes[start] === MINUS
  const from = isNegative ? start + 1 : start
  const digits = end - from
  if (digits < 1 || digits > SMALL_DIGITS_MAX) return undefined
  if (bytes[from] === ZERO) return digits === 1 && !isNegative ? 0 : undefined
  let value = 0
  for (let i = from; i < end; i++) {
    const digit = bytes[i]! - ZERO
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return isNegative ? -value : value
}

/** As text of one code unit for each byte. */
function textOf(value: Span | Rope): string {
  return value instanceof Span ? value.latin1() : value.flat().toString('latin1')
}

/** The decimal that bytes stand for: finite, or infinite as `inf` is.
 *  @returns undefined for what is no decimal, or one beyond the range */
export function parseDecimal(value: Span | Rope): Decimal | undefined {
  if (value.length > DECIMAL_TEXT_MAX) return undefined
  const text = textOf(value)
  if (INFINITE_TEXT.test(text)) {
    return new Exact(text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY)
  }
  if (!DECIMAL_TEXT.test(text) && !HEX_TEXT.test(text)) return undefined
  const decimal = new Exact(text.startsWith('+') ? text.slice(1) : text)
  // Zero stays zero; anything else that is nearer to it than the smallest decimal is refused.
  if (decimal.isZero()) return /[1-9a-f]/i.test(mantissaOf(text)) ? undefined : decimal
  const size = decimal.abs()
  return size.gt(DECIMAL_MAX) || size.lt(DECIMAL_MIN) ? undefined : decimal
}

/** The sum of two decimals: no binary rounding, at most 17 places, no exponent, no trailing zeros.
 *  @throws RespError ERR increment would produce NaN or Infinity */
export function addDecimals(one: Decimal, other: Decimal): string {
  const sum = Exact.add(one, other)
  if (!sum.isFinite() || sum.abs().gt(DECIMAL_MAX)) {
    throw err('increment would produce NaN or Infinity')
  }
  const rounded = sum.toDecimalPlaces(DECIMAL_PLACES, Decimal.ROUND_HALF_EVEN)
  return rounded.isZero() ? '0' : rounded.toFixed()
}

/** The digits of a number, without its exponent and the mark of hexadecimal ones. */
function mantissaOf(text: string): string {
  const digits = text.replace(/^[-+]?(0[xX])?/, '')
  return /^[-+]?0[xX]/.test(text) ? digits.replace(/[pP].*$/, '') : digits.replace(/[eE].*$/, '')
}
