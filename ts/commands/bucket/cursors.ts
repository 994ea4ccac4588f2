/** BUCKET.CURSORS */

import { CURSOR_KINDS, type Cursor } from '../../query/cursors.js'
import { filterText } from '../../query/language/parse.js'
import { argumentOf } from '../../query/statements.js'
import { bulk, integer, mapOf } from '../../resp/reply.js'
import { command, optional, text } from '../../server/command.js'
import { cursorsSlot, PEOPLE_EXAMPLE, parseCursorKind } from './shared.js'

export const bucketCursors = command({
  name: 'BUCKET.CURSORS',
  group: 'bucket',
  since: '0.1.0',
  complexity: 'O(n) in the number of cursors of the session',
  summary: 'Lists the open cursors of the session, with their filters.',
  args: [optional({ ...text('operation'), syntax: 'QUERY|UPDATE|DELETE' })],
  port: 'client',
  reply: mapOf(bulk, mapOf(integer, bulk)),
  example: [
    ...PEOPLE_EXAMPLE,
    "BUCKET.QUERY people '{}' LIMIT 1",
    `BUCKET.DELETE people '{"age": 36}'`,
    'BUCKET.CURSORS',
    'BUCKET.CURSORS DELETE',
  ],
  notes: ['Cursors ascend by id. A JSON filter is shown as it was sent, a BSON filter as JSON.'],
  run: (ctx, { operation }) => {
    const cursors = ctx.session.state(cursorsSlot)
    const kinds = operation === undefined ? CURSOR_KINDS : [parseCursorKind(operation)]
    return kinds.map(kind => [kind, [...cursors.list(kind)].map(entryOf)] as const)
  },
})

function entryOf([id, { filter }]: [number, Cursor]): [number, Buffer] {
  return [id, filterText(argumentOf(filter))]
}
