/** Paths of namespaces: segments joined by dots. */

import { err } from '../../error.js'

/** Segments of a path that CREATE takes. */
export const NAMESPACE_DEPTH_MAX = 10
const RESERVED_SEGMENT = '__internal__'

/** @throws RespError ERR for an empty segment, or one that is the server's own */
export function parsePath(path: string): string[] {
  const segments = path.split('.')
  if (segments.includes('')) throw err(`invalid namespace: '${path}'`)
  if (segments.includes(RESERVED_SEGMENT)) {
    throw err(`Namespace '${path}' is reserved for internal use`)
  }
  return segments
}

/** The path of the first `depth` segments. */
export function pathOf(segments: readonly string[], depth = segments.length): string {
  return segments.slice(0, depth).join('.')
}

/** Is a path the other one, or below it? */
export function isWithin(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(`${ancestor}.`)
}
