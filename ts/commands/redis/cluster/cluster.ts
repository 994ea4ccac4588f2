/** CLUSTER: what clients ask of a Redis Cluster. Nothing of it changes the cluster. */

import type { MemberRecord } from '../../../cluster/member.js'
import { err } from '../../../error.js'
import { SLOT_COUNT, slotOf } from '../../../redis/slots.js'
import {
  any,
  array,
  binary as binaryReply,
  bulk,
  integer,
  mapOf,
  tuple,
  typed,
} from '../../../resp/reply.js'
import {
  bytes,
  command,
  redisInteger,
  redisTexts,
  subcommand,
  text,
} from '../../../server/command.js'
import type { Context } from '../../../server/context.js'
import { requireRedis } from '../shared.js'
import { ClusterView } from './cluster-view.js'

const viewOf = ({ services }: Context): ClusterView => new ClusterView(services.cluster)

const myId = subcommand({
  name: 'MYID',
  complexity: 'O(1)',
  summary: 'Answers the id of the member.',
  args: [],
  reply: bulk,
  example: ['CLUSTER MYID'],
  run: ({ services }) => services.cluster.memberId,
})

const keySlot = subcommand({
  name: 'KEYSLOT',
  complexity: 'O(N) with N the bytes of the key',
  summary: 'Answers the hash slot of a key.',
  args: [bytes('key')],
  reply: integer,
  example: ['CLUSTER KEYSLOT somekey', 'CLUSTER KEYSLOT {user:1}:name'],
  run: (_ctx, { key }) => slotOf(key),
})

/** Host, port, id, and metadata, of which there is none. */
const node = tuple(bulk, integer, bulk, mapOf(bulk, bulk))

function nodeOf({ external, memberId }: MemberRecord) {
  return [external.host, external.port, memberId, []] as const
}

const slots = subcommand({
  name: 'SLOTS',
  complexity: 'O(N) with N the number of shards',
  summary: 'Lists ranges of slots: first and last, the primary, the standbys.',
  args: [],
  reply: array(any),
  example: ['CLUSTER SLOTS'],
  notes: [
    'A node is its host, client port, id, and an empty map (an empty array in RESP2). Shards ' +
      'without a primary are left out.',
  ],
  run: ctx =>
    viewOf(ctx).ranges.map(({ first, last, primary, standbys }) => [
      first,
      last,
      ...[primary, ...standbys].map(member => typed(node, nodeOf(member))),
    ]),
})

const nodes = subcommand({
  name: 'NODES',
  complexity: 'O(N·M) with N the number of members and M the number of shards',
  summary: 'Describes all members, one line each, in the format of Redis.',
  args: [],
  reply: bulk,
  example: ['CLUSTER NODES'],
  notes: [
    'A line has the id, `host:port@admin-port,host`, flags, the id of the primary that a ' +
      'standby follows or `-`, three numbers that are always 0, the state of the link, and the ' +
      'ranges of slots. Flags are `myself`, `master` or `slave`, and `fail` for a member that ' +
      'has stopped or is silent.',
  ],
  run: ctx => {
    const view = viewOf(ctx)
    return view.members.map(member => `${view.line(member)}\n`).join('')
  },
})

const shards = subcommand({
  name: 'SHARDS',
  complexity: 'O(N) with N the number of shards',
  summary: 'Lists ranges of slots by the members that serve them.',
  args: [],
  reply: array(any),
  example: ['CLUSTER SHARDS'],
  run: ctx => {
    const view = viewOf(ctx)
    const describe = (member: MemberRecord, role: string) => ({
      id: member.memberId,
      port: member.external.port,
      ip: member.external.host,
      endpoint: member.external.host,
      role,
      'replication-offset': 0,
      health: view.isOnline(member) ? 'online' : 'failed',
    })
    return view.groups.map(ranges => {
      const { primary, standbys } = ranges[0]!
      const replicas = standbys.map(standby => describe(standby, 'replica'))
      return {
        slots: ranges.flatMap(({ first, last }) => [first, last]),
        nodes: [describe(primary, 'master'), ...replicas],
      }
    })
  },
})

const info = subcommand({
  name: 'INFO',
  complexity: 'O(N) with N the number of shards',
  summary: 'Describes the state of the cluster.',
  args: [],
  reply: bulk,
  example: ['CLUSTER INFO'],
  notes: [
    '`cluster_state` is `fail` while a shard has no primary or is INOPERABLE. Epochs are always 0.',
  ],
  run: ctx => {
    const fields = Object.entries(viewOf(ctx).info())
    return fields.map(([name, value]) => `${name}:${value}\r\n`).join('')
  },
})

const isSlot = (slot: bigint): boolean => slot >= 0n && slot < SLOT_COUNT

const countKeysInSlot = subcommand({
  name: 'COUNTKEYSINSLOT',
  complexity: 'O(1)',
  summary: 'Answers the number of keys of a slot on this member.',
  notes: ['Where more than 1,000 keys have an expiry, some that have just expired may count.'],
  args: [redisInteger('slot')],
  reply: integer,
  example: ['SET somekey 1', 'CLUSTER COUNTKEYSINSLOT 11058', 'CLUSTER COUNTKEYSINSLOT 16384'],
  run: (ctx, { slot }) => {
    if (!isSlot(slot)) throw err('Invalid slot')
    return requireRedis(ctx).countInSlot(Number(slot))
  },
})

const getKeysInSlot = subcommand({
  name: 'GETKEYSINSLOT',
  complexity: 'O(N) with N a 64th of the keys of the shard',
  summary: 'Answers some keys of a slot on this member.',
  args: [redisInteger('slot'), redisInteger('count')],
  reply: array(binaryReply),
  example: ['SET somekey 1', 'CLUSTER GETKEYSINSLOT 11058 10'],
  run: (ctx, { slot, count }) => {
    if (!isSlot(slot) || count < 0n) throw err('Invalid slot or number of keys')
    const keys: string[] = []
    if (count === 0n) return keys
    for (const key of requireRedis(ctx).keysInSlot(Number(slot))) {
      keys.push(key)
      if (keys.length >= count) break
    }
    return keys
  },
})

/** REPLICAS, and its former name. */
function replicas(name: string) {
  return subcommand({
    name,
    complexity: 'O(N) with N the number of shards',
    summary: 'Describes the standbys of a member, in lines of CLUSTER NODES.',
    args: [text('id')],
    reply: array(bulk),
    example: [`CLUSTER ${name} nobody`],
    run: (ctx, { id }) => {
      const view = viewOf(ctx)
      if (!view.members.some(({ memberId }) => memberId === id)) throw err(`Unknown node ${id}`)
      return view.replicasOf(id).map(member => view.line(member))
    },
  })
}

const links = subcommand({
  name: 'LINKS',
  complexity: 'O(1)',
  summary: 'Answers an empty array: members keep no links to each other.',
  args: [],
  reply: array(bulk),
  example: ['CLUSTER LINKS'],
  run: () => [],
})

export const cluster = command({
  name: 'CLUSTER',
  group: 'cluster',
  since: '0.1.0',
  summary: 'Describes the Redis side of the cluster to clients.',
  port: 'both',
  flags: ['redis', 'sync'],
  texts: redisTexts,
  subcommands: [
    myId,
    keySlot,
    slots,
    nodes,
    shards,
    info,
    countKeysInSlot,
    getKeysInSlot,
    replicas('REPLICAS'),
    replicas('SLAVES'),
    links,
  ],
})
