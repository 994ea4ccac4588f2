/** Values as decimals: 16 bytes, IEEE-754 decimal128; nothing is ever rounded. */
import { bulk, nullable, ok } from '../../resp/reply.js'
import { bytes, command } from '../../server/command.js'
import { zmapKey } from '../../store/keyspace.js'
import { andThen } from '../../store/types.js'
import { addDecimals, decodeDecimal, encodeDecimal, parseDecimal, plainText } from './decimal128.js'
import { replaceValue, withZmap, ZMAP_ERRORS, ZMAP_WRITE_ERRORS } from './zmap.js'

export const zsetD128 = command({
  name: 'ZSET.D128',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets a key to a decimal of up to 34 digits; trailing zeros are kept.',
  args: [bytes('key'), bytes('number')],
  port: 'client',
  flags: ['write', 'fast', 'blind'],
  errors: ZMAP_WRITE_ERRORS,
  reply: ok,
  example: ['ZSET.D128 price 19.90', 'ZGET.D128 price', 'ZSET.D128 price ten'],
  notes: [
    'Stored as 16 bytes, IEEE-754 decimal128. Nothing is rounded: a number that needs ' +
      'more than 34 digits, or an exponent out of range, is refused.',
  ],
  run: (ctx, { key, number }) => {
    const stored = encodeDecimal(parseDecimal(number))
    return withZmap(ctx, (tx, prefix) => tx.set(zmapKey(prefix, key), stored))
  },
})

export const zincD128 = command({
  name: 'ZINC.D128',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Adds to a decimal exactly, by a read and a write; an absent key counts as 0.',
  args: [bytes('key'), bytes('delta')],
  port: 'client',
  flags: ['write', 'fast'],
  errors: [...ZMAP_WRITE_ERRORS, 'NOT_COMMITTED'],
  reply: ok,
  example: ['ZINC.D128 till 0.10', 'ZINC.D128 till 0.20', 'ZGET.D128 till'],
  notes: [
    'It reads, so transactions that add to one key conflict. Sums are exact, or refused ' +
      'like too long a number.',
  ],
  run: (ctx, { key, delta }) =>
    replaceValue(ctx, key, stored => {
      // ORDER: a stored value that is no decimal is reported before a delta that is none.
      const before = decodeDecimal(stored)
      return encodeDecimal(addDecimals(before, parseDecimal(delta)))
    }),
})

export const zgetD128 = command({
  name: 'ZGET.D128',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers the value of a key as plain decimal text, without an exponent, or null.',
  args: [bytes('key')],
  port: 'client',
  flags: ['readonly', 'fast'],
  errors: ZMAP_ERRORS,
  reply: nullable(bulk),
  example: ['ZSET.D128 debt -1.5E+10', 'ZGET.D128 debt', 'ZGET.D128 fortune'],
  run: (ctx, { key }) =>
    withZmap(ctx, (tx, prefix) =>
      andThen(tx.get(zmapKey(prefix, key), ctx.session.snapshotRead), stored =>
        stored === undefined ? undefined : plainText(decodeDecimal(stored)),
      ),
    ),
})
