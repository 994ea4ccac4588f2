/** Redis data commands: strings and hashes in memory. */

import type { Command } from '../../server/command.js'
import { expiryCommands } from './expiry.js'
import { flushall, flushdb } from './flush.js'
import { hdel, hmset, hset, hsetnx } from './hashes.js'
import { hincrby, hincrbyfloat } from './hashes-numbers.js'
import { hrandfield } from './hashes-random.js'
import { hexists, hget, hgetall, hkeys, hlen, hmget, hstrlen, hvals } from './hashes-read.js'
import { keyCommands } from './keys.js'
import { hscan, scan } from './scan.js'
import { dbsize, keys, randomkey } from './scan-keys.js'
import { setCommands } from './set.js'
import { stringCommands } from './strings.js'
import { stringNumberCommands } from './strings-numbers.js'
import { stringRangeCommands } from './strings-ranges.js'

const hashCommands: readonly Command[] = [
  ...[hset, hmset, hsetnx, hdel, hincrby, hincrbyfloat],
  ...[hget, hmget, hgetall, hkeys, hvals, hlen, hexists, hstrlen, hrandfield, hscan],
]

const keyspaceCommands: readonly Command[] = [scan, keys, randomkey, dbsize, flushdb, flushall]

export const redisCommands: readonly Command[] = [
  ...keyCommands,
  ...expiryCommands,
  ...setCommands,
  ...stringCommands,
  ...stringRangeCommands,
  ...stringNumberCommands,
  ...hashCommands,
  ...keyspaceCommands,
]
