/**
 * Statements: what a command's filter, projection and update compile to. A statement depends on
 * nothing but these arguments, so commands that are alike share one, and a cursor between two
 * batches needs no more than the arguments as they were sent.
 */

import { err } from '../error.js'
import {
  addon,
  type FilterHandle,
  nativeReason,
  type ProjectionHandle,
  type UpdateHandle,
} from '../native.js'
import type { Bucket } from './buckets.js'
import type { Collation } from './language/collation.js'
import type { Filter } from './language/filter.js'
import { isBson, parseFilter } from './language/parse.js'
import { type CollationOf, compileProgram } from './language/program.js'
import type { BoundPlan } from './planner/bind.js'
import type { QueryPlan } from './planner/physical.js'
import type { QueryShape } from './planner/shape.js'

/** Statements that are kept; bytes of all their filters, and of one argument. What is compiled has
 *  up to some two hundred times as many. */
const KEPT_MAX = 4_096
const KEPT_BYTES = 512 * 1024
const KEPT_ARGUMENT_BYTES = 1_024

/** Bytes of a BSON document without elements. */
const EMPTY_BYTES = 5

/** Refusals that concern an argument of the user's. */
const ARGUMENT_CODES: ReadonlySet<string> = new Set([
  'INVALID_JSON',
  'INVALID_BSON',
  'PROJECTION',
  'UPDATE',
  'REGEX_OPTION',
  'REGEX_PATTERN',
  'UNSUPPORTED_TYPE',
  'TOO_DEEP',
  'TOO_LARGE',
])

/** An argument as it was sent, one character a byte: small, and quickly compared. */
export type Source = string

export function sourceOf(argument: Buffer): Source {
  return argument.toString('latin1')
}

export function argumentOf(source: Source): Buffer {
  return Buffer.from(source, 'latin1')
}

/** The arguments of a command that are compiled. */
export interface Sources {
  readonly filter: Source
  readonly projection: Source | null
  /** Of an UPDATE. */
  readonly update: Source | null
}

/** What they compile to. */
export interface Compiled {
  readonly statement: Statement
  /** Null: documents as they are. */
  readonly projection: ProjectionHandle | null
  readonly update: UpdateHandle | null
}

/** @throws RespError ERR: what is wrong with filter, update or projection */
export function compile({ filter, projection, update }: Sources): Compiled {
  const statement = statementOf(filter)
  return {
    statement,
    projection: projection === null ? null : statement.projection(projection),
    update: update === null ? null : statement.update(update),
  }
}

/** A filter with what was last done with it; a memory of one is enough where commands are alike. */
export class Statement {
  readonly filter: Filter
  /** Without collations. */
  readonly program: FilterHandle
  /** Of the last query: for the same field of SORTBY, without the option COLLATION. */
  shape: { readonly sortField: string | null; readonly shape: QueryShape } | undefined
  /** The last plan, with the literals bound to it. */
  bound:
    | { readonly plan: QueryPlan; readonly isDescending: boolean; readonly bound: BoundPlan }
    | undefined
  #collated: Collated | undefined
  #projection: { source: Source; handle: ProjectionHandle | null } | undefined
  #update: { source: Source; handle: UpdateHandle } | undefined

  /** @throws RespError ERR BQL parse error: … */
  constructor(source: Source) {
    this.filter = parseFilter(argumentOf(source))
    this.program = compileProgram(this.filter)
  }

  /** The filter with the collations of a query on a bucket. */
  collated(bucket: Bucket, option: Collation | null, collationOf: CollationOf): FilterHandle {
    const { indexes } = bucket
    if (this.#collated?.indexes !== indexes || this.#collated.option !== option) {
      const program = compileProgram(this.filter, collationOf)
      this.#collated = { indexes, option, program }
    }
    return this.#collated.program
  }

  /** @returns null for one that leaves documents as they are
   *  @throws RespError ERR: what is wrong with it */
  projection(source: Source): ProjectionHandle | null {
    if (this.#projection?.source === source) return this.#projection.handle
    const handle = compileProjection(argumentOf(source), this.program)
    if (source.length <= KEPT_ARGUMENT_BYTES) this.#projection = { source, handle }
    return handle
  }

  /** @throws RespError ERR: what is wrong with it */
  update(source: Source): UpdateHandle {
    if (this.#update?.source === source) return this.#update.handle
    const handle = compileUpdate(argumentOf(source), this.program)
    if (source.length <= KEPT_ARGUMENT_BYTES) this.#update = { source, handle }
    return handle
  }
}

interface Collated {
  /** Those of the bucket's record, whose collation never changes. */
  readonly indexes: Bucket['indexes']
  readonly option: Collation | null
  readonly program: FilterHandle
}

/** The statement used last is at the end. */
const kept = new Map<Source, Statement>()
let keptBytes = 0

/** The statement of a filter. @throws RespError ERR BQL parse error: … */
function statementOf(source: Source): Statement {
  const known = kept.get(source)
  if (known !== undefined) {
    kept.delete(source)
    kept.set(source, known)
    return known
  }
  const statement = new Statement(source)
  if (source.length <= KEPT_ARGUMENT_BYTES) keep(source, statement)
  return statement
}

function keep(source: Source, statement: Statement): void {
  kept.set(source, statement)
  keptBytes += source.length
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_MAX && keptBytes <= KEPT_BYTES) return
    kept.delete(oldest)
    keptBytes -= oldest.length
  }
}

function compileProjection(argument: Buffer, filter: FilterHandle): ProjectionHandle | null {
  return refusing(() => {
    const specification = bsonOf(argument)
    if (specification.length === EMPTY_BYTES) return null
    return new addon.ProjectionHandle(specification, filter)
  })
}

function compileUpdate(argument: Buffer, filter: FilterHandle): UpdateHandle {
  if (argument.length === 0) throw err('update parameter cannot be empty')
  return refusing(() => new addon.UpdateHandle(bsonOf(argument), filter))
}

function bsonOf(argument: Buffer): Buffer {
  if (!isBson(argument)) return addon.jsonToBson(argument)
  addon.validateBson(argument)
  return argument
}

function refusing<T>(body: () => T): T {
  try {
    return body()
  } catch (cause) {
    const reason = nativeReason(cause)
    if (reason === undefined || !ARGUMENT_CODES.has(reason.code)) throw cause
    throw err(reason.message, { cause })
  }
}
