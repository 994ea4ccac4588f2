/** Redis strings and hashes: replies, and what the syncer brings back after a restart. */
import * as assert from 'uvu/assert'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('redis')

const VOLUME = 'redis-shard-0'
const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'

/** Resolves once the volume holds exactly so many records. */
async function synced(records: number): Promise<void> {
  await until(`${records} records are in the volume`, async () => {
    return (await describeVolume(server, VOLUME)).cardinality === records
  })
}

async function records(): Promise<number> {
  return (await describeVolume(server, VOLUME)).cardinality
}

async function get(client: RespClient, ...keys: string[]): Promise<Data[]> {
  const values: Data[] = []
  for (const key of keys) values.push(await client.call('GET', key))
  return values
}

test('answers strings and hashes byte for byte', async () => {
  const client = await server.connect()
  await client.exchange(['SET', 'k', 'v'], '+OK\r\n')
  await client.exchange(['get', 'k'], '$1\r\nv\r\n')
  await client.exchange(['GET', 'absent'], '$-1\r\n')
  await client.exchange(['HSET', 'h', 'f', '1', 'g', '2'], ':2\r\n')
  await client.exchange(['HSET', 'h', 'f', '3', 'i', ''], ':1\r\n')
  await client.exchange(['HGET', 'h', 'f'], '$1\r\n3\r\n')
  await client.exchange(['HGET', 'h', 'x'], '$-1\r\n')
  const fields = '$1\r\nf\r\n$1\r\n3\r\n$1\r\ng\r\n$1\r\n2\r\n$1\r\ni\r\n$0\r\n\r\n'
  await client.exchange(['HGETALL', 'h'], `*6\r\n${fields}`)
  await client.exchange(['HGETALL', 'absent'], '*0\r\n')
  await client.exchange(['GET', 'h'], `-${WRONG_TYPE}\r\n`)
  await client.exchange(['HGET', 'k', 'f'], `-${WRONG_TYPE}\r\n`)
  await client.exchange(['HSET', 'k', 'f', 'v'], `-${WRONG_TYPE}\r\n`)
  await client.call('HELLO', '3')
  await client.exchange(['GET', 'absent'], '_\r\n')
  await client.exchange(['HGETALL', 'h'], `%3\r\n${fields}`)
  await client.exchange(['HGETALL', 'absent'], '%0\r\n')
  await client.exchange(['SET', 'h', 'now a string'], '+OK\r\n')
  await client.exchange(['DEL', 'k'], ':1\r\n')
  await client.exchange(['DEL', 'k'], ':0\r\n')
  await client.exchange(['DEL', '{h}', '{h}2', '{h}'], ':0\r\n')
  await client.exchange(['DEL', 'h'], ':1\r\n')
})

test('keeps any bytes in keys, fields and values', async () => {
  const client = await server.connect()
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  await client.call('SET', bytes, bytes)
  assert.ok((await client.callBytes('GET', bytes)).equals(bytes))
  await client.call('SET', '', 'empty key')
  assert.is(await client.call('GET', ''), 'empty key')
  await client.call('HSET', 'any', bytes, bytes)
  assert.ok((await client.callBytes('HGET', 'any', bytes)).equals(bytes))
  assert.is(await client.call('DEL', bytes), 1)
  assert.equal([await client.call('DEL', ''), await client.call('DEL', 'any')], [1, 1])
})

test('follows the options of SET', async () => {
  const client = await server.connect(3)
  const set = (...words: string[]): Promise<Data> => client.call('SET', 'opt', ...words)
  assert.is(await set('1', 'XX'), null)
  assert.is(await set('1', 'NX'), 'OK')
  assert.is(await set('2', 'NX'), null)
  assert.is(await set('2', 'XX', 'GET'), '1')
  assert.is(await set('3', 'NX', 'GET'), '2')
  assert.is(await set('4', 'PX', '60'), 'OK')
  assert.is(await client.call('GET', 'opt'), '4')
  await until('the key has expired', async () => (await client.call('GET', 'opt')) === null)
  assert.is(await set('5', 'EX', '100'), 'OK')
  assert.is(await set('6', 'KEEPTTL'), 'OK')
  assert.is(await set('7', 'EXAT', '1'), 'OK')
  assert.is(await client.call('GET', 'opt'), null)
})

test('answers mistakes with the texts of Redis', async () => {
  const client = await server.connect()
  const cases: [words: string[], error: string][] = [
    [['GET'], "ERR wrong number of arguments for 'get' command"],
    [['SET', 'k'], "ERR wrong number of arguments for 'set' command"],
    [['HSET', 'k', 'f'], "ERR wrong number of arguments for 'hset' command"],
    [['HSET', 'k', 'f', 'v', 'g'], "ERR wrong number of arguments for 'hset' command"],
    [['SET', 'k', 'v', 'NX', 'XX'], 'ERR syntax error'],
    [['SET', 'k', 'v', 'EX'], 'ERR syntax error'],
    [['SET', 'k', 'v', 'foo'], 'ERR syntax error'],
    [['SET', 'k', 'v', 'EX', 'x'], 'ERR value is not an integer or out of range'],
    [['SET', 'k', 'v', 'EX', '0'], "ERR invalid expire time in 'set' command"],
    [['DEL', 'foo', 'bar'], "CROSSSLOT Keys in request don't hash to the same slot"],
  ]
  for (const [words, error] of cases) assert.is(await client.error(...words), error)
  assert.is(await client.call('GET', 'k'), null)
})

test('writes nothing to the volume that is gone already', async () => {
  const client = await server.connect()
  await client.call('SET', 'marker', '1')
  await until('the syncer has caught up', async () => (await records()) === 1)
  await client.call('DEL', 'marker')
  await synced(0)
})

test('brings everything back after a graceful stop', async () => {
  const before = await server.connect()
  await before.call('SET', 'g:string', 'value')
  await before.call('SET', 'g:large', Buffer.alloc(9 * 1024 * 1024, 'x'))
  await before.call('SET', 'g:soon', 'x', 'PX', '100')
  await before.call('SET', 'g:later', 'x', 'EX', '100')
  await before.call('HSET', 'g:hash', 'f', '1', 'g', '2')
  await before.call('SET', 'g:retyped', 'string')
  await before.call('DEL', 'g:retyped')
  await before.call('HSET', 'g:retyped', 'now', 'a hash')
  await before.call('SET', 'g:deleted', 'x')
  await before.call('DEL', 'g:deleted')
  await server.restart()
  await until('the expiry has passed', async () => {
    return (await (await server.connect()).call('GET', 'g:soon')) === null
  })
  const after = await server.connect(3)
  assert.equal(await get(after, 'g:string', 'g:later', 'g:deleted'), ['value', 'x', null])
  assert.ok((await after.callBytes('GET', 'g:large')).equals(Buffer.alloc(9 * 1024 * 1024, 'x')))
  assert.equal(
    await after.call('HGETALL', 'g:hash'),
    new Map([
      ['f', '1'],
      ['g', '2'],
    ]),
  )
  assert.equal(await after.call('HGETALL', 'g:retyped'), new Map([['now', 'a hash']]))
  for (const key of ['string', 'large', 'later', 'hash', 'retyped']) {
    assert.is(await after.call('DEL', `g:${key}`), 1)
  }
  await synced(0)
})

test('brings back what was synced before a crash, and nothing that was deleted', async () => {
  const before = await server.connect(3)
  for (let i = 0; i < 1_500; i++) before.send('SET', `c:${i}`, `first ${i}`)
  for (let i = 0; i < 1_500; i++) await before.read()
  await before.call('HSET', 'c:hash', 'a', '1', 'b', '2')
  await synced(1_502)
  for (let i = 0; i < 1_500; i += 2) before.send('DEL', `c:${i}`)
  for (let i = 0; i < 750; i++) await before.read()
  await before.call('SET', 'c:hash', 'string now')
  await synced(751)
  await server.kill()
  await server.start()
  const after = await server.connect(3)
  for (let i = 0; i < 1_500; i++) after.send('GET', `c:${i}`)
  for (let i = 0; i < 1_500; i++) {
    assert.is(await after.readData(), i % 2 === 0 ? null : `first ${i}`)
  }
  assert.is(await after.call('GET', 'c:hash'), 'string now')
  await server.kill()
  await server.start()
  assert.is(await (await server.connect()).call('GET', 'c:1'), 'first 1')
})

test('keeps the newest of many writes', async () => {
  const before = await server.connect()
  for (let i = 0; i < 3_000; i++) before.send('SET', 'hot', String(i))
  for (let i = 0; i < 3_000; i++) await before.read()
  await server.restart()
  const after = await server.connect()
  assert.is(await after.call('GET', 'hot'), '2999')
  assert.match(
    String(await after.call('INFO', 'keyspace')),
    /^# Keyspace\r\ndb0:keys=752,expires=0/,
  )
})

test.run()
