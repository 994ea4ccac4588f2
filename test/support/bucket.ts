/** Buckets through a raw client: replies of queries as data. */
import { addon } from '../../ts/native.js'
import { bytesOf, elementsOf, type Frame, type RespClient, type Word } from './resp-client.js'

/** A reply of QUERY, DELETE or ADVANCE. */
export interface Batch {
  readonly cursorId: number
  /** Documents, or ids, as they came. */
  readonly items: readonly Buffer[]
}

/** Runs a command that answers a cursor and a batch, in either protocol. */
export async function batchOf(client: RespClient, ...words: Word[]): Promise<Batch> {
  return batchIn(await client.frame(...words))
}

/** The batch that a reply holds. */
export function batchIn(frame: Frame): Batch {
  const elements = elementsOf(frame)
  const [cursor, items] = frame.type === '%' ? [elements[1]!, elements[3]!] : elements
  return { cursorId: Number(cursor!.value), items: elementsOf(items!).map(bytesOf) }
}

/** Documents of all batches of a query, parsed from JSON; the session's replies must be JSON. */
export async function queryAll(
  client: RespClient,
  bucket: string,
  filter: Word,
  ...options: string[]
): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = []
  let batch = await batchOf(client, 'BUCKET.QUERY', bucket, filter, ...options)
  const cursor = String(batch.cursorId)
  while (batch.items.length > 0) {
    for (const item of batch.items) found.push(JSON.parse(item.toString()))
    batch = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', cursor)
  }
  await client.call('BUCKET.CLOSE', 'QUERY', cursor)
  return found
}

/** Makes the session take and give JSON, and ids in hexadecimal. */
export async function useJson(client: RespClient): Promise<RespClient> {
  await client.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'json')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'object_id_format', 'hex')
  return client
}

/** Documents of the first batch of a query as their texts, without their ids; the session's replies
 *  must be JSON. */
export async function textsOf(client: RespClient, ...words: Word[]): Promise<string[]> {
  const { items } = await batchOf(client, 'BUCKET.QUERY', ...words)
  return items.map(item => item.toString().replace(/^\{"_id": "[0-9a-f]{24}"(?:, )?/, '{'))
}

/** JSON arguments as they are, and as BSON. */
export const ARGUMENT_FORMS: readonly ((text: string) => Word)[] = [
  text => text,
  text => addon.jsonToBson(Buffer.from(text)),
]
