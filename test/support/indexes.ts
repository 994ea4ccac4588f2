/** Indexes of buckets through a raw client: their states, and whether they are right. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { type Data, elementsOf, type RespClient, toData } from './resp-client.js'

const POLL_MS = 5
const LIMIT_MS = 60_000

/** BUCKET.INDEX DESCRIBE of a RESP3 session, or `gone`. */
export async function describeIndex(
  client: RespClient,
  bucket: string,
  name: string,
): Promise<ReadonlyMap<Data, Data> | 'gone'> {
  try {
    return (await client.call('BUCKET.INDEX', 'DESCRIBE', bucket, name)) as Map<Data, Data>
  } catch (thrown) {
    if ((thrown as Error).message.startsWith('NOSUCHINDEX ')) return 'gone'
    throw thrown
  }
}

/** Waits until an index has a status that it does not leave by itself, or is gone.
 *  @throws Error after a minute */
export async function untilStatus(
  client: RespClient,
  wanted: 'READY' | 'FAILED' | 'gone',
  { bucket, name }: { bucket: string; name: string },
): Promise<void> {
  const deadline = performance.now() + LIMIT_MS
  for (;;) {
    const described = await describeIndex(client, bucket, name)
    const status = described === 'gone' ? described : String(described.get('status'))
    if (status === wanted) return
    const isFinal = status === 'READY' || status === 'FAILED' || status === 'gone'
    if (isFinal || performance.now() > deadline) {
      throw new Error(`index ${name} of ${bucket} is ${status}, not ${wanted}`)
    }
    await sleep(POLL_MS)
  }
}

/** Entries that an index has now. */
export async function entryCount(
  client: RespClient,
  bucket: string,
  name: string,
): Promise<number> {
  const described = await describeIndex(client, bucket, name)
  assert.is.not(described, 'gone')
  const statistics = (described as ReadonlyMap<Data, Data>).get('statistics')
  return Number((statistics as Map<Data, Data>).get('cardinality'))
}

/** Tasks of an index, each as its fields. */
export async function tasksOf(
  client: RespClient,
  bucket: string,
  name: string,
): Promise<Record<string, Data>[]> {
  const tasks = (await client.call('BUCKET.INDEX', 'TASKS', bucket, name)) as Map<Data, Data>
  return [...tasks.values()].map(task => Object.fromEntries(task as Map<Data, Data>))
}

/** BUCKET.INDEX VERIFY. */
export interface Verified {
  readonly documents: number
  readonly entries: number
  readonly errors: readonly string[]
}

export async function verify(client: RespClient, bucket: string): Promise<Verified> {
  // A map or a flat array, as the protocol has it.
  const report = elementsOf(await client.frame('BUCKET.INDEX', 'VERIFY', bucket)).map(toData)
  const [, documents, , entries, , errors] = report
  return { documents, entries, errors } as unknown as Verified
}

/** @param title  tells what failed
 *  @throws Error  unless a bucket's indexes and counters are right
 *  @returns documents that it has */
export async function assertVerified(
  client: RespClient,
  bucket: string,
  title: string,
): Promise<number> {
  const { documents, errors } = await verify(client, bucket)
  assert.equal(errors, [], `${bucket}: ${title}`)
  return documents
}

/** Makes indexes, in the background. */
export function createIndexes(client: RespClient, bucket: string, schema: object): Promise<Data> {
  return client.call('BUCKET.INDEX', 'CREATE', bucket, JSON.stringify(schema))
}

/** Inserts documents, many at a time; the session must take JSON. */
export async function insertAll(
  client: RespClient,
  bucket: string,
  documents: readonly object[],
): Promise<void> {
  for (let from = 0; from < documents.length; from += 500) {
    const some = documents.slice(from, from + 500).map(document => JSON.stringify(document))
    await client.call('BUCKET.INSERT', bucket, 'DOCS', ...some)
  }
}
