/** Options that carry a time: of SET, of GETEX, and the times of EXPIRE and its like. */
import type { Draw } from './draw.js'

/** Unix times that have passed, and such that no expiry may have. */
const PASSED_S = ['1', '1000000000']
const ODD_TIMES = ['0', '-1', '-9223372036854775808', '9223372036854775807', 'abc', '', '1.5', '+1']
const EDGE_MS = ['9007199254740993', '9223372036854770000']

type Unit = 'EX' | 'PX' | 'EXAT' | 'PXAT'

/** The text of a time, now and then one that is refused, or has passed. */
export function timeOf(draw: Draw, unit: Unit): string {
  const dice = draw.random.next()
  if (dice < 0.12) return draw.pick(ODD_TIMES)
  if (unit === 'EX') return `${draw.relativeS()}`
  if (unit === 'PX') return `${draw.relativeS()}000`
  if (unit === 'EXAT') return dice < 0.3 ? draw.pick(PASSED_S) : `${draw.absoluteS()}`
  if (dice < 0.2) return draw.pick(EDGE_MS)
  return dice < 0.3
    ? `${draw.pick(PASSED_S)}000`
    : `${draw.absoluteS()}${draw.pick(['000', '500'])}`
}

/** One option with its time; the time may be missing. */
export function timedOption(draw: Draw): string[] {
  const unit = draw.pick(['EX', 'PX', 'EXAT', 'PXAT'] as const)
  return draw.chance(0.97) ? [draw.word(unit), timeOf(draw, unit)] : [draw.word(unit)]
}
