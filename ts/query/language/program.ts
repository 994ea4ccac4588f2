/**
 * Filter programs: a filter as one BSON document, in the node format of `native/document`, which
 * compiles it once and evaluates it on every document.
 */

import { BSONError, type Document, serialize } from 'bson'
import { err } from '../../error.js'
import { addon, type Collator, type FilterHandle, nativeReason } from '../../native.js'
import type { Collation } from './collation.js'
import { collatorOf } from './collation.js'
import { type Filter, SELF_PATH } from './filter.js'

/** Refusals that concern an operand of the user's. */
const OPERAND_CODES: ReadonlySet<string> = new Set([
  'REGEX_OPTION',
  'REGEX_PATTERN',
  'UNSUPPORTED_TYPE',
  'TOO_DEEP',
])

/** What strings at a path compare with; null = bytes. */
export type CollationOf = (path: string) => Collation | null

const BYTES: CollationOf = () => null

/** Compiles a filter.
 *  @param collationOf  for paths from the document, `$elemMatch`'s array first
 *  @throws RespError ERR BQL parse error: Invalid $regex pattern: …, Unsupported value type: … */
export function compileProgram(filter: Filter, collationOf = BYTES): FilterHandle {
  try {
    const compiler = new Compiler(collationOf)
    const program = Buffer.from(serialize(compiler.node(filter, null)))
    return new addon.FilterHandle(program, compiler.collators)
  } catch (cause) {
    const reason = nativeReason(cause)
    // A field of the user's that the package takes for its own mark, `_bsontype` for instance.
    if (cause instanceof BSONError) throw err('BQL parse error: Invalid BSON format', { cause })
    if (reason === undefined || !OPERAND_CODES.has(reason.code)) throw cause
    // The texts of the crate are whole, `BQL parse error: …` included where it belongs.
    throw err(reason.message, { cause })
  }
}

class Compiler {
  readonly collators: Collator[] = []
  readonly #collationOf: CollationOf

  constructor(collationOf: CollationOf) {
    this.#collationOf = collationOf
  }

  /** Members that are undefined are left out.
   *  @param parent  path of the array that `$elemMatch` is about, from the document */
  node(filter: Filter, parent: string | null): Document {
    const children = (list: readonly Filter[]) => list.map(child => this.node(child, parent))
    switch (filter.kind) {
      case 'true':
        return { n: 'true' }
      case 'and':
      case 'or':
      case 'nor':
        return { n: filter.kind, c: children(filter.children) }
      case 'not':
        return { n: 'not', c: children([filter.child]) }
      case 'compare': {
        const { path, operator, value } = filter
        return { n: 'cmp', p: place(path), o: operator, v: value, k: this.#collator(parent, path) }
      }
      case 'in':
      case 'nin':
      case 'all': {
        const { path, values } = filter
        return { n: filter.kind, p: place(path), v: values, k: this.#collator(parent, path) }
      }
      case 'size':
      case 'exists':
      case 'regex':
        return { n: filter.kind, p: place(filter.path), v: filter.value }
      case 'elemMatch': {
        const child = this.node(filter.child, joinPath(parent, filter.path))
        return { n: 'elem', p: filter.path, c: [child] }
      }
    }
  }

  /** The place of the collator of a path. */
  #collator(parent: string | null, path: string): number | undefined {
    const collation = this.#collationOf(joinPath(parent, path))
    if (collation === null) return undefined
    const collator = collatorOf(collation)
    const place = this.collators.indexOf(collator)
    return place === -1 ? this.collators.push(collator) - 1 : place
  }
}

/** A test of an element itself has no path. */
function place(path: string): string | undefined {
  return path === SELF_PATH ? undefined : path
}

function joinPath(parent: string | null, path: string): string {
  if (parent === null) return path
  return path === SELF_PATH ? parent : `${parent}.${path}`
}
