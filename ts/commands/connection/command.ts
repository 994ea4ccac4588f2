/** COMMAND: what this port serves, derived from the declarations. */
import { err } from '../../error.js'
import { Frame } from '../../resp/frame.js'
import { any, array, bulk, integer, mapOf, nullable } from '../../resp/reply.js'
import {
  bytes,
  type Command,
  command,
  keyWords,
  redisTexts,
  rest,
  subcommand,
  text,
} from '../../server/command.js'
import { docsOf, entryOf } from './command-metadata.js'

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
  summary: 'Describes commands for clients: arity, flags, key positions.',
  args: [names],
  reply: array(nullable(any)),
  example: ['COMMAND INFO get zget nosuch'],
  run: ({ registry }, { name }) =>
    name.length === 0
      ? Array.from(registry, entryOf)
      : name.map(one => {
          const found = registry.get(one)
          return found && entryOf(found)
        }),
})

const docs = subcommand({
  name: 'DOCS',
  complexity: 'O(N) with N the number of names, or of all commands',
  summary: 'Describes commands for people: summary, group, arguments.',
  args: [names],
  reply: mapOf(bulk, any),
  example: ['COMMAND DOCS zget'],
  run: ({ registry }, { name }) => {
    const wanted = name.length === 0 ? [...registry] : name.map(one => registry.get(one))
    return wanted
      .filter(one => one !== undefined)
      .map(one => [one.name.toLowerCase(), docsOf(one)] as const)
  },
})

const list = subcommand({
  name: 'LIST',
  complexity: 'O(N) with N the number of commands',
  summary: 'Answers the names of the commands.',
  args: [],
  reply: array(bulk),
  example: ['COMMAND LIST FILTERBY PATTERN bucket.*'],
  run: ({ registry }) => Array.from(registry, one => one.name.toLowerCase()),
})

const getKeys = subcommand({
  name: 'GETKEYS',
  complexity: 'O(N) with N the number of words',
  summary: 'Answers the keys of a request.',
  args: [rest(bytes('word'))],
  reply: array(bulk),
  example: ['COMMAND GETKEYS HSET user:1 name Ada', 'COMMAND GETKEYS ZSET stock:7 3'],
  run: ({ registry }, { word }) => {
    const frame = Frame.of(word)
    const found: Command | undefined = registry.find(frame)?.resolve(frame)
    if (found === undefined) throw err('Invalid command specified')
    if (!found.accepts(frame.count - found.depth)) {
      throw err('Invalid number of arguments specified for command')
    }
    if (found.keys === undefined) throw err('The command has no key arguments')
    return keyWords(found.keys, frame.count).map(at => frame.bytes(at))
  },
})

export const commandCommand = command({
  name: 'COMMAND',
  group: 'connection',
  since: '0.1.0',
  summary: 'Describes the commands.',
  port: 'both',
  flags: ['sync', 'uninitialized'],
  texts: redisTexts,
  subcommands: [count, info, docs, list, getKeys],
  bare: info,
})
