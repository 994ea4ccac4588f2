/** When keys expire: setting it, telling it, ending it. */

import { err } from '../../../error.js'
import { nowMs } from '../../../redis/clock.js'
import { integer } from '../../../resp/reply.js'
import type { Span } from '../../../resp/span.js'
import { binary, type Command, command, key, options, span } from '../../../server/command.js'
import type { Context } from '../../../server/context.js'
import { requireRedis } from '../shared.js'
import { EX, EXAT, type ExpiryUnit, expiryTime, PX, PXAT, readInteger } from './expiry-time.js'

const CONDITIONS: ReadonlySet<string> = new Set(['NX', 'XX', 'GT', 'LT'])

/** @throws RespError ERR Unsupported option …, ERR … options at the same time are not compatible */
function readConditions(words: readonly Buffer[]): ReadonlySet<string> {
  const conditions = new Set<string>()
  for (const word of words) {
    const upper = word.toString('latin1').toUpperCase()
    if (!CONDITIONS.has(upper)) throw err(`Unsupported option ${word.toString()}`)
    conditions.add(upper)
  }
  const isOrdered = conditions.has('GT') || conditions.has('LT')
  if (conditions.has('NX') && (conditions.has('XX') || isOrdered)) {
    throw err('NX and XX, GT or LT options at the same time are not compatible')
  }
  if (conditions.has('GT') && conditions.has('LT')) {
    throw err('GT and LT options at the same time are not compatible')
  }
  return conditions
}

/** @param old  0 = never, which counts as later than any time */
function holds(conditions: ReadonlySet<string>, old: number, time: number): boolean {
  if (conditions.has('NX')) return old === 0
  if (conditions.has('XX') && old === 0) return false
  if (conditions.has('GT')) return old !== 0 && time > old
  if (conditions.has('LT')) return old === 0 || time < old
  return true
}

interface Expire {
  readonly name: string
  readonly summary: string
  readonly unit: ExpiryUnit
  readonly example: string
}

function expireCommand({ name, summary, unit, example }: Expire): Command {
  const lower = name.toLowerCase()
  return command({
    name,
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(1), O(N) for a hash of N fields: each is to be written with the new time',
    summary,
    args: [
      key(span('key')),
      // Read by the command: what the options say comes before what the number says.
      { ...binary('time'), type: 'integer' },
      options('options', '[NX|XX|GT|LT]'),
    ],
    port: 'client',
    flags: ['redis', 'write', 'fast', 'sync'],
    errors: ['MOVED'],
    reply: integer,
    example: ['SET greeting hello', example, 'PERSIST greeting'],
    notes: [
      'A time that is not in the future deletes the key. Returns 1 when the time was set or the ' +
        'key deleted, 0 when there is no such key or the condition does not hold.',
      'NX: only a key that never expires; XX: only one that expires; GT, LT: only when the new ' +
        'time is later, earlier than the old one, and never is later than any time.',
    ],
    run: (ctx, { key: name, time, options: words }) => {
      const conditions = readConditions(words)
      const expiresAtMs = expiryTime(readInteger(time), unit, lower)
      const shard = requireRedis(ctx).shardOf(ctx.slot)
      const item = shard.find(ctx.slot, name)
      if (item === 0 || !holds(conditions, shard.expiryOf(item), expiresAtMs)) return 0
      if (expiresAtMs <= nowMs()) shard.delete(ctx.slot, name)
      else shard.expire(ctx.slot, name, expiresAtMs)
      return 1
    },
  })
}

interface Tell {
  readonly name: string
  readonly summary: string
  /** From the Unix time in ms at which the key expires, what is told in ms. */
  readonly toldMs: (expiresAtMs: number) => number
  readonly unitMs: number
  readonly example: string
}

function tellCommand({ name, summary, toldMs, unitMs, example }: Tell): Command {
  return command({
    name,
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(1)',
    summary,
    args: [key(span('key'))],
    port: 'client',
    flags: ['redis', 'readonly', 'fast', 'sync'],
    errors: ['MOVED'],
    reply: integer,
    example: [example, `${name} greeting`, `${name} nosuch`],
    notes: ['-1 for a key that never expires, -2 when there is no such key.'],
    run: (ctx, { key: name }) => {
      const expiresAtMs = expiryOf(ctx, name)
      if (expiresAtMs === undefined) return -2
      return expiresAtMs === 0 ? -1 : rounded(toldMs(expiresAtMs), unitMs)
    },
  })
}

/** Expiry of a key that exists, 0 = never. */
function expiryOf(ctx: Context, name: Span): number | undefined {
  const shard = requireRedis(ctx).shardOf(ctx.slot)
  const item = shard.find(ctx.slot, name)
  return item === 0 ? undefined : shard.expiryOf(item)
}

/** In units, halves upwards. */
function rounded(ms: number, unitMs: number): number | bigint {
  const value = unitMs === 1 ? ms : Math.floor((ms + unitMs / 2) / unitMs)
  return Number.isSafeInteger(value) ? value : BigInt(value)
}

const remainingMs = (expiresAtMs: number): number => Math.max(0, expiresAtMs - nowMs())
const itself = (expiresAtMs: number): number => expiresAtMs

const persist = command({
  name: 'PERSIST',
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(1), O(N) for a hash of N fields: each is to be written again',
  summary: 'Makes a key never expire. Returns 1 if it would have, else 0.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['MOVED'],
  reply: integer,
  example: ['SET greeting hello EX 60', 'PERSIST greeting', 'TTL greeting'],
  run: (ctx, { key: name }) => {
    if (!expiryOf(ctx, name)) return 0
    requireRedis(ctx).shardOf(ctx.slot).expire(ctx.slot, name, 0)
    return 1
  },
})

export const expiryCommands: readonly Command[] = [
  expireCommand({
    name: 'EXPIRE',
    summary: 'Makes a key of any type expire so many seconds from now.',
    unit: EX,
    example: 'EXPIRE greeting 60',
  }),
  expireCommand({
    name: 'PEXPIRE',
    summary: 'Makes a key of any type expire so many milliseconds from now.',
    unit: PX,
    example: 'PEXPIRE greeting 60000',
  }),
  expireCommand({
    name: 'EXPIREAT',
    summary: 'Makes a key of any type expire at a Unix time in seconds.',
    unit: EXAT,
    example: 'EXPIREAT greeting 4102444800',
  }),
  expireCommand({
    name: 'PEXPIREAT',
    summary: 'Makes a key of any type expire at a Unix time in milliseconds.',
    unit: PXAT,
    example: 'PEXPIREAT greeting 4102444800000',
  }),
  tellCommand({
    name: 'TTL',
    summary: 'Returns in how many seconds a key expires.',
    toldMs: remainingMs,
    unitMs: 1000,
    example: 'SET greeting hello EX 60',
  }),
  tellCommand({
    name: 'PTTL',
    summary: 'Returns in how many milliseconds a key expires.',
    toldMs: remainingMs,
    unitMs: 1,
    example: 'SET greeting hello',
  }),
  tellCommand({
    name: 'EXPIRETIME',
    summary: 'Returns the Unix time in seconds at which a key expires.',
    toldMs: itself,
    unitMs: 1000,
    example: 'SET greeting hello EXAT 4102444800',
  }),
  tellCommand({
    name: 'PEXPIRETIME',
    summary: 'Returns the Unix time in milliseconds at which a key expires.',
    toldMs: itself,
    unitMs: 1,
    example: 'SET greeting hello EXAT 4102444800',
  }),
  persist,
]
