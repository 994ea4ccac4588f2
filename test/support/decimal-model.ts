/** What decimal128 has, said with whole numbers of any size: the model of the tests. */

/** `coefficient` · 10^`exponent`. */
export interface DecimalModel {
  readonly coefficient: bigint
  readonly exponent: number
}

export const INEXACT = 'ERR Conversion to Decimal128 would require inexact rounding of '
export const OUT_OF_RANGE = 'ERR Exponent is out of range for Decimal128 encoding of '

const clamp = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most)

/** The one form that is kept of a number: the exponent is the nearest one that is possible.
 *  @returns the start of the error where there is none */
export function keptDecimal({ coefficient, exponent }: DecimalModel): DecimalModel | string {
  if (coefficient === 0n) return { coefficient, exponent: clamp(exponent, -6176, 6111) }
  let shortest = coefficient
  let highest = exponent
  while (shortest % 10n === 0n) {
    shortest /= 10n
    highest++
  }
  const length = String(shortest < 0n ? -shortest : shortest).length
  if (length > 34) return INEXACT
  const least = Math.max(-6176, highest + length - 34)
  const most = Math.min(6111, highest)
  if (least > most) return OUT_OF_RANGE
  const chosen = clamp(exponent, least, most)
  return { coefficient: shortest * 10n ** BigInt(highest - chosen), exponent: chosen }
}

/** The exact sum, whether decimal128 has it or not. */
export function sumOfDecimals(one: DecimalModel, other: DecimalModel): DecimalModel {
  const exponent = Math.min(one.exponent, other.exponent)
  const scaled = (model: DecimalModel) =>
    model.coefficient * 10n ** BigInt(model.exponent - exponent)
  return { coefficient: scaled(one) + scaled(other), exponent }
}

/** What 16 bytes say; undefined for what is no number, infinite, or a negative zero. */
export function decimalIn(stored: Buffer): DecimalModel | undefined {
  const bits = (stored.readBigUInt64LE(8) << 64n) | stored.readBigUInt64LE(0)
  const isNegative = bits >> 127n === 1n
  const kind = Number((bits >> 122n) & 0x1fn)
  const magnitude = kind >= 24 ? 0n : bits & (2n ** 113n - 1n)
  if (kind >= 30 || (isNegative && magnitude === 0n)) return undefined
  if (kind >= 24) return { coefficient: 0n, exponent: 0 }
  const exponent = Number((bits >> 113n) & 0x3fffn) - 6176
  return { coefficient: isNegative ? -magnitude : magnitude, exponent }
}

/** The 16 bytes of a number that decimal128 has. */
export function decimalBytes({ coefficient, exponent }: DecimalModel): Buffer {
  const magnitude = coefficient < 0n ? -coefficient : coefficient
  const sign = coefficient < 0n ? 1n << 127n : 0n
  const bits = sign | (BigInt(exponent + 6176) << 113n) | magnitude
  return Buffer.from(bits.toString(16).padStart(32, '0'), 'hex').reverse()
}

/** Its plain text. */
export function decimalText({ coefficient, exponent }: DecimalModel): string {
  if (exponent >= 0) return String(coefficient * 10n ** BigInt(exponent))
  const unit = 10n ** BigInt(-exponent)
  const magnitude = coefficient < 0n ? -coefficient : coefficient
  const fraction = String(magnitude % unit).padStart(-exponent, '0')
  return `${coefficient < 0n ? '-' : ''}${magnitude / unit}.${fraction}`
}
