/** The two forms in which COMMAND describes a command; sets and maps are where Redis has them. */
import { type AnyData, Status } from '../../resp/reply.js'
import type { Command, CommandFlag } from '../../server/command.js'
import { type ArgumentForm, formsOf } from './argument-forms.js'

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
  const forms = command.params.flatMap(formsOf)
  return {
    summary,
    since,
    group,
    ...(complexity !== undefined && { complexity }),
    ...(forms.length > 0 && { arguments: forms.map(argumentOf) }),
    ...(subcommands !== undefined && { subcommands: subcommandDocs([...subcommands.values()]) }),
  }
}

function subcommandDocs(subcommands: readonly Command[]): AnyData {
  return new Map(subcommands.map(one => [nameOf(one), docsOf(one)]))
}

function argumentOf(form: ArgumentForm): AnyData {
  const { name, type, token, words } = form
  const flags = [...(form.isOptional ? ['optional'] : []), ...(form.isMultiple ? ['multiple'] : [])]
  return {
    name,
    type,
    ...(form.isKey && { key_spec_index: 0 }),
    ...(token !== undefined && { token }),
    ...(flags.length > 0 && { flags: statuses(flags) }),
    ...(words !== undefined && { arguments: words.map(tokenOf) }),
  }
}

function tokenOf(word: string): AnyData {
  return { name: word.toLowerCase(), type: 'pure-token', token: word }
}

function flagsOf(command: Command): string[] {
  const flags = [...command.flags].map(flag => CLIENT_FLAGS.get(flag)).filter(isPresent)
  return command.port === 'admin' ? [...flags, 'admin'] : flags
}

/** What Redis calls a group where it is an ACL category. */
const ACL_NAMES: ReadonlyMap<string, string> = new Map([
  ['generic', 'keyspace'],
  ['server', 'keyspace'],
  ['transactions', 'transaction'],
])

/** ACL categories, each with its `@`. */
export function categoriesOf(command: Command): string[] {
  const { flags, group } = command
  return [
    ...(flags.has('write') ? ['@write'] : []),
    ...(flags.has('readonly') ? ['@read'] : []),
    ...(flags.has('blocking') ? ['@blocking'] : []),
    flags.has('fast') ? '@fast' : '@slow',
    ...(command.port === 'admin' ? ['@admin'] : []),
    `@${ACL_NAMES.get(group) ?? group}`,
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
