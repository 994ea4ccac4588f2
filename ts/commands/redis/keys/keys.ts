/** Commands on keys of any type. */

import { err } from '../../../error.js'
import { integer, ok, simple } from '../../../resp/reply.js'
import type { Span } from '../../../resp/span.js'
import {
  type Command,
  type CommandFlag,
  command,
  key,
  rest,
  span,
} from '../../../server/command.js'
import type { Context } from '../../../server/context.js'
import { requireRedis } from '../shared.js'

const ONE_SLOT = 'All keys must be in one slot: `{user:1}:name` and `{user:1}:mail` are.'

interface Count {
  readonly name: string
  readonly summary: string
  readonly flags: readonly CommandFlag[]
  /** Does this key count? */
  readonly counts: (ctx: Context, key: Span) => boolean
}

function countCommand({ name, summary, flags, counts }: Count): Command {
  return command({
    name,
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(N) in the number of keys, and of fields of hashes that go',
    summary,
    args: [rest(key(span('key')))],
    port: 'client',
    flags: ['redis', 'sync', ...flags],
    errors: ['CROSSSLOT', 'MOVED'],
    reply: integer,
    example: ['SET greeting hello', `${name} greeting`, `${name} nosuch`],
    notes: [ONE_SLOT],
    run: (ctx, { key: names }) => {
      let count = 0
      for (const one of names) if (counts(ctx, one)) count++
      return count
    },
  })
}

const isThere = (ctx: Context, name: Span): boolean =>
  requireRedis(ctx).shardOf(ctx.slot).find(ctx.slot, name) !== 0
const goes = (ctx: Context, name: Span): boolean =>
  requireRedis(ctx).shardOf(ctx.slot).delete(ctx.slot, name)

const type = command({
  name: 'TYPE',
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Returns the type of what a key holds: string, hash or none.',
  args: [key(span('key'))],
  port: 'client',
  flags: ['redis', 'readonly', 'fast', 'sync'],
  errors: ['MOVED'],
  reply: simple,
  example: ['SET greeting hello', 'TYPE greeting', 'TYPE nosuch'],
  run: (ctx, { key: name }) => {
    const shard = requireRedis(ctx).shardOf(ctx.slot)
    const item = shard.find(ctx.slot, name)
    return item === 0 ? 'none' : shard.typeOf(item)
  },
})

const RENAME_NOTES = [
  ONE_SLOT,
  'The time at which the key expires travels with it. A crash finds what was moved under one of ' +
    'the two keys; a hash with more than 8,000 fields or 16 MiB it may find in two parts.',
]

/** @returns whether it was renamed @throws RespError ERR no such key */
function renameKey(ctx: Context, from: Span, to: Span, overwrites: boolean): boolean {
  const shard = requireRedis(ctx).shardOf(ctx.slot)
  if (shard.find(ctx.slot, from) === 0) throw err('no such key')
  if (!overwrites && shard.find(ctx.slot, to) !== 0) return false
  return shard.rename(ctx.slot, from, to)
}

const rename = command({
  name: 'RENAME',
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(N) in the number of fields of the hashes that move or go, else O(1)',
  summary: 'Gives what a key holds to another key, whatever that held.',
  args: [key(span('key')), key(span('newkey'))],
  port: 'client',
  flags: ['redis', 'write', 'sync'],
  errors: ['OOM', 'CROSSSLOT', 'MOVED'],
  reply: ok,
  example: ['SET {1}:old hello', 'RENAME {1}:old {1}:new', 'GET {1}:new', 'RENAME {1}:old {1}:new'],
  notes: RENAME_NOTES,
  run: (ctx, { key: from, newkey: to }) => renameKey(ctx, from, to, true),
})

const renamenx = command({
  name: 'RENAMENX',
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(N) in the number of fields of a hash, else O(1)',
  summary: 'Gives what a key holds to a key that does not exist. Returns 1, or 0 when it does.',
  args: [key(span('key')), key(span('newkey'))],
  port: 'client',
  flags: ['redis', 'write', 'fast', 'sync'],
  errors: ['OOM', 'CROSSSLOT', 'MOVED'],
  reply: integer,
  example: ['SET {1}:a hello', 'SET {1}:b hi', 'RENAMENX {1}:a {1}:b', 'RENAMENX {1}:a {1}:c'],
  notes: RENAME_NOTES,
  run: (ctx, { key: from, newkey: to }) => (renameKey(ctx, from, to, false) ? 1 : 0),
})

export const keyCommands: readonly Command[] = [
  countCommand({
    name: 'DEL',
    summary: 'Deletes keys of any type. Returns how many there were.',
    flags: ['write'],
    counts: goes,
  }),
  countCommand({
    name: 'UNLINK',
    summary: 'Deletes keys of any type, as DEL does. Returns how many there were.',
    flags: ['write', 'fast'],
    counts: goes,
  }),
  countCommand({
    name: 'EXISTS',
    summary: 'Returns how many of the keys exist; one that is named twice counts twice.',
    flags: ['readonly', 'fast'],
    counts: isThere,
  }),
  countCommand({
    name: 'TOUCH',
    summary: 'Returns how many of the keys exist, as EXISTS does: nothing is kept of the access.',
    flags: ['readonly', 'fast'],
    counts: isThere,
  }),
  type,
  rename,
  renamenx,
]
