/** MULTI, EXEC, DISCARD and WATCH on one member. */
import * as assert from 'uvu/assert'
import { type Data, type RespClient, toData } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const MIB = 1024 * 1024

const { server, test } = serverSuite('multi', [
  'network.query_buffer_limit=1048576',
  'redis.shards=3',
])

const ABORTED = '-EXECABORT Transaction discarded because of previous errors.\r\n'
const REFUSED = '-ERR Redis compatibility required\r\n'
const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'

/** Sends a request of words without blanks. @param reply without its last line end */
async function says(client: RespClient, request: string, reply: string): Promise<void> {
  await client.exchange(request.split(' '), `${reply}\r\n`)
}

/** Queues requests. */
async function queue(client: RespClient, ...requests: string[]): Promise<void> {
  await says(client, 'MULTI', '+OK')
  for (const request of requests) await says(client, request, '+QUEUED')
}

/** What CLIENT INFO says of a field. */
async function field(client: RespClient, name: string): Promise<string | undefined> {
  const line = String(await client.call('CLIENT', 'INFO'))
  return new RegExp(` ${name}=(\\S*)`).exec(line)?.[1]
}

test('answers the replies of the queue, in either protocol', async () => {
  const client = await server.connect()
  await queue(client, 'SET m:s v', 'HSET m:h f 1', 'HGETALL m:h', 'GET m:none', 'PING', 'INFO x')
  await client.exchange(
    ['EXEC'],
    '*6\r\n+OK\r\n:1\r\n*2\r\n$1\r\nf\r\n$1\r\n1\r\n$-1\r\n+PONG\r\n$0\r\n\r\n',
  )
  await queue(client)
  await says(client, 'EXEC', '*0')
  await client.call('HELLO', '3')
  await queue(client, 'HGETALL m:h', 'GET m:none', 'CLUSTER KEYSLOT foo')
  await client.exchange(['EXEC'], '*3\r\n%1\r\n$1\r\nf\r\n$1\r\n1\r\n_\r\n:12182\r\n')
})

test('lets no key expire while the queue runs', async () => {
  const client = await server.connect()
  const keys = Array.from({ length: 1_000 }, (_, i) => `m:time${i}`)
  await client.call('MSET', ...keys.flatMap(key => [`{m}${key}`, 'v']))
  const toMicros = ([s, micros]: string[]) => Number(s) * 1_000_000 + Number(micros)
  let elapsedMicros = 0
  for (let walks = 10; elapsedMicros < 3_000; walks *= 2) {
    await queue(client, 'TIME', 'SET m:brief v PX 1', ...Array(walks).fill('KEYS *9*8*7'))
    for (const request of ['TIME', 'GET m:brief', 'PTTL m:brief', 'EXISTS m:brief']) {
      await says(client, request, '+QUEUED')
    }
    const replies = (await client.call('EXEC')) as Data[]
    assert.equal(replies.slice(-3), ['v', 1, 1])
    elapsedMicros = toMicros(replies.at(-4) as string[]) - toMicros(replies[0] as string[])
  }
  await until('it expires', async () => (await client.call('EXISTS', 'm:brief')) === 0)
})

test('changes the protocol where HELLO stands in the queue', async () => {
  const client = await server.connect()
  await queue(client, 'GET m:none', 'HELLO 3', 'GET m:none')
  await says(client, 'EXEC', '*3\r\n$-1')
  assert.is((await client.read()).type, '%')
  assert.is(await client.readText(), '_\r\n')
})

test('goes on after an error, which stands in the array', async () => {
  const client = await server.connect()
  await queue(client, 'SET m:e v', 'HGET m:e f', 'SET m:e w EX 0', 'CLIENT SETNAME a')
  const invalid = "-ERR invalid expire time in 'set' command\r\n"
  await client.exchange(['EXEC'], `*4\r\n+OK\r\n${WRONG_TYPE}${invalid}+OK\r\n`)
  await says(client, 'GET m:e', '$1\r\nv')
})

test('answers as each command found the data, not as a later one left it', async () => {
  const client = await server.connect()
  await queue(client, 'SET m:k a', 'GET m:k', 'SET m:k b', 'GET m:k', 'DEL m:k', 'GET m:k')
  await client.exchange(['EXEC'], '*6\r\n+OK\r\n$1\r\na\r\n+OK\r\n$1\r\nb\r\n:1\r\n$-1\r\n')
})

test('runs commands of several slots and shards', async () => {
  const client = await server.connect()
  await queue(client, 'SET foo 1', 'SET somekey 2', 'SET {}x 3', 'GET foo')
  await says(client, 'EXEC', '*4\r\n+OK\r\n+OK\r\n+OK\r\n$1\r\n1')
  await says(client, 'MULTI', '+OK')
  await says(client, 'DEL foo bar', "-CROSSSLOT Keys in request don't hash to the same slot")
  await client.exchange(['EXEC'], ABORTED)
})

test('refuses a whole queue for one request', async () => {
  const client = await server.connect()
  const refusals: [request: string, reply: string][] = [
    ['NOSUCH', "-ERR unknown command 'NOSUCH'"],
    ['GET', "-ERR wrong number of arguments for 'get' command"],
    ['CLIENT NOSUCH', "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."],
    ['CLUSTER NOSUCH', "-ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP."],
    ['CLUSTER KEYSLOT', "-ERR wrong number of arguments for 'cluster|keyslot' command"],
  ]
  for (const [request, reply] of refusals) {
    await queue(client, 'SET m:no 1')
    await says(client, request, reply)
    await says(client, 'SET m:no 2', '+QUEUED')
    await client.exchange(['EXEC'], ABORTED)
    await says(client, 'EXEC', '-ERR EXEC without MULTI')
  }
  await says(client, 'GET m:no', '$-1')
})

test('drops the queue and the watched keys at EXEC with surplus words', async () => {
  const client = await server.connect()
  const wrong = (name: string) => `wrong number of arguments for '${name}' command`
  const dropped = `-EXECABORT Transaction discarded because of: ${wrong('exec')}`
  for (const begin of [['MULTI', 'SET m:x 1'], []]) {
    await client.exchange(['SET', 'm:watched', '1'], '+OK\r\n')
    await says(client, 'WATCH m:watched', '+OK')
    for (const request of begin) await client.call(...request.split(' '))
    await says(client, 'EXEC surplus', dropped)
    await says(client, 'EXEC', '-ERR EXEC without MULTI')
    await says(client, 'SET m:watched 2', '+OK')
    await queue(client, 'GET m:x')
    await says(client, 'EXEC', '*1\r\n$-1')
  }
  for (const name of ['MULTI', 'DISCARD', 'UNWATCH']) {
    await queue(client, 'SET m:x 1')
    await says(client, `${name} surplus`, `-ERR ${wrong(name.toLowerCase())}`)
    await says(client, 'SET m:x 2', '+QUEUED')
    await client.exchange(['EXEC'], ABORTED)
    await says(client, `${name} surplus`, `-ERR ${wrong(name.toLowerCase())}`)
  }
  // Behind writes that wait for a common commit.
  for (const request of ['ZSET m:x 1', 'ZSET m:x 2', 'EXEC surplus', 'GET m:x']) {
    client.send(...request.split(' '))
  }
  for (const reply of ['+OK\r\n', '+OK\r\n', `${dropped}\r\n`, '$-1\r\n']) {
    assert.is(await client.readText(), reply)
  }
})

test('refuses commands of Kronotop', async () => {
  const client = await server.connect()
  const requests = [
    'BEGIN',
    'COMMIT',
    'ZSET m:z 1',
    'ZGET m:z',
    'ZINC.I64 m:z 1',
    'NAMESPACE CURRENT',
    'BUCKET.LIST',
    'SNAPSHOTREAD ON',
    'SESSION.ATTRIBUTE LIST',
  ]
  for (const request of requests) {
    await queue(client, 'SET m:no 1')
    await client.exchange(request.split(' '), REFUSED)
    await client.exchange(['EXEC'], ABORTED)
  }
  await says(client, 'ZGET m:z', '$-1')
})

test('batches no writes of a pipeline while it queues', async () => {
  const client = await server.connect()
  const requests = ['ZSET p 1', 'ZSET p 2', 'MULTI', 'ZSET p 3', 'ZSET p 4', 'SET m:p 1', 'EXEC']
  for (const request of [...requests, 'ZSET p 5', 'ZGET p']) client.send(...request.split(' '))
  const replies = ['+OK\r\n', '+OK\r\n', '+OK\r\n', REFUSED, REFUSED, '+QUEUED\r\n', ABORTED]
  for (const reply of [...replies, '+OK\r\n', '$1\r\n5\r\n']) {
    assert.is(await client.readText(), reply)
  }
  await says(client, 'GET m:p', '$-1')
})

test('does not nest, and needs MULTI', async () => {
  const client = await server.connect()
  await says(client, 'EXEC', '-ERR EXEC without MULTI')
  await says(client, 'DISCARD', '-ERR DISCARD without MULTI')
  await queue(client, 'SET m:n 1')
  await says(client, 'MULTI', '-ERR MULTI calls can not be nested')
  await says(client, 'WATCH m:n', '-ERR WATCH inside MULTI is not allowed')
  await says(client, 'UNWATCH', '+QUEUED')
  await says(client, 'EXEC', '*2\r\n+OK\r\n+OK')
  await queue(client, 'SET m:n 2')
  await says(client, 'DISCARD', '+OK')
  await says(client, 'DISCARD', '-ERR DISCARD without MULTI')
  await says(client, 'GET m:n', '$1\r\n1')
})

test('ends with RESET, SESSION.CLOSE and QUIT', async () => {
  const client = await server.connect()
  for (const [request, reply] of [
    ['RESET', '+RESET'],
    ['SESSION.CLOSE', '+OK'],
  ] as const) {
    await says(client, 'READONLY', '+OK')
    await says(client, 'WATCH m:r', '+OK')
    await queue(client, 'SET m:r 1')
    await says(client, request, reply)
    await says(client, 'EXEC', '-ERR EXEC without MULTI')
    assert.equal([await field(client, 'flags'), await field(client, 'multi')], ['N', '-1'])
    // Nothing is watched any more.
    await says(client, 'SET m:r 1', '+OK')
    await queue(client, 'GET m:r')
    await says(client, 'EXEC', '*1\r\n$1\r\n1')
  }
  await queue(client, 'SET m:q 1')
  await says(client, 'QUIT', '+OK')
  await client.expectEnd()
  assert.is(await (await server.connect()).call('GET', 'm:q'), null)
})

test('has no part in BEGIN … COMMIT', async () => {
  const client = await server.connect()
  await says(client, 'BEGIN', '+OK')
  await queue(client, 'SET m:b 1')
  await client.exchange(['ROLLBACK'], REFUSED)
  await client.exchange(['EXEC'], ABORTED)
  await queue(client, 'SET m:b 2')
  await says(client, 'EXEC', '*1\r\n+OK')
  await says(client, 'ROLLBACK', '+OK')
  await says(client, 'GET m:b', '$1\r\n2')
})

test('lets nothing run in between', async () => {
  const [one, other] = [await server.connect(), await server.connect()]
  const rounds = 200
  for (let i = 0; i < rounds; i++) {
    one.send('MULTI')
    for (const key of ['a', 'b', 'c']) one.send('SET', `{m}:${key}`, String(i))
    one.send('EXEC')
    other.send('MULTI')
    for (const key of ['c', 'b', 'a']) other.send('GET', `{m}:${key}`)
    other.send('EXEC')
  }
  for (let i = 0; i < rounds; i++) {
    for (let reply = 0; reply < 4; reply++) await other.read()
    const seen = toData(await other.read()) as Data[]
    assert.is(new Set(seen).size, 1, seen.join())
  }
})

test('watches keys that any session writes', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  const writes = ['SET w v', 'HSET w f v', 'DEL w', 'DEL {w} w', 'SET w v NX']
  for (const writer of [client, other]) {
    for (const write of writes) {
      await client.call('DEL', 'w')
      await says(client, 'WATCH w {w}1', '+OK')
      await writer.call(...write.split(' '))
      await queue(client, 'SET {w}1 no')
      await says(client, 'EXEC', '*-1')
      await queue(client, 'GET {w}1')
      await says(client, 'EXEC', '*1\r\n$-1')
    }
  }
  await client.call('HELLO', '3')
  await says(client, 'WATCH w', '+OK')
  await other.call('SET', 'w', '1')
  await queue(client, 'GET w')
  await says(client, 'EXEC', '_')
})

test('is not stopped by reads, failed writes and other keys', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  await client.call('SET', 'w', 'v')
  await says(client, 'WATCH w', '+OK')
  await other.call('GET', 'w')
  await other.error('HSET', 'w', 'f', 'v')
  await other.call('SET', '{w}1', 'v')
  await other.call('ZSET', 'w', 'v')
  await queue(client, 'SET w own')
  await says(client, 'EXEC', '*1\r\n+OK')
})

test('watches keys that another EXEC writes', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  await says(client, 'WATCH w', '+OK')
  await queue(other, 'GET w', 'SET w 1')
  await queue(client, 'GET w')
  await other.call('EXEC')
  await says(client, 'EXEC', '*-1')
})

test('drops its watches with EXEC, DISCARD, UNWATCH, and with the queue it refuses', async () => {
  const client = await server.connect()
  const drops: (() => Promise<void>)[] = [
    async () => {
      await queue(client)
      await says(client, 'EXEC', '*0')
    },
    async () => {
      await queue(client)
      await says(client, 'DISCARD', '+OK')
    },
    () => says(client, 'UNWATCH', '+OK'),
    async () => {
      await queue(client)
      await client.error('NOSUCH')
      await client.exchange(['EXEC'], ABORTED)
    },
  ]
  for (const drop of drops) {
    await says(client, 'WATCH w', '+OK')
    await drop()
    await says(client, 'SET w 1', '+OK')
    await queue(client, 'GET w')
    await says(client, 'EXEC', '*1\r\n$1\r\n1')
  }
})

test('UNWATCH in the queue does not undo the watch of its own EXEC', async () => {
  const client = await server.connect()
  await says(client, 'WATCH w', '+OK')
  await says(client, 'SET w 1', '+OK')
  await queue(client, 'UNWATCH', 'GET w')
  await says(client, 'EXEC', '*-1')
})

test('sees that a watched key expires', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  const isGone = () => until('it has expired', async () => (await other.call('GET', 'w')) === null)
  await client.call('SET', 'w', 'v', 'PX', '1')
  await isGone()
  await says(client, 'WATCH w', '+OK')
  await queue(client, 'GET w')
  await says(client, 'EXEC', '*1\r\n$-1')
  await client.call('SET', 'w', 'v', 'PX', '1000')
  await says(client, 'WATCH w', '+OK')
  await isGone()
  await queue(client, 'GET w')
  await says(client, 'EXEC', '*-1')
})

test('empties the member in a queue, and for those who watch', async () => {
  const [client, other, third] = [
    await server.connect(),
    await server.connect(),
    await server.connect(),
  ]
  await client.call('SET', 'w', 'v')
  await says(other, 'WATCH w', '+OK')
  await says(third, 'WATCH {w}none', '+OK')
  await queue(client, 'GET w', 'FLUSHALL', 'GET w', 'SET {w}1 v', 'FLUSHDB x', 'GET {w}1')
  // It answers when the volume is empty too; what comes behind it waits for that.
  client.send('EXEC')
  client.send('GET', '{w}1')
  const replies = '*6\r\n$1\r\nv\r\n+OK\r\n$-1\r\n+OK\r\n-ERR syntax error\r\n$1\r\nv\r\n'
  assert.is(await client.readText(), replies)
  assert.is(await client.readText(), '$1\r\nv\r\n')
  await queue(other, 'GET w')
  await says(other, 'EXEC', '*-1')
  await queue(third, 'GET w')
  await says(third, 'EXEC', '*1\r\n$-1')
})

test('runs nothing when a shard stopped serving in between', async () => {
  const [client, admin] = [await server.connect(), await server.connectAdmin()]
  // foo is in the last shard of three, {}x in the second.
  await queue(client, 'SET {}x before', 'SET foo before')
  await says(client, 'EXEC', '*2\r\n+OK\r\n+OK')
  const statuses: [status: string, reply: string][] = [
    ['READONLY', '-ERR shard id: 2 is not in READWRITE status'],
    ['INOPERABLE', '-ERR shard id: 2 is in INOPERABLE status'],
  ]
  for (const [status, reply] of statuses) {
    await queue(client, 'SET {}x after', 'SET foo after')
    await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'REDIS', '2', status)
    await says(client, 'EXEC', reply)
    await says(client, 'MULTI', '+OK')
    await says(client, 'SET foo after', reply)
    await client.exchange(['EXEC'], ABORTED)
    await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'REDIS', '2', 'READWRITE')
  }
  await queue(client, 'GET {}x', 'GET foo')
  await says(client, 'EXEC', '*2\r\n$6\r\nbefore\r\n$6\r\nbefore')
})

test('bounds what sessions queue and watch', async () => {
  const client = await server.connect()
  const limit = '-ERR queued requests and watched keys exceed network.query_buffer_limit'
  const large = 'v'.repeat(MIB * 0.6)
  // Once more than fits, were anything kept.
  for (let round = 0; round < 3; round++) {
    await queue(client, `SET m:l ${large}`)
    await says(client, `SET m:l ${large}`, limit)
    await says(client, `SET m:l ${large}`, '+QUEUED')
    await client.exchange(['EXEC'], ABORTED)
    await queue(client, `SET m:l ${large}`)
    await says(client, 'EXEC', '*1\r\n+OK')
    await queue(client, `SET m:l ${large}`)
    await says(client, 'DISCARD', '+OK')
    await says(client, `WATCH ${large.slice(MIB * 0.2)}`, '+OK')
    await says(client, `WATCH ${large.slice(MIB * 0.1)}`, limit)
    await queue(client)
    await says(client, 'EXEC', '*0')
    const leaving = await server.connect()
    await says(leaving, `WATCH ${large.slice(MIB * 0.4)}`, '+OK')
    await queue(leaving, `SET m:l ${large.slice(MIB * 0.2)}`)
    leaving.close()
    await until('the session is gone', async () => {
      return !/ multi=1 /.test(String(await client.call('CLIENT', 'LIST')))
    })
  }
})

test('shows the state in CLIENT LIST', async () => {
  const client = await server.connect()
  const other = await server.connect()
  await says(client, 'CLIENT SETNAME queueing', '+OK')
  await says(client, 'READONLY', '+OK')
  await queue(client, 'PING', 'PING')
  const line = String(await other.call('CLIENT', 'LIST')).split('\n')
  assert.match(line.find(each => each.includes('name=queueing'))!, / flags=xr .* multi=2 /)
  await says(client, 'DISCARD', '+OK')
  await says(client, 'READWRITE', '+OK')
  assert.is(await field(client, 'flags'), 'N')
  await says(client, 'ASKING', '+OK')
})

test.run()
