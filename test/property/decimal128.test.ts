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
import {
  type DecimalModel,
  decimalBytes,
  decimalIn,
  decimalText,
  keptDecimal,
  sumOfDecimals,
} from '../support/decimal-model.js'

function modelOf({ isNegative, digits, exponent }: ScaledDecimal): DecimalModel {
  return { coefficient: BigInt(digits) * (isNegative ? -1n : 1n), exponent }
}

/** Runs, and shows an error as its reply. */
function outcome(run: () => ScaledDecimal): DecimalModel | string {
  try {
    return modelOf(run())
  } catch (thrown) {
    const { prefix, message } = thrown as { prefix: string; message: string }
    return `${prefix} ${message}`
  }
}

function check(found: DecimalModel | string, wanted: DecimalModel | string): void {
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

function typedModel({ sign, whole, fraction, power }: Typed): DecimalModel {
  const magnitude = BigInt(whole + (fraction ?? ''))
  const coefficient = sign === '-' ? -magnitude : magnitude
  return { coefficient, exponent: (power ?? 0) - (fraction ?? '').length }
}

test('a text is kept exactly, or refused', () => {
  fc.assert(
    fc.property(typed, one => {
      const wanted = keptDecimal(typedModel(one))
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
  .map(one => keptDecimal(typedModel(one)))
  .filter(model => typeof model !== 'string')
  .map(({ coefficient, exponent }) => parse(`${coefficient}e${exponent}`))

test('a sum is exact, or refused', () => {
  fc.assert(
    fc.property(decimals, decimals, (one, other) => {
      const wanted = keptDecimal(sumOfDecimals(modelOf(one), modelOf(other)))
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
      assert.equal(stored, decimalBytes(modelOf(decimal)))
      assert.equal(decodeDecimal(stored), decimal)
    }),
    property('decimals'),
  )
})

test('plain text says the same number', () => {
  fc.assert(
    fc.property(decimals, decimal => {
      assert.is(plainText(decimal), decimalText(modelOf(decimal)))
    }),
    property('decimals'),
  )
})

test('any 16 bytes are read or refused', () => {
  const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => Buffer.from(bytes))
  const refusal = 'ERR Invalid stored value: Decimal128 is not representable as BigDecimal'
  fc.assert(
    fc.property(sixteen, stored => {
      assert.equal(
        outcome(() => decodeDecimal(stored)),
        decimalIn(stored) ?? refusal,
      )
    }),
    property('decimals'),
  )
})

test.run()
