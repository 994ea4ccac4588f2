/** Keys and strings beyond single replies: what a restart keeps, limits, what time does. */
import * as assert from 'uvu/assert'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('Redis keys', ['redis.maxmemory=4294967296'])

const MAX_BYTES = 512 * 1024 * 1024
const TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'
const YEAR_2100_S = 4_102_444_800

/** Resolves once the volume holds exactly so many records. */
async function synced(records: number): Promise<void> {
  await until(`${records} records are in the volume`, async () => {
    return (await describeVolume(server, 'redis-shard-0')).cardinality === records
  })
}

async function expect(client: RespClient, line: string, reply: unknown): Promise<void> {
  assert.equal(await client.call(...line.split(' ')), reply, line)
}

test('a restart keeps expiries of both types, renames and deletions', async () => {
  const before = await server.connect(3)
  await before.call('SET', 's', 'v', 'EXAT', `${YEAR_2100_S}`)
  await before.call('HSET', 'h', 'f', '1', 'g', '2')
  await before.call('SET', 'p', 'v', 'EX', '1000')
  await before.call('HSET', '{r}old', 'f', '1')
  await before.call('SET', '{r}over', 'lost')
  await before.call('SET', 'd', 'v')
  await synced(7)
  await expect(before, `EXPIREAT h ${YEAR_2100_S}`, 1)
  await expect(before, 'PERSIST p', 1)
  await expect(before, `PEXPIREAT {r}old ${YEAR_2100_S}500`, 1)
  await expect(before, 'RENAME {r}old {r}over', 'OK')
  await expect(before, 'GETDEL d', 'v')
  await synced(5)
  await server.restart()
  const after = await server.connect(3)
  await expect(after, 'EXPIRETIME s', YEAR_2100_S)
  await expect(after, 'EXPIRETIME h', YEAR_2100_S)
  await expect(after, 'TTL p', -1)
  await expect(after, 'EXISTS {r}old', 0)
  await expect(after, 'HGET {r}over f', '1')
  await expect(after, 'PEXPIRETIME {r}over', YEAR_2100_S * 1000 + 500)
  await expect(after, 'GET d', null)
  for (const key of ['s', 'h', 'p', '{r}over']) await expect(after, `DEL ${key}`, 1)
  await synced(0)
})

test('a key of any type that expires is gone, and so are its records', async () => {
  const client = await server.connect(3)
  await client.call('HSET', 'h', 'f', '1', 'g', '2')
  await client.call('SET', 's', 'v')
  await synced(3)
  await expect(client, 'PEXPIRE h 40', 1)
  await expect(client, 'GETEX s PX 40', 'v')
  await until('both are gone', async () => (await client.call('EXISTS', 'h')) === 0)
  await until('the string is gone', async () => (await client.call('TYPE', 's')) === 'none')
  await expect(client, 'TTL h', -2)
  await expect(client, 'HGETALL h', new Map())
  await synced(0)
})

test('a string grows to 512 MiB and not further', async () => {
  const client = await server.connect(3)
  const last = MAX_BYTES - 1
  await expect(client, `SETRANGE big ${last} x`, MAX_BYTES)
  assert.is(await client.error('APPEND', 'big', 'y'), TOO_LONG)
  assert.is(await client.error('SETRANGE', 'big', `${MAX_BYTES}`, 'y'), TOO_LONG)
  assert.is(await client.error('SETRANGE', 'none', '9223372036854775807', 'y'), TOO_LONG)
  assert.is(await client.call('APPEND', 'big', ''), MAX_BYTES)
  await expect(client, `GETRANGE big ${last - 1} -1`, '\0x')
  await expect(client, 'DEL big', 1)
  await expect(client, 'EXISTS none', 0)
})

test('a string that is appended to piece by piece keeps every byte', async () => {
  const client = await server.connect(3)
  const pieces = Array.from({ length: 300 }, (_, i) => Buffer.alloc(1 + (i % 700), i))
  for (const piece of pieces) client.send('APPEND', 'log', piece)
  for (const _ of pieces) await client.readData()
  assert.ok((await client.callBytes('GET', 'log')).equals(Buffer.concat(pieces)))
  await server.restart()
  const after = await server.connect(3)
  assert.ok((await after.callBytes('GET', 'log')).equals(Buffer.concat(pieces)))
  await expect(after, 'DEL log', 1)
})

test('several keys are set in one slot only, all or none', async () => {
  const client = await server.connect(3)
  const crossSlot = "CROSSSLOT Keys in request don't hash to the same slot"
  for (const name of ['MSET', 'MSETNX']) {
    assert.is(await client.error(name, 'foo', '1', 'bar', '2'), crossSlot)
  }
  assert.is(await client.error('RENAME', 'foo', 'bar'), crossSlot)
  await expect(client, 'MSETNX {1}a 1 {1}b 2', 1)
  await expect(client, 'MSETNX {1}c 3 {1}b 4', 0)
  await expect(client, 'MGET {1}a {1}b {1}c', ['1', '2', null])
  await expect(client, 'DEL {1}a {1}b', 2)
})

test.run()
