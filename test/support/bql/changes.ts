/** Random updates, as the argument of BUCKET.UPDATE and as what they do to a document. */
import type { Random } from '../random.js'
import type { Shape, Slot } from './draw-documents.js'
import { drawFitting, type ScalarType } from './draw-values.js'
import { matches, valueAt } from './evaluate.js'
import { arrayFilter, type Positions, withoutValue, withValue } from './update.js'
import { type Doc, isArray, type Value } from './values.js'

export interface Change {
  readonly argument: Doc
  readonly apply: (doc: Doc) => Doc
}

/** A change with `$`, which needs its filter. */
export interface MatchedChange extends Change {
  readonly filter: Doc
}

/** Tests of array filters; `x` and those behind it are about fields of elements. */
const TESTS = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte'] as const

/** Sets and unsets fields of the top, inside of `d`, and of elements of arrays; `u` stays, for it
 *  is unique. */
export function drawChange(random: Random, shape: Shape): Change {
  const draw = new ChangeDraw(random, shape)
  const count = random.between(1, 3)
  for (let i = 0; i < count; i++) draw.add()
  return draw.change()
}

/** Changes the first element of an array that a filter's `$elemMatch` means. The array has no
 *  texts, so that no collation is of matter. */
export function drawMatchedChange(random: Random, shape: Shape): MatchedChange | undefined {
  const slots = shape.slots.filter(({ arrays, type }) => arrays && type !== 'string')
  if (slots.length === 0) return undefined
  const { path, type } = random.pick(slots)
  const [array, name] = path.startsWith('e.') ? ['e', path.slice(2)] : [path, undefined]
  const test = { [random.pick(TESTS)]: drawFitting(random, type) }
  const element: Doc = name === undefined ? test : { [name]: test }
  const value = drawFitting(random, type)
  const target = [array, '$', ...(name === undefined ? [] : [name])].join('.')
  const isSet = random.next() < 0.7
  return {
    filter: { [array!]: { $elemMatch: element } },
    argument: isSet ? { $set: { [target]: value } } : { $unset: [target] },
    apply: doc => {
      const elements = valueAt(doc, array!)
      if (!isArray(elements)) return doc
      const matched = elements.findIndex(one =>
        matches({ v: [one] }, { v: { $elemMatch: element } }),
      )
      const positions = { filters: new Map(), matched }
      if (isSet) return withValue(doc, target, value, positions)
      return withoutValue(doc, target, positions)
    },
  }
}

class ChangeDraw {
  readonly #random: Random
  readonly #shape: Shape
  readonly #set = new Map<string, Value>()
  readonly #unset = new Set<string>()
  readonly #filters: Doc[] = []
  readonly #positions = new Map<string, (element: Value) => boolean>()

  constructor(random: Random, shape: Shape) {
    this.#random = random
    this.#shape = shape
  }

  change(): Change {
    const [set, unset] = [this.#set, this.#unset]
    const positions: Positions = { filters: this.#positions }
    return {
      argument: {
        $set: Object.fromEntries(set),
        $unset: [...unset],
        ...(this.#filters.length === 0 ? {} : { array_filters: this.#filters }),
      },
      apply: doc => {
        let result = doc
        for (const path of unset) result = withoutValue(result, path, positions)
        for (const [path, value] of set) {
          // A path both set and unset is only unset.
          if (!unset.has(path)) result = withValue(result, path, value, positions)
        }
        return result
      },
    }
  }

  add(): void {
    const slot = this.#random.pick(this.#shape.slots.filter(({ path }) => path !== 'u'))
    const { path, type, arrays } = slot
    const one = () => drawFitting(this.#random, type)
    const isInElements = path.startsWith('e.')
    const target =
      arrays && (isInElements || this.#random.next() < 0.4) ? this.#inArray(slot) : path
    if (this.#random.next() < 0.3) this.#unset.add(target)
    else if (target === path && arrays && this.#random.next() < 0.5) {
      this.#set.set(target, [one(), null, one()])
    } else this.#set.set(target, this.#random.next() < 0.1 ? null : one())
  }

  /** A path into the array at a slot, or to the slot in elements of `e`. */
  #inArray({ path, type }: Slot): string {
    if (!path.startsWith('e.')) return `${path}.${this.#position(type, '')}`
    const name = path.slice(2)
    const isDeep = name === 'y' && this.#random.next() < 0.4
    const inner = isDeep ? `${name}.${this.#position(type, '')}` : name
    return `e.${this.#every(type, name)}.${inner}`
  }

  #position(type: ScalarType, name: string): string {
    // Documents, which come with noise, take a number for a name.
    const takesNumber = this.#shape.noise === 0 && this.#random.next() < 0.4
    return takesNumber ? String(this.#random.between(0, 3)) : this.#every(type, name)
  }

  /** Every element, or those that pass a filter. */
  #every(type: ScalarType, name: string): string {
    if (this.#random.next() < 0.4) return '$[]'
    const id = `f${this.#filters.length}`
    const operand = drawFitting(this.#random, type)
    // Array filters take texts of 24 digits as they are, other operands do not.
    const value = typeof operand === 'string' ? operand.slice(0, 5) : operand
    const test: Doc =
      this.#random.next() < 0.15
        ? { $exists: this.#random.next() < 0.5 }
        : { [this.#random.pick(TESTS)]: value }
    this.#filters.push({ [name === '' ? id : `${id}.${name}`]: test })
    this.#positions.set(id, arrayFilter(name, test))
    return `$[${id}]`
  }
}

/** An upsert of a document that is not there, as the command's filter and update and as what it
 *  inserts. */
export interface Upsert {
  readonly filter: Doc
  readonly argument: Doc
  readonly document: Doc
}

/** @param id  of the document, which nobody has
 *  @param u  the unique number */
export function drawUpsert(
  random: Random,
  shape: Shape,
  { id, u }: { id: Value; u: Value },
): Upsert {
  const types = new Map(shape.slots.map(({ path, type }) => [path, type]))
  const draw = (path: string): Value => {
    const value = drawFitting(random, types.get(path)!)
    // As an operand it would be an ObjectId.
    return typeof value === 'string' ? value.slice(0, 5) : value
  }
  const equal: [string, Value][] = [['u', u]]
  for (const path of ['a', 'd.x', 'b']) if (random.next() < 0.5) equal.push([path, draw(path)])
  const written = equal.map(([path, value]): [string, Value] => {
    return [path, random.next() < 0.5 ? value : { $eq: value }]
  })
  const set: [string, Value][] = [['c', draw('c')]]
  for (const path of ['a', 'd.z.w', 'd.y']) if (random.next() < 0.5) set.push([path, draw(path)])
  const nowhere: Positions = { filters: new Map() }
  let document: Doc = { _id: id }
  for (const [path, value] of [...equal, ...set]) {
    document = withValue(document, path, value, nowhere)
  }
  const others = { 'e.x': { $ne: draw('e.x') }, $and: [{ u }] }
  return {
    filter: { ...others, _id: id, ...Object.fromEntries(written) },
    argument: { $set: { ...Object.fromEntries(set), 'b.$[]': draw('b') }, upsert: true },
    document,
  }
}
