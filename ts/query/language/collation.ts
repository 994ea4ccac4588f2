/**
 * Collations: how strings compare. A specification is a JSON object in snake case; here it is
 * complete, with a value for each of its nine keys.
 */

import { Int32, Long } from 'bson'
import { err, type RespError } from '../../error.js'
import { addon, type Collator, nativeReason } from '../../native.js'
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

/** Names what makes the keys of strings in this process; keys of another version are void. */
export const COLLATOR_VERSION: string = addon.collatorVersion()

/** Collators that are kept. Clients choose collations freely. */
const KEPT_MAX = 256

const kept = new Map<string, Collator>()

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
  if (collation.locale.trim() === '') throw err("Collation 'locale' is required")
  // What else goes is for the collator to say.
  collatorOf(collation)
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

function invalid(): RespError {
  return err('Invalid collation specification')
}

/** A collation ready to compare, one for all who ask for the same.
 *  @throws RespError ERR: a value that is not allowed, a locale that there is none for */
export function collatorOf(collation: Collation): Collator {
  const specification = JSON.stringify(collationFields(collation))
  const known = kept.get(specification)
  if (known !== undefined) return known
  const made = makeCollator(specification)
  const [oldest] = kept.keys()
  if (kept.size >= KEPT_MAX && oldest !== undefined) kept.delete(oldest)
  kept.set(specification, made)
  return made
}

function makeCollator(specification: string): Collator {
  try {
    return new addon.Collator(addon.jsonToBson(Buffer.from(specification)))
  } catch (cause) {
    const reason = nativeReason(cause)
    if (reason?.code !== 'COLLATION') throw cause
    throw err(reason.message, { cause })
  }
}
