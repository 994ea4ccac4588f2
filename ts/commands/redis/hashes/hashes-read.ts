/** Commands that read the fields of a hash. */

import type { ShardData } from '../../../redis/shard.js'
import { array, binary as binaryReply, integer, mapOf, nullable } from '../../../resp/reply.js'
import type { Span } from '../../../resp/span.js'
import { command, key, rest, span } from '../../../server/command.js'
import type { Context } from '../../../server/context.js'
import { requireRedis } from '../shared.js'

/** Items of the fields of a hash, none when it is absent. @throws RespError WRONGTYPE */
function fieldsOf(ctx: Context, name: Span): Iterable<number> {
  return shardOf(ctx).findHash(ctx.slot, name)?.fields ?? []
}

/** The item of a field of a hash; 0 when there is none. @throws RespError WRONGTYPE */
function fieldOf(ctx: Context, name: Span, field: Span): number {
  return shardOf(ctx).findHash(ctx.slot, name)?.fields.find(field) ?? 0
}

function shardOf(ctx: Context): ShardData {
  return requireRedis(ctx).shardOf(ctx.slot)
}

export const hget = command({
  name: 'HGET',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the value of a field of a hash.',
  args: [key(span('key')), span('field')],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: nullable(binaryReply),
  example: ['HSET user:1 name Ada', 'HGET user:1 name', 'HGET user:1 city'],
  run: (ctx, { key: name, field }) => {
    const item = fieldOf(ctx, name, field)
    return item === 0 ? undefined : shardOf(ctx).borrow(item)
  },
})

export const hmget = command({
  name: 'HMGET',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields asked for',
  summary: 'Returns the values of fields of a hash.',
  args: [key(span('key')), rest(span('field'))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: array(nullable(binaryReply)),
  example: ['HSET user:1 name Ada city Helsinki', 'HMGET user:1 city mail name'],
  run: (ctx, { key: name, field: fields }) => {
    const shard = shardOf(ctx)
    const hash = shard.findHash(ctx.slot, name)
    return fields.map(field => {
      const item = hash?.fields.find(field) ?? 0
      return item === 0 ? undefined : shard.borrow(item)
    })
  },
})

export const hgetall = command({
  name: 'HGETALL',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Returns all fields of a hash with their values.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: mapOf(binaryReply, binaryReply),
  example: ['HSET user:1 name Ada city Helsinki', 'HGETALL user:1'],
  run: (ctx, { key: name }) => {
    const shard = shardOf(ctx)
    return Array.from(fieldsOf(ctx, name), item => {
      return [shard.nameOf(item), shard.borrow(item)] as const
    })
  },
})

export const hkeys = command({
  name: 'HKEYS',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Returns all fields of a hash.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: array(binaryReply),
  example: ['HSET user:1 name Ada city Helsinki', 'HKEYS user:1'],
  run: (ctx, { key: name }) => {
    const shard = shardOf(ctx)
    return Array.from(fieldsOf(ctx, name), item => shard.nameOf(item))
  },
})

export const hvals = command({
  name: 'HVALS',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Returns all values of a hash.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: array(binaryReply),
  example: ['HSET user:1 name Ada city Helsinki', 'HVALS user:1'],
  run: (ctx, { key: name }) => {
    const shard = shardOf(ctx)
    return Array.from(fieldsOf(ctx, name), item => shard.borrow(item))
  },
})

export const hlen = command({
  name: 'HLEN',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the number of fields of a hash.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada city Helsinki', 'HLEN user:1', 'HLEN nosuch'],
  run: (ctx, { key: name }) => shardOf(ctx).findHash(ctx.slot, name)?.fields.size ?? 0,
})

export const hexists = command({
  name: 'HEXISTS',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns 1 when a hash has a field, else 0.',
  args: [key(span('key')), span('field')],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada', 'HEXISTS user:1 name', 'HEXISTS user:1 city'],
  run: (ctx, { key: name, field }) => (fieldOf(ctx, name, field) === 0 ? 0 : 1),
})

export const hstrlen = command({
  name: 'HSTRLEN',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the length of the value of a field of a hash, in bytes; 0 when there is none.',
  args: [key(span('key')), span('field')],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada', 'HSTRLEN user:1 name', 'HSTRLEN user:1 city'],
  run: (ctx, { key: name, field }) => {
    const item = fieldOf(ctx, name, field)
    return item === 0 ? 0 : shardOf(ctx).lengthOf(item)
  },
})
