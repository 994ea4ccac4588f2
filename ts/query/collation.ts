/** Collations: how strings compare. Here they are complete, with a value for each of nine keys. */

export interface Collation {
  readonly locale: string
  /** 1 to 5. */
  readonly strength: number
  readonly caseLevel: boolean
  readonly caseFirst: string
  readonly numericOrdering: boolean
  readonly alternate: string
  readonly backwards: boolean
  readonly normalization: boolean
  readonly maxVariable: string
}

/** Keys of a specification, in the order in which they are shown, with what they stand for. */
const KEYS = {
  locale: 'locale',
  strength: 'strength',
  case_level: 'caseLevel',
  case_first: 'caseFirst',
  numeric_ordering: 'numericOrdering',
  alternate: 'alternate',
  backwards: 'backwards',
  normalization: 'normalization',
  max_variable: 'maxVariable',
} as const satisfies Record<string, keyof Collation>
type Key = keyof typeof KEYS
const KEY_LIST = Object.keys(KEYS) as Key[]

const DEFAULTS: Collation = {
  locale: '',
  strength: 3,
  caseLevel: false,
  caseFirst: 'off',
  numericOrdering: false,
  alternate: 'non-ignorable',
  backwards: false,
  normalization: false,
  maxVariable: 'punct',
}

export function sameCollation(a: Collation | null, b: Collation | null): boolean {
  if (a === null || b === null) return a === b
  return KEY_LIST.every(key => a[KEYS[key]] === b[KEYS[key]])
}

/** All nine keys, as DESCRIBE shows them. */
export function collationEntries(collation: Collation): [Key, string | number | boolean][] {
  return KEY_LIST.map(key => [key, collation[KEYS[key]]])
}

/** Locale, strength, and what differs from the default, as EXPLAIN shows them. */
export function shortCollationEntries(collation: Collation): [Key, string | number | boolean][] {
  return collationEntries(collation).filter(([key, value]) => {
    return key === 'strength' || value !== DEFAULTS[KEYS[key]]
  })
}
