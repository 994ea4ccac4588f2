/**
 * What one request on many documents does to other connections: the longest PING of a client beside
 * it, while nothing else runs. Goal: the event loop stalls for 20 ms at most; the first row says
 * what the machine adds by itself. Requests are sent one by one, each several times.
 * Run: node dist/bench/load/document-stalls.js [--smoke]
 */
import { once } from 'node:events'
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
import { RespClient } from '../../test/support/resp-client.js'
import { TestServer } from '../../test/support/server.js'

const isSmoke = process.argv.includes('--smoke')
const DOCUMENTS = isSmoke ? 500 : 50_000
const BATCH = isSmoke ? 100 : 9_999
const INSERTS = isSmoke ? 100 : 2_000
const ROUNDS = isSmoke ? 1 : 5
const IDLE_MS = 500

const INDEXES =
  '{"category": {"bson_type": "string"}, "tags": {"bson_type": "int32", "multi_key": true}}'
const query = (filter: string, ...options: string[]) => ['BUCKET.QUERY', 'docs', filter, ...options]
const LIMIT = ['LIMIT', String(BATCH)]
/** As many as one transaction holds. */
const WRITES = ['LIMIT', isSmoke ? '100' : '4000']

const document = (i: number) =>
  JSON.stringify({
    category: `c${i % 50}`,
    n: i,
    name: `${(i * 7_919) % DOCUMENTS}`,
    tags: [i % 100, i % 7, i % 13],
    address: { street: `street ${i}`, lines: ['a', 'b', `${i}`] },
  })

/** In this order: the last ones change what there is. */
const REQUESTS: Readonly<Record<string, readonly string[]>> = {
  'a scan without result': query('{"missing": 1}'),
  'a scan with a regular expression': query('{"name": {"$regex": "^.*[0-9]x$"}}'),
  'a large batch': query('{}', ...LIMIT),
  'a large batch, projected': query(
    '{}',
    'PROJECTION',
    '{"name": 1, "address.lines": 1}',
    ...LIMIT,
  ),
  'a large batch, sorted': query('{}', 'RESULTSORT', 'name', 'ASC', ...LIMIT),
  'a large batch, sorted with a collation': query(
    '{}',
    ...['RESULTSORT', 'name', 'ASC', 'COLLATION', '{"locale": "de"}', ...LIMIT],
  ),
  'a large batch of an index': query('{"category": {"$gte": "c"}}', ...LIMIT),
  'a large batch of a union': query(
    '{"$or": [{"category": "c1"}, {"tags": {"$gt": 20}}]}',
    ...LIMIT,
  ),
  '5,000 values': query(JSON.stringify({ n: { $in: Array.from({ length: 5_000 }, (_, i) => i) } })),
  '5,000 values of an index': query(
    JSON.stringify({ category: { $in: Array.from({ length: 5_000 }, (_, i) => `c${i}`) } }),
    ...LIMIT,
  ),
  'an update of many': ['BUCKET.UPDATE', 'docs', '{}', '{"$set": {"category": "x"}}', ...WRITES],
  'an update of all elements': [
    ...['BUCKET.UPDATE', 'docs', '{}', '{"$set": {"tags.$[]": 1}}', ...WRITES],
  ],
  'a delete of many': ['BUCKET.DELETE', 'docs', '{}', ...WRITES],
}

/** In a thread of its own, so that the client's own work is not counted: sends PINGs back to back,
 *  and answers each message with the longest one since the last, in ms. */
async function sendPings(port: number, main: MessagePort): Promise<void> {
  const client = await RespClient.connect(port)
  let longest = 0
  main.on('message', () => {
    main.postMessage(longest)
    longest = 0
  })
  main.postMessage(0)
  for (;;) {
    const startedAt = performance.now()
    await client.call('PING')
    longest = Math.max(longest, performance.now() - startedAt)
  }
}

async function measure(server: TestServer): Promise<void> {
  const pings = new Worker(new URL(import.meta.url), { workerData: server.clientPort })
  await once(pings, 'message')
  const longest = async (): Promise<number> => {
    pings.postMessage(null)
    return (await once(pings, 'message'))[0] as number
  }
  const report = async (name: string, body: () => Promise<unknown>): Promise<void> => {
    await longest()
    const startedAt = performance.now()
    await body()
    const tookMs = performance.now() - startedAt
    const longestMs = await longest()
    console.log(`${name}: longest PING ${longestMs.toFixed(1)} ms in ${tookMs.toFixed(0)} ms`)
  }
  const client = await server.connect()
  await report('nothing', () => new Promise(resolve => setTimeout(resolve, IDLE_MS)))
  await client.call('BUCKET.CREATE', 'docs', 'INDEXES', INDEXES)
  await report(`inserts of ${INSERTS}`, async () => {
    for (let from = 0; from < DOCUMENTS; from += INSERTS) {
      const length = Math.min(INSERTS, DOCUMENTS - from)
      const documents = Array.from({ length }, (_, i) => document(from + i))
      await client.call('BUCKET.INSERT', 'docs', 'DOCS', ...documents)
    }
  })
  for (const [name, words] of Object.entries(REQUESTS)) {
    await report(name, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        await client.call(...words)
      }
    })
  }
  await pings.terminate()
}

if (isMainThread) {
  const server = await TestServer.start([
    'session_attributes.input_type=json',
    'session_attributes.reply_type=json',
  ])
  try {
    await measure(server)
  } finally {
    await server.dispose()
  }
} else {
  await sendPings(workerData, parentPort!)
}
