/** CONFIG GET, so that redis-benchmark and its like start without a warning. */
import { bulk, mapOf } from '../../resp/reply.js'
import { command, redisTexts, rest, subcommand, text } from '../../server/command.js'

/** What redis-benchmark asks for and wants an answer to. */
const ANSWERS: ReadonlyMap<string, string> = new Map([
  ['save', ''],
  ['appendonly', 'no'],
])

const get = subcommand({
  name: 'GET',
  complexity: 'O(N) with N the number of patterns',
  summary: 'Answers save and appendonly; no setting of this server can be read this way.',
  args: [rest(text('pattern'))],
  reply: mapOf(bulk, bulk),
  example: ['CONFIG GET save appendonly', 'CONFIG GET maxmemory'],
  notes: [
    'Answers the names `save` and `appendonly`, as redis-benchmark asks for them; any ' +
      'other name or pattern adds nothing to the reply.',
  ],
  run: (_ctx, { pattern }) => {
    const wanted = new Set(pattern.map(name => name.toLowerCase()))
    return [...ANSWERS].filter(([name]) => wanted.has(name))
  },
})

export const config = command({
  name: 'CONFIG',
  group: 'connection',
  since: '0.1.0',
  summary: 'There for clients that read settings when they connect.',
  port: 'both',
  flags: ['sync', 'uninitialized', 'queued'],
  texts: redisTexts,
  subcommands: [get],
})
