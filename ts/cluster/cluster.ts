/**
 * This member's part in the cluster: who it is, what it knows of the others, and what operators
 * may change. Coordination goes through the store only; members do not ask each other.
 */

import type { Logger } from 'pino'
import type { Config } from '../config/config.js'
import { openClusterDirectory } from '../store/directory.js'
import { stampText } from '../store/stamp-text.js'
import type { Store } from '../store/store.js'
import type { Tx } from '../store/tx.js'
import { Administration, METADATA_VERSION } from './administration.js'
import type { Identity } from './identity.js'
import { ClusterKeys } from './keys.js'
import { Liveness } from './liveness.js'
import type { Address, MemberRecord } from './member.js'
import { Membership } from './membership.js'
import { RouteTable, type Topology } from './routes.js'

export interface ClusterParts {
  readonly store: Store
  readonly identity: Identity
  readonly config: Config
  readonly log: Logger
}

export class Cluster {
  readonly memberId: string
  readonly name: string
  readonly routes: RouteTable
  readonly administration: Administration
  readonly #parts: ClusterParts
  readonly #keys: ClusterKeys
  readonly #membership: Membership
  readonly #liveness: Liveness
  #watching: Promise<void> | undefined

  private constructor(parts: ClusterParts, keys: ClusterKeys) {
    const { store, log } = parts
    this.#parts = parts
    this.#keys = keys
    this.memberId = parts.identity.memberId
    this.name = parts.config.cluster.name
    this.routes = new RouteTable(store, keys, { self: this.memberId, log })
    this.administration = new Administration({
      store,
      keys,
      routes: this.routes,
      self: this.memberId,
    })
    const { interval, maximum_silent_period: silence } = parts.config.cluster.heartbeat
    this.#liveness = new Liveness(Math.ceil(silence / interval))
    this.#membership = new Membership(store, keys, {
      intervalMs: interval * 1000,
      liveness: this.#liveness,
      log,
    })
  }

  /** Opens the cluster's part of the store and loads the topology; nothing is registered yet.
   *  @throws Error  the stored layout has another version */
  static async open(parts: ClusterParts): Promise<Cluster> {
    const { store, config } = parts
    const keys = new ClusterKeys({
      metadata: await openClusterDirectory(store, config.cluster.name, 'metadata'),
      members: await openClusterDirectory(store, config.cluster.name, 'members'),
      shards: await openClusterDirectory(store, config.cluster.name, 'shards'),
    })
    const cluster = new Cluster(parts, keys)
    await cluster.routes.reload()
    const { version } = cluster.topology
    if (version !== '' && version !== METADATA_VERSION) {
      throw new Error(`the cluster's layout has version ${version}, not ${METADATA_VERSION}`)
    }
    return cluster
  }

  get initialized(): boolean {
    return this.routes.topology.initialized
  }

  get topology(): Topology {
    return this.routes.topology
  }

  /** Has a member been heard of within `cluster.heartbeat.maximum_silent_period`? True also of one
   *  that this member has not heard of yet, for as long. */
  isAlive(memberId: string): boolean {
    return this.#liveness.isAlive(memberId)
  }

  /** Registers this process as RUNNING, then follows the topology until `leave`. */
  async join(addresses: { external: Address; internal: Address }): Promise<void> {
    const record: MemberRecord = {
      memberId: this.memberId,
      status: 'RUNNING',
      processId: stampText(await this.#newProcessId()),
      ...addresses,
    }
    await this.#membership.register(record)
    await this.routes.reload()
    this.#watching = this.routes.watch()
  }

  /** Forms a one-member cluster: what an operator would do by hand, where it is not done yet. */
  async bootstrap(): Promise<void> {
    const { bucket, redis } = this.#parts.config
    await this.administration.bootstrap({
      BUCKET: bucket.shards,
      REDIS: redis.enabled ? redis.shards : 0,
    })
  }

  /** Stops following and marks this member STOPPED. */
  async leave(): Promise<void> {
    await this.routes.stop()
    await this.#watching
    await this.#membership.leave()
  }

  /** A stamp that grows with every process start; it is taken by a commit of its own. */
  async #newProcessId(): Promise<Buffer> {
    const stamps: Promise<Buffer>[] = []
    const run = (tx: Tx): void => {
      tx.add(this.#keys.heartbeat(this.memberId), 1n)
      tx.afterCommit(committed => stamps.push(committed.versionstamp()))
    }
    await this.#parts.store.transact(run, { idempotent: true })
    return Buffer.concat([...(await Promise.all(stamps)), Buffer.alloc(2)])
  }

  /**
   * Makes sure that no other process runs as this member; comes before anything is opened.
   * The lock of the data directory rules out a twin on this host, and an embedded store is used
   * from one host only. On FoundationDB a twin elsewhere shows by a heartbeat that moves.
   * @throws Error  A member is already running with this id: <id>
   */
  async claim(): Promise<void> {
    const { config, log } = this.#parts
    const previous = await this.#membership.previous(this.memberId)
    if (previous?.status !== 'RUNNING') return
    if (config.foundationdb.clusterfile === undefined || config.cluster.force_initialization) return
    const before = this.topology.heartbeats.get(this.memberId)
    const silenceMs = config.cluster.heartbeat.maximum_silent_period * 1000
    log.warn({ silenceMs }, 'this member is recorded as running; listening for its heartbeat')
    await new Promise(resolve => setTimeout(resolve, silenceMs))
    await this.routes.reload()
    if (this.topology.heartbeats.get(this.memberId) === before) return
    throw new Error(`A member is already running with this id: ${this.memberId}`)
  }
}
