/** Two members on one store that share the Redis slots, each on ports that stay. */
import { SLOT_COUNT, slotOf } from '../../ts/redis/slots.js'
import { freePort } from './ports.js'
import type { RespClient } from './resp-client.js'
import type { TestServer } from './server.js'
import { withTestServer } from './server-suite.js'
import { until } from './wait.js'

/** Member 0 has the even ones, member 1 the odd ones. */
const SHARDS = 4
const SHARD_SLOTS = SLOT_COUNT / SHARDS

export interface RedisMember {
  readonly server: TestServer
  readonly id: string
  readonly port: number
}

export type RedisPair = readonly [RedisMember, RedisMember]

/** Which of the two members serves a key. */
function memberOf(key: string): 0 | 1 {
  return Math.floor(slotOf(Buffer.from(key)) / SHARD_SLOTS) % 2 === 0 ? 0 : 1
}

/** Names of keys, in turn of one member and of the other. @returns `count` of them */
export function keysOfBoth(prefix: string, count: number): string[] {
  const keys: string[] = []
  for (let i = 0; keys.length < count; i++) {
    const key = `${prefix}:${i}`
    if (memberOf(key) === keys.length % 2) keys.push(key)
  }
  return keys
}

/** Settings of each of the two members, besides its store and port. */
function pairSettings(port: number): string[] {
  return [
    'cluster.auto_bootstrap=false',
    `redis.shards=${SHARDS}`,
    'cluster.heartbeat.interval=1',
    'cluster.heartbeat.maximum_silent_period=4',
    `network.external.port=${port}`,
  ]
}

/** Runs `body` with two members that serve all slots. */
export async function withRedisPair(body: (pair: RedisPair) => Promise<void>): Promise<void> {
  const ports = [await freePort(), await freePort()] as const
  await withTestServer(pairSettings(ports[0]), first =>
    withTestServer([...first.storeSettings, ...pairSettings(ports[1])], async second => {
      const [one, two] = [await first.connectAdmin(), await second.connectAdmin()]
      await one.call('KR.ADMIN', 'INITIALIZE-CLUSTER')
      const pair: RedisPair = [
        { server: first, id: await memberId(one), port: ports[0] },
        { server: second, id: await memberId(two), port: ports[1] },
      ]
      await route(one, pair)
      await served(pair)
      await body(pair)
    }),
  )
}

/** Resolves once each member serves its slots, also after a restart. */
export async function served(pair: RedisPair): Promise<void> {
  const clients = [await pair[0].server.connect(), await pair[1].server.connect()]
  for (let shard = 0; shard < SHARDS; shard++) {
    const key = keyOf(shard)
    await until(`shard ${shard} is served`, async () => {
      return (await clients[shard % 2]!.frame('GET', key)).type !== '-'
    })
  }
}

function keyOf(shard: number): string {
  for (let i = 0; ; i++) {
    if (Math.floor(slotOf(Buffer.from(`served:${i}`)) / SHARD_SLOTS) === shard) return `served:${i}`
  }
}

async function memberId(admin: RespClient): Promise<string> {
  // The other member has initialised the cluster.
  await until('the member knows that the cluster is initialised', async () => {
    return (await admin.frame('KR.ADMIN', 'DESCRIBE-MEMBER')).type !== '-'
  })
  const member = (await admin.call('KR.ADMIN', 'DESCRIBE-MEMBER')) as Map<string, unknown>
  return String(member.get('member_id'))
}

async function route(admin: RespClient, pair: RedisPair): Promise<void> {
  await admin.call('KR.ADMIN', 'ROUTE', 'SET', 'PRIMARY', 'BUCKET', '*', pair[0].id)
  for (let shard = 0; shard < SHARDS; shard++) {
    const { id } = pair[shard % 2 === 0 ? 0 : 1]
    await admin.call('KR.ADMIN', 'ROUTE', 'SET', 'PRIMARY', 'REDIS', String(shard), id)
  }
  for (const kind of ['BUCKET', 'REDIS']) {
    await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', kind, '*', 'READWRITE')
  }
}
