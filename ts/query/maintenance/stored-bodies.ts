/** The bodies that entries point at, whichever of this member's volumes they are in. */

import { RespError } from '../../error.js'
import { nativeReason, type ScanContext } from '../../native.js'
import type { Pair } from '../../store/packed-range.js'
import { unpackPointer } from '../../store/pointer.js'
import type { Bodies } from '../bodies.js'
import { bodyName } from './known-keys.js'

/** Larger reads happen off the event loop. */
const INLINE_BYTES = 256 * 1024
const ID_BYTES = 12

/** The bodies of entries, in their order; 64 MiB of them at most.
 *  @param entries  keys that end with the `_id`, and pointers
 *  @throws RespError CORRUPTED; Error with a native reason when a volume cannot be read */
export async function readBodies(context: ScanContext, entries: readonly Pair[]): Promise<Bodies> {
  const count = entries.length
  const data = packPairs(entries)
  const format = 'bson' as const
  const options = { count, idOffset: -ID_BYTES, format, maxResults: count, mayRepeat: false }
  try {
    return (
      context.scan(data, null, null, options, INLINE_BYTES) ??
      (await context.scanAsync(data, null, null, options))
    )
  } catch (cause) {
    throw readError(cause, entries)
  }
}

/** The first entries, as many as have bodies of so many bytes together, and one at least.
 *  @param isKnown  of an entry whose body need not be read */
export function upToBytes(
  entries: readonly Pair[],
  limitBytes: number,
  isKnown: (entry: Pair) => boolean,
): readonly Pair[] {
  const counted = new Set<string>()
  let bytes = 0
  const end = entries.findIndex((entry, i) => {
    const name = bodyName(entry)
    if (!counted.has(name) && !isKnown(entry)) bytes += unpackPointer(entry.value).length
    counted.add(name)
    return i > 0 && bytes > limitBytes
  })
  return end === -1 ? entries : entries.slice(0, end)
}

/** A document whose bytes are damaged is named by its id. */
function readError(cause: unknown, entries: readonly Pair[]): unknown {
  const reason = nativeReason(cause)
  if (reason?.code !== 'DAMAGED' && reason?.code !== 'CORRUPTED') return cause
  const entry = entries[Number.parseInt(reason.message, 10)]
  const id = entry?.key.subarray(-ID_BYTES).toString('hex') ?? 'unknown'
  return new RespError('CORRUPTED', `Document ${id} is damaged`, { cause })
}

/** In the form of a range that was read. */
function packPairs(pairs: readonly Pair[]): Buffer {
  return Buffer.concat(
    pairs.flatMap(({ key, value }) => {
      const head = Buffer.allocUnsafe(8)
      head.writeUInt32LE(key.length)
      head.writeUInt32LE(value.length, 4)
      return [head, key, value]
    }),
  )
}
