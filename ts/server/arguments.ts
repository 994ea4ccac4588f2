/**
 * Parameters of commands. A declaration lists them in order; arity, the typed parse, key
 * positions, the syntax line and COMMAND DOCS are derived from that list.
 *
 * Words are handed out from left to right: each parameter gets its minimum, and what is left over
 * goes to the first one that can take more.
 */
import { err, type RespError } from '../error.js'
import type { Frame } from '../resp/frame.js'
import {
  NUMBER_TEXT_MAX,
  parseCanonicalInt64,
  parseDouble,
  parseInt32,
  parseInt64,
} from '../resp/numbers.js'
import type { Rope } from '../resp/rope.js'
import type { Span } from '../resp/span.js'

/** Type words of COMMAND DOCS. */
export type ParamType = 'key' | 'string' | 'integer' | 'double' | 'pure-token' | 'oneof'

export interface Param<N extends string = string, T = unknown> {
  /** Name of the value in what `run` gets. */
  readonly name: N
  readonly type: ParamType
  /** The words that are allowed; absent = any. */
  readonly words?: readonly string[]
  /** How it reads in the syntax line. */
  readonly syntax: string
  /** Bounds of the number of words. */
  readonly min: number
  readonly max: number
  /** The number of words is a multiple of this. */
  readonly step: number
  /** The first word of each step is a key. */
  readonly isKey: boolean
  /** Reads the `words` words from `at` on. @throws RespError when they are not what is declared */
  read(frame: Frame, at: number, words: number): T
}

/** What `run` gets for a list of parameters. */
export type Values<P extends readonly Param[]> = {
  readonly [Q in P[number] as Q['name']]: Q extends Param<string, infer T> ? T : never
}

interface OneWord<N extends string, T> {
  name: N
  type: ParamType
  read(frame: Frame, at: number): T
}

function oneWord<N extends string, T>(param: OneWord<N, T>): Param<N, T> {
  return { ...param, syntax: param.name, min: 1, max: 1, step: 1, isKey: false }
}

/** Bytes as they came. Borrowed when the command is flagged `sync`, else the command's own. */
export function bytes<const N extends string>(name: N): Param<N, Buffer> {
  return oneWord({ name, type: 'string', read: (frame, at) => frame.bytes(at) })
}

/** Bytes where they are: for a command flagged `sync`, which copies what it keeps. */
export function span<const N extends string>(name: N): Param<N, Span> {
  return oneWord({ name, type: 'string', read: (frame, at) => frame.span(at) })
}

/** As `span`, for a word that may be large: then it is a rope, which may be kept. */
export function value<const N extends string>(name: N): Param<N, Span | Rope> {
  return oneWord({ name, type: 'string', read: (frame, at) => frame.value(at) })
}

/** Bytes as a string of one code unit for each byte: no loss, and nothing to copy when kept. */
export function binary<const N extends string>(name: N): Param<N, string> {
  return oneWord({ name, type: 'string', read: (frame, at) => frame.latin1(at) })
}

/** UTF-8 text. */
export function text<const N extends string>(name: N): Param<N, string> {
  return oneWord({ name, type: 'string', read: (frame, at) => frame.utf8(at) })
}

/** Signed 32-bit integer. @throws ERR value is not a int or out of range */
export function int32<const N extends string>(name: N): Param<N, number> {
  return number(name, 'integer', parseInt32, 'value is not a int or out of range')
}

/** Signed 64-bit integer. @throws ERR value is not a long or out of range */
export function int64<const N extends string>(name: N): Param<N, bigint> {
  return number(name, 'integer', parseInt64, 'value is not a long or out of range')
}

/** Double, not necessarily finite. @throws ERR value is not a double or out of range */
export function double<const N extends string>(name: N): Param<N, number> {
  return number(name, 'double', parseDouble, 'value is not a double or out of range')
}

/** Integer of a Redis command. @throws ERR value is not an integer or out of range */
export function redisInteger<const N extends string>(name: N): Param<N, bigint> {
  return number(name, 'integer', parseCanonicalInt64, 'value is not an integer or out of range')
}

/** One of some words, in any case; the value is the word in upper case.
 *  @param refuse  the error for another word, which is passed as typed */
export function keyword<const N extends string, const W extends string>(
  name: N,
  words: readonly W[],
  refuse: (typed: string) => RespError = () => err('syntax error'),
): Param<N, W> {
  const read = (frame: Frame, at: number): W => {
    const typed = frame.utf8(at)
    const upper = typed.toUpperCase()
    const word = words.find(candidate => candidate === upper)
    if (word === undefined) throw refuse(typed)
    return word
  }
  const type = words.length === 1 ? 'pure-token' : 'oneof'
  return { ...oneWord<N, W>({ name, type, read }), words, syntax: words.join('|') }
}

/** May be absent: then the value is `undefined`. */
export function optional<N extends string, T>(param: Param<N, T>): Param<N, T | undefined> {
  return {
    ...param,
    min: 0,
    syntax: `[${param.syntax}]`,
    read: (frame, at, words) => (words === 0 ? undefined : param.read(frame, at, words)),
  }
}

/** All remaining words.
 *  @param options.min   fewest words, one group unless given
 *  @param options.step  words come in groups of so many: 2 for `key value [key value …]` */
export function rest<N extends string, T>(
  param: Param<N, T>,
  options: { min?: number; step?: number; syntax?: string } = {},
): Param<N, T[]> {
  const { step = 1, min = step, syntax = restSyntax(param.syntax, min) } = options
  return {
    ...param,
    syntax,
    min,
    max: Number.POSITIVE_INFINITY,
    step,
    read: (frame, at, words) => {
      const values: T[] = []
      for (let word = at; word < at + words; word++) values.push(param.read(frame, word, 1))
      return values
    },
  }
}

/** An option list that the command reads by itself: the remaining words, none or more.
 *  @param syntax  the options as the reference page shows them */
export function options<const N extends string>(name: N, syntax: string): Param<N, Buffer[]> {
  return rest(bytes(name), { min: 0, syntax })
}

/** Marks a parameter as a key: it decides the slot, and COMMAND reports its position. */
export function key<N extends string, T>(param: Param<N, T>): Param<N, T> {
  return { ...param, type: 'key', isKey: true }
}

function number<N extends string, T>(
  name: N,
  type: ParamType,
  parse: (text: string) => T | undefined,
  refusal: string,
): Param<N, T> {
  const read = (frame: Frame, at: number): T => {
    const value = frame.size(at) > NUMBER_TEXT_MAX ? undefined : parse(frame.latin1(at))
    if (value === undefined) throw err(refusal)
    return value
  }
  return oneWord({ name, type, read })
}

function restSyntax(one: string, min: number): string {
  return min === 0 ? `[${one} …]` : `${one} [${one} …]`
}
