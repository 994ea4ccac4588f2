/** HRANDFIELD. */

import { err } from '../../../error.js'
import type { NameTable } from '../../../redis/memory/name-table.js'
import { distinct } from '../../../redis/memory/sample.js'
import { parseCanonicalInt64 } from '../../../resp/numbers.js'
import {
  array,
  binary as binaryReply,
  nullable,
  oneOf,
  pairs,
  type Typed,
  typed,
} from '../../../resp/reply.js'
import { command, key, options, span } from '../../../server/command.js'
import { requireRedis } from '../shared.js'

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
  complexity: 'O(n) in the number of fields returned',
  summary: 'Returns fields of a hash, drawn at random.',
  args: [key(span('key')), options('options', '[count [WITHVALUES]]')],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: oneOf(one, some, someWithValues),
  example: ['HSET user:1 name Ada', 'HRANDFIELD user:1', 'HRANDFIELD user:1 -2 WITHVALUES'],
  notes: [
    'With a count up to so many fields, each once; with a negative count exactly so many, also ' +
      `several times the same, but at most ${REPEATS_MAX.toLocaleString('en')}.`,
  ],
  run: (ctx, { key: name, options: words }): Typed => {
    const [countWord, ...more] = words
    const count = countWord && countOf(countWord, more)
    const redis = requireRedis(ctx)
    const shard = redis.shardOf(ctx.slot)
    const fields = shard.findHash(ctx.slot, name)?.fields
    if (count === undefined) return typed(one, fields && shard.nameOf(fields.random()))
    const drawn = fields === undefined ? [] : draw(fields, count)
    const names = drawn.map(item => shard.nameOf(item))
    if (more.length === 0) return typed(some, names)
    return typed(
      someWithValues,
      drawn.map((item, i) => [names[i]!, shard.borrow(item)] as const),
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
  const isHalf = -COUNT_MAX / 2n <= count && count <= COUNT_MAX / 2n
  if (more.length > 0 && !isHalf) throw err('value is out of range')
  return Number(count)
}

function isWithValues(word: Buffer): boolean {
  return word.toString('latin1').toUpperCase() === 'WITHVALUES'
}

/** @throws RespError ERR value is out of range */
function draw(fields: NameTable, count: number): readonly number[] {
  if (count >= 0) return distinct(fields, count)
  if (count < -REPEATS_MAX) throw err('value is out of range')
  return Array.from({ length: -count }, () => fields.random())
}
