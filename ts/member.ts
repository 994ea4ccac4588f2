/**
 * One running member: everything that `main` wires, started and stopped in order.
 *
 * Start: data directory -> store -> cluster -> namespaces -> volumes -> redis -> admin port ->
 * client port -> membership -> bootstrap. Stop goes the other way.
 */

import { availableParallelism } from 'node:os'
import type { Logger } from 'pino'
import { advertisedAddress } from './cluster/advertised.js'
import { Cluster } from './cluster/cluster.js'
import { type Identity, type OpenedIdentity, openIdentity } from './cluster/identity.js'
import { allCommands } from './commands/index.js'
import type { Config } from './config/config.js'
import { transportModule } from './native.js'
import { Documents } from './query/documents.js'
import { IndexTasks } from './query/indexes/index-tasks.js'
import { IndexRenewal } from './query/maintenance/index-renewal.js'
import { IndexStatistics } from './query/maintenance/index-statistics.js'
import { IndexWorker } from './query/maintenance/index-worker.js'
import { QueryPlans } from './query/query-plans.js'
import { BucketRemoval } from './query/removal.js'
import { Redis } from './redis/redis.js'
import type { Port } from './server/command.js'
import type { Lifecycle, Services } from './server/context.js'
import { Listener } from './server/listener.js'
import { Registry } from './server/registry.js'
import { Sessions, sessionDefaults } from './server/session.js'
import { checkOpenFiles } from './server/transport/open-files.js'
import { checkListeners } from './server/transport/preflight.js'
import { selectTransport } from './server/transport/select.js'
import { openClusterDirectory } from './store/directory.js'
import { Namespaces } from './store/namespaces/namespaces.js'
import { Store } from './store/store.js'
import { Watches } from './store/watches.js'
import { Teardown } from './teardown.js'
import { RoutedStandbys } from './volume/standbys.js'
import { Volumes } from './volume/volumes.js'

/** On each port, requests get this long to come to their reply, and clients to read it. */
const DRAIN_MS = 5_000

export interface Address {
  readonly host: string
  readonly port: number
}

export interface StartOptions {
  readonly version: string
  readonly log: Logger
}

export class Member {
  readonly memberId: string
  readonly external: Address
  readonly internal: Address
  readonly #starting: Starting

  private constructor(starting: Starting, ports: { external: Address; internal: Address }) {
    this.#starting = starting
    this.memberId = starting.identity.memberId
    this.external = ports.external
    this.internal = ports.internal
  }

  /** Starts a member; it serves when this resolves.
   *  @throws Error  one line for the operator; what was started is stopped again */
  static async start(config: Config, { version, log }: StartOptions): Promise<Member> {
    const teardown = new Teardown(log)
    // ORDER: before anything is written, so that a port in use leaves no trace on the disk.
    const { internal: adminSide, external: clientSide } = config.network
    const shortage = checkOpenFiles(config.network.max_clients)
    if (shortage !== undefined) log.warn(shortage)
    await checkListeners({ 'network.internal': adminSide, 'network.external': clientSide })
    try {
      const starting = await open(config, { version, log, teardown })
      const internal = await listen(starting, 'admin')
      const external = await listen(starting, 'client')
      const { cluster, watches } = starting.services
      // ORDER: before the ports drain, because a command that waits for a change has no end of its
      // own.
      teardown.add('watches', () => watches.close())
      teardown.add('membership', () => cluster.leave())
      await cluster.join({
        external: advertisedAddress(external, clientSide),
        internal: advertisedAddress(internal, adminSide),
      })
      if (config.cluster.auto_bootstrap) await cluster.bootstrap()
      return new Member(starting, { external, internal })
    } catch (cause) {
      await teardown.run()
      throw cause
    }
  }

  /** Lets running requests end, drains and flushes everything, leaves the cluster.
   *  @returns true when every step went through */
  async stop(): Promise<boolean> {
    const { services, listeners, teardown } = this.#starting
    services.lifecycle.stopping = true
    for (const listener of listeners) listener.stopAccepting()
    return await teardown.run()
  }

  /** A `stop` under way no longer waits for clients; what they wrote is still flushed. */
  hurry(): void {
    for (const listener of this.#starting.listeners) listener.hurry()
  }
}

/** What exists before the ports are open. */
interface Starting {
  readonly identity: Identity
  readonly services: Services
  readonly teardown: Teardown
  readonly listeners: Listener[]
}

interface OpenOptions extends StartOptions {
  readonly teardown: Teardown
}

async function open(config: Config, { version, log, teardown }: OpenOptions): Promise<Starting> {
  const identity = await openIdentity(config.data_dir, config.cluster.name)
  const store = await openStore(identity, config, log)
  teardown.add('data directory', () => identity.release())
  teardown.add('store', () => store.close())
  const cluster = await Cluster.open({ store, identity, config, log })
  await cluster.claim()
  const namespaces = await Namespaces.open({ store, config, log, members: cluster })
  teardown.add('namespaces', () => namespaces.close())
  const prefixRegistry = await openClusterDirectory(store, config.cluster.name, 'prefixes')
  const { routes } = cluster
  const parts = { store, routes, memberDirectory: identity.directory, config, log }
  const volumes = new Volumes(parts)
  teardown.add('volumes', () => volumes.close())
  await volumes.start()
  const { plan_cache: planCache, index } = config.bucket
  const now = () => performance.now()
  const statistics = new IndexStatistics({ store, log, now })
  const plans = new QueryPlans({
    enabled: planCache.enabled,
    maxTtlMs: planCache.max_ttl,
    ...{ now, statistics },
    isStrict: index.strict_types,
  })
  const tasks = new IndexTasks(await openClusterDirectory(store, config.cluster.name, 'tasks'))
  const renewal = new IndexRenewal({ store, namespaces, tasks, log })
  const documents = new Documents({ volumes, routes, plans, renewal })
  const registry = prefixRegistry
  const bucketRemoval = new BucketRemoval({ store, namespaces, volumes, tasks, registry })
  const { worker_pool_size: workers, worker_maintenance_interval: intervalS } = index.maintenance
  const worker = new IndexWorker({
    ...{ store, namespaces, routes, volumes, tasks, statistics, log },
    isStrict: index.strict_types,
    poolSize: workers || availableParallelism(),
    intervalMs: intervalS * 1_000,
  })
  teardown.add('index worker', () => worker.stop())
  worker.start()
  const standbys = new RoutedStandbys(routes, config.replication.synchronous)
  const redis = config.redis.enabled ? new Redis({ ...parts, volumes, standbys }) : undefined
  if (redis !== undefined) {
    teardown.add('redis', () => redis.stop())
    await redis.start()
  }
  const lifecycle: Lifecycle = { stopping: false }
  const sessions = new Sessions(sessionDefaults(config))
  const services: Services = {
    version,
    config,
    log,
    lifecycle,
    sessions,
    store,
    namespaces,
    watches: new Watches(store),
    cluster,
    volumes,
    documents,
    indexTasks: tasks,
    bucketRemoval,
    prefixRegistry,
    ...(redis === undefined ? {} : { redis }),
  }
  return { identity, services, teardown, listeners: [] }
}

/** A store that cannot be opened leaves the data directory as it was. */
async function openStore(identity: OpenedIdentity, config: Config, log: Logger): Promise<Store> {
  try {
    return await Store.open(config, log)
  } catch (cause) {
    await identity.undo()
    throw cause
  }
}

async function listen({ services, teardown, listeners }: Starting, port: Port): Promise<Address> {
  const { network, redis } = services.config
  const side = port === 'client' ? network.external : network.internal
  const listener = new Listener({
    services,
    registry: new Registry(allCommands({ redis: redis.enabled }), port),
    factory: (options, events) => {
      const factory = selectTransport(side.transport, transportModule, options)
      return factory(options, events)
    },
  })
  listeners.push(listener)
  teardown.add(`${port} port`, () => listener.close(DRAIN_MS))
  return await listener.listen()
}
