/** KR.ADMIN: cluster administration, admin port only. */

import type { Topology } from '../../cluster/routes.js'
import { err } from '../../error.js'
import { array, bulk, integer, map, mapOf, ok, oneOf, typed } from '../../resp/reply.js'
import { command, options, rest, subcommand, text } from '../../server/command.js'
import type { Context } from '../../server/context.js'
import { volumeName } from '../../volume/name.js'
import type { ShardKind, ShardRoute } from '../../volume/shard-routes.js'
import { parseShardId, parseShardKind, parseShardSelector, parseShardStatus } from './words.js'

const memberFields = {
  status: bulk,
  process_id: bulk,
  external_host: bulk,
  external_port: integer,
  internal_host: bulk,
  internal_port: integer,
  latest_heartbeat: integer,
}

const member = map(memberFields)
const identifiedMember = map({ member_id: bulk, ...memberFields })
const shard = map({
  primary: bulk,
  standbys: array(bulk),
  status: bulk,
  linked_volumes: array(bulk),
})

function describeMember(topology: Topology, memberId: string) {
  const record = topology.members.get(memberId)
  if (record === undefined) throw err(`Member: ${memberId} not registered`)
  return {
    status: record.status,
    process_id: record.processId,
    external_host: record.external.host,
    external_port: record.external.port,
    internal_host: record.internal.host,
    internal_port: record.internal.port,
    latest_heartbeat: topology.heartbeats.get(memberId) ?? 0n,
  }
}

function describeShard(route: ShardRoute) {
  return {
    primary: route.primary,
    standbys: route.standbys,
    status: route.status,
    linked_volumes: [volumeName(route.kind, route.id)],
  }
}

function describeShards(topology: Topology, kind: ShardKind) {
  const routes = topology.routes.filter(route => route.kind === kind)
  return new Map(routes.map(route => [route.id, describeShard(route)]))
}

/** The table as the store has it now: heartbeats move without a topology change. */
async function freshTopology(ctx: Context): Promise<Topology> {
  await ctx.services.cluster.routes.reload()
  return ctx.services.cluster.topology
}

const invalidCount = () => err('invalid number of parameters')

function exactly(words: readonly string[], count: number): readonly string[] {
  if (words.length !== count) throw invalidCount()
  return words
}

const initializeCluster = subcommand({
  name: 'INITIALIZE-CLUSTER',
  complexity: 'O(N) with N the number of shards',
  summary: 'Creates the layout of the cluster in the store, once.',
  flags: ['uninitialized'],
  args: [options('ignored', '')],
  reply: ok,
  example: ['KR.ADMIN INITIALIZE-CLUSTER'],
  notes: ['A member with `cluster.auto_bootstrap` has done it by itself.'],
  run: ctx => {
    const { bucket, redis } = ctx.services.config
    if (bucket.shards < 1) throw err('bucket.shards must be greater than 0')
    if (redis.enabled && redis.shards < 1) throw err('redis.shards must be greater than 0')
    return ctx.services.cluster.administration.initialize({
      BUCKET: bucket.shards,
      REDIS: redis.enabled ? redis.shards : 0,
    })
  },
})

const describeThisMember = subcommand({
  name: 'DESCRIBE-MEMBER',
  complexity: 'O(N) with N the number of members and shards',
  summary: 'Describes the member that answers.',
  args: [rest(text('surplus'), { min: 0, syntax: '' })],
  reply: identifiedMember,
  example: ['KR.ADMIN DESCRIBE-MEMBER'],
  run: async (ctx, { surplus }) => {
    exactly(surplus, 0)
    const { memberId } = ctx.services.cluster
    return { member_id: memberId, ...describeMember(await freshTopology(ctx), memberId) }
  },
})

const clusterFields = {
  metadata_version: bulk,
  cluster_name: bulk,
  bucket: mapOf(integer, shard),
}
const cluster = map(clusterFields)
const clusterWithRedis = map({ ...clusterFields, redis: mapOf(integer, shard) })

const describeCluster = subcommand({
  name: 'DESCRIBE-CLUSTER',
  complexity: 'O(N) with N the number of members and shards',
  summary: 'Describes the cluster with all its shards.',
  args: [options('ignored', '')],
  reply: oneOf(cluster, clusterWithRedis),
  example: ['KR.ADMIN DESCRIBE-CLUSTER'],
  run: async ctx => {
    const topology = await freshTopology(ctx)
    const described = {
      metadata_version: topology.version,
      cluster_name: ctx.services.cluster.name,
      bucket: describeShards(topology, 'BUCKET'),
    }
    if (!ctx.services.config.redis.enabled) return typed(cluster, described)
    return typed(clusterWithRedis, { ...described, redis: describeShards(topology, 'REDIS') })
  },
})

const describeOneShard = subcommand({
  name: 'DESCRIBE-SHARD',
  complexity: 'O(N) with N the number of members and shards',
  summary: 'Describes one shard.',
  args: [rest(text('words'), { min: 0, syntax: 'kind id' })],
  reply: shard,
  example: ['KR.ADMIN DESCRIBE-SHARD BUCKET 0'],
  run: async (ctx, { words }) => {
    const [kindWord = '', idWord = ''] = exactly(words, 2)
    const kind = parseShardKind(kindWord)
    const id = parseShardId(idWord)
    const { routes } = await freshTopology(ctx)
    const route = routes.find(candidate => candidate.kind === kind && candidate.id === id)
    if (route === undefined) throw err('invalid shard id')
    return describeShard(route)
  },
})

const listMembers = subcommand({
  name: 'LIST-MEMBERS',
  complexity: 'O(N) with N the number of members and shards',
  summary: 'Lists all registered members, ascending by process id.',
  args: [options('ignored', '')],
  reply: mapOf(bulk, member),
  example: ['KR.ADMIN LIST-MEMBERS'],
  run: async ctx => {
    const topology = await freshTopology(ctx)
    const records = [...topology.members.values()]
    records.sort((a, b) => (a.processId < b.processId ? -1 : 1))
    return new Map(
      records.map(({ memberId }) => [memberId, describeMember(topology, memberId)] as const),
    )
  },
})

const setShardStatus = subcommand({
  name: 'SET-SHARD-STATUS',
  complexity: 'O(N) with N the number of shards',
  summary: 'Sets the status of one shard, or of all shards of a kind.',
  args: [rest(text('words'), { min: 0, syntax: 'kind id|* READWRITE|READONLY|INOPERABLE' })],
  reply: ok,
  example: [
    'KR.ADMIN SET-SHARD-STATUS BUCKET 0 READONLY',
    'KR.ADMIN SET-SHARD-STATUS BUCKET * READWRITE',
  ],
  run: (ctx, { words }) => {
    const [kind = '', id = '', status = ''] = exactly(words, 3)
    return ctx.services.cluster.administration.setShardStatus(
      parseShardKind(kind),
      parseShardSelector(id),
      parseShardStatus(status),
    )
  },
})

const route = subcommand({
  name: 'ROUTE',
  complexity: 'O(N) with N the number of shards',
  summary: 'Assigns the primary of one shard, or of all shards of a kind.',
  args: [rest(text('words'), { min: 0, syntax: 'SET PRIMARY kind id|* member' })],
  reply: ok,
  example: ['KR.ADMIN ROUTE SET PRIMARY BUCKET 0 nobody'],
  run: (ctx, { words }) => {
    const [operation = '', role = '', kind = '', id = '', memberId = ''] = exactly(words, 5)
    if (operation.toUpperCase() === 'UNSET' && role.toUpperCase() === 'PRIMARY') {
      throw err('UNSET PRIMARY is not supported')
    }
    if (operation.toUpperCase() !== 'SET') throw err(`Invalid operation kind: ${operation}`)
    if (role.toUpperCase() !== 'PRIMARY') throw err(`Invalid route kind: ${role}`)
    return ctx.services.cluster.administration.setPrimary(
      parseShardKind(kind),
      parseShardSelector(id),
      memberId,
    )
  },
})

export const krAdmin = command({
  name: 'KR.ADMIN',
  group: 'cluster',
  since: '0.1.0',
  summary: 'Administers the cluster.',
  port: 'admin',
  subcommands: [
    initializeCluster,
    describeThisMember,
    describeCluster,
    describeOneShard,
    listMembers,
    setShardStatus,
    route,
  ],
})
