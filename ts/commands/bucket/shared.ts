/** What the BUCKET commands have in common: the session's cursors, the namespace, replies. */

import { err } from '../../error.js'
import { bucketKey } from '../../query/buckets.js'
import { CURSOR_KINDS, type Cursor, type CursorKind, Cursors } from '../../query/cursors.js'
import type { DoneWrites } from '../../query/documents.js'
import { type CursorTarget, newCursor } from '../../query/new-cursor.js'
import { advance } from '../../query/query-runs.js'
import { array, bulk, integer, PackedBulks, record } from '../../resp/reply.js'
import { type Context, SessionSlot } from '../../server/context.js'
import type { Tx } from '../../store/tx.js'

export const cursorsSlot = new SessionSlot(() => new Cursors())

const ID_BYTES = 12

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
export const writeReply = record({ cursor_id: integer, object_ids: array(bulk) })

/** @throws RespError ERR Unknown '<word>' action */
export function parseCursorKind(word: string): CursorKind {
  const kind = CURSOR_KINDS.find(candidate => candidate === word.toUpperCase())
  if (kind === undefined) throw err(`Unknown '${word}' action`)
  return kind
}

/** Makes the cursor of a command; it is not opened yet.
 *  @throws RespError of the arguments, ERR Maximum limit value is 10000 */
export async function makeCursor(
  ctx: Context,
  kind: CursorKind,
  target: Pick<CursorTarget, 'bucket' | 'filter' | 'options'> & { update?: Buffer },
): Promise<Cursor> {
  const { session, services } = ctx
  const limit = target.options.limit || session.attributes.limit
  if (limit >= LIMIT_BOUND) throw err(`Maximum limit value is ${LIMIT_BOUND}`)
  const namespace = await services.namespaces.resolve(session.namespace)
  const snapshot = kind === 'QUERY' && session.snapshotRead
  const { returned } = session.state(cursorsSlot)
  const { bucket, filter, update = null, options } = target
  return newCursor({ kind, bucket, filter, update, options, namespace, limit, snapshot, returned })
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

/** Reads, updates or deletes a cursor's next batch and moves the cursor. Its namespace is looked up
 *  for each: it may have been removed since the one before.
 *  @returns documents, or the ids of what was written, in the forms that the session wants */
export async function nextBatch(
  ctx: Context,
  cursor: Cursor,
  planned = () => {},
): Promise<Results> {
  const { documents, namespaces } = ctx.services
  const { replyType, objectIdFormat } = ctx.session.attributes
  cursor.namespace = await namespaces.resolve(cursor.namespace.path)
  if (cursor.kind === 'QUERY') {
    const options = { format: replyType, planned }
    const done = await ctx.tx(tx => documents.read(tx, cursor, options))
    advance(cursor, done)
    return new PackedBulks(done.batch.payload, done.batch.ends)
  }
  const { namespace, bucket } = cursor
  const write = (tx: Tx): Promise<DoneWrites> => {
    if (cursor.update === null) return documents.delete(tx, cursor, planned)
    return documents.update(tx, cursor, planned)
  }
  const done = await ctx.tx(write, { retryAt: () => bucketKey(namespace, bucket) })
  advance(cursor, done)
  if (objectIdFormat === 'hex') return done.ids.map(id => id.toString('hex'))
  const ends = Uint32Array.from(done.ids, (_, i) => (i + 1) * ID_BYTES)
  return new PackedBulks(Buffer.concat(done.ids), ends)
}
