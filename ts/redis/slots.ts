/**
 * Hash slots of Redis Cluster: CRC-16/XMODEM of the key, or of the part in its first braces, modulo
 * 16384. Source: the Redis Cluster specification, "Key distribution model" and "Hash tags".
 */

export const SLOT_COUNT = 16_384

const POLYNOMIAL = 0x1021
const TABLE = new Uint16Array(256).map((_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? POLYNOMIAL : 0)
  return crc
})

const OPEN = 0x7b
const CLOSE = 0x7d

/** Slot of the key `bytes[start, end)`, 0…16383. */
export function slotOf(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    if (byte === OPEN) return slotOfTagged(bytes, { start, open: i, end })
    crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >>> 8) ^ byte]!
  }
  return crc % SLOT_COUNT
}

/** Slot of a key with an opening brace: an empty pair, or one that is not closed, hashes it all. */
function slotOfTagged(
  bytes: Uint8Array,
  { start, open, end }: { start: number; open: number; end: number },
): number {
  const close = indexOf(bytes, CLOSE, open + 1, end)
  const isTagged = close < end && close > open + 1
  let crc = 0
  for (let i = isTagged ? open + 1 : start; i < (isTagged ? close : end); i++) {
    crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >>> 8) ^ bytes[i]!]!
  }
  return crc % SLOT_COUNT
}

/** Unlike the method, it stops at `end`: keys stand in a large input buffer. */
function indexOf(bytes: Uint8Array, byte: number, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== byte) at++
  return at
}

/** First slot of shard i of n; of one behind the last, 16384. */
export function firstSlotOf(shard: number, shardCount: number): number {
  return Math.floor((shard * SLOT_COUNT) / shardCount)
}

/** Shard i of n owns the slots from ⌊i·16384/n⌋ up to the next shard's first; 0 when n is 0. */
export function shardOfSlot(slot: number, shardCount: number): number {
  return Math.max(0, Math.floor(((slot + 1) * shardCount - 1) / SLOT_COUNT))
}
