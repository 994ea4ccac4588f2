/** The two forms in which COMMAND describes a command. */
import { type AnyData, Status } from '../../resp/reply.js'
import type { Command, CommandFlag, Param } from '../../server/command.js'

/** Flags that clients know, by ours. */
const CLIENT_FLAGS: ReadonlyMap<CommandFlag, string> = new Map([
  ['write', 'write'],
  ['readonly', 'readonly'],
  ['fast', 'fast'],
  ['noauth', 'no_auth'],
])

/** An entry of COMMAND INFO, of ten elements. */
export function entryOf(command: Command): AnyData {
  const { keys } = command
  return [
    command.name.toLowerCase(),
    command.arity,
    flagsOf(command).map(flag => new Status(flag)),
    keys?.first ?? 0,
    keys?.last ?? 0,
    keys?.step ?? 0,
    categoriesOf(command).map(category => new Status(category)),
    [],
    keySpecificationsOf(command),
    [],
  ]
}

/** A value of COMMAND DOCS. */
export function docsOf(command: Command): AnyData {
  const { summary, since, group, complexity, params, subcommands } = command
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
  return new Map(subcommands.map(one => [one.path.join('|').toLowerCase(), docsOf(one)]))
}

function argumentOf(param: Param): AnyData {
  const { name, words } = param
  const flags = [
    ...(param.min === 0 ? ['optional'] : []),
    ...(param.max === Number.POSITIVE_INFINITY ? ['multiple'] : []),
  ]
  return {
    name,
    type: param.type,
    ...(param.isKey && { key_spec_index: 0 }),
    ...(words?.length === 1 && { token: words[0]! }),
    ...(flags.length > 0 && { flags: flags.map(flag => new Status(flag)) }),
    ...(words !== undefined && words.length > 1 && { arguments: words.map(tokenOf) }),
  }
}

function tokenOf(word: string): AnyData {
  return { name: word.toLowerCase(), type: 'pure-token', token: word }
}

function flagsOf(command: Command): string[] {
  const flags = [...command.flags].map(flag => CLIENT_FLAGS.get(flag)).filter(isPresent)
  return command.port === 'admin' ? [...flags, 'admin'] : flags
}

function categoriesOf(command: Command): string[] {
  const { flags } = command
  return [
    ...(flags.has('write') ? ['@write'] : []),
    ...(flags.has('readonly') ? ['@read'] : []),
    flags.has('fast') ? '@fast' : '@slow',
    ...(command.port === 'admin' ? ['@admin'] : []),
    `@${command.group}`,
  ]
}

/** Redis 7's description of the key positions. */
function keySpecificationsOf({ keys, isWrite }: Command): AnyData {
  if (keys === undefined) return []
  const lastKey = keys.last < 0 ? keys.last : keys.last - keys.first
  return [
    {
      flags: [new Status(isWrite ? 'RW' : 'RO'), new Status(isWrite ? 'UPDATE' : 'ACCESS')],
      begin_search: { type: 'index', spec: { index: keys.first } },
      find_keys: {
        type: 'range',
        spec: { lastkey: lastKey, keystep: keys.step, limit: 0 },
      },
    },
  ]
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined
}
