/** Ranges of the primary index, whose keys are ids as they are. */

import { ObjectId } from 'bson'
import {
  type KeyRange,
  keyAfter,
  prefixRange,
  primaryKey,
  primaryPrefix,
} from '../../store/keyspace.js'
import type { Literal } from '../language/filter.js'
import type { Bound } from './bind.js'

/** What `EncodeRange` asks for, of the primary index.
 *  @param data  prefix of the bucket's data
 *  @param equalities  an ObjectId, or none */
export function primaryRange(
  data: Buffer,
  equalities: readonly Literal[],
  lower?: Bound,
  upper?: Bound,
): KeyRange | 'nothing' {
  const keyOf = (id: Literal) => primaryKey(data, Buffer.from((id as ObjectId).id))
  const operands = [...equalities, lower?.value, upper?.value].filter(value => value !== undefined)
  if (!operands.every(value => value instanceof ObjectId)) return 'nothing'
  if (equalities.length > 0) {
    const key = keyOf(equalities[0])
    return { begin: key, end: keyAfter(key) }
  }
  const all = prefixRange(primaryPrefix(data))
  if (lower !== undefined) all.begin = keyOf(lower.value)
  if (lower?.isInclusive === false) all.begin = keyAfter(all.begin)
  if (upper !== undefined) all.end = keyOf(upper.value)
  if (upper?.isInclusive === true) all.end = keyAfter(all.end)
  return all
}
