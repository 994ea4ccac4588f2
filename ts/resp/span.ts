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
    return this.bytes.toString('latin1', this.start, this.end)
  }
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
