/**
 * SCAN's walk over the keys of a member's shards, in bounded pieces: shard after shard by id, each
 * part of a shard in turn. Its cursor says all there is to say, so walks cost the server nothing:
 *
 *     [ shard 14 bits | part 8 bits | cursor in the part 31 bits ]      0: begin, end
 */

import type { ShardData } from '../shard.js'
import { PART_COUNT } from './key-tables.js'

/** Cursors of one part. */
const CURSORS = 2 ** 31
/** Parts that one piece looks at, empty ones mostly. */
const PIECE_PARTS = 4_096

/** The next piece of a walk.
 *  @param shards  in the order of their ids
 *  @param cursor  a safe integer, 0 to begin; one that is not of a walk leads somewhere, or ends
 *  @param count   keys to look at, 1 or more; maybe a few more are
 *  @param visit   called for each key; nothing may be written meanwhile
 *  @returns       the cursor of the next piece, 0 = the walk is over */
export function walk(
  shards: readonly ShardData[],
  { cursor, count }: { readonly cursor: number; readonly count: number },
  visit: (shard: ShardData, key: number) => void,
): number {
  const begin = Math.floor(cursor / CURSORS)
  let rest = cursor % CURSORS
  let missing = count
  let seen = 0
  for (const shard of shards) {
    const first = shard.id * PART_COUNT
    for (let i = Math.max(0, begin - first); i < PART_COUNT; i++) {
      if (first + i !== begin) rest = 0
      do {
        if (missing <= 0 || seen >= PIECE_PARTS) return (first + i) * CURSORS + rest
        const piece = shard.parts[i]!.visit(rest, missing)
        for (const key of piece.items) visit(shard, key)
        missing -= piece.items.length
        rest = piece.cursor
        seen++
      } while (rest !== 0)
    }
  }
  return 0
}
