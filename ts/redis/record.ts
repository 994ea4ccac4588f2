/**
 * Records: how a string or a hash field lies in the volume of its REDIS shard.
 *
 *     [ kind u8 | expiry i64be ms, 0 = never | key length u32be | field length u32be |
 *       value length u32be | key | field | value ]
 *
 * A record that is too long for one body is a head of kind `chunked`, with the expiry, no key, and
 * the number of chunks (u32be) as its value; the chunks, put together, are the record itself.
 * INVARIANT: kinds are stored for ever; numbers are only added, never reused.
 */

export const RecordKind = {
  string: 1,
  hashField: 2,
  chunked: 3,
} as const
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind]

/** A value: one byte in each code unit, or, above 16 KiB, bytes outside of the JavaScript heap. */
export type Value = string | Buffer

/** Values above this many bytes live as Buffers. */
export const HEAP_VALUE_MAX_BYTES = 16 * 1024

const HEADER_BYTES = 21

export interface RedisRecord {
  readonly kind: RecordKind
  /** Unix time in ms, 0 = never. */
  readonly expiresAtMs: number
  /** Latin1: one byte in each code unit. */
  readonly key: string
  /** Latin1; empty for strings. */
  readonly field: string
  readonly value: Value
}

export function encodeRecord(record: RedisRecord): Buffer {
  const { key, field, value } = record
  const encoded = Buffer.allocUnsafe(HEADER_BYTES + key.length + field.length + value.length)
  let at = encoded.writeUInt8(record.kind)
  at = encoded.writeBigInt64BE(BigInt(record.expiresAtMs), at)
  at = encoded.writeUInt32BE(key.length, at)
  at = encoded.writeUInt32BE(field.length, at)
  at = encoded.writeUInt32BE(value.length, at)
  at += encoded.write(key, at, 'latin1')
  at += encoded.write(field, at, 'latin1')
  if (typeof value === 'string') encoded.write(value, at, 'latin1')
  else value.copy(encoded, at)
  return encoded
}

/** @throws RangeError when bytes are missing */
export function decodeRecord(encoded: Buffer): RedisRecord {
  const keyEnd = HEADER_BYTES + encoded.readUInt32BE(9)
  const fieldEnd = keyEnd + encoded.readUInt32BE(13)
  const valueEnd = fieldEnd + encoded.readUInt32BE(17)
  if (valueEnd !== encoded.length) throw new RangeError('the lengths of a record do not add up')
  return {
    kind: encoded.readUInt8(0) as RecordKind,
    expiresAtMs: Number(encoded.readBigInt64BE(1)),
    key: encoded.toString('latin1', HEADER_BYTES, keyEnd),
    field: encoded.toString('latin1', keyEnd, fieldEnd),
    value: keepValue(encoded.subarray(fieldEnd)),
  }
}

/** Copies borrowed bytes into the form in which a value is kept. */
export function keepValue(bytes: Buffer): Value {
  return bytes.length <= HEAP_VALUE_MAX_BYTES ? bytes.toString('latin1') : Buffer.from(bytes)
}

/** The number of chunks that a head stands for. */
export function encodeChunkCount(count: number): Buffer {
  const value = Buffer.allocUnsafe(4)
  value.writeUInt32BE(count)
  return value
}

export function decodeChunkCount(value: Value): number {
  return Buffer.from(value as string, 'latin1').readUInt32BE()
}
