/** Redis data commands: strings and hashes in memory. */

import type { Command } from '../../server/command.js'
import { hget, hgetall, hset } from './hashes.js'
import { set } from './set.js'
import { del, get } from './strings.js'

export const redisCommands: readonly Command[] = [set, get, del, hset, hget, hgetall]
