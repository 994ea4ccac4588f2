/** Random ZMap requests over a few keys, so that they meet. */
import type { Random } from './random.js'
import type { MapModel, Request } from './zmap-model.js'

const KEY_BYTES = ['\0', '\x01', '*', 'a', '\xff']
const KEY_BYTES_MAX = 3
const MUTATIONS = [
  'ADD',
  'BIT_AND',
  'BIT_OR',
  'BIT_XOR',
  'MAX',
  'MIN',
  'BYTE_MAX',
  'BYTE_MIN',
  'APPEND_IF_FITS',
  'COMPARE_AND_CLEAR',
]
const SELECTORS = [
  'FIRST_GREATER_OR_EQUAL',
  'FIRST_GREATER_THAN',
  'LAST_LESS_THAN',
  'LAST_LESS_OR_EQUAL',
]
const LONGS = ['0', '1', '-1', '255', '9223372036854775807', '-9223372036854775808']
const DOUBLES = ['0', '-0', '1.5', '-2.25', '0.1', '1e308', '-1e308', '5e-324', '123456789']
const DECIMALS = ['0', '1.5', '-1.50', '0.000', '99999999999999999999', '-0.0000001', '12345.678']
const LONG_DECIMALS = ['9'.repeat(34), `0.${'0'.repeat(20)}1`, `-${'9'.repeat(33)}.5`]

/** What the stamp takes the place of. */
export const STAMP_ROOM = '##########'

/** A stamped write. `apply` does it to a model once the ten bytes are known. */
export interface StampedRequest {
  readonly request: Request
  readonly isKey: boolean
  apply(map: MapModel, stamp: string): void
}

export class RandomRequests {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** Any request that stands by itself. */
  any(): Request {
    if (this.#random.next() < 0.05) return ['ZDELRANGE', this.#bound(), this.#bound()]
    return this.insideReading()
  }

  /** One for a transaction that reads. */
  insideReading(): Request {
    const pick = this.#random.next()
    if (pick < 0.45) return this.blind()
    if (pick < 0.55) return ['ZINC.F64', this.key(), this.#random.pick(DOUBLES)]
    if (pick < 0.65) return ['ZINC.D128', this.key(), this.#decimal()]
    return this.#read()
  }

  /** One that reads nothing. */
  blind(): Request {
    const key = this.key()
    const pick = this.#random.next()
    if (pick < 0.2) return ['ZSET', key, this.#value()]
    if (pick < 0.3) return ['ZDEL', key]
    if (pick < 0.34) return this.#rangeInOrder()
    if (pick < 0.7) return ['ZMUTATE', key, this.#value(), this.#random.pick(MUTATIONS)]
    if (pick < 0.77) return ['ZSET.I64', key, this.#random.pick(LONGS)]
    if (pick < 0.87) return ['ZINC.I64', key, this.#random.pick(LONGS)]
    if (pick < 0.94) return ['ZSET.F64', key, this.#random.pick(DOUBLES)]
    return ['ZSET.D128', key, this.#decimal()]
  }

  key(): string {
    const length = this.#random.between(0, KEY_BYTES_MAX)
    return Array.from({ length }, () => this.#random.pick(KEY_BYTES)).join('')
  }

  stamped(): StampedRequest {
    const isKey = this.#random.next() < 0.5
    const [before, behind] = [this.key(), this.key()]
    const offset = Buffer.alloc(4)
    offset.writeUInt32LE(before.length)
    const template = before + STAMP_ROOM + behind + offset.toString('latin1')
    const filled = (stamp: string) => before + stamp + behind
    if (isKey) {
      const value = this.#value()
      const request = ['ZMUTATE', template, value, 'SET_VERSIONSTAMPED_KEY']
      return { request, isKey, apply: (map, stamp) => map.set(filled(stamp), value) }
    }
    const key = this.key()
    const request = ['ZMUTATE', key, template, 'SET_VERSIONSTAMPED_VALUE']
    return { request, isKey, apply: (map, stamp) => map.set(key, filled(stamp)) }
  }

  #read(): Request {
    const pick = this.#random.next()
    if (pick < 0.25) return ['ZGET', this.key()]
    if (pick < 0.4) return [`ZGET.${this.#random.pick(['I64', 'F64', 'D128'])}`, this.key()]
    if (pick < 0.6) {
      const hasSelector = this.#random.next() < 0.8
      const option = hasSelector ? ['KEY_SELECTOR', this.#random.pick(SELECTORS)] : []
      return ['ZGETKEY', this.key(), ...option]
    }
    return ['ZGETRANGE', this.#bound(), this.#bound(), ...this.#options()]
  }

  /** Six words at most. */
  #options(): string[] {
    const words: string[] = []
    const dice = () => this.#random.next()
    if (dice() < 0.4) words.push('BEGIN_KEY_SELECTOR', this.#random.pick(SELECTORS))
    if (dice() < 0.4) words.push('END_KEY_SELECTOR', this.#random.pick(SELECTORS))
    if (dice() < 0.5 && words.length < 4) {
      words.push('LIMIT', String(this.#random.pick([0, 1, 2, 3, 100])))
    }
    if (dice() < 0.4) words.unshift('REVERSE')
    return words
  }

  /** A range that is not upside down: in a transaction that would be said later. */
  #rangeInOrder(): Request {
    const [one, other] = [this.#bound(), this.#bound()]
    const isOpen = one === '*' || other === '*'
    return isOpen || one <= other ? ['ZDELRANGE', one, other] : ['ZDELRANGE', other, one]
  }

  #bound(): string {
    return this.#random.next() < 0.25 ? '*' : this.key()
  }

  #value(): string {
    const size = this.#random.pick([0, 1, 1, 2, 3, 8, 8, 16])
    const bytes = [0, 1, 2, 0x7f, 0x80, 0xff]
    const value = Array.from({ length: size }, () => String.fromCharCode(this.#random.pick(bytes)))
    return value.join('')
  }

  #decimal(): string {
    return this.#random.pick(this.#random.next() < 0.1 ? LONG_DECIMALS : DECIMALS)
  }
}
