/** SCAN and HSCAN. */

import { err } from '../../../error.js'
import { glob } from '../../../redis/glob.js'
import type { Visit } from '../../../redis/memory/name-index.js'
import type { NameTable } from '../../../redis/memory/name-table.js'
import { parseCanonicalInt64 } from '../../../resp/numbers.js'
import { array, binary as binaryReply, tuple } from '../../../resp/reply.js'
import type { Rope } from '../../../resp/rope.js'
import type { Span } from '../../../resp/span.js'
import { binary, command, key, options, span } from '../../../server/command.js'
import { requireRedis } from '../shared.js'

/** Longest pattern in bytes: matching takes up to the product of its length and the key's. */
const PATTERN_MAX_BYTES = 65_536
const COUNT_DEFAULT = 10
/** A hash of up to so many fields is answered as a whole. */
const WHOLE_HASH_FIELDS = 512
/** Keys or fields that one answer looks at, whatever is asked for. */
const PAGE_MAX = 10_000

const U64_MAX = 2n ** 64n - 1n
const DIGITS = /^\d{1,20}$/

interface ScanOptions {
  readonly matches: ((name: string) => boolean) | undefined
  readonly count: number
  /** In lower case. */
  readonly type: string | undefined
}

const page = tuple(binaryReply, array(binaryReply))

export const scan = command({
  name: 'SCAN',
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(n) in COUNT',
  summary: 'Returns some keys of the shards of this member, and a cursor for the next ones.',
  args: [binary('cursor'), options('options', '[MATCH pattern] [COUNT count] [TYPE string|hash]')],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  reply: page,
  example: ['SET greeting hello', 'HSET user:1 name Ada', 'SCAN 0 MATCH user:* COUNT 100'],
  notes: [
    'Begin with cursor 0, go on with the one returned, until that is 0. Every key that is there ' +
      'all the time appears at least once, whatever is written meanwhile; one that is deleted ' +
      'and made again counts as new.',
    'COUNT says about how many keys are looked at, 10 unless given and 10,000 at most; MATCH and ' +
      'TYPE choose among them, so an answer may be empty before the end.',
    'Keys of other members are theirs to tell.',
  ],
  run: (ctx, { cursor: typed, options: words }) => {
    const cursor = cursorOf(typed)
    const { matches, count, type } = scanOptions(words, true)
    const redis = requireRedis(ctx)
    const keys: string[] = []
    const next = redis.walk({ cursor, count: Math.min(count, PAGE_MAX) }, (shard, item) => {
      if (type !== undefined && shard.typeOf(item) !== type) return
      if (!shard.isUnexpired(item)) return
      const name = shard.nameOf(item).latin1()
      if (matches === undefined || matches(name)) keys.push(name)
    })
    return [String(next), keys] as const
  },
})

export const hscan = command({
  name: 'HSCAN',
  group: 'hash',
  since: '0.1.0',
  complexity: 'O(n) in COUNT',
  summary: 'Returns some fields of a hash with their values, and a cursor for the next ones.',
  args: [key(span('key')), binary('cursor'), options('options', '[MATCH pattern] [COUNT count]')],
  port: 'client',
  flags: ['redis', 'readonly', 'sync'],
  errors: ['WRONGTYPE', 'MOVED'],
  reply: page,
  example: ['HSET user:1 name Ada city Helsinki', 'HSCAN user:1 0 MATCH n*'],
  notes: [
    'Begin with cursor 0, go on with the one returned, until that is 0. Every field that is ' +
      'there all the time appears at least once.',
    `A hash of up to ${WHOLE_HASH_FIELDS} fields is answered as a whole, whatever COUNT says.`,
  ],
  run: (ctx, { key: name, cursor: typed, options: words }) => {
    const cursor = cursorOf(typed)
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    const hash = shard.findHash(ctx.slot, name)
    // ORDER: as in Redis, an absent hash is answered before the options are looked at.
    if (hash === undefined) return ['0', []] as const
    const { matches, count } = scanOptions(words, false)
    const visit = visitFields(hash.fields, cursor, count)
    const found: (Span | Rope)[] = []
    for (const item of visit.items) {
      const field = shard.nameOf(item)
      if (matches === undefined || matches(field.latin1())) found.push(field, shard.borrow(item))
    }
    return [String(visit.cursor), found] as const
  },
})

function visitFields(fields: NameTable, cursor: number, count: number): Visit {
  if (fields.size <= WHOLE_HASH_FIELDS) return { items: [...fields], cursor: 0 }
  return fields.visit(cursor, Math.min(count, PAGE_MAX))
}

/** A cursor as a number; those beyond the safe integers are of no walk, and none is that large.
 *  @throws RespError ERR invalid cursor */
function cursorOf(typed: string): number {
  if (!DIGITS.test(typed) || BigInt(typed) > U64_MAX) throw err('invalid cursor')
  return Number(typed)
}

/** @throws RespError ERR syntax error, ERR value is not an integer or out of range,
 *          ERR pattern is too long */
function scanOptions(words: readonly Buffer[], allowsType: boolean): ScanOptions {
  let matches: ScanOptions['matches']
  let count = COUNT_DEFAULT
  let type: string | undefined
  for (let i = 0; i < words.length; i += 2) {
    const word = words[i]!.toString('latin1').toUpperCase()
    const value = words[i + 1]
    if (value === undefined) throw err('syntax error')
    if (word === 'COUNT') count = countOf(value)
    else if (word === 'MATCH') matches = matcherOf(value)
    else if (word === 'TYPE' && allowsType) type = value.toString('latin1').toLowerCase()
    else throw err('syntax error')
  }
  return { matches, count, type }
}

function countOf(word: Buffer): number {
  const count = parseCanonicalInt64(word.toString('latin1'))
  if (count === undefined) throw err('value is not an integer or out of range')
  if (count < 1n) throw err('syntax error')
  return Number(count)
}

/** Whether a name matches a pattern; undefined when all do. @throws RespError ERR pattern is too
 *  long */
export function matcherOf(pattern: Buffer): ((name: string) => boolean) | undefined {
  if (pattern.length > PATTERN_MAX_BYTES) throw err('pattern is too long')
  const text = pattern.toString('latin1')
  return text === '*' ? undefined : glob(text)
}
