/** All commands of the server. */

import type { Command } from '../server/command.js'
import { adminCommands } from './admin/index.js'
import { bucketCommands } from './bucket/index.js'
import { connectionCommands } from './connection/index.js'
import { namespaceCommands } from './namespace/index.js'
import { redisCommands } from './redis/index.js'
import { transactionCommands } from './transaction/index.js'
import { zmapCommands } from './zmap/index.js'

/** @param enabled  with `redis` off its commands do not exist */
export function allCommands(enabled: { redis: boolean }): Command[] {
  return [
    ...connectionCommands,
    ...transactionCommands,
    ...namespaceCommands,
    ...zmapCommands,
    ...bucketCommands,
    ...adminCommands,
    ...(enabled.redis ? redisCommands : []),
  ]
}
