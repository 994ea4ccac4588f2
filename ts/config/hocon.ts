/**
 * Reader for configuration files: HOCON without `include` and `+=`. That is JSON plus comments
 * (`#`, `//`), unquoted and dotted keys, `=` as well as `:`, optional commas and outer braces,
 * merging of objects that are given twice, and substitutions (`${key}`, `${?KEY}`) from the same
 * file or the environment.
 *
 * Values stay text, quoted or not: the settings table knows which of them are numbers.
 */
import { ConfigError } from './error.js'

export type HoconNode =
  | { readonly kind: 'object'; readonly line: number; readonly fields: Map<string, HoconNode> }
  | { readonly kind: 'list'; readonly line: number; readonly items: readonly HoconNode[] }
  | { readonly kind: 'text'; readonly line: number; readonly text: string }
  | { readonly kind: 'null'; readonly line: number }

export type HoconObject = Extract<HoconNode, { kind: 'object' }>

/** A part of a value that is looked up once the whole file is read. */
export interface Substitution {
  readonly key: string
  readonly optional: boolean
}

/** A value that cannot be told before the whole file is read.
 *  `previous` is what the field held before: it stays when an optional substitution finds
 *  nothing. */
export interface Pending {
  readonly kind: 'pending'
  readonly line: number
  readonly parts: readonly (string | Substitution)[]
  previous: Parsed | undefined
}

export interface ParsedObject {
  readonly kind: 'object'
  readonly line: number
  readonly fields: Map<string, Parsed>
}

export interface ParsedList {
  readonly kind: 'list'
  readonly line: number
  readonly items: readonly Parsed[]
}

export type Parsed =
  | ParsedObject
  | ParsedList
  | Pending
  | Extract<HoconNode, { kind: 'text' | 'null' }>

const FORBIDDEN_UNQUOTED = new Set('$"{}[]:=,+#`^?!@*&\\')
const MAX_DEPTH = 64

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/** Recursive descent over one file; `offset` is the next character to read. */
export class HoconParser {
  private offset = 0
  private line = 1
  private depth = 0

  constructor(
    private readonly source: string,
    private readonly name: string,
  ) {}

  /** @returns the tree with substitutions still pending
   *  @throws  ConfigError `<name>:<line>: <what>` */
  parse(): ParsedObject {
    if (this.source.startsWith('\uFEFF')) this.offset = 1
    this.skipBlank()
    const braces = this.peek() === '{'
    const root = braces ? this.object() : this.fields({ until: undefined })
    this.skipBlank()
    if (this.offset < this.source.length) throw this.unexpected()
    return root
  }

  private object(): ParsedObject {
    this.enter()
    this.offset++
    const made = this.fields({ until: '}' })
    this.offset++
    this.depth--
    return made
  }

  /** Reads fields up to `until` (not consumed) or to the end of the file. */
  private fields({ until }: { until: '}' | undefined }): ParsedObject {
    const made: ParsedObject = { kind: 'object', line: this.line, fields: new Map() }
    for (;;) {
      this.skipBlank()
      const next = this.peek()
      if (next === undefined && until !== undefined) {
        throw this.failure(`the { of line ${made.line} is not closed`)
      }
      if (next === until) return made
      this.field(made)
      this.separator(until)
    }
  }

  private field(into: ParsedObject): void {
    const path = this.path()
    this.skipBlank()
    const next = this.peek()
    if (next === '+') throw this.failure('+= is not supported')
    if (next === '=' || next === ':') this.offset++
    else if (next !== '{') throw this.failure(`expected = after ${path.join('.')}`)
    this.skipBlank()
    assign(into, path, this.value())
  }

  /** A comma, a line end, or the end of the group must follow a field. */
  private separator(until: string | undefined): void {
    const line = this.line
    this.skipBlank()
    if (this.peek() === ',') this.offset++
    else if (this.line === line && this.peek() !== until && this.peek() !== undefined) {
      throw this.unexpected()
    }
  }

  /** A dotted key; quoted segments may hold any character. */
  private path(): string[] {
    const segments: string[] = []
    for (;;) {
      segments.push(this.peek() === '"' ? this.quoted() : this.keyWord())
      if (this.peek() !== '.') break
      this.offset++
    }
    if (segments[0] === 'include' && this.source[this.offset] === ' ') {
      throw this.failure('include is not supported')
    }
    return segments
  }

  private keyWord(): string {
    const start = this.offset
    while (/[\w-]/.test(this.peek() ?? '')) this.offset++
    if (this.offset === start) throw this.unexpected()
    return this.source.slice(start, this.offset)
  }

  private value(): Parsed {
    const next = this.peek()
    if (next === '{') return this.object()
    if (next === '[') return this.list()
    return this.scalar()
  }

  private list(): ParsedList {
    this.enter()
    const line = this.line
    const items: Parsed[] = []
    this.offset++
    for (;;) {
      this.skipBlank()
      if (this.peek() === undefined) throw this.failure(`the [ of line ${line} is not closed`)
      if (this.peek() === ']') break
      items.push(this.value())
      this.separator(']')
    }
    this.offset++
    this.depth--
    return { kind: 'list', line, items }
  }

  /** Quoted, unquoted and substituted parts of one line, joined with the blanks between them. */
  private scalar(): Parsed {
    const line = this.line
    const parts: (string | Substitution)[] = []
    let bare = true
    let blanks = ''
    for (;;) {
      const part = this.part()
      if (part === undefined) break
      if (parts.length > 0) parts.push(blanks)
      parts.push(part.value)
      bare &&= part.bare
      blanks = this.inlineBlanks()
    }
    if (parts.length === 0) throw this.failure('a value is missing')
    if (parts.some(part => typeof part !== 'string')) {
      return { kind: 'pending', line, parts, previous: undefined }
    }
    const text = parts.join('')
    return bare && text === 'null' ? { kind: 'null', line } : { kind: 'text', line, text }
  }

  private part(): { value: string | Substitution; bare: boolean } | undefined {
    if (this.atEndOfValue()) return undefined
    const next = this.peek()
    if (next === '"') return { value: this.quoted(), bare: false }
    if (next === '$') return { value: this.substitution(), bare: false }
    const start = this.offset
    while (!this.atEndOfValue() && !/\s/.test(this.peek() ?? ' ')) {
      if (this.peek() === '"' || this.peek() === '$') break
      if (FORBIDDEN_UNQUOTED.has(this.peek() ?? '')) throw this.unexpected('; quote the value')
      this.offset++
    }
    return { value: this.source.slice(start, this.offset), bare: true }
  }

  private atEndOfValue(): boolean {
    const next = this.peek()
    if (next === undefined || '\r\n,}]#'.includes(next)) return true
    return next === '/' && this.source[this.offset + 1] === '/'
  }

  private substitution(): Substitution {
    const end = this.source.indexOf('}', this.offset)
    const inner = this.source.slice(this.offset, end + 1)
    const match = /^\$\{(\?)?\s*([\w.-]+)\s*\}$/.exec(inner)
    if (match?.[2] === undefined) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how HOCON writes them
      throw this.failure('a substitution is written ${key} or ${?key}')
    }
    this.offset = end + 1
    return { key: match[2], optional: match[1] === '?' }
  }

  private quoted(): string {
    if (this.source.startsWith('"""', this.offset)) return this.tripleQuoted()
    let text = ''
    this.offset++
    for (;;) {
      const next = this.source[this.offset++]
      if (next === '"') return text
      if (next === undefined || next === '\n') throw this.failure('a closing " is missing')
      text += next === '\\' ? this.escape() : next
    }
  }

  private escape(): string {
    const next = this.source[this.offset++] ?? ''
    const plain = ESCAPES[next]
    if (plain !== undefined) return plain
    const digits = this.source.slice(this.offset, this.offset + 4)
    if (next !== 'u' || !/^[\da-fA-F]{4}$/.test(digits)) {
      throw this.failure(`\\${next} is no escape`)
    }
    this.offset += 4
    return String.fromCharCode(Number.parseInt(digits, 16))
  }

  private tripleQuoted(): string {
    const start = this.offset + 3
    const end = this.source.indexOf('"""', start)
    if (end < 0) throw this.failure('a closing """ is missing')
    const text = this.source.slice(start, end)
    this.line += text.split('\n').length - 1
    this.offset = end + 3
    return text
  }

  private inlineBlanks(): string {
    const start = this.offset
    while (/[^\S\r\n]/.test(this.peek() ?? '')) this.offset++
    return this.source.slice(start, this.offset)
  }

  /** Skips blanks, line ends and comments. */
  private skipBlank(): void {
    for (;;) {
      const next = this.peek()
      if (next === undefined) return
      if (next === '#' || this.source.startsWith('//', this.offset)) this.skipLine()
      else if (/\s/.test(next)) {
        if (next === '\n') this.line++
        this.offset++
      } else return
    }
  }

  private skipLine(): void {
    const end = this.source.indexOf('\n', this.offset)
    this.offset = end < 0 ? this.source.length : end
  }

  private enter(): void {
    if (++this.depth > MAX_DEPTH) throw this.failure(`more than ${MAX_DEPTH} levels`)
  }

  private peek(): string | undefined {
    return this.source[this.offset]
  }

  private unexpected(hint = ''): ConfigError {
    const next = this.peek()
    const what = next === undefined ? 'end of file' : JSON.stringify(next)
    return this.failure(`unexpected ${what}${hint}`)
  }

  private failure(what: string): ConfigError {
    return new ConfigError(`${this.name}:${this.line}: ${what}`)
  }
}

/** Puts a value under a dotted path: objects merge, anything else replaces. */
function assign(into: ParsedObject, path: readonly string[], value: Parsed): void {
  let group = into
  for (const segment of path.slice(0, -1)) {
    const present = group.fields.get(segment)
    if (present?.kind === 'object') group = present
    else {
      const made: ParsedObject = { kind: 'object', line: value.line, fields: new Map() }
      group.fields.set(segment, made)
      group = made
    }
  }
  put(group, path.at(-1) ?? '', value)
}

function put(group: ParsedObject, name: string, value: Parsed): void {
  const present = group.fields.get(name)
  if (present?.kind === 'object' && value.kind === 'object') {
    for (const [inner, node] of value.fields) put(present, inner, node)
    return
  }
  if (value.kind === 'pending') value.previous = present
  group.fields.set(name, value)
}
