/**
 * One request as the parser left it: words as byte ranges of a buffer, nothing copied.
 *
 *   input   … | *3 $4 [ZSET] $1 [k] $5 [value] | next frame …
 *   words          0          1      2            word 0 is the command name
 *
 * A request with a large word comes in parts. Then all other words are in memory of its own, and
 * the large ones are ropes, with an empty range each.
 *
 * INVARIANT: the ranges are borrowed. They hold until the transport's `onData` returns, so whoever
 * works on past that point must call `own()` first, or copy what it keeps.
 */

import type { Rope } from './rope.js'
import { latin1Of, Span } from './span.js'

const NO_INPUT = Buffer.alloc(0)
/** Arrays longer than this are let go after the frame, so one huge frame does not pin memory. */
const KEPT_WORDS = 1024
/** Least memory of a request that comes in parts, besides its large words. */
const OWN_BYTES_MIN = 1024

/** Methods that Node's Buffer has and its type package leaves out. */
interface WordBytes extends Buffer {
  utf8Slice(start: number, end: number): string
}

export class Frame {
  input = NO_INPUT as Buffer as WordBytes
  /** Number of words, the command name included; 0 is a frame that is ignored. */
  count = 0
  /** Byte ranges of the words, relative to `base`. */
  starts: number[] = []
  ends: number[] = []
  base = 0
  /** Words that are ropes, by index. */
  ropes: Map<number, Rope> | undefined
  /** A word was passed over, since there was no room for it. */
  isCut = false
  /** The words are in memory of their own. */
  #isOwn = false
  /** Where the next word goes in it. */
  #ownEnd = 0
  readonly #flat = new Map<number, Buffer>()

  /** A frame with memory of its own. */
  static of(words: readonly Uint8Array[]): Frame {
    const frame = new Frame()
    frame.attach(Buffer.concat(words), 0)
    let start = 0
    for (const word of words) {
      frame.add(start, start + word.length)
      start += word.length
    }
    return frame
  }

  /** Prepares for the next frame, whose words will be relative to `input[base]`. */
  clear(): void {
    this.count = 0
    if (this.#isOwn) this.#forget()
    if (this.starts.length > KEPT_WORDS) {
      this.starts = []
      this.ends = []
    }
  }

  /** Lets go of the input, so that an idle connection pins no buffer. */
  detach(): void {
    this.input = NO_INPUT as Buffer as WordBytes
    if (this.#isOwn) this.#forget()
  }

  #forget(): void {
    this.#isOwn = false
    this.ropes = undefined
    this.isCut = false
    this.#flat.clear()
  }

  /** Says where the bytes are now: a transport may move them between two reads. */
  attach(input: Buffer, base: number): void {
    this.input = input as WordBytes
    this.base = base
  }

  add(start: number, end: number): void {
    this.starts[this.count] = start
    this.ends[this.count] = end
    this.count++
  }

  /** Moves the words so far to memory of their own; those that follow come by `addCopy` and
   *  `addRope`. */
  spread(): void {
    const { input, base, count, starts, ends } = this
    this.input = Buffer.allocUnsafe(OWN_BYTES_MIN) as WordBytes
    this.base = 0
    this.ropes = new Map()
    this.#isOwn = true
    this.#ownEnd = 0
    this.count = 0
    for (let i = 0; i < count; i++) this.addCopy(input, base + starts[i]!, base + ends[i]!)
  }

  /** The next word of a frame that is spread: bytes [start, end), copied. */
  addCopy(input: Buffer, start: number, end: number): void {
    const from = this.#copy(input, start, end)
    this.add(from, this.#ownEnd)
  }

  /** The next word of a frame that is spread. */
  addRope(rope: Rope): void {
    this.ropes!.set(this.count, rope)
    this.add(this.#ownEnd, this.#ownEnd)
  }

  /** @returns where the copy begins in the frame's own memory */
  #copy(source: Buffer, start: number, end: number): number {
    const from = this.#ownEnd
    const need = from + end - start
    if (need > this.input.length) {
      // The old memory stays as it is: arguments may be views of it.
      const grown = Buffer.allocUnsafe(need * 2)
      this.input.copy(grown, 0, 0, from)
      this.input = grown as Buffer as WordBytes
    }
    source.copy(this.input, from, start, end)
    this.#ownEnd = need
    return from
  }

  /** Bytes of all words. */
  get length(): number {
    if (this.ropes === undefined) {
      return this.count === 0 ? 0 : this.ends[this.count - 1]! - this.starts[0]!
    }
    let length = this.#ownEnd
    for (const rope of this.ropes.values()) length += rope.length
    return length
  }

  /** Length of word `index`, bytes. */
  size(index: number): number {
    const rope = this.ropes === undefined ? undefined : this.ropes.get(index)
    return rope === undefined ? this.ends[index]! - this.starts[index]! : rope.length
  }

  /** A word as it came: one that is no rope is borrowed. */
  value(index: number): Span | Rope {
    const rope = this.ropes === undefined ? undefined : this.ropes.get(index)
    return rope === undefined ? this.span(index) : rope
  }

  /** Has the range of a word hold its bytes, whatever it was. */
  range(index: number): void {
    const rope = this.ropes?.get(index)
    if (rope === undefined) return
    this.ropes!.delete(index)
    this.starts[index] = this.#ownEnd
    for (const piece of rope.pieces) this.#copy(piece, 0, piece.length)
    this.ends[index] = this.#ownEnd
  }

  /** The bytes of a rope in a row; undefined for other words. Called where there are ropes, so that
   *  words of all other frames are read without a call. */
  #flatOf(index: number): Buffer | undefined {
    const rope = this.ropes!.get(index)
    if (rope === undefined) return undefined
    let flat = this.#flat.get(index)
    if (flat === undefined) {
      flat = rope.flat()
      this.#flat.set(index, flat)
    }
    return flat
  }

  /** The bytes of a word: a view into the input. */
  bytes(index: number): Buffer {
    const flat = this.ropes === undefined ? undefined : this.#flatOf(index)
    if (flat !== undefined) return flat
    return this.input.subarray(this.base + this.starts[index]!, this.base + this.ends[index]!)
  }

  /** The bytes of a word, without the cost of a Buffer. */
  span(index: number): Span {
    const flat = this.ropes === undefined ? undefined : this.#flatOf(index)
    if (flat !== undefined) return new Span(flat, 0, flat.length)
    return new Span(this.input, this.base + this.starts[index]!, this.base + this.ends[index]!)
  }

  /** A word as text, one code unit for each byte: loses nothing, costs no Buffer. */
  latin1(index: number): string {
    const flat = this.ropes === undefined ? undefined : this.#flatOf(index)
    if (flat !== undefined) return latin1Of(flat, 0, flat.length)
    return latin1Of(this.input, this.base + this.starts[index]!, this.base + this.ends[index]!)
  }

  /** A word as UTF-8 text. */
  utf8(index: number): string {
    const flat = this.ropes === undefined ? undefined : this.#flatOf(index)
    if (flat !== undefined) return flat.toString()
    return this.input.utf8Slice(this.base + this.starts[index]!, this.base + this.ends[index]!)
  }

  /** The same words in a frame with memory of its own. */
  copy(): Frame {
    const frame = new Frame()
    frame.attach(this.input, this.base)
    frame.count = this.count
    frame.starts = this.starts.slice(0, this.count)
    frame.ends = this.ends.slice(0, this.count)
    if (this.ropes === undefined) frame.own()
    else frame.#share(this)
    return frame
  }

  /** Takes over what is another frame's own: it is never written again. */
  #share(other: Frame): void {
    this.#isOwn = true
    this.#ownEnd = other.#ownEnd
    this.ropes = new Map(other.ropes)
  }

  /** Moves the words to memory of their own: afterwards they may be kept for any time. */
  own(): void {
    const { count } = this
    if (count === 0 || this.#isOwn) return
    const from = this.starts[0]!
    const to = this.ends[count - 1]!
    const copy = Buffer.allocUnsafe(to - from)
    this.input.copy(copy, 0, this.base + from, this.base + to)
    this.input = copy as Buffer as WordBytes
    this.base = -from
  }
}
