/** Requests of the commands on keys of any type, and on when they expire. */
import type { Draw } from './draw.js'
import { timeOf } from './expiry.js'
import { nearby, type Row, row } from './play.js'

const TOLD = '§3 TTL, PTTL, EXPIRETIME: what the clock said differs by the moment'
/** The longest that a run may take between two of its requests, at both servers. */
const TOLERANCE_S = 60

/** Conditions of EXPIRE, also such that exclude each other. */
function conditions(draw: Draw): string[] {
  if (draw.chance(0.5)) return []
  const words = draw.subset(['NX', 'XX', 'GT', 'LT'], 0.25)
  return [...words, ...(draw.chance(0.03) ? ['Odd'] : [])].map(word => draw.word(word))
}

const two = (draw: Draw): Buffer[] => [draw.key(), draw.key()]
const several = (draw: Draw): Buffer[] => draw.some(1, 4, () => draw.key())

/** Rows of a differential test. */
export const KEY_ROWS: readonly Row[] = [
  row('DEL', several, { weight: 2 }),
  row('UNLINK', several),
  row('EXISTS', several),
  row('TOUCH', several),
  row('TYPE', draw => [draw.key()]),
  row('RENAME', two, { weight: 3 }),
  row('RENAMENX', two, { weight: 3 }),
  row('EXPIRE', draw => [draw.key(), timeOf(draw, 'EX'), ...conditions(draw)], { weight: 2 }),
  row('PEXPIRE', draw => [draw.key(), timeOf(draw, 'PX'), ...conditions(draw)], { weight: 2 }),
  row('EXPIREAT', draw => [draw.key(), timeOf(draw, 'EXAT'), ...conditions(draw)], { weight: 2 }),
  row('PEXPIREAT', draw => [draw.key(), timeOf(draw, 'PXAT'), ...conditions(draw)], { weight: 2 }),
  row('PERSIST', draw => [draw.key()], { weight: 2 }),
  row('TTL', draw => [draw.key()], { allowed: nearby(TOLERANCE_S, TOLD) }),
  row('PTTL', draw => [draw.key()], { allowed: nearby(TOLERANCE_S * 1000, TOLD) }),
  row('EXPIRETIME', draw => [draw.key()], { allowed: nearby(TOLERANCE_S, TOLD) }),
  row('PEXPIRETIME', draw => [draw.key()], { allowed: nearby(TOLERANCE_S * 1000, TOLD) }),
]
