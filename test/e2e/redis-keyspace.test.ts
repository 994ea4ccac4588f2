/** Commands on all keys of a member: SCAN, KEYS, DBSIZE, RANDOMKEY, FLUSHALL and FLUSHDB. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'
import { until } from '../support/wait.js'

const SHARDS = 3
const { server, test } = serverSuite('redis keyspace', [`redis.shards=${SHARDS}`])

/** All pages of SCAN. */
async function scanned(client: RespClient, ...options: string[]) {
  const keys: string[] = []
  let cursor = '0'
  let pages = 0
  do {
    const [next, some] = (await client.call('SCAN', cursor, ...options)) as [string, string[]]
    keys.push(...some)
    cursor = next
    pages++
  } while (cursor !== '0')
  return { keys, pages }
}

/** Sends requests as one pipeline; none may fail. */
async function all(client: RespClient, requests: readonly (readonly string[])[]): Promise<void> {
  for (const request of requests) client.send(...request)
  for (const request of requests) {
    const { type, value } = await client.read()
    assert.not.equal(type, '-', `${request.join(' ')}: ${value}`)
  }
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`)
}

/** The records that the volumes of all shards hold. */
async function records(): Promise<number> {
  let total = 0
  for (let id = 0; id < SHARDS; id++) {
    total += (await describeVolume(server, `redis-shard-${id}`)).cardinality
  }
  return total
}

test('an empty keyspace has nothing to tell', async () => {
  const client = await server.connect()
  await client.exchange(['SCAN', '0'], '*2\r\n$1\r\n0\r\n*0\r\n')
  await client.exchange(['KEYS', '*'], '*0\r\n')
  await client.exchange(['DBSIZE'], ':0\r\n')
  await client.exchange(['RANDOMKEY'], '$-1\r\n')
  await client.exchange(['FLUSHALL'], '+OK\r\n')
  await client.call('HELLO', '3')
  await client.exchange(['RANDOMKEY'], '_\r\n')
})

test('every key is found, in all ways', async () => {
  const client = await server.connect()
  const texts = numbered('text:', 1_000)
  const hashes = numbered('hash:', 500)
  await all(
    client,
    texts.map(key => ['SET', key, '1']),
  )
  await all(
    client,
    hashes.map(key => ['HSET', key, 'f', '1']),
  )
  const everything = [...texts, ...hashes].sort()
  const { keys, pages } = await scanned(client)
  assert.equal(keys.sort(), everything)
  // Ten keys each, and some more where a part of a shard has few.
  assert.ok(pages > 60 && pages <= 151, `${pages} pages`)
  assert.equal((await scanned(client, 'COUNT', '100000')).keys.sort(), everything)
  assert.equal((await scanned(client, 'count', '77', 'type', 'HASH')).keys.sort(), hashes.sort())
  assert.equal((await scanned(client, 'TYPE', 'string')).keys.sort(), texts.sort())
  assert.equal((await scanned(client, 'TYPE', 'list')).keys, [])
  const odd = (await scanned(client, 'MATCH', 'hash:*[13579]', 'COUNT', '100')).keys
  assert.is(odd.length, 250)
  assert.is((await scanned(client, 'MATCH', 'hash:?', 'TYPE', 'string')).keys.length, 0)
  assert.equal(((await client.call('KEYS', '*')) as string[]).sort(), everything)
  assert.is(((await client.call('KEYS', 'text:[^0]?')) as string[]).length, 90)
  assert.is(await client.call('DBSIZE'), 1_500)
  const known = new Set(everything)
  for (let i = 0; i < 100; i++) assert.ok(known.has(String(await client.call('RANDOMKEY'))))
})

test('a scan shows every key that stays, whatever comes and goes', async () => {
  const client = await server.connect()
  const stayed = numbered('stays:', 2_000)
  const goes = numbered('goes:', 2_000)
  await all(
    client,
    stayed.flatMap((key, i) => [
      ['SET', key, '1'],
      ['SET', goes[i]!, '1'],
    ]),
  )
  const seen = new Set<string>()
  let cursor = '0'
  let page = 0
  do {
    const reply = await client.call('SCAN', cursor, 'COUNT', '40')
    const [next, keys] = reply as [string, string[]]
    for (const key of keys) seen.add(key)
    cursor = next
    const gone = goes.splice(0, 20).map(key => ['DEL', key])
    const changed = stayed.slice(page * 7, page * 7 + 7).map(key => ['HSET', `${key}:h`, 'f', '1'])
    const retyped = stayed.slice(page * 5, page * 5 + 5).map(key => ['SET', key, 'again'])
    await all(client, [...gone, ...changed, ...retyped])
    page++
  } while (cursor !== '0')
  assert.equal(
    stayed.filter(key => !seen.has(key)),
    [],
  )
})

test('keys that have expired are nowhere', async () => {
  const client = await server.connect()
  await client.call('FLUSHDB', 'ASYNC')
  await client.call('SET', 'stays', '1')
  await all(
    client,
    numbered('soon:', 300).map(key => ['SET', key, '1', 'PX', '1']),
  )
  await until('the last has expired', async () => (await client.call('GET', 'soon:299')) === null)
  assert.is(await client.call('DBSIZE'), 1)
  assert.equal((await scanned(client)).keys, ['stays'])
  assert.equal(await client.call('KEYS', '*'), ['stays'])
  assert.is(await client.call('RANDOMKEY'), 'stays')
})

test('keys are bytes, for patterns too', async () => {
  const client = await server.connect()
  await client.call('FLUSHALL')
  const odd = Buffer.from('ff00e40d0a2a', 'hex')
  await client.call('SET', odd, '1')
  await client.call('SET', 'ä', '1')
  const pattern = Buffer.from('\xff?[\x80-\xff]\r?\\*', 'latin1')
  client.send('KEYS', pattern)
  await client.expect(`*1\r\n$6\r\n`)
  assert.is(await client.readBytes(8), `${odd.toString('latin1')}\r\n`)
  assert.equal(await client.call('KEYS', '??'), ['ä'])
  assert.equal(await client.call('KEYS', '?'), [])
})

test('answers mistakes with the texts of Redis', async () => {
  const client = await server.connect()
  const notInteger = 'ERR value is not an integer or out of range'
  const cases: [words: string[], error: string][] = [
    [['SCAN'], "ERR wrong number of arguments for 'scan' command"],
    [['SCAN', 'x'], 'ERR invalid cursor'],
    [['SCAN', ''], 'ERR invalid cursor'],
    [['SCAN', '-1'], 'ERR invalid cursor'],
    [['SCAN', '1.0'], 'ERR invalid cursor'],
    [['SCAN', '18446744073709551616'], 'ERR invalid cursor'],
    [['SCAN', '0', 'COUNT', '0'], 'ERR syntax error'],
    [['SCAN', '0', 'COUNT', '-5'], 'ERR syntax error'],
    [['SCAN', '0', 'COUNT', 'x'], notInteger],
    [['SCAN', '0', 'COUNT'], 'ERR syntax error'],
    [['SCAN', '0', 'LIMIT', '1'], 'ERR syntax error'],
    [['SCAN', '0', 'MATCH', 'x'.repeat(65_537)], 'ERR pattern is too long'],
    [['KEYS'], "ERR wrong number of arguments for 'keys' command"],
    [['DBSIZE', 'x'], "ERR wrong number of arguments for 'dbsize' command"],
    [['RANDOMKEY', 'x'], "ERR wrong number of arguments for 'randomkey' command"],
    [['FLUSHALL', 'NOW'], 'ERR syntax error'],
    [['FLUSHDB', 'SYNC', 'ASYNC'], 'ERR syntax error'],
  ]
  for (const [words, error] of cases) assert.is(await client.error(...words), error)
  await client.exchange(['SCAN', '18446744073709551615'], '*2\r\n$1\r\n0\r\n*0\r\n')
})

test('flushing wipes keys and records, and nothing else', async () => {
  const client = await useJson(await server.connect())
  await client.call('ZSET', 'zmap', 'stays')
  await client.call('BUCKET.CREATE', 'people')
  await client.call('BUCKET.INSERT', 'people', 'DOCS', '{"name": "Ada"}')
  for (const flush of [['FLUSHALL'], ['FLUSHDB'], ['FLUSHALL', 'async'], ['FLUSHDB', 'SYNC']]) {
    await all(
      client,
      numbered('key:', 200).map(key => ['SET', key, '1']),
    )
    await until('something is in the volumes', async () => (await records()) > 0)
    await client.exchange(flush, '+OK\r\n')
    assert.is(await records(), 0)
    assert.is(await client.call('DBSIZE'), 0)
    assert.is(await client.call('GET', 'key:7'), null)
  }
  assert.is(await client.call('ZGET', 'zmap'), 'stays')
  assert.equal(
    (await queryAll(client, 'people', '{}')).map(({ name }) => name),
    ['Ada'],
  )
  await client.call('SET', 'after', '1')
  await server.restart()
  const after = await server.connect()
  assert.equal(await after.call('KEYS', '*'), ['after'])
  assert.is(await after.call('ZGET', 'zmap'), 'stays')
})

test('flushing is refused while a shard takes no writes, and nothing goes', async () => {
  const client = await server.connect()
  const admin = await server.connectAdmin()
  await client.call('SET', 'key', '1')
  const before = await client.call('DBSIZE')
  await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'REDIS', '2', 'READONLY')
  assert.is(await client.error('FLUSHALL'), 'ERR shard id: 2 is not in READWRITE status')
  assert.is(await client.call('DBSIZE'), before)
  await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'REDIS', '2', 'READWRITE')
  await client.exchange(['FLUSHALL'], '+OK\r\n')
})

test.run()
