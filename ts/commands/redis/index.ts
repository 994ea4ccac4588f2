/** Redis data commands: strings and hashes in memory. */

import type { Command } from '../../server/command.js'
import { expiryCommands } from './expiry.js'
import { hget, hgetall, hset } from './hashes.js'
import { keyCommands } from './keys.js'
import { setCommands } from './set.js'
import { stringCommands } from './strings.js'
import { stringNumberCommands } from './strings-numbers.js'
import { stringRangeCommands } from './strings-ranges.js'

export const redisCommands: readonly Command[] = [
  ...keyCommands,
  ...expiryCommands,
  ...setCommands,
  ...stringCommands,
  ...stringRangeCommands,
  ...stringNumberCommands,
  hset,
  hget,
  hgetall,
]
