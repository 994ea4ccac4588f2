/** Requests of the commands that look at all keys. */
import type { Draw } from './draw.js'
import { type Allowed, type Row, row } from './play.js'
import { countOption, isSamePage, isSameSet, matchOption } from './unordered.js'

const PATTERNS = [
  '*',
  '{t}*',
  '{t}?',
  '{t}[a-c]',
  '{t}[^a]*',
  '*\r\n',
  '\\{t\\}[!-\\]',
  '{t}[b-',
  '',
]

const page: Allowed = {
  row: '§3 SCAN: [cursor bulk, array]; cursors and order are not said',
  isSame: (ours, theirs) => isSamePage(ours, theirs, 1),
}

const list: Allowed = {
  row: '§3 KEYS: array, in an order that is not said',
  isSame: (ours, theirs) => isSameSet(ours, theirs, 1),
}

const one: Allowed = {
  row: '§3 RANDOMKEY: one of the keys',
  isSame: (ours, theirs) => Buffer.isBuffer(ours.value) && Buffer.isBuffer(theirs.value),
}

const fewer: Allowed = {
  row: '§8 Expired keys are invisible at once to every command; redis-server counts them',
  isSame: (ours, theirs) => {
    return ours.type === ':' && theirs.type === ':' && Number(ours.value) < Number(theirs.value)
  },
}

function scanOptions(draw: Draw): string[] {
  const type = draw.chance(0.3)
    ? [draw.word('TYPE'), draw.pick(['string', 'HASH', 'list', 'odd'])]
    : []
  return [...countOption(draw), ...type, ...matchOption(draw, PATTERNS)]
}

/** Rows of a differential test. */
export const SCAN_ROWS: readonly Row[] = [
  row('SCAN', draw => [draw.pick(['0', '0', '0', 'x', '1x']), ...scanOptions(draw)], {
    weight: 2,
    allowed: page,
  }),
  row('KEYS', draw => [draw.pick(PATTERNS)], { allowed: list }),
  row('RANDOMKEY', () => [], { allowed: one }),
  row('DBSIZE', () => [], { allowed: fewer }),
  row('FLUSHALL', draw => (draw.chance(0.5) ? [] : [draw.pick(['SYNC', 'async', 'odd'])])),
  row('FLUSHDB', draw => (draw.chance(0.5) ? [] : [draw.pick(['sync', 'ASYNC', 'odd'])])),
]
