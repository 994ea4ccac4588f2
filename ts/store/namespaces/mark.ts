/**
 * A mark: number of the change that set it, i64le, and 16 random bytes of the command that did. A
 * command whose commit had an unknown result knows its own work by them when it runs again.
 */

import { randomBytes } from 'node:crypto'

const TOKEN_BYTES = 16

export function newToken(): Buffer {
  return randomBytes(TOKEN_BYTES)
}

export function packMark(number: bigint, token: Buffer): Buffer {
  const mark = Buffer.allocUnsafe(8 + TOKEN_BYTES)
  mark.writeBigInt64LE(number)
  token.copy(mark, 8)
  return mark
}

export function markNumber(mark: Buffer): bigint {
  return mark.readBigInt64LE()
}

export function isMarkOf(mark: Buffer, token: Buffer): boolean {
  return mark.subarray(8).equals(token)
}
