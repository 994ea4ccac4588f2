/** What the Redis data commands have in common. */

import type { Redis } from '../../redis/redis.js'
import type { Context } from '../../server/context.js'

/** The Redis side of this member; its commands exist only while it is on. */
export function requireRedis(ctx: Context): Redis {
  const { redis } = ctx.services
  if (redis === undefined) throw new Error('a Redis command ran without the Redis side')
  return redis
}
