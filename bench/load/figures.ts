/** What the load benchmarks compute with. */
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

const FLUSHES = 200
const FLUSHED_BYTES = 512
const FILE_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 48

/** The middle one of some figures, the upper of two. */
export function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN
}

/** What one `fdatasync` of a few written bytes costs on the disk of a directory, median. */
export function flushMs(directory: string): number {
  const path = join(directory, 'flush-probe')
  const file = openSync(path, 'w')
  const times: number[] = []
  // Bytes that are there already, as in a pre-allocated log.
  writeSync(file, Buffer.alloc(FLUSHES * FLUSHED_BYTES))
  fdatasyncSync(file)
  for (let i = 0; i < FLUSHES; i++) {
    writeSync(file, Buffer.alloc(FLUSHED_BYTES, 1), 0, FLUSHED_BYTES, i * FLUSHED_BYTES)
    const startedAt = performance.now()
    fdatasyncSync(file)
    times.push(performance.now() - startedAt)
  }
  closeSync(file)
  rmSync(path)
  return median(times)
}

/** Number of the last frame in an embedded store's commit log: it has had so many flushes. Format:
 *  docs/formats/embedded-store.md. @param log the folder of the log's files */
export function flushCount(log: string): number {
  return readdirSync(log).reduce((last, name) => Math.max(last, lastFrame(join(log, name))), 0)
}

function lastFrame(path: string): number {
  const file = openSync(path, 'r')
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  const read = (at: number): boolean => readSync(file, header, 0, header.length, at) > 0
  read(0)
  const logId = header.readBigUInt64LE(16)
  let last = 0
  let at = FILE_HEADER_BYTES
  while (read(at) && header.toString('latin1', 0, 4) === 'KVFR') {
    if (header.readBigUInt64LE(8) !== logId) break
    last = Number(header.readBigUInt64LE(16))
    at += Math.ceil((FRAME_HEADER_BYTES + header.readUInt32LE(40)) / 8) * 8
  }
  closeSync(file)
  return last
}
