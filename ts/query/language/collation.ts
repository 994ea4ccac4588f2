/**
 * Collations: how strings compare. A specification is a JSON object in snake case; here it is
 * complete, with a value for each of its nine keys.
 */

import { Int32, Long } from 'bson'
import { err, type RespError } from '../../error.js'
import { decodeJson, isObject } from './json-argument.js'

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

/** Words that a key allows, in the order in which an error names them. */
const WORDS: readonly (readonly [Key, readonly string[]])[] = [
  ['case_first', ['upper', 'lower', 'off']],
  ['alternate', ['non-ignorable', 'shifted']],
  ['max_variable', ['punct', 'space']],
]

/** A language, and maybe more behind it. */
const LOCALE = /^[a-zA-Z]{2,8}([-_].*)?$/

/** Reads the COLLATION argument. @throws RespError ERR, see `readCollation` */
export function parseCollation(text: Buffer): Collation {
  let specification: unknown
  try {
    specification = decodeJson(text)
  } catch (cause) {
    throw err('Invalid collation specification', { cause })
  }
  return readCollation(specification)
}

/** Reads a specification, decoded by `decodeJson`.
 *  @throws RespError ERR Unknown collation field: <key>, Invalid collation specification,
 *          Collation 'locale' is required, … */
export function readCollation(specification: unknown): Collation {
  if (!isObject(specification)) throw invalid()
  const given: Partial<Record<keyof Collation, unknown>> = {}
  for (const [key, value] of Object.entries(specification)) {
    if (!Object.hasOwn(KEYS, key)) throw err(`Unknown collation field: ${key}`)
    // Null is what an absent key is.
    if (value !== null) given[KEYS[key as Key]] = readValue(key as Key, value)
  }
  const collation = { ...DEFAULTS, ...given } as Collation
  check(collation)
  return collation
}

export function sameCollation(a: Collation | null, b: Collation | null): boolean {
  if (a === null || b === null) return a === b
  return KEY_LIST.every(key => a[KEYS[key]] === b[KEYS[key]])
}

/** All nine keys with their values, as DESCRIBE shows them. */
export function collationEntries(collation: Collation): [Key, string | number | boolean][] {
  return KEY_LIST.map(key => [key, collation[KEYS[key]]])
}

/** Locale, strength, and what differs from the default, as EXPLAIN shows them. */
export function shortCollationEntries(collation: Collation): [Key, string | number | boolean][] {
  return collationEntries(collation).filter(([key, value]) => {
    return key === 'strength' || value !== DEFAULTS[KEYS[key]]
  })
}

/** A collation under the keys of its specification. */
export type CollationFields = { readonly [K in Key]: Collation[(typeof KEYS)[K]] }

/** The same as `collationEntries`, as one object. */
export function collationFields(collation: Collation): CollationFields {
  return Object.fromEntries(collationEntries(collation)) as unknown as CollationFields
}

/** A value of the type that its key's default has. */
function readValue(key: Key, value: unknown): string | number | boolean {
  const wanted = typeof DEFAULTS[KEYS[key]]
  if (wanted === 'number') {
    if (value instanceof Int32) return value.value
    // Too large for what is allowed, but an integer.
    if (value instanceof Long) return value.toNumber()
  } else if (typeof value === wanted) {
    return value as string | boolean
  }
  throw invalid()
}

function check(collation: Collation): void {
  const { locale, strength } = collation
  if (locale.trim() === '') throw err("Collation 'locale' is required")
  checkLocale(locale)
  if (strength < 1 || strength > 5) {
    throw err(`Collation 'strength' must be between 1 and 5, got: ${strength}`)
  }
  for (const [key, words] of WORDS) {
    const word = collation[KEYS[key]]
    if (words.some(allowed => allowed === word)) continue
    const list = words.map(allowed => `'${allowed}'`).join(', ')
    throw err(`Collation '${key}' must be one of ${list}, got: ${word}`)
  }
}

/** @throws RespError ERR Invalid collation locale: <locale> */
function checkLocale(locale: string): void {
  if (!LOCALE.test(locale)) throw err(`Invalid collation locale: ${locale}`)
}

function invalid(): RespError {
  return err('Invalid collation specification')
}
