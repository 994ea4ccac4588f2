/** Random filters in all forms of the grammar, as a client writes them. */
import { BSONRegExp, Int32 } from 'bson'
import type { Random } from '../random.js'
import { idOf, type Shape, type Slot } from './draw-documents.js'
import { drawOperand, type ScalarType } from './draw-values.js'
import type { Doc, Value } from './values.js'

const COMPARISONS = ['$eq', '$eq', '$ne', '$gt', '$gte', '$lt', '$lte'] as const
const LISTS = ['$in', '$in', '$nin', '$all'] as const
const PATTERNS = ['a', '^a', 'b$', '.', '^.$', 'item[0-9]+', '(?:a|é)', 'x*', 'a.b', '^b'] as const
const OPTIONS = ['', '', 'i', 'm', 's', 'im'] as const

/** Paths that no slot describes, with the type that operands are drawn from. */
const EXTRA: readonly (readonly [path: string, type: ScalarType])[] = [
  ['b.0', 'int32'],
  ['b.1', 'string'],
  ['e.0.x', 'int32'],
  ['e.1', 'int32'],
  ['m', 'int32'],
  ['m.x', 'int32'],
  ['m.', 'int32'],
  ['m.0.x', 'int32'],
  ['m.0', 'string'],
  ['m.0.1', 'int64'],
  ['m.x.y', 'int32'],
  ['d', 'int32'],
  ['e', 'int32'],
  ['q', 'int32'],
  ['a.b', 'int32'],
]

export class FilterDraw {
  readonly #random: Random
  readonly #slots: readonly Slot[]
  readonly #documentCount: number

  constructor(random: Random, { slots }: Shape, documentCount: number) {
    this.#random = random
    this.#slots = slots
    this.#documentCount = documentCount
  }

  next(): Doc {
    if (this.#random.next() < 0.02) return {}
    return this.#clauses(2)
  }

  /** A filter of one range or equality, which an index over the path can serve. */
  narrow(): Doc {
    const { path, type } = this.#random.pick(this.#slots)
    const other = this.#random.pick(this.#slots)
    const filter = { [path]: this.#range(type) }
    if (this.#random.next() < 0.5) filter[other.path] ??= this.#range(other.type)
    return filter
  }

  #range(type: ScalarType): Value {
    const operand = () => drawOperand(this.#random, type)
    switch (this.#random.between(0, 4)) {
      case 0:
        return { $gt: operand(), $lte: operand() }
      case 1:
        return { $gte: operand(), $lt: operand() }
      case 2:
        return { $in: [operand(), operand()] }
      case 3:
        return { [this.#random.pick(COMPARISONS)]: operand() }
      default:
        return { $eq: operand() }
    }
  }

  #clauses(depth: number): Doc {
    const entries: [string, Value][] = []
    const count = this.#random.pick([1, 1, 1, 2, 3])
    for (let i = 0; i < count; i++) {
      const roll = this.#random.next()
      if (depth === 0 || roll < 0.7) entries.push(this.#pathClause(depth))
      else entries.push(this.#combinator(() => this.#clauses(depth - 1)))
    }
    return Object.fromEntries(entries)
  }

  #combinator(inner: () => Doc): [string, Value] {
    const name = this.#random.pick(['$and', '$or', '$or', '$nor', '$not'])
    if (name === '$not') return [name, inner()]
    const length = this.#random.pick([0, 1, 2, 2, 2, 3])
    return [name, Array.from({ length }, inner)]
  }

  #pathClause(depth: number): [string, Value] {
    if (this.#random.next() < 0.05) return ['_id', this.#idCondition()]
    const [path, type] = this.#place()
    return [path, this.#condition(path, type, depth)]
  }

  #place(): readonly [string, ScalarType] {
    const roll = this.#random.next()
    if (roll < 0.1) return ['e', 'int32']
    if (roll < 0.25) return this.#random.pick(EXTRA)
    const { path, type } = this.#random.pick(this.#slots)
    return [path, type]
  }

  #idCondition(): Value {
    const id = () => idOf(this.#random.between(0, this.#documentCount))
    switch (this.#random.between(0, 3)) {
      case 0:
        return { $in: [id(), id().toHexString(), new Int32(1)] }
      case 1:
        return { $nin: [id(), null] }
      case 2:
        return { [this.#random.pick(COMPARISONS)]: id() }
      default:
        return id().toHexString()
    }
  }

  #condition(path: string, type: ScalarType, depth: number): Value {
    const roll = this.#random.next()
    if (roll < 0.15) return this.#plainValue(type)
    if (roll < 0.18) return this.#pattern()
    const elementShare = path === 'e' ? 0.7 : 0.15
    if (roll < 0.18 + elementShare && depth > 0) {
      return { $elemMatch: this.#element(path, type, depth - 1) }
    }
    const operators: [string, Value][] = [this.#operator(type)]
    if (this.#random.next() < 0.35) operators.push(this.#operator(type))
    if (this.#random.next() < 0.1) operators.push(...this.#regex())
    if (this.#random.next() < 0.12) {
      const inner = this.#random.next() < 0.15 ? this.#pattern() : this.#operators(type)
      operators.push(['$not', inner])
    }
    return Object.fromEntries(operators)
  }

  #operators(type: ScalarType): Doc {
    return Object.fromEntries([this.#operator(type), this.#operator(type)])
  }

  /** A value that stands behind its path can be no document: that is read as operators. */
  #plainValue(type: ScalarType): Value {
    const value = this.#operand(type)
    return Object.getPrototypeOf(value ?? 0) === Object.prototype ? null : value
  }

  #operand(type: ScalarType): Value {
    return this.#random.next() < 0.06 ? null : drawOperand(this.#random, type)
  }

  #operator(type: ScalarType): [string, Value] {
    const roll = this.#random.next()
    if (roll < 0.6) {
      const name = this.#random.pick(COMPARISONS)
      const takesNull = name === '$eq' || name === '$ne'
      return [name, takesNull ? this.#operand(type) : drawOperand(this.#random, type)]
    }
    if (roll < 0.85) {
      const length = this.#random.between(0, 3)
      return [this.#random.pick(LISTS), Array.from({ length }, () => this.#listed(type))]
    }
    if (roll < 0.92) return ['$size', new Int32(this.#random.between(0, 3))]
    return ['$exists', this.#random.next() < 0.6]
  }

  #listed(type: ScalarType): Value {
    return this.#random.next() < 0.1 ? this.#pattern() : this.#operand(type)
  }

  #pattern(): BSONRegExp {
    return new BSONRegExp(this.#random.pick(PATTERNS), this.#random.pick(OPTIONS))
  }

  #regex(): [string, Value][] {
    const pattern = this.#random.next() < 0.3 ? this.#pattern() : this.#random.pick(PATTERNS)
    const both: [string, Value][] = [['$regex', pattern]]
    if (this.#random.next() < 0.5) both.push(['$options', this.#random.pick(OPTIONS)])
    return both
  }

  /** What stands inside of `$elemMatch`. */
  #element(path: string, type: ScalarType, depth: number): Doc {
    const entries: [string, Value][] = []
    const count = this.#random.pick([0, 1, 1, 2, 2])
    for (let i = 0; i < count; i++) {
      const roll = this.#random.next()
      if (path === 'e' ? roll < 0.8 : roll < 0.15) {
        const name = this.#random.pick(['x', 'y', 'y.0', 'z', ''])
        const slot = this.#slots.find(({ path }) => path === `e.${name}`)
        entries.push([name, this.#condition(`e.${name}`, slot?.type ?? type, depth)])
      } else if (roll < 0.9) entries.push(this.#operator(type))
      else entries.push(this.#combinator(() => this.#element(path, type, Math.max(depth - 1, 0))))
    }
    return Object.fromEntries(entries)
  }
}
