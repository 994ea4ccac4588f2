/** SET with all options of Redis 7. */

import { err } from '../../error.js'
import { keepValue } from '../../redis/record.js'
import { binary as binaryReply, nullable, ok, oneOf, type Typed, typed } from '../../resp/reply.js'
import { binary, bytes, command, key, options } from '../../server/command.js'
import { requireRedis } from './shared.js'

interface SetOptions {
  readonly condition: 'NX' | 'XX' | undefined
  readonly returnsOld: boolean
  readonly keepsExpiry: boolean
  /** Unix time in ms, 0 = never. */
  readonly expiresAtMs: number
}

const NO_OPTIONS: SetOptions = {
  condition: undefined,
  returnsOld: false,
  keepsExpiry: false,
  expiresAtMs: 0,
}

interface ExpiryUnit {
  readonly unitMs: number
  readonly isRelative: boolean
}

/** An expiry option as typed. */
interface Expiry {
  readonly amount: Buffer
  readonly unit: ExpiryUnit
}

const EXPIRY_UNITS: ReadonlyMap<string, ExpiryUnit> = new Map([
  ['EX', { unitMs: 1000, isRelative: true }],
  ['PX', { unitMs: 1, isRelative: true }],
  ['EXAT', { unitMs: 1000, isRelative: false }],
  ['PXAT', { unitMs: 1, isRelative: false }],
])

/** Largest time, so that every stored expiry is a safe integer. */
const EXPIRY_MAX_MS = Number.MAX_SAFE_INTEGER

const CANONICAL_INTEGER = /^(?:0|-?[1-9]\d{0,18})$/

/** @throws RespError ERR syntax error, ERR value is not an integer or out of range, ERR invalid
 *          expire time in 'set' command */
function parseSetOptions(words: readonly Buffer[]): SetOptions {
  if (words.length === 0) return NO_OPTIONS
  let condition: SetOptions['condition']
  let returnsOld = false
  let keepsExpiry = false
  let expiry: Expiry | undefined
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!.toString('latin1').toUpperCase()
    const unit = EXPIRY_UNITS.get(word)
    if ((word === 'NX' || word === 'XX') && condition === undefined) condition = word
    else if (word === 'GET' && !returnsOld) returnsOld = true
    else if (word === 'KEEPTTL' && !keepsExpiry && expiry === undefined) keepsExpiry = true
    else if (unit !== undefined && expiry === undefined && !keepsExpiry) {
      const amount = words[++i]
      if (amount === undefined) throw err('syntax error')
      expiry = { amount, unit }
    } else throw err('syntax error')
  }
  // ORDER: the syntax of all options before the value of one, as in Redis.
  const expiresAtMs = expiry === undefined ? 0 : expiryTime(expiry)
  return { condition, returnsOld, keepsExpiry, expiresAtMs }
}

function expiryTime({ amount: word, unit: { unitMs, isRelative } }: Expiry): number {
  const text = word.toString('latin1')
  if (!CANONICAL_INTEGER.test(text)) throw err('value is not an integer or out of range')
  const amount = Number(text)
  const time = amount * unitMs + (isRelative ? Date.now() : 0)
  if (amount <= 0 || time > EXPIRY_MAX_MS) throw err("invalid expire time in 'set' command")
  return time
}

const oldValue = nullable(binaryReply)

export const set = command({
  name: 'SET',
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets the string value of a key, whatever it held before.',
  args: [
    key(binary('key')),
    bytes('value'),
    options(
      'options',
      '[NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-s|PXAT unix-ms|KEEPTTL]',
    ),
  ],
  port: 'client',
  flags: ['redis', 'write', 'sync'],
  errors: ['WRONGTYPE', 'OOM', 'MOVED'],
  reply: oneOf(ok, oldValue),
  example: ['SET greeting hello', 'SET greeting hi NX', 'SET greeting hi XX GET', 'GET greeting'],
  notes: [
    'The data is in memory when the command answers, and on disk within about a second: ' +
      'a crash before that loses it. It takes no part in BEGIN … COMMIT.',
  ],
  run: (ctx, { key: name, value, options: words }): Typed => {
    const redis = requireRedis(ctx)
    const { condition, returnsOld, keepsExpiry, expiresAtMs } = parseSetOptions(words)
    redis.checkMemory()
    const shard = redis.shardOf(ctx.slot)
    const entry = returnsOld ? shard.getString(ctx.slot, name) : shard.get(ctx.slot, name)
    const old = entry?.kind === 'string' ? entry.item.value : null
    const isRefused = condition !== undefined && (condition === 'NX') === (entry !== undefined)
    if (isRefused) return typed(oldValue, returnsOld ? old : null)
    if (expiresAtMs !== 0 && expiresAtMs <= Date.now()) shard.delete(ctx.slot, name)
    else {
      const expiry = keepsExpiry ? (entry?.expiresAtMs ?? 0) : expiresAtMs
      shard.setString(ctx.slot, name, keepValue(value), expiry)
    }
    return returnsOld ? typed(oldValue, old) : DONE
  },
})

const DONE = typed(ok, undefined)
