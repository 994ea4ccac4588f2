/** CONFIG GET, so that redis-benchmark and its like start without a warning. */
import { any, mapOf } from '../../resp/reply.js'
import { command, redisTexts, rest, subcommand, text } from '../../server/command.js'

const get = subcommand({
  name: 'GET',
  summary: 'Answers an empty map: no setting can be read this way.',
  args: [rest(text('pattern'))],
  reply: mapOf(any, any),
  run: () => [],
})

export const config = command({
  name: 'CONFIG',
  group: 'connection',
  since: '0.1.0',
  summary: 'There for clients that read settings when they connect.',
  port: 'both',
  flags: ['sync', 'uninitialized'],
  texts: redisTexts,
  subcommands: [get],
})
