/**
 * Reads a file line by line from any position, and groups the lines into batches.
 *
 * Positions are bytes: `end` of a line is where a resumed load goes on.
 */
import { createReadStream } from 'node:fs'
import { LoadError } from './error.js'

/** A line that is not blank, without its line end. `number` counts from 1, blank ones included. */
export interface Line {
  readonly number: number
  readonly end: number
  readonly bytes: Buffer
}

/** Lines that go to the server in one request. `index` counts from 0 in the order of the file. */
export interface Batch {
  readonly index: number
  readonly lines: readonly Line[]
}

/** Where to begin: the first byte of the line after `lineNumber`. */
export interface Position {
  readonly offset: number
  readonly lineNumber: number
}

const READ_BYTES = 1024 * 1024
const NEWLINE = 0x0a

/** No document may be longer than a volume entry. */
const MAX_LINE_BYTES = 16 * 1024 * 1024

/** Keeps a request far below the server's bound, whatever the number of documents. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024

/** @throws LoadError for a line over 16 MiB, or when the file can't be read */
export async function* readLines(file: string, from: Position): AsyncGenerator<Line> {
  let { offset, lineNumber } = from
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunksOf(file, offset)) {
    const buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (;;) {
      const newline = buffer.indexOf(NEWLINE, start)
      if (newline < 0) break
      const bytes = buffer.subarray(start, newline)
      start = newline + 1
      offset += bytes.length + 1
      lineNumber++
      if (!isBlank(bytes)) yield { number: lineNumber, end: offset, bytes }
    }
    rest = buffer.subarray(start)
    if (rest.length > MAX_LINE_BYTES) throw new LoadError(`line ${lineNumber + 1} is over 16 MiB`)
  }
  if (!isBlank(rest)) yield { number: lineNumber + 1, end: offset + rest.length, bytes: rest }
}

/** Groups lines by count and bytes; a batch has at least one line. */
export async function* batchesOf(lines: AsyncIterable<Line>, size: number): AsyncGenerator<Batch> {
  let index = 0
  let batch: Line[] = []
  let bytes = 0
  for await (const line of lines) {
    if (batch.length > 0 && bytes + line.bytes.length > MAX_BATCH_BYTES) {
      yield { index: index++, lines: batch }
      batch = []
      bytes = 0
    }
    batch.push(line)
    bytes += line.bytes.length
    if (batch.length === size) {
      yield { index: index++, lines: batch }
      batch = []
      bytes = 0
    }
  }
  if (batch.length > 0) yield { index, lines: batch }
}

async function* chunksOf(file: string, start: number): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(file, { start, highWaterMark: READ_BYTES })
  } catch (cause) {
    throw new LoadError(cause instanceof Error ? cause.message : String(cause))
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}
