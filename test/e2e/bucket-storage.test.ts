/** Document bodies: large ones, many segments, restarts, damage, and what VOLUME.ADMIN tells. */
import { Binary, deserialize, ObjectId, serialize } from 'bson'
import * as assert from 'uvu/assert'
import { batchOf, queryAll, useJson } from '../support/bucket.js'
import { damage, filesBelow } from '../support/damage.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'

const { server, test } = serverSuite('bucket storage')

const MIB = 1024 * 1024
const DOCUMENT_LIMIT = 16 * MIB
const VOLUME = 'bucket-shard-0'

/** Entries and bytes that are in use. */
async function totals(): Promise<{ cardinality: number; usedBytes: number }> {
  const { status, cardinality, usedBytes } = await describeVolume(server, VOLUME)
  assert.is(status, 'READWRITE')
  return { cardinality, usedBytes }
}

/** A document of exactly so many bytes once its id is in it. */
function sized(bytes: number): { id: ObjectId; document: Buffer } {
  const id = new ObjectId()
  const empty = serialize({ _id: id, body: new Binary(Buffer.alloc(0)) }).length
  const body = Buffer.alloc(bytes - empty, 'kronotop')
  return { id, document: Buffer.from(serialize({ _id: id, body: new Binary(body) })) }
}

async function bsonById(client: RespClient, bucket: string, id: ObjectId): Promise<Buffer[]> {
  const filter = Buffer.from(serialize({ _id: id }))
  return [...(await batchOf(client, 'BUCKET.QUERY', bucket, filter)).items]
}

test('counts what is stored and what is garbage', async () => {
  const client = await server.connect()
  const before = await totals()
  await client.call('BUCKET.CREATE', 'counted')
  const documents = [100, 2_000, 30_000].map(sized)
  const bodies = documents.map(({ document }) => document)
  await client.call('BUCKET.INSERT', 'counted', 'DOCS', ...bodies)
  const inserted = await totals()
  assert.is(inserted.cardinality - before.cardinality, 3)
  assert.is(inserted.usedBytes - before.usedBytes, 32_100)
  const filter = Buffer.from(serialize({ _id: documents[1]!.id }))
  assert.is((await batchOf(client, 'BUCKET.DELETE', 'counted', filter)).items.length, 1)
  const deleted = await totals()
  assert.is(deleted.cardinality - before.cardinality, 2)
  assert.is(deleted.usedBytes - before.usedBytes, 30_100)
  await client.call('BEGIN')
  await client.call('BUCKET.INSERT', 'counted', 'DOCS', sized(500).document)
  await client.call('ROLLBACK')
  assert.equal(await totals(), deleted)
})

test('takes documents up to 16 MiB, and no larger one', async () => {
  const client = await server.connect()
  await client.call('BUCKET.CREATE', 'large')
  const before = await totals()
  for (const bytes of [DOCUMENT_LIMIT, DOCUMENT_LIMIT - 1, 5 * MIB, 5 * MIB]) {
    const { id, document } = sized(bytes)
    assert.is(document.length, bytes)
    await client.call('BUCKET.INSERT', 'large', 'DOCS', document)
    const [found] = await bsonById(client, 'large', id)
    assert.ok(found?.equals(document), `${bytes} bytes`)
  }
  const error = await client.error(
    'BUCKET.INSERT',
    'large',
    'DOCS',
    sized(DOCUMENT_LIMIT + 1).document,
  )
  assert.match(error, /^ERR /)
  assert.not.match(error, /internal error/)
  const after = await totals()
  assert.is(after.cardinality - before.cardinality, 4)
  const { segments, directory } = await describeVolume(server, VOLUME)
  assert.is(segments.size, filesBelow(directory).length)
})

test('goes on in further segments when one is full', async () => {
  const client = await server.connect()
  await client.call('BUCKET.CREATE', 'rolled')
  const segments = (await describeVolume(server, VOLUME)).segments.size
  const documents = Array.from({ length: 90 }, () => sized(500_000))
  // One request is larger than a segment.
  for (const [from, to] of [
    [0, 9],
    [9, 50],
    [50, 90],
  ]) {
    const bodies = documents.slice(from, to).map(({ document }) => document)
    await client.call('BUCKET.INSERT', 'rolled', 'DOCS', ...bodies)
  }
  assert.ok((await describeVolume(server, VOLUME)).segments.size >= segments + 2)
  await server.restart()
  const after = await server.connect()
  for (const { id, document } of documents) {
    const [found] = await bsonById(after, 'rolled', id)
    assert.ok(found?.equals(document))
  }
  const { items } = await batchOf(after, 'BUCKET.QUERY', 'rolled', '{}', 'LIMIT', '90')
  assert.is(items.length, 90)
})

test('keeps documents over a restart and a crash', async () => {
  const before = await useJson(await server.connect())
  await before.call('BUCKET.CREATE', 'durable')
  const documents = Array.from({ length: 500 }, (_, n) =>
    JSON.stringify({ n, text: 'ü'.repeat(n) }),
  )
  await before.call('BUCKET.INSERT', 'durable', 'DOCS', ...documents)
  await batchOf(before, 'BUCKET.DELETE', 'durable', '{"n":{"$lt":10}}')
  const stored = await totals()
  const expected = await queryAll(before, 'durable', '{}')
  assert.is(expected.length, 490)
  for (const end of [() => server.stop(), () => server.kill()]) {
    await end()
    await server.start()
    const after = await useJson(await server.connect())
    assert.equal(await queryAll(after, 'durable', '{}'), expected)
    assert.equal(await totals(), stored)
  }
})

test('names a damaged document and serves the others', async () => {
  const before = await useJson(await server.connect())
  await before.call('BUCKET.CREATE', 'damaged')
  const documents = [1, 2, 3].map(n => `{"n":${n},"text":"marker-${n}-of-damage"}`)
  const ids = (await before.call('BUCKET.INSERT', 'damaged', 'DOCS', ...documents)) as string[]
  await server.stop()
  damage(server.directory, 'marker-2-of-damage')
  await server.start()
  const after = await useJson(await server.connect())
  const error = `CORRUPTED Document ${ids[1]} is damaged`
  assert.is(await after.error('BUCKET.QUERY', 'damaged', '{}'), error)
  assert.is(await after.error('BUCKET.QUERY', 'damaged', '{"n":3}'), error)
  assert.is(await after.error('BUCKET.QUERY', 'damaged', `{"_id":"${ids[1]}"}`), error)
  for (const at of [0, 2]) {
    const [found] = await queryAll(after, 'damaged', `{"_id":"${ids[at]}"}`)
    assert.is(found?.n, at + 1)
  }
  const other = await batchOf(after, 'BUCKET.QUERY', 'durable', '{"n":10}')
  assert.is(other.items.length, 1)
})

test('refuses documents that are no BSON, and stays in step', async () => {
  const client = await server.connect()
  await client.call('BUCKET.CREATE', 'malformed')
  const good = Buffer.from(serialize({ a: 1 }))
  const wrongLength = Buffer.from(good)
  wrongLength.writeInt32LE(good.length + 1)
  const wrongType = Buffer.from(good)
  wrongType[4] = 0x7e
  for (const bad of [
    Buffer.alloc(0),
    Buffer.alloc(5),
    wrongLength,
    wrongType,
    good.subarray(0, -1),
  ]) {
    const error = await client.error('BUCKET.INSERT', 'malformed', 'DOCS', good, bad)
    assert.match(error, /^ERR /)
    assert.not.match(error, /internal error/)
  }
  await client.exchange(['PING'], '+PONG\r\n')
  await client.call('BUCKET.INSERT', 'malformed', 'DOCS', good)
  const { items } = await batchOf(client, 'BUCKET.QUERY', 'malformed', '{}')
  assert.is(deserialize(items[0]!).a, 1)
})

test('lists the volumes that are open', async () => {
  const admin = await server.connectAdmin()
  assert.equal(((await admin.call('VOLUME.ADMIN', 'LIST')) as string[]).sort(), [
    VOLUME,
    'redis-shard-0',
  ])
  const cases: [words: string[], error: string][] = [
    [[], "ERR wrong number of arguments for 'VOLUME.ADMIN' command"],
    [['FOO'], "ERR unknown subcommand: 'FOO'"],
    [['DESCRIBE', 'bucket-shard-7'], "ERR Volume: 'bucket-shard-7' is not open"],
    [['DESCRIBE', 'nosuch'], 'ERR invalid volume name: nosuch'],
    [['DESCRIBE', 'foo-shard-0'], 'ERR invalid shard kind: foo'],
    [['DESCRIBE', 'bucket-shard-x'], 'ERR invalid shard id: x'],
    [['DESCRIBE'], 'ERR invalid number of parameters'],
  ]
  for (const [words, error] of cases) assert.is(await admin.error('VOLUME.ADMIN', ...words), error)
})

test.run()
