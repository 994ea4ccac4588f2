/** Words of administrative commands, read case-insensitively. */

import type { ShardSelector } from '../../cluster/administration.js'
import { err } from '../../error.js'
import type { ShardKind, ShardStatus } from '../../volume/shard-routes.js'

const KINDS: ReadonlyMap<string, ShardKind> = new Map([
  ['BUCKET', 'BUCKET'],
  ['REDIS', 'REDIS'],
  ['STASH', 'REDIS'],
])

const STATUSES: ReadonlySet<string> = new Set(['READWRITE', 'READONLY', 'INOPERABLE'])

/** @throws RespError ERR invalid shard kind */
export function parseShardKind(word: string): ShardKind {
  const kind = KINDS.get(word.toUpperCase())
  if (kind === undefined) throw err('invalid shard kind')
  return kind
}

/** @throws RespError ERR invalid shard id */
export function parseShardSelector(word: string): ShardSelector {
  return word === '*' ? word : parseShardId(word)
}

/** @throws RespError ERR invalid shard id */
export function parseShardId(word: string): number {
  if (!/^\d{1,5}$/.test(word)) throw err('invalid shard id')
  return Number(word)
}

/** @throws RespError ERR Invalid shard status <word> */
export function parseShardStatus(word: string): ShardStatus {
  const status = word.toUpperCase()
  if (!STATUSES.has(status)) throw err(`Invalid shard status ${word}`)
  return status as ShardStatus
}
