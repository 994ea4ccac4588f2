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
 * A large word that has not arrived as a whole is not waited for: what is there of it is taken at
 * once, and from then on each part of the frame is consumed as it comes.
 *
 * INVARIANT: after `failed` the connection must be closed; the parser is of no more use.
 */
import { Frame } from './frame.js'
import { IncomingWord } from './incoming-word.js'
import { splitInline } from './inline.js'
import { Transit } from './transit.js'

const ASTERISK = 0x2a
const DOLLAR = 0x24
const MINUS = 0x2d
const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
const NINE = 0x39

const BULK_BYTES_MAX = 512 * 1024 * 1024
/** Words from this size on are not waited for. */
const LARGE_BYTES = 256 * 1024
/** Nor are those from this size on, behind so much of a frame. */
const MEDIUM_BYTES = 16 * 1024
const LONG_FRAME_BYTES = 1024 * 1024
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

/** complete    `frame` holds a request, which ends after `consumed` bytes; it is to be ignored when
 *               it has no words
 *  incomplete  more bytes are needed behind the `consumed` ones: `expectBytes` in all, 0 = any
 *  failed      `error` is the reply before the close; empty = close without one */
export type Outcome = 'complete' | 'incomplete' | 'failed'

/** between   at the beginning of a frame, or in one that is read as a whole
 *  spread    in one that is consumed as it comes
 *  held      behind one that is to be shown again */
type Mode = 'between' | 'spread' | 'held'

export interface ParserLimits {
  /** Bytes of a frame that is consumed as it comes, beyond which it fails; 0 = no bound. */
  readonly frameBytes: number
  /** Room for the large words of all connections. */
  readonly transit: Transit
}

const NO_LIMITS: ParserLimits = { frameBytes: 0, transit: new Transit() }

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
  readonly #limits: ParserLimits
  #mode: Mode = 'between'
  /** The large word that is coming in. */
  #word: IncomingWord | undefined
  /** Bytes of the frame so far, announced ones included. */
  #frameBytes = 0
  /** What the frame has of `transit`. */
  #takenBytes = 0

  constructor(limits: ParserLimits = NO_LIMITS) {
    this.#limits = limits
  }

  /** Lets go of the frame that was complete: an idle connection pins no memory. */
  release(): void {
    if (this.#mode !== 'between') return
    this.frame.detach()
    if (this.#takenBytes > 0) this.#give()
  }

  /** Has the next call show this frame again; it must be given the same bytes, from the same on.
   *  One that was read as a whole is read again in any case. */
  hold(): void {
    if (this.frame.ropes !== undefined) this.#mode = 'held'
  }

  /** Lets go of everything. The parser is of no more use. */
  close(): void {
    this.#word?.drop()
    this.#give()
    this.frame.detach()
  }

  #give(): void {
    this.#limits.transit.give(this.#takenBytes)
    this.#takenBytes = 0
  }

  /** Reads one frame from `input[start, end)`, the unconsumed bytes of the connection. */
  parse(input: Buffer, start: number, end: number): Outcome {
    this.expectBytes = 0
    if (this.#mode !== 'between') return this.#goOn(input, start, end)
    this.consumed = 0
    if (start >= end) return 'incomplete'
    if (this.#next === 0) {
      this.frame.clear()
      if (this.#takenBytes > 0) this.#give()
    }
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
        const size = this.#bulkHeader(input, at, end)
        if (size === UNFINISHED) return this.#pause(at - start)
        if (size === INVALID) return 'failed'
        this.#bulkBytes = size
        at = this.#numberEnd
      }
      const after = at + this.#bulkBytes
      if (after + 2 > end) {
        const large = at - start > LONG_FRAME_BYTES ? MEDIUM_BYTES : LARGE_BYTES
        if (this.#bulkBytes >= large) {
          this.#spread(at - start)
          return this.#parts(input, start, { from: at, end })
        }
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

  /** The length of the bulk whose header begins at `at`; `#numberEnd` is then behind the header.
   *  @returns UNFINISHED, or INVALID after `#fail` */
  #bulkHeader(input: Buffer, at: number, end: number): number {
    if (this.frame.count === WORDS_MAX) this.#fail(MULTIBULK_LENGTH)
    else if (input[at] !== DOLLAR) {
      this.#fail(`expected '$', got '${String.fromCharCode(input[at]!)}'`)
    } else {
      const size = this.#number(input, at + 1, end)
      if (size === UNFINISHED || (size >= 0 && size <= BULK_BYTES_MAX)) return size
      this.#fail(BULK_LENGTH)
    }
    return INVALID
  }

  /** From here on the frame is consumed as it comes. @param length of what was read of it */
  #spread(length: number): void {
    this.frame.spread()
    this.#mode = 'spread'
    this.#next = 0
    this.#frameBytes = length
    this.#begin()
  }

  /** The header of a bulk of a frame that is spread has been read. */
  #begin(): void {
    this.#frameBytes += this.#bulkBytes
    if (this.#bulkBytes < MEDIUM_BYTES) return
    this.#word = new IncomingWord(this.#bulkBytes, this.#limits.transit)
  }

  #goOn(input: Buffer, start: number, end: number): Outcome {
    if (this.#mode === 'spread') return this.#parts(input, start, { from: start, end })
    this.#mode = 'between'
    return 'complete'
  }

  /** Takes what has come of a frame that is spread. */
  #parts(
    input: Buffer,
    start: number,
    { from, end }: { readonly from: number; readonly end: number },
  ): Outcome {
    let at = from
    while (this.#missing > 0) {
      if (this.#bulkBytes === -1) {
        const size = at >= end ? UNFINISHED : this.#bulkHeader(input, at, end)
        if (size === UNFINISHED) return this.#take(at - start, 0)
        if (size === INVALID) return 'failed'
        this.#bulkBytes = size
        at = this.#numberEnd
        this.#begin()
      }
      const { frameBytes } = this.#limits
      if (frameBytes > 0 && this.#frameBytes > frameBytes) return this.#fail('')
      if (this.#word !== undefined) at = this.#word.take(input, at, end)
      // What is left of this word, and the line break behind it.
      const left = (this.#word === undefined ? this.#bulkBytes : this.#word.missing) + 2
      if (at + left > end) return this.#take(at - start, this.#word?.missing ? 0 : left)
      this.#endWord(input, at, at + left - 2)
      at += left
      this.#bulkBytes = -1
      this.#missing--
    }
    this.#mode = 'between'
    return this.#complete(at - start)
  }

  #endWord(input: Buffer, at: number, end: number): void {
    const word = this.#word
    if (word === undefined) {
      this.frame.addCopy(input, at, end)
      return
    }
    this.#word = undefined
    this.#takenBytes += word.takenBytes
    this.frame.addRope(word.rope())
    if (word.isDropped) this.frame.isCut = true
  }

  #take(consumed: number, expectBytes: number): Outcome {
    this.consumed = consumed
    this.expectBytes = expectBytes
    return 'incomplete'
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
