/** FLUSHDB and FLUSHALL. */

import { err } from '../../../error.js'
import { ok } from '../../../resp/reply.js'
import { command, options } from '../../../server/command.js'
import type { Context } from '../../../server/context.js'
import { requireRedis } from '../shared.js'

const MODES: ReadonlySet<string> = new Set(['ASYNC', 'SYNC'])

const NOTES = [
  'In memory the keys are gone at once. The answer comes when they are gone from the volume too, ' +
    'so no crash brings them back, with ASYNC as with SYNC.',
  'ZMaps and buckets, and the keys of other members, are left as they are. Nothing is deleted ' +
    'unless all REDIS shards of this member take writes.',
]

export const flushdb = command({
  name: 'FLUSHDB',
  group: 'server',
  since: '0.1.0',
  complexity: 'O(n) in the number of REDIS shards of this member',
  summary: 'Deletes all keys of the shards of this member.',
  args: [options('mode', '[ASYNC|SYNC]')],
  port: 'client',
  flags: ['redis', 'write'],
  reply: ok,
  example: ['SET greeting hello', 'FLUSHDB', 'GET greeting'],
  notes: NOTES,
  run: (ctx, { mode }) => flush(ctx, mode),
})

export const flushall = command({
  name: 'FLUSHALL',
  group: 'server',
  since: '0.1.0',
  complexity: 'O(n) in the number of REDIS shards of this member',
  summary: 'Deletes all keys of the shards of this member, as FLUSHDB does.',
  args: [options('mode', '[ASYNC|SYNC]')],
  port: 'client',
  flags: ['redis', 'write'],
  reply: ok,
  example: ['SET greeting hello', 'FLUSHALL', 'GET greeting'],
  notes: NOTES,
  run: (ctx, { mode }) => flush(ctx, mode),
})

/** ORDER: memory is empty when this returns; the promise ends once the volume is. */
function flush(ctx: Context, mode: readonly Buffer[]): Promise<void> {
  const [word] = mode
  const isKnown = word === undefined || MODES.has(word.toString('latin1').toUpperCase())
  if (mode.length > 1 || !isKnown) throw err('syntax error')
  return requireRedis(ctx).flush()
}
