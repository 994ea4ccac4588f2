/**
 * The statistics of an index: how many entries there are about in a range of its keys. Values are
 * known here only as the bytes that keys have between the prefix of the index and the `_id`.
 */

import type { KeyRange } from '../../store/keyspace.js'

/** Ranges at most. */
export const HISTOGRAM_RANGES = 10
/** Bytes that are kept of a value: enough to tell where it lies. */
const BOUND_BYTES = 64
/** Bytes behind what two values share, in which a third is placed between them. */
const WINDOW_BYTES = 6

/** Values from `first` to `last`. */
interface HistogramRange {
  readonly first: Buffer
  readonly last: Buffer
  readonly entries: number
  /** Different values among them, about. */
  readonly distinct: number
}

export interface Histogram {
  /** Ascending; no value is in two of them. */
  readonly ranges: readonly HistogramRange[]
}

/** Makes a histogram from a sample.
 *  @param sample  values of entries, ascending, repeated as they are
 *  @param entries  how many entries the sample stands for */
export function histogramOf(sample: readonly Buffer[], entries: number): Histogram {
  const scale = entries / sample.length
  const depth = sample.length / HISTOGRAM_RANGES
  const ranges: HistogramRange[] = []
  for (let from = 0; from < sample.length; ) {
    const wanted = Math.max(from + 1, Math.round((ranges.length + 1) * depth))
    const isLast = ranges.length === HISTOGRAM_RANGES - 1
    const to = isLast ? sample.length : endOfValue(sample, Math.min(wanted, sample.length))
    const own = sample.slice(from, to)
    ranges.push({
      first: own[0]!.subarray(0, BOUND_BYTES),
      last: own.at(-1)!.subarray(0, BOUND_BYTES),
      entries: own.length * scale,
      distinct: distinctIn(own, scale),
    })
    from = to
  }
  return { ranges }
}

/** Behind the last sample that equals the one before `end`. */
function endOfValue(sample: readonly Buffer[], end: number): number {
  let to = end
  while (to < sample.length && sample[to]!.equals(sample[to - 1]!)) to++
  return to
}

/** Values that came once stand for others that did not come at all (the estimator GEE). */
function distinctIn(sample: readonly Buffer[], scale: number): number {
  let once = 0
  let often = 0
  for (let from = 0; from < sample.length; ) {
    const to = endOfValue(sample, from + 1)
    if (to - from === 1) once++
    else often++
    from = to
  }
  return Math.sqrt(Math.max(scale, 1)) * once + often
}

/** Entries between two keys, about.
 *  @param prefix  of the index */
export function estimate({ ranges }: Histogram, prefix: Buffer, range: KeyRange): number {
  const begin = withoutPrefix(range.begin, prefix)
  const end = withoutPrefix(range.end, prefix)
  let total = 0
  for (const own of ranges) {
    const isBelow = end !== 'last' && Buffer.compare(end, own.first) <= 0
    const isAbove = begin === 'last' || Buffer.compare(begin, own.last) > 0
    if (isBelow || isAbove) continue
    const from = fraction(own, begin)
    const to = end === 'last' ? 1 : fraction(own, end)
    total += Math.max(own.entries * (to - from), own.entries / own.distinct)
  }
  return total
}

/** A key in the form of values; the end of an index has a key that is not in it. */
function withoutPrefix(key: Buffer, prefix: Buffer): Buffer | 'last' {
  const order = Buffer.compare(key.subarray(0, prefix.length), prefix)
  if (order > 0) return 'last'
  return order < 0 ? Buffer.alloc(0) : key.subarray(prefix.length)
}

/** How much of a range lies below a value, from 0 to 1. */
function fraction({ first, last }: HistogramRange, value: Buffer): number {
  if (Buffer.compare(value, first) <= 0) return 0
  if (Buffer.compare(value, last) > 0) return 1
  let shared = 0
  while (shared < first.length && first[shared] === last[shared]) shared++
  const low = numberAt(first, shared)
  const width = numberAt(last, shared) - low
  return width <= 0 ? 0 : Math.min(Math.max((numberAt(value, shared) - low) / width, 0), 1)
}

function numberAt(value: Buffer, at: number): number {
  const window = Buffer.alloc(WINDOW_BYTES)
  value.copy(window, 0, at, at + WINDOW_BYTES)
  return window.readUIntBE(0, WINDOW_BYTES)
}

/** As it is stored: JSON. */
export function encodeHistogram({ ranges }: Histogram): Buffer {
  const stored = ranges.map(({ first, last, ...counts }) => {
    return { first: first.toString('hex'), last: last.toString('hex'), ...counts }
  })
  return Buffer.from(JSON.stringify({ ranges: stored }))
}

export function decodeHistogram(bytes: Buffer): Histogram {
  const stored = JSON.parse(bytes.toString('utf8')) as {
    ranges: { first: string; last: string; entries: number; distinct: number }[]
  }
  return {
    ranges: stored.ranges.map(({ first, last, ...counts }) => {
      return { first: Buffer.from(first, 'hex'), last: Buffer.from(last, 'hex'), ...counts }
    }),
  }
}
