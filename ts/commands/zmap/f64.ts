/** Values as doubles: 8 bytes, IEEE-754 binary64, little-endian; never a negative zero. */
import { err } from '../../error.js'
import { double as doubleReply, nullable, ok } from '../../resp/reply.js'
import { bytes, command, double } from '../../server/command.js'
import { zmapKey } from '../../store/keyspace.js'
import { andThen } from '../../store/types.js'
import { replaceValue, withZmap, ZMAP_ERRORS, ZMAP_WRITE_ERRORS } from './zmap.js'

const F64_BYTES = 8

function encode(value: number): Buffer {
  const stored = Buffer.allocUnsafe(F64_BYTES)
  // A sum with 0 is never a negative zero.
  stored.writeDoubleLE(value + 0)
  return stored
}

function decode(stored: Buffer | undefined): number | undefined {
  if (stored === undefined) return undefined
  if (stored.length !== F64_BYTES) {
    throw err('Invalid stored value: expected 8-byte IEEE-754 double')
  }
  return stored.readDoubleLE()
}

function sum(stored: Buffer | undefined, delta: number): Buffer {
  const result = (decode(stored) ?? 0) + delta
  if (!Number.isFinite(result)) {
    throw err('Resulting value is not a finite IEEE-754 double (overflow or invalid operation)')
  }
  return encode(result)
}

export const zsetF64 = command({
  name: 'ZSET.F64',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets a key to a double.',
  args: [bytes('key'), double('number')],
  port: 'client',
  flags: ['write', 'fast', 'blind'],
  errors: ZMAP_WRITE_ERRORS,
  reply: ok,
  example: ['ZSET.F64 height 10.5', 'ZGET.F64 height', 'ZSET.F64 height NaN'],
  notes: [
    'Stored as 8 bytes, IEEE-754, little-endian; -0.0 as 0.0. NaN and infinities are refused.',
  ],
  run: (ctx, { key, number }) => {
    if (!Number.isFinite(number)) throw err('Invalid value: must be a finite IEEE-754 double')
    return withZmap(ctx, (tx, prefix) => tx.set(zmapKey(prefix, key), encode(number)))
  },
})

export const zincF64 = command({
  name: 'ZINC.F64',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Adds to a double, by a read and a write; an absent key counts as 0.',
  args: [bytes('key'), double('delta')],
  port: 'client',
  flags: ['write', 'fast'],
  errors: [...ZMAP_WRITE_ERRORS, 'NOT_COMMITTED'],
  reply: ok,
  example: ['ZINC.F64 height 10.25', 'ZINC.F64 height -0.25', 'ZGET.F64 height'],
  notes: [
    'It reads, so transactions that add to one key conflict. The value stays as it was ' +
      'when the sum is not finite.',
  ],
  run: (ctx, { key, delta }) => {
    if (!Number.isFinite(delta)) {
      throw err('Invalid delta: value must be a finite IEEE-754 double')
    }
    return replaceValue(ctx, key, stored => sum(stored, delta))
  },
})

export const zgetF64 = command({
  name: 'ZGET.F64',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers the value of a key as a double, or null.',
  args: [bytes('key')],
  port: 'client',
  flags: ['readonly', 'fast'],
  errors: ZMAP_ERRORS,
  reply: nullable(doubleReply),
  example: ['ZSET.F64 height 1e21', 'ZGET.F64 height', 'ZGET.F64 depth'],
  run: (ctx, { key }) =>
    withZmap(ctx, (tx, prefix) =>
      andThen(tx.get(zmapKey(prefix, key), ctx.session.snapshotRead), decode),
    ),
})
