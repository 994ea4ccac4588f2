/** Redis data commands: strings and hashes in memory. */

import type { Command } from '../../server/command.js'
import { cluster } from './cluster.js'
import { asking, readonly, readwrite } from './cluster-modes.js'
import { hget, hgetall, hset } from './hashes.js'
import { discard, exec, multi, unwatch, watch } from './multi.js'
import { set } from './set.js'
import { del, get } from './strings.js'

export const redisCommands: readonly Command[] = [
  set,
  get,
  del,
  hset,
  hget,
  hgetall,
  multi,
  exec,
  discard,
  watch,
  unwatch,
  cluster,
  readonly,
  readwrite,
  asking,
]
