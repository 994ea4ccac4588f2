/** Waiting for a change of a key. */
import { err } from '../../error.js'
import { ok } from '../../resp/reply.js'
import { bytes, command } from '../../server/command.js'
import type { Context } from '../../server/context.js'
import { zmapKey } from '../../store/keyspace.js'
import { type Wait, watchCancelled } from '../../store/watches.js'
import { ZMAP_ERRORS } from './zmap.js'

export const zwatch = command({
  name: 'ZWATCH',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Waits until the committed value of a key differs from what it is now.',
  args: [bytes('key')],
  port: 'client',
  flags: ['readonly', 'blocking'],
  errors: [...ZMAP_ERRORS, 'KEY_TOO_LARGE', 'TOO_MANY_WATCHES'],
  reply: ok,
  example: ['ZSET lamp off', 'ZWATCH lamp', 'ZSET lamp on'],
  notes: [
    'It has no time limit. Requests of this connection that come meanwhile wait.',
    'Several changes make one answer; a change that is taken back may make none. What ' +
      'happens between an answer and the next ZWATCH is not reported: read the key in ' +
      'between.',
    'When the server stops it answers `ERR watch cancelled`.',
  ],
  run: (ctx, { key }) => {
    if (ctx.session.transaction !== undefined) {
      throw err('ZWATCH is not allowed within a transaction')
    }
    return change(ctx, key)
  },
})

async function change({ session, services }: Context, key: Buffer): Promise<void> {
  let wait: Wait | undefined
  let isAlone = false
  const forget = session.onDisconnect(() => {
    isAlone = true
    wait?.leave()
  })
  try {
    const found = services.namespaces.resolve(session.namespace)
    // ORDER: no turn of the loop is lost where none is needed, so that a change that is asked for
    // after this request is a change to this watch.
    const { zmap } = found instanceof Promise ? await found : found
    if (isAlone) throw watchCancelled()
    wait = services.watches.wait(zmapKey(zmap, key))
    await wait.changed
  } finally {
    forget()
  }
}
