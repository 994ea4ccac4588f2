import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  formatDouble,
  parseCanonicalInt64,
  parseDouble,
  parseInt32,
  parseInt64,
} from '../../../ts/resp/numbers.js'

test('32-bit integers', () => {
  assert.is(parseInt32('2147483647'), 2147483647)
  assert.is(parseInt32('-2147483648'), -2147483648)
  assert.is(parseInt32('+007'), 7)
  for (const text of [
    '2147483648',
    '-2147483649',
    '',
    '-',
    '1.0',
    ' 1',
    '1e3',
    '0x1',
    '1'.repeat(99),
  ])
    assert.is(parseInt32(text), undefined, text)
})

test('64-bit integers', () => {
  assert.is(parseInt64('9223372036854775807'), 9223372036854775807n)
  assert.is(parseInt64('-9223372036854775808'), -9223372036854775808n)
  assert.is(parseInt64('+1'), 1n)
  for (const text of ['9223372036854775808', '', '+', '0b1', '1n', ' 1'])
    assert.is(parseInt64(text), undefined, text)
})

test('canonical 64-bit integers', () => {
  assert.is(parseCanonicalInt64('0'), 0n)
  assert.is(parseCanonicalInt64('-9223372036854775808'), -9223372036854775808n)
  for (const text of ['+1', '01', '-0', '-', '', ' 1', '9223372036854775808', '1.0'])
    assert.is(parseCanonicalInt64(text), undefined, text)
})

test('doubles', () => {
  assert.is(parseDouble('.5'), 0.5)
  assert.is(parseDouble('5.'), 5)
  assert.is(parseDouble('+1e3'), 1000)
  assert.is(parseDouble('-Infinity'), Number.NEGATIVE_INFINITY)
  assert.is(parseDouble('1e999'), Number.POSITIVE_INFINITY)
  assert.ok(Number.isNaN(parseDouble('NaN')))
  for (const text of ['', '.', 'e3', '0x10', '1_0', ' 1', '1,5', 'inf', '--1'])
    assert.is(parseDouble(text), undefined, text)
})

test('long texts of numbers take no long time', () => {
  assert.is(parseDouble('1'.repeat(65_536)), Number.POSITIVE_INFINITY)
  assert.is(parseDouble('1'.repeat(65_537)), undefined)
  assert.is(parseDouble(`${'0'.repeat(60_000)}.5`), 0.5)
  // Quadratic matching would take minutes for each of these.
  for (const wrong of [`${'1'.repeat(65_000)}x`, `.${'1'.repeat(65_000)}x`, `1e${'1'.repeat(9)}x`])
    assert.is(parseDouble(wrong), undefined)
})

test('formatted doubles parse back to the same value', () => {
  for (const value of [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0, 123456789012345680000])
    assert.ok(Object.is(parseDouble(formatDouble(value)), value), String(value))
})

test.run()
