/**
 * The arguments of a parameter as people see them: one, or for an option list those that its
 * syntax line shows.
 *
 *   [NX|XX] [LIMIT limit] field value [field value …]
 *   ------- ------------- ----- ----- ---------------   five arguments, three of them optional
 */
import type { Param, ParamType } from '../../server/command.js'

export interface ArgumentForm {
  readonly name: string
  readonly type: ParamType
  /** Typed before the value; the value itself for a `pure-token`. */
  readonly token?: string
  /** The words of a `oneof`. */
  readonly words?: readonly string[]
  readonly isOptional: boolean
  readonly isMultiple: boolean
  readonly isKey: boolean
}

const TOKEN = '[A-Z][A-Z0-9_-]*'
const ONE_TOKEN = new RegExp(`^${TOKEN}$`)
const TOKENS = new RegExp(`^${TOKEN}(?:\\|${TOKEN})+$`)
const TOKEN_AND_NAME = new RegExp(`^(${TOKEN}) ([a-z][a-z0-9-]*)$`)

/** How a parameter reads that has no syntax of its own. */
const PLAIN: readonly ((name: string) => string)[] = [
  name => name,
  name => `[${name}]`,
  name => `[${name} …]`,
  name => `${name} [${name} …]`,
]

/** @returns none for a parameter that is not shown */
export function formsOf(param: Param): ArgumentForm[] {
  const { name, type, words, syntax, isKey } = param
  if (words === undefined && !PLAIN.some(form => form(name) === syntax)) {
    const all = pieces(syntax)
    const isRepeated = (index: number) => all[index + 1] === `[${all[index]} …]`
    return all.flatMap((piece, index) => {
      if (index > 0 && isRepeated(index - 1)) return []
      return [{ ...formOf(piece, isKey && index === 0), isMultiple: isRepeated(index) }]
    })
  }
  const shared = {
    name,
    type,
    isOptional: param.min === 0,
    isMultiple: param.max === Number.POSITIVE_INFINITY,
    isKey,
  }
  if (words === undefined) return [shared]
  return [words.length === 1 ? { ...shared, token: words[0]! } : { ...shared, words }]
}

/** Words, and brackets with what is in them. */
function pieces(syntax: string): string[] {
  const found: string[] = []
  let depth = 0
  for (const word of syntax.split(' ').filter(one => one !== '')) {
    if (depth === 0) found.push(word)
    else found.push(`${found.pop()} ${word}`)
    depth += word.split('[').length - word.split(']').length
  }
  return found
}

function formOf(piece: string, isKey: boolean): Omit<ArgumentForm, 'isMultiple'> {
  const isOptional = piece.startsWith('[') && piece.endsWith(']')
  const text = isOptional ? piece.slice(1, -1) : piece
  const shared = { isOptional, isKey }
  if (ONE_TOKEN.test(text)) {
    return { ...shared, name: text.toLowerCase(), type: 'pure-token', token: text }
  }
  if (TOKENS.test(text)) return { ...shared, name: text, type: 'oneof', words: text.split('|') }
  const [, token, name] = TOKEN_AND_NAME.exec(text) ?? []
  if (token !== undefined && name !== undefined) return { ...shared, name, type: 'string', token }
  return { ...shared, name: text, type: isKey ? 'key' : 'string' }
}
