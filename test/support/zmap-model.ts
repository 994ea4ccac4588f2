/**
 * A ZMap as a plain sorted map: what each command does to it and answers, byte for byte. Values are
 * latin1 strings, one code unit for each byte, so that text order is byte order.
 */
import {
  type DecimalModel,
  decimalBytes,
  decimalIn,
  decimalText,
  keptDecimal,
  sumOfDecimals,
} from './decimal-model.js'
import { bulk, error, none, OK, type Protocol } from './zmap.js'

/** A request: latin1 words. */
export type Request = readonly string[]

const LIMIT_DEFAULT = 100
const VALUE_MAX = 100_000
const I64_STORED = "ERR Invalid stored value: expected 8-byte two's-complement int64"
const F64_STORED = 'ERR Invalid stored value: expected 8-byte IEEE-754 double'
const F64_SUM =
  'ERR Resulting value is not a finite IEEE-754 double (overflow or invalid operation)'
const D128_STORED = 'ERR Invalid stored value: expected 16-byte Decimal128 (IEEE-754 BID)'
const D128_ODD = 'ERR Invalid stored value: Decimal128 is not representable as BigDecimal'
const INVERTED = 'INVERTED_RANGE Range begin key larger than end key'

/** An error that a command answers. */
class Refusal extends Error {}

const bytesOf = (text: string) => Buffer.from(text, 'latin1')
const textOf = (bytes: Buffer) => bytes.toString('latin1')

/** The number that bytes are, little-endian and unsigned. */
function numberIn(text: string): bigint {
  return BigInt(`0x0${bytesOf(text).reverse().toString('hex')}`)
}

/** `size` bytes of a number, its low ones. */
function bytesFor(value: bigint, size: number): string {
  if (size === 0) return ''
  const hex = BigInt.asUintN(size * 8, value).toString(16)
  return textOf(Buffer.from(hex.padStart(size * 2, '0'), 'hex').reverse())
}

/** What a mutation leaves; undefined for an absent key. */
export function mutated(type: string, old: string | undefined, param: string): string | undefined {
  if (type === 'COMPARE_AND_CLEAR') return old === param ? undefined : old
  if (old === undefined) return param
  const size = param.length
  // The old value, cut or extended to the size of the other.
  const [one, other] = [numberIn(old.slice(0, size)), numberIn(param)]
  const isLarger = one > other
  const isAbove = old > param
  switch (type) {
    case 'ADD':
      return bytesFor(one + other, size)
    case 'BIT_AND':
      return bytesFor(one & other, size)
    case 'BIT_OR':
      return bytesFor(one | other, size)
    case 'BIT_XOR':
      return bytesFor(one ^ other, size)
    case 'MAX':
      return bytesFor(isLarger ? one : other, size)
    case 'MIN':
      return bytesFor(isLarger ? other : one, size)
    case 'BYTE_MAX':
      return isAbove ? old : param
    case 'BYTE_MIN':
      return isAbove ? param : old
    case 'APPEND_IF_FITS':
      return old.length + size <= VALUE_MAX ? old + param : old
    default:
      throw new Error(`no mutation ${type}`)
  }
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return Object.is(value, -0) ? '-0' : String(value)
}

function doubleBytes(value: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value === 0 ? 0 : value)
  return textOf(bytes)
}

/** A decimal as the generator writes it: digits, perhaps with a point. */
function typedDecimal(text: string): DecimalModel {
  const fraction = text.split('.')[1] ?? ''
  return { coefficient: BigInt(text.replace('.', '')), exponent: -fraction.length }
}

export class MapModel {
  readonly #entries: Map<string, string>

  constructor(entries: ReadonlyMap<string, string> = new Map()) {
    this.#entries = new Map(entries)
  }

  copy(): MapModel {
    return new MapModel(this.#entries)
  }

  get(key: string): string | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: string | undefined): void {
    if (value === undefined) this.#entries.delete(key)
    else this.#entries.set(key, value)
  }

  keys(): string[] {
    return this.#sorted().map(([key]) => key)
  }

  equals(other: MapModel): boolean {
    return JSON.stringify(this.#sorted()) === JSON.stringify(other.#sorted())
  }

  /** Runs a request. @returns its reply */
  run([name, ...args]: Request, protocol: Protocol): string {
    try {
      return this.#reply(name!, args, protocol)
    } catch (thrown) {
      if (thrown instanceof Refusal) return error(thrown.message)
      throw thrown
    }
  }

  #reply(name: string, args: readonly string[], protocol: Protocol): string {
    const [key = '', word = '', type = ''] = args
    const value = this.#entries.get(key)
    const shown = (text: string | undefined) => (text === undefined ? none(protocol) : bulk(text))
    switch (name) {
      case 'ZGET':
        return shown(value)
      case 'ZGETRANGE':
        return this.#range(args)
      case 'ZGETKEY':
        return shown(this.#nearest(key, args[2] ?? 'FIRST_GREATER_OR_EQUAL'))
      case 'ZGET.I64':
        return value === undefined ? none(protocol) : `:${this.#i64(value)}\r\n`
      case 'ZGET.F64': {
        if (value === undefined) return none(protocol)
        const text = doubleText(this.#f64(value))
        return protocol === 3 ? `,${text}\r\n` : bulk(text)
      }
      case 'ZGET.D128':
        return shown(value === undefined ? undefined : decimalText(this.#d128(value)))
      case 'ZDELRANGE':
        this.#clear(key, word)
        return OK
      case 'ZMUTATE':
        this.set(key, mutated(type, value, word))
        return OK
      default:
        this.set(key, this.#written(name, value, word))
        return OK
    }
  }

  /** The value that a command for one key leaves. */
  #written(name: string, value: string | undefined, word: string): string | undefined {
    switch (name) {
      case 'ZSET':
        return word
      case 'ZDEL':
        return undefined
      case 'ZSET.I64':
        return bytesFor(BigInt(word), 8)
      case 'ZINC.I64':
        return mutated('ADD', value, bytesFor(BigInt(word), 8))
      case 'ZSET.F64':
        return doubleBytes(Number(word))
      case 'ZINC.F64': {
        const sum = (value === undefined ? 0 : this.#f64(value)) + Number(word)
        if (!Number.isFinite(sum)) throw new Refusal(F64_SUM)
        return doubleBytes(sum)
      }
      case 'ZSET.D128':
        return this.#decimal(typedDecimal(word))
      case 'ZINC.D128': {
        const before = value === undefined ? { coefficient: 0n, exponent: 0 } : this.#d128(value)
        return this.#decimal(sumOfDecimals(before, typedDecimal(word)))
      }
      default:
        throw new Error(`no command ${name}`)
    }
  }

  #decimal(unbounded: DecimalModel): string {
    const kept = keptDecimal(unbounded)
    if (typeof kept === 'string') throw new Refusal(kept)
    return textOf(decimalBytes(kept))
  }

  #i64(value: string): bigint {
    if (value.length !== 8) throw new Refusal(I64_STORED)
    return BigInt.asIntN(64, numberIn(value))
  }

  #f64(value: string): number {
    if (value.length !== 8) throw new Refusal(F64_STORED)
    return bytesOf(value).readDoubleLE()
  }

  #d128(value: string): DecimalModel {
    if (value.length !== 16) throw new Refusal(D128_STORED)
    const decimal = decimalIn(bytesOf(value))
    if (decimal === undefined) throw new Refusal(D128_ODD)
    return decimal
  }

  #sorted(): [key: string, value: string][] {
    return [...this.#entries].sort(([one], [other]) => (one < other ? -1 : 1))
  }

  /** The key that a selector chooses; undefined beyond either end. */
  #nearest(key: string, selector: string): string | undefined {
    const keys = this.keys()
    switch (selector) {
      case 'FIRST_GREATER_OR_EQUAL':
        return keys.find(name => name >= key)
      case 'FIRST_GREATER_THAN':
        return keys.find(name => name > key)
      case 'LAST_LESS_THAN':
        return keys.findLast(name => name < key)
      default:
        return keys.findLast(name => name <= key)
    }
  }

  #clear(begin: string, end: string): void {
    if (begin !== '*' && end !== '*' && begin > end) throw new Refusal(INVERTED)
    for (const key of [...this.#entries.keys()]) {
      const isBelow = begin !== '*' && key < begin
      if (!isBelow && (end === '*' || key < end)) this.#entries.delete(key)
    }
  }

  #range([begin = '', end = '', ...options]: readonly string[]): string {
    const read = (option: string) => options[options.lastIndexOf(option) + 1]
    const has = (option: string) => options.includes(option)
    const from = has('BEGIN_KEY_SELECTOR') ? read('BEGIN_KEY_SELECTOR') : undefined
    const to = has('END_KEY_SELECTOR') ? read('END_KEY_SELECTOR') : undefined
    const limit = has('LIMIT') ? Number(read('LIMIT')) : LIMIT_DEFAULT
    const low = this.#index(begin, from ?? 'FIRST_GREATER_OR_EQUAL', 0)
    const high = this.#index(end, to ?? 'FIRST_GREATER_OR_EQUAL', this.#entries.size)
    const inside = low < high ? this.#sorted().slice(low, high) : []
    if (has('REVERSE')) inside.reverse()
    const pairs = limit === 0 ? inside : inside.slice(0, limit)
    const shown = pairs.map(([key, value]) => `*2\r\n${bulk(key)}${bulk(value)}`)
    return `*${pairs.length}\r\n${shown.join('')}`
  }

  /** Where a bound is in the order of the keys. @param open where it is when it is `*` */
  #index(bound: string, selector: string, open: number): number {
    const keys = this.keys()
    const isOpen = bound === '*'
    const below = isOpen ? open : keys.filter(key => key < bound).length
    const upTo = isOpen ? open : keys.filter(key => key <= bound).length
    switch (selector) {
      case 'FIRST_GREATER_OR_EQUAL':
        return below
      case 'FIRST_GREATER_THAN':
        return upTo
      case 'LAST_LESS_THAN':
        return Math.max(0, below - 1)
      default:
        return Math.max(0, upTo - 1)
    }
  }
}
