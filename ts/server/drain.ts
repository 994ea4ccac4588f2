/**
 * The last moments of a port's connections, once the server stops.
 *
 *   1  blocking commands end their wait; commands that run come to their reply
 *   2  a connection that has fallen silent is closed, after the peer has got what is queued
 *
 * Requests that arrive meanwhile are answered: on the client port with the error of the gate. So a
 * connection ends behind a reply, not in the middle of a pipeline, unless the time is up.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from './connection.js'

const POLL_MS = 10
/** From here on a connection is closed as soon as it owes nothing, silent or not. */
const GRACE_MS = 250

export interface DrainOptions {
  /** Time for all of it. */
  readonly limitMs: number
  /** Nobody is to be waited for any longer. */
  isHurried(): boolean
}

/** @param connections  the live view of those that are open
 *  @returns            when none is left, or the time is up */
export async function drain(
  connections: ReadonlyMap<unknown, Connection>,
  { limitMs, isHurried }: DrainOptions,
): Promise<void> {
  const deadline = performance.now() + limitMs
  const isOver = (): boolean =>
    connections.size === 0 || isHurried() || performance.now() >= deadline
  for (const { context } of connections.values()) context.session.disconnect()
  while (!isOver() && isAnyParked(connections)) await sleep(POLL_MS)
  const graceEnd = performance.now() + GRACE_MS
  while (!isOver()) {
    const isGrace = performance.now() < graceEnd
    for (const connection of connections.values()) {
      if (!connection.isBusy && !(isGrace && hasJustSpoken(connection))) connection.end()
    }
    await sleep(POLL_MS)
  }
}

function isAnyParked(connections: ReadonlyMap<unknown, Connection>): boolean {
  for (const { isParked } of connections.values()) if (isParked) return true
  return false
}

function hasJustSpoken({ context }: Connection): boolean {
  return Date.now() - context.session.lastActiveAt < POLL_MS
}
