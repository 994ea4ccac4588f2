/**
 * Changes of a value that take a read and a write. In a transaction of its own such a change fails
 * when another one comes between, so those of one key wait for each other inside of a member: a key
 * that many connections add to would refuse most of them otherwise.
 */
import type { Context, Services } from '../../server/context.js'
import { zmapKey } from '../../store/keyspace.js'
import type { Tx } from '../../store/tx.js'
import { andThen, type MaybePromise } from '../../store/types.js'
import { withZmap } from './zmap.js'

/** The end of the last change of each key that is being changed. */
const running = new WeakMap<Services, Map<string, Promise<void>>>()

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
  const replace = (tx: Tx, at: Buffer): MaybePromise<void> =>
    andThen(tx.get(at), stored => tx.set(at, next(stored)))
  const { services, session } = ctx
  if (session.transaction !== undefined) {
    return withZmap(ctx, (tx, prefix) => replace(tx, zmapKey(prefix, key)))
  }
  return andThen(services.namespaces.resolve(session.namespace), ({ zmap }) => {
    const at = zmapKey(zmap, key)
    return inTurn(services, at, () => ctx.oneOff(tx => replace(tx, at)))
  })
}

/** Runs `body` when all that came before it for this key have ended, well or not. */
function inTurn(
  services: Services,
  key: Buffer,
  body: () => MaybePromise<void>,
): MaybePromise<void> {
  const ends = running.get(services) ?? new Map<string, Promise<void>>()
  running.set(services, ends)
  const name = key.toString('latin1')
  const before = ends.get(name)
  const result = before === undefined ? body() : before.then(body)
  if (!(result instanceof Promise)) return result
  const end = result.then(ignore, ignore).then(() => {
    if (ends.get(name) === end) ends.delete(name)
  })
  ends.set(name, end)
  return result
}

function ignore(): void {}
