/**
 * Redis's glob patterns: `*` any text, `?` one character, `[abc]` `[a-z]` `[^a]` one of a class,
 * `\x` the character x. A class that is left open ends with the pattern; as in Redis, a range takes
 * whatever comes behind its dash, a bracket too.
 */

/** Whether a token takes one code unit; a star takes any number of any. */
type Token = '*' | ((unit: number) => boolean)

const [BACKSLASH, CARET, DASH, OPEN, CLOSE] = ['\\', '^', '-', '[', ']'].map(one =>
  one.charCodeAt(0),
) as [number, number, number, number, number]

/** A predicate for texts that match as a whole. Its time is bounded by the product of both
 *  lengths, and its memory by that of the pattern, which callers bound. */
export function glob(pattern: string): (text: string) => boolean {
  const tokens = tokensOf(pattern)
  return text => matches(tokens, text)
}

function matches(tokens: readonly Token[], text: string): boolean {
  let token = 0
  let at = 0
  // The last star, and where the text goes on behind what it takes: the only place to go back to.
  let star = -1
  let resume = 0
  while (at < text.length) {
    const current = tokens[token]
    if (current === '*') {
      star = token++
      resume = at
    } else if (current?.(text.charCodeAt(at))) {
      token++
      at++
    } else if (star >= 0) {
      token = star + 1
      at = ++resume
    } else return false
  }
  while (tokens[token] === '*') token++
  return token === tokens.length
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const unit = pattern.charCodeAt(at)
    if (pattern[at] === '*') tokens.push('*')
    else if (pattern[at] === '?') tokens.push(() => true)
    else if (unit === OPEN) {
      const { token, end } = classFrom(pattern, at + 1)
      tokens.push(token)
      at = end
    } else if (unit === BACKSLASH && at + 1 < pattern.length) {
      tokens.push(only(pattern.charCodeAt(++at)))
    } else tokens.push(only(unit))
  }
  return tokens
}

function only(wanted: number): Token {
  return unit => unit === wanted
}

/** @param from  behind the opening bracket
 *  @returns end  index of the bracket that closes the class, or the length of the pattern */
function classFrom(pattern: string, from: number): { token: Token; end: number } {
  const isNegated = pattern.charCodeAt(from) === CARET
  const ranges: [low: number, high: number][] = []
  let at = isNegated ? from + 1 : from
  for (; at < pattern.length && pattern.charCodeAt(at) !== CLOSE; at++) {
    const unit = pattern.charCodeAt(at)
    if (unit === BACKSLASH && at + 1 < pattern.length) {
      const escaped = pattern.charCodeAt(++at)
      ranges.push([escaped, escaped])
    } else if (pattern.charCodeAt(at + 1) === DASH && at + 2 < pattern.length) {
      const last = pattern.charCodeAt(at + 2)
      ranges.push([Math.min(unit, last), Math.max(unit, last)])
      at += 2
    } else ranges.push([unit, unit])
  }
  const token = (unit: number): boolean =>
    ranges.some(([low, high]) => unit >= low && unit <= high) !== isNegated
  return { token, end: at }
}
