/** What all ZMap commands share: they work on the map of the session's current namespace. */
import type { Context } from '../../server/context.js'
import { zmapKey } from '../../store/keyspace.js'
import type { Tx } from '../../store/tx.js'
import { andThen, type MaybePromise } from '../../store/types.js'

/** Errors that every ZMap command may answer, besides those of the database. */
export const ZMAP_ERRORS = ['NOSUCHNAMESPACE', 'NAMESPACEBEINGREMOVED'] as const

/** As `ZMAP_ERRORS`, for a command that writes. */
export const ZMAP_WRITE_ERRORS = [
  ...ZMAP_ERRORS,
  'KEY_TOO_LARGE',
  'VALUE_TOO_LARGE',
  'TRANSACTION_TOO_LARGE',
] as const

/**
 * Runs `body` in the session's transaction, or one of its own, with the key prefix of the map.
 * @param updates the key of the map that the body reads and then writes, if it does
 * @throws RespError NOSUCHNAMESPACE, NAMESPACEBEINGREMOVED
 */
export function withZmap<T>(
  ctx: Context,
  body: (tx: Tx, prefix: Buffer) => MaybePromise<T>,
  updates?: Buffer,
): MaybePromise<T> {
  const namespace = ctx.services.namespaces.resolve(ctx.session.namespace)
  const isWrite = ctx.session.command?.isWrite
  return andThen(namespace, found => {
    const options = updates && { turnAt: zmapKey(found.zmap, updates) }
    return ctx.tx(tx => {
      if (isWrite) tx.guardCommit(found)
      return body(tx, found.zmap)
    }, options)
  })
}
