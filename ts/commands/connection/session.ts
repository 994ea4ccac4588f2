/** SESSION.ATTRIBUTE and SESSION.CLOSE. */
import { err } from '../../error.js'
import { parseInt32 } from '../../resp/numbers.js'
import { bulk, integer, map, ok, oneOf, typed } from '../../resp/reply.js'
import { command, optional, text } from '../../server/command.js'
import type { SessionAttributes } from '../../server/context.js'

const listing = map({
  reply_type: bulk,
  input_type: bulk,
  limit: integer,
  object_id_format: bulk,
})

/** Parses and sets one attribute; throws before it changes anything. */
type Setter = (attributes: SessionAttributes, value: string) => void

const SETTERS: ReadonlyMap<string, Setter> = new Map<string, Setter>([
  [
    'reply_type',
    (attributes, value) => {
      attributes.replyType = oneWordOf(['bson', 'json'], value, 'reply type')
    },
  ],
  [
    'input_type',
    (attributes, value) => {
      attributes.inputType = oneWordOf(['bson', 'json'], value, 'input type')
    },
  ],
  [
    'limit',
    (attributes, value) => {
      const limit = parseInt32(value)
      if (limit === undefined) throw err('value is not a int or out of range')
      if (limit <= 0) throw err("'limit' must be greater than 0")
      attributes.limit = limit
    },
  ],
  [
    'object_id_format',
    (attributes, value) => {
      attributes.objectIdFormat = oneWordOf(['bytes', 'hex'], value, 'versionstamp format')
    },
  ],
])

export const sessionAttribute = command({
  name: 'SESSION.ATTRIBUTE',
  group: 'session',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Lists the attributes of the session, or sets one.',
  args: [text('action'), optional(text('attribute')), optional(text('value'))],
  port: 'both',
  flags: ['fast', 'sync', 'uninitialized'],
  reply: oneOf(ok, listing),
  example: [
    'SESSION.ATTRIBUTE LIST',
    'SESSION.ATTRIBUTE SET reply-type JSON',
    'SESSION.ATTRIBUTE SET limit 0',
  ],
  notes: [
    'Attributes: `reply_type` and `input_type` (`bson` or `json`), `limit` (documents of ' +
      'a batch, 1 or more), `object_id_format` (`bytes` or `hex`). Names and words may be ' +
      'typed in any case, `-` for `_`.',
    'SET holds from the next command on, and is no part of a transaction.',
  ],
  run: ({ session }, { action, attribute, value }) => {
    const { attributes } = session
    switch (action.toUpperCase()) {
      case 'LIST':
        return typed(listing, {
          reply_type: attributes.replyType,
          input_type: attributes.inputType,
          limit: attributes.limit,
          object_id_format: attributes.objectIdFormat,
        })
      case 'SET':
        set(attributes, attribute, value)
        return typed(ok, undefined)
      default:
        throw err(`Invalid subcommand status: ${action}`)
    }
  },
})

export const sessionClose = command({
  name: 'SESSION.CLOSE',
  group: 'session',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Rolls back, drops cursors and queues, and sets the session back.',
  args: [],
  port: 'both',
  flags: ['fast', 'sync', 'uninitialized', 'immediate'],
  reply: ok,
  example: ['BEGIN', 'ZSET stock:7 3', 'SESSION.CLOSE', 'COMMIT', 'ZGET stock:7'],
  notes: [
    'Kept are the connection, its id and the protocol. Cursor ids begin at 1 again. With ' +
      'authentication on, the next command must log in.',
  ],
  run: ({ session }) => session.reset(),
})

function set(
  attributes: SessionAttributes,
  attribute: string | undefined,
  value: string | undefined,
): void {
  if (attribute === undefined || value === undefined) throw err('invalid number of parameters')
  const setter = SETTERS.get(attribute.toLowerCase().replaceAll('-', '_'))
  if (setter === undefined) throw err(`Invalid session attribute: '${attribute}'`)
  setter(attributes, value)
}

function oneWordOf<const W extends string>(words: readonly W[], typed: string, what: string): W {
  const lower = typed.toLowerCase()
  const word = words.find(candidate => candidate === lower)
  if (word === undefined) throw err(`Invalid ${what}: ${typed}`)
  return word
}
