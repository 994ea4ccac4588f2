/** Ranges of the ZMap. */
import { err } from '../../error.js'
import { parseInt32 } from '../../resp/numbers.js'
import { array, bulk, integer, ok, tuple } from '../../resp/reply.js'
import { bytes, command, options } from '../../server/command.js'
import { PackedReader } from '../../store/packed-range.js'
import { storeError } from '../../store/store-error.js'
import { andThen, type PackedRange } from '../../store/types.js'
import { boundKey, parseBound, parseSelector, resolveBound, type SelectorName } from './selector.js'
import { withZmap, ZMAP_ERRORS } from './zmap.js'

const LIMIT_DEFAULT = 100
/** Words after begin and end: eight arguments at most in all. */
const OPTION_WORDS_MAX = 6

interface RangeQuery {
  /** Pairs at most; 0 = no bound. */
  limit: number
  reverse: boolean
  begin: SelectorName
  end: SelectorName
}

/** Reads the options; the last repetition of one wins. @param end selector unless given
 *  @throws RespError ERR for an unknown word, a missing or a wrong value; RANGE_LIMITS_INVALID */
export function parseOptions(words: readonly Buffer[], end: SelectorName): RangeQuery {
  const query: RangeQuery = {
    limit: LIMIT_DEFAULT,
    reverse: false,
    begin: 'FIRST_GREATER_OR_EQUAL',
    end,
  }
  let at = 0
  const value = (): string => {
    const word = words[at++]
    if (word === undefined) throw err('syntax error')
    return word.toString()
  }
  while (at < words.length) {
    switch (value().toUpperCase()) {
      case 'LIMIT':
        query.limit = parseLimit(value())
        break
      case 'REVERSE':
        query.reverse = true
        break
      case 'BEGIN_KEY_SELECTOR':
        query.begin = parseSelector(value())
        break
      case 'END_KEY_SELECTOR':
        query.end = parseSelector(value())
        break
      default:
        throw err('syntax error')
    }
  }
  if (query.limit < 0) throw storeError('rangeLimitsInvalid')
  return query
}

function parseLimit(typed: string): number {
  const limit = parseInt32(typed)
  if (limit === undefined) throw err('value is not an integer or out of range')
  return limit
}

function entries(range: PackedRange, prefixBytes: number): [key: Buffer, value: Buffer][] {
  const pairs: [Buffer, Buffer][] = []
  const reader = new PackedReader(range)
  while (reader.next()) pairs.push([reader.keyFrom(prefixBytes), reader.value])
  return pairs
}

export const zgetrange = command({
  name: 'ZGETRANGE',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(N) where N is the number of entries in the reply',
  summary: 'Answers the entries of a range of keys, as arrays of key and value.',
  args: [
    bytes('begin'),
    bytes('end'),
    {
      ...options(
        'options',
        '[LIMIT limit] [REVERSE] [BEGIN_KEY_SELECTOR selector] [END_KEY_SELECTOR selector]',
      ),
      max: OPTION_WORDS_MAX,
    },
  ],
  port: 'client',
  flags: ['readonly'],
  errors: [...ZMAP_ERRORS, 'RANGE_LIMITS_INVALID'],
  reply: array(tuple(bulk, bulk)),
  example: [
    'ZSET stock:7 3',
    'ZSET stock:8 5',
    'ZSET stock:9 1',
    'ZGETRANGE stock:7 stock:9',
    'ZGETRANGE * * LIMIT 1 REVERSE',
  ],
  notes: [
    '`*` as a bound is an open end.',
    'The end is excluded, or included with the setting `zmap.range_end` at `inclusive`.',
    '`LIMIT` is 100 unless given, and 0 for no limit. With `REVERSE` it counts from the end.',
  ],
  run: (ctx, args) => {
    const isInclusive = ctx.services.config.zmap.range_end === 'inclusive'
    const query = parseOptions(
      args.options,
      isInclusive ? 'FIRST_GREATER_THAN' : 'FIRST_GREATER_OR_EQUAL',
    )
    const snapshot = ctx.session.snapshotRead
    const { limit, reverse } = query
    return withZmap(ctx, (tx, prefix) => {
      const within = { prefix, snapshot }
      const begin = resolveBound(tx, parseBound(args.begin, 'start'), query.begin, within)
      return andThen(begin, from => {
        const end = resolveBound(tx, parseBound(args.end, 'end'), query.end, within)
        return andThen(end, to => {
          // A resolved begin at or above the resolved end: nothing lies between.
          if (from.compare(to) >= 0) return []
          const range = tx.getRangeAll(from, to, { limit, reverse, snapshot })
          return andThen(range, found => entries(found, prefix.length))
        })
      })
    })
  },
})

export const zdelrange = command({
  name: 'ZDELRANGE',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(log(N)) where N is the number of keys',
  summary: 'Deletes all keys from begin up to, not including, end; * is an open end.',
  args: [bytes('begin'), bytes('end')],
  port: 'client',
  flags: ['write', 'blind'],
  errors: [...ZMAP_ERRORS, 'INVERTED_RANGE', 'TRANSACTION_TOO_LARGE'],
  reply: ok,
  example: ['ZSET a 1', 'ZSET b 2', 'ZSET c 3', 'ZDELRANGE b *', 'ZGETRANGE * *'],
  notes: [
    'Where begin is above end, a transaction may hear of it at its next read or at COMMIT only.',
  ],
  run: (ctx, { begin, end }) =>
    withZmap(ctx, (tx, prefix) =>
      tx.clearRange(
        boundKey(parseBound(begin, 'start'), prefix),
        boundKey(parseBound(end, 'end'), prefix),
      ),
    ),
})

export const zgetrangesize = command({
  name: 'ZGETRANGESIZE',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(N) where N is the number of keys in the range',
  summary: 'Estimates the stored bytes from begin up to end; * is an open end.',
  args: [bytes('begin'), bytes('end')],
  port: 'client',
  flags: ['readonly'],
  errors: [...ZMAP_ERRORS, 'INVERTED_RANGE'],
  reply: integer,
  example: ['ZGETRANGESIZE b a', 'ZGETRANGESIZE * *'],
  notes: ['An estimate, of committed data only.'],
  run: (ctx, args) =>
    andThen(ctx.services.namespaces.resolve(ctx.session.namespace), ({ zmap }) => {
      const begin = boundKey(parseBound(args.begin, 'start'), zmap)
      const end = boundKey(parseBound(args.end, 'end'), zmap)
      if (begin.compare(end) > 0) throw storeError('invertedRange')
      // Never in the session's transaction: what it has not committed does not count.
      return ctx.oneOff(tx => tx.estimatedRangeSize(begin, end))
    }),
})
