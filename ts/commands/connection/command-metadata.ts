/** The two forms in which COMMAND describes a command; sets and maps are where Redis has them. */
import { type AnyData, Status } from '../../resp/reply.js'
import type { Command, CommandFlag, Param } from '../../server/command.js'

/** Flags that clients know, by ours. */
const CLIENT_FLAGS: ReadonlyMap<CommandFlag, string> = new Map([
  ['write', 'write'],
  ['readonly', 'readonly'],
  ['fast', 'fast'],
  ['blocking', 'blocking'],
  ['noauth', 'no_auth'],
])

const NOTHING: AnyData = new Set<AnyData>()

/** The name as COMMAND has it: `get`, `namespace|create`. */
export function nameOf(command: Command): string {
  return command.path.join('|').toLowerCase()
}

/** An entry of COMMAND INFO, of ten elements. */
export function entryOf(command: Command): AnyData {
  const { keys } = command
  return [
    nameOf(command),
    command.arity,
    statuses(flagsOf(command)),
    keys?.first ?? 0,
    keys?.last ?? 0,
    keys?.step ?? 0,
    statuses(categoriesOf(command)),
    NOTHING,
    keySpecificationsOf(command),
    NOTHING,
  ]
}

/** A value of COMMAND DOCS. */
export function docsOf(command: Command): AnyData {
  const { summary, since, group, complexity, subcommands } = command
  const params = command.params.filter(param => param.syntax !== '')
  return {
    summary,
    since,
    group,
    ...(complexity !== undefined && { complexity }),
    ...(params.length > 0 && { arguments: params.map(argumentOf) }),
    ...(subcommands !== undefined && { subcommands: subcommandDocs([...subcommands.values()]) }),
  }
}

function subcommandDocs(subcommands: readonly Command[]): AnyData {
  return new Map(subcommands.map(one => [nameOf(one), docsOf(one)]))
}

function argumentOf(param: Param): AnyData {
  const { name, words, syntax } = param
  // A syntax of its own shows by itself what may be repeated.
  const isPlain = words !== undefined || PLAIN_SYNTAX.some(form => form(name) === syntax)
  const flags = [
    ...(param.min === 0 ? ['optional'] : []),
    ...(param.max === Number.POSITIVE_INFINITY && isPlain ? ['multiple'] : []),
  ]
  return {
    name,
    type: param.type,
    ...(!isPlain && { display_text: syntax }),
    ...(param.isKey && { key_spec_index: 0 }),
    ...(words?.length === 1 && { token: words[0]! }),
    ...(flags.length > 0 && { flags: statuses(flags) }),
    ...(words !== undefined && words.length > 1 && { arguments: words.map(tokenOf) }),
  }
}

/** How a parameter reads that has no syntax of its own. */
const PLAIN_SYNTAX: readonly ((name: string) => string)[] = [
  name => name,
  name => `[${name}]`,
  name => `[${name} …]`,
  name => `${name} [${name} …]`,
]

function tokenOf(word: string): AnyData {
  return { name: word.toLowerCase(), type: 'pure-token', token: word }
}

function flagsOf(command: Command): string[] {
  const flags = [...command.flags].map(flag => CLIENT_FLAGS.get(flag)).filter(isPresent)
  return command.port === 'admin' ? [...flags, 'admin'] : flags
}

/** ACL categories, each with its `@`. */
export function categoriesOf(command: Command): string[] {
  const { flags, group } = command
  return [
    ...(flags.has('write') ? ['@write'] : []),
    ...(flags.has('readonly') ? ['@read'] : []),
    ...(flags.has('blocking') ? ['@blocking'] : []),
    flags.has('fast') ? '@fast' : '@slow',
    ...(command.port === 'admin' ? ['@admin'] : []),
    group === 'generic' ? '@keyspace' : `@${group}`,
  ]
}

/** Redis 7's description of the key positions. */
function keySpecificationsOf({ keys, isWrite }: Command): AnyData {
  if (keys === undefined) return NOTHING
  const lastKey = keys.last < 0 ? keys.last : keys.last - keys.first
  const specification: AnyData = {
    flags: statuses(isWrite ? ['RW', 'update'] : ['RO', 'access']),
    begin_search: { type: 'index', spec: { index: keys.first } },
    find_keys: { type: 'range', spec: { lastkey: lastKey, keystep: keys.step, limit: 0 } },
  }
  return new Set([specification])
}

function statuses(texts: readonly string[]): AnyData {
  return new Set(texts.map(text => new Status(text)))
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined
}
