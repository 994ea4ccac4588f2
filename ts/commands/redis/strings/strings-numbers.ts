/** Strings that are numbers. */

import { err } from '../../../error.js'
import { binary as binaryReply, integer } from '../../../resp/reply.js'
import type { Span } from '../../../resp/span.js'
import { type Command, command, key, redisInteger, span } from '../../../server/command.js'
import type { Context } from '../../../server/context.js'
import { IN_MEMORY_NOTE, requireRedis } from '../shared.js'
import {
  addDecimals,
  addInteger,
  type Increment,
  incrementOf,
  parseDecimal,
  ZERO_TEXT,
} from './numbers.js'

const NOT_INTEGER = 'value is not an integer or out of range'
const NOT_DECIMAL = 'value is not a valid float'
const INT64_MIN = -(2n ** 63n)

/** Adds to a key. @throws RespError WRONGTYPE, OOM, ERR … */
function add(ctx: Context, name: Span, by: Increment): Increment {
  const redis = requireRedis(ctx)
  redis.checkMemory()
  const shard = redis.shardOf(ctx.slot)
  const item = shard.findString(ctx.slot, name)
  if (item === 0) {
    shard.setString(ctx.slot, name, String(by), 0)
    return by
  }
  const sum = addInteger(shard.borrow(item), by, NOT_INTEGER)
  shard.replace(item, String(sum))
  return sum
}

interface Step {
  readonly name: string
  readonly summary: string
  readonly by: number
}

function stepCommand({ name, summary, by }: Step): Command {
  return command({
    name,
    group: 'string',
    since: '0.1.0',
    complexity: 'O(1)',
    summary,
    args: [key(span('key'))],
    port: 'client',
    flags: ['redis', 'write', 'fast', 'sync'],
    errors: ['WRONGTYPE', 'OOM', 'MOVED'],
    reply: integer,
    example: ['SET visits 41', `${name} visits`, `${name} nosuch`],
    notes: [IN_MEMORY_NOTE],
    run: (ctx, { key: name }) => add(ctx, name, by),
  })
}

const incrby = command({
  name: 'INCRBY',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Adds an integer to the integer that a key holds, 0 when absent. Returns the sum.',
  args: [key(span('key')), redisInteger('increment')],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: integer,
  example: ['SET visits 41', 'INCRBY visits 10'],
  notes: [IN_MEMORY_NOTE],
  run: (ctx, { key: name, increment }) => add(ctx, name, incrementOf(increment)),
})

const decrby = command({
  name: 'DECRBY',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Subtracts an integer from the one that a key holds, 0 when absent. Returns the rest.',
  args: [key(span('key')), redisInteger('decrement')],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: integer,
  example: ['SET visits 41', 'DECRBY visits 10'],
  notes: [IN_MEMORY_NOTE],
  run: (ctx, { key: name, decrement }) => {
    if (decrement === INT64_MIN) throw err('decrement would overflow')
    return add(ctx, name, incrementOf(-decrement))
  },
})

const incrbyfloat = command({
  name: 'INCRBYFLOAT',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Adds a decimal to the one that a key holds, 0 when absent. Returns the sum as text.',
  // Read by the command: the type of the key comes before what the number says.
  args: [key(span('key')), { ...span('increment'), type: 'double' }],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: binaryReply,
  example: ['SET price 10.50', 'INCRBYFLOAT price 0.1', 'INCRBYFLOAT price -5.0e3'],
  notes: [
    'Numbers are added as decimals: 0.1 and 0.2 make 0.3, with at most 17 digits behind the point.',
    IN_MEMORY_NOTE,
  ],
  run: (ctx, { key: name, increment }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    const item = shard.findString(ctx.slot, name)
    const old = parseDecimal(item === 0 ? ZERO_TEXT : shard.borrow(item))
    const by = old && parseDecimal(increment)
    if (old === undefined || by === undefined) throw err(NOT_DECIMAL)
    const sum = addDecimals(old, by)
    if (item === 0) shard.setString(ctx.slot, name, sum, 0)
    else shard.replace(item, sum)
    return sum
  },
})

export const stringNumberCommands: readonly Command[] = [
  stepCommand({
    name: 'INCR',
    summary: 'Adds 1 to the integer that a key holds, 0 when absent. Returns the sum.',
    by: 1,
  }),
  stepCommand({
    name: 'DECR',
    summary: 'Subtracts 1 from the integer that a key holds, 0 when absent. Returns the rest.',
    by: -1,
  }),
  incrby,
  decrby,
  incrbyfloat,
]
