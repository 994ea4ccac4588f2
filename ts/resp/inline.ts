/**
 * Inline commands: a line of words separated by blanks, as `nc` and health checks send them.
 * Quoting is Redis's: `"…"` with `\xHH \n \r \t \b \a` and `\` before any other character,
 * `'…'` with `\'`. A closing quote must be followed by a blank or the end of the line.
 */

const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d])
const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const BACKSLASH = 0x5c
const LETTER_X = 0x78
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x6e, 0x0a], // n
  [0x72, 0x0d], // r
  [0x74, 0x09], // t
  [0x62, 0x08], // b
  [0x61, 0x07], // a
])

/** The words of a line: word i is `bytes[starts[i], ends[i])`. */
export interface InlineWords {
  readonly bytes: Buffer
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

/** Splits a line.
 *  @param line  without its LF; copied, not kept
 *  @returns     `undefined` for a quote that is left open or runs into the next word */
export function splitInline(line: Buffer): InlineWords | undefined {
  const bytes = Buffer.allocUnsafe(line.length)
  const starts: number[] = []
  const ends: number[] = []
  let from = 0
  let to = 0
  for (;;) {
    while (from < line.length && BLANKS.has(line[from]!)) from++
    if (from === line.length) return { bytes, starts, ends }
    starts.push(to)
    while (from < line.length && !BLANKS.has(line[from]!)) {
      const byte = line[from]!
      if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) {
        const quoted = copyQuoted({ line, from: from + 1, bytes, to, quote: byte })
        if (quoted === undefined) return undefined
        from = quoted.from
        to = quoted.to
        break
      }
      bytes[to++] = byte
      from++
    }
    ends.push(to)
  }
}

interface Quoted {
  readonly line: Buffer
  /** First byte after the opening quote. */
  from: number
  readonly bytes: Buffer
  to: number
  readonly quote: number
}

/** Copies up to the closing quote and steps over it. */
function copyQuoted(state: Quoted): { from: number; to: number } | undefined {
  const { line, bytes, quote } = state
  let { from, to } = state
  while (from < line.length) {
    const byte = line[from]!
    const next = line[from + 1]
    if (byte === quote) {
      return next === undefined || BLANKS.has(next) ? { from: from + 1, to } : undefined
    }
    if (byte !== BACKSLASH || next === undefined) {
      bytes[to++] = byte
      from++
    } else if (quote === SINGLE_QUOTE) {
      bytes[to++] = next === SINGLE_QUOTE ? next : byte
      from += next === SINGLE_QUOTE ? 2 : 1
    } else if (next === LETTER_X && isHex(line[from + 2]) && isHex(line[from + 3])) {
      bytes[to++] = Number.parseInt(line.toString('latin1', from + 2, from + 4), 16)
      from += 4
    } else {
      bytes[to++] = ESCAPES.get(next) ?? next
      from += 2
    }
  }
  return undefined
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false
  const lower = byte | 0x20
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66)
}
