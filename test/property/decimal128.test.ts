/** Decimals against whole numbers of any size, and their bytes against those of `bson`. */
import { Decimal128 } from 'bson'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  addDecimals,
  decodeDecimal,
  encodeDecimal,
  parseDecimal,
  plainText,
  type ScaledDecimal,
} from '../../ts/commands/zmap/decimal128.js'
import { property } from '../support/budget.js'

/** `coefficient` · 10^`exponent`. */
interface Model {
  readonly coefficient: bigint
  readonly exponent: number
}

const INEXACT = 'ERR Conversion to Decimal128 would require inexact rounding of '
const RANGE = 'ERR Exponent is out of range for Decimal128 encoding of '

const clamp = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most)

/** The one form that is kept of a number: the exponent is the nearest one that is possible.
 *  @returns the start of the error where there is none */
function kept({ coefficient, exponent }: Model): Model | string {
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
  if (least > most) return RANGE
  const chosen = clamp(exponent, least, most)
  return { coefficient: shortest * 10n ** BigInt(highest - chosen), exponent: chosen }
}

function sumOf(one: Model, other: Model): Model {
  const exponent = Math.min(one.exponent, other.exponent)
  const scaled = (model: Model) => model.coefficient * 10n ** BigInt(model.exponent - exponent)
  return { coefficient: scaled(one) + scaled(other), exponent }
}

function modelOf({ isNegative, digits, exponent }: ScaledDecimal): Model {
  return { coefficient: BigInt(digits) * (isNegative ? -1n : 1n), exponent }
}

/** Runs, and shows an error as its reply. */
function outcome(run: () => ScaledDecimal): Model | string {
  try {
    return modelOf(run())
  } catch (thrown) {
    const { prefix, message } = thrown as { prefix: string; message: string }
    return `${prefix} ${message}`
  }
}

function check(found: Model | string, wanted: Model | string): void {
  if (typeof wanted === 'string') assert.is(String(found).slice(0, wanted.length), wanted)
  else assert.equal(found, wanted)
}

const parse = (text: string) => parseDecimal(Buffer.from(text))

const digits = fc.oneof(
  fc.stringMatching(/^\d{1,6}$/),
  fc.stringMatching(/^\d{30,36}$/),
  fc.stringMatching(/^\d{0,3}0{28,36}$/),
  fc.stringMatching(/^9{33,35}0{0,3}$/),
)
const powers = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -40, max: 40 }) },
  fc.integer({ min: -6220, max: -6130 }),
  fc.integer({ min: 6070, max: 6160 }),
  fc.integer({ min: -7000, max: 7000 }),
)
/** A text in its parts. */
interface Typed {
  readonly sign: string
  readonly whole: string
  readonly fraction: string | null
  readonly power: number | null
}

const typed: fc.Arbitrary<Typed> = fc.record({
  sign: fc.constantFrom('', '+', '-'),
  whole: digits,
  fraction: fc.option(fc.oneof(digits, fc.constant(''))),
  power: fc.option(powers),
})

function textOf({ sign, whole, fraction, power }: Typed): string {
  const point = fraction === null ? '' : `.${fraction}`
  return `${sign}${whole}${point}${power === null ? '' : `e${power}`}`
}

function typedModel({ sign, whole, fraction, power }: Typed): Model {
  const magnitude = BigInt(whole + (fraction ?? ''))
  const coefficient = sign === '-' ? -magnitude : magnitude
  return { coefficient, exponent: (power ?? 0) - (fraction ?? '').length }
}

test('a text is kept exactly, or refused', () => {
  fc.assert(
    fc.property(typed, one => {
      const wanted = kept(typedModel(one))
      const text = textOf(one)
      check(
        outcome(() => parse(text)),
        typeof wanted === 'string' ? `${wanted}${text}` : wanted,
      )
    }),
    property('decimals'),
  )
})

/** A decimal that there is. */
const decimals = typed
  .map(one => kept(typedModel(one)))
  .filter(model => typeof model !== 'string')
  .map(({ coefficient, exponent }) => parse(`${coefficient}e${exponent}`))

test('a sum is exact, or refused', () => {
  fc.assert(
    fc.property(decimals, decimals, (one, other) => {
      const wanted = kept(sumOf(modelOf(one), modelOf(other)))
      check(
        outcome(() => addDecimals(one, other)),
        wanted,
      )
    }),
    property('decimals'),
  )
})

test('the bytes are those of bson, and give the decimal back', () => {
  fc.assert(
    fc.property(decimals, decimal => {
      const stored = encodeDecimal(decimal)
      const { isNegative, digits, exponent } = decimal
      const text = `${isNegative ? '-' : ''}${digits}E${exponent}`
      assert.equal(stored, Buffer.from(Decimal128.fromString(text).bytes))
      assert.equal(decodeDecimal(stored), decimal)
    }),
    property('decimals'),
  )
})

test('plain text says the same number', () => {
  fc.assert(
    fc.property(decimals, decimal => {
      const text = plainText(decimal)
      assert.match(text, /^-?(0|[1-9]\d*)(\.\d+)?$/)
      const fraction = text.split('.')[1] ?? ''
      const coefficient = BigInt(text.replace('.', ''))
      const { exponent, ...shown } = modelOf(decimal)
      assert.is(fraction.length, Math.max(0, -exponent))
      const factor = exponent > 0 ? 10n ** BigInt(exponent) : 1n
      assert.is(coefficient, shown.coefficient * factor)
    }),
    property('decimals'),
  )
})

test('any 16 bytes are read or refused', () => {
  const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => Buffer.from(bytes))
  fc.assert(
    fc.property(sixteen, stored => {
      const bits = (stored.readBigUInt64LE(8) << 64n) | stored.readBigUInt64LE(0)
      const found = outcome(() => decodeDecimal(stored))
      const isNegative = bits >> 127n === 1n
      const kind = Number((bits >> 122n) & 0x1fn)
      const isZero = kind >= 24 || (bits & (2n ** 113n - 1n)) === 0n
      if (kind >= 30 || (isNegative && isZero)) {
        const refusal = 'Invalid stored value: Decimal128 is not representable as BigDecimal'
        return assert.is(found, `ERR ${refusal}`)
      }
      if (kind >= 24) return assert.equal(found, { coefficient: 0n, exponent: 0 })
      const magnitude = bits & (2n ** 113n - 1n)
      assert.equal(found, {
        coefficient: isNegative ? -magnitude : magnitude,
        exponent: Number((bits >> 113n) & 0x3fffn) - 6176,
      })
    }),
    property('decimals'),
  )
})

test.run()
