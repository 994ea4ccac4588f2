/**
 * Standbys that store the bytes of a write before its metadata commits: what synchronous mode asks
 * of replication. A writer chooses the standbys of its shard, appends, waits until they have the
 * bytes, and commits then.
 */

import { err } from '../error.js'
import type { Locations } from './locations.js'
import type { ShardKind, ShardRoutes } from './shard-routes.js'
import type { Volume } from './volume.js'

/** Bytes that were appended, and that no metadata points at yet. */
export interface AppendedBytes {
  readonly volume: Volume
  readonly locations: Locations
  /** The volume's epoch when they were appended. INVARIANT: under another one these places may be
   *  given to other bytes, so a standby that stores them checks it. */
  readonly epoch: bigint
}

/** Standbys of a shard that take bytes. */
export interface StandbyGroup {
  /** Resolves when as many of them as are wanted have the bytes on their disks, at the same places.
   *  It may be asked again for the same bytes.
   *  @param signal  aborted when nobody waits for the answer any more, be it for lack of time
   *  @throws        what keeps them from storing the bytes */
  store(bytes: AppendedBytes, signal: AbortSignal): Promise<void>
}

export interface SynchronousStandbys {
  /** The standbys that a write of the shard waits for; undefined when it waits for none.
   *  ORDER: asked before anything is appended: what is appended in vain is garbage in the volume.
   *  @throws RespError when too few of them take bytes */
  choose(kind: ShardKind, shard: number): StandbyGroup | undefined
}

/** The standbys that the routes name. Members do not send each other bytes yet, so a write of a
 *  shard that has standbys is refused. */
export class RoutedStandbys implements SynchronousStandbys {
  readonly #routes: ShardRoutes
  readonly #wantedMax: number

  /** @param wanted  how many standbys a write waits for, or all that there are; 0 = all */
  constructor(routes: ShardRoutes, wanted: number) {
    this.#routes = routes
    this.#wantedMax = wanted === 0 ? Number.POSITIVE_INFINITY : wanted
  }

  choose(kind: ShardKind, shard: number): undefined {
    const standbys = this.#routes.shard(kind, shard)?.standbys.length ?? 0
    const wanted = Math.min(standbys, this.#wantedMax)
    if (wanted === 0) return undefined
    throw err(`shard id: ${shard} has 0 standbys that store its data instead of ${wanted}`)
  }
}
