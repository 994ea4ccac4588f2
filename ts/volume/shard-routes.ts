/**
 * How the data layers see the cluster: which member serves which shard. `cluster` implements it,
 * `main` passes it down; nothing here depends on how the routes are kept.
 */

export type ShardKind = 'BUCKET' | 'REDIS'

export type ShardStatus = 'READWRITE' | 'READONLY' | 'INOPERABLE'

export interface ShardRoute {
  readonly kind: ShardKind
  readonly id: number
  /** Member id of the primary; empty when none is assigned. */
  readonly primary: string
  readonly standbys: readonly string[]
  readonly status: ShardStatus
  /** This member is the primary. */
  readonly local: boolean
  /** Client-port `host:port` of the primary; empty when none is assigned or registered. */
  readonly primaryAddress: string
  /**
   * Key of the ownership epoch (8 bytes little-endian, bumped by every route, shard-status and
   * volume-status change). INVARIANT: whatever appends, updates or deletes reads it with a conflict
   * range and compares it with the epoch under which the volume was opened.
   */
  readonly epochKey: Buffer
  /** The epoch when the table was loaded, read in the same transaction as the rest of the route. */
  readonly epoch: bigint
}

export interface ShardRoutes {
  shard(kind: ShardKind, id: number): ShardRoute | undefined
  /** Ascending by id. */
  shards(kind: ShardKind): readonly ShardRoute[]
  /** Called after the routes changed; the table is already the new one. */
  onChange(listener: () => void): void
  /** Loads the table again; resolves when the listeners have been called. */
  reload(): Promise<void>
}
