/**
 * Filter programs: a filter as one BSON document, in the node format of `native/document`, which
 * compiles it once and evaluates it on every document.
 */

import { BSONError, type Document, serialize } from 'bson'
import { err } from '../error.js'
import { addon, type FilterHandle, nativeReason } from '../native.js'
import type { Filter } from './filter.js'

/** Refusals that concern an operand of the user's. */
const OPERAND_CODES: ReadonlySet<string> = new Set([
  'REGEX_OPTION',
  'REGEX_PATTERN',
  'UNSUPPORTED_TYPE',
  'TOO_DEEP',
])

/** Compiles a filter. @returns null for one that matches everything
 *  @throws RespError ERR BQL parse error: Invalid $regex pattern: …, Unsupported value type: … */
export function compileProgram(filter: Filter): FilterHandle | null {
  if (filter.kind === 'true') return null
  try {
    return new addon.FilterHandle(Buffer.from(serialize(node(filter))))
  } catch (cause) {
    const reason = nativeReason(cause)
    // A field of the user's that the package takes for its own mark, `_bsontype` for instance.
    if (cause instanceof BSONError) throw err('BQL parse error: Invalid BSON format', { cause })
    if (reason === undefined || !OPERAND_CODES.has(reason.code)) throw cause
    // The texts of the crate are whole, `BQL parse error: …` included where it belongs.
    throw err(reason.message, { cause })
  }
}

function node(filter: Filter): Document {
  switch (filter.kind) {
    case 'true':
      return { n: 'true' }
    case 'and':
    case 'or':
    case 'nor':
      return { n: filter.kind, c: filter.children.map(node) }
    case 'not':
      return { n: 'not', c: [node(filter.child)] }
    case 'compare':
      return { n: 'cmp', p: filter.path, o: filter.operator, v: filter.value }
    case 'in':
    case 'nin':
    case 'all':
      return { n: filter.kind, p: filter.path, v: filter.values }
    case 'size':
    case 'exists':
    case 'regex':
      return { n: filter.kind, p: filter.path, v: filter.value }
    case 'elemMatch':
      return { n: 'elem', p: filter.path, c: [node(filter.child)] }
  }
}
