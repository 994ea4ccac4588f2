/** BEGIN, COMMIT and ROLLBACK over ZMap, buckets and namespaces, from several connections. */
import * as assert from 'uvu/assert'
import { type Data, encodeRequest, type RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('transactions')

const CONFLICT = 'NOT_COMMITTED Transaction not committed due to conflict with another transaction'
const NONE = 'TRANSACTION there is no transaction in progress.'

async function pair(): Promise<[a: RespClient, b: RespClient]> {
  return [await server.connect(), await server.connect()]
}

async function entries(client: RespClient, bucket: string, filter = '{}'): Promise<Data> {
  const reply = (await client.call('BUCKET.QUERY', bucket, filter)) as Data[]
  return reply[1]!
}

test('shows own writes inside, and all of them outside after the commit', async () => {
  const [a, b] = await pair()
  await a.call('ZSET', 'tx:old', 'before')
  await a.call('BEGIN')
  await a.call('ZSET', 'tx:new', '1')
  await a.call('ZDEL', 'tx:old')
  assert.is(await a.call('ZGET', 'tx:new'), '1')
  assert.is(await a.call('ZGET', 'tx:old'), null)
  assert.equal(await a.call('ZGETRANGE', 'tx:', 'tx;'), [['tx:new', '1']])
  assert.equal(await b.call('ZGETRANGE', 'tx:', 'tx;'), [['tx:old', 'before']])
  await a.exchange(['COMMIT'], '+OK\r\n')
  assert.equal(await b.call('ZGETRANGE', 'tx:', 'tx;'), [['tx:new', '1']])
})

test('leaves nothing after ROLLBACK', async () => {
  const [a, b] = await pair()
  await a.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
  await a.call('BUCKET.CREATE', 'rolled')
  await a.call('BEGIN')
  await a.call('ZSET', 'rolled', '1')
  await a.call('BUCKET.INSERT', 'rolled', 'DOCS', '{"n":1}')
  assert.is(((await entries(a, 'rolled')) as Data[]).length, 1)
  await a.exchange(['ROLLBACK'], '+OK\r\n')
  assert.is(await a.error('ROLLBACK'), NONE)
  for (const client of [a, b]) {
    assert.is(await client.call('ZGET', 'rolled'), null)
    assert.equal(await entries(client, 'rolled'), [])
  }
})

test('commits ZMap, documents and several namespaces together', async () => {
  const [a, b] = await pair()
  await a.call('NAMESPACE', 'CREATE', 'shop.eu')
  await a.call('NAMESPACE', 'CREATE', 'shop.audit')
  await a.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
  await a.call('NAMESPACE', 'USE', 'shop.eu')
  await a.call('BUCKET.CREATE', 'sales')
  await a.call('BEGIN')
  await a.call('ZSET', 'sold', '1')
  await a.call('BUCKET.INSERT', 'sales', 'DOCS', '{"item":"lamp"}')
  await a.call('NAMESPACE', 'USE', 'shop.audit')
  await a.call('ZSET', 'last-sale', 'eu')
  await b.call('NAMESPACE', 'USE', 'shop.audit')
  assert.is(await b.call('ZGET', 'last-sale'), null)
  const stamp = await a.callBytes('COMMIT', 'RETURNING', 'versionstamp')
  assert.is(stamp.length, 10)
  assert.is(await a.call('NAMESPACE', 'CURRENT'), 'shop.audit')
  assert.is(await b.call('ZGET', 'last-sale'), 'eu')
  await b.call('NAMESPACE', 'USE', 'shop.eu')
  assert.is(await b.call('ZGET', 'sold'), '1')
  assert.is(((await entries(b, 'sales')) as Data[]).length, 1)
})

test('lets the first committer win and ends the loser', async () => {
  const [a, b] = await pair()
  await a.call('ZSET', 'stock', '3')
  await a.call('BEGIN')
  assert.is(await a.call('ZGET', 'stock'), '3')
  await b.call('ZSET', 'stock', '2')
  await a.call('ZSET', 'stock', '1')
  assert.is(await a.error('COMMIT'), CONFLICT)
  assert.is(await a.error('COMMIT'), NONE)
  assert.is(await a.call('ZGET', 'stock'), '2')
})

test('decides conflicts by what was read', async () => {
  const [a, b] = await pair()
  const cases: [reads: string[][], other: string[], outcome: string][] = [
    [[['ZGET', 'c:x']], ['ZSET', 'c:x', '1'], CONFLICT],
    [[['ZGET', 'c:none']], ['ZSET', 'c:none', '1'], CONFLICT],
    [[['ZGET', 'c:y']], ['ZSET', 'c:z', '1'], 'OK'],
    [[['ZSET', 'c:blind', 'a']], ['ZSET', 'c:blind', 'b'], 'OK'],
    [[['ZGETRANGE', 'c:', 'c;']], ['ZSET', 'c:mid', '1'], CONFLICT],
    [[['ZDEL', 'c:x']], ['ZSET', 'c:x', '2'], 'OK'],
    [
      [
        ['ZSET', 'c:own', '1'],
        ['ZGET', 'c:own'],
      ],
      ['ZSET', 'c:own', '2'],
      'OK',
    ],
    [
      [
        ['SNAPSHOTREAD', 'ON'],
        ['ZGET', 'c:x'],
        ['SNAPSHOTREAD', 'OFF'],
      ],
      ['ZSET', 'c:x', '3'],
      'OK',
    ],
  ]
  for (const [steps, other, outcome] of cases) {
    await a.call('BEGIN')
    for (const step of steps) await a.call(...step)
    await b.call(...other)
    await a.call('ZSET', 'c;written', '1')
    const { value } = await a.frame('COMMIT')
    assert.is(value, outcome, JSON.stringify(steps))
  }
})

test('never fails a commit that only read', async () => {
  const [a, b] = await pair()
  await a.call('BEGIN')
  await a.call('ZGET', 'read')
  await b.call('ZSET', 'read', '1')
  assert.is(await a.call('COMMIT', 'returning', 'COMMITTED-VERSION'), -1)
  await a.call('BEGIN')
  await a.call('ZGET', 'read')
  assert.is(
    await a.error('COMMIT', 'RETURNING', 'versionstamp'),
    'NO_COMMIT_VERSION Transaction is read-only and therefore does not have a commit version',
  )
  assert.is(await a.error('COMMIT'), NONE)
})

test('returns growing versions', async () => {
  const [a] = await pair()
  let last = Buffer.alloc(10)
  let version = 0
  for (let i = 0; i < 5; i++) {
    await a.call('BEGIN')
    await a.call('ZSET', 'growing', String(i))
    const committed = Number(await a.call('COMMIT', 'RETURNING', 'committed-version'))
    assert.ok(committed > version)
    version = committed
    await a.call('BEGIN')
    await a.call('ZSET', 'growing', String(i))
    const stamp = await a.callBytes('COMMIT', 'RETURNING', 'versionstamp')
    assert.ok(stamp.compare(last) > 0 && stamp.readBigUInt64BE() > BigInt(version))
    last = Buffer.from(stamp)
  }
})

test('leaves the transaction open after a mistake', async () => {
  const [a] = await pair()
  const mistakes: [words: string[], error: string][] = [
    [['COMMIT', 'now'], "ERR unknown subcommand: 'now'"],
    [['COMMIT', 'Returning'], 'ERR No arguments given for Returning'],
    [['COMMIT', 'RETURNING', 'x'], 'ERR Illegal argument: x'],
    [['COMMIT', 'a', 'b', 'c'], "ERR wrong number of arguments for 'COMMIT' command"],
    [['BEGIN', 'x'], "ERR wrong number of arguments for 'BEGIN' command"],
  ]
  for (const [words, error] of mistakes) assert.is(await a.error(...words), error)
  await a.call('BEGIN')
  await a.call('ZSET', 'kept', '1')
  for (const [words, error] of mistakes) assert.is(await a.error(...words), error)
  assert.is(await a.error('BEGIN'), 'TRANSACTION there is already a transaction in progress.')
  assert.match(await a.error('ZGETRANGE', 'a', 'b', 'LIMIT', '-1'), /^RANGE_LIMITS_INVALID /)
  assert.match(await a.error('BUCKET.QUERY', 'nosuch', '{}'), /^NOSUCHBUCKET /)
  await a.exchange(['COMMIT'], '+OK\r\n')
  assert.is(await a.call('ZGET', 'kept'), '1')
})

test('takes a whole transaction in one packet', async () => {
  const [a, b] = await pair()
  const requests = [
    ['BEGIN'],
    ['ZSET', 'piped:1', 'x'],
    ['ZGET', 'piped:1'],
    ['ZSET', 'piped:2', 'x'],
    ['COMMIT'],
    ['ZGET', 'piped:2'],
    ['COMMIT'],
  ]
  a.write(Buffer.concat(requests.map(encodeRequest)))
  await a.expect(`+OK\r\n+OK\r\n$1\r\nx\r\n+OK\r\n+OK\r\n$1\r\nx\r\n-${NONE}\r\n`)
  assert.equal(await b.call('ZGETRANGE', 'piped:', 'piped;'), [
    ['piped:1', 'x'],
    ['piped:2', 'x'],
  ])
})

test('keeps Redis data, namespaces and buckets out of it', async () => {
  const [a, b] = await pair()
  await a.call('BEGIN')
  await a.call('SET', 'note', 'x')
  await a.call('NAMESPACE', 'CREATE', 'made.inside')
  await a.call('BUCKET.CREATE', 'made-inside')
  await a.call('NAMESPACE', 'USE', 'made.inside')
  await a.call('ZSET', 'k', 'v')
  await a.call('ROLLBACK')
  assert.is(await b.call('GET', 'note'), 'x')
  assert.is(await b.call('NAMESPACE', 'EXISTS', 'made.inside'), 1)
  assert.ok(((await b.call('BUCKET.LIST')) as Data[]).includes('made-inside'))
  assert.is(await a.call('ZGET', 'k'), null)
})

test('answers versions and sizes', async () => {
  const [a] = await pair()
  assert.is(await a.error('GETREADVERSION'), NONE)
  assert.is(await a.error('GETAPPROXIMATESIZE'), NONE)
  await a.call('BEGIN')
  const version = await a.call('GETREADVERSION')
  assert.is(await a.call('GETREADVERSION'), version)
  const before = Number(await a.call('GETAPPROXIMATESIZE'))
  await a.call('ZSET', 'sized', 'x'.repeat(1000))
  assert.ok(Number(await a.call('GETAPPROXIMATESIZE')) >= before + 1000)
  assert.ok(Number(await a.call('TICK', 'fresh')) >= Number(version))
  assert.is(await a.error('TICK', 'Stale'), "ERR illegal argument for TICK: 'Stale'")
  assert.is(await a.error('SNAPSHOTREAD', 'x'), "ERR illegal argument for SNAPSHOTREAD: 'x'")
})

test('returns the versionstamp that versionstamped keys and values show', async () => {
  const [a, b] = await pair()
  const template = Buffer.concat([Buffer.from('at '), Buffer.alloc(10), Buffer.from([3, 0, 0, 0])])
  const keyTemplate = Buffer.concat([
    Buffer.from('v:'),
    Buffer.alloc(10),
    Buffer.from([2, 0, 0, 0]),
  ])
  let last = Buffer.alloc(10)
  for (let i = 0; i < 5; i++) {
    await a.call('BEGIN')
    await a.call('ZMUTATE', 'stamp:1', template, 'SET_VERSIONSTAMPED_VALUE')
    await a.call('ZMUTATE', 'stamp:2', template, 'set_versionstamped_value')
    await a.call('ZMUTATE', keyTemplate, String(i), 'SET_VERSIONSTAMPED_KEY')
    const stamp = Buffer.from(await a.callBytes('COMMIT', 'RETURNING', 'versionstamp'))
    assert.is(stamp.length, 10)
    assert.is(stamp.compare(last), 1)
    last = stamp
    const shown = Buffer.concat([Buffer.from('at '), stamp])
    for (const key of ['stamp:1', 'stamp:2']) assert.equal(await b.callBytes('ZGET', key), shown)
    const stored = await b.call('ZGET', Buffer.concat([Buffer.from('v:'), stamp]))
    assert.is(stored, String(i))
  }
})

test('gives every commit a versionstamp of its own, in the order of the commits', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect()))
  const ended: { stamp: Buffer; begunAfter: number }[] = []
  await Promise.all(
    clients.map(async (client, number) => {
      for (let i = 0; i < 15; i++) {
        await client.call('BEGIN')
        await client.call('ZSET', `ordered:${number}`, String(i))
        // Whatever has ended by now was committed before this one.
        const begunAfter = ended.length
        const stamp = Buffer.from(await client.callBytes('COMMIT', 'RETURNING', 'versionstamp'))
        ended.push({ stamp, begunAfter })
      }
    }),
  )
  assert.is(new Set(ended.map(({ stamp }) => stamp.toString('hex'))).size, ended.length)
  for (const { stamp, begunAfter } of ended) {
    for (const earlier of ended.slice(0, begunAfter)) assert.is(stamp.compare(earlier.stamp), 1)
  }
})

test('says what a commit changed in either protocol', async () => {
  for (const protocol of [2, 3] as const) {
    const a = await server.connect(protocol)
    await a.call('BEGIN')
    await a.call('ZSET', 'typed', '1')
    assert.is((await a.frame('COMMIT', 'returning', 'COMMITTED-VERSION')).type, ':')
    await a.call('BEGIN')
    await a.call('ZSET', 'typed', '2')
    assert.is((await a.frame('commit', 'Returning', 'VersionStamp')).type, '$')
    await a.call('BEGIN')
    await a.call('ZDELRANGE', 'typed', 'typed')
    await a.exchange(['COMMIT', 'RETURNING', 'committed-version'], ':-1\r\n')
    await a.call('BEGIN')
    assert.is((await a.frame('GETREADVERSION')).type, ':')
    assert.is((await a.frame('GETAPPROXIMATESIZE')).type, ':')
    assert.is((await a.frame('TICK', 'cached')).type, ':')
    await a.exchange(['COMMIT', 'RETURNING', 'committed-version'], ':-1\r\n')
  }
})

test('reads documents without conflicts while SNAPSHOTREAD is on, writes with', async () => {
  const [a, b] = await pair()
  for (const client of [a, b]) await client.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
  await a.call('BUCKET.CREATE', 'snapshots')
  const document = JSON.stringify({ _id: { $oid: '0123456789abcdef01234567' }, n: 1 })
  const rows: [state: string, words: string[], outcome: string][] = [
    ['ON', ['BUCKET.QUERY', 'snapshots', '{"n":1}'], 'OK'],
    ['OFF', ['BUCKET.QUERY', 'snapshots', '{"n":1}'], CONFLICT],
    ['ON', ['BUCKET.DELETE', 'snapshots', '{"n":1}'], CONFLICT],
    ['OFF', ['BUCKET.DELETE', 'snapshots', '{"n":1}'], CONFLICT],
    ['ON', ['BUCKET.INSERT', 'snapshots', 'DOCS', document], CONFLICT],
  ]
  for (const [state, words, outcome] of rows) {
    await a.call('SNAPSHOTREAD', state)
    await a.call('BEGIN')
    await a.call(...words)
    await b.call('BUCKET.INSERT', 'snapshots', 'DOCS', document)
    await a.call('ZSET', 'snapshots', '1')
    assert.is((await a.frame('COMMIT')).value, outcome, `${state} ${words.join(' ')}`)
    await b.call('BUCKET.DELETE', 'snapshots', '{}')
  }
})

test('keeps SNAPSHOTREAD over transactions, until SESSION.CLOSE', async () => {
  const [a, b] = await pair()
  const outcome = async (): Promise<unknown> => {
    await a.call('BEGIN')
    await a.call('ZGET', 'flag')
    await b.call('ZSET', 'flag', '1')
    await a.call('ZSET', 'flagged', '1')
    return (await a.frame('COMMIT')).value
  }
  assert.is(await outcome(), CONFLICT)
  await a.exchange(['SNAPSHOTREAD', 'on'], '+OK\r\n')
  assert.is(await outcome(), 'OK')
  await a.call('BEGIN')
  await a.call('ROLLBACK')
  assert.is(await outcome(), 'OK')
  await a.call('BEGIN')
  await a.call('ZSET', 'flag', 'own')
  assert.is(await a.call('ZGET', 'flag'), 'own')
  await a.call('SESSION.CLOSE')
  assert.is(await a.error('COMMIT'), NONE)
  assert.is(await b.call('ZGET', 'flag'), '1')
  assert.is(await outcome(), CONFLICT)
  await a.call('BEGIN')
  await a.exchange(['SNAPSHOTREAD', 'oFf'], '+OK\r\n')
  await a.call('ROLLBACK')
  const arity = "ERR wrong number of arguments for 'SNAPSHOTREAD' command"
  assert.is(await a.error('SNAPSHOTREAD', 'ON', 'OFF'), arity)
})

test('ticks: fresh versions never go back, cached ones are shared', async () => {
  const [a, b] = await pair()
  let last = 0
  for (let i = 0; i < 20; i++) {
    const client = i % 2 === 0 ? a : b
    const version = Number(await client.call('TICK', i % 4 < 2 ? 'fresh' : 'FRESH'))
    assert.ok(version >= last, `${version} after ${last}`)
    last = version
    if (i % 5 !== 0) continue
    await client.call('BEGIN')
    await client.call('ZSET', 'ticked', String(i))
    const committed = Number(await client.call('COMMIT', 'RETURNING', 'committed-version'))
    assert.ok(Number(await a.call('TICK', 'FRESH')) >= committed)
  }
  const cached: number[] = []
  await until('a cached version is fetched again', async () => {
    const both = await Promise.all([a.call('TICK', 'cached'), b.call('TICK', 'CACHED')])
    cached.push(...both.map(Number).sort((one, other) => one - other))
    return cached.at(-1)! > cached[0]!
  })
  const ascending = [...cached].sort((one, other) => one - other)
  assert.equal(cached, ascending)
  assert.is(await a.error('TICK'), "ERR wrong number of arguments for 'TICK' command")
  assert.is(await a.error('TICK', 'fresh', 'x'), "ERR wrong number of arguments for 'TICK' command")
})

test('applies a one-off command as a whole or not at all', async () => {
  const [a, b] = await pair()
  await a.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
  await a.call('BUCKET.CREATE', 'whole')
  const twin = '{"_id":{"$oid":"0123456789abcdef01234567"},"n":2}'
  assert.match(await a.error('BUCKET.INSERT', 'whole', 'DOCS', '{"n":1}', twin, twin), /^DUPLICATE/)
  assert.equal(await entries(b, 'whole'), [])
  for (let i = 0; i < 50; i++) await a.call('ZSET', `whole:${i}`, 'x')
  let isOver = false
  const counts = new Set<number>()
  const watching = (async () => {
    while (!isOver) {
      const found = await b.call('ZGETRANGE', 'whole:', 'whole;', 'LIMIT', '0')
      counts.add((found as Data[]).length)
    }
  })()
  await a.call('ZDELRANGE', 'whole:', 'whole;')
  isOver = true
  await watching
  for (const count of counts) assert.ok(count === 50 || count === 0, String(count))
})

test('lets one-off commands that read and write the same key wait for each other', async () => {
  const clients = await Promise.all(Array.from({ length: 16 }, () => server.connect()))
  const rounds = 10
  await Promise.all(
    clients.map(async client => {
      for (let i = 0; i < rounds; i++) {
        // Nobody else writes the keys: there is no reason to refuse any.
        await client.exchange(['ZINC.F64', 'turns:f', '0.5'], '+OK\r\n')
        await client.exchange(['ZINC.D128', 'turns:d', '0.10'], '+OK\r\n')
      }
    }),
  )
  const [a] = await pair()
  assert.is(await a.call('ZGET.F64', 'turns:f'), String((clients.length * rounds) / 2))
  assert.is(await a.call('ZGET.D128', 'turns:d'), `${clients.length}.00`)
  await a.call('ZSET', 'turns:bad', 'x')
  const error = 'ERR Invalid stored value: expected 8-byte IEEE-754 double'
  for (const client of clients) client.send('ZINC.F64', 'turns:bad', '1')
  for (const client of clients) await client.expect(`-${error}\r\n`)
})

test('resolves namespaces outside of the transaction, also new ones', async () => {
  const [a, b] = await pair()
  await a.call('BEGIN')
  const version = await a.call('GETREADVERSION')
  await b.call('NAMESPACE', 'CREATE', 'made.later')
  const size = await a.call('GETAPPROXIMATESIZE')
  await a.call('NAMESPACE', 'USE', 'made.later')
  assert.is(await a.call('GETAPPROXIMATESIZE'), size)
  await a.call('ZSET', 'k', 'v')
  assert.is(await a.call('GETREADVERSION'), version)
  await a.exchange(['COMMIT'], '+OK\r\n')
  await b.call('NAMESPACE', 'USE', 'made.later')
  assert.is(await b.call('ZGET', 'k'), 'v')
})

test('needs no more than its name where it takes no arguments', async () => {
  const [a] = await pair()
  for (const name of ['BEGIN', 'ROLLBACK', 'GETREADVERSION', 'GETAPPROXIMATESIZE']) {
    const arity = `ERR wrong number of arguments for '${name}' command`
    assert.is(await a.error(name.toLowerCase(), 'x'), arity)
  }
  const admin = await server.connectAdmin()
  for (const name of ['BEGIN', 'COMMIT', 'ROLLBACK', 'GETREADVERSION', 'TICK', 'SNAPSHOTREAD']) {
    assert.is(await admin.error(name), `ERR unknown command '${name}'`)
  }
})

test('loses no increment of many clients that retry', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect()))
  await clients[0]!.call('ZSET', 'counter', '0')
  const increments = 25
  await Promise.all(
    clients.map(async client => {
      for (let done = 0; done < increments; ) {
        await client.call('BEGIN')
        const value = Number(await client.call('ZGET', 'counter'))
        await client.call('ZSET', 'counter', String(value + 1))
        const { type, value: reply } = await client.frame('COMMIT')
        if (type === '+') done++
        else assert.is(reply, CONFLICT)
      }
    }),
  )
  assert.is(await clients[0]!.call('ZGET', 'counter'), String(clients.length * increments))
})

test.run()
