/** HRANDFIELD. */

import { err } from '../../error.js'
import type { Orders } from '../../redis/orders.js'
import type { HashEntry } from '../../redis/shard.js'
import { parseCanonicalInt64 } from '../../resp/numbers.js'
import {
  array,
  binary as binaryReply,
  nullable,
  oneOf,
  pairs,
  type Typed,
  typed,
} from '../../resp/reply.js'
import { binary, command, key, options } from '../../server/command.js'
import { requireRedis } from './shared.js'

/** Most fields that are drawn with repeats: the reply would outgrow the server. */
const REPEATS_MAX = 1_000_000

const COUNT_MAX = 2n ** 63n - 1n

const one = nullable(binaryReply)
const some = array(binaryReply)
const someWithValues = pairs(binaryReply, binaryReply)

export const hrandfield = command({
  name: 'HRANDFIELD',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in the number of fields returned; the fields of the hash are listed for it',
  summary: 'Returns fields of a hash, drawn at random.',
  args: [key(binary('key')), options('options', '[count [WITHVALUES]]')],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: oneOf(one, some, someWithValues),
  example: ['HSET user:1 name Ada', 'HRANDFIELD user:1', 'HRANDFIELD user:1 -2 WITHVALUES'],
  notes: [
    'With a count up to so many fields, each once; with a negative count exactly so many, also ' +
      `several times the same, but at most ${REPEATS_MAX.toLocaleString('en')}.`,
    'Fields that were added to a large hash within the last second may have no chance yet.',
  ],
  run: (ctx, { key: name, options: words }): Typed => {
    const [countWord, ...more] = words
    const count = countWord && countOf(countWord, more)
    const redis = requireRedis(ctx)
    const { orders } = redis
    const hash = redis.shardOf(ctx.slot).getHash(ctx.slot, name)
    if (count === undefined) return typed(one, hash && orders.one(hash.fields))
    const fields = hash === undefined ? [] : drawn(orders, hash, count)
    if (more.length === 0) return typed(some, fields)
    return typed(
      someWithValues,
      fields.map(field => [field, hash!.fields.get(field)!.value] as const),
    )
  },
})

/** @throws RespError ERR value is not an integer or out of range, ERR syntax error,
 *          ERR value is out of range[, value must between …] */
function countOf(word: Buffer, more: readonly Buffer[]): number {
  const count = parseCanonicalInt64(word.toString('latin1'))
  if (count === undefined) throw err('value is not an integer or out of range')
  if (count < -COUNT_MAX) {
    throw err(`value is out of range, value must between ${-COUNT_MAX} and ${COUNT_MAX}`)
  }
  const isOdd = more.length > 1 || more.some(one => !isWithValues(one))
  if (isOdd) throw err('syntax error')
  const isTooLarge = more.length > 0 && count > COUNT_MAX / 2n
  if (isTooLarge || count < -REPEATS_MAX) throw err('value is out of range')
  return Number(count)
}

function isWithValues(word: Buffer): boolean {
  return word.toString('latin1').toUpperCase() === 'WITHVALUES'
}

function drawn(orders: Orders, { fields }: HashEntry, count: number): readonly string[] {
  return count < 0 ? orders.repeated(fields, -count) : orders.distinct(fields, count)
}
