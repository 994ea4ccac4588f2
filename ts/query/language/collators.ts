/** Collators: collations ready to compare, one for all who ask for the same. */

import { err } from '../../error.js'
import { addon, type Collator, nativeReason } from '../../native.js'
import { type Collation, collationFields } from './collation.js'

/** Collators that are kept. Clients choose collations freely. */
const KEPT_MAX = 256

const kept = new Map<string, Collator>()

/** @throws RespError ERR Invalid collation locale: <locale>, Invalid collation specification */
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
