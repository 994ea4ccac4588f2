/** What the Redis data commands have in common. */

import type { Redis } from '../../redis/redis.js'
import type { Rope } from '../../resp/rope.js'
import { Span } from '../../resp/span.js'
import type { Context } from '../../server/context.js'

/** The Redis side of this member; its commands exist only while it is on. */
export function requireRedis(ctx: Context): Redis {
  const { redis } = ctx.services
  if (redis === undefined) throw new Error('a Redis command ran without the Redis side')
  return redis
}

/** The bytes of a word in a row. */
export function asSpan(word: Span | Rope): Span {
  if (word instanceof Span) return word
  const bytes = word.flat()
  return new Span(bytes, 0, bytes.length)
}

/** What the reference page of each command that writes says. */
export const IN_MEMORY_NOTE =
  'The data is in memory when the command answers, and on disk within about a second: a crash ' +
  'before that loses it. It takes no part in BEGIN … COMMIT.'
