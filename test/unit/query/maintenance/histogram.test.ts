/** What a sample says of ranges. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  decodeHistogram,
  encodeHistogram,
  estimate,
  type Histogram,
  histogramOf,
} from '../../../../ts/query/maintenance/histogram.js'
import { prefixEnd } from '../../../../ts/store/keyspace.js'
import { rounds, seed } from '../../../support/budget.js'
import { Random } from '../../../support/random.js'

const PREFIX = Buffer.from('p')

/** Bytes in the order of numbers. */
function value(n: number): Buffer {
  const bytes = Buffer.alloc(5, 0x10)
  bytes.writeUInt32BE(n, 1)
  return bytes
}

/** A sample of at most 1,000 values. */
function sampled(random: Random, values: readonly number[]): Histogram {
  const sample = values.filter(() => random.next() < 1_000 / values.length)
  sample.sort((a, b) => a - b)
  return histogramOf(sample.map(value), values.length)
}

/** @param from, to  from <= n < to */
function between(histogram: Histogram, from: number, to: number): number {
  const [begin, end] = [from, to].map(n => Buffer.concat([PREFIX, value(n)]))
  return estimate(histogram, PREFIX, { begin: begin!, end: end! })
}

function equalTo(histogram: Histogram, n: number): number {
  const begin = Buffer.concat([PREFIX, value(n)])
  return estimate(histogram, PREFIX, { begin, end: prefixEnd(begin) })
}

const whole = (histogram: Histogram): number =>
  estimate(histogram, PREFIX, { begin: PREFIX, end: prefixEnd(PREFIX) })

/** @param tolerance  as a share of all entries */
function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`)
}

test('knows different values, evenly spread', () => {
  const values = Array.from({ length: 50_000 }, (_, n) => n * 10)
  const histogram = sampled(new Random(1), values)
  assert.is(histogram.ranges.length, 10)
  near(whole(histogram), 50_000, 3_000)
  near(between(histogram, 0, 100_000), 10_000, 2_500)
  near(between(histogram, 250_000, 255_000), 500, 500)
  // Different values are taken to be so.
  assert.ok(equalTo(histogram, 1_000) < 100)
  assert.is(between(histogram, 600_000, 700_000), 0)
})

test('knows a few values, each often', () => {
  const values = Array.from({ length: 50_000 }, (_, n) => (n % 100 === 0 ? 9 : n % 4))
  const histogram = sampled(new Random(2), values)
  assert.ok(histogram.ranges.length <= 5)
  for (const n of [0, 1, 2, 3]) near(equalTo(histogram, n), 12_375, 2_500)
  assert.ok(equalTo(histogram, 9) < 2_000)
  assert.is(equalTo(histogram, 5), 0)
})

test('of no entries there are none anywhere', () => {
  const histogram = histogramOf([], 0)
  assert.equal(histogram.ranges, [])
  assert.is(whole(histogram), 0)
})

test('long values take little room, and the record is read back as it was', () => {
  const sample = Array.from({ length: 1_000 }, (_, n) => {
    return Buffer.concat([value(n), Buffer.alloc(8_000, 1)])
  })
  const histogram = histogramOf(sample, 1_000_000)
  const stored = encodeHistogram(histogram)
  assert.ok(stored.length < 5_000)
  assert.equal(decodeHistogram(stored), histogram)
})

test('any range has from none to all of the entries, and more the wider it is', () => {
  const first = seed()
  const random = new Random(first)
  for (let round = 0; round < rounds('histograms'); round++) {
    const most = random.pick([1, 5, 100, 1_000_000])
    const count = random.between(1, 3_000)
    const values = Array.from({ length: count }, () => random.between(0, most))
    const histogram = histogramOf(values.sort((a, b) => a - b).map(value), count)
    const title = `round ${round}, SEED=${first}`
    const [from, to] = [random.between(0, most), random.between(0, most)].sort((a, b) => a - b)
    const narrow = between(histogram, from!, to! + 1)
    const wide = between(histogram, Math.max(from! - 1, 0), to! + 2)
    assert.ok(narrow >= 0 && narrow <= count + 1e-6, `${narrow} of ${count}: ${title}`)
    assert.ok(wide >= narrow - 1e-6, `${wide} < ${narrow}: ${title}`)
    near(whole(histogram), count, 1e-6)
    const held = values.filter(n => n >= from! && n <= to!).length
    assert.ok(held === 0 || narrow > 0, title)
  }
})

test.run()
