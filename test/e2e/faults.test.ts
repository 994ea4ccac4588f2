/** A whole server over a store that fails and answers late. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { seed } from '../support/budget.js'
import { embeddedOnly } from '../support/cluster.js'
import { troubled } from '../support/faults.js'
import { assertVerified } from '../support/indexes.js'
import { bytesOf, elementsOf, type Frame, type RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const tests = suite('faults')
const test = embeddedOnly(tests, 'a cluster has no fault mode')
const runSeed = seed()

/** What a write may be told: whether it was applied, where that is certain. */
const TOLD: ReadonlyMap<string, boolean | undefined> = new Map([
  ['OK', true],
  ['NOT_COMMITTED', false],
  ['TRANSACTIONOLD', false],
  ['COMMIT_UNKNOWN_RESULT', undefined],
])

/** First word of the reply. */
async function set(client: RespClient, key: string): Promise<string> {
  try {
    await client.call('ZSET', key, 'v')
    return 'OK'
  } catch (thrown) {
    return (thrown as Error).message.split(' ')[0]!
  }
}

test('starts, and applies what it acknowledges and nothing that it refuses', () =>
  withTestServer([], server => appliesWhatItAcknowledges(server), {
    ...troubled(runSeed),
    unknownResult: 0.05,
  }))

async function appliesWhatItAcknowledges(server: TestServer): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 6 }, () => server.connect()))
  const replies = new Map<string, string>()
  await Promise.all(
    clients.map(async (client, number) => {
      for (let round = 0; round < 25; round++) {
        const key = `${number}.${round}`
        replies.set(key, await set(client, key))
      }
    }),
  )
  server.faults = undefined
  await server.restart()
  const client = await server.connect()
  const pairs = elementsOf(await client.frame('ZGETRANGE', '*', '*', 'LIMIT', '1000'))
  const present = new Set(pairs.map(pair => bytesOf(elementsOf(pair)[0]!).toString()))
  for (const [key, reply] of replies) {
    const shown = `${key}: ${reply}, SEED=${runSeed}`
    assert.ok(TOLD.has(reply), shown)
    assert.is(present.has(key), TOLD.get(reply) ?? present.has(key), shown)
  }
}

test('inserts all documents of a request or none, also with ZMap entries in a transaction', () =>
  withTestServer([], server => insertsWhole(server), { ...troubled(runSeed), unknownResult: 0.05 }))

const DOCUMENTS = 3

/** Inserts documents that carry a tag, one-off, or with an entry of that name.
 *  @returns first word of the reply that decides */
async function insert(client: RespClient, tag: string, isExplicit: boolean): Promise<string> {
  const documents = Array.from({ length: DOCUMENTS }, (_, n) => JSON.stringify({ tag, n }))
  const words = ['BUCKET.INSERT', 'whole', 'DOCS', ...documents]
  if (!isExplicit) return firstWord(await client.frame(...words))
  await client.call('BEGIN')
  await client.call('ZSET', tag, 'v')
  const inserted = firstWord(await client.frame(...words))
  if (inserted === 'OK') return firstWord(await client.frame('COMMIT'))
  await client.call('ROLLBACK')
  return inserted
}

function firstWord({ type, value }: Frame): string {
  return type === '-' ? String(value).split(' ')[0]! : 'OK'
}

async function insertsWhole(server: TestServer): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 4 }, () => server.connect()))
  // The server repeats what it does of its own accord, also when the result is unknown.
  for (let i = 0; i < 30; i++) await clients[0]!.exchange(['BUCKET.CREATE', `b${i}`], '+OK\r\n')
  const schema = '{"tag": {"bson_type": "string"}, "n": {"bson_type": "int32"}}'
  await clients[0]!.exchange(['BUCKET.CREATE', 'whole', 'INDEXES', schema], '+OK\r\n')
  const replies = new Map<string, string>()
  await Promise.all(
    clients.map(async (client, number) => {
      await useJson(client)
      for (let round = 0; round < 15; round++) {
        const tag = `${number % 2 === 0 ? 'explicit' : 'one-off'}.${number}.${round}`
        replies.set(tag, await insert(client, tag, number % 2 === 0))
      }
    }),
  )
  server.faults = undefined
  await server.restart()
  const client = await useJson(await server.connect())
  const found = await queryAll(client, 'whole', '{}', 'LIMIT', '9999')
  assert.is(await assertVerified(client, 'whole', `SEED=${runSeed}`), found.length)
  for (const [tag, reply] of replies) {
    const shown = `${tag}: ${reply}, SEED=${runSeed}`
    assert.ok(TOLD.has(reply), shown)
    const count = found.filter(document => document.tag === tag).length
    assert.ok(count === 0 || count === DOCUMENTS, shown)
    assert.is(count > 0, TOLD.get(reply) ?? count > 0, shown)
    const entry = await client.call('ZGET', tag)
    assert.is(entry, tag.startsWith('explicit') && count > 0 ? 'v' : null, shown)
  }
}

test('each change of a bucket is made once, whatever becomes of its commits', () =>
  withTestServer([], server => changesOnce(server), {
    seed: runSeed,
    unknownResult: 0.3,
    notCommitted: 0.1,
  }))

async function changesOnce(server: TestServer): Promise<void> {
  const client = await server.connect(3)
  for (let round = 0; round < 15; round++) {
    const bucket = `b${round}`
    for (const words of [
      ['BUCKET.CREATE', bucket, 'INDEXES', '{"a": {"bson_type": "int32", "name": "i"}}'],
      ['BUCKET.INDEX', 'CREATE', bucket, '{"n": {"bson_type": "int32"}}'],
      ['BUCKET.INDEX', 'DROP', bucket, 'i'],
      ['BUCKET.INDEX', 'ANALYZE', bucket, 'primary-index'],
      ['BUCKET.REMOVE', bucket],
      ['BUCKET.PURGE', bucket],
    ]) {
      assert.is(await client.call(...words), 'OK', `${words.join(' ')}, SEED=${runSeed}`)
    }
    assert.match(await client.error('BUCKET.REMOVE', bucket), /^NOSUCHBUCKET /)
  }
}

tests.run()
