/** The cluster modes of client libraries, behind one interface, in both protocols. */
import { Cluster } from 'ioredis'
import { createCluster } from 'redis'
import { slotOf } from '../../ts/redis/slots.js'

export interface ClusterDriver {
  readonly name: string
  set(key: string, value: string): Promise<unknown>
  get(key: string): Promise<string | null>
  hset(key: string, field: string, value: string): Promise<unknown>
  hgetall(key: string): Promise<Record<string, string>>
  /** GETs of keys that one member serves, in one packet. */
  pipeline(keys: readonly string[]): Promise<unknown[]>
  /** MULTI, SET and GET of a key, EXEC. */
  transaction(key: string, value: string): Promise<unknown[]>
  /** Makes the library believe that the key is on the node of another key. */
  mislead(key: string, other: string): void
  close(): Promise<void>
}

export type ConnectCluster = (port: number) => Promise<ClusterDriver>

export const CLUSTER_DRIVERS: readonly ConnectCluster[] = [
  port => connectIoredis(port, 2),
  port => connectIoredis(port, 3),
  port => connectNodeRedis(port, 2),
  port => connectNodeRedis(port, 3),
]

const slotOfKey = (key: string): number => slotOf(Buffer.from(key))

async function connectIoredis(port: number, protocol: 2 | 3): Promise<ClusterDriver> {
  const cluster = new Cluster([{ host: '127.0.0.1', port }], {
    lazyConnect: true,
    redisOptions: { protocol },
  })
  cluster.on('error', ignore)
  await cluster.connect()
  const slots = Reflect.get(cluster, 'slots') as string[][]
  return {
    name: `ioredis RESP${protocol}`,
    set: (key, value) => cluster.set(key, value),
    get: key => cluster.get(key),
    hset: (key, field, value) => cluster.hset(key, field, value),
    hgetall: key => cluster.hgetall(key),
    pipeline: async keys => {
      const pipeline = cluster.pipeline()
      for (const key of keys) pipeline.get(key)
      return dataOf(await pipeline.exec())
    },
    transaction: async (key, value) => {
      return dataOf(await cluster.multi().set(key, value).get(key).exec())
    },
    mislead: (key, other) => {
      slots[slotOfKey(key)] = slots[slotOfKey(other)]!
    },
    close: async () => {
      await cluster.quit()
    },
  }
}

function dataOf(replies: [error: Error | null, reply: unknown][] | null): unknown[] {
  return (replies ?? []).map(([error, reply]) => {
    if (error) throw error
    return reply
  })
}

async function connectNodeRedis(port: number, protocol: 2 | 3): Promise<ClusterDriver> {
  const cluster = createCluster({
    RESP: protocol,
    rootNodes: [{ url: `redis://127.0.0.1:${port}` }],
  })
  cluster.on('error', ignore)
  await cluster.connect()
  return {
    name: `redis RESP${protocol}`,
    set: (key, value) => cluster.set(key, value),
    get: key => cluster.get(key),
    hset: (key, field, value) => cluster.hSet(key, field, value),
    hgetall: async key => ({ ...(await cluster.hGetAll(key)) }),
    pipeline: keys => Promise.all(keys.map(key => cluster.get(key))),
    transaction: async (key, value) => cluster.multi().set(key, value).get(key).exec(),
    mislead: (key, other) => {
      cluster.slots[slotOfKey(key)] = cluster.slots[slotOfKey(other)]!
    },
    close: async () => {
      await cluster.close()
    },
  }
}

/** A library tells of connections that fail while a server restarts; its commands fail as well. */
function ignore(): void {}
