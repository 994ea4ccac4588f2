/**
 * Changes of single entries that the database makes from what it has, without a read.
 *
 * INVARIANT: not blind in the sense of the flag, because of the stamps: a commit has one stamp, so
 * that the stamped keys of two requests in one commit would be the same key.
 */
import { err } from '../../error.js'
import { ok } from '../../resp/reply.js'
import { bytes, command, keyword } from '../../server/command.js'
import { stampedZmapKey, zmapKey } from '../../store/keyspace.js'
import { storeError } from '../../store/store-error.js'
import { MutationType } from '../../store/types.js'
import { withZmap, ZMAP_WRITE_ERRORS } from './zmap.js'

const STAMP_BYTES = 10
const OFFSET_BYTES = 4

const MUTATIONS = {
  ADD: MutationType.add,
  BIT_AND: MutationType.bitAnd,
  BIT_OR: MutationType.bitOr,
  BIT_XOR: MutationType.bitXor,
  MAX: MutationType.max,
  MIN: MutationType.min,
  BYTE_MAX: MutationType.byteMax,
  BYTE_MIN: MutationType.byteMin,
  APPEND_IF_FITS: MutationType.appendIfFits,
  COMPARE_AND_CLEAR: MutationType.compareAndClear,
  SET_VERSIONSTAMPED_VALUE: MutationType.setVersionstampedValue,
  SET_VERSIONSTAMPED_KEY: MutationType.setVersionstampedKey,
} as const

const NAMES = Object.keys(MUTATIONS) as (keyof typeof MUTATIONS)[]

/**
 * Checks `body ‖ offset (u32le)`, where ten bytes of the body make room for a versionstamp.
 * @throws StoreError 2000 when the offset is missing, or the stamp would not lie in the body
 */
function checkStamp(stamped: Buffer): void {
  const bodyBytes = stamped.length - OFFSET_BYTES
  if (bodyBytes < 0 || stamped.readUInt32LE(bodyBytes) + STAMP_BYTES > bodyBytes) {
    throw storeError('clientInvalidOperation')
  }
}

export const zmutate = command({
  name: 'ZMUTATE',
  group: 'zmap',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Changes the value of a key in the database, without reading it.',
  args: [
    bytes('key'),
    bytes('param'),
    keyword('type', NAMES, typed => err(`invalid mutation type: '${typed}'`)),
  ],
  port: 'client',
  flags: ['write', 'fast'],
  errors: [...ZMAP_WRITE_ERRORS, 'CLIENT_INVALID_OPERATION'],
  reply: ok,
  example: [
    'ZMUTATE colours "blue" BYTE_MAX',
    'ZMUTATE colours "azure" BYTE_MIN',
    'ZMUTATE colours ",red" APPEND_IF_FITS',
    'ZGET colours',
    'ZMUTATE colours "azure,red" COMPARE_AND_CLEAR',
    'ZGET colours',
  ],
  notes: [
    'Numbers are unsigned, little-endian. ADD, BIT_AND, BIT_OR, BIT_XOR, MAX and MIN ' +
      'work on as many bytes as `param` has: a longer value is cut, a shorter one gets ' +
      'zeros at its high end.',
    'An absent key gets `param` as its value; COMPARE_AND_CLEAR leaves it absent.',
    'APPEND_IF_FITS changes nothing where more than 100,000 bytes would result.',
    'SET_VERSIONSTAMPED_VALUE puts the 10 bytes of the versionstamp into `param`, whose ' +
      'last 4 bytes, little-endian, say at which byte, and are dropped. ' +
      'SET_VERSIONSTAMPED_KEY does so with `key`. Neither key can be read before the ' +
      'commit.',
  ],
  run: (ctx, { key, param, type }) => {
    const mutation = MUTATIONS[type]
    if (mutation === MutationType.setVersionstampedKey) {
      checkStamp(key)
      return withZmap(ctx, (tx, prefix) => tx.atomic(mutation, stampedZmapKey(prefix, key), param))
    }
    if (mutation === MutationType.setVersionstampedValue) checkStamp(param)
    return withZmap(ctx, (tx, prefix) => tx.atomic(mutation, zmapKey(prefix, key), param))
  },
})
