/**
 * Reads requests in place: arrays of bulks, and inline commands. One parser for each connection.
 *
 *   | consumed | frame being read …………………………………… | not arrived yet
 *              start        #next                 end
 *
 * A frame that is not complete keeps its progress (`#next`, `#missing`, the words so far), so
 * every byte is looked at once however it is split. All offsets are relative to the frame's start,
 * because a transport may move the bytes between two calls.
 *
 * INVARIANT: after `failed` the connection must be closed; the parser is of no more use.
 */
import { Frame } from './frame.js'
import { splitInline } from './inline.js'

const ASTERISK = 0x2a
const DOLLAR = 0x24
const MINUS = 0x2d
const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
const NINE = 0x39

const BULK_BYTES_MAX = 512 * 1024 * 1024
const INLINE_BYTES_MAX = 64 * 1024
const COUNT_MAX = 2147483647
/** Words that are kept of one frame, as many as Redis took up to 6.2: tens of millions would hold
 *  the thread for minutes. */
const WORDS_MAX = 1024 * 1024
const BULK_LENGTH = 'invalid bulk length'
const MULTIBULK_LENGTH = 'invalid multibulk length'
/** Results of `#number` that are not a number; both are beyond every valid one. */
const UNFINISHED = -1e300
const INVALID = -2e300

/** complete    `frame` holds a request, `consumed` bytes long; it is to be ignored when it has no
 *               words
 *  incomplete  more bytes are needed: `expectBytes` in all from the frame's start, 0 = any more
 *  failed      `error` is the reply before the close; empty = close without one */
export type Outcome = 'complete' | 'incomplete' | 'failed'

export class Parser {
  readonly frame = new Frame()
  consumed = 0
  expectBytes = 0
  /** `Protocol error: …` without prefix, or empty. */
  error = ''

  /** First byte not looked at. 0 = between two frames. */
  #next = 0
  /** Words still to come. */
  #missing = 0
  /** Length of the bulk of which the header has been read; -1 = the header comes next. */
  #bulkBytes = -1
  /** First byte of that number, and where it got to. */
  #numberEnd = 0

  /** Reads one frame from `input[start, end)`, the unconsumed bytes of the connection. */
  parse(input: Buffer, start: number, end: number): Outcome {
    this.expectBytes = 0
    if (start >= end) return 'incomplete'
    if (this.#next === 0) this.frame.clear()
    if (input[start] !== ASTERISK) return this.#inline(input, start, end)
    this.frame.attach(input, start)
    if (this.#next === 0) {
      const count = this.#number(input, start + 1, end)
      if (count === UNFINISHED) return 'incomplete'
      if (count === INVALID || count > COUNT_MAX) return this.#fail(MULTIBULK_LENGTH)
      this.#next = this.#numberEnd - start
      this.#missing = Math.max(count, 0)
    }
    return this.#words(input, start, end)
  }

  #words(input: Buffer, start: number, end: number): Outcome {
    const { frame } = this
    let at = start + this.#next
    while (this.#missing > 0) {
      if (this.#bulkBytes === -1) {
        if (at >= end) return this.#pause(at - start)
        if (frame.count === WORDS_MAX) return this.#fail(MULTIBULK_LENGTH)
        if (input[at] !== DOLLAR) {
          return this.#fail(`expected '$', got '${String.fromCharCode(input[at]!)}'`)
        }
        const size = this.#number(input, at + 1, end)
        if (size === UNFINISHED) return this.#pause(at - start)
        if (size < 0 || size > BULK_BYTES_MAX) return this.#fail(BULK_LENGTH)
        this.#bulkBytes = size
        at = this.#numberEnd
      }
      const after = at + this.#bulkBytes
      if (after + 2 > end) {
        this.expectBytes = after + 2 - start
        return this.#pause(at - start)
      }
      frame.add(at - start, after - start)
      at = after + 2
      this.#bulkBytes = -1
      this.#missing--
    }
    return this.#complete(at - start)
  }

  /** Reads `-?digits CR LF` from `at` on; `#numberEnd` is then the first byte after it. */
  #number(input: Buffer, at: number, end: number): number {
    let digitsFrom = at
    if (at < end && input[at] === MINUS) digitsFrom++
    let value = 0
    for (let i = digitsFrom; i < end; i++) {
      const byte = input[i]!
      if (byte >= ZERO && byte <= NINE) {
        // No leading zero, no more digits than the largest bound has.
        if ((i > digitsFrom && value === 0) || i - digitsFrom >= 10) return INVALID
        value = value * 10 + byte - ZERO
        continue
      }
      if (byte !== CR || i === digitsFrom) return INVALID
      if (i + 1 >= end) return UNFINISHED
      this.#numberEnd = i + 2
      if (digitsFrom === at) return value
      return value === 0 ? INVALID : -value
    }
    return UNFINISHED
  }

  #inline(input: Buffer, start: number, end: number): Outcome {
    const lineEnd = input.indexOf(LF, start + this.#next)
    const found = lineEnd !== -1 && lineEnd < end
    const lineBytes = (found ? lineEnd : end) - start
    if (lineBytes > INLINE_BYTES_MAX) return this.#fail('too big inline request')
    if (!found) {
      this.#next = lineBytes
      return 'incomplete'
    }
    const words = splitInline(input.subarray(start, lineEnd))
    if (words === undefined) return this.#fail('unbalanced quotes in request')
    const { frame } = this
    frame.attach(words.bytes, 0)
    for (let i = 0; i < words.starts.length; i++) frame.add(words.starts[i]!, words.ends[i]!)
    if (frame.count > 0 && isHttp(frame.latin1(0))) return this.#fail('')
    return this.#complete(lineBytes + 1)
  }

  #pause(next: number): Outcome {
    this.#next = next
    return 'incomplete'
  }

  #complete(consumed: number): Outcome {
    this.consumed = consumed
    this.#next = 0
    return 'complete'
  }

  #fail(text: string): Outcome {
    this.error = text === '' ? '' : `Protocol error: ${text}`
    return 'failed'
  }
}

/** A browser was made to talk to this port: an attack, never a client. */
function isHttp(word: string): boolean {
  const upper = word.toUpperCase()
  return upper === 'POST' || upper === 'HOST:'
}
