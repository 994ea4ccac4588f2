/** End of an explicit transaction by a commit, and what the reply can carry. */
import { err } from '../../error.js'
import { bulk, integer, ok, oneOf, typed } from '../../resp/reply.js'
import { command, optional, text } from '../../server/command.js'
import { openTransaction } from './begin.js'

type Returning = 'nothing' | 'committed-version' | 'versionstamp'

const DONE = typed(ok, 'OK')

/** @throws RespError ERR for anything but nothing, or RETURNING and one known word */
function parseReturning(keyword: string | undefined, what: string | undefined): Returning {
  if (keyword === undefined) return 'nothing'
  if (keyword.toUpperCase() !== 'RETURNING') throw err(`unknown subcommand: '${keyword}'`)
  if (what === undefined) throw err(`No arguments given for ${keyword}`)
  const word = what.toLowerCase()
  if (word === 'committed-version' || word === 'versionstamp') return word
  throw err(`Illegal argument: ${what}`)
}

export const commit = command({
  name: 'COMMIT',
  group: 'transaction',
  since: '0.1.0',
  complexity: 'O(N) where N is the number of keys written',
  summary: 'Commits the open transaction, which is over then, whether that succeeds or not.',
  args: [
    optional({ ...text('keyword'), syntax: 'RETURNING' }),
    optional({ ...text('what'), syntax: 'committed-version|versionstamp' }),
  ],
  port: 'client',
  errors: [
    'TRANSACTION',
    'NOT_COMMITTED',
    'COMMIT_UNKNOWN_RESULT',
    'TRANSACTIONOLD',
    'TRANSACTION_TOO_LARGE',
    'KEY_TOO_LARGE',
    'VALUE_TOO_LARGE',
    'NO_COMMIT_VERSION',
    'NOSUCHNAMESPACE',
    'NAMESPACEBEINGREMOVED',
  ],
  reply: oneOf(ok, integer, bulk),
  example: [
    'BEGIN',
    'ZSET stock:7 3',
    'COMMIT',
    'BEGIN',
    'ZGET stock:7',
    'COMMIT RETURNING committed-version',
    'COMMIT',
  ],
  notes: [
    'A failed commit ends the transaction as well. Nothing of it was done, except after ' +
      'COMMIT_UNKNOWN_RESULT, which leaves that open. The server never repeats it.',
    'A ' + 'mistake in the arguments leaves the transaction open.',
    '`committed-version` is -1 ' +
      'for a transaction that changed nothing. `versionstamp` is 10 bytes that ascend from ' +
      'commit to commit; where nothing was changed it is refused, and the transaction is ' +
      'over.',
  ],
  run: async ({ session }, { keyword, what }) => {
    // ORDER: a mistake in the arguments leaves the transaction open.
    const returning = parseReturning(keyword, what)
    const tx = openTransaction(session)
    session.transaction = undefined
    const committed = await tx.commit()
    if (returning === 'committed-version') return typed(integer, committed.version)
    if (returning === 'versionstamp') return typed(bulk, await committed.versionstamp())
    return DONE
  },
})
