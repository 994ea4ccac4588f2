/**
 * A growable byte buffer that replies are encoded into. One is shared by all connections of a
 * transport: [0, length) holds reply bytes that the transport has not taken yet.
 *
 * Large values are not copied into it: they are noted with their place. INVARIANT: whoever encodes
 * replies takes what has such notes out again (`take`), before anything is sent.
 */

import { err } from '../error.js'
import { Rope } from './rope.js'
import { copyBytes, Span } from './span.js'

/** The transports count in 32 bits. */
const OUTPUT_BYTES_MAX = 2 ** 31 - 1
const TOO_LARGE = 'the reply is too large: 2 GiB or more'
const ASCII_LOOP_MAX = 48
/** A first byte, ten digits, and a line break. */
const LINE_BYTES_MAX = 13
/** Values from this size on are noted rather than copied. */
const NOTED_BYTES = 256 * 1024
/** Behind so many bytes all ropes are noted. */
const FULL_BYTES = 1024 * 1024
const KEEP_BYTES_MAX = 4 * 1024 * 1024

/** Methods that Node's Buffer has and its type package leaves out: `write` without the look-up of
 *  an encoding. */
interface ReplyBytes extends Buffer {
  latin1Write(text: string, offset: number, length: number): number
  utf8Write(text: string, offset: number): number
}

export class ReplyWriter {
  bytes: ReplyBytes
  length = 0
  readonly #initialBytes: number
  /** Ropes that belong in front of the byte `at`, ascending. */
  #noted: { readonly at: number; readonly rope: Rope }[] = []
  /** Bytes of all of them. */
  #notedBytes = 0

  /** @param initialBytes capacity to start with; it doubles when it runs out */
  constructor(initialBytes = 64 * 1024) {
    this.#initialBytes = initialBytes
    this.bytes = allocate(initialBytes)
  }

  /** Makes room for `extra` more bytes. The content [0, length) is kept.
   *  @throws RespError ERR when that would be 2 GiB or more */
  ensure(extra: number): void {
    const need = this.length + extra
    if (need <= this.bytes.length) return
    if (need > OUTPUT_BYTES_MAX) throw err(TOO_LARGE)
    let capacity = this.bytes.length * 2
    while (capacity < need) capacity *= 2
    const grown = allocate(capacity)
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  /** Forgets the content, and gives back a buffer that one large reply made grow. */
  reset(): void {
    this.length = 0
    if (this.bytes.length > KEEP_BYTES_MAX) this.bytes = allocate(this.#initialBytes)
  }

  /** Are there large values that were noted? */
  get hasNoted(): boolean {
    return this.#noted.length > 0
  }

  /** Forgets what was written from `mark` on. */
  truncate(mark: number): void {
    this.length = mark
    while (this.#noted.length > 0 && this.#noted.at(-1)!.at >= mark) {
      this.#notedBytes -= this.#noted.pop()!.rope.length
    }
  }

  /** Takes what was written from `mark` on out of the writer, large values at their places.
   *  INVARIANT: nothing is noted at `mark` from before: each noted value has bytes behind it. */
  take(mark: number): Rope {
    const parts: Buffer[] = []
    const copy = (start: number, end: number): void => {
      parts.push(...Rope.of(new Span(this.bytes, start, end)).pieces)
    }
    let start = mark
    for (const { at, rope } of this.#noted) {
      if (at < mark) continue
      copy(start, at)
      parts.push(...rope.pieces)
      start = at
    }
    copy(start, this.length)
    this.truncate(mark)
    return new Rope(parts)
  }

  /** Appends text of which every code unit is below 256 (RESP framing, numbers, stored latin1). */
  latin1(text: string): void {
    const size = text.length
    this.ensure(size)
    if (size <= ASCII_LOOP_MAX) {
      const { bytes } = this
      let at = this.length
      for (let i = 0; i < size; i++) bytes[at++] = text.charCodeAt(i)
      this.length = at
    } else {
      this.length += this.bytes.latin1Write(text, this.length, size)
    }
  }

  /** Appends an integer of [0, 2^31) in decimal, between a first byte and a line break: the head of
   *  a bulk, or an integer reply. */
  line(first: number, value: number): void {
    this.ensure(LINE_BYTES_MAX)
    const { bytes } = this
    let digits = 1
    for (let power = 10; digits < 10 && value >= power; power *= 10) digits++
    let at = this.length
    bytes[at] = first
    let rest = value
    for (let i = at + digits; i > at; i--) {
      const next = (rest / 10) | 0
      bytes[i] = 0x30 + rest - next * 10
      rest = next
    }
    at += digits + 1
    bytes[at] = 0x0d
    bytes[at + 1] = 0x0a
    this.length = at + 2
  }

  /** Appends UTF-8 text. */
  utf8(text: string): void {
    const size = text.length
    this.ensure(size * 3)
    const { bytes } = this
    if (size <= ASCII_LOOP_MAX) {
      let at = this.length
      let i = 0
      for (; i < size; i++) {
        const unit = text.charCodeAt(i)
        if (unit > 0x7f) break
        bytes[at++] = unit
      }
      if (i === size) {
        this.length = at
        return
      }
    }
    this.length += bytes.utf8Write(text, this.length)
  }

  /** Appends bytes of a buffer, copied. */
  span(data: Span): void {
    const size = data.length
    this.ensure(size)
    copyBytes(this.bytes, this.length, data)
    this.length += size
  }

  /** As `span`, without an object for it. */
  part(bytes: Buffer, start: number, end: number): void {
    this.ensure(end - start)
    this.length += bytes.copy(this.bytes, this.length, start, end)
  }

  /** Appends the bytes of a rope: copied, or noted when they are many.
   *  @throws RespError ERR when all would be 2 GiB or more */
  rope(data: Rope): void {
    if (data.length >= NOTED_BYTES || this.length >= FULL_BYTES) {
      const all = this.length + this.#notedBytes + data.length
      if (all > OUTPUT_BYTES_MAX) throw err(TOO_LARGE)
      this.#noted.push({ at: this.length, rope: data })
      this.#notedBytes += data.length
      return
    }
    this.ensure(data.length)
    this.length = data.copyTo(this.bytes, this.length)
  }

  /** Appends raw bytes, copied. */
  raw(data: Uint8Array): void {
    this.ensure(data.length)
    this.bytes.set(data, this.length)
    this.length += data.length
  }
}

function allocate(capacity: number): ReplyBytes {
  return Buffer.allocUnsafeSlow(capacity) as ReplyBytes
}
