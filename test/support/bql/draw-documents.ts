/** Random documents of one collection: each of its fields has a type and may be an array. */
import { Int32, Long, ObjectId } from 'bson'
import type { Random } from '../random.js'
import { drawAnything, drawFitting, SCALAR_TYPES, type ScalarType } from './draw-values.js'
import type { Doc, Value } from './values.js'

/** What is found at a path. */
export interface Slot {
  readonly path: string
  readonly type: ScalarType
  /** Whether an array may be found there, so that a compound index needs `multi_key`. */
  readonly arrays: boolean
}

export interface Shape {
  readonly slots: readonly Slot[]
  /** Share of values that are of any type. */
  readonly noise: number
}

/** Paths that arrays may be found at are the second of each pair. */
const PLAIN = ['a', 'd.x', 'd.z.w', 'c'] as const
const ARRAYS = ['b', 'd.y', 'e.x', 'e.y'] as const

/** Types of a collection; the field `u` is a number that no other document has. */
export function drawShape(random: Random): Shape {
  const types = new Map<string, ScalarType>([...PLAIN, ...ARRAYS].map(path => [path, draw()]))
  types.set('c', 'string')
  function draw(): ScalarType {
    return random.next() < 0.25 ? 'string' : random.pick(SCALAR_TYPES)
  }
  const slots = [...types].map(([path, type]) => {
    return { path, type, arrays: (ARRAYS as readonly string[]).includes(path) }
  })
  slots.push({ path: 'u', type: 'int64', arrays: false })
  return { slots, noise: random.pick([0, 0, 0.05, 0.3]) }
}

/** Documents with ascending ids, `from` being the number of the first. */
export function drawDocuments(
  random: Random,
  { slots, noise }: Shape,
  { from, count }: { from: number; count: number },
): Doc[] {
  const types = new Map(slots.map(({ path, type }) => [path, type]))
  const draw = new DocumentDraw(random, types, noise)
  return Array.from({ length: count }, (_, i) => draw.document(from + i))
}

class DocumentDraw {
  readonly #random: Random
  readonly #types: ReadonlyMap<string, ScalarType>
  readonly #noise: number

  constructor(random: Random, types: ReadonlyMap<string, ScalarType>, noise: number) {
    this.#random = random
    this.#types = types
    this.#noise = noise
  }

  document(number: number): Doc {
    const fields: [string, Value][] = [['_id', idOf(number)]]
    const add = (name: string, draw: () => Value): void => {
      if (this.#random.next() > 0.15) fields.push([name, draw()])
    }
    add('a', () => this.#scalar('a'))
    add('b', () => this.#maybeArray('b'))
    add('c', () => this.#scalar('c'))
    add('d', () => this.#nested())
    add('e', () => this.#elements())
    add('m', () => this.#anything())
    fields.push(['u', this.#random.next() < 0.5 ? new Int32(number) : Long.fromNumber(number)])
    return Object.fromEntries(fields)
  }

  #scalar(path: string): Value {
    if (this.#random.next() < this.#noise) return drawAnything(this.#random)
    if (this.#random.next() < 0.08) return null
    return drawFitting(this.#random, this.#types.get(path)!)
  }

  /** Any value, or documents in arrays in arrays, which paths by name do not reach. */
  #anything(): Value {
    if (this.#random.next() < 0.6) return drawAnything(this.#random)
    const length = this.#random.between(1, 3)
    return Array.from({ length }, () => {
      const element = { x: drawFitting(this.#random, 'int32') }
      return this.#random.next() < 0.5 ? [element, drawAnything(this.#random, 1)] : element
    })
  }

  #maybeArray(path: string): Value {
    if (this.#random.next() < 0.5) return this.#scalar(path)
    const length = this.#random.between(0, 3)
    return Array.from({ length }, () => this.#scalar(path))
  }

  #nested(): Value {
    if (this.#random.next() < 0.05) return new Int32(1)
    const fields: [string, Value][] = []
    if (this.#random.next() < 0.85) fields.push(['x', this.#scalar('d.x')])
    if (this.#random.next() < 0.85) fields.push(['y', this.#maybeArray('d.y')])
    if (this.#random.next() < 0.6) fields.push(['z', { w: this.#scalar('d.z.w') }])
    return Object.fromEntries(fields)
  }

  /** An array of documents with some scalars among them, or one document. */
  #elements(): Value {
    if (this.#random.next() < 0.1) return this.#element()
    const length = this.#random.between(0, 3)
    return Array.from({ length }, () => {
      const roll = this.#random.next()
      if (roll < 0.1) return this.#random.pick<Value>([null, new Int32(5), 'a', true])
      return this.#element()
    })
  }

  #element(): Doc {
    const fields: [string, Value][] = []
    if (this.#random.next() < 0.85) fields.push(['x', this.#scalar('e.x')])
    if (this.#random.next() < 0.7) fields.push(['y', this.#maybeArray('e.y')])
    return Object.fromEntries(fields)
  }
}

/** The id of a document; ids ascend with numbers. */
export function idOf(number: number): ObjectId {
  return new ObjectId(number.toString(16).padStart(24, '0'))
}
