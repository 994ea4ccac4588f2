/** What the load benchmarks compute with. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const FLUSHES = 200
const FLUSHED_BYTES = 512

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
