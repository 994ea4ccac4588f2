/** Reading strings, and replacing them. */

import { err } from '../../../error.js'
import { nowMs } from '../../../redis/clock.js'
import type { Value } from '../../../redis/persistence/record.js'
import type { ShardData } from '../../../redis/shard.js'
import { array, binary as binaryReply, integer, nullable, ok } from '../../../resp/reply.js'
import type { Rope } from '../../../resp/rope.js'
import type { Span } from '../../../resp/span.js'
import { type Command, command, key, options, rest, span, value } from '../../../server/command.js'
import type { Context } from '../../../server/context.js'
import { positiveTime, type TypedExpiry, typedExpiry } from '../keys/expiry-time.js'
import { asSpan, IN_MEMORY_NOTE, requireRedis } from '../shared.js'

const get = command({
  name: 'GET',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the string value of a key.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: nullable(binaryReply),
  example: ['SET greeting hello', 'GET greeting', 'GET nosuch'],
  run: (ctx, { key: name }) => {
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    const item = shard.findString(ctx.slot, name)
    return item === 0 ? undefined : shard.borrow(item)
  },
})

/** A string of its own. @throws RespError WRONGTYPE */
function readString(shard: ShardData, slot: number, name: Span): Value | undefined {
  const item = shard.findString(slot, name)
  return item === 0 ? undefined : shard.valueOf(item)
}

const getset = command({
  name: 'GETSET',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets the string value of a key, which never expires then. Returns the old one.',
  args: [key(span('key')), value('value')],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: nullable(binaryReply),
  example: ['GETSET greeting hello', 'GETSET greeting hi'],
  notes: [IN_MEMORY_NOTE],
  run: (ctx, { key: name, value }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    const old = readString(shard, ctx.slot, name)
    shard.setString(ctx.slot, name, value, 0)
    return old
  },
})

const getdel = command({
  name: 'GETDEL',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Deletes a key that holds a string. Returns the string.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: nullable(binaryReply),
  example: ['SET greeting hello', 'GETDEL greeting', 'GETDEL greeting'],
  run: (ctx, { key: name }) => {
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    const old = readString(shard, ctx.slot, name)
    if (old !== undefined) shard.delete(ctx.slot, name)
    return old
  },
})

/** What GETEX is to do: nothing, end the expiry, or set it to a time that is yet to be read.
 *  @throws RespError ERR syntax error */
function parseGetexOptions(words: readonly Buffer[]): TypedExpiry | 'PERSIST' | undefined {
  if (words.length === 0) return undefined
  const upper = (at: number) => words[at]!.toString('latin1').toUpperCase()
  const word = upper(0)
  const width = word === 'PERSIST' ? 1 : 2
  // As in Redis, the option may come again: the last one counts.
  for (let at = width; at < words.length; at += width) {
    if (upper(at) !== word) throw err('syntax error')
  }
  if (word === 'PERSIST') return word
  const expiry = typedExpiry(word, words.length % width === 0 ? words.at(-1) : undefined)
  if (expiry === undefined) throw err('syntax error')
  return expiry
}

const getex = command({
  name: 'GETEX',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the string value of a key, and changes when it expires.',
  args: [
    key(span('key')),
    options('options', '[EX seconds|PX milliseconds|EXAT unix-s|PXAT unix-ms|PERSIST]'),
  ],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: nullable(binaryReply),
  example: ['SET greeting hello', 'GETEX greeting EX 60', 'TTL greeting', 'GETEX greeting PERSIST'],
  notes: ['A Unix time that has passed deletes the key. Without an option it is GET.'],
  run: (ctx, { key: name, options: words }) => {
    const change = parseGetexOptions(words)
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    const value = readString(shard, ctx.slot, name)
    // ORDER: the time is looked at only when there is a string, as in Redis.
    if (value === undefined || change === undefined) return value
    const expiresAtMs = change === 'PERSIST' ? 0 : positiveTime(change, 'getex')
    if (expiresAtMs !== 0 && expiresAtMs <= nowMs()) shard.delete(ctx.slot, name)
    else shard.expire(ctx.slot, name, expiresAtMs)
    return value
  },
})

const ONE_SLOT = 'All keys must be in one slot; then it is one step to all others.'

const mget = command({
  name: 'MGET',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(N) in the number of keys',
  summary: 'Returns the string values of keys, null for each that holds no string.',
  args: [rest(key(span('key')))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['CROSSSLOT', 'MOVED'],
  reply: array(nullable(binaryReply)),
  example: ['MSET {1}:a hello {1}:b hi', 'MGET {1}:a {1}:b {1}:c'],
  notes: [ONE_SLOT],
  run: (ctx, { key: names }) => {
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    return names.map(name => {
      // A key that is named twice may expire in between, and the first answer is borrowed.
      const item = shard.peek(ctx.slot, name)
      return item !== 0 && shard.typeOf(item) === 'string' ? shard.borrow(item) : undefined
    })
  },
})

/** Sets keys to values. */
function setAll(ctx: Context, pairs: readonly (Span | Rope)[]): void {
  const shard = requireRedis(ctx).shardOf(ctx.slot)
  for (let i = 0; i < pairs.length; i += 2) {
    shard.setString(ctx.slot, asSpan(pairs[i]!), pairs[i + 1]!, 0)
  }
}

const PAIRS = { min: 2, step: 2, syntax: 'key value [key value …]' }

const mset = command({
  name: 'MSET',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(N) in the number of keys',
  summary: 'Sets the string values of keys, whatever they held before.',
  args: [rest(key(value('pairs')), PAIRS)],
  port: 'client',
  flags: ['redis', 'write', 'sync'],
  errors: ['OOM', 'CROSSSLOT', 'MOVED'],
  reply: ok,
  example: ['MSET {1}:a hello {1}:b hi', 'MGET {1}:a {1}:b'],
  notes: [ONE_SLOT, IN_MEMORY_NOTE],
  run: (ctx, { pairs }) => {
    requireRedis(ctx).checkMemory()
    setAll(ctx, pairs)
  },
})

const msetnx = command({
  name: 'MSETNX',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(N) in the number of keys',
  summary: 'Sets the string values of keys, or of none when one of them exists. Returns 1 or 0.',
  args: [rest(key(value('pairs')), PAIRS)],
  port: 'client',
  flags: ['redis', 'write', 'sync'],
  errors: ['OOM', 'CROSSSLOT', 'MOVED'],
  reply: integer,
  example: ['MSETNX {1}:a hello {1}:b hi', 'MSETNX {1}:b hi {1}:c hey', 'MGET {1}:a {1}:b {1}:c'],
  notes: [ONE_SLOT, IN_MEMORY_NOTE],
  run: (ctx, { pairs }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    for (let i = 0; i < pairs.length; i += 2) {
      if (shard.find(ctx.slot, asSpan(pairs[i]!)) !== 0) return 0
    }
    setAll(ctx, pairs)
    return 1
  },
})

export const stringCommands: readonly Command[] = [get, getset, getdel, getex, mget, mset, msetnx]
