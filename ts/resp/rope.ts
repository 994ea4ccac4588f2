/**
 * Bytes in pieces: a value so large that nobody may move all of it in one turn of the event loop.
 *
 *   pieces   [ 1 MiB ][ 1 MiB ][ … ][ rest ]       what changes is copied, a piece or two at a time
 *
 * INVARIANT: the bytes of a rope never change, so whoever has one may send or write it at leisure,
 * and ropes share pieces. No piece is longer than PIECE_BYTES, and no two neighbours are both
 * small: a rope of n bytes has at most 2 n / JOINED_BYTES + 1 pieces.
 */
import { copyBytes, Span } from './span.js'

/** Longest piece: what is moved in one turn of the event loop. */
export const PIECE_BYTES = 1024 * 1024
/** Neighbours that have no more bytes than this together become one. */
const JOINED_BYTES = 256 * 1024
/** Least room behind a piece that bytes are appended to. */
const ROOM_BYTES_MIN = 4 * 1024
/** Memory that was made for pieces to grow into: nobody else has a part of it. */
const growing = new WeakSet<ArrayBufferLike>()
/** Zeros that pieces share. */
const ZEROS = Buffer.alloc(PIECE_BYTES)

export class Rope {
  readonly length: number

  /** @param pieces up to PIECE_BYTES each; theirs from now on */
  constructor(readonly pieces: readonly Buffer[]) {
    let length = 0
    for (const piece of pieces) length += piece.length
    this.length = length
  }

  /** Bytes in a row, of any lengths; the rope shares their memory. */
  static join(parts: readonly Buffer[]): Rope {
    const pieces: Buffer[] = []
    for (const part of parts) {
      for (let at = 0; at < part.length; at += PIECE_BYTES) {
        pieces.push(part.subarray(at, at + PIECE_BYTES))
      }
    }
    return new Rope(joined(pieces))
  }

  /** A copy of bytes, or of a text of one code unit for each byte. */
  static of(data: Span | string): Rope {
    const { bytes, start, end } = typeof data === 'string' ? Span.of(data) : data
    const pieces: Buffer[] = []
    for (let at = start; at < end; at += PIECE_BYTES) {
      pieces.push(copyOf(bytes.subarray(at, Math.min(end, at + PIECE_BYTES))))
    }
    return new Rope(pieces)
  }

  /** Bytes [from, to); they share the memory. */
  slice(from: number, to: number): Rope {
    return new Rope(this.#range(from, to))
  }

  /** All bytes in a row: those of the only piece, or a copy. */
  flat(): Buffer {
    return this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces, this.length)
  }

  /** Copies all bytes. @returns where they end */
  copyTo(target: Buffer, at: number): number {
    let to = at
    for (const piece of this.pieces) to += piece.copy(target, to)
    return to
  }

  /** These bytes and others behind them. */
  append(added: Span | Rope): Rope {
    const last = this.pieces.at(-1)
    if (added instanceof Rope) return new Rope(joined([...this.pieces, ...added.pieces]))
    const size = added.length
    if (size > JOINED_BYTES) return this.append(Rope.of(added))
    if (last === undefined || last.length + size > PIECE_BYTES) {
      return new Rope([...this.pieces, extended(ZEROS.subarray(0, 0), added)])
    }
    return new Rope([...this.pieces.slice(0, -1), extended(last, added)])
  }

  /** These bytes with others over those from `offset` on, and zeros up to there. */
  overwrite(offset: number, added: Span | Rope): Rope {
    const end = offset + added.length
    const before = this.#range(0, offset)
    for (let missing = offset - this.length; missing > 0; missing -= PIECE_BYTES) {
      before.push(ZEROS.subarray(0, Math.min(missing, PIECE_BYTES)))
    }
    const after = this.#range(end, this.length)
    if (added instanceof Rope) {
      own(before, before.length - 1)
      own(after, 0)
      return new Rope(joined([...before, ...added.pieces, ...after]))
    }
    // The pieces that it begins and ends in become new ones.
    const head = isPart(before.at(-1)) ? before.pop()! : ZEROS.subarray(0, 0)
    const tail = isPart(after[0]) ? after.shift()! : ZEROS.subarray(0, 0)
    const middle = Buffer.allocUnsafeSlow(head.length + added.length + tail.length)
    head.copy(middle)
    copyBytes(middle, head.length, added)
    tail.copy(middle, head.length + added.length)
    return new Rope(joined([...before, ...cut(middle), ...after]))
  }

  /** The pieces of bytes [from, to), cut at both ends. */
  #range(from: number, to: number): Buffer[] {
    const found: Buffer[] = []
    let at = 0
    for (const piece of this.pieces) {
      const start = Math.max(from - at, 0)
      const end = Math.min(to - at, piece.length)
      if (start === 0 && end === piece.length) found.push(piece)
      else if (start < end) found.push(piece.subarray(start, end))
      at += piece.length
      if (at >= to) break
    }
    return found
  }
}

/** A piece with bytes behind it: where it is when there is room, which nobody else sees. */
function extended(piece: Buffer, added: Span): Buffer {
  const length = piece.length + added.length
  const isRoomy = growing.has(piece.buffer) && length <= piece.buffer.byteLength
  if (isRoomy) {
    const whole = Buffer.from(piece.buffer, 0, length)
    copyBytes(whole, piece.length, added)
    return whole
  }
  const room = Math.max(Math.ceil(length / 4), ROOM_BYTES_MIN)
  const grown = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, length + room))
  growing.add(grown.buffer)
  piece.copy(grown)
  copyBytes(grown, piece.length, added)
  return grown.subarray(0, length)
}

/** Pieces without small neighbours. */
function joined(pieces: readonly Buffer[]): Buffer[] {
  const kept: Buffer[] = []
  for (const piece of pieces) {
    const last = kept.at(-1)
    if (piece.length === 0) continue
    if (last === undefined || last.length + piece.length > JOINED_BYTES) kept.push(piece)
    else kept[kept.length - 1] = Buffer.concat([last, piece])
  }
  return kept
}

function cut(bytes: Buffer): Buffer[] {
  if (bytes.length <= PIECE_BYTES) return [bytes]
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    pieces.push(copyOf(bytes.subarray(at, at + PIECE_BYTES)))
  }
  return pieces
}

/** Is it a part of larger memory? */
function isPart(piece: Buffer | undefined): boolean {
  return piece !== undefined && piece.length < piece.buffer.byteLength
}

/** Copies a piece that would keep larger memory. */
function own(pieces: Buffer[], at: number): void {
  if (isPart(pieces[at])) pieces[at] = copyOf(pieces[at]!)
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}
