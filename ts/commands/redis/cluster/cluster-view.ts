/**
 * The REDIS shards as Redis Cluster describes them: ranges of slots with a master and its replicas.
 * Shards without a primary, or whose primary is not registered, are left out.
 */

import type { Cluster } from '../../../cluster/cluster.js'
import { clientAddress, type MemberRecord } from '../../../cluster/member.js'
import { firstSlotOf } from '../../../redis/slots.js'
import type { ShardRoute } from '../../../volume/shard-routes.js'

/** Consecutive slots with the same primary and standbys. */
export interface SlotRange {
  readonly first: number
  readonly last: number
  readonly primary: MemberRecord
  readonly standbys: readonly MemberRecord[]
}

/** A shard that somebody serves, or is to serve. */
interface RoutedShard extends SlotRange {
  readonly status: ShardRoute['status']
}

export class ClusterView {
  readonly #cluster: Cluster
  readonly #shardCount: number
  readonly #shards: readonly RoutedShard[]

  constructor(cluster: Cluster) {
    const { members, routes } = cluster.topology
    const shards = routes.filter(({ kind }) => kind === 'REDIS')
    this.#cluster = cluster
    this.#shardCount = shards.length
    this.#shards = shards.flatMap(({ id, primary: primaryId, standbys, status }) => {
      const primary = members.get(primaryId)
      if (primary === undefined) return []
      return {
        first: firstSlotOf(id, shards.length),
        last: firstSlotOf(id + 1, shards.length) - 1,
        primary,
        standbys: standbys.map(standby => members.get(standby)).filter(one => one !== undefined),
        status,
      }
    })
  }

  /** All registered members, ascending by id. */
  get members(): MemberRecord[] {
    const members = [...this.#cluster.topology.members.values()]
    return members.sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  }

  /** Ascending; neighbours with the same members are one range. */
  get ranges(): SlotRange[] {
    const ranges: SlotRange[] = []
    for (const shard of this.#shards) {
      const last = ranges.at(-1)
      const joins = last !== undefined && last.last + 1 === shard.first
      if (joins && groupOf(last) === groupOf(shard)) {
        ranges[ranges.length - 1] = { ...last, last: shard.last }
      } else {
        ranges.push(shard)
      }
    }
    return ranges
  }

  /** The ranges by who serves them: each element has the same primary and standbys. */
  get groups(): SlotRange[][] {
    const groups = new Map<string, SlotRange[]>()
    for (const range of this.ranges) {
      const group = groups.get(groupOf(range))
      if (group === undefined) groups.set(groupOf(range), [range])
      else group.push(range)
    }
    return [...groups.values()]
  }

  /** Is the member running, as far as this one has heard? */
  isOnline({ memberId, status }: MemberRecord): boolean {
    if (memberId === this.#cluster.memberId) return true
    return status === 'RUNNING' && this.#cluster.isAlive(memberId)
  }

  /** Members that are standby of a shard of which this one is primary. */
  replicasOf(memberId: string): MemberRecord[] {
    const own = this.#shards.filter(({ primary }) => primary.memberId === memberId)
    const ids = new Set(own.flatMap(({ standbys }) => standbys.map(standby => standby.memberId)))
    return this.members.filter(member => ids.has(member.memberId))
  }

  /** A member's line of CLUSTER NODES, without a line end. */
  line(member: MemberRecord): string {
    const { memberId, external, internal } = member
    const ranges = this.#rangesOf(memberId)
    const primary = ranges.length > 0 ? undefined : this.#primaryOf(memberId)
    const isOnline = this.isOnline(member)
    const flags = [
      ...(memberId === this.#cluster.memberId ? ['myself'] : []),
      primary === undefined ? 'master' : 'slave',
      ...(isOnline ? [] : ['fail']),
    ]
    const address = `${clientAddress(member)}@${internal.port},${external.host}`
    const link = isOnline ? 'connected' : 'disconnected'
    const slots = ranges.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
    const words = [memberId, address, flags.join(','), primary ?? '-', 0, 0, 0, link, ...slots]
    return words.join(' ')
  }

  /** The fields of CLUSTER INFO. */
  info(): Record<string, string | number> {
    const isServed = this.#shards.every(({ status }) => status !== 'INOPERABLE')
    const isOk = isServed && this.#shardCount > 0 && this.#shards.length === this.#shardCount
    const failed = this.#shards.filter(({ primary }) => !this.isOnline(primary))
    const [assigned, lost] = [slotCount(this.#shards), slotCount(failed)]
    return {
      cluster_state: isOk ? 'ok' : 'fail',
      cluster_slots_assigned: assigned,
      cluster_slots_ok: assigned - lost,
      cluster_slots_pfail: 0,
      cluster_slots_fail: lost,
      cluster_known_nodes: this.#cluster.topology.members.size,
      cluster_size: new Set(this.#shards.map(({ primary }) => primary.memberId)).size,
      cluster_current_epoch: 0,
      cluster_my_epoch: 0,
    }
  }

  /** Slots of which a member is the primary, whoever stands by. */
  #rangesOf(memberId: string): { first: number; last: number }[] {
    const ranges: { first: number; last: number }[] = []
    for (const { first, last, primary } of this.#shards) {
      if (primary.memberId !== memberId) continue
      const before = ranges.at(-1)
      if (before?.last === first - 1) before.last = last
      else ranges.push({ first, last })
    }
    return ranges
  }

  /** The primary of the first shard that a member is standby of. */
  #primaryOf(memberId: string): string | undefined {
    const shard = this.#shards.find(({ standbys }) =>
      standbys.some(one => one.memberId === memberId),
    )
    return shard?.primary.memberId
  }
}

function slotCount(ranges: readonly SlotRange[]): number {
  return ranges.reduce((count, { first, last }) => count + last - first + 1, 0)
}

/** Equal of ranges with the same members. */
function groupOf({ primary, standbys }: SlotRange): string {
  return [primary, ...standbys].map(({ memberId }) => memberId).join()
}
