/** Single entries and long ranges of the ZMap through a socket. */
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

test('answers a wrong number of arguments with the documented text', async () => {
  const client = await server.connect()
  const cases: [words: string[], name: string][] = [
    [['ZSET', 'a'], 'ZSET'],
    [['zset', 'a', 'b', 'c'], 'ZSET'],
    [['ZGET'], 'ZGET'],
    [['ZGET', 'a', 'b'], 'ZGET'],
    [['ZDEL', 'a', 'b'], 'ZDEL'],
    [['ZSET.I64', 'a'], 'ZSET.I64'],
    [['ZINC.F64', 'a', '1', '2'], 'ZINC.F64'],
    [['ZGET.D128'], 'ZGET.D128'],
  ]
  for (const [words, name] of cases) {
    const wanted = `ERR wrong number of arguments for '${name}' command`
    assert.is(await client.error(...words), wanted)
  }
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
