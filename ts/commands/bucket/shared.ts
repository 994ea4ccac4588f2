/** What the BUCKET commands have in common: the session's cursors, the namespace, replies. */

import { err } from '../../error.js'
import type { Bucket } from '../../query/buckets.js'
import { CURSOR_KINDS, type Cursor, type CursorKind, Cursors } from '../../query/cursors.js'
import { advance } from '../../query/documents.js'
import { parseFilter } from '../../query/parse.js'
import { compileProgram } from '../../query/program.js'
import type { ScanBatch } from '../../query/scan.js'
import { array, bulk, integer, PackedBulks, record } from '../../resp/reply.js'
import { type Context, SessionSlot } from '../../server/context.js'
import type { QueryOptions } from './options.js'

export const cursorsSlot = new SessionSlot(() => new Cursors())

/** Largest effective batch size, exclusive. */
const LIMIT_BOUND = 10_000

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

/** Reads a cursor's next batch of documents and moves the cursor. */
export async function queryBatch(ctx: Context, cursor: Cursor): Promise<PackedBulks> {
  const { documents } = ctx.services
  const format = ctx.session.attributes.replyType
  const done = await ctx.tx(tx => documents.read(tx, cursor, format))
  return moved(cursor, done)
}

/** Deletes a cursor's next batch and moves the cursor. @returns the ids, as the session wants them */
export async function deleteBatch(
  ctx: Context,
  cursor: Cursor,
): Promise<PackedBulks | readonly string[]> {
  const { documents } = ctx.services
  const done = await ctx.tx(tx => documents.delete(tx, cursor))
  const ids = moved(cursor, done)
  if (ctx.session.attributes.objectIdFormat === 'bytes') return ids
  return done.batch.matches.map(({ key }) => key.toString('hex', key.length - 12))
}

function moved(cursor: Cursor, done: { bucket: Bucket; batch: ScanBatch }): PackedBulks {
  advance(cursor, done)
  return new PackedBulks(done.batch.payload, done.batch.ends)
}
