/** Namespaces through a socket, and their isolation. */
import * as assert from 'uvu/assert'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('namespaces')

test('starts in the default namespace', async () => {
  const client = await server.connect()
  assert.is(await client.call('NAMESPACE', 'CURRENT'), 'global')
  assert.is(await client.call('namespace', 'exists', 'global'), 1)
  assert.ok(((await client.call('NAMESPACE', 'LIST')) as string[]).includes('global'))
})

test('creates parents on the way, as complete namespaces', async () => {
  const client = await server.connect()
  await client.exchange(['NAMESPACE', 'CREATE', 'plant.line-3.sensors'], '+OK\r\n')
  assert.equal(await client.call('NAMESPACE', 'LIST', 'plant'), ['line-3'])
  assert.equal(await client.call('NAMESPACE', 'LIST', 'plant.line-3.sensors'), [])
  for (const path of ['plant', 'plant.line-3', 'plant.line-3.sensors']) {
    assert.is(await client.call('NAMESPACE', 'EXISTS', path), 1)
    assert.is(
      await client.error('NAMESPACE', 'CREATE', path),
      `NAMESPACEALREADYEXISTS Namespace already exists: ${path}`,
    )
  }
  await client.call('NAMESPACE', 'USE', 'plant')
  assert.is(await client.call('ZSET', 'k', 'v'), 'OK')
})

test('lists children in byte order', async () => {
  const client = await server.connect()
  for (const name of ['b', 'a', 'ä', 'B', 'a-1']) {
    await client.call('NAMESPACE', 'CREATE', `sorted.${name}`)
  }
  assert.equal(await client.call('NAMESPACE', 'LIST', 'sorted'), ['B', 'a', 'a-1', 'b', 'ä'])
})

test('keeps keys and buckets of namespaces apart', async () => {
  const client = await server.connect()
  const other = await server.connect()
  for (const path of ['apart', 'apart.child']) {
    await client.call('NAMESPACE', 'CREATE', path)
    await client.call('NAMESPACE', 'USE', path)
    await client.call('ZSET', 'k', path)
    await client.call('BUCKET.CREATE', 'b')
  }
  assert.is(await client.call('NAMESPACE', 'CURRENT'), 'apart.child')
  assert.is(await other.call('NAMESPACE', 'CURRENT'), 'global')
  assert.is(await other.call('ZGET', 'k'), null)
  assert.match(await other.error('BUCKET.QUERY', 'b', '{}'), /^NOSUCHBUCKET /)
  await other.call('NAMESPACE', 'USE', 'apart')
  assert.equal(await other.call('ZGETRANGE', '*', '*'), [['k', 'apart']])
})

test('gives one of many concurrent creators the namespace', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect()))
  const frames = await Promise.all(
    clients.map(client => client.frame('NAMESPACE', 'CREATE', 'raced.one')),
  )
  assert.is(frames.filter(({ type }) => type === '+').length, 1)
  for (const { type, value } of frames) {
    if (type === '-') assert.match(String(value), /^NAMESPACEALREADYEXISTS /)
  }
  const siblings = await Promise.all(
    clients.map((client, i) => client.frame('NAMESPACE', 'CREATE', `crowd.child-${i}`)),
  )
  assert.ok(siblings.every(({ type }) => type === '+'))
})

test('answers mistakes with the documented texts', async () => {
  const client = await server.connect()
  const deep = Array.from({ length: 11 }, (_, i) => `d${i}`).join('.')
  const cases: [words: string[], error: string][] = [
    [[], "ERR wrong number of arguments for 'NAMESPACE' command"],
    [[' '], 'ERR invalid subcommand given'],
    [['foo'], "ERR unknown subcommand: 'FOO'"],
    [['CREATE'], "ERR wrong number of arguments for 'NAMESPACE CREATE' command"],
    [['USE', 'a', 'b'], "ERR wrong number of arguments for 'NAMESPACE USE' command"],
    [['CREATE', deep], 'ERR Namespace depth exceeds maximum allowed depth of 10'],
    [['CREATE', 'a..b'], "ERR invalid namespace: 'a..b'"],
    [['CREATE', ''], "ERR invalid namespace: ''"],
    [['USE', 'nosuch'], 'NOSUCHNAMESPACE No such namespace: nosuch'],
    [['LIST', 'nosuch'], 'NOSUCHNAMESPACE No such namespace: nosuch'],
    ...['CREATE', 'USE', 'LIST', 'EXISTS'].map((name): [string[], string] => [
      [name, 'a.__internal__'],
      "ERR Namespace 'a.__internal__' is reserved for internal use",
    ]),
  ]
  for (const [words, error] of cases) assert.is(await client.error('NAMESPACE', ...words), error)
  assert.is(await client.call('NAMESPACE', 'EXISTS', 'nosuch'), 0)
  assert.is(await client.call('NAMESPACE', 'CURRENT'), 'global')
})

test('keeps namespaces over a restart', async () => {
  const before = await server.connect()
  await before.call('NAMESPACE', 'CREATE', 'durable.one')
  await before.call('NAMESPACE', 'USE', 'durable.one')
  await before.call('ZSET', 'k', 'v')
  await server.restart()
  const after = await server.connect()
  await after.call('NAMESPACE', 'USE', 'durable.one')
  assert.is(await after.call('ZGET', 'k'), 'v')
})

test.run()
