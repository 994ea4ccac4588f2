/** Commands that read the fields of a hash. */

import type { Value } from '../../redis/record.js'
import type { HashEntry } from '../../redis/shard.js'
import { array, binary as binaryReply, integer, mapOf, nullable } from '../../resp/reply.js'
import { binary, command, key, rest } from '../../server/command.js'
import type { Context } from '../../server/context.js'
import { requireRedis } from './shared.js'

/** @throws RespError WRONGTYPE */
function hashOf(ctx: Context, name: string): HashEntry | undefined {
  return requireRedis(ctx).shardOf(ctx.slot).getHash(ctx.slot, name)
}

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
  run: (ctx, { key: name, field }) => hashOf(ctx, name)?.fields.get(field)?.value,
})

export const hmget = command({
  name: 'HMGET',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields asked for',
  summary: 'Returns the values of fields of a hash.',
  args: [key(binary('key')), rest(binary('field'))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: array(nullable(binaryReply)),
  example: ['HSET user:1 name Ada city Helsinki', 'HMGET user:1 city mail name'],
  run: (ctx, { key: name, field: fields }) => {
    const hash = hashOf(ctx, name)
    return fields.map(field => hash?.fields.get(field)?.value)
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
    const hash = hashOf(ctx, name)
    const fields: [field: string, value: Value][] = []
    for (const [field, { value }] of hash?.fields ?? []) fields.push([field, value])
    return fields
  },
})

export const hkeys = command({
  name: 'HKEYS',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Returns all fields of a hash.',
  args: [key(binary('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: array(binaryReply),
  example: ['HSET user:1 name Ada city Helsinki', 'HKEYS user:1'],
  run: (ctx, { key: name }) => [...(hashOf(ctx, name)?.fields.keys() ?? [])],
})

export const hvals = command({
  name: 'HVALS',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields',
  summary: 'Returns all values of a hash.',
  args: [key(binary('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: array(binaryReply),
  example: ['HSET user:1 name Ada city Helsinki', 'HVALS user:1'],
  run: (ctx, { key: name }) => {
    const values: Value[] = []
    for (const { value } of hashOf(ctx, name)?.fields.values() ?? []) values.push(value)
    return values
  },
})

export const hlen = command({
  name: 'HLEN',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the number of fields of a hash.',
  args: [key(binary('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada city Helsinki', 'HLEN user:1', 'HLEN nosuch'],
  run: (ctx, { key: name }) => hashOf(ctx, name)?.fields.size ?? 0,
})

export const hexists = command({
  name: 'HEXISTS',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns 1 when a hash has a field, else 0.',
  args: [key(binary('key')), binary('field')],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada', 'HEXISTS user:1 name', 'HEXISTS user:1 city'],
  run: (ctx, { key: name, field }) => (hashOf(ctx, name)?.fields.has(field) ? 1 : 0),
})

export const hstrlen = command({
  name: 'HSTRLEN',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the length of the value of a field of a hash, in bytes; 0 when there is none.',
  args: [key(binary('key')), binary('field')],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: integer,
  example: ['HSET user:1 name Ada', 'HSTRLEN user:1 name', 'HSTRLEN user:1 city'],
  run: (ctx, { key: name, field }) => hashOf(ctx, name)?.fields.get(field)?.value.length ?? 0,
})
