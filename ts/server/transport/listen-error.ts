/** One-line reasons for a listener that could not be made, the same for both transports. */

import { getSystemErrorMap } from 'node:util'

/** @param errno negative number as in `error.errno` of Node's system errors */
export function listenError(host: string, port: number, errno: number, cause?: unknown): Error {
  const [code, text] = getSystemErrorMap().get(errno) ?? ['UNKNOWN', `system error ${errno}`]
  const error = new Error(`cannot listen on ${host}:${port}: ${text} (${code})`, { cause })
  return Object.assign(error, { code })
}

/** Lets errors through at a bounded rate, so that a hostile peer cannot fill the log.
 *  @returns a function that answers whether this one may pass */
export function rateBound(intervalMs: number): () => boolean {
  let next = 0
  return () => {
    const now = Date.now()
    if (now < next) return false
    next = now + intervalMs
    return true
  }
}
