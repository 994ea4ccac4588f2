/**
 * Decimals of up to 34 digits, and their 16 bytes: IEEE-754 decimal128 in BID form.
 *
 *   bytes 0…7    low 64 bits, little-endian
 *   bytes 8…15   high 64 bits, little-endian
 *   high word    s eeeeeeeeeeeeee ccc…c   sign, exponent + 6176 (14 bits), coefficient (49 bits)
 *                                         whose low 64 bits are the low word
 *                s 11110 … infinity, s 11111 … not a number, s 11 … else: a zero by the standard
 *
 * A decimal keeps its scale (9.0 is not 9): it is digits and an exponent, not a number. INVARIANT:
 * nothing is rounded; what has no exact form is refused.
 */
import { Decimal } from 'decimal.js'
import { err, type RespError } from '../../error.js'
import { NUMBER_TEXT_MAX } from '../../resp/numbers.js'

/** `digits` · 10^`exponent`. */
export interface ScaledDecimal {
  /** Never true of a zero. */
  readonly isNegative: boolean
  /** 1…34 digits without leading zeros; `0` alone for a zero. */
  readonly digits: string
  /** From -6,176 to 6,111. */
  readonly exponent: number
}

const DECIMAL_BYTES = 16
const DIGITS_MAX = 34
const EXPONENT_MIN = -6176
const EXPONENT_MAX = 6111
/** Java's rule for the text of a decimal: smaller ones are written with an exponent. */
const PLAIN_MAGNITUDE_MIN = -6
const LOW_BITS = 64n
const COEFFICIENT_BITS = 49n
const SYNTAX = /^([-+]?)(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/

const ZERO: ScaledDecimal = { isNegative: false, digits: '0', exponent: 0 }

/** Sums of the two farthest numbers have fewer digits than this. */
const Exact = Decimal.clone({ precision: 2 * (EXPONENT_MAX - EXPONENT_MIN) })

/** Reads `[+-]digits[.digits][e[+-]digits]`, also `.5` and `5.`.
 *  @throws RespError ERR for other text, and for a number that decimal128 does not have */
export function parseDecimal(typed: Buffer): ScaledDecimal {
  if (typed.length > NUMBER_TEXT_MAX) throw err('invalid decimal')
  const text = typed.toString('latin1')
  const [, sign, whole = '', fraction = '', power = '0'] = SYNTAX.exec(text) ?? []
  const digits = whole + fraction
  if (digits === '') throw err('invalid decimal')
  // A power of many digits is infinite here; the bounds refuse it before any work is done with it.
  const exponent = Number(power) - fraction.length
  return fitted({ isNegative: sign === '-', digits, exponent }, () => text)
}

/** The exact sum, with the finer scale of both.
 *  @throws RespError ERR when decimal128 does not have it */
export function addDecimals(one: ScaledDecimal, other: ScaledDecimal): ScaledDecimal {
  const exponent = Math.min(one.exponent, other.exponent)
  const sum = exact(one).plus(exact(other))
  const plain = sum.abs().toFixed(Math.max(0, -exponent)).replace('.', '')
  const digits = (exponent > 0 ? plain.slice(0, -exponent) : plain).replace(/^0+/, '') || '0'
  const unbounded = { isNegative: sum.isNegative(), digits, exponent }
  return fitted(unbounded, () => shortText(unbounded))
}

function exact({ isNegative, digits, exponent }: ScaledDecimal): Decimal {
  return new Exact(`${isNegative ? '-' : ''}${digits}e${exponent}`)
}

/**
 * The same number within the bounds: surplus digits that are zeros go, missing ones come.
 * @param unbounded leading zeros and any exponent are allowed. @param shown its text in errors
 * @throws RespError ERR when it has too many digits, or too large or small an exponent
 */
function fitted(unbounded: ScaledDecimal, shown: () => string): ScaledDecimal {
  let digits = unbounded.digits.replace(/^0+/, '')
  let { isNegative, exponent } = unbounded
  if (digits === '') {
    exponent = Math.min(Math.max(exponent, EXPONENT_MIN), EXPONENT_MAX)
    return { ...ZERO, exponent }
  }
  const surplus = digits.length - DIGITS_MAX
  if (surplus > 0) {
    if (!endsInZeros(digits, surplus)) {
      throw err(`Conversion to Decimal128 would require inexact rounding of ${shown()}`)
    }
    digits = digits.slice(0, DIGITS_MAX)
    exponent += surplus
  }
  const above = exponent - EXPONENT_MAX
  const below = EXPONENT_MIN - exponent
  if (above > 0) {
    if (digits.length + above > DIGITS_MAX) throw outOfRange(shown())
    digits += '0'.repeat(above)
    exponent = EXPONENT_MAX
  } else if (below > 0) {
    if (!endsInZeros(digits, below)) throw outOfRange(shown())
    digits = digits.slice(0, -below)
    exponent = EXPONENT_MIN
  }
  return { isNegative, digits, exponent }
}

/** Are the last `count` digits zeros? The first digit is none. */
function endsInZeros(digits: string, count: number): boolean {
  return count < digits.length && /^0*$/.test(digits.slice(-count))
}

function outOfRange(shown: string): RespError {
  return err(`Exponent is out of range for Decimal128 encoding of ${shown}`)
}

/** Decimal text without an exponent: up to some 6,200 characters. */
export function plainText({ isNegative, digits, exponent }: ScaledDecimal): string {
  const sign = isNegative ? '-' : ''
  if (exponent >= 0) return digits === '0' ? '0' : `${sign}${digits}${'0'.repeat(exponent)}`
  const padded = digits.padStart(1 - exponent, '0')
  return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`
}

/** Decimal text, with an exponent where that is what it takes: `1.5E+10`. */
function shortText(decimal: ScaledDecimal): string {
  const { isNegative, digits, exponent } = decimal
  const magnitude = exponent + digits.length - 1
  if (exponent <= 0 && magnitude >= PLAIN_MAGNITUDE_MIN) return plainText(decimal)
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
  const sign = isNegative ? '-' : ''
  return `${sign}${digits[0]}${fraction}E${magnitude < 0 ? '' : '+'}${magnitude}`
}

export function encodeDecimal({ isNegative, digits, exponent }: ScaledDecimal): Buffer {
  const coefficient = BigInt(digits)
  const sign = isNegative ? 1n << 63n : 0n
  const biased = BigInt(exponent - EXPONENT_MIN) << COEFFICIENT_BITS
  const stored = Buffer.allocUnsafe(DECIMAL_BYTES)
  stored.writeBigUInt64LE(BigInt.asUintN(64, coefficient), 0)
  stored.writeBigUInt64LE(sign | biased | (coefficient >> LOW_BITS), 8)
  return stored
}

/** @param stored absent counts as 0
 *  @throws RespError ERR when it is not of 16 bytes, or no number, infinite or a negative zero */
export function decodeDecimal(stored: Buffer | undefined): ScaledDecimal {
  if (stored === undefined) return ZERO
  if (stored.length !== DECIMAL_BYTES) {
    throw err('Invalid stored value: expected 16-byte Decimal128 (IEEE-754 BID)')
  }
  const high = stored.readBigUInt64LE(8)
  const isNegative = high >> 63n === 1n
  const kind = (high >> 58n) & 0x1fn
  const hasCoefficient = kind >> 3n !== 0b11n
  const coefficient = hasCoefficient
    ? (BigInt.asUintN(Number(COEFFICIENT_BITS), high) << LOW_BITS) | stored.readBigUInt64LE(0)
    : 0n
  if (kind >= 0b11110n || (isNegative && coefficient === 0n)) {
    throw err('Invalid stored value: Decimal128 is not representable as BigDecimal')
  }
  if (!hasCoefficient) return ZERO
  const exponent = Number((high >> COEFFICIENT_BITS) & 0x3fffn) + EXPONENT_MIN
  return { isNegative, digits: coefficient.toString(), exponent }
}
