/** Commands that write the fields of a hash. */

import type { Redis } from '../../../redis/redis.js'
import type { ShardData } from '../../../redis/shard.js'
import { integer, ok } from '../../../resp/reply.js'
import type { Rope } from '../../../resp/rope.js'
import type { Span } from '../../../resp/span.js'
import { command, key, rest, span, value } from '../../../server/command.js'
import type { Context } from '../../../server/context.js'
import { asSpan, IN_MEMORY_NOTE, requireRedis } from '../shared.js'

const PAIRS = rest(value('pairs'), { min: 2, step: 2, syntax: 'field value [field value …]' })

export const hset = command({
  name: 'HSET',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Sets fields of a hash. Returns how many are new.',
  args: [key(span('key')), PAIRS],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada city Helsinki', 'HSET user:1 city Oulu'],
  notes: [IN_MEMORY_NOTE],
  run: (ctx, { key: name, pairs }) => setFields(ctx, name, pairs),
})

export const hmset = command({
  name: 'HMSET',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Sets fields of a hash.',
  args: [key(span('key')), PAIRS],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: ok,
  example: ['HMSET user:1 name Ada city Helsinki', 'HGETALL user:1'],
  notes: ['HSET does the same, and says how many fields are new.', IN_MEMORY_NOTE],
  run: (ctx, { key: name, pairs }) => setFields(ctx, name, pairs),
})

/** @returns the number of new fields */
function setFields(ctx: Context, name: Span, pairs: readonly (Span | Rope)[]): number {
  const shard = growing(ctx)
  let added = 0
  for (let i = 0; i < pairs.length; i += 2) {
    if (shard.setField(ctx.slot, name, asSpan(pairs[i]!), pairs[i + 1]!)) added++
  }
  return added
}

export const hsetnx = command({
  name: 'HSETNX',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets a field of a hash, unless it is there. Returns 1 or 0.',
  args: [key(span('key')), span('field'), value('value')],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: integer,
  example: ['HSETNX user:1 name Ada', 'HSETNX user:1 name Eve', 'HGET user:1 name'],
  notes: [IN_MEMORY_NOTE],
  run: (ctx, { key: name, field, value }) => {
    const shard = growing(ctx)
    if (shard.findHash(ctx.slot, name)?.fields.find(field)) return 0
    shard.setField(ctx.slot, name, field, value)
    return 1
  },
})

export const hdel = command({
  name: 'HDEL',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Deletes fields of a hash. Returns how many there were.',
  args: [key(span('key')), rest(span('field'))],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada city Helsinki', 'HDEL user:1 city mail', 'HDEL user:1 name'],
  notes: ['A hash goes with its last field.'],
  run: (ctx, { key: name, field: fields }) => {
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    // Before the fields are looked at, so that a string is refused.
    if (shard.findHash(ctx.slot, name) === undefined) return 0
    let deleted = 0
    for (const field of fields) if (shard.deleteField(ctx.slot, name, field)) deleted++
    return deleted
  },
})

/** The shard of a request that may make it larger. @throws RespError OOM */
function growing(ctx: Context): ShardData {
  const redis: Redis = requireRedis(ctx)
  redis.checkMemory()
  return redis.shardOf(ctx.slot)
}
