/**
 * The one error class that reaches clients. A handler throws it; only `server/gates.ts` turns a
 * throw into a reply. Anything else that is thrown is a bug: logged with an id, and the client
 * sees `ERR internal error <id>`.
 */

/** First word of an error reply, with what it means. */
export const ERROR_PREFIXES = {
  ERR: 'generic failure; the text says what',
  NOAUTH: 'the connection must authenticate first',
  WRONGPASS: 'user name or password is wrong',
  NOPROTO: 'the requested protocol version is not offered',
  TRANSACTION: 'no transaction is open, or one is open already',
  NAMESPACEALREADYEXISTS: 'a namespace of that path exists',
  NOSUCHNAMESPACE: 'no namespace of that path exists',
  NAMESPACEBEINGREMOVED: 'the namespace, or one above it, is logically removed',
  BARRIERNOTSATISFIED: 'some alive member has not seen a change yet; repeat later',
  NOSUCHBUCKET: 'no bucket of that name exists in the current namespace',
  BUCKETALREADYEXISTS: 'a bucket of that name exists',
  BUCKETBEINGREMOVED: 'the bucket is logically removed',
  NOSUCHINDEX: 'the bucket has no index of that name',
  INDEXTYPE_MISMATCH: 'a value has another type than its index',
  VECTORINDEXNOTREADY: 'the vector index is still being built',
  DUPLICATEKEY: 'a document with that `_id` or unique value exists',
  WRONGTYPE: 'the key holds a value of another type',
  EXECABORT: 'a queued command was refused, so the queue is discarded',
  MOVED: 'another member is primary of the slot',
  CROSSSLOT: 'the keys of one command are in different slots',
  REJECT: 'another member is primary of the shard: shard id and its client address follow',
  OUTOFBOUND: 'a position lies beyond the end of a segment',
  VOLUMEFAILED: 'a volume refused writes after a failed write or flush',
  CORRUPTED: 'the stored bytes of a document do not match their checksum',
  OOM: 'the memory bound is reached',
} as const

/** Causes of causes that are looked at: a ring of them has no end. */
const CAUSES_MAX = 16

/** Prefixes of this table, or a database error's name in upper snake case (`NOT_COMMITTED`). */
export type ErrorPrefix = keyof typeof ERROR_PREFIXES | (string & {})

export class RespError extends Error {
  readonly prefix: ErrorPrefix
  /** What failed may have been applied all the same: it must not be done again unasked. */
  readonly mayBeApplied: boolean = false

  /** @param message one line, without the prefix; CR and LF are replaced when it is sent */
  constructor(prefix: ErrorPrefix, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'RespError'
    this.prefix = prefix
  }
}

/** The common case: prefix `ERR`. */
export function err(message: string, options?: { cause?: unknown }): RespError {
  return new RespError('ERR', message, options)
}

/** The refusal of whatever would need more memory than allowed. */
export function outOfMemory(): RespError {
  return new RespError('OOM', "command not allowed when used memory > 'maxmemory'.")
}

/** The error that a client is told of: what was thrown if it is meant for clients, else the
 *  innermost cause that is, which failed first; undefined when there is none, which is a bug. */
export function clientError(thrown: unknown): RespError | undefined {
  if (thrown instanceof RespError) return thrown
  let found: RespError | undefined
  let { cause } = thrown instanceof Error ? thrown : {}
  for (let depth = 0; cause instanceof Error && depth < CAUSES_MAX; depth++) {
    if (cause instanceof RespError) found = cause
    cause = cause.cause
  }
  return found
}
