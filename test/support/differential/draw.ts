/**
 * Random words of requests that a differential test sends to two servers. The key space is small
 * and in one slot, so that commands meet; a seed repeats everything.
 *
 * INVARIANT: no two expiries lie closer together than a test may last, nor near to now, so it does
 * not matter when exactly each of the servers runs a command.
 */
import type { Random } from '../random.js'
import type { Word } from '../resp-client.js'

const TAG = '{t}'
const KEYS = ['a', 'b', 'c', 'd', '', 'e\r\n', '\x00\xff{', 'k'.repeat(40)]
const FIELDS = ['f', 'g', 'h', '', '1', '\xfe\x00', 'l'.repeat(70)]

/** Text of integers, of some that are not, and of some that are none in 64 bits. */
const INTEGERS = ['0', '1', '-1', '2', '5', '-7', '10', '100', '-100', '4096']
const EDGE_INTEGERS = [
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775806',
  '-9223372036854775807',
  '9223372036854775808',
  '-9223372036854775809',
  '9007199254740993',
  '4294967296',
  '-2147483649',
]
const ODD_INTEGERS = ['', 'abc', '1.5', ' 1', '1 ', '+1', '01', '-0', '-', '1e3', '0x10', '1\x00']

const FLOATS = ['0', '1', '-1', '0.5', '0.1', '0.2', '3.0e3', '10.50', '-0.25', '1e5', '+2', '.5']
const EDGE_FLOATS = ['5.', '1e17', '-1e-17', '1e-18', '123456789.125', '1e300', '0x1p3', '-0.0']
const ODD_FLOATS = ['', 'abc', ' 1', '1 ', 'inf', '-inf', 'nan', '1e5000', '1e', '--1', '1,5']

const TEXTS = ['', 'v', 'Hello', 'This is a string', '\x00\x01\r\n\xff\x80', 'ü\u00e9']
const LONG_SIZES = [45, 1_000, 16_384, 16_385, 40_000]

const YEAR_2100_S = 4_102_444_800
/** Relative times begin so far off, and are so far apart. */
const RELATIVE_BASE_S = 10_000_000
const RELATIVE_STEP_S = 10_000

export class Draw {
  readonly random: Random
  #relative = 0

  constructor(random: Random) {
    this.random = random
  }

  chance(probability: number): boolean {
    return this.random.next() < probability
  }

  pick<T>(items: readonly T[]): T {
    return this.random.pick(items)
  }

  /** A key; all are in one slot. */
  key(): Buffer {
    return bytes(TAG + this.pick(KEYS))
  }

  /** All keys that there are. */
  get keys(): Buffer[] {
    return KEYS.map(key => bytes(TAG + key))
  }

  field(): Buffer {
    return bytes(this.pick(FIELDS))
  }

  /** From `least` to `most` things. */
  some<T>(least: number, most: number, make: () => T): T[] {
    return Array.from({ length: this.random.between(least, most) }, make)
  }

  /** Any value: numbers, text, every byte there is, some of them long. */
  value(): Buffer {
    const dice = this.random.next()
    if (dice < 0.35) return bytes(this.integer())
    if (dice < 0.5) return bytes(this.float())
    if (dice < 0.9) return bytes(this.pick(TEXTS))
    const first = this.random.between(0, 255)
    return Buffer.from(Array.from({ length: this.pick(LONG_SIZES) }, (_, i) => (first + i) % 256))
  }

  /** Text of an integer, now and then not one. */
  integer(): string {
    const dice = this.random.next()
    if (dice < 0.75) return this.pick(INTEGERS)
    return this.pick(dice < 0.9 ? EDGE_INTEGERS : ODD_INTEGERS)
  }

  /** Text of an integer that is near 0, now and then none. */
  smallInteger(): string {
    return this.pick(this.chance(0.93) ? INTEGERS : ODD_INTEGERS)
  }

  /** Text of a decimal, now and then not one. */
  float(): string {
    const dice = this.random.next()
    if (dice < 0.75) return this.pick(FLOATS)
    return this.pick(dice < 0.9 ? EDGE_FLOATS : ODD_FLOATS)
  }

  /** A time from now on, in seconds: never the same twice. */
  relativeS(): number {
    this.#relative += 1
    // Not in ascending order: GT and LT shall meet both.
    const place = this.#relative % 2 === 0 ? this.#relative : 10_000 - this.#relative
    return RELATIVE_BASE_S + place * RELATIVE_STEP_S
  }

  /** A Unix time far off, in seconds: one of few. */
  absoluteS(): number {
    return YEAR_2100_S + this.random.between(0, 3) * RELATIVE_STEP_S
  }

  /** A word in any case. */
  word(text: string): string {
    return this.chance(0.8) ? text : text.toLowerCase()
  }

  /** Some words of a list, each once, in any order. */
  subset<T>(items: readonly T[], probability: number): T[] {
    const chosen = items.filter(() => this.chance(probability))
    if (chosen.length > 1 && this.chance(0.5)) chosen.reverse()
    return chosen
  }

  /** Now and then a request loses its last word, or gets one too many. */
  spoil(request: readonly Word[]): Word[] {
    const dice = this.random.next()
    if (dice < 0.015 && request.length > 1) return request.slice(0, -1)
    return dice < 0.03 ? [...request, bytes(`${TAG}odd`)] : [...request]
  }
}

function bytes(latin1: string): Buffer {
  return Buffer.from(latin1, 'latin1')
}
