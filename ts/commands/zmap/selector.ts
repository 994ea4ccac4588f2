/**
 * Key selectors over one ZMap. They see the entries of that map only: a selector that would leave
 * the map stops at its start or end.
 */
import { err } from '../../error.js'
import { keyAfter, prefixEnd, zmapKey } from '../../store/keyspace.js'
import { lastKey } from '../../store/packed-range.js'
import type { Tx } from '../../store/tx.js'
import { andThen, type MaybePromise } from '../../store/types.js'

const SELECTORS = [
  'FIRST_GREATER_OR_EQUAL',
  'FIRST_GREATER_THAN',
  'LAST_LESS_THAN',
  'LAST_LESS_OR_EQUAL',
] as const

export type SelectorName = (typeof SELECTORS)[number]

/** @param typed in any case. @throws RespError ERR for another word */
export function parseSelector(typed: string): SelectorName {
  const upper = typed.toUpperCase()
  const name = SELECTORS.find(selector => selector === upper)
  if (name === undefined) throw err(`unknown key selector: '${typed}'`)
  return name
}

/** A place in the map: a key, or an open end. */
export type Bound = Buffer | 'start' | 'end'

/** The one byte `*`, as a bound of a range, means an open end; any other bytes mean themselves. */
export function parseBound(typed: Buffer, open: 'start' | 'end'): Bound {
  return typed.length === 1 && typed[0] === 0x2a ? open : typed
}

export interface Resolution {
  /** Key prefix of the map. */
  prefix: Buffer
  snapshot: boolean
}

/**
 * Finds the database key at which a range begins (or ends, excluded), for a bound with a selector.
 * FIRST_… need no read: a range starts at the first key at or above its begin anyway. LAST_… read
 * the one key that they resolve to; without one it is the start of the map.
 */
export function resolveBound(
  tx: Tx,
  bound: Bound,
  selector: SelectorName,
  { prefix, snapshot }: Resolution,
): MaybePromise<Buffer> {
  const reference = boundKey(bound, prefix)
  // No key is at an open end itself, so "or equal" makes no difference there.
  const above = typeof bound === 'string' ? reference : keyAfter(reference)
  switch (selector) {
    case 'FIRST_GREATER_OR_EQUAL':
      return reference
    case 'FIRST_GREATER_THAN':
      return above
    case 'LAST_LESS_THAN':
      return lastBelow(tx, reference, { prefix, snapshot })
    case 'LAST_LESS_OR_EQUAL':
      return lastBelow(tx, above, { prefix, snapshot })
  }
}

/** The last key of the map below `end`; the start of the map when there is none. */
function lastBelow(tx: Tx, end: Buffer, { prefix, snapshot }: Resolution): MaybePromise<Buffer> {
  const found = tx.getRange(prefix, end, { limit: 1, reverse: true, snapshot })
  return andThen(found, range => (range.count === 0 ? prefix : lastKey(range)))
}

/** The database key of a bound by itself. */
export function boundKey(bound: Bound, prefix: Buffer): Buffer {
  if (bound === 'start') return prefix
  if (bound === 'end') return prefixEnd(prefix)
  return zmapKey(prefix, bound)
}
