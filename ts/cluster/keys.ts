/**
 * Keys of the cluster's own state. Three directories below the cluster root:
 *
 *     metadata   01 version text · 02 initialized flag · 03 topology counter (i64le, atomic add)
 *     members    memberId(40) 01 record (JSON) · memberId(40) 02 heartbeat (i64le, atomic add)
 *     shards     kind u8 id u32be 01 route (JSON) · kind u8 id u32be 02 ownership epoch (i64le)
 *
 * INVARIANT: the bytes are frozen by test/format; tags are only added, never reused.
 */

import type { ShardKind } from '../volume/shard-routes.js'

const KIND_TAG: Readonly<Record<ShardKind, number>> = { BUCKET: 1, REDIS: 2 }
const MEMBER_ID_BYTES = 40

export interface KeyRange {
  readonly begin: Buffer
  readonly end: Buffer
}

export class ClusterKeys {
  readonly #metadata: Buffer
  readonly #members: Buffer
  readonly #shards: Buffer
  readonly version: Buffer
  readonly initialized: Buffer
  /** Bumped by every change of a route, a shard status or a member; members watch it. */
  readonly topology: Buffer

  /** @param prefixes content prefixes of the three directories */
  constructor(prefixes: { metadata: Buffer; members: Buffer; shards: Buffer }) {
    this.#metadata = prefixes.metadata
    this.#members = prefixes.members
    this.#shards = prefixes.shards
    this.version = tagged(this.#metadata, 1)
    this.initialized = tagged(this.#metadata, 2)
    this.topology = tagged(this.#metadata, 3)
  }

  memberRecord(memberId: string): Buffer {
    return tagged(Buffer.concat([this.#members, Buffer.from(memberId, 'latin1')]), 1)
  }

  heartbeat(memberId: string): Buffer {
    return tagged(Buffer.concat([this.#members, Buffer.from(memberId, 'latin1')]), 2)
  }

  /** All members' records and heartbeats. */
  members(): KeyRange {
    return childrenOf(this.#members)
  }

  /** Tells a member key apart: whose it is, and whether it is the record or the heartbeat. */
  parseMember(key: Buffer): { memberId: string; isRecord: boolean } {
    const at = this.#members.length
    return {
      memberId: key.toString('latin1', at, at + MEMBER_ID_BYTES),
      isRecord: key[at + MEMBER_ID_BYTES] === 1,
    }
  }

  route(kind: ShardKind, id: number): Buffer {
    return tagged(this.#shard(kind, id), 1)
  }

  epoch(kind: ShardKind, id: number): Buffer {
    return tagged(this.#shard(kind, id), 2)
  }

  /** All shards of both kinds: routes and epochs, kinds in tag order, ids ascending. */
  shards(): KeyRange {
    return childrenOf(this.#shards)
  }

  parseShard(key: Buffer): { kind: ShardKind; id: number; isRoute: boolean } {
    const at = this.#shards.length
    return {
      kind: key[at] === KIND_TAG.BUCKET ? 'BUCKET' : 'REDIS',
      id: key.readUInt32BE(at + 1),
      isRoute: key[at + 5] === 1,
    }
  }

  #shard(kind: ShardKind, id: number): Buffer {
    const key = Buffer.allocUnsafe(this.#shards.length + 5)
    this.#shards.copy(key)
    key[this.#shards.length] = KIND_TAG[kind]
    key.writeUInt32BE(id, this.#shards.length + 1)
    return key
  }
}

function tagged(prefix: Buffer, tag: number): Buffer {
  return Buffer.concat([prefix, Buffer.of(tag)])
}

/** Every key that extends the prefix by at least one byte below 0xff. */
function childrenOf(prefix: Buffer): KeyRange {
  return { begin: tagged(prefix, 0), end: tagged(prefix, 0xff) }
}
