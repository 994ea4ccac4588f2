/** GET and DEL. */

import { binary as binaryReply, integer, nullable } from '../../resp/reply.js'
import { binary, command, key, rest } from '../../server/command.js'
import { requireRedis } from './shared.js'

export const get = command({
  name: 'GET',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the string value of a key.',
  args: [key(binary('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: nullable(binaryReply),
  example: ['SET greeting hello', 'GET greeting', 'GET nosuch'],
  run: (ctx, { key: name }) =>
    requireRedis(ctx).shardOf(ctx.slot).getString(ctx.slot, name)?.item.value,
})

export const del = command({
  name: 'DEL',
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(n) in the number of keys',
  summary: 'Deletes keys of any type. Returns how many there were.',
  args: [rest(key(binary('key')))],
  port: 'client',
  flags: ['redis', 'write', 'sync'],
  errors: ['CROSSSLOT', 'MOVED'],
  reply: integer,
  example: ['SET greeting hello', 'DEL greeting', 'DEL greeting'],
  notes: ['All keys must be in one slot: `{user:1}:name` and `{user:1}:mail` are.'],
  run: (ctx, { key: names }) => {
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    let deleted = 0
    for (const name of names) {
      if (shard.delete(ctx.slot, name)) deleted++
    }
    return deleted
  },
})
