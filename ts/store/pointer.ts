/**
 * Where the body of a document or record lies: the value of every primary and index entry.
 *
 *   0      2        6         10      14          18
 *   shard  segment  position  length  crc32c            all big-endian
 */

export interface Pointer {
  /** u16 */
  shard: number
  /** u32 */
  segment: number
  /** u32, bytes from the start of the segment */
  position: number
  /** u32, bytes */
  length: number
  /** u32, of the body */
  crc32c: number
}

export const POINTER_BYTES = 18

export function packPointer(pointer: Pointer): Buffer {
  const packed = Buffer.allocUnsafe(POINTER_BYTES)
  packed.writeUInt16BE(pointer.shard, 0)
  packed.writeUInt32BE(pointer.segment, 2)
  packed.writeUInt32BE(pointer.position, 6)
  packed.writeUInt32BE(pointer.length, 10)
  packed.writeUInt32BE(pointer.crc32c, 14)
  return packed
}

/** @param offset where the pointer starts in `packed`. @throws RangeError when bytes are missing */
export function unpackPointer(packed: Buffer, offset = 0): Pointer {
  return {
    shard: packed.readUInt16BE(offset),
    segment: packed.readUInt32BE(offset + 2),
    position: packed.readUInt32BE(offset + 6),
    length: packed.readUInt32BE(offset + 10),
    crc32c: packed.readUInt32BE(offset + 14),
  }
}
