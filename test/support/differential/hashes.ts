/** Requests of the commands on hashes. */
import type { Frame } from '../resp-client.js'
import type { Draw } from './draw.js'
import { type Allowed, isSame, type Request, type Row, row } from './play.js'
import { decimalSums } from './strings.js'
import { countOption, isSamePage, isSameSet, itemsOf, matchOption } from './unordered.js'

const ORDER = '§5 Field order: insertion order is fine, unspecified'
const RANDOM = '§5 HRANDFIELD: count>0 distinct, at most all; <0 exactly |count| with repeats'

/** More than any hash here has fields. */
const MANY = 60

/** Fields in any order; each is so many elements. */
function inAnyOrder(width: number): Allowed {
  return {
    row: ORDER,
    isSame: (ours, theirs) => isSameSet(ours, theirs, width),
  }
}

/** What may be drawn at random, as far as its shape and number go. */
const drawn: Allowed = {
  row: RANDOM,
  isSame: (ours, theirs, [, , count, withValues]) => {
    if (ours.type !== theirs.type) return false
    if (ours.type === '$') return Buffer.isBuffer(ours.value) && Buffer.isBuffer(theirs.value)
    if (!Array.isArray(ours.value)) return false
    const [mine, others] = [itemsOf(ours), itemsOf(theirs)]
    // In RESP3 a field and its value are an array of their own.
    const width = withValues !== undefined && mine[0]?.type === '$' ? 2 : 1
    if (mine.length !== others.length || mine[0]?.type !== others[0]?.type) return false
    const isEach = Number(count) >= MANY
    const isDistinct = Number(count) < 0 || areDistinct(mine, width)
    return isDistinct && (!isEach || isSameSet(ours, theirs, width))
  },
}

const page: Allowed = {
  row: '§5 HSCAN: [cursor, flat f v array]; cursors and order are not said',
  isSame: (ours, theirs) => isSamePage(ours, theirs, 2),
}

function areDistinct(items: readonly Frame[], width: number): boolean {
  const fields = items.filter((_, i) => i % width === 0)
  return fields.every((field, i) => fields.findIndex(other => isSame(field, other)) === i)
}

function pairs(draw: Draw): Request {
  return draw.some(1, 3, () => [draw.field(), draw.value()]).flat()
}

function randomOptions(draw: Draw): string[] {
  if (draw.chance(0.3)) return []
  const edges = ['abc', '1.5', '-9223372036854775808', '9223372036854775808', '9223372036854775807']
  const count = draw.chance(0.9)
    ? draw.pick(['0', '1', '2', '3', '-1', '-5', String(MANY), '100'])
    : draw.pick(edges)
  if (draw.chance(0.5)) return [count]
  return [count, draw.word(draw.chance(0.95) ? 'WITHVALUES' : 'VALUES')]
}

function scanOptions(draw: Draw): string[] {
  return [...countOption(draw), ...matchOption(draw, ['*', 'f', '[f-h]', '?*', '\\1', '[^f]*'])]
}

/** Rows of a differential test. */
export const HASH_ROWS: readonly Row[] = [
  row('HSET', draw => [draw.key(), ...pairs(draw)], { weight: 4 }),
  row('HMSET', draw => [draw.key(), ...pairs(draw)]),
  row('HSETNX', draw => [draw.key(), draw.field(), draw.value()]),
  row('HGET', draw => [draw.key(), draw.field()]),
  row('HMGET', draw => [draw.key(), ...draw.some(1, 4, () => draw.field())]),
  row('HGETALL', draw => [draw.key()], { weight: 2, allowed: inAnyOrder(2) }),
  row('HKEYS', draw => [draw.key()], { allowed: inAnyOrder(1) }),
  row('HVALS', draw => [draw.key()], { allowed: inAnyOrder(1) }),
  row('HLEN', draw => [draw.key()]),
  row('HEXISTS', draw => [draw.key(), draw.field()]),
  row('HSTRLEN', draw => [draw.key(), draw.field()]),
  row('HDEL', draw => [draw.key(), ...draw.some(1, 4, () => draw.field())], { weight: 2 }),
  row('HINCRBY', draw => [draw.key(), draw.field(), draw.integer()], { weight: 3 }),
  row('HINCRBYFLOAT', draw => [draw.key(), draw.field(), draw.float()], {
    weight: 3,
    allowed: decimalSums((sum, [, name = '', field = '']) => ['HSET', name, field, sum]),
  }),
  row('HRANDFIELD', draw => [draw.key(), ...randomOptions(draw)], { weight: 2, allowed: drawn }),
  row('HSCAN', draw => [draw.key(), draw.pick(['0', '0', '0', 'x', '1x']), ...scanOptions(draw)], {
    weight: 2,
    allowed: page,
  }),
]
