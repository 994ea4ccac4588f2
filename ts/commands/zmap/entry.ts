/** Single entries of the ZMap. */
import { bulk, nullable, ok } from '../../resp/reply.js'
import { bytes, command } from '../../server/command.js'
import { zmapKey } from '../../store/keyspace.js'
import { withZmap, ZMAP_ERRORS } from './zmap.js'

export const zset = command({
  name: 'ZSET',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets a key of the current namespace.',
  args: [bytes('key'), bytes('value')],
  port: 'client',
  flags: ['write', 'fast', 'blind'],
  errors: [...ZMAP_ERRORS, 'KEY_TOO_LARGE', 'VALUE_TOO_LARGE', 'TRANSACTION_TOO_LARGE'],
  reply: ok,
  example: ['ZSET stock:7 3', 'ZGET stock:7'],
  run: (ctx, { key, value }) => withZmap(ctx, (tx, prefix) => tx.set(zmapKey(prefix, key), value)),
})

export const zget = command({
  name: 'ZGET',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers the value of a key of the current namespace, or null.',
  args: [bytes('key')],
  port: 'client',
  flags: ['readonly', 'fast'],
  errors: ZMAP_ERRORS,
  reply: nullable(bulk),
  run: (ctx, { key }) =>
    withZmap(ctx, (tx, prefix) => tx.get(zmapKey(prefix, key), ctx.session.snapshotRead)),
})

export const zdel = command({
  name: 'ZDEL',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Deletes a key of the current namespace; one that is absent is no error.',
  args: [bytes('key')],
  port: 'client',
  flags: ['write', 'fast', 'blind'],
  errors: ZMAP_ERRORS,
  reply: ok,
  run: (ctx, { key }) => withZmap(ctx, (tx, prefix) => tx.clear(zmapKey(prefix, key))),
})
