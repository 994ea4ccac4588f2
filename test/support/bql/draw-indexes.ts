/** Random sets of indexes, as the schema of BUCKET.CREATE and what it defines. */
import type { Random } from '../random.js'
import { type CollationSpec, type Defined, drawCollation } from './collation.js'
import type { Shape, Slot } from './draw-documents.js'
import { indexTypesOf, SCALAR_TYPES, type ScalarType } from './draw-values.js'

interface SingleSpec {
  readonly bson_type: string
  readonly multi_key?: boolean
  readonly unique?: boolean
  readonly collation?: CollationSpec
}

interface FieldSpec {
  readonly selector: string
  readonly bson_type: string
  readonly multi_key?: boolean
}

interface CompoundSpec {
  readonly name: string
  readonly unique?: boolean
  readonly collation?: CollationSpec
  readonly fields: readonly FieldSpec[]
}

export interface IndexSet {
  /** The argument of INDEXES. */
  readonly schema: Readonly<Record<string, SingleSpec | readonly CompoundSpec[]>>
  readonly bucketCollation: CollationSpec | undefined
  readonly collations: Defined
  /** Paths that have an index of their own which holds every document. */
  readonly sortable: readonly string[]
  /** Paths that a compound index may give the order of: ties come in that of further fields. */
  readonly tiedOtherwise: readonly string[]
}

/** A set of at least one index that the collection's documents fit, unless they are noisy: then
 *  types are of no matter to a server that is not strict. */
export function drawIndexes(random: Random, shape: Shape, withCollations: boolean): IndexSet {
  const draw = new IndexDraw(random, shape, withCollations)
  return draw.set()
}

class IndexDraw {
  readonly #random: Random
  readonly #shape: Shape
  readonly #withCollations: boolean
  readonly #schema: Record<string, SingleSpec | CompoundSpec[]> = {}
  readonly #singles = new Map<string, CollationSpec>()
  readonly #compounds: { path: string; spec: CollationSpec }[] = []
  readonly #sortable: string[] = []
  #bucketCollation: CollationSpec | undefined

  constructor(random: Random, shape: Shape, withCollations: boolean) {
    this.#random = random
    this.#shape = shape
    this.#withCollations = withCollations
  }

  set(): IndexSet {
    this.#bucketCollation = this.#collation()
    const slots = this.#shuffled(this.#indexable())
    for (const slot of slots.slice(0, this.#random.between(1, 5))) this.#addSingle(slot)
    const compounds: CompoundSpec[] = []
    const count = this.#random.between(0, 2)
    for (let i = 0; i < count; i++) {
      const compound = this.#compound(`pair${i}`)
      const isNew = compounds.every(
        ({ fields }) => JSON.stringify(fields) !== JSON.stringify(compound.fields),
      )
      if (compound.fields.length < 2 || !isNew) continue
      compounds.push(compound)
      this.#addCollations(compound)
    }
    if (compounds.length > 0) this.#schema.$compound = compounds
    return {
      schema: this.#schema,
      bucketCollation: this.#bucketCollation,
      collations: {
        bucket: this.#bucketCollation,
        singles: this.#singles,
        compounds: this.#compounds,
      },
      sortable: this.#sortable,
      tiedOtherwise: compounds.flatMap(({ fields }) => {
        return fields.slice(0, -1).map(({ selector }) => selector)
      }),
    }
  }

  #addSingle({ path, type, arrays }: Slot): void {
    const bson_type = this.#type(type)
    const unique = path === 'u' && this.#random.next() < 0.7
    const multi = arrays ? this.#random.next() < 0.7 : this.#random.next() < 0.1
    const collation = bson_type === 'string' ? this.#collation() : undefined
    this.#schema[path] = {
      bson_type,
      ...(unique ? { unique } : {}),
      ...(multi && !unique ? { multi_key: true } : {}),
      ...(collation === undefined ? {} : { collation }),
    }
    // An index of texts without a collation of its own takes that of the bucket.
    const effective = bson_type === 'string' ? (collation ?? this.#bucketCollation) : undefined
    if (effective !== undefined) this.#singles.set(path, effective)
    if (this.#shape.noise === 0) this.#sortable.push(path)
  }

  #compound(name: string): CompoundSpec {
    const fields: FieldSpec[] = []
    let hasArrays = false
    for (const { path, type, arrays } of this.#shuffled(this.#indexable())) {
      if (fields.length === 4 || (arrays && hasArrays)) continue
      hasArrays ||= arrays
      const multi = arrays ? { multi_key: true } : {}
      fields.push({ selector: path, bson_type: this.#type(type), ...multi })
      if (fields.length >= 2 && this.#random.next() < 0.5) break
    }
    const texts = fields.filter(({ bson_type }) => bson_type === 'string')
    const collation = texts.length > 0 ? this.#compoundCollation(texts) : undefined
    const unique = !hasArrays && fields.some(({ selector }) => selector === 'u')
    return {
      name,
      fields,
      ...(collation === undefined ? {} : { collation }),
      ...(unique ? { unique } : {}),
    }
  }

  #addCollations({ fields, collation = this.#bucketCollation }: CompoundSpec): void {
    if (collation === undefined) return
    const texts = fields.filter(({ bson_type }) => bson_type === 'string')
    for (const { selector } of texts) this.#compounds.push({ path: selector, spec: collation })
  }

  /** None where a text field has a single-field index without collation: whether that index or
   *  the compound one would then count is not said. */
  #compoundCollation(texts: readonly FieldSpec[]): CollationSpec | undefined {
    const isOpen = ({ selector }: FieldSpec) =>
      selector in this.#schema && !this.#singles.has(selector)
    return texts.some(isOpen) ? undefined : this.#collation()
  }

  #collation(): CollationSpec | undefined {
    if (!this.#withCollations || this.#random.next() < 0.5) return undefined
    return drawCollation(this.#random)
  }

  /** What the values have; with noise it may be another type, and some have no entry. */
  #type(type: ScalarType): string {
    const fitting = indexTypesOf(type)
    if (this.#shape.noise > 0 && this.#random.next() < 0.2) {
      return this.#random.pick(SCALAR_TYPES.filter(other => other !== 'decimal128'))
    }
    return this.#random.pick(fitting)
  }

  #indexable(): Slot[] {
    return this.#shape.slots.filter(({ type }) => indexTypesOf(type).length > 0)
  }

  #shuffled<T>(items: readonly T[]): T[] {
    return items
      .map(item => ({ item, rank: this.#random.next() }))
      .sort((left, right) => left.rank - right.rank)
      .map(({ item }) => item)
  }
}
