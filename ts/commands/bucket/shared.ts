/** What the BUCKET commands have in common: the session's cursors, the namespace, replies. */

import { err } from '../../error.js'
import { CURSOR_KINDS, type Cursor, type CursorKind, Cursors } from '../../query/cursors.js'
import { advance } from '../../query/documents.js'
import { parseFilter } from '../../query/parse.js'
import { compileProgram } from '../../query/program.js'
import { array, bulk, integer, PackedBulks, record } from '../../resp/reply.js'
import { type Context, SessionSlot } from '../../server/context.js'
import type { QueryOptions } from './options.js'

export const cursorsSlot = new SessionSlot(() => new Cursors())

/** Largest effective batch size, exclusive. */
const LIMIT_BOUND = 10_000

/** What examples of reference pages begin with: a session that speaks JSON, and two documents. */
export const PEOPLE_EXAMPLE: readonly string[] = [
  'SESSION.ATTRIBUTE SET input_type json',
  'SESSION.ATTRIBUTE SET reply_type json',
  'SESSION.ATTRIBUTE SET object_id_format hex',
  'BUCKET.CREATE people',
  'BUCKET.INSERT people DOCS ' +
    `'{"_id": "665f0a3e0000000000000001", "name": "Ada", "age": 36}' ` +
    `'{"_id": "665f0a3e0000000000000002", "name": "Grace", "age": 45}'`,
]

export const queryReply = record({ cursor_id: integer, entries: array(bulk) })
export const deleteReply = record({ cursor_id: integer, object_ids: array(bulk) })

/** @throws RespError ERR Unknown '<word>' action */
export function parseCursorKind(word: string): CursorKind {
  const kind = CURSOR_KINDS.find(candidate => candidate === word.toUpperCase())
  if (kind === undefined) throw err(`Unknown '${word}' action`)
  return kind
}

/** Parses the filter and makes the cursor of a command; it is not opened yet.
 *  @throws RespError of the filter, ERR Maximum limit value is 10000 */
export async function makeCursor(
  ctx: Context,
  kind: CursorKind,
  target: { bucket: string; filter: Buffer; options: QueryOptions },
): Promise<Cursor> {
  const { session, services } = ctx
  const filter = parseFilter(target.filter)
  const limit = target.options.limit || session.attributes.limit
  if (limit >= LIMIT_BOUND) throw err(`Maximum limit value is ${LIMIT_BOUND}`)
  return {
    kind,
    namespace: await services.namespaces.resolve(session.namespace),
    bucket: target.bucket,
    source: Buffer.from(target.filter),
    filter,
    program: compileProgram(filter),
    limit,
    snapshot: kind === 'QUERY' && session.snapshotRead,
    bucketUuid: undefined,
    position: undefined,
  }
}

/** Opens a cursor with its first batch. A command that is refused before documents are read, for
 *  a bucket that does not exist for instance, opens none. @returns id and batch */
export async function openCursor(
  ctx: Context,
  cursor: Cursor,
): Promise<{ cursorId: number; results: Results }> {
  const cursors = ctx.session.state(cursorsSlot)
  let cursorId = 0
  const results = await nextBatch(ctx, cursor, () => {
    if (cursorId === 0) cursorId = cursors.open(cursor)
  })
  return { cursorId, results }
}

export type Results = PackedBulks | readonly string[]

/** Reads or deletes a cursor's next batch and moves the cursor. Its namespace is looked up for
 *  each: it may have been removed since the one before.
 *  @returns documents, or the ids of what was deleted, in the forms that the session wants */
export async function nextBatch(
  ctx: Context,
  cursor: Cursor,
  planned = () => {},
): Promise<Results> {
  const { documents, namespaces } = ctx.services
  const { replyType, objectIdFormat } = ctx.session.attributes
  const isQuery = cursor.kind === 'QUERY'
  cursor.namespace = await namespaces.resolve(cursor.namespace.path)
  const done = await ctx.tx(tx =>
    isQuery
      ? documents.read(tx, cursor, { format: replyType, planned })
      : documents.delete(tx, cursor, planned),
  )
  advance(cursor, done)
  const { batch } = done
  if (!isQuery && objectIdFormat === 'hex') return batch.matches.map(({ id }) => id.toString('hex'))
  return new PackedBulks(batch.payload, batch.ends)
}
