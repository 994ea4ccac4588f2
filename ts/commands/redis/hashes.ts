/** HSET, HGET and HGETALL. */

import { keepValue, type Value } from '../../redis/record.js'
import { binary as binaryReply, integer, mapOf, nullable } from '../../resp/reply.js'
import { binary, bytes, command, key, rest } from '../../server/command.js'
import { requireRedis } from './shared.js'

export const hset = command({
  name: 'HSET',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Sets fields of a hash. Returns how many are new.',
  args: [
    key(binary('key')),
    rest(bytes('pairs'), { min: 2, step: 2, syntax: 'field value [field value …]' }),
  ],
  port: 'client',
  flags: ['redis', 'write', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada city Helsinki', 'HSET user:1 city Oulu'],
  notes: [
    'The data is in memory when the command answers, and on disk within about a second: ' +
      'a crash before that loses it. It takes no part in BEGIN … COMMIT.',
  ],
  run: (ctx, { key: name, pairs }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    let added = 0
    for (let i = 0; i < pairs.length; i += 2) {
      const field = pairs[i]!.toString('latin1')
      if (shard.setField(ctx.slot, name, field, keepValue(pairs[i + 1]!))) added++
    }
    return added
  },
})

export const hget = command({
  name: 'HGET',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the value of a field of a hash.',
  args: [key(binary('key')), binary('field')],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: nullable(binaryReply),
  example: ['HSET user:1 name Ada', 'HGET user:1 name', 'HGET user:1 city'],
  run: (ctx, { key: name, field }) => {
    const hash = requireRedis(ctx).shardOf(ctx.slot).getHash(ctx.slot, name)
    return hash?.fields.get(field)?.value
  },
})

export const hgetall = command({
  name: 'HGETALL',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Returns all fields of a hash with their values.',
  args: [key(binary('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: mapOf(binaryReply, binaryReply),
  example: ['HSET user:1 name Ada city Helsinki', 'HGETALL user:1'],
  run: (ctx, { key: name }) => {
    const hash = requireRedis(ctx).shardOf(ctx.slot).getHash(ctx.slot, name)
    const fields = new Map<string, Value>()
    for (const [field, item] of hash?.fields ?? []) fields.set(field, item.value)
    return fields
  },
})
