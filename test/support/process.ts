/** What Linux tells of another process. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Ticks of `/proc/<pid>/stat`, which are the same on every architecture of Linux. */
const TICKS_PER_SECOND = 100

/** Numbers of the descriptors that are open. */
export function descriptorsOf(pid: number): ReadonlySet<number> {
  return new Set(readdirSync(`/proc/${pid}/fd`).map(Number))
}

/** How many of them are sockets. */
export function socketCountOf(pid: number): number {
  let count = 0
  for (const number of descriptorsOf(pid)) {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${number}`).startsWith('socket:')) count++
    } catch (error) {
      // Closed since it was listed.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return count
}

/** Memory of a row of `/proc/<pid>/status`, in bytes: now, and at most since `clear_refs`. */
export function memoryOf(pid: number, row: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(new RegExp(`^${row}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
}

/** Processor time that all threads have used so far, in milliseconds. */
export function processorMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The name before it may hold anything; state is the first field behind, utime the 12th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}
