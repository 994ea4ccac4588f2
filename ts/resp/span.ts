/** Bytes [start, end) of a buffer: a view that costs less than a Buffer of its own. Borrowed from
 *  whoever has the buffer, like a Frame's words. */
export class Span {
  constructor(
    readonly bytes: Buffer,
    readonly start: number,
    readonly end: number,
  ) {}

  /** All bytes of a latin1 text: one byte for each code unit. */
  static of(text: string): Span {
    const bytes = Buffer.from(text, 'latin1')
    return new Span(bytes, 0, bytes.length)
  }

  get length(): number {
    return this.end - this.start
  }

  /** As text of one code unit for each byte. */
  latin1(): string {
    return latin1Of(this.bytes, this.start, this.end)
  }
}

/** Methods that Node's Buffer has and its type package leaves out. */
interface Latin1Bytes extends Buffer {
  latin1Slice(start: number, end: number): string
}

/** Bytes up to this many become text without a call into native code, which costs more. */
const SHORT_TEXT_MAX = 16
/** One function for each size: all units are arguments of one call. */
const SHORT_TEXTS = Array.from({ length: SHORT_TEXT_MAX + 1 }, (_, size) => {
  const units = Array.from({ length: size }, (_, i) => `bytes[at + ${i}]`)
  return new Function('bytes', 'at', `return String.fromCharCode(${units})`) as ShortText
})
type ShortText = (bytes: Uint8Array, at: number) => string

/** Bytes [start, end) as text of one code unit for each byte. */
export function latin1Of(bytes: Buffer, start: number, end: number): string {
  const size = end - start
  if (size <= SHORT_TEXT_MAX) return SHORT_TEXTS[size]!(bytes, start)
  return (bytes as Latin1Bytes).latin1Slice(start, end)
}

/** Up to so many bytes a loop is faster than a call into native code. */
const LOOP_MAX = 64

/** Copies bytes [start, end) of `source` to `at` in `target`; the two may be one buffer only where
 *  the ranges do not overlap. */
export function copyBytes(
  target: Buffer,
  at: number,
  { bytes, start, end }: Readonly<{ bytes: Buffer; start: number; end: number }>,
): void {
  if (end - start > LOOP_MAX) {
    bytes.copy(target, at, start, end)
    return
  }
  for (let from = start, to = at; from < end; from++, to++) target[to] = bytes[from]!
}
