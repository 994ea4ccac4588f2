/**
 * Collations of the tests: ICU's as `Intl.Collator` has them, so only specifications that it can
 * say; and the rules of which one counts for a path.
 */
import type { Random } from '../random.js'
import type { Collations } from './evaluate.js'
import { bytewise, type TextOrder } from './values.js'

/** The part of the contract's specification that `Intl.Collator` has as well. */
export interface CollationSpec {
  readonly locale: string
  readonly strength?: 1 | 2 | 3
  readonly case_level?: boolean
  readonly case_first?: 'upper' | 'lower'
  readonly numeric_ordering?: boolean
}

const SPECS: readonly CollationSpec[] = [
  { locale: 'en' },
  { locale: 'en', strength: 2 },
  { locale: 'en', strength: 1 },
  { locale: 'en', strength: 1, case_level: true },
  { locale: 'en', numeric_ordering: true },
  { locale: 'de', strength: 2, numeric_ordering: true },
  { locale: 'en', strength: 3, case_first: 'upper' },
]

export function drawCollation(random: Random): CollationSpec {
  return random.pick(SPECS)
}

const SENSITIVITY = { 1: 'base', 2: 'accent', 3: 'variant' } as const

/** The order of texts that a specification means; bytes without one. */
export function textOrder(spec: CollationSpec | undefined): TextOrder {
  if (spec === undefined) return bytewise
  const { locale, strength = 3, case_level, case_first, numeric_ordering } = spec
  const collator = new Intl.Collator(locale, {
    sensitivity: case_level === true && strength === 1 ? 'case' : SENSITIVITY[strength],
    numeric: numeric_ordering === true,
    ...(case_first === undefined ? {} : { caseFirst: case_first }),
  })
  return (left, right) => collator.compare(left, right)
}

/** Where collations are defined. */
export interface Defined {
  readonly bucket: CollationSpec | undefined
  readonly singles: ReadonlyMap<string, CollationSpec>
  /** One entry for each text field of each compound index that defines one. */
  readonly compounds: readonly { readonly path: string; readonly spec: CollationSpec }[]
}

/** The collation of a path on the way of a read: that of the query, of the single-field index, of
 *  the compound indexes if they agree, of the bucket. */
export function readCollations(
  query: CollationSpec | undefined,
  { bucket, singles, compounds }: Defined,
): Collations {
  const cache = new Map<string, TextOrder>()
  const choose = (path: string): CollationSpec | undefined => {
    if (query !== undefined) return query
    const single = singles.get(path)
    if (single !== undefined) return single
    const specs = compounds.filter(field => field.path === path).map(field => field.spec)
    const texts = new Set(specs.map(spec => JSON.stringify(spec)))
    return texts.size === 1 ? specs[0] : bucket
  }
  return path => {
    const order = cache.get(path) ?? textOrder(choose(path))
    cache.set(path, order)
    return order
  }
}
