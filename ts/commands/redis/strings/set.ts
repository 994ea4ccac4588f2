/** SET with all options of Redis 7, and its short forms. */

import { err } from '../../../error.js'
import { nowMs } from '../../../redis/clock.js'
import {
  binary as binaryReply,
  integer,
  nullable,
  ok,
  oneOf,
  type Typed,
  typed,
} from '../../../resp/reply.js'
import {
  type Command,
  command,
  key,
  options,
  redisInteger,
  span,
  value,
} from '../../../server/command.js'
import {
  EX,
  type ExpiryUnit,
  expiryTime,
  PX,
  positiveTime,
  type TypedExpiry,
  typedExpiry,
} from '../keys/expiry-time.js'
import { IN_MEMORY_NOTE, requireRedis } from '../shared.js'

interface SetOptions {
  readonly condition: 'NX' | 'XX' | undefined
  readonly returnsOld: boolean
  readonly keepsExpiry: boolean
  /** Unix time in ms, 0 = never. */
  readonly expiresAtMs: number
}

/** @throws RespError ERR syntax error, ERR value is not an integer or out of range, ERR invalid
 *          expire time in 'set' command */
function parseSetOptions(words: readonly Buffer[]): SetOptions {
  let condition: SetOptions['condition']
  let returnsOld = false
  let keepsExpiry = false
  let expiry: TypedExpiry | undefined
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!.toString('latin1').toUpperCase()
    if ((word === 'NX' || word === 'XX') && condition === undefined) condition = word
    else if (word === 'GET' && !returnsOld) returnsOld = true
    else if (word === 'KEEPTTL' && !keepsExpiry && expiry === undefined) keepsExpiry = true
    else {
      if (expiry !== undefined || keepsExpiry) throw err('syntax error')
      expiry = typedExpiry(word, words[++i])
      if (expiry === undefined) throw err('syntax error')
    }
  }
  // ORDER: the syntax of all options before the value of one, as in Redis.
  const expiresAtMs = expiry === undefined ? 0 : positiveTime(expiry, 'set')
  return { condition, returnsOld, keepsExpiry, expiresAtMs }
}

const oldValue = nullable(binaryReply)
const DONE = typed(ok, undefined)

const set = command({
  name: 'SET',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets the string value of a key, whatever it held before.',
  args: [
    key(span('key')),
    value('value'),
    options(
      'options',
      '[NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-s|PXAT unix-ms|KEEPTTL]',
    ),
  ],
  port: 'client',
  flags: ['redis', 'write', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: oneOf(ok, oldValue),
  example: ['SET greeting hello', 'SET greeting hi NX', 'SET greeting hi XX GET', 'GET greeting'],
  notes: [IN_MEMORY_NOTE],
  run: (ctx, { key: name, value, options: words }): Typed => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    if (words.length === 0) {
      shard.setString(ctx.slot, name, value, 0)
      return DONE
    }
    const { condition, returnsOld, keepsExpiry, expiresAtMs } = parseSetOptions(words)
    const item = returnsOld ? shard.findString(ctx.slot, name) : shard.find(ctx.slot, name)
    const old = returnsOld && item !== 0 ? shard.valueOf(item) : null
    const isRefused = condition !== undefined && (condition === 'NX') === (item !== 0)
    if (isRefused) return typed(oldValue, returnsOld ? old : null)
    if (expiresAtMs !== 0 && expiresAtMs <= nowMs()) shard.delete(ctx.slot, name)
    else {
      const expiry = keepsExpiry && item !== 0 ? shard.expiryOf(item) : expiresAtMs
      shard.setString(ctx.slot, name, value, expiry)
    }
    return returnsOld ? typed(oldValue, old) : DONE
  },
})

const setnx = command({
  name: 'SETNX',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets the string value of a key that does not exist. Returns 1, or 0 when it does.',
  args: [key(span('key')), value('value')],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['OOM', 'MOVED'],
  reply: integer,
  example: ['SETNX greeting hello', 'SETNX greeting hi', 'GET greeting'],
  notes: [IN_MEMORY_NOTE],
  run: (ctx, { key: name, value }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    if (shard.find(ctx.slot, name) !== 0) return 0
    shard.setString(ctx.slot, name, value, 0)
    return 1
  },
})

function setForCommand(name: string, summary: string, unit: ExpiryUnit): Command {
  const lower = name.toLowerCase()
  return command({
    name,
    group: 'string',
    since: '0.1.0',
    complexity: 'O(1)',
    summary,
    args: [key(span('key')), redisInteger('time'), value('value')],
    port: 'client',
    flags: ['redis', 'write', 'sync'],
    errors: ['OOM', 'MOVED'],
    reply: ok,
    example: [`${name} greeting 60000 hello`, 'GET greeting'],
    notes: [IN_MEMORY_NOTE],
    run: (ctx, { key: name, time, value }) => {
      const redis = requireRedis(ctx)
      redis.checkMemory()
      if (time <= 0n) throw err(`invalid expire time in '${lower}' command`)
      const expiresAtMs = expiryTime(time, unit, lower)
      redis.shardOf(ctx.slot).setString(ctx.slot, name, value, expiresAtMs)
    },
  })
}

export const setCommands: readonly Command[] = [
  set,
  setnx,
  setForCommand('SETEX', 'Sets the string value of a key, which expires in so many seconds.', EX),
  setForCommand(
    'PSETEX',
    'Sets the string value of a key, which expires in so many milliseconds.',
    PX,
  ),
]
