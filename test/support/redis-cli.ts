/** What `redis-cli` makes of a typed line and of a reply, so that tests need no `redis-cli`. */
import type { Frame } from './resp-client.js'

const EMPTY: Readonly<Record<string, string>> = {
  '*': '(empty array)',
  '%': '(empty hash)',
  '~': '(empty set)',
}
const AFTER_NUMBER: Readonly<Record<string, string>> = { '%': '# ', '~': '~ ' }
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
}

/** Words of a typed line: bare ones, and such in single quotes. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(match => match[1] ?? match[2] ?? '')
}

/** A reply as `redis-cli` shows it on a terminal; no line break at the end.
 *  @param indent  put before every line but the first */
export function showReply(frame: Frame, indent = ''): string {
  const { type, value } = frame
  if (value === null) return '(nil)'
  if (Buffer.isBuffer(value)) return quoted(value)
  if (typeof value !== 'string') return showElements(type, value as readonly Frame[], indent)
  if (type === '+') return value
  if (type === '-') return `(error) ${value}`
  if (type === '#') return value === 't' ? '(true)' : '(false)'
  return `(${type === ',' ? 'double' : 'integer'}) ${value}`
}

function showElements(type: string, elements: readonly Frame[], indent: string): string {
  if (elements.length === 0) return EMPTY[type] ?? '(empty array)'
  const step = type === '%' ? 2 : 1
  const digits = String(elements.length / step).length
  const inner = indent + ' '.repeat(digits + 2)
  const lines: string[] = []
  for (let i = 0; i < elements.length; i += step) {
    const number = String(i / step + 1).padStart(digits) + (AFTER_NUMBER[type] ?? ') ')
    const shown = showReply(elements[i]!, inner)
    lines.push(number + (step === 1 ? shown : `${shown} => ${showValue(elements[i + 1]!, inner)}`))
  }
  return lines.join(`\n${indent}`)
}

/** The value of a map's entry: one that takes several lines begins on a line of its own. */
function showValue(value: Frame, indent: string): string {
  const shown = showReply(value, indent)
  return shown.includes('\n') ? `\n${indent}${shown}` : shown
}

function quoted(bytes: Buffer): string {
  const text = [...bytes].map(byte => {
    const character = String.fromCharCode(byte)
    if (ESCAPED[character] !== undefined) return ESCAPED[character]
    return byte >= 0x20 && byte < 0x7f ? character : `\\x${byte.toString(16).padStart(2, '0')}`
  })
  return `"${text.join('')}"`
}
