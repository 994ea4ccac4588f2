/** Times of expiry as clients give them, for all commands that take one. */

import { err, type RespError } from '../../../error.js'
import { nowMs } from '../../../redis/clock.js'
import { parseCanonicalInt64 } from '../../../resp/numbers.js'

export interface ExpiryUnit {
  /** A second or a millisecond. */
  readonly unitMs: 1n | 1000n
  /** Counted from now on, else from 1970 on. */
  readonly isRelative: boolean
}

export const EX: ExpiryUnit = { unitMs: 1000n, isRelative: true }
export const PX: ExpiryUnit = { unitMs: 1n, isRelative: true }
export const EXAT: ExpiryUnit = { unitMs: 1000n, isRelative: false }
export const PXAT: ExpiryUnit = { unitMs: 1n, isRelative: false }

/** The options of SET and GETEX. */
const UNITS: ReadonlyMap<string, ExpiryUnit> = new Map([
  ['EX', EX],
  ['PX', PX],
  ['EXAT', EXAT],
  ['PXAT', PXAT],
])

const INT64_MAX = 2n ** 63n - 1n
/** The last time that is both a double and a signed 64-bit integer. Times above 2^53 ms, which is
 *  in the year 287396, are rounded to doubles. */
const TIME_MAX = 2 ** 63 - 1024

/** An expiry option as typed, not yet read: its syntax counts before its value. */
export interface TypedExpiry {
  readonly amount: Buffer
  readonly unit: ExpiryUnit
}

/** Reads one option of SET or GETEX.
 *  @param word  in upper case
 *  @returns     undefined when it is none of those with a time
 *  @throws      RespError ERR syntax error, when the time is missing */
export function typedExpiry(word: string, amount: Buffer | undefined): TypedExpiry | undefined {
  const unit = UNITS.get(word)
  if (unit === undefined) return undefined
  if (amount === undefined) throw err('syntax error')
  return { amount, unit }
}

/** The Unix time in ms at which a new value expires: one to come, or one that has passed.
 *  @param name  of the command, in lower case
 *  @throws RespError ERR value is not an integer or out of range, ERR invalid expire time in … */
export function positiveTime({ amount, unit }: TypedExpiry, name: string): number {
  const value = readInteger(amount.length > 20 ? '' : amount.toString('latin1'))
  if (value <= 0n) throw invalidTime(name)
  return expiryTime(value, unit, name)
}

/** As `positiveTime`, for any integer: the time may have passed long ago.
 *  @throws RespError ERR invalid expire time in … beyond 64 bits */
export function expiryTime(amount: bigint, unit: ExpiryUnit, name: string): number {
  const sinceMs = amount * unit.unitMs
  const time = unit.isRelative ? sinceMs + BigInt(nowMs()) : sinceMs
  // As in Redis, which computes in 64 bits step by step.
  if (sinceMs > INT64_MAX || sinceMs < -INT64_MAX - 1n || time > INT64_MAX) throw invalidTime(name)
  return Math.min(Number(time), TIME_MAX)
}

/** @throws RespError ERR value is not an integer or out of range */
export function readInteger(text: string): bigint {
  const value = parseCanonicalInt64(text)
  if (value === undefined) throw err('value is not an integer or out of range')
  return value
}

function invalidTime(name: string): RespError {
  return err(`invalid expire time in '${name}' command`)
}
