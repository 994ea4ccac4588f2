/** Keys of the ZMap by their place in its order. */
import { err } from '../../error.js'
import { bulk, nullable } from '../../resp/reply.js'
import { bytes, command, options } from '../../server/command.js'
import { keyAfter, prefixEnd, zmapKey } from '../../store/keyspace.js'
import { PackedReader } from '../../store/packed-range.js'
import type { Tx } from '../../store/tx.js'
import { andThen, type MaybePromise } from '../../store/types.js'
import { parseSelector, type Resolution, type SelectorName } from './selector.js'
import { withZmap, ZMAP_ERRORS } from './zmap.js'

const OPTION_WORDS_MAX = 2

function parseOptions(words: readonly Buffer[]): SelectorName {
  const [option, selector] = words
  if (option === undefined) return 'FIRST_GREATER_OR_EQUAL'
  const isKnown = option.toString().toUpperCase() === 'KEY_SELECTOR'
  if (!isKnown || selector === undefined) throw err('syntax error')
  return parseSelector(selector.toString())
}

/** The key that a selector chooses, undefined when the map has none there. The range that is read,
 *  and so the conflict, ends with the map. */
function nearest(
  tx: Tx,
  reference: Buffer,
  selector: SelectorName,
  { prefix, snapshot }: Resolution,
): MaybePromise<Buffer | undefined> {
  const isAbove = selector === 'FIRST_GREATER_OR_EQUAL' || selector === 'FIRST_GREATER_THAN'
  const skips = selector === 'FIRST_GREATER_THAN' || selector === 'LAST_LESS_OR_EQUAL'
  const edge = skips ? keyAfter(reference) : reference
  const begin = isAbove ? edge : prefix
  const end = isAbove ? prefixEnd(prefix) : edge
  const found = tx.getRange(begin, end, { limit: 1, reverse: !isAbove, snapshot })
  return andThen(found, range => {
    const reader = new PackedReader(range)
    return reader.next() ? reader.keyFrom(prefix.length) : undefined
  })
}

export const zgetkey = command({
  name: 'ZGETKEY',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(log(N)) where N is the number of keys',
  summary: 'Answers the key that a selector chooses, or null where the map has none.',
  args: [bytes('key'), { ...options('options', '[KEY_SELECTOR selector]'), max: OPTION_WORDS_MAX }],
  port: 'client',
  flags: ['readonly', 'fast'],
  errors: ZMAP_ERRORS,
  reply: nullable(bulk),
  example: [
    'ZSET airport:HEL Helsinki',
    'ZSET airport:OUL Oulu',
    'ZGETKEY airport:K',
    'ZGETKEY airport:K KEY_SELECTOR LAST_LESS_THAN',
    'ZGETKEY airport:OUL KEY_SELECTOR FIRST_GREATER_THAN',
  ],
  notes: [
    'The default is `FIRST_GREATER_OR_EQUAL`; the others are `FIRST_GREATER_THAN`, ' +
      '`LAST_LESS_THAN` and `LAST_LESS_OR_EQUAL`. `*` is a key like others here.',
  ],
  run: (ctx, { key, options: words }) => {
    const selector = parseOptions(words)
    return withZmap(ctx, (tx, prefix) => {
      const within = { prefix, snapshot: ctx.session.snapshotRead }
      return nearest(tx, zmapKey(prefix, key), selector, within)
    })
  },
})
