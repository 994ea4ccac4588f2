/** ZSET, ZGET, ZDEL and ZGETRANGE through a socket. */
import * as assert from 'uvu/assert'
import { bytesOf, type Data, elementsOf, encodeRequest } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('zmap')

test('sets, gets and deletes', async () => {
  const client = await server.connect()
  await client.exchange(['ZSET', 'k', 'v1'], '+OK\r\n')
  await client.exchange(['zset', 'k', 'v2'], '+OK\r\n')
  await client.exchange(['ZGET', 'k'], '$2\r\nv2\r\n')
  await client.exchange(['ZDEL', 'k'], '+OK\r\n')
  await client.exchange(['ZDEL', 'k'], '+OK\r\n')
  await client.exchange(['ZGET', 'k'], '$-1\r\n')
  await client.call('HELLO', '3')
  await client.exchange(['ZGET', 'k'], '_\r\n')
  await client.exchange(['ZGETRANGE', 'k', 'l'], '*0\r\n')
  await client.exchange(['ZSET', 'k', ''], '+OK\r\n')
  await client.exchange(['ZGETRANGE', 'k', 'l'], '*1\r\n*2\r\n$1\r\nk\r\n$0\r\n\r\n')
})

test('keeps any bytes, the empty key and value, and the order of bytes', async () => {
  const client = await server.connect()
  await client.call('NAMESPACE', 'CREATE', 'bytes')
  await client.call('NAMESPACE', 'USE', 'bytes')
  const keys = [
    [],
    [0],
    [0, 0],
    [0, 255],
    [1],
    [1, 0],
    [42],
    [127],
    [128],
    [255],
    [255, 0],
    [255, 255],
  ]
  const shuffled = [...keys].sort((a, b) => ((a.length * 7) % 5) - ((b.length * 7) % 5))
  for (const key of shuffled) await client.call('ZSET', Buffer.from(key), Buffer.from([...key, 9]))
  const pairs = elementsOf(await client.frame('ZGETRANGE', '*', '*'))
  const found = pairs.map(pair => elementsOf(pair).map(bytesOf))
  assert.equal(
    found.map(([key]) => [...key!]),
    keys,
  )
  for (const [key, bytes] of found) assert.equal([...bytes!], [...key!, 9])
  for (const key of keys) {
    assert.equal([...(await client.callBytes('ZGET', Buffer.from(key)))], [...key, 9])
  }
})

test('resolves ranges, selectors and options as documented', async () => {
  const client = await server.connect()
  await client.call('NAMESPACE', 'CREATE', 'worked')
  await client.call('NAMESPACE', 'USE', 'worked')
  for (let i = 0; i <= 6; i++) await client.call('ZSET', `k${i}`, `v${i}`)
  const range = async (text: string): Promise<string> => {
    const pairs = (await client.call('ZGETRANGE', ...text.split(' '))) as [string, string][]
    for (const [key, value] of pairs) assert.is(value, key.replace('k', 'v'))
    return pairs.map(([key]) => key).join(' ')
  }
  const cases: [call: string, keys: string][] = [
    ['k1 k4', 'k1 k2 k3'],
    ['k1 k4 END_KEY_SELECTOR FIRST_GREATER_THAN', 'k1 k2 k3 k4'],
    ['k1 k4 END_KEY_SELECTOR FIRST_GREATER_OR_EQUAL', 'k1 k2 k3'],
    ['k1 k4 END_KEY_SELECTOR LAST_LESS_OR_EQUAL', 'k1 k2 k3'],
    ['k1 k4 end_key_selector last_less_than', 'k1 k2'],
    ['k1 k4 BEGIN_KEY_SELECTOR FIRST_GREATER_THAN', 'k2 k3'],
    ['k1 k4 BEGIN_KEY_SELECTOR LAST_LESS_THAN', 'k0 k1 k2 k3'],
    ['k1 k4 LIMIT 2 REVERSE', 'k3 k2'],
    ['k1 k4 reverse limit 2', 'k3 k2'],
    ['k0 k6 LIMIT 3', 'k0 k1 k2'],
    ['k0 k6 LIMIT 3 LIMIT 1', 'k0'],
    ['* k1', 'k0'],
    ['k5 *', 'k5 k6'],
    ['* *', 'k0 k1 k2 k3 k4 k5 k6'],
    ['* * END_KEY_SELECTOR LAST_LESS_THAN', 'k0 k1 k2 k3 k4 k5'],
    ['k15 k35', 'k2 k3'],
    ['k4 k1', ''],
    ['a b', ''],
    ['a z BEGIN_KEY_SELECTOR LAST_LESS_THAN', 'k0 k1 k2 k3 k4 k5 k6'],
  ]
  for (const [call, keys] of cases) assert.is(await range(call), keys, call)
})

test('answers mistakes with the documented texts', async () => {
  const client = await server.connect()
  const cases: [words: string[], error: string][] = [
    [['ZGETRANGE', 'a', 'b', 'LIMIT', 'x'], 'ERR value is not an integer or out of range'],
    [['ZGETRANGE', 'a', 'b', 'LIMIT', '-1'], 'RANGE_LIMITS_INVALID Range limits not valid'],
    [['ZGETRANGE', 'a', 'b', 'LIMIT'], 'ERR syntax error'],
    [['ZGETRANGE', 'a', 'b', 'foo'], 'ERR syntax error'],
    [['ZGETRANGE', 'a', 'b', 'END_KEY_SELECTOR', 'x'], "ERR unknown key selector: 'x'"],
    [['ZGETRANGE', 'a'], "ERR wrong number of arguments for 'ZGETRANGE' command"],
    [['ZSET', 'a'], "ERR wrong number of arguments for 'ZSET' command"],
    [['ZGET'], "ERR wrong number of arguments for 'ZGET' command"],
    [['ZDEL', 'a', 'b'], "ERR wrong number of arguments for 'ZDEL' command"],
  ]
  for (const [words, error] of cases) assert.is(await client.error(...words), error)
})

test('returns long ranges whole, in both directions', async () => {
  const client = await server.connect()
  await client.call('NAMESPACE', 'CREATE', 'long')
  await client.call('NAMESPACE', 'USE', 'long')
  const keys = Array.from({ length: 5_000 }, (_, i) => `key:${String(i).padStart(5, '0')}`)
  const value = 'x'.repeat(200)
  const requests = [['BEGIN'], ...keys.map(key => ['ZSET', key, value]), ['COMMIT']]
  client.write(Buffer.concat(requests.map(encodeRequest)))
  await client.expect('+OK\r\n'.repeat(requests.length))
  const read = async (...words: string[]): Promise<string[]> => {
    const pairs = (await client.call('ZGETRANGE', ...words)) as [string, string][]
    return pairs.map(([key]) => key)
  }
  assert.equal(await read('*', '*', 'LIMIT', '0'), keys)
  assert.equal(await read('*', '*', 'LIMIT', '0', 'REVERSE'), [...keys].reverse())
  assert.is((await read('*', '*')).length, 100)
  assert.equal(await read('key:01000', 'key:03000', 'LIMIT', '1500'), keys.slice(1000, 2500))
})

test('keeps committed data over a restart and a crash', async () => {
  const before = await server.connect()
  await before.call('ZSET', 'graceful', '1')
  await server.restart()
  const between = await server.connect()
  assert.is(await between.call('ZGET', 'graceful'), '1')
  await between.call('ZSET', 'crashed', '2')
  await between.call('ZDEL', 'graceful')
  await server.kill()
  await server.start()
  const after = await server.connect()
  const replies: Data[] = [
    await after.call('ZGET', 'crashed'),
    await after.call('ZGET', 'graceful'),
  ]
  assert.equal(replies, ['2', null])
})

test.run()
