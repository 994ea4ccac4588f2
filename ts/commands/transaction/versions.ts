/** Versions and sizes of transactions, and the session's way of reading. */
import { err } from '../../error.js'
import { integer, ok } from '../../resp/reply.js'
import { command, keyword } from '../../server/command.js'
import { openTransaction } from './begin.js'

export const getReadVersion = command({
  name: 'GETREADVERSION',
  group: 'transaction',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers the version that the open transaction reads, taken now if it was not yet.',
  args: [],
  port: 'client',
  flags: ['readonly', 'fast'],
  errors: ['TRANSACTION'],
  reply: integer,
  example: ['BEGIN', 'GETREADVERSION', 'ROLLBACK', 'GETREADVERSION'],
  notes: [
    'The 5 s of the transaction begin now, unless they did before. Later calls in the ' +
      'same transaction answer the same number.',
  ],
  run: ({ session }) => openTransaction(session).readVersion(),
})

export const getApproximateSize = command({
  name: 'GETAPPROXIMATESIZE',
  group: 'transaction',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers the bytes of writes and conflict ranges of the open transaction so far.',
  args: [],
  port: 'client',
  flags: ['readonly', 'fast'],
  errors: ['TRANSACTION'],
  reply: integer,
  example: ['BEGIN', 'GETAPPROXIMATESIZE', 'ROLLBACK', 'GETAPPROXIMATESIZE'],
  run: ({ session }) => openTransaction(session).approximateSize(),
})

export const snapshotRead = command({
  name: 'SNAPSHOTREAD',
  group: 'transaction',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Says whether reads of this session leave no conflict ranges behind.',
  args: [
    keyword('state', ['ON', 'OFF'], typed => err(`illegal argument for SNAPSHOTREAD: '${typed}'`)),
  ],
  port: 'client',
  flags: ['fast', 'sync'],
  reply: ok,
  example: ['SNAPSHOTREAD ON', 'SNAPSHOTREAD maybe'],
  notes: [
    'Holds for the session, in and outside of transactions, until it is switched off or ' +
      'the session is closed. Reads see what their own transaction wrote in any case.',
    'Commands that read in order to write do not heed it: BUCKET.INSERT and BUCKET.DELETE.',
  ],
  run: ({ session }, { state }) => {
    session.snapshotRead = state === 'ON'
  },
})

export const tick = command({
  name: 'TICK',
  group: 'transaction',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers a read version of the database: a fresh one, or one of up to a second ago.',
  args: [
    keyword('mode', ['FRESH', 'CACHED'], typed => err(`illegal argument for TICK: '${typed}'`)),
  ],
  port: 'client',
  flags: ['readonly', 'fast'],
  reply: integer,
  example: ['TICK FRESH', 'TICK CACHED'],
  notes: [
    '`FRESH` asks the database and never answers less than before, in the whole cluster. ' +
      '`CACHED` may be a second old; it never goes back within one member.',
  ],
  run: ({ services: { store } }, { mode }) =>
    mode === 'FRESH' ? store.readVersion() : store.recentReadVersion(),
})
