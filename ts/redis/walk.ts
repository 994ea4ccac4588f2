/**
 * SCAN's walk over the keys of a member's shards, in bounded pieces: shard after shard by id, each
 * part of a shard in turn. Its cursor says all there is to say, so walks cost the server nothing:
 *
 *     [ shard | part 10 bits | rest 25 bits ]      rest: see `orders.ts`; 0 as a whole: begin, end
 */

import { ALL_NAMES, type Orders } from './orders.js'
import type { ShardData } from './shard.js'

const PARTS_MAX = 2 ** 10
const RESTS = ALL_NAMES + 1
/** Most keys that one piece looks at, whatever is asked for. */
const PIECE_KEYS = 10_000
/** Parts that one piece looks at, empty ones mostly. */
const PIECE_PARTS = 4_096

export interface Piece {
  /** Not all of them need to be there any more. */
  readonly keys: readonly string[]
  /** 0 = the walk is over. */
  readonly cursor: number
}

/** The next piece of a walk.
 *  @param shards  in the order of their ids
 *  @param cursor  a safe integer, 0 to begin; one that is not of a walk leads somewhere, or ends
 *  @param count   keys to look at, 1 or more */
export function walk(
  { shards, orders }: { readonly shards: readonly ShardData[]; readonly orders: Orders },
  cursor: number,
  count: number,
): Piece {
  const begin = cursor === 0 ? { place: 0, rest: ALL_NAMES } : placeOf(cursor)
  const keys: string[] = []
  const wanted = Math.min(count, PIECE_KEYS)
  let parts = 0
  for (const { id, parts: maps } of shards) {
    const first = id * PARTS_MAX
    for (let i = Math.max(0, begin.place - first); i < maps.length; i++) {
      const place = first + i
      const rest = place === begin.place ? begin.rest : ALL_NAMES
      if (keys.length >= wanted || parts++ >= PIECE_PARTS) return { keys, cursor: at(place, rest) }
      const page = orders.page(maps[i]!, rest, wanted - keys.length)
      keys.push(...page.names)
      if (page.rest > 0) return { keys, cursor: at(place, page.rest) }
    }
  }
  return { keys, cursor: 0 }
}

function at(place: number, rest: number): number {
  return place * RESTS + rest
}

function placeOf(cursor: number): { place: number; rest: number } {
  return { place: Math.floor(cursor / RESTS), rest: cursor % RESTS }
}
