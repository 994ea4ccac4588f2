/**
 * Changes that operators make to the cluster: the layout, routes and shard statuses. Each is one
 * transaction that bumps the topology counter, and the ownership epoch of every shard it touches.
 */

import { err } from '../error.js'
import type { Store } from '../store/store.js'
import type { Tx } from '../store/tx.js'
import type { ShardKind, ShardStatus } from '../volume/shard-routes.js'
import type { ClusterKeys } from './keys.js'
import { resolveMemberId } from './member.js'
import { loadTopology, type RouteRecord, type RouteTable, type Topology } from './routes.js'

/** Version of the layout that INITIALIZE-CLUSTER writes; checked at every start. */
export const METADATA_VERSION = '1.0.0'

/** One shard, or all of a kind. */
export type ShardSelector = number | '*'

const ONE = 1n

export class Administration {
  readonly #store: Store
  readonly #keys: ClusterKeys
  readonly #routes: RouteTable
  readonly #self: string

  constructor(parts: { store: Store; keys: ClusterKeys; routes: RouteTable; self: string }) {
    this.#store = parts.store
    this.#keys = parts.keys
    this.#routes = parts.routes
    this.#self = parts.self
  }

  /** Creates all shard records, INOPERABLE and without a primary.
   *  @param shards  number of shards of each kind, at least 1
   *  @throws RespError ERR cluster has already been initialized */
  async initialize(shards: Readonly<Record<ShardKind, number>>): Promise<void> {
    await this.#change(async (tx, { initialized }) => {
      if (initialized) throw err('cluster has already been initialized')
      this.#putLayout(tx, shards, { primary: '', standbys: [], status: 'INOPERABLE' })
    })
  }

  /** Does what is not done yet of: creating the layout, and making this member the primary of each
   *  shard that has none. All in one transaction, so that an interrupted start leaves no shard
   *  with a primary but without a status. */
  async bootstrap(shards: Readonly<Record<ShardKind, number>>): Promise<void> {
    await this.#change(async (tx, topology) => {
      const own: RouteRecord = { primary: this.#self, standbys: [], status: 'READWRITE' }
      if (!topology.initialized) return this.#putLayout(tx, shards, own)
      for (const { kind, id, primary } of topology.routes) {
        if (primary === '') this.#put(tx, kind, id, own)
      }
    })
  }

  /** Assigns the primary of one shard, or of all of a kind, in one transaction.
   *  @throws RespError ERR invalid shard id, member not found, or why it must not change hands */
  async setPrimary(kind: ShardKind, selector: ShardSelector, member: string): Promise<void> {
    await this.#change(async (tx, topology) => {
      const memberId = resolveMemberId(member, topology.members.keys())
      if (!topology.members.has(memberId)) throw err('member not found')
      for (const route of select(topology, kind, selector)) {
        if (route.primary === memberId) continue
        if (route.primary !== '') checkReassignment(topology, route, memberId)
        this.#put(tx, kind, route.id, {
          primary: memberId,
          standbys: route.standbys.filter(standby => standby !== memberId),
          status: route.status,
        })
      }
    })
  }

  /** Sets the status of one shard, or of all of a kind, in one transaction.
   *  @throws RespError ERR invalid shard id */
  async setShardStatus(
    kind: ShardKind,
    selector: ShardSelector,
    status: ShardStatus,
  ): Promise<void> {
    await this.#change(async (tx, topology) => {
      for (const route of select(topology, kind, selector)) {
        if (route.status === status) continue
        this.#put(tx, kind, route.id, {
          primary: route.primary,
          standbys: [...route.standbys],
          status,
        })
      }
    })
  }

  #putLayout(tx: Tx, shards: Readonly<Record<ShardKind, number>>, record: RouteRecord): void {
    tx.set(this.#keys.version, Buffer.from(METADATA_VERSION))
    tx.set(this.#keys.initialized, Buffer.of(1))
    for (const kind of ['BUCKET', 'REDIS'] as const) {
      for (let id = 0; id < shards[kind]; id++) this.#put(tx, kind, id, record)
    }
  }

  #put(tx: Tx, kind: ShardKind, id: number, record: RouteRecord): void {
    tx.set(this.#keys.route(kind, id), Buffer.from(JSON.stringify(record)))
    tx.add(this.#keys.epoch(kind, id), ONE)
  }

  /** Runs one change and waits until this member's own table shows it.
   *  @param body  sees what an earlier attempt applied although its commit failed */
  async #change(body: (tx: Tx, topology: Topology) => Promise<void>): Promise<void> {
    const run = async (tx: Tx): Promise<void> => {
      await body(tx, await loadTopology(tx, this.#keys, this.#self))
      if (tx.hasMutations) tx.add(this.#keys.topology, ONE)
    }
    await this.#store.transact(run, { idempotent: true })
    await this.#routes.reload()
  }
}

type Route = Topology['routes'][number]

function select(topology: Topology, kind: ShardKind, selector: ShardSelector): Route[] {
  const found = topology.routes.filter(
    route => route.kind === kind && (selector === '*' || route.id === selector),
  )
  if (found.length === 0) throw err('invalid shard id')
  return found
}

/** The checks before a shard may change hands; the first that fails is told. A primary may
 *  only be replaced by a standby that has caught up, and standbys come with replication. */
function checkReassignment(topology: Topology, route: Route, memberId: string): void {
  if (!topology.members.has(route.primary)) throw err(`Member: ${route.primary} not registered`)
  if (route.status === 'READWRITE') throw err('Shard status must not be READWRITE')
  throw err(`Member id: ${memberId} is not a standby`)
}
