/** COMMAND: what this port serves, derived from the declarations. */
import { err } from '../../error.js'
import { glob } from '../../redis/glob.js'
import { Frame } from '../../resp/frame.js'
import { any, array, bulk, integer, mapOf, nullable } from '../../resp/reply.js'
import {
  bytes,
  type Command,
  command,
  keyWords,
  options,
  redisTexts,
  rest,
  subcommand,
  text,
} from '../../server/command.js'
import type { Context } from '../../server/context.js'
import { categoriesOf, docsOf, entryOf, nameOf } from './command-metadata.js'

/** Bytes of a pattern: one as long as a request may be would hold the event loop. */
const PATTERN_MAX = 1024

/** A name in any case; `namespace|create` is a subcommand. */
function lookUp({ registry }: Context, name: string): Command | undefined {
  const [first = '', ...below] = name.toUpperCase().split('|')
  return below.reduce((found, one) => found?.subcommands?.get(one), registry.get(first))
}

const names = rest(text('name'), { min: 0 })

const count = subcommand({
  name: 'COUNT',
  complexity: 'O(1)',
  summary: 'Answers the number of commands.',
  args: [],
  reply: integer,
  example: ['COMMAND COUNT'],
  run: ({ registry }) => registry.size,
})

const info = subcommand({
  name: 'INFO',
  complexity: 'O(N) with N the number of names, or of all commands',
  summary: 'Describes commands for clients: arity, flags, key positions; null for unknown ones.',
  args: [names],
  reply: array(nullable(any)),
  example: ['COMMAND INFO get zget namespace|create nosuch'],
  notes: [
    'Only the keys of Redis data commands have positions. Kronotop commands count as keyless, ' +
      'because every member answers for every key.',
    'A subcommand is named with its command, as in `namespace|create`.',
  ],
  run: (ctx, { name }) =>
    name.length === 0
      ? Array.from(ctx.registry, entryOf)
      : name.map(one => {
          const found = lookUp(ctx, one)
          return found && entryOf(found)
        }),
})

const docs = subcommand({
  name: 'DOCS',
  complexity: 'O(N) with N the number of names, or of all commands',
  summary: 'Describes commands for people: summary, group, arguments.',
  args: [names],
  reply: mapOf(bulk, any),
  example: ['COMMAND DOCS zget nosuch'],
  notes: ['Unknown names are left out.'],
  run: (ctx, { name }) => {
    const wanted = name.length === 0 ? [...ctx.registry] : name.map(one => lookUp(ctx, one))
    return wanted.filter(one => one !== undefined).map(one => [nameOf(one), docsOf(one)] as const)
  },
})

/** What LIST may be narrowed by.
 *  @throws RespError ERR syntax error, ERR pattern exceeds 1024 bytes */
function parseFilter(words: readonly Buffer[]): (one: Command) => boolean {
  if (words.length === 0) return () => true
  const [keyword = '', kind = '', value = ''] = words.map(word => word.toString().toLowerCase())
  if (keyword !== 'filterby' || words.length !== 3) throw err('syntax error')
  switch (kind) {
    case 'module':
      return () => false
    case 'aclcat':
      return one => categoriesOf(one).includes(`@${value}`)
    case 'pattern': {
      if (value.length > PATTERN_MAX) throw err(`pattern exceeds ${PATTERN_MAX} bytes`)
      const matches = glob(value)
      return one => matches(nameOf(one))
    }
    default:
      throw err('syntax error')
  }
}

const list = subcommand({
  name: 'LIST',
  complexity: 'O(N) with N the number of commands',
  summary: 'Answers the names of the commands.',
  args: [options('filter', '[FILTERBY MODULE name|ACLCAT category|PATTERN glob]')],
  reply: array(bulk),
  example: ['COMMAND LIST FILTERBY PATTERN bucket.*', 'COMMAND LIST FILTERBY ACLCAT hash'],
  notes: ['There are no modules, so a filter by one answers no names.'],
  run: ({ registry }, { filter }) => [...registry].filter(parseFilter(filter)).map(nameOf),
})

const getKeys = subcommand({
  name: 'GETKEYS',
  complexity: 'O(N) with N the number of words',
  summary: 'Answers the keys of a request.',
  args: [bytes('name'), rest(bytes('word'))],
  reply: array(bulk),
  example: ['COMMAND GETKEYS HSET user:1 name Ada', 'COMMAND GETKEYS ZSET stock:7 3'],
  run: ({ registry }, { name, word }) => {
    const frame = Frame.of([name, ...word])
    const found: Command | undefined = registry.find(frame)?.resolve(frame)
    if (found === undefined || found.unknownSubcommand(frame) !== undefined) {
      throw err('Invalid command specified')
    }
    if (found.keys === undefined) throw err('The command has no key arguments')
    const { arity } = found
    if (arity > 0 ? frame.count !== arity : frame.count < -arity) {
      throw err('Invalid number of arguments specified for command')
    }
    return keyWords(found.keys, frame.count).map(at => frame.bytes(at))
  },
})

export const commandCommand = command({
  name: 'COMMAND',
  group: 'connection',
  since: '0.1.0',
  summary: 'Describes the commands of the port.',
  port: 'both',
  flags: ['sync', 'uninitialized', 'queued'],
  texts: redisTexts,
  subcommands: [count, info, docs, list, getKeys],
  bare: info,
})
