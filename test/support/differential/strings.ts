/** Requests of the commands on strings. */
import type { Frame, Word } from '../resp-client.js'
import type { Draw } from './draw.js'
import { timedOption, timeOf } from './expiry.js'
import { type Allowed, type Request, type Row, row } from './play.js'

/** Offsets that make no string of hundreds of megabytes: they are near, or too far. */
const OFFSETS = ['0', '1', '3', '10', '200', '16380', '17000', '-1', '536870912', '536870911000']

const ODD_OFFSETS = ['abc', '', '1.5', '9223372036854775807', '9223372036854775808', '-0', '01']

/** Sums agree to so many parts: redis-server's decimals have 64 bits of mantissa. */
const MANTISSA = 10n ** 18n

/** For INCRBYFLOAT and HINCRBYFLOAT: sums that differ only by the rounding of binary decimals.
 *  @param heal  writes our sum in the place of the peer's */
export function decimalSums(heal: (sum: Buffer, request: Request) => Request): Allowed {
  return {
    row: '§4 INCRBYFLOAT: → add as decimals rather than binary doubles',
    isSame: (ours, theirs) => {
      if (!Buffer.isBuffer(ours.value) || !Buffer.isBuffer(theirs.value)) return false
      const [mine, other] = [scaled(ours.value), scaled(theirs.value)]
      const difference = mine > other ? mine - other : other - mine
      const size = mine < 0n ? -mine : mine
      // Both round to 17 places; the peer's sum is off by half a unit of 64 bits besides.
      return difference <= 1n + size / MANTISSA
    },
    heal: (ours: Frame, request) => heal(ours.value as Buffer, request),
  }
}

/** A decimal of at most 17 places in units of 10^-17. */
function scaled(text: Buffer): bigint {
  const [whole = '', places = ''] = text.toString('latin1').split('.')
  return BigInt(whole + places.padEnd(17, '0'))
}

/** Options of SET in any order, each once: conflicts among them, but none with itself. */
function setOptions(draw: Draw): string[] {
  if (draw.chance(0.4)) return []
  const groups: string[][] = draw.subset(['NX', 'XX', 'GET', 'KEEPTTL'], 0.2).map(word => [word])
  if (draw.chance(0.5)) groups.push(timedOption(draw))
  if (draw.chance(0.03)) groups.push(['odd'])
  if (draw.chance(0.5)) groups.reverse()
  return groups.flat().map(word => draw.word(word))
}

function getexOptions(draw: Draw): string[] {
  const dice = draw.random.next()
  if (dice < 0.2) return []
  if (dice < 0.4) return [draw.word('PERSIST')]
  if (dice < 0.45) return ['PERSIST', ...timedOption(draw)]
  return dice < 0.48 ? ['KEEPTTL'] : timedOption(draw)
}

function pairs(draw: Draw): Word[] {
  return draw.some(1, 4, () => [draw.key(), draw.value()]).flat()
}

/** Rows of a differential test. */
export const STRING_ROWS: readonly Row[] = [
  row('SET', draw => [draw.key(), draw.value(), ...setOptions(draw)], { weight: 6 }),
  row('SETNX', draw => [draw.key(), draw.value()]),
  row('SETEX', draw => [draw.key(), timeOf(draw, 'EX'), draw.value()]),
  row('PSETEX', draw => [draw.key(), timeOf(draw, 'PX'), draw.value()]),
  row('GET', draw => [draw.key()], { weight: 3 }),
  row('GETSET', draw => [draw.key(), draw.value()]),
  row('GETDEL', draw => [draw.key()]),
  row('GETEX', draw => [draw.key(), ...getexOptions(draw)], { weight: 2 }),
  row('MGET', draw => draw.some(1, 5, () => draw.key())),
  row('MSET', pairs),
  row('MSETNX', pairs, { weight: 2 }),
  row('APPEND', draw => [draw.key(), draw.value()], { weight: 2 }),
  row('STRLEN', draw => [draw.key()]),
  row('GETRANGE', draw => [draw.key(), draw.integer(), draw.integer()], { weight: 2 }),
  row('SUBSTR', draw => [draw.key(), draw.integer(), draw.integer()]),
  row('SETRANGE', draw => [draw.key(), offset(draw), draw.value()], { weight: 2 }),
  row('INCR', draw => [draw.key()], { weight: 2 }),
  row('DECR', draw => [draw.key()]),
  row('INCRBY', draw => [draw.key(), draw.integer()], { weight: 2 }),
  row('DECRBY', draw => [draw.key(), draw.integer()]),
  row('INCRBYFLOAT', draw => [draw.key(), draw.float()], {
    weight: 3,
    allowed: decimalSums((sum, [, name = '']) => ['SET', name, sum, 'KEEPTTL']),
  }),
]

function offset(draw: Draw): string {
  return draw.pick(draw.chance(0.9) ? OFFSETS : ODD_OFFSETS)
}
