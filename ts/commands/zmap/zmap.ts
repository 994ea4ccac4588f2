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

/**
 * Sets a key to what `next` makes of its value. The read always conflicts, whatever SNAPSHOTREAD
 * says: no change may be lost.
 * @throws RespError of `next`; nothing has changed then
 */
export function replaceValue(
  ctx: Context,
  key: Buffer,
  next: (stored: Buffer | undefined) => Buffer,
): MaybePromise<void> {
  const replace = (tx: Tx, prefix: Buffer): MaybePromise<void> => {
    const at = zmapKey(prefix, key)
    return andThen(tx.get(at), stored => tx.set(at, next(stored)))
  }
  return withZmap(ctx, replace, key)
}
