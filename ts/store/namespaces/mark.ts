/**
 * A mark: number of the change that set it, i64le, and a token, 16 random bytes of the command that
 * did. A command whose commit had an unknown result knows its own work by that when it runs again.
 */

import { randomBytes } from 'node:crypto'

const TOKEN_BYTES = 16

export function newToken(): Buffer {
  return randomBytes(TOKEN_BYTES)
}

/** Number of a change, alone. */
export function packNumber(number: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64LE(number)
  return bytes
}

export function packMark(number: bigint, token: Buffer): Buffer {
  return Buffer.concat([packNumber(number), token])
}

/** @param mark or a number alone */
export function markNumber(mark: Buffer): bigint {
  return mark.readBigInt64LE()
}

export function isMarkOf(mark: Buffer, token: Buffer): boolean {
  return mark.subarray(8).equals(token)
}
