/** Start of an explicit transaction, and its end without a commit. */
import { RespError } from '../../error.js'
import { ok } from '../../resp/reply.js'
import { command } from '../../server/command.js'
import type { Session } from '../../server/context.js'
import type { Tx } from '../../store/tx.js'

/** The session's open transaction. @throws RespError TRANSACTION when there is none */
export function openTransaction(session: Session): Tx {
  if (session.transaction !== undefined) return session.transaction
  throw new RespError('TRANSACTION', 'there is no transaction in progress.')
}

export const begin = command({
  name: 'BEGIN',
  group: 'transaction',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Opens a transaction; its read version is taken by the first read.',
  args: [],
  port: 'client',
  flags: ['fast', 'sync'],
  errors: ['TRANSACTION'],
  reply: ok,
  example: ['BEGIN', 'ZSET stock:7 3', 'ZGET stock:7', 'COMMIT', 'BEGIN', 'BEGIN'],
  notes: [
    'It starts no clock: the 5 s that a transaction may take begin with its first read, ' +
      'with GETREADVERSION, or with the commit itself when it only writes.',
    'NAMESPACE ' + 'commands, settings of the session and Redis data commands take no part in it.',
  ],
  run: ({ session, services }) => {
    if (session.transaction !== undefined) {
      throw new RespError('TRANSACTION', 'there is already a transaction in progress.')
    }
    session.transaction = services.store.begin()
  },
})

export const rollback = command({
  name: 'ROLLBACK',
  group: 'transaction',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Ends the open transaction and drops what it wrote.',
  args: [],
  port: 'client',
  flags: ['fast', 'sync'],
  errors: ['TRANSACTION'],
  reply: ok,
  example: ['BEGIN', 'ZSET stock:7 3', 'ROLLBACK', 'ZGET stock:7', 'ROLLBACK'],
  notes: ['The current namespace and the settings of the session stay as they are.'],
  run: ({ session }) => {
    openTransaction(session).cancel()
    session.transaction = undefined
  },
})
