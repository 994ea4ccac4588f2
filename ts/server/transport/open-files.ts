/**
 * Keeps connections from using up the process's open files: without one the store could not begin
 * a log file, nor a volume a segment. Node raises its limit to the hard one when it starts, so
 * what is read here is the most there is.
 */
import { readFileSync } from 'node:fs'

/** Files kept for the store, the volumes and Node; of a small limit half. */
const RESERVED_FILES = 512
/** Part of the connections that is the administration port's, whatever comes to the other. */
const ADMIN_SHARE = 1 / 8
/** With fewer the server does not start. */
const OPEN_FILES_MIN = 256
/** The last files that no connection gets, should the reserved ones not do. */
const LAST_FILES = 16

/** Connections to allow at a time on each port. */
export interface ConnectionBounds {
  readonly client: number
  readonly admin: number
}

/** @param wanted     connections that the configuration allows on each port
 *  @param openFiles  the process's limit, if there is one
 *  @returns          bounds whose sum leaves the reserved files; the clients' comes first, but for
 *                    the share of the administration port */
export function connectionBounds(wanted: number, openFiles: number | undefined): ConnectionBounds {
  if (openFiles === undefined) return { client: wanted, admin: wanted }
  const room = openFiles - Math.min(RESERVED_FILES, Math.ceil(openFiles / 2))
  const admin = Math.min(wanted, Math.max(Math.floor(room * ADMIN_SHARE), room - wanted))
  return { client: Math.min(wanted, room - admin), admin }
}

/** A connection whose descriptor is this or more is refused: the kernel gives the lowest free one,
 *  so nearly all are in use. @returns 0 when there is no limit */
export function descriptorBound(openFiles: number | undefined): number {
  return openFiles === undefined ? 0 : openFiles - LAST_FILES
}

/** Finds out whether the limit of open files will do.
 *  @returns a warning when fewer clients are served than the configuration allows
 *  @throws Error  one line for the operator when the limit is too low for the server itself */
export function checkOpenFiles(
  wanted: number,
  openFiles: number | undefined = openFileLimit(),
): string | undefined {
  if (openFiles === undefined) return undefined
  if (openFiles < OPEN_FILES_MIN) {
    throw new Error(
      `the limit of open files is ${openFiles}, at least ${OPEN_FILES_MIN} are needed: ` +
        'raise it with ulimit -Hn',
    )
  }
  const { client } = connectionBounds(wanted, openFiles)
  if (client === wanted) return undefined
  const needed = Math.ceil(wanted / (1 - ADMIN_SHARE)) + RESERVED_FILES
  return (
    `network.max_clients is ${wanted}, but ${client} clients at a time are served: the limit of ` +
    `open files is ${openFiles}. To serve all of them raise it to ${needed} with ulimit -Hn.`
  )
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
