/** KEYS, RANDOMKEY and DBSIZE. */

import { array, binary as binaryReply, integer, nullable } from '../../../resp/reply.js'
import { bytes, command } from '../../../server/command.js'
import { requireRedis } from '../shared.js'
import { matcherOf } from './scan.js'

export const keys = command({
  name: 'KEYS',
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(n) in the number of keys',
  summary: 'Returns all keys of the shards of this member that match a pattern.',
  args: [bytes('pattern')],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  reply: array(binaryReply),
  example: ['SET greeting hello', 'KEYS g*', 'KEYS nosuch*'],
  notes: [
    '`*` is any text, `?` any byte, `[abc]`, `[a-z]` and `[^a]` one of some, `\\x` the byte x.',
    'Everybody else waits while it looks at all keys: SCAN does the same in pieces.',
  ],
  run: (ctx, { pattern }) => {
    const redis = requireRedis(ctx)
    const matches = matcherOf(pattern)
    const found: string[] = []
    redis.visitKeys((shard, item) => {
      if (!shard.isUnexpired(item)) return
      const name = shard.nameOf(item).latin1()
      if (matches === undefined || matches(name)) found.push(name)
    })
    return found
  },
})

export const randomkey = command({
  name: 'RANDOMKEY',
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns a key of the shards of this member, drawn at random.',
  args: [],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  reply: nullable(binaryReply),
  example: ['RANDOMKEY', 'SET greeting hello', 'RANDOMKEY'],
  run: ctx => requireRedis(ctx).randomKey(),
})

export const dbsize = command({
  name: 'DBSIZE',
  group: 'server',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the number of keys in the shards of this member.',
  args: [],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  reply: integer,
  example: ['SET greeting hello', 'DBSIZE'],
  notes: ['Where more than 1,000 keys have an expiry, some that have just expired may count.'],
  run: ctx => requireRedis(ctx).countKeys(),
})
