/**
 * Keeps connections from using up the process's open files: without one the store could not begin
 * a log file, nor a volume a segment.
 */
import { readFileSync } from 'node:fs'

/** Files kept for the store, the volumes and Node; of a small limit at most half. */
const RESERVED_FILES = 512

/** @param wanted     connections that the configuration allows
 *  @param openFiles  the process's limit, if there is one
 *  @returns          connections to allow */
export function connectionsWithin(wanted: number, openFiles: number | undefined): number {
  if (openFiles === undefined) return wanted
  const room = openFiles - Math.min(RESERVED_FILES, Math.ceil(openFiles / 2))
  return Math.min(wanted, room)
}

/** The limit of open files of this process; undefined where the system does not tell it. */
export function openFileLimit(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}
