/**
 * One request as the parser left it: words as byte ranges of a buffer, nothing copied.
 *
 *   input   … | *3 $4 [ZSET] $1 [k] $5 [value] | next frame …
 *   words          0          1      2            word 0 is the command name
 *
 * INVARIANT: the ranges are borrowed. They hold until the transport's `onData` returns, so whoever
 * works on past that point must call `own()` first, or copy what it keeps.
 */

import { latin1Of, Span } from './span.js'

const NO_INPUT = Buffer.alloc(0)
/** Arrays longer than this are let go after the frame, so one huge frame does not pin memory. */
const KEPT_WORDS = 1024

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
    if (this.starts.length > KEPT_WORDS) {
      this.starts = []
      this.ends = []
    }
  }

  /** Lets go of the input, so that an idle connection pins no buffer. */
  detach(): void {
    this.input = NO_INPUT as Buffer as WordBytes
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

  /** Bytes from the first word to the end of the last. */
  get length(): number {
    return this.count === 0 ? 0 : this.ends[this.count - 1]! - this.starts[0]!
  }

  /** Length of word `index`, bytes. */
  size(index: number): number {
    return this.ends[index]! - this.starts[index]!
  }

  /** The bytes of a word: a view into the input. */
  bytes(index: number): Buffer {
    return this.input.subarray(this.base + this.starts[index]!, this.base + this.ends[index]!)
  }

  /** The bytes of a word, without the cost of a Buffer. */
  span(index: number): Span {
    return new Span(this.input, this.base + this.starts[index]!, this.base + this.ends[index]!)
  }

  /** A word as text, one code unit for each byte: loses nothing, costs no Buffer. */
  latin1(index: number): string {
    return latin1Of(this.input, this.base + this.starts[index]!, this.base + this.ends[index]!)
  }

  /** A word as UTF-8 text. */
  utf8(index: number): string {
    return this.input.utf8Slice(this.base + this.starts[index]!, this.base + this.ends[index]!)
  }

  /** The same words in a frame with memory of its own. */
  copy(): Frame {
    const frame = new Frame()
    frame.attach(this.input, this.base)
    frame.count = this.count
    frame.starts = this.starts.slice(0, this.count)
    frame.ends = this.ends.slice(0, this.count)
    frame.own()
    return frame
  }

  /** Moves the words to memory of their own: afterwards they may be kept for any time. */
  own(): void {
    const { count } = this
    if (count === 0) return
    const from = this.starts[0]!
    const to = this.ends[count - 1]!
    const copy = Buffer.allocUnsafe(to - from)
    this.input.copy(copy, 0, this.base + from, this.base + to)
    this.input = copy as Buffer as WordBytes
    this.base = -from
  }
}
