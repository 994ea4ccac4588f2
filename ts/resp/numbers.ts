/**
 * Numbers that arrive as text. Two grammars: Kronotop's commands take what Java's parsers take
 * (a leading `+`, leading zeros), Redis commands take canonical decimals only. Each function
 * answers `undefined` for text that is not such a number; the caller knows the error text.
 */

const INT32_MAX = 2147483647
const INT32_MIN = -2147483648
const INT64_MAX = 9223372036854775807n
const INT64_MIN = -9223372036854775808n
const LOOSE_INTEGER = /^[-+]?\d+$/
const CANONICAL_INTEGER = /^(0|-?[1-9]\d*)$/
/** ORDER: each digit can be matched in one way only, or a long text would take quadratic time. */
const DECIMAL = /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/
const NOT_FINITE = /^([-+]?Infinity|NaN)$/
/** Longest text of a 64-bit integer that is tried, leading zeros included. */
const INTEGER_TEXT_MAX = 64
/** Longest text of any number that is tried: a decimal of any range and precision fits. */
export const NUMBER_TEXT_MAX = 65_536

/** A 32-bit signed integer: optional sign, digits. */
export function parseInt32(text: string): number | undefined {
  if (text.length > INTEGER_TEXT_MAX || !LOOSE_INTEGER.test(text)) return undefined
  const value = Number(text)
  return value >= INT32_MIN && value <= INT32_MAX ? value : undefined
}

/** A 64-bit signed integer: optional sign, digits. */
export function parseInt64(text: string): bigint | undefined {
  if (text.length > INTEGER_TEXT_MAX || !LOOSE_INTEGER.test(text)) return undefined
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  return value >= INT64_MIN && value <= INT64_MAX ? value : undefined
}

/** A 64-bit signed integer in canonical decimal: no `+`, blanks, leading zeros or `-0`. */
export function parseCanonicalInt64(text: string): bigint | undefined {
  if (text.length > 20 || !CANONICAL_INTEGER.test(text)) return undefined
  const value = BigInt(text)
  return value >= INT64_MIN && value <= INT64_MAX ? value : undefined
}

/** A double: decimal or exponent form, `+`, `.5`, `5.`, `NaN`, `Infinity`, `-Infinity`. Decimals
 *  beyond the range become infinite. */
export function parseDouble(text: string): number | undefined {
  if (text.length > NUMBER_TEXT_MAX) return undefined
  if (DECIMAL.test(text) || NOT_FINITE.test(text)) return Number(text)
  return undefined
}

/** The shortest decimal that parses back to the same double; infinities are `inf` and `-inf`. */
export function formatDouble(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return 'inf'
  if (value === Number.NEGATIVE_INFINITY) return '-inf'
  if (Number.isNaN(value)) return 'nan'
  return Object.is(value, -0) ? '-0' : String(value)
}
