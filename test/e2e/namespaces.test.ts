/** Namespaces through a socket, and their isolation. */
import * as assert from 'uvu/assert'
import { batchOf } from '../support/bucket.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'

const { server, test } = serverSuite('namespaces', ['session_attributes.input_type=json'])

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

test('refuses a name that is too long for a key, and only that', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect()))
  const long = 'x'.repeat(12_000)
  for (let round = 0; round < 5; round++) {
    const replies = await Promise.all(
      clients.map((client, i) => {
        const name = i % 4 === 3 ? long : `n${round}-${i}`
        return client.frame('NAMESPACE', 'CREATE', `lengths.${name}`)
      }),
    )
    for (const [i, { type, value }] of replies.entries()) {
      const expected = i % 4 === 3 ? '-KEY_TOO_LARGE Key length exceeds limit' : '+OK'
      assert.is(`${type}${value}`, expected)
    }
  }
  const [client] = clients
  const names = (await client!.call('NAMESPACE', 'LIST', 'lengths')) as string[]
  assert.is(names.length, 30)
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

test('does what the example of the contract shows', async () => {
  const client = await server.connect()
  const steps: [request: string, reply: string][] = [
    ['NAMESPACE CREATE show.line-3.sensors', '+OK'],
    ['NAMESPACE LIST show', '*1\r\n$6\r\nline-3'],
    ['NAMESPACE USE show.line-3.sensors', '+OK'],
    ['ZSET t0 20.5', '+OK'],
    ['NAMESPACE MOVE show.line-3 show.line-9', '+OK'],
    ['ZGET t0', '-NOSUCHNAMESPACE No such namespace: show.line-3.sensors'],
    ['NAMESPACE USE show.line-9.sensors', '+OK'],
    ['ZGET t0', '$4\r\n20.5'],
    ['NAMESPACE USE global', '+OK'],
    [
      'NAMESPACE PURGE show.line-9',
      "-ERR Namespace 'show.line-9' must be logically removed before purge",
    ],
    ['NAMESPACE REMOVE show.line-9', '+OK'],
    [
      'NAMESPACE USE show.line-9.sensors',
      "-NAMESPACEBEINGREMOVED Namespace 'show.line-9' is being removed",
    ],
    ['NAMESPACE PURGE show.line-9', '+OK'],
    ['NAMESPACE EXISTS show.line-9', ':0'],
    ['NAMESPACE REMOVE global', "-ERR Cannot remove the default namespace: 'global'"],
  ]
  for (const [request, reply] of steps) await client.exchange(request.split(' '), `${reply}\r\n`)
})

test('answers in both protocols with the same frames', async () => {
  for (const protocol of [2, 3] as const) {
    const client = await server.connect(protocol)
    const top = `frames-${protocol}`
    const exchange = (words: string, reply: string): Promise<void> =>
      client.exchange(['NAMESPACE', ...words.split(' ')], `${reply}\r\n`)
    await exchange(`CREATE ${top}.a`, '+OK')
    await exchange(`EXISTS ${top}`, ':1')
    await exchange(`LIST ${top}`, '*1\r\n$1\r\na')
    await exchange(`LIST ${top}.a`, '*0')
    await exchange(`MOVE ${top}.a ${top}.b`, '+OK')
    await exchange(`EXISTS ${top}.a`, ':0')
    await exchange(`USE ${top}.b`, '+OK')
    await exchange('CURRENT', `$${top.length + 2}\r\n${top}.b`)
    await exchange(`REMOVE ${top}`, '+OK')
    const removed = `-NAMESPACEBEINGREMOVED Namespace '${top}' is being removed`
    for (const words of [`EXISTS ${top}.b`, `USE ${top}`, `REMOVE ${top}`, `CREATE ${top}.c.d`]) {
      await exchange(words, removed)
    }
    await exchange(`LIST ${top}`, '*1\r\n$1\r\nb')
    await exchange('CURRENT', `$${top.length + 2}\r\n${top}.b`)
    await exchange(`PURGE ${top}`, '+OK')
    await exchange(`PURGE ${top}`, `-NOSUCHNAMESPACE No such namespace: ${top}`)
    await exchange('CURRENT', `$${top.length + 2}\r\n${top}.b`)
  }
})

test('checks MOVE, REMOVE and PURGE in the order of the contract', async () => {
  const client = await server.connect()
  for (const path of ['order.a.b', 'order.gone.below', 'order.taken']) {
    await client.call('NAMESPACE', 'CREATE', path)
  }
  await client.call('NAMESPACE', 'REMOVE', 'order.gone')
  const arity = (name: string): string => `ERR wrong number of arguments for '${name}' command`
  const reserved = "ERR Namespace '__internal__.x' is reserved for internal use"
  const gone = "NAMESPACEBEINGREMOVED Namespace 'order.gone' is being removed"
  const cases: [words: string, error: string][] = [
    ['MOVE', arity('NAMESPACE')],
    ['MOVE order.a', arity('NAMESPACE')],
    ['MOVE order.a order.z order.y', arity('NAMESPACE MOVE')],
    ['MOVE nosuch __internal__.x', reserved],
    ['MOVE __internal__.x order.a', reserved],
    ['MOVE nosuch a..b', "ERR invalid namespace: 'a..b'"],
    ['MOVE nosuch order.taken', 'NOSUCHNAMESPACE No such namespace: nosuch'],
    ['MOVE order.gone order.taken', gone],
    ['MOVE order.gone.below order.taken', gone],
    ['MOVE order.a order.a', 'NAMESPACEALREADYEXISTS Namespace already exists: order.a'],
    ['MOVE order.a order.a.b', 'NAMESPACEALREADYEXISTS Namespace already exists: order.a.b'],
    ['MOVE global order.taken', 'NAMESPACEALREADYEXISTS Namespace already exists: order.taken'],
    [
      'MOVE order.a order.a.c.d',
      "ERR cannot move namespace 'order.a' into its own descendant 'order.a.c.d'",
    ],
    ['MOVE global order.z', "ERR Cannot move the default namespace: 'global'"],
    ['MOVE order.a order.gone.z', gone],
    ['REMOVE', arity('NAMESPACE REMOVE')],
    ['REMOVE a b', arity('NAMESPACE REMOVE')],
    ['REMOVE __internal__.x', reserved],
    ['REMOVE .a', "ERR invalid namespace: '.a'"],
    ['REMOVE nosuch', 'NOSUCHNAMESPACE No such namespace: nosuch'],
    ['REMOVE order.gone', gone],
    ['PURGE', arity('NAMESPACE PURGE')],
    ['PURGE a b', arity('NAMESPACE PURGE')],
    ['PURGE __internal__.x', reserved],
    ['PURGE global', "ERR Cannot purge the default namespace: 'global'"],
    ['PURGE nosuch', 'NOSUCHNAMESPACE No such namespace: nosuch'],
    ['PURGE order.a', "ERR Namespace 'order.a' must be logically removed before purge"],
    [
      'PURGE order.gone.below',
      "ERR Namespace 'order.gone.below' must be logically removed before purge",
    ],
    ['EXISTS a b', arity('NAMESPACE EXISTS')],
    ['CURRENT a', arity('NAMESPACE CURRENT')],
    ['LIST a b', arity('NAMESPACE LIST')],
    ['USE', arity('NAMESPACE USE')],
  ]
  for (const [words, error] of cases) {
    assert.is(await client.error('NAMESPACE', ...words.split(' ').filter(Boolean)), error, words)
  }
  assert.equal(await client.call('NAMESPACE', 'LIST', 'order'), ['a', 'gone', 'taken'])
})

test('moves data, buckets and children, and makes missing parents', async () => {
  const client = await server.connect()
  await client.call('NAMESPACE', 'CREATE', 'from.here.child')
  for (const path of ['from.here', 'from.here.child']) {
    await client.call('NAMESPACE', 'USE', path)
    await client.call('ZSET', 'k', path)
    await client.call('BUCKET.CREATE', 'b')
    await client.call('BUCKET.INSERT', 'b', 'DOCS', '{"n": 1}')
  }
  await client.call('NAMESPACE', 'MOVE', 'from.here', 'to.there.now')
  assert.equal(await client.call('NAMESPACE', 'LIST', 'from'), [])
  assert.equal(await client.call('NAMESPACE', 'LIST', 'to'), ['there'])
  for (const path of ['here', 'here.child']) {
    await client.call('NAMESPACE', 'USE', path.replace('here', 'to.there.now'))
    assert.is(await client.call('ZGET', 'k'), `from.${path}`)
    assert.is((await batchOf(client, 'BUCKET.QUERY', 'b', '{"n": 1}')).items.length, 1)
  }
  // The path that was left is free at once where there is no other member.
  await client.call('NAMESPACE', 'CREATE', 'from.here.child')
  await client.call('NAMESPACE', 'USE', 'from.here.child')
  assert.is(await client.call('ZGET', 'k'), null)
})

test('starts anew after PURGE', async () => {
  const client = await server.connect()
  for (let round = 0; round < 3; round++) {
    await client.call('NAMESPACE', 'CREATE', 'again.and.again')
    await client.call('NAMESPACE', 'USE', 'again.and.again')
    assert.is(await client.call('ZGET', 'k'), null)
    assert.equal(await client.call('BUCKET.LIST'), [])
    await client.call('ZSET', 'k', 'v')
    await client.call('BUCKET.CREATE', 'b')
    await client.call('NAMESPACE', 'REMOVE', 'again')
    await client.call('NAMESPACE', 'PURGE', 'again')
    assert.is(await client.error('ZGET', 'k'), 'NOSUCHNAMESPACE No such namespace: again.and.again')
  }
})

test('purges more namespaces than one transaction deletes', async () => {
  const client = await server.connect()
  const names = Array.from({ length: 2_500 }, (_, i) => `many.n${i % 7}.m${i}`)
  for (const name of names) client.send('NAMESPACE', 'CREATE', name)
  for (const name of names) assert.is(await client.readData(), 'OK', name)
  await client.call('NAMESPACE', 'REMOVE', 'many')
  await client.call('NAMESPACE', 'PURGE', 'many')
  assert.is(await client.call('NAMESPACE', 'EXISTS', 'many'), 0)
  await client.call('NAMESPACE', 'CREATE', 'many')
  assert.equal(await client.call('NAMESPACE', 'LIST', 'many'), [])
})

test('refuses data commands and cursors of what is removed, moved or gone', async () => {
  const client = await server.connect()
  const other = await server.connect()
  const requests = [
    ['ZGET', 'k'],
    ['ZSET', 'k', 'v'],
    ['ZGETRANGE', '*', '*'],
    ['BUCKET.LIST'],
    ['BUCKET.CREATE', 'c'],
    ['BUCKET.INSERT', 'b', 'DOCS', '{}'],
    ['BUCKET.QUERY', 'b', '{}'],
    ['BUCKET.DELETE', 'b', '{}'],
    ['BUCKET.ADVANCE', 'QUERY', '1'],
    ['BUCKET.ADVANCE', 'DELETE', '2'],
  ]
  const refusesAll = async (error: string): Promise<void> => {
    for (const words of requests) assert.is(await client.error(...words), error, words.join(' '))
  }
  for (const path of ['state.a.b', 'state.c']) await other.call('NAMESPACE', 'CREATE', path)
  for (const path of ['state.c', 'state.a.b']) {
    await client.call('NAMESPACE', 'USE', path)
    await client.call('BUCKET.CREATE', 'b')
    await client.call('BUCKET.INSERT', 'b', 'DOCS', '{}', '{}', '{}', '{}')
  }
  await client.call('BUCKET.QUERY', 'b', '{}', 'LIMIT', '1')
  await client.call('BUCKET.DELETE', 'b', '{}', 'LIMIT', '1')
  await other.call('NAMESPACE', 'MOVE', 'state.a', 'state.z')
  await refusesAll('NOSUCHNAMESPACE No such namespace: state.a.b')
  await other.call('NAMESPACE', 'MOVE', 'state.z', 'state.a')
  await client.call('BUCKET.ADVANCE', 'QUERY', '1')
  await other.call('NAMESPACE', 'REMOVE', 'state.a')
  await refusesAll("NAMESPACEBEINGREMOVED Namespace 'state.a' is being removed")
  // A cursor keeps its namespace.
  await client.call('NAMESPACE', 'USE', 'state.c')
  assert.match(await client.error('BUCKET.ADVANCE', 'QUERY', '1'), /^NAMESPACEBEINGREMOVED /)
  await other.call('NAMESPACE', 'PURGE', 'state.a')
  assert.match(await client.error('BUCKET.ADVANCE', 'QUERY', '1'), /^NOSUCHNAMESPACE /)
  // Another namespace of the same path has none of the cursor's documents.
  await other.call('NAMESPACE', 'CREATE', 'state.a.b')
  assert.match(await client.error('BUCKET.ADVANCE', 'QUERY', '1'), /^NOSUCHBUCKET /)
})

test('protects the default namespace and those above it', () =>
  withTestServer(['default_namespace=main.app'], async apart => {
    const client = await apart.connect()
    assert.is(await client.call('NAMESPACE', 'CURRENT'), 'main.app')
    for (const path of ['main', 'main.app']) {
      const named = "the default namespace: 'main.app'"
      assert.is(await client.error('NAMESPACE', 'REMOVE', path), `ERR Cannot remove ${named}`)
      assert.is(await client.error('NAMESPACE', 'PURGE', path), `ERR Cannot purge ${named}`)
      assert.is(await client.error('NAMESPACE', 'MOVE', path, 'z'), `ERR Cannot move ${named}`)
    }
    await client.call('NAMESPACE', 'CREATE', 'main.apple')
    await client.call('NAMESPACE', 'REMOVE', 'main.apple')
  }))

test('removes and purges in one step where it is set so', () =>
  withTestServer(['namespaces.remove_mode=immediate'], async apart => {
    const client = await apart.connect()
    await client.call('NAMESPACE', 'CREATE', 'a.b')
    await client.call('NAMESPACE', 'REMOVE', 'a')
    assert.is(await client.call('NAMESPACE', 'EXISTS', 'a'), 0)
    const gone = 'NOSUCHNAMESPACE No such namespace: a'
    assert.is(await client.error('NAMESPACE', 'PURGE', 'a'), gone)
    assert.is(await client.error('NAMESPACE', 'REMOVE', 'a'), gone)
    assert.is(await client.call('NAMESPACE', 'CREATE', 'a.b'), 'OK')
  }))

test('quotes missing namespaces with the current error names', () =>
  withTestServer(['compat.error_names=current'], async apart => {
    const client = await apart.connect()
    const missing = "NOSUCHNAMESPACE No such namespace: 'a.b'"
    for (const words of ['USE a.b', 'LIST a.b', 'MOVE a.b c', 'REMOVE a.b', 'PURGE a.b']) {
      assert.is(await client.error('NAMESPACE', ...words.split(' ')), missing)
    }
    await client.call('NAMESPACE', 'CREATE', 'a.b')
    await client.call('NAMESPACE', 'USE', 'a.b')
    await client.call('NAMESPACE', 'MOVE', 'a.b', 'c')
    assert.is(await client.error('ZGET', 'k'), missing)
    assert.is(await client.error('BUCKET.LIST'), missing)
  }))

test('refuses every subcommand before the cluster is initialised', () =>
  withTestServer(['cluster.auto_bootstrap=false'], async apart => {
    const client = await apart.connect()
    const early = 'ERR cluster has not been initialized yet'
    const requests = ['CREATE a', 'USE a', 'CURRENT', 'EXISTS a', 'LIST', 'MOVE a b', 'REMOVE a']
    for (const words of [...requests, 'PURGE a']) {
      assert.is(await client.error('NAMESPACE', ...words.split(' ')), early)
    }
  }))

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
