/** Values as 64-bit integers: 8 bytes, two's complement, little-endian. */
import { err } from '../../error.js'
import { integer, nullable, ok } from '../../resp/reply.js'
import { bytes, command, int64 } from '../../server/command.js'
import { zmapKey } from '../../store/keyspace.js'
import { andThen } from '../../store/types.js'
import { withZmap, ZMAP_ERRORS, ZMAP_WRITE_ERRORS } from './zmap.js'

const I64_BYTES = 8

function encode(value: bigint): Buffer {
  const stored = Buffer.allocUnsafe(I64_BYTES)
  stored.writeBigInt64LE(value)
  return stored
}

function decode(stored: Buffer | undefined): bigint | undefined {
  if (stored === undefined) return undefined
  if (stored.length !== I64_BYTES) {
    throw err("Invalid stored value: expected 8-byte two's-complement int64")
  }
  return stored.readBigInt64LE()
}

export const zsetI64 = command({
  name: 'ZSET.I64',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets a key to a 64-bit integer.',
  args: [bytes('key'), int64('number')],
  port: 'client',
  flags: ['write', 'fast', 'blind'],
  errors: ZMAP_WRITE_ERRORS,
  reply: ok,
  example: ['ZSET.I64 hits 40', 'ZGET hits'],
  notes: ["Stored as 8 bytes, two's complement, little-endian. ZGET answers these bytes."],
  run: (ctx, { key, number }) =>
    withZmap(ctx, (tx, prefix) => tx.set(zmapKey(prefix, key), encode(number))),
})

export const zincI64 = command({
  name: 'ZINC.I64',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Adds to a 64-bit integer, wrapping; an absent key counts as 0.',
  args: [bytes('key'), int64('delta')],
  port: 'client',
  flags: ['write', 'fast', 'blind'],
  errors: ZMAP_WRITE_ERRORS,
  reply: ok,
  example: ['ZINC.I64 hits 40', 'ZINC.I64 hits 2', 'ZGET.I64 hits'],
  notes: [
    'Increments do not read and so never conflict with each other. A sum beyond 64 bits ' +
      'wraps around. A value of another length is cut, or filled with zeros, to 8 bytes.',
  ],
  run: (ctx, { key, delta }) => withZmap(ctx, (tx, prefix) => tx.add(zmapKey(prefix, key), delta)),
})

export const zgetI64 = command({
  name: 'ZGET.I64',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers the value of a key as a 64-bit integer, or null.',
  args: [bytes('key')],
  port: 'client',
  flags: ['readonly', 'fast'],
  errors: ZMAP_ERRORS,
  reply: nullable(integer),
  example: ['ZSET.I64 hits 42', 'ZGET.I64 hits', 'ZSET raw abc', 'ZGET.I64 raw'],
  run: (ctx, { key }) =>
    withZmap(ctx, (tx, prefix) =>
      andThen(tx.get(zmapKey(prefix, key), ctx.session.snapshotRead), decode),
    ),
})
