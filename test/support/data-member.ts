/** The parts of a member below its commands, over a real store and real segment files. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Cluster } from '../../ts/cluster/cluster.js'
import { openIdentity } from '../../ts/cluster/identity.js'
import { type Config, loadConfig } from '../../ts/config/config.js'
import { RespError } from '../../ts/error.js'
import { addon } from '../../ts/native.js'
import {
  type Bucket,
  type BucketNamespace,
  createBucket,
  openBucket,
} from '../../ts/query/buckets.js'
import type { Cursor } from '../../ts/query/cursors.js'
import { Documents } from '../../ts/query/documents.js'
import { IndexTasks } from '../../ts/query/indexes/index-tasks.js'
import { Insertion } from '../../ts/query/insertion.js'
import { IndexRenewal } from '../../ts/query/maintenance/index-renewal.js'
import { newCursor, type QueryOptions } from '../../ts/query/new-cursor.js'
import { QueryPlans } from '../../ts/query/query-plans.js'
import { Redis } from '../../ts/redis/redis.js'
import { openClusterDirectory } from '../../ts/store/directory.js'
import { Namespaces } from '../../ts/store/namespaces/namespaces.js'
import { Store } from '../../ts/store/store.js'
import type { Tx } from '../../ts/store/tx.js'
import type { MaybePromise } from '../../ts/store/types.js'
import { RoutedStandbys, type SynchronousStandbys } from '../../ts/volume/standbys.js'
import type { Volume } from '../../ts/volume/volume.js'
import { Volumes } from '../../ts/volume/volumes.js'
import { storeSettings } from './cluster.js'
import { removeData } from './store.js'

/** Small segments, so that rolling over is cheap. */
const DEFAULTS = [
  'bucket.volume.segment_size=1048576',
  'redis.volume.segment_size=1048576',
  'volume.preallocate_bytes=65536',
  'redis.volume_syncer.period=10',
]

export interface DataMember {
  readonly config: Config
  readonly directory: string
  /** What was logged, as objects. */
  readonly logged: Record<string, unknown>[]
  readonly store: Store
  readonly cluster: Cluster
  readonly volumes: Volumes
  readonly documents: Documents
  readonly redis: Redis
  readonly namespaces: Namespaces
  readonly namespace: BucketNamespace
  /** Content prefix of the area `prefixes`. */
  readonly registry: Buffer
  /** The volume of BUCKET shard 0. */
  readonly bucketVolume: Volume
  /** The volume of REDIS shard 0. */
  readonly redisVolume: Volume
  /** Another member on the same store; not made the primary of anything. */
  join(sets?: readonly string[]): Promise<DataMember>
  /** Stops everything, and starts again over the same files. */
  reopen(sets?: readonly string[]): Promise<DataMember>
  /** Stops everything and deletes the files. */
  close(): Promise<void>
}

/** A member that is the primary of all shards. @param sets `key=value` settings
 *  @param standbys  whom synchronous writes wait for; default: those of the routes */
export async function openDataMember(
  sets: readonly string[] = [],
  standbys?: SynchronousStandbys,
): Promise<DataMember> {
  const directory = await mkdtemp(join(tmpdir(), 'kronotop-data-'))
  return openIn(directory, { sets, place: storeSettings(sets), isAlone: true, standbys })
}

interface OpenOptions {
  readonly sets: readonly string[]
  /** Settings that say where the store is; a joining member and a reopened one have the same. */
  readonly place: readonly string[]
  readonly isAlone: boolean
  readonly standbys?: SynchronousStandbys | undefined
  readonly store?: Store
}

async function openIn(directory: string, options: OpenOptions): Promise<DataMember> {
  const sets = [`data_dir=${directory}`, ...DEFAULTS, ...options.place, ...options.sets]
  const { config } = loadConfig({ sets })
  const logged: Record<string, unknown>[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(JSON.parse(line)) })
  const identity = await openIdentity(config.data_dir, config.cluster.name)
  const store = options.store ?? (await Store.open(config, log))
  const cluster = await Cluster.open({ store, identity, config, log })
  const namespaces = await Namespaces.open({ store, config, log, members: cluster })
  const registry = await openClusterDirectory(store, config.cluster.name, 'prefixes')
  const tasks = new IndexTasks(await openClusterDirectory(store, config.cluster.name, 'tasks'))
  const renewal = new IndexRenewal({ store, namespaces, tasks, log })
  const { routes } = cluster
  const parts = { store, routes, memberDirectory: identity.directory, config, log }
  const volumes = new Volumes(parts)
  await volumes.start()
  const standbys = options.standbys ?? new RoutedStandbys(routes, config.replication.synchronous)
  const redis = new Redis({ ...parts, volumes, standbys })
  await redis.start()
  await redis.loaded()
  const host = '127.0.0.1'
  await cluster.join({ external: { host, port: 5484 }, internal: { host, port: 3320 } })
  if (options.isAlone) await cluster.bootstrap()
  const stop = async (): Promise<void> => {
    await cluster.leave()
    await redis.stop()
    await volumes.close()
    await namespaces.close()
    identity.release()
  }
  return {
    ...{ config, directory, logged, store, cluster, volumes, redis, registry, namespaces },
    documents: new Documents({ volumes, routes, plans: makePlans(), renewal }),
    namespace: await namespaces.resolve(config.default_namespace),
    get bucketVolume() {
      return volumes.require('bucket-shard-0')
    },
    get redisVolume() {
      return volumes.require('redis-shard-0')
    },
    join: async (sets = []) => {
      const other = await mkdtemp(join(tmpdir(), 'kronotop-data-'))
      return openIn(other, { ...options, sets, isAlone: false, store })
    },
    reopen: async (sets = options.sets) => {
      await stop()
      if (options.isAlone) await store.close()
      return openIn(directory, { ...options, sets })
    },
    close: async () => {
      await stop()
      if (options.isAlone) {
        await removeData(store)
        await store.close()
      }
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Makes a bucket and opens it. */
export async function makeBucket(
  member: DataMember,
  name = 'b',
  shards: readonly number[] = [0],
): Promise<Bucket> {
  const { store, namespace, registry } = member
  const bucket = { name, uuid: randomUUID(), shards, registry }
  await store.transact(tx => createBucket(tx, namespace, bucket))
  return store.transact(tx => openBucket(tx, namespace, name))
}

/** Inserts JSON documents in one transaction. @returns their ids as hexadecimal text */
export async function insertJson(
  member: DataMember,
  bucket: Bucket,
  documents: readonly object[],
): Promise<string[]> {
  const insertion = new Insertion(documents.map(jsonOf), true)
  await member.store.transact(tx => member.documents.insert(tx, bucket, insertion))
  const ids = insertion.prepare().ids.toString('hex')
  return documents.map((_, i) => ids.slice(i * 24, (i + 1) * 24))
}

export function jsonOf(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** The planner of a member with default settings. */
function makePlans(): QueryPlans {
  const now = () => performance.now()
  return new QueryPlans({ enabled: true, maxTtlMs: 300_000, now, isStrict: true })
}

export interface CursorOptions extends Partial<QueryOptions> {
  readonly kind?: Cursor['kind']
  readonly snapshot?: boolean
  readonly update?: object
}

/** A cursor on bucket `b` that nobody has read from. */
export function makeCursor(
  member: DataMember,
  filter: object,
  options: CursorOptions = {},
): Cursor {
  const { kind = 'QUERY', snapshot = false, update, ...query } = options
  const limit = query.limit ?? 100
  return newCursor({
    ...{ kind, snapshot, limit, namespace: member.namespace, bucket: 'b' },
    filter: jsonOf(filter),
    options: { limit, sort: null, resultSort: null, projection: null, collation: null, ...query },
    returned: new addon.IdSets(),
    update: update === undefined ? null : jsonOf(update),
  })
}

/** Runs `body` in a transaction that is committed, once, if it needs that. */
export async function once<T>(store: Store, body: (tx: Tx) => MaybePromise<T>): Promise<T> {
  const tx = store.begin()
  try {
    const result = await body(tx)
    if (tx.needsCommit) await tx.commit()
    return result
  } finally {
    tx.cancel()
  }
}

/** `PREFIX message` of what `body` throws or rejects with, or `no error`. */
export async function errorOf(body: () => unknown): Promise<string> {
  try {
    await body()
  } catch (thrown) {
    if (thrown instanceof RespError) return `${thrown.prefix} ${thrown.message}`
    throw thrown
  }
  return 'no error'
}
