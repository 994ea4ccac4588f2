/**
 * The routing table: every shard with its primary, standbys, status and ownership epoch, and every
 * registered member. Loaded in one transaction, replaced as a whole, reloaded whenever the
 * topology counter changes.
 *
 * INVARIANT: the epoch of a route is read in the same transaction as the route, so a member that
 * adopts it was the primary at that epoch.
 */

import type { Logger } from 'pino'
import { unpack } from '../store/packed-range.js'
import type { Store } from '../store/store.js'
import type { Tx } from '../store/tx.js'
import type { ShardKind, ShardRoute, ShardRoutes, ShardStatus } from '../volume/shard-routes.js'
import type { ClusterKeys, KeyRange } from './keys.js'
import { clientAddress, decodeMember, type MemberRecord } from './member.js'

/** What the store keeps of a route, as JSON. */
export interface RouteRecord {
  /** Empty when none is assigned. */
  primary: string
  standbys: string[]
  status: ShardStatus
}

export interface Topology {
  readonly initialized: boolean
  readonly version: string
  readonly members: ReadonlyMap<string, MemberRecord>
  readonly heartbeats: ReadonlyMap<string, bigint>
  /** Kinds in tag order, ids ascending. */
  readonly routes: readonly ShardRoute[]
}

const EMPTY: Topology = {
  initialized: false,
  version: '',
  members: new Map(),
  heartbeats: new Map(),
  routes: [],
}

/** Reads everything in one transaction. @param self member id that `local` is about */
export async function loadTopology(tx: Tx, keys: ClusterKeys, self: string): Promise<Topology> {
  const [version, flag, members, shards] = await Promise.all([
    tx.get(keys.version),
    tx.get(keys.initialized),
    readAll(tx, keys.members()),
    readAll(tx, keys.shards()),
  ])
  const records = new Map<string, MemberRecord>()
  const heartbeats = new Map<string, bigint>()
  for (const { key, value } of members) {
    const { memberId, isRecord } = keys.parseMember(key)
    if (isRecord) records.set(memberId, decodeMember(value))
    else heartbeats.set(memberId, value.readBigInt64LE())
  }
  return {
    initialized: flag !== undefined,
    version: version?.toString('utf8') ?? '',
    members: records,
    heartbeats,
    routes: decodeRoutes(shards, keys, { self, members: records }),
  }
}

interface Pair {
  key: Buffer
  value: Buffer
}

/** All pairs of a range; copies, since the batches are dropped. */
async function readAll(tx: Tx, range: KeyRange): Promise<Pair[]> {
  const pairs: Pair[] = []
  let begin = range.begin
  for (;;) {
    const batch = await tx.getRange(begin, range.end)
    for (const { key, value } of unpack(batch)) {
      pairs.push({ key: Buffer.from(key), value: Buffer.from(value) })
    }
    const last = pairs.at(-1)
    if (!batch.more || last === undefined) return pairs
    begin = Buffer.concat([last.key, Buffer.of(0)])
  }
}

function decodeRoutes(
  pairs: readonly Pair[],
  keys: ClusterKeys,
  known: { self: string; members: ReadonlyMap<string, MemberRecord> },
): ShardRoute[] {
  const routes: ShardRoute[] = []
  let record: RouteRecord | undefined
  for (const { key, value } of pairs) {
    const { kind, id, isRoute } = keys.parseShard(key)
    if (isRoute) {
      record = JSON.parse(value.toString('utf8')) as RouteRecord
      continue
    }
    // The epoch's key sorts right behind its route's, and INITIALIZE-CLUSTER writes both.
    if (record === undefined) continue
    const primary = known.members.get(record.primary)
    routes.push({
      kind,
      id,
      ...record,
      local: record.primary === known.self,
      primaryAddress: primary === undefined ? '' : clientAddress(primary),
      epochKey: keys.epoch(kind, id),
      epoch: value.readBigInt64LE(),
    })
    record = undefined
  }
  return routes
}

type Listener = () => void | Promise<void>

export class RouteTable implements ShardRoutes {
  readonly #store: Store
  readonly #keys: ClusterKeys
  readonly #self: string
  readonly #log: Logger
  readonly #listeners: Listener[] = []
  #topology = EMPTY
  #byKind = new Map<ShardKind, Map<number, ShardRoute>>()
  /** The load that runs, or ran last; never rejects. */
  #loading: Promise<void> = Promise.resolve()
  /** The load behind it. */
  #queued: Promise<void> | undefined
  #stopWatching: (() => void) | undefined
  #stopped = false

  constructor(store: Store, keys: ClusterKeys, options: { self: string; log: Logger }) {
    this.#store = store
    this.#keys = keys
    this.#self = options.self
    this.#log = options.log
  }

  get topology(): Topology {
    return this.#topology
  }

  shard(kind: ShardKind, id: number): ShardRoute | undefined {
    return this.#byKind.get(kind)?.get(id)
  }

  shards(kind: ShardKind): readonly ShardRoute[] {
    return [...(this.#byKind.get(kind)?.values() ?? [])]
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener)
  }

  /** Loads now, or behind a load in progress: the caller's own commit is always seen.
   *  ORDER: a listener must not wait for it, since it waits for the listeners. */
  reload(): Promise<void> {
    this.#queued ??= this.#loading.then(() => {
      this.#queued = undefined
      const load = this.#load()
      this.#loading = load.catch(() => {})
      return load
    })
    return this.#queued
  }

  /** Follows the topology counter until `stop`. */
  async watch(): Promise<void> {
    while (!this.#stopped) {
      try {
        // ORDER: the watch is set before the load, so a change between the two is not missed.
        const watch = this.#store.watch(this.#keys.topology)
        this.#stopWatching = watch.cancel
        await this.reload()
        await watch.promise
      } catch (cause) {
        this.#stopWatching?.()
        if (this.#stopped) return
        this.#log.warn({ err: cause }, 'watching the topology failed; trying again')
        await new Promise(resolve => setTimeout(resolve, 250).unref())
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#stopWatching?.()
    await this.#queued?.catch(() => {})
    await this.#loading
  }

  async #load(): Promise<void> {
    this.#replace(await this.#store.transact(tx => loadTopology(tx, this.#keys, this.#self)))
    for (const listener of this.#listeners) {
      try {
        await listener()
      } catch (cause) {
        this.#log.error({ err: cause }, 'following the routes failed')
      }
    }
  }

  #replace(topology: Topology): void {
    const byKind = new Map<ShardKind, Map<number, ShardRoute>>()
    for (const route of topology.routes) {
      const shards = byKind.get(route.kind) ?? new Map<number, ShardRoute>()
      byKind.set(route.kind, shards.set(route.id, route))
    }
    this.#topology = topology
    this.#byKind = byKind
  }
}
