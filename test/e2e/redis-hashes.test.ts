/** The commands on hashes: replies in both protocols, errors, what a restart brings back. */
import * as assert from 'uvu/assert'
import type { Data, RespClient, Word } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('redis hashes')

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const NOT_INTEGER = 'ERR value is not an integer or out of range'

/** Runs exchanges on a connection of its own. @param protocol of the replies */
async function exchanges(
  protocol: 2 | 3,
  list: readonly (readonly [words: readonly Word[], reply: string])[],
): Promise<void> {
  const client = await server.connect(protocol)
  for (const [words, reply] of list) await client.exchange(words, reply)
}

test('sets, reads and deletes fields', async () => {
  await exchanges(2, [
    [['HSET', 'h', 'a', '1', 'b', '2'], ':2\r\n'],
    [['HSET', 'h', 'a', '3', 'c', '', 'c', 'last'], ':1\r\n'],
    [['HMSET', 'h', 'b', '4'], '+OK\r\n'],
    [['HSETNX', 'h', 'b', '5'], ':0\r\n'],
    [['HSETNX', 'h', 'd', '6'], ':1\r\n'],
    [['HGET', 'h', 'a'], '$1\r\n3\r\n'],
    [['HMGET', 'h', 'b', 'x', 'c', 'b'], '*4\r\n$1\r\n4\r\n$-1\r\n$4\r\nlast\r\n$1\r\n4\r\n'],
    [['HMGET', 'none', 'a'], '*1\r\n$-1\r\n'],
    [['HKEYS', 'h'], '*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n'],
    [['HVALS', 'h'], '*4\r\n$1\r\n3\r\n$1\r\n4\r\n$4\r\nlast\r\n$1\r\n6\r\n'],
    [['HLEN', 'h'], ':4\r\n'],
    [['HEXISTS', 'h', 'a'], ':1\r\n'],
    [['HEXISTS', 'h', 'x'], ':0\r\n'],
    [['HSTRLEN', 'h', 'c'], ':4\r\n'],
    [['HSTRLEN', 'h', 'x'], ':0\r\n'],
    [['HDEL', 'h', 'a', 'x', 'a', 'c'], ':2\r\n'],
    [['HGETALL', 'h'], '*4\r\n$1\r\nb\r\n$1\r\n4\r\n$1\r\nd\r\n$1\r\n6\r\n'],
    [['HDEL', 'h', 'b', 'd'], ':2\r\n'],
    [['HDEL', 'h', 'b'], ':0\r\n'],
    [['DEL', 'h'], ':0\r\n'],
  ])
})

test('an absent key is an empty hash', async () => {
  await exchanges(2, [
    [['HGET', 'none', 'f'], '$-1\r\n'],
    [['HGETALL', 'none'], '*0\r\n'],
    [['HKEYS', 'none'], '*0\r\n'],
    [['HVALS', 'none'], '*0\r\n'],
    [['HLEN', 'none'], ':0\r\n'],
    [['HEXISTS', 'none', 'f'], ':0\r\n'],
    [['HSTRLEN', 'none', 'f'], ':0\r\n'],
    [['HDEL', 'none', 'f'], ':0\r\n'],
    [['HRANDFIELD', 'none'], '$-1\r\n'],
    [['HRANDFIELD', 'none', '5'], '*0\r\n'],
    [['HRANDFIELD', 'none', '-5', 'WITHVALUES'], '*0\r\n'],
    [['HSCAN', 'none', '0'], '*2\r\n$1\r\n0\r\n*0\r\n'],
  ])
  await exchanges(3, [
    [['HGET', 'none', 'f'], '_\r\n'],
    [['HMGET', 'none', 'f'], '*1\r\n_\r\n'],
    [['HGETALL', 'none'], '%0\r\n'],
    [['HRANDFIELD', 'none'], '_\r\n'],
    [['HRANDFIELD', 'none', '5', 'WITHVALUES'], '*0\r\n'],
  ])
})

test('keeps any bytes in fields and values, also long ones', async () => {
  const client = await server.connect()
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const long = Buffer.alloc(100_000, bytes)
  await client.call('HSET', bytes, bytes, long, '', '')
  assert.ok((await client.callBytes('HGET', bytes, bytes)).equals(long))
  assert.is(await client.call('HSTRLEN', bytes, bytes), 100_000)
  assert.is(await client.call('HGET', bytes, ''), '')
  assert.is(await client.call('HDEL', bytes, bytes, ''), 2)
})

test('refuses keys of the other type, and changes nothing', async () => {
  const client = await server.connect()
  await client.call('SET', 'text', '1')
  const requests = [
    ['HSET', 'text', 'f', '1'],
    ['HMSET', 'text', 'f', '1'],
    ['HSETNX', 'text', 'f', '1'],
    ['HGET', 'text', 'f'],
    ['HMGET', 'text', 'f'],
    ['HGETALL', 'text'],
    ['HKEYS', 'text'],
    ['HVALS', 'text'],
    ['HLEN', 'text'],
    ['HEXISTS', 'text', 'f'],
    ['HSTRLEN', 'text', 'f'],
    ['HDEL', 'text', 'f'],
    ['HINCRBY', 'text', 'f', '1'],
    ['HINCRBYFLOAT', 'text', 'f', '1'],
    ['HRANDFIELD', 'text'],
    ['HRANDFIELD', 'text', '0'],
    ['HSCAN', 'text', '0'],
  ]
  for (const request of requests) assert.is(await client.error(...request), WRONG_TYPE)
  assert.is(await client.call('GET', 'text'), '1')
})

test('answers mistakes with the texts of Redis', async () => {
  const client = await server.connect()
  await client.call('HSET', 'bad', 'text', 'abc', 'max', '9223372036854775807', 'space', ' 1')
  const argc = (name: string): string => `ERR wrong number of arguments for '${name}' command`
  const cases: [words: string[], error: string][] = [
    [['HSET', 'k', 'f', 'v', 'g'], argc('hset')],
    [['HMSET', 'k', 'f', 'v', 'g'], argc('hmset')],
    [['HMGET', 'k'], argc('hmget')],
    [['HDEL', 'k'], argc('hdel')],
    [['HINCRBY', 'k', 'f'], argc('hincrby')],
    [['HSCAN', 'k'], argc('hscan')],
    [['HRANDFIELD'], argc('hrandfield')],
    [['HINCRBY', 'bad', 'text', '1'], 'ERR hash value is not an integer'],
    [['HINCRBY', 'bad', 'space', '1'], 'ERR hash value is not an integer'],
    [['HINCRBY', 'bad', 'f', '1.5'], NOT_INTEGER],
    [['HINCRBY', 'bad', 'f', '+1'], NOT_INTEGER],
    [['HINCRBY', 'bad', 'max', '1'], 'ERR increment or decrement would overflow'],
    [['HINCRBYFLOAT', 'bad', 'text', '1'], 'ERR hash value is not a float'],
    [['HINCRBYFLOAT', 'bad', 'f', 'x'], 'ERR value is not a valid float'],
    [['HINCRBYFLOAT', 'bad', 'f', '-inf'], 'ERR value is NaN or Infinity'],
    [['HRANDFIELD', 'bad', 'x'], NOT_INTEGER],
    [['HRANDFIELD', 'bad', '1', 'VALUES'], 'ERR syntax error'],
    [['HRANDFIELD', 'bad', '1', 'WITHVALUES', 'x'], 'ERR syntax error'],
    [['HRANDFIELD', 'bad', '-9223372036854775807'], 'ERR value is out of range'],
    [['HRANDFIELD', 'bad', '9223372036854775807', 'WITHVALUES'], 'ERR value is out of range'],
    [['HSCAN', 'bad', 'x'], 'ERR invalid cursor'],
    [['HSCAN', 'bad', '-1'], 'ERR invalid cursor'],
    [['HSCAN', 'bad', '18446744073709551616'], 'ERR invalid cursor'],
    [['HSCAN', 'bad', '0', 'COUNT', '0'], 'ERR syntax error'],
    [['HSCAN', 'bad', '0', 'COUNT', 'x'], NOT_INTEGER],
    [['HSCAN', 'bad', '0', 'COUNT'], 'ERR syntax error'],
    [['HSCAN', 'bad', '0', 'TYPE', 'hash'], 'ERR syntax error'],
  ]
  for (const [words, error] of cases) assert.is(await client.error(...words), error)
  assert.is(await client.call('HLEN', 'bad'), 3)
})

test('adds to fields', async () => {
  const max = '9223372036854775807'
  await exchanges(2, [
    [['HINCRBY', 'n', 'i', '5'], ':5\r\n'],
    [['HINCRBY', 'n', 'i', '-7'], ':-2\r\n'],
    [['HINCRBY', 'n', 'm', max], `:${max}\r\n`],
    [['HINCRBY', 'n', 'm', '-1'], ':9223372036854775806\r\n'],
    [['HGET', 'n', 'm'], '$19\r\n9223372036854775806\r\n'],
    [['HINCRBYFLOAT', 'n', 'f', '0.1'], '$3\r\n0.1\r\n'],
    [['HINCRBYFLOAT', 'n', 'f', '0.2'], '$3\r\n0.3\r\n'],
    [['HINCRBYFLOAT', 'n', 'g', '3.0e3'], '$4\r\n3000\r\n'],
    [['HSET', 'n', 'h', '10.50'], ':1\r\n'],
    [['HINCRBYFLOAT', 'n', 'h', '0.1'], '$4\r\n10.6\r\n'],
    [['HGET', 'n', 'h'], '$4\r\n10.6\r\n'],
  ])
  await exchanges(3, [
    [['HINCRBYFLOAT', 'n', 'h', '0.4'], '$2\r\n11\r\n'],
    [['HINCRBY', 'n', 'h', '1'], ':12\r\n'],
  ])
})

test('adds as exactly where a double holds the sum as where it does not', async () => {
  const values = [0n, 1n, 10n ** 15n - 1n, 10n ** 15n, 2n ** 53n, 2n ** 63n - 1n]
  const signed = values.flatMap(value => [value, -value])
  const client = await server.connect()
  for (const value of signed) {
    for (const by of signed) {
      const sum = value + by
      if (sum >= 2n ** 63n || sum < -(2n ** 63n)) continue
      await client.call('SET', 'exact', `${value}`)
      await client.call('HSET', 'exact sum', 'f', `${value}`)
      for (const key of [
        ['INCRBY', 'exact'],
        ['HINCRBY', 'exact sum', 'f'],
      ]) {
        assert.is(String(await client.call(...key, `${by}`)), `${sum}`)
      }
      assert.is(await client.call('GET', 'exact'), `${sum}`)
      assert.is(await client.call('HGET', 'exact sum', 'f'), `${sum}`)
    }
  }
})

test('draws fields at random, in the shapes of both protocols', async () => {
  await exchanges(2, [
    [['HSET', 'one', 'f', 'v'], ':1\r\n'],
    [['HRANDFIELD', 'one'], '$1\r\nf\r\n'],
    [['HRANDFIELD', 'one', '3'], '*1\r\n$1\r\nf\r\n'],
    [['HRANDFIELD', 'one', '-2'], '*2\r\n$1\r\nf\r\n$1\r\nf\r\n'],
    [['HRANDFIELD', 'one', '0'], '*0\r\n'],
    [['HRANDFIELD', 'one', '-2', 'withvalues'], `*4\r\n${'$1\r\nf\r\n$1\r\nv\r\n'.repeat(2)}`],
  ])
  await exchanges(3, [
    [['HRANDFIELD', 'one', '1'], '*1\r\n$1\r\nf\r\n'],
    [['HRANDFIELD', 'one', '1', 'WITHVALUES'], '*1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n'],
  ])
  const client = await server.connect()
  const fields = Array.from({ length: 20 }, (_, i) => `f${i}`)
  await client.call('HSET', 'many', ...fields.flatMap(field => [field, '1']))
  const draw = (count: number) => client.call('HRANDFIELD', 'many', String(count))
  assert.is(new Set((await draw(7)) as string[]).size, 7)
  assert.equal(((await draw(50)) as string[]).sort(), fields.sort())
  assert.is(((await draw(-50)) as string[]).length, 50)
  const seen = new Set<Data>()
  while (seen.size < fields.length) seen.add(await client.call('HRANDFIELD', 'many'))
})

/** All pages of HSCAN, as pairs. */
async function scanned(client: RespClient, name: string, ...options: string[]) {
  const pairs: [string, string][] = []
  let cursor = '0'
  let pages = 0
  do {
    const [next, flat] = (await client.call('HSCAN', name, cursor, ...options)) as [
      string,
      string[],
    ]
    for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i]!, flat[i + 1]!])
    cursor = next
    pages++
  } while (cursor !== '0')
  return { pairs, pages }
}

test('scans small hashes at once, and large ones in pages', async () => {
  for (const protocol of [2, 3] as const) {
    const client = await server.connect(protocol)
    const fields = Array.from({ length: 3_000 }, (_, i) => [`f${i}`, `v${i}`] as const)
    await client.call('HSET', 'small', ...fields.slice(0, 100).flat())
    await client.call('HSET', 'large', ...fields.flat())
    const small = await scanned(client, 'small', 'COUNT', '1')
    assert.is(small.pages, 1)
    assert.equal(new Map(small.pairs), new Map(fields.slice(0, 100)))
    const large = await scanned(client, 'large', 'COUNT', '100')
    assert.is(large.pages, 30)
    assert.is(large.pairs.length, 3_000)
    assert.equal(new Map(large.pairs), new Map(fields))
    const some = await scanned(client, 'large', 'MATCH', 'f*99', 'COUNT', '1000')
    assert.is(some.pairs.length, 30)
    assert.is((await scanned(client, 'large', 'MATCH', 'F*')).pairs.length, 0)
  }
})

test('a scan shows every field that stays, whatever comes and goes', async () => {
  const client = await server.connect()
  const names = Array.from({ length: 2_000 }, (_, i) => `f${i}`)
  await client.call('HSET', 'moving', ...names.flatMap(name => [name, '1']))
  const seen = new Set<string>()
  let cursor = '0'
  let page = 0
  do {
    const reply = await client.call('HSCAN', 'moving', cursor, 'COUNT', '50')
    const [next, flat] = reply as [string, string[]]
    for (let i = 0; i < flat.length; i += 2) seen.add(flat[i]!)
    cursor = next
    // Every third field goes, some before they are seen; others come.
    for (let i = 0; i < 30; i++) client.send('HDEL', 'moving', `f${(page * 30 + i) * 3}`)
    for (let i = 0; i < 20; i++) client.send('HSET', 'moving', `new${page}:${i}`, '1')
    for (let i = 0; i < 50; i++) await client.read()
    page++
  } while (cursor !== '0')
  const stayed = names.filter((_, i) => i % 3 !== 0)
  assert.equal(
    stayed.filter(name => !seen.has(name)),
    [],
  )
})

test('brings fields back after a restart, and none that were deleted', async () => {
  const before = await server.connect()
  await before.call('HSET', 'kept', 'a', '1', 'b', '2', 'c', '3')
  await before.call('HDEL', 'kept', 'b')
  await before.call('HINCRBY', 'kept', 'c', '4')
  await before.call('HSET', 'emptied', 'a', '1')
  await before.call('HDEL', 'emptied', 'a')
  await server.restart()
  const after = await server.connect(3)
  const fields = new Map([
    ['a', '1'],
    ['c', '7'],
  ])
  assert.equal(await after.call('HGETALL', 'kept'), fields)
  await after.call('HDEL', 'kept', 'a')
  await server.restart()
  const last = await server.connect(3)
  assert.equal(await last.call('HGETALL', 'kept'), new Map([['c', '7']]))
  assert.equal(await last.call('HGETALL', 'emptied'), new Map())
})

test.run()
