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

import { Rope } from '../../resp/rope.js'
import { copyBytes, Span } from '../../resp/span.js'

export const RecordKind = {
  string: 1,
  hashField: 2,
  chunked: 3,
} as const
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind]

/** A value: one byte in each code unit, or, above 16 KiB, bytes in pieces. */
export type Value = string | Rope

/** Values above this many bytes live as ropes. */
export const HEAP_VALUE_MAX_BYTES = 16 * 1024

export const RECORD_HEADER_BYTES = 21
/** Length of the head of a chunked record. */
export const CHUNKED_HEAD_BYTES = RECORD_HEADER_BYTES + 4

const NOTHING = Buffer.alloc(0)

/** A record to be written. */
export interface NewRecord {
  readonly kind: RecordKind
  /** Unix time in ms, 0 = never. */
  readonly expiresAtMs: number
  readonly key: Span
  /** Undefined for strings. */
  readonly field: Span | undefined
  readonly value: Span | Rope
}

/** A record that was read; its bytes are borrowed, but those of a rope. */
export interface RedisRecord<V = Span> {
  readonly kind: RecordKind
  /** Unix time in ms, 0 = never. */
  readonly expiresAtMs: number
  readonly key: Span
  /** Empty for strings. */
  readonly field: Span
  readonly value: V
}

/** Writes a record. @returns where it ends */
export function encodeRecord(target: Buffer, start: number, record: NewRecord): number {
  const at = encodeRecordHead(target, start, record)
  const { value } = record
  if (value instanceof Rope) return value.copyTo(target, at)
  copyBytes(target, at, value)
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
    expiresAtMs: readInt64(bytes, start + 1),
    key: new Span(bytes, keyAt, fieldAt),
    field: new Span(bytes, fieldAt, valueAt),
    value: new Span(bytes, valueAt, end),
  }
}

/** Reads the record that chunks make up; its value shares their memory.
 *  @throws RangeError when bytes are missing */
export function decodeChunks(chunks: readonly Buffer[]): RedisRecord<Rope> {
  let [head = NOTHING, ...rest] = chunks
  const keyAt = RECORD_HEADER_BYTES
  let valueAt = keyAt
  for (;;) {
    if (head.length >= keyAt) valueAt = keyAt + head.readUInt32BE(9) + head.readUInt32BE(13)
    const next = head.length < valueAt ? rest.shift() : undefined
    if (next === undefined) break
    head = Buffer.concat([head, next])
  }
  const fieldAt = keyAt + head.readUInt32BE(9)
  const value = Rope.join([head.subarray(valueAt), ...rest])
  if (head.length < valueAt || value.length !== head.readUInt32BE(17)) {
    throw new RangeError('the lengths of a record do not add up')
  }
  return {
    kind: head[0] as RecordKind,
    expiresAtMs: readInt64(head, 1),
    key: new Span(head, keyAt, fieldAt),
    field: new Span(head, fieldAt, valueAt),
    value,
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

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
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
