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

import { copyBytes, Span } from '../resp/span.js'

export const RecordKind = {
  string: 1,
  hashField: 2,
  chunked: 3,
} as const
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind]

/** A value: one byte in each code unit, or, above 16 KiB, bytes. */
export type Value = string | Buffer

/** Values above this many bytes live as Buffers. */
export const HEAP_VALUE_MAX_BYTES = 16 * 1024

export const RECORD_HEADER_BYTES = 21
/** Length of the head of a chunked record. */
export const CHUNKED_HEAD_BYTES = RECORD_HEADER_BYTES + 4

/** A record to be written. */
export interface NewRecord {
  readonly kind: RecordKind
  /** Unix time in ms, 0 = never. */
  readonly expiresAtMs: number
  readonly key: Span
  /** Undefined for strings. */
  readonly field: Span | undefined
  readonly value: Span | Buffer
}

/** A record that was read; its bytes are borrowed. */
export interface RedisRecord {
  readonly kind: RecordKind
  /** Unix time in ms, 0 = never. */
  readonly expiresAtMs: number
  readonly key: Span
  /** Empty for strings. */
  readonly field: Span
  readonly value: Span
}

/** Writes a record. @returns where it ends */
export function encodeRecord(target: Buffer, start: number, record: NewRecord): number {
  const at = encodeRecordHead(target, start, record)
  const { value } = record
  if (value instanceof Span) copyBytes(target, at, value)
  else value.copy(target, at)
  return at + value.length
}

/** Writes what stands before the value of a record. @returns where it ends */
export function encodeRecordHead(target: Buffer, start: number, record: NewRecord): number {
  const { key, field, value } = record
  target[start] = record.kind
  writeInt64(target, start + 1, record.expiresAtMs)
  writeUInt32(target, start + 9, key.length)
  writeUInt32(target, start + 13, field === undefined ? 0 : field.length)
  writeUInt32(target, start + 17, value.length)
  let at = start + RECORD_HEADER_BYTES
  copyBytes(target, at, key)
  at += key.length
  if (field !== undefined) {
    copyBytes(target, at, field)
    at += field.length
  }
  return at
}

/** Reads the record in bytes [start, end). @throws RangeError when bytes are missing */
export function decodeRecord(bytes: Buffer, start = 0, end = bytes.length): RedisRecord {
  const keyAt = start + RECORD_HEADER_BYTES
  const fieldAt = keyAt + bytes.readUInt32BE(start + 9)
  const valueAt = fieldAt + bytes.readUInt32BE(start + 13)
  if (valueAt + bytes.readUInt32BE(start + 17) !== end) {
    throw new RangeError('the lengths of a record do not add up')
  }
  return {
    kind: bytes[start] as RecordKind,
    expiresAtMs: bytes.readInt32BE(start + 1) * 2 ** 32 + bytes.readUInt32BE(start + 5),
    key: new Span(bytes, keyAt, fieldAt),
    field: new Span(bytes, fieldAt, valueAt),
    value: new Span(bytes, valueAt, end),
  }
}

/** The head that stands for so many chunks. */
export function encodeChunkedHead(expiresAtMs: number, chunkCount: number): Buffer {
  const head = Buffer.alloc(CHUNKED_HEAD_BYTES)
  head[0] = RecordKind.chunked
  writeInt64(head, 1, expiresAtMs)
  writeUInt32(head, 17, 4)
  writeUInt32(head, RECORD_HEADER_BYTES, chunkCount)
  return head
}

/** The number of chunks that a head stands for. */
export function chunkCountOf({ value }: RedisRecord): number {
  return value.bytes.readUInt32BE(value.start)
}

function writeInt64(target: Buffer, at: number, value: number): void {
  writeUInt32(target, at, Math.floor(value / 2 ** 32))
  writeUInt32(target, at + 4, value)
}

function writeUInt32(target: Buffer, at: number, value: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}
