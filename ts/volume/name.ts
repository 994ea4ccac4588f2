/** Volume names: `<kind>-shard-<n>`, one volume a shard. */

import { err } from '../error.js'
import type { ShardKind } from './shard-routes.js'

const KINDS: ReadonlyMap<string, ShardKind> = new Map([
  ['bucket', 'BUCKET'],
  ['redis', 'REDIS'],
  ['stash', 'REDIS'],
])

export function volumeName(kind: ShardKind, shard: number): string {
  return `${kind.toLowerCase()}-shard-${shard}`
}

/** @throws RespError ERR invalid volume name | shard kind | shard id: <the part> */
export function parseVolumeName(name: string): { kind: ShardKind; shard: number } {
  const parts = name.split('-')
  const [kindText, middle, shardText] = parts
  if (parts.length !== 3 || middle !== 'shard') throw err(`invalid volume name: ${name}`)
  const kind = KINDS.get(kindText?.toLowerCase() ?? '')
  if (kind === undefined) throw err(`invalid shard kind: ${kindText}`)
  if (!/^\d{1,5}$/.test(shardText ?? '')) throw err(`invalid shard id: ${shardText}`)
  return { kind, shard: Number(shardText) }
}
