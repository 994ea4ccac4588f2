/** HINCRBY and HINCRBYFLOAT. */

import { err } from '../../../error.js'
import { binary as binaryReply, integer } from '../../../resp/reply.js'
import { command, key, redisInteger, span } from '../../../server/command.js'
import { requireRedis } from '../shared.js'
import {
  addDecimals,
  addInteger,
  incrementOf,
  parseDecimal,
  ZERO_TEXT,
} from '../strings/numbers.js'

export const hincrby = command({
  name: 'HINCRBY',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Adds an integer to a field of a hash, from 0 when it is absent. Returns the sum.',
  args: [key(span('key')), span('field'), redisInteger('increment')],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 visits 5', 'HINCRBY user:1 visits 2', 'HINCRBY user:1 visits -10'],
  notes: ['Integers have 64 bits; a sum beyond them is refused.'],
  run: (ctx, { key: name, field, increment }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    const item = shard.findHash(ctx.slot, name)?.fields.find(field) ?? 0
    const by = incrementOf(increment)
    const old = item === 0 ? ZERO_TEXT : shard.borrow(item)
    const sum = addInteger(old, by, 'hash value is not an integer')
    if (item === 0) shard.setField(ctx.slot, name, field, String(sum))
    else shard.replace(item, String(sum))
    return sum
  },
})

export const hincrbyfloat = command({
  name: 'HINCRBYFLOAT',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Adds a decimal to a field of a hash, from 0 when it is absent. Returns the sum.',
  args: [key(span('key')), span('field'), span('increment')],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: binaryReply,
  example: ['HSET user:1 score 10.50', 'HINCRBYFLOAT user:1 score 0.1'],
  notes: ['Decimals are added as such: 0.1 and 0.2 are 0.3. The sum keeps up to 17 decimals.'],
  run: (ctx, { key: name, field, increment }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const by = parseDecimal(increment)
    if (by === undefined) throw err('value is not a valid float')
    if (!by.isFinite()) throw err('value is NaN or Infinity')
    const shard = redis.shardOf(ctx.slot)
    const item = shard.findHash(ctx.slot, name)?.fields.find(field) ?? 0
    const old = parseDecimal(item === 0 ? ZERO_TEXT : shard.borrow(item))
    if (old === undefined) throw err('hash value is not a float')
    const sum = addDecimals(old, by)
    if (item === 0) shard.setField(ctx.slot, name, field, sum)
    else shard.replace(item, sum)
    return sum
  },
})
