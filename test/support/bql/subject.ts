/** Buckets under test: made with random indexes, filled, asked, and changed through a socket. */
import { EJSON, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { type Batch, batchOf } from '../bucket.js'
import { type Frame, type RespClient, toData, type Word } from '../resp-client.js'
import type { Doc } from './values.js'

/** A filter as BSON, or as extended JSON, which says the same. */
export function filterArgument(filter: Doc, isJson: boolean): Word {
  if (isJson) return EJSON.stringify(filter, { relaxed: false })
  return Buffer.from(serialize(filter))
}

/** Prepares a session: BSON in and out, ids in hexadecimal. */
export async function useBson(client: RespClient): Promise<RespClient> {
  await client.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'bson')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'bson')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'object_id_format', 'hex')
  return client
}

export async function insertAll(
  client: RespClient,
  bucket: string,
  docs: readonly Doc[],
): Promise<void> {
  if (docs.length === 0) return
  const bodies = docs.map(doc => Buffer.from(serialize(doc)))
  toData(await written(client, 'BUCKET.INSERT', bucket, 'DOCS', ...bodies))
}

/** How often a write loses against builds of indexes, at most: each has a handful of steps. */
const ATTEMPTS = 50

/** The reply to a command that writes; one that lost against the build of an index is repeated. */
export async function written(client: RespClient, ...words: Word[]): Promise<Frame> {
  for (let left = ATTEMPTS; ; left--) {
    const frame = await client.frame(...words)
    const isLost = frame.type === '-' && String(frame.value).startsWith('NOT_COMMITTED ')
    if (!isLost || left === 0) return frame
  }
}

/** Has statistics made of the indexes that are READY. */
export async function analyzeIndexes(client: RespClient, bucket: string): Promise<void> {
  const names = (await client.call('BUCKET.INDEX', 'LIST', bucket)) as string[]
  for (const name of names) {
    const { type, value } = await written(client, 'BUCKET.INDEX', 'ANALYZE', bucket, name)
    // A build may have been faster with another change, or this with itself.
    const isLeft = /not in READY state|already exist|^NOSUCHINDEX /.test(String(value))
    assert.ok(type !== '-' || isLeft, String(value))
  }
}

/** All batches of a cursor, up to the first empty one; the cursor is closed.
 *  @param limit  of a batch; no batch may be larger */
export async function allBatches(
  client: RespClient,
  bucket: string,
  filter: Word,
  { limit, words = [] }: { limit: number; words?: readonly string[] },
): Promise<Batch['items'][]> {
  const query = ['BUCKET.QUERY', bucket, filter, ...words, 'LIMIT', String(limit)]
  const batches: Batch['items'][] = []
  let batch = await batchOf(client, ...query)
  const cursor = String(batch.cursorId)
  while (batch.items.length > 0) {
    assert.ok(batch.items.length <= limit, `${batch.items.length} documents with LIMIT ${limit}`)
    batches.push(batch.items)
    batch = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', cursor)
  }
  await client.call('BUCKET.CLOSE', 'QUERY', cursor)
  return batches
}

/** The id of a document in BSON: its first field. */
export function idIn(body: Buffer): string {
  // Length, type, `_id` and its end.
  return body.toString('hex', 9, 21)
}
