/**
 * Turns lines into documents for the server. A document without an `_id` gets one that depends on
 * nothing but the load and the line, so that sending a line twice can't store it twice:
 *
 *     0        4        8        12
 *     | second | line   | hash   |      big-endian; second = the file's modification time,
 *                                       hash = of the file's name and the line's bytes
 */
import { createHash } from 'node:crypto'
import type { Line } from './lines.js'

/** What the ids of one load have in common. `second` is fixed when the load first starts. */
export interface IdSource {
  readonly second: number
  readonly fileName: string
}

/** A line ready to be sent. */
export interface Outgoing {
  readonly line: Line
  readonly document: string
}

/** Refuses bytes that are no UTF-8; drops a byte order mark. */
const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** @returns the document as JSON text, or why the line is none */
export function toDocument(line: Line, ids: IdSource): { document: string } | { mistake: string } {
  let text: string
  let value: unknown
  try {
    text = UTF8.decode(line.bytes).trim()
    value = JSON.parse(text)
  } catch (cause) {
    return { mistake: cause instanceof Error ? cause.message : String(cause) }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { mistake: 'it is no JSON object' }
  }
  if (Object.hasOwn(value, '_id')) return { document: text }
  // ORDER: spliced in as text, because parsed numbers would lose digits.
  const separator = Object.keys(value).length === 0 ? '' : ','
  const id = objectIdOf(line, ids)
  return { document: `{"_id":{"$oid":"${id}"}${separator}${text.slice(1)}` }
}

/** 24 hex digits. */
export function objectIdOf(line: Line, { second, fileName }: IdSource): string {
  const id = Buffer.alloc(12)
  id.writeUInt32BE(second, 0)
  id.writeUInt32BE(line.number, 4)
  createHash('sha256').update(fileName).update('\0').update(line.bytes).digest().copy(id, 8, 0, 4)
  return id.toString('hex')
}
