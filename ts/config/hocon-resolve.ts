/**
 * Second half of reading a configuration file: substitutions are looked up in the file itself and
 * then in the environment. A field whose only substitution is optional and finds nothing keeps its
 * earlier value, or is absent.
 */
import { ConfigError } from './error.js'
import {
  type HoconNode,
  type HoconObject,
  HoconParser,
  type Parsed,
  type ParsedObject,
  type Pending,
  type Substitution,
} from './hocon.js'

/** What a file may refer to outside itself. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Reads a configuration file's text.
 *  @param name  shown in errors, `<name>:<line>: <what>`
 *  @throws      ConfigError */
export function parseHocon(source: string, name: string, environment: Environment): HoconObject {
  const root = new HoconParser(source, name).parse()
  return new Resolver(root, name, environment).object(root)
}

class Resolver {
  /** Values being resolved right now: meeting one again is a cycle. */
  private readonly active = new Set<Pending>()

  constructor(
    private readonly root: ParsedObject,
    private readonly name: string,
    private readonly environment: Environment,
  ) {}

  object(parsed: ParsedObject): HoconObject {
    const fields = new Map<string, HoconNode>()
    for (const [field, value] of parsed.fields) {
      const node = this.node(value)
      if (node !== undefined) fields.set(field, node)
    }
    return { kind: 'object', line: parsed.line, fields }
  }

  private node(parsed: Parsed): HoconNode | undefined {
    if (parsed.kind === 'object') return this.object(parsed)
    if (parsed.kind === 'list') {
      const items = parsed.items.map(item => this.node(item))
      return { ...parsed, items: items.filter(item => item !== undefined) }
    }
    return parsed.kind === 'pending' ? this.pending(parsed) : parsed
  }

  private pending(parsed: Pending): HoconNode | undefined {
    if (this.active.has(parsed)) throw this.failure(parsed.line, 'a substitution refers to itself')
    this.active.add(parsed)
    const node = this.join(parsed)
    this.active.delete(parsed)
    return node
  }

  private join(parsed: Pending): HoconNode | undefined {
    const [only, ...others] = parsed.parts
    if (only !== undefined && typeof only !== 'string' && others.length === 0) {
      const found = this.look(only, parsed)
      if (found !== undefined) return found
      return parsed.previous === undefined ? undefined : this.node(parsed.previous)
    }
    const texts = parsed.parts.map(part => {
      if (typeof part === 'string') return part
      const found = this.look(part, parsed)
      if (found === undefined) return ''
      if (found.kind === 'text') return found.text
      throw this.failure(parsed.line, `\${${part.key}} is no text`)
    })
    return { kind: 'text', line: parsed.line, text: texts.join('') }
  }

  private look(part: Substitution, at: Pending): HoconNode | undefined {
    let found: Parsed | undefined = this.root
    for (const segment of part.key.split('.')) {
      found = found?.kind === 'object' ? found.fields.get(segment) : undefined
    }
    // INVARIANT: a field that refers to itself means its earlier value, as in `a = ${?a}`.
    if (found === at) found = at.previous
    const node = found === undefined ? undefined : this.node(found)
    if (node !== undefined) return node
    const text = this.environment[part.key]
    if (text !== undefined) return { kind: 'text', line: at.line, text }
    if (part.optional) return undefined
    throw this.failure(at.line, `\${${part.key}} is neither in this file nor in the environment`)
  }

  private failure(line: number, what: string): ConfigError {
    return new ConfigError(`${this.name}:${line}: ${what}`)
  }
}
