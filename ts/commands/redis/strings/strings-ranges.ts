/** Parts of strings: reading them, writing them, appending. */

import { err } from '../../../error.js'
import { HEAP_VALUE_MAX_BYTES, type Value } from '../../../redis/persistence/record.js'
import { binary as binaryReply, integer } from '../../../resp/reply.js'
import { Rope } from '../../../resp/rope.js'
import { Span } from '../../../resp/span.js'
import { type Command, command, key, redisInteger, span, value } from '../../../server/command.js'
import { IN_MEMORY_NOTE, requireRedis } from '../shared.js'

const VALUE_MAX_BYTES = 512 * 1024 * 1024

/** @throws RespError ERR string exceeds maximum allowed size … */
function checkLength(bytes: number): void {
  if (bytes <= VALUE_MAX_BYTES) return
  throw err('string exceeds maximum allowed size (proto-max-bulk-len)')
}

const toRope = (value: Value): Rope => (typeof value === 'string' ? Rope.of(value) : value)

/** A value with bytes behind it. What is there is not touched: others may still be reading it. */
function append(value: Value, added: Span | Rope): Value {
  const isSmall = value.length + added.length <= HEAP_VALUE_MAX_BYTES
  if (isSmall && typeof value === 'string' && added instanceof Span) return value + added.latin1()
  return toRope(value).append(added)
}

/** A value with bytes over a part of it, and zeros up to there. */
function overwrite(value: Value, offset: number, added: Span | Rope): Value {
  const end = offset + added.length
  const isSmall = end <= HEAP_VALUE_MAX_BYTES
  if (isSmall && typeof value === 'string' && added instanceof Span) {
    const head = value.slice(0, offset).padEnd(offset, '\0')
    return head + added.latin1() + value.slice(end)
  }
  return toRope(value).overwrite(offset, added)
}

const appendCommand = command({
  name: 'APPEND',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1) for each byte appended, over many calls',
  summary: 'Appends to the string of a key, which is made when absent. Returns the new length.',
  args: [key(span('key')), value('value')],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: integer,
  example: ['APPEND greeting hello', 'APPEND greeting !', 'GET greeting'],
  notes: ['A string has at most 512 MiB.', IN_MEMORY_NOTE],
  run: (ctx, { key: name, value }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    const item = shard.findString(ctx.slot, name)
    const length = (item === 0 ? 0 : shard.lengthOf(item)) + value.length
    checkLength(length)
    if (item === 0) shard.setString(ctx.slot, name, value, 0)
    else shard.replace(item, append(shard.valueOf(item), value))
    return length
  },
})

const strlen = command({
  name: 'STRLEN',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the length of the string of a key in bytes, 0 when absent.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: integer,
  example: ['SET greeting hello', 'STRLEN greeting', 'STRLEN nosuch'],
  run: (ctx, { key: name }) => {
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    const item = shard.findString(ctx.slot, name)
    return item === 0 ? 0 : shard.lengthOf(item)
  },
})

const setrange = command({
  name: 'SETRANGE',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1); strings above 16 KiB are copied in part, 1 MiB at most',
  summary: 'Writes over a part of the string of a key. Returns the new length.',
  args: [key(span('key')), redisInteger('offset'), value('value')],
  port: 'client',
  flags: ['redis', 'write', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: integer,
  example: ['SET greeting hello', 'SETRANGE greeting 0 J', 'GET greeting'],
  notes: [
    'A string that ends before the offset gets zero bytes up to there; it has at most 512 MiB. ' +
      'An empty value changes nothing.',
    IN_MEMORY_NOTE,
  ],
  run: (ctx, { key: name, offset, value }) => {
    const redis = requireRedis(ctx)
    redis.checkMemory()
    if (offset < 0n) throw err('offset is out of range')
    const shard = redis.shardOf(ctx.slot)
    const item = shard.findString(ctx.slot, name)
    if (value.length === 0) return item === 0 ? 0 : shard.lengthOf(item)
    // Beyond 2^53 it is too long in any case, also when it is rounded.
    const start = Number(offset)
    checkLength(start + value.length)
    const old = item === 0 ? '' : shard.valueOf(item)
    redis.checkMemory(Math.max(start - old.length, 0))
    const whole = overwrite(old, start, value)
    if (item === 0) shard.setString(ctx.slot, name, whole, 0)
    else shard.replace(item, whole)
    return whole.length
  },
})

/** The bytes from `first` to `last`, both included; negative ones count from the end. */
function part(value: Span | Rope, first: bigint, last: bigint): Span | Rope | string {
  const size = BigInt(value.length)
  if (first < 0n && last < 0n && first > last) return ''
  const from = clamp(first < 0n ? first + size : first, size)
  const to = clamp(last < 0n ? last + size : last, size)
  const end = Math.min(to + 1, value.length)
  if (from >= end) return ''
  if (value instanceof Rope) return value.slice(from, end)
  return new Span(value.bytes, value.start + from, value.start + end)
}

function clamp(position: bigint, size: bigint): number {
  return Number(position < 0n ? 0n : position > size ? size : position)
}

function rangeCommand(name: string, summary: string): Command {
  return command({
    name,
    group: 'string',
    since: '0.1.0',
    complexity: 'O(N) in the number of bytes returned',
    summary,
    args: [key(span('key')), redisInteger('start'), redisInteger('end')],
    port: 'client',
    flags: ['redis', 'readonly', 'sync'],
    errors: ['WRONGTYPE', 'MOVED'],
    reply: binaryReply,
    example: ['SET greeting hello', `${name} greeting 1 3`, `${name} greeting -2 -1`],
    notes: [
      'Both ends are included and cut to what is there; negative ones count from the end, where ' +
        '-1 is the last byte. Both before the beginning are the first byte.',
    ],
    run: (ctx, { key: name, start, end }) => {
      const shard = requireRedis(ctx).shardOf(ctx.slot)
      const item = shard.findString(ctx.slot, name)
      return item === 0 ? '' : part(shard.borrow(item), start, end)
    },
  })
}

export const stringRangeCommands: readonly Command[] = [
  appendCommand,
  strlen,
  setrange,
  rangeCommand('GETRANGE', 'Returns a part of the string of a key, empty when absent.'),
  rangeCommand('SUBSTR', 'Returns a part of the string of a key: the old name of GETRANGE.'),
]
