/**
 * Malformed BSON and JSON wherever a command takes a document: one error of one line for each
 * request, in bounded memory, and the connection goes on.
 */
import { writeFileSync } from 'node:fs'
import { EJSON, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { drawDocuments, drawShape } from '../support/bql/draw-documents.js'
import { FilterDraw } from '../support/bql/draw-filters.js'
import { damaged, type Malformed, malformedBson, malformedJson } from '../support/bql/malformed.js'
import { queryAll } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { assertVerified } from '../support/indexes.js'
import { memoryOf } from '../support/process.js'
import { Random } from '../support/random.js'
import { encodeRequest, type Frame, type RespClient, type Word } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('malformed documents', ['log.level=error'])

const MIB = 1024 * 1024
/** Far below what following a length of 2 GiB would take. */
const ALLOWED_BYTES = 400 * MIB
const BUCKET = 'malformed'
const BATCH = 50

/** A place where commands take a document. */
interface Target {
  readonly what: string
  /** Which forms are read there; the other one is malformed as well. */
  readonly session: 'bson' | 'json'
  readonly request: (argument: Buffer) => Word[]
}

const TARGETS: readonly Target[] = [
  ...(['bson', 'json'] as const).map(session => ({
    what: `documents of INSERT as ${session}`,
    session,
    request: (argument: Buffer) => ['BUCKET.INSERT', BUCKET, 'DOCS', argument],
  })),
  {
    what: 'filters of QUERY',
    session: 'bson',
    request: filter => ['BUCKET.QUERY', BUCKET, filter, 'LIMIT', '1'],
  },
  {
    what: 'filters of DELETE',
    session: 'bson',
    request: filter => ['BUCKET.DELETE', BUCKET, filter, 'LIMIT', '1'],
  },
  {
    what: 'filters of UPDATE',
    session: 'bson',
    request: filter => ['BUCKET.UPDATE', BUCKET, filter, '{"$set":{"z":1}}', 'LIMIT', '1'],
  },
  {
    what: 'updates of UPDATE',
    session: 'bson',
    request: update => ['BUCKET.UPDATE', BUCKET, '{}', update, 'LIMIT', '1'],
  },
  {
    what: 'filters of EXPLAIN',
    session: 'bson',
    request: filter => ['BUCKET.EXPLAIN', BUCKET, filter],
  },
  {
    what: 'projections',
    session: 'bson',
    request: spec => ['BUCKET.QUERY', BUCKET, '{}', 'PROJECTION', spec, 'LIMIT', '1'],
  },
  {
    what: 'collations',
    session: 'bson',
    request: spec => ['BUCKET.QUERY', BUCKET, '{}', 'COLLATION', spec, 'LIMIT', '1'],
  },
  {
    what: 'schemas of indexes',
    session: 'bson',
    request: schema => ['BUCKET.CREATE', 'refused', 'INDEXES', schema],
  },
]

async function prepare(session: 'bson' | 'json', protocol: 2 | 3): Promise<RespClient> {
  const client = await server.connect(protocol)
  await client.call('SESSION.ATTRIBUTE', 'SET', 'input_type', session)
  await client.call('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'json')
  return client
}

/** Sends requests at once, and a marker behind them that shows that there was one reply each. */
async function exchange(client: RespClient, requests: readonly Word[][]): Promise<Frame[]> {
  client.write(Buffer.concat([...requests, ['ECHO', 'marker']].map(encodeRequest)))
  const replies: Frame[] = []
  for (const _ of requests) replies.push(await client.read())
  assert.is(await client.readData(), 'marker')
  return replies
}

/** A refusal that a client can be shown. */
function assertClear({ type, value }: Frame, what: string): void {
  assert.is(type, '-', `${what} is refused`)
  const text = String(value)
  const shown = `${what}: ${JSON.stringify(text)}`
  // Names are repeated as they came, but for what would end the line.
  assert.match(text, /^[A-Z_]+ [^\r\n]{5,300}$/, shown)
  assert.not.match(text, /internal error/, shown)
}

/** How far the process's memory rises above what it is before `body`, at any time. */
async function risenBytes(body: () => Promise<void>): Promise<number> {
  const { pid } = server
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = memoryOf(pid, 'VmRSS')
  await body()
  return memoryOf(pid, 'VmHWM') - before
}

test('a bucket with documents', async () => {
  const client = await prepare('json', 3)
  await client.call('BUCKET.CREATE', BUCKET)
  const docs = Array.from({ length: 50 }, (_, i) => JSON.stringify({ a: i }))
  await client.call('BUCKET.INSERT', BUCKET, 'DOCS', ...docs)
})

test('are refused in words everywhere, in bounded memory', async () => {
  const all: readonly Malformed[] = [...malformedBson(), ...malformedJson()]
  const risen = await risenBytes(async () => {
    for (const { what, session, request } of TARGETS) {
      const client = await prepare(session, 3)
      for (let from = 0; from < all.length; from += BATCH) {
        const part = all.slice(from, from + BATCH)
        const replies = await exchange(
          client,
          part.map(({ bytes }) => request(bytes)),
        )
        for (const [i, reply] of replies.entries()) {
          assertClear(reply, `${what}: ${part[i]!.what.slice(0, 100)}`)
        }
      }
      assert.is((await queryAll(client, BUCKET, '{}')).length, 50, what)
      client.close()
    }
  })
  assert.ok(risen < ALLOWED_BYTES, `${Math.round(risen / MIB)} MiB`)
})

test('are refused when they are too large', async () => {
  const client = await prepare('bson', 3)
  const jsonClient = await prepare('json', 3)
  const huge = { a: 'x'.repeat(17 * MIB) }
  const bson = Buffer.from(serialize(huge))
  assertClear(await client.frame('BUCKET.INSERT', BUCKET, 'DOCS', bson), 'BSON')
  const json = JSON.stringify(huge)
  assertClear(await jsonClient.frame('BUCKET.INSERT', BUCKET, 'DOCS', json), 'JSON')
  assert.is((await queryAll(client, BUCKET, '{}')).length, 50)
})

test('are refused or read when damaged at random', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  const shape = drawShape(random)
  const draw = new FilterDraw(random, shape, 50)
  const wanted = rounds('damaged documents')
  let refused = 0
  let read = 0
  const risen = await risenBytes(async () => {
    while (refused + read < wanted) {
      const { what, session, request } = random.pick(TARGETS)
      const client = await prepare(session, random.pick([2, 3]))
      const requests = Array.from({ length: BATCH }, () => {
        const isFilter = what.startsWith('filters')
        const [doc] = drawDocuments(random, shape, { from: refused + read + 100, count: 1 })
        const { _id, ...fields } = doc!
        const whole = isFilter ? draw.next() : random.pick([fields, { $set: fields }])
        const isJson = session === 'json' || random.next() < 0.3
        const bytes = Buffer.from(isJson ? EJSON.stringify(whole) : serialize(whole))
        return request(damaged(random, bytes))
      })
      for (const reply of await exchange(client, requests)) {
        if (reply.type !== '-') read++
        else {
          refused++
          assertClear(reply, what)
        }
      }
      client.close()
    }
  })
  assert.ok(refused > wanted / 10 && read > wanted / 100, `${refused} refused, ${read} read`)
  assert.ok(risen < ALLOWED_BYTES, `${Math.round(risen / MIB)} MiB`)
})

test('leave whole documents behind', async () => {
  const client = await prepare('json', 3)
  // Each is JSON, or this throws.
  await queryAll(client, BUCKET, '{}')
  assert.ok((await client.call('BUCKET.INSERT', BUCKET, 'DOCS', '{"a":1}')) !== null)
  await assertVerified(client, BUCKET, 'after malformed requests')
})

test.run()
