/** MULTI, EXEC, DISCARD, WATCH and UNWATCH. */

import { err, RespError } from '../../error.js'
import { holdTime, releaseTime } from '../../redis/clock.js'
import { Watch } from '../../redis/watched-keys.js'
import { ok } from '../../resp/reply.js'
import { binary, command, key, rest } from '../../server/command.js'
import {
  type Context,
  MultiQueue,
  noReplies,
  queueReplies,
  SessionSlot,
} from '../../server/context.js'
import { requireRedis } from './shared.js'

const watches = new SessionSlot<{ watch: Watch | undefined }>(
  () => ({ watch: undefined }),
  ({ watch }) => watch?.drop(),
)

/** Takes the session's watch out; its keys are still to be dropped. */
function takeWatch({ session }: Context): Watch | undefined {
  const state = session.peek(watches)
  const watch = state?.watch
  if (state !== undefined) state.watch = undefined
  return watch
}

/** Ends MULTI. @throws RespError ERR <name> without MULTI */
function takeQueue({ session }: Context, name: string): MultiQueue {
  const queue = session.multi
  if (queue === undefined) throw err(`${name} without MULTI`)
  session.multi = undefined
  return queue
}

export const multi = command({
  name: 'MULTI',
  group: 'transactions',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Begins a queue of Redis commands, which EXEC runs as one.',
  args: [],
  port: 'client',
  flags: ['redis', 'fast', 'sync', 'immediate'],
  reply: ok,
  example: ['MULTI', 'SET visits 1', 'INFO replication', 'ZSET stock:7 3', 'DISCARD'],
  notes: [
    'Commands other than those of Redis are refused in it: BEGIN … COMMIT is their transaction.',
    'The queued requests and watched keys of all sessions may hold as many bytes as ' +
      '`network.query_buffer_limit` says, and count as memory of `redis.maxmemory`. A request ' +
      'beyond that is refused, and EXEC with it.',
  ],
  run: ctx => {
    const { session } = ctx
    if (session.multi !== undefined) throw err('MULTI calls can not be nested')
    session.multi = new MultiQueue(requireRedis(ctx).held, releaseTime)
  },
})

export const exec = command({
  name: 'EXEC',
  group: 'transactions',
  since: '0.1.0',
  complexity: 'O(N) with N the number of queued commands, besides what they do',
  summary: 'Runs the queue of MULTI, and answers all replies.',
  args: [],
  port: 'client',
  flags: ['redis', 'immediate'],
  errors: ['EXECABORT', 'MOVED'],
  reply: queueReplies,
  example: ['MULTI', 'SET visits 1', 'HGET visits day', 'GET visits', 'EXEC'],
  notes: [
    'No other command of this member runs in between, and no key expires. A command that fails ' +
      'changes nothing about the others: its error stands in the array.',
    'Nothing is run, and the reply is null, when a key of WATCH was written, or has expired.',
    'With surplus words it drops the queue and all watched keys, and answers EXECABORT.',
    'Commands of one queue may have keys in different slots. Nothing is run when one of the ' +
      'slots is not served here any more: the reply is that error, such as MOVED.',
  ],
  misused: (ctx, { message }) => {
    ctx.session.multi?.drop()
    ctx.session.multi = undefined
    takeWatch(ctx)?.drop()
    return new RespError('EXECABORT', `Transaction discarded because of: ${message}`)
  },
  run: ctx => {
    const queue = takeQueue(ctx, 'EXEC')
    const watch = takeWatch(ctx)
    try {
      if (queue.isAborted) {
        throw new RespError('EXECABORT', 'Transaction discarded because of previous errors.')
      }
      const redis = requireRedis(ctx)
      queue.admit(redis)
      // Until the queue is dropped: it runs in this turn of the event loop.
      holdTime()
      if (watch?.isChanged(slot => redis.findShard(slot)) !== true) return queue
    } catch (error) {
      queue.drop()
      throw error
    } finally {
      watch?.drop()
    }
    queue.drop()
    return noReplies
  },
})

export const discard = command({
  name: 'DISCARD',
  group: 'transactions',
  since: '0.1.0',
  complexity: 'O(N) with N the number of queued commands and watched keys',
  summary: 'Drops the queue of MULTI, and all watched keys.',
  args: [],
  port: 'client',
  flags: ['redis', 'fast', 'sync', 'immediate'],
  reply: ok,
  example: ['MULTI', 'SET visits 1', 'DISCARD', 'EXEC'],
  run: ctx => {
    takeQueue(ctx, 'DISCARD').drop()
    takeWatch(ctx)?.drop()
  },
})

export const watch = command({
  name: 'WATCH',
  group: 'transactions',
  since: '0.1.0',
  complexity: 'O(N) with N the number of keys',
  summary: 'Makes the next EXEC run nothing when one of the keys changes before it.',
  args: [rest(key(binary('key')))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync', 'immediate'],
  errors: ['CROSSSLOT', 'MOVED'],
  reply: ok,
  example: ['WATCH visits', 'SET visits 2', 'MULTI', 'SET visits 3', 'EXEC'],
  notes: [
    'Any write command that names the key and succeeds counts as a change, that of the same ' +
      'session too, and so does the end of an existing key by its expiry or by FLUSHALL.',
    'EXEC, DISCARD, UNWATCH, SESSION.CLOSE and the end of the connection drop all watched keys.',
  ],
  run: (ctx, { key: names }) => {
    const { session, slot } = ctx
    if (session.multi !== undefined) throw err('WATCH inside MULTI is not allowed')
    const redis = requireRedis(ctx)
    const state = session.state(watches)
    state.watch ??= new Watch(redis.watched, redis.held)
    for (const name of names) state.watch.add(slot, name, redis.shardOf(slot))
  },
})

export const unwatch = command({
  name: 'UNWATCH',
  group: 'transactions',
  since: '0.1.0',
  complexity: 'O(N) with N the number of watched keys',
  summary: 'Drops all watched keys.',
  args: [],
  port: 'client',
  flags: ['redis', 'fast', 'sync'],
  reply: ok,
  example: ['WATCH visits', 'UNWATCH'],
  run: ctx => takeWatch(ctx)?.drop(),
})
