/** From the arguments of a command to its cursor, which nobody has read from yet. */

import { err } from '../error.js'
import {
  addon,
  type FilterHandle,
  nativeReason,
  type ProjectionHandle,
  type UpdateHandle,
} from '../native.js'
import type { BucketNamespace } from './buckets.js'
import type { Cursor, CursorKind } from './cursors.js'
import type { Collation } from './language/collation.js'
import { isBson, parseFilter } from './language/parse.js'
import { compileProgram } from './language/program.js'
import type { Sort } from './query-plans.js'

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

/** Options of BUCKET.QUERY and its kin. */
export interface QueryOptions {
  /** 0 = the session's limit. */
  readonly limit: number
  readonly sort: Sort | null
  readonly resultSort: Sort | null
  /** As it was sent. */
  readonly projection: Buffer | null
  readonly collation: Collation | null
}

/** What a command is about; its buffers are borrowed. */
export interface CursorTarget {
  readonly kind: CursorKind
  readonly namespace: BucketNamespace
  readonly bucket: string
  readonly filter: Buffer
  /** Of an UPDATE. */
  readonly update?: Buffer
  readonly options: QueryOptions
  /** Documents of one batch at most. */
  readonly limit: number
  readonly snapshot: boolean
}

/** @throws RespError ERR: what is wrong with filter, update, projection or collation */
export function newCursor(target: CursorTarget): Cursor {
  const { kind, namespace, bucket, options, limit, snapshot } = target
  const filter = parseFilter(target.filter)
  const { collation, sort, resultSort } = options
  const program = compileProgram(filter)
  return {
    ...{ kind, namespace, bucket, resultSort, limit, snapshot },
    source: Buffer.from(target.filter),
    query: { filter, sort, collation },
    program: filter.kind === 'true' ? null : program,
    projection: options.projection && compileProjection(options.projection, program),
    update: target.update === undefined ? null : compileUpdate(target.update, program),
    run: undefined,
  }
}

/** @returns null for one that leaves documents as they are */
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
