/** Redis data commands: strings and hashes in memory. */

import type { Command } from '../../server/command.js'
import { cluster } from './cluster/cluster.js'
import { asking, readonly, readwrite } from './cluster/cluster-modes.js'
import { hdel, hmset, hset, hsetnx } from './hashes/hashes.js'
import { hincrby, hincrbyfloat } from './hashes/hashes-numbers.js'
import { hrandfield } from './hashes/hashes-random.js'
import { hexists, hget, hgetall, hkeys, hlen, hmget, hstrlen, hvals } from './hashes/hashes-read.js'
import { expiryCommands } from './keys/expiry.js'
import { flushall, flushdb } from './keys/flush.js'
import { keyCommands } from './keys/keys.js'
import { hscan, scan } from './keys/scan.js'
import { dbsize, keys, randomkey } from './keys/scan-keys.js'
import { discard, exec, multi, unwatch, watch } from './multi.js'
import { setCommands } from './strings/set.js'
import { stringCommands } from './strings/strings.js'
import { stringNumberCommands } from './strings/strings-numbers.js'
import { stringRangeCommands } from './strings/strings-ranges.js'

const hashCommands: readonly Command[] = [
  ...[hset, hmset, hsetnx, hdel, hincrby, hincrbyfloat],
  ...[hget, hmget, hgetall, hkeys, hvals, hlen, hexists, hstrlen, hrandfield, hscan],
]

const keyspaceCommands: readonly Command[] = [scan, keys, randomkey, dbsize, flushdb, flushall]

const sessionCommands: readonly Command[] = [
  ...[multi, exec, discard, watch, unwatch],
  ...[cluster, readonly, readwrite, asking],
]

export const redisCommands: readonly Command[] = [
  ...keyCommands,
  ...expiryCommands,
  ...setCommands,
  ...stringCommands,
  ...stringRangeCommands,
  ...stringNumberCommands,
  ...hashCommands,
  ...keyspaceCommands,
  ...sessionCommands,
]
