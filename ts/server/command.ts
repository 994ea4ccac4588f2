/**
 * A command, declared once. Everything else is derived from the declaration: arity, the typed
 * parse, key positions and slot, COMMAND's answers, the syntax line, the reference page.
 *
 * A command with `subcommands` has no `run` of its own, unless `bare` says what it does without a
 * subcommand. Subcommands nest to any depth; each inherits the flags of those above it.
 */
import { err, type RespError } from '../error.js'
import type { Frame } from '../resp/frame.js'
import type { Reply, ReplyShape } from '../resp/reply.js'
import type { Param, Values } from './arguments.js'
import type { Context, MaybePromise } from './context.js'

export * from './arguments.js'

/** What drives the gates.
 *  write          changes data; refused by a read-only shard
 *  readonly       reads data
 *  fast           constant or logarithmic work, for COMMAND's readers
 *  sync           `run` has answered when it returns: no promise. Its arguments are borrowed
 *                 from the input buffer, so it copies whatever it keeps
 *  blind          a one-off request only writes, and the same whatever its commit's version is:
 *                 consecutive ones of a pipeline share a transaction, see `write-run.ts`
 *  blocking       may take any time: the connection is watched meanwhile, and a peer that goes, or
 *                 ends its side, ends the command through `session.onDisconnect`, as a server that
 *                 stops does: then the peer still gets the reply. While any other command runs a
 *                 peer that is gone is noticed afterwards
 *  noauth         runs before the connection has logged in
 *  uninitialized  runs before the cluster is initialised
 *  redis          a Redis data command: slot routing, lower-case name in arity errors. MULTI queues
 *                 it, so its work on the data is done when `run` returns, even if it answers later
 *  queued         MULTI queues it, though it is no Redis data command
 *  immediate      runs at once inside MULTI */
export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'fast'
  | 'sync'
  | 'blind'
  | 'blocking'
  | 'noauth'
  | 'uninitialized'
  | 'redis'
  | 'queued'
  | 'immediate'

export type Port = 'client' | 'admin'

/** Error texts of a command with subcommands. */
export interface SubcommandTexts {
  /** @param typed the word as sent; `parent` is the upper-case name of the command above it */
  unknown(typed: string, parent: string): string
  /** @param path names from the command to the subcommand, in the case that the family uses
   *  @param isTooFew words are missing, rather than too many */
  arity(path: readonly string[], isTooFew: boolean): string
}

/** Kronotop's own texts. */
export const kronotopTexts: SubcommandTexts = {
  unknown: typed => `unknown subcommand: '${typed}'`,
  arity: path => `wrong number of arguments for '${path.join(' ')}' command`,
}

/** Redis's texts, for the commands that Redis has too. */
export const redisTexts: SubcommandTexts = {
  unknown: (typed, parent) => `unknown subcommand '${typed}'. Try ${parent} HELP.`,
  arity: path => `wrong number of arguments for '${path.join('|')}' command`,
}

interface Described {
  name: string
  summary: string
  /** Version that brought it; a subcommand inherits that of the command above it. */
  since?: string
  complexity?: string
  flags?: readonly CommandFlag[]
  /** Prefixes of the errors it may answer, besides `ERR`. */
  errors?: readonly string[]
  /** Requests of its reference page, one a line as they are typed into redis-cli; the page shows
   *  what a fresh server answers. */
  example?: readonly string[]
  /** What its reference page says of limits and choices besides, a sentence or two each. */
  notes?: readonly string[]
}

/** What a request with a wrong number of words does, and answers instead of that error. It may run
 *  twice for one request. */
type Misused = (ctx: Context, error: RespError) => RespError

/** A subcommand that runs. `run` returns plain data of the type that `reply` asks for. */
export interface LeafSpec<P extends readonly Param[], T> extends Described {
  args: P
  reply: Reply<T>
  run: (ctx: Context, args: Values<P>) => MaybePromise<NoInfer<T>>
  misused?: Misused
}

/** A subcommand that only has subcommands. */
export interface BranchSpec extends Described {
  subcommands: readonly Node[]
  texts?: Partial<SubcommandTexts>
  /** What runs when no subcommand is given; without it that is an argument-count error. */
  bare?: Node
}

interface TopLevel {
  group: string
  since: string
  port: Port | 'both'
}

interface Run {
  readonly params: readonly Param[]
  readonly reply: ReplyShape
  readonly run: (ctx: Context, args: never) => unknown
  readonly misused: Misused | undefined
}

/** A declared subcommand, not yet placed under its command. */
export interface Node {
  readonly described: Described
  readonly leaf: Run | undefined
  readonly branch: BranchSpec | undefined
}

/** Declares a subcommand, for `subcommands` of a command or of another subcommand. */
export function subcommand<const P extends readonly Param[], T>(spec: LeafSpec<P, T>): Node
export function subcommand(spec: BranchSpec): Node
export function subcommand<const P extends readonly Param[], T>(
  spec: LeafSpec<P, T> | BranchSpec,
): Node {
  if ('subcommands' in spec) return { described: spec, leaf: undefined, branch: spec }
  const { args: params, reply, run, misused } = spec
  const leaf: Run = { params, reply: reply.shape, run, misused }
  return { described: spec, leaf, branch: undefined }
}

/** Declares a command. */
export function command<const P extends readonly Param[], T>(
  spec: LeafSpec<P, T> & TopLevel,
): Command
export function command(spec: BranchSpec & TopLevel): Command
export function command<const P extends readonly Param[], T>(
  spec: (LeafSpec<P, T> | BranchSpec) & TopLevel,
): Command {
  const node = 'subcommands' in spec ? subcommand(spec) : subcommand(spec)
  return new Command(node, { group: spec.group, since: spec.since, port: spec.port })
}

/** Where the keys are, counted in words with the name as 0; last -1 is the last word. */
export interface KeyPositions {
  readonly first: number
  readonly last: number
  readonly step: number
}

/** The words of a request that are keys, ascending. */
export function keyWords({ first, last, step }: KeyPositions, count: number): number[] {
  const end = last < 0 ? count + last : last
  const words: number[] = []
  for (let word = first; word <= end; word += step) words.push(word)
  return words
}

/** Makes the typed arguments of a request. @throws RespError of the first that does not parse */
type Reader = (frame: Frame) => Record<string, unknown>

/** A placed command or subcommand. */
export class Command {
  /** Upper case, without the names above it. */
  readonly name: string
  readonly parent: Command | undefined
  readonly group: string
  readonly since: string
  readonly port: Port | 'both'
  readonly summary: string
  readonly complexity: string | undefined
  readonly errors: readonly string[]
  readonly example: readonly string[]
  readonly notes: readonly string[]
  readonly flags: ReadonlySet<CommandFlag>
  /** The number of words of its name: arguments begin at this word. */
  readonly depth: number
  readonly params: readonly Param[]
  readonly reply: ReplyShape
  /** Absent where only subcommands run. */
  readonly run: ((ctx: Context, args: never) => unknown) | undefined
  readonly subcommands: ReadonlyMap<string, Command> | undefined
  readonly keys: KeyPositions | undefined
  /** Bounds of the number of words after the name. */
  readonly minWords: number
  readonly maxWords: number
  /** Typed arguments of a request whose number of words was accepted before.
   *  @throws RespError of the first parameter that does not parse */
  readonly parse: Reader
  /** Flags of the hot path. */
  readonly isSync: boolean
  readonly isBlind: boolean
  readonly isBlocking: boolean
  readonly isWrite: boolean
  readonly isRedis: boolean
  /** Inside MULTI it is queued; runs at once. Neither: it is refused there. */
  readonly isQueued: boolean
  readonly isImmediate: boolean
  readonly beforeLogin: boolean
  readonly beforeInitialization: boolean

  readonly #texts: SubcommandTexts
  readonly #misused: Misused | undefined
  readonly #step: number

  constructor(node: Node, top: TopLevel, parent?: Command) {
    const { described, branch } = node
    const leaf = node.leaf ?? branch?.bare?.leaf
    this.name = described.name.toUpperCase()
    this.parent = parent
    this.group = top.group
    this.since = described.since ?? top.since
    this.port = top.port
    this.summary = described.summary
    this.complexity = described.complexity
    this.errors = described.errors ?? []
    this.example = described.example ?? []
    this.notes = described.notes ?? []
    this.flags = new Set([...(parent?.flags ?? []), ...(described.flags ?? [])])
    this.depth = parent === undefined ? 1 : parent.depth + 1
    this.params = leaf?.params ?? []
    this.reply = leaf?.reply ?? { kind: 'ok' }
    this.run = leaf?.run
    this.#misused = leaf?.misused
    this.isSync = this.flags.has('sync')
    this.isBlind = this.flags.has('blind')
    this.isBlocking = this.flags.has('blocking')
    this.isWrite = this.flags.has('write')
    this.isRedis = this.flags.has('redis')
    this.isQueued = this.isRedis || this.flags.has('queued')
    this.isImmediate = this.flags.has('immediate')
    this.beforeLogin = this.flags.has('noauth')
    this.beforeInitialization = this.flags.has('uninitialized')
    this.#texts = { ...(parent === undefined ? kronotopTexts : parent.#texts), ...branch?.texts }
    this.subcommands = branch && this.#place(branch.subcommands, top)
    this.keys = keyPositions(this.params, this.depth)
    this.#step = this.params.reduce((step, param) => Math.max(step, param.step), 1)
    this.minWords = branch && !branch.bare ? 1 : sum(this.params.map(param => param.min))
    this.maxWords = branch ? Number.POSITIVE_INFINITY : sum(this.params.map(param => param.max))
    this.parse = readerOf(this.params, this.depth, this.minWords)
  }

  #place(nodes: readonly Node[], top: TopLevel): Map<string, Command> {
    const placed = nodes.map(node => new Command(node, top, this))
    return new Map(placed.map(child => [child.name, child]))
  }

  /** `NAMESPACE CREATE`, upper case. */
  get path(): string[] {
    return this.parent === undefined ? [this.name] : [...this.parent.path, this.name]
  }

  /** Redis's arity: words with the name, negative when that is a minimum. */
  get arity(): number {
    const words = this.depth + this.minWords
    return this.minWords === this.maxWords ? words : -words
  }

  /** The syntax line: `ZSET key value`. */
  get syntax(): string {
    return [...this.path, ...this.params.map(param => param.syntax)].join(' ')
  }

  /** The subcommand that a request names, or this command: when it has none, when the request
   *  names none, and when it names an unknown one, which `unknownSubcommand` tells apart. */
  resolve(frame: Frame): Command {
    if (this.subcommands === undefined || frame.count <= this.depth) return this
    const child = this.subcommands.get(this.#childName(frame).trim().toUpperCase())
    return child === undefined ? this : child.resolve(frame)
  }

  /** The error for a request that stopped at a command with subcommands; else `undefined`. */
  unknownSubcommand(frame: Frame): RespError | undefined {
    if (this.subcommands === undefined || frame.count <= this.depth) return undefined
    return err(this.#texts.unknown(this.#childName(frame), this.path.join(' ')))
  }

  /** Is this number of words after the name allowed? */
  accepts(words: number): boolean {
    if (words < this.minWords || words > this.maxWords) return false
    return this.#step === 1 || (words - this.minWords) % this.#step === 0
  }

  /** @param words the number of words after the name, which is not allowed */
  arityError(words: number): RespError {
    const path = this.isRedis ? this.path.map(name => name.toLowerCase()) : this.path
    return err((this.parent ? this.#texts : kronotopTexts).arity(path, words < this.minWords))
  }

  /** Answers a number of words after the name that is not allowed. */
  misuse(ctx: Context, words: number): RespError {
    const error = this.arityError(words)
    return this.#misused === undefined ? error : this.#misused(ctx, error)
  }

  #childName(frame: Frame): string {
    return frame.utf8(this.depth)
  }
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, value) => total + value, 0)
}

/**
 * Code of a command's own, which makes the object of arguments by a literal: all of one shape, and
 * each parameter read at a place of its own, so that both stay fast whatever other commands run.
 * Where words of a parameter in the middle are optional, the places are found out for each request.
 */
function readerOf(params: readonly Param[], depth: number, minWords: number): Reader {
  const isSimple = params.every(({ min, max }, i) => min === max || i === params.length - 1)
  if (!isSimple) return frame => readSpread(params, frame, { depth, minWords })
  let at = depth
  const fields = params.map(({ name, min, max }, i) => {
    const words = min === max ? min : `frame.count - ${at}`
    const field = `${JSON.stringify(name)}: params[${i}].read(frame, ${at}, ${words})`
    at += min
    return field
  })
  return new Function('params', `return frame => ({ ${fields.join(', ')} })`)(params)
}

/** Hands words to parameters from left to right. */
function readSpread(
  params: readonly Param[],
  frame: Frame,
  { depth, minWords }: { depth: number; minWords: number },
): Record<string, unknown> {
  let spare = frame.count - depth - minWords
  let at = depth
  const values: Record<string, unknown> = {}
  for (const param of params) {
    const extra = Math.min(spare, param.max - param.min)
    const words = param.min + extra
    values[param.name] = param.read(frame, at, words)
    spare -= extra
    at += words
  }
  return values
}

function keyPositions(params: readonly Param[], depth: number): KeyPositions | undefined {
  const first = params.findIndex(param => param.isKey)
  if (first === -1) return undefined
  const firstParam = params[first]!
  const at = depth + sum(params.slice(0, first).map(param => param.min))
  if (firstParam.max === Number.POSITIVE_INFINITY) {
    return { first: at, last: -1, step: firstParam.step }
  }
  const last = params.findLastIndex(param => param.isKey)
  return { first: at, last: at + last - first, step: 1 }
}
