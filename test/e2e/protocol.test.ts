/** The wire protocol of a whole server, byte for byte, on both transports. */
import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { reportSkip } from '../support/outcome.js'
import { encodeRequest, type RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const MIB = 1024 * 1024

for (const transport of ['native', 'node']) protocolTests(transport)

function protocolTests(transport: string): void {
  const settings = ['external', 'internal'].map(port => `network.${port}.transport=${transport}`)
  const { server, test } = serverSuite(`protocol over ${transport} transport`, settings)

  test('answers PING, ECHO and QUIT', async () => {
    const client = await server.connect()
    await client.exchange(['PING'], '+PONG\r\n')
    await client.exchange(['ping', 'hi'], '$2\r\nhi\r\n')
    await client.exchange(['PING', ''], '+PONG\r\n')
    await client.exchange(['ECHO', 'a\r\nb'], '$4\r\na\r\nb\r\n')
    await client.exchange(['ECHO', ''], '$0\r\n\r\n')
    await client.exchange(
      ['ECHO', 'a', 'b'],
      "-ERR wrong number of arguments for 'ECHO' command\r\n",
    )
    client.write(Buffer.concat([encodeRequest(['QUIT']), encodeRequest(['PING'])]))
    await client.expect('+OK\r\n')
    await client.expectClose()
  })

  test('describes itself with HELLO in both protocols', async () => {
    const client = await server.connect()
    const id = Number(await client.call('CLIENT', 'ID'))
    const idText = String(id)
    const version = String(await client.call('INFO', 'server')).match(
      /kronotop_version:(.*)\r/,
    )![1]!
    const fields = (proto: number): string =>
      [
        '$6\r\nserver\r\n$8\r\nKronotop\r\n',
        `$7\r\nversion\r\n$${version.length}\r\n${version}\r\n`,
        `$5\r\nproto\r\n:${proto}\r\n$2\r\nid\r\n:${idText}\r\n`,
        '$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n',
      ].join('')
    await client.exchange(['HELLO'], `*14\r\n${fields(2)}`)
    await client.exchange(['HELLO', '3'], `%7\r\n${fields(3)}`)
    await client.exchange(['HELLO'], `%7\r\n${fields(3)}`)
    await client.exchange(['HELLO', '4'], '-NOPROTO unsupported protocol version\r\n')
    await client.exchange(
      ['HELLO', 'x'],
      '-ERR Protocol version is not an integer or out of range\r\n',
    )
    await client.exchange(['CLIENT', 'GETNAME'], '_\r\n')
    await client.exchange(['HELLO', '2', 'SETNAME', 'me'], `*14\r\n${fields(2)}`)
    await client.exchange(['CLIENT', 'GETNAME'], '$2\r\nme\r\n')
    await client.exchange(['CLIENT', 'SETNAME', ''], '+OK\r\n')
    await client.exchange(['CLIENT', 'GETNAME'], '$-1\r\n')
  })

  test('applies a new protocol from the reply of HELLO on, in one packet', async () => {
    const client = await server.connect()
    const requests = [
      ['ZGET', 'absent'],
      ['HELLO', '3'],
      ['ZGET', 'absent'],
      ['HELLO', '2'],
    ]
    client.write(Buffer.concat([...requests, ['ZGET', 'absent']].map(encodeRequest)))
    const replies = []
    for (let i = 0; i < 5; i++) replies.push((await client.read()).type)
    assert.equal(replies, ['$', '%', '_', '*', '$'])
  })

  test('answers the rest of CLIENT, INFO and COMMAND', async () => {
    const client = await server.connect(3)
    assert.is(await client.call('CLIENT', 'SETINFO', 'LIB-NAME', 'tests'), 'OK')
    assert.is(await client.call('CLIENT', 'SETINFO', 'lib-ver', '1.0'), 'OK')
    assert.match(String(await client.call('CLIENT', 'INFO')), /^id=\d+ .*lib-name=tests lib-ver=1/)
    assert.is(await client.error('CLIENT', 'SETINFO', 'x', '1'), "ERR Unrecognized option 'x'")
    assert.is(
      await client.error('CLIENT', 'NOPE'),
      "ERR unknown subcommand 'NOPE'. Try CLIENT HELP.",
    )
    assert.is(
      await client.error('CLIENT', 'SETNAME', 'a b'),
      'ERR Client names cannot contain spaces, newlines or special characters.',
    )
    const info = await client.frame('INFO')
    assert.is(info.type, '$')
    assert.match(String(info.value), /# Server\r\n(.*\r\n)*redis_mode:cluster\r\n/)
    assert.match(String(info.value), /\r\n\r\n# Cluster\r\ncluster_enabled:1\r\n/)
    assert.is(await client.call('INFO', 'nosuchsection'), '')
    const names = (await client.call('COMMAND', 'LIST')) as string[]
    assert.is(await client.call('COMMAND', 'COUNT'), names.length)
    assert.ok(names.includes('bucket.insert') && !names.includes('kr.admin'), names.join(' '))
    const [get, nothing] = (await client.call('COMMAND', 'INFO', 'get', 'nope')) as unknown[][]
    assert.equal(
      [get?.slice(0, 2), get?.slice(3, 6)],
      [
        ['get', 2],
        [1, 1, 1],
      ],
    )
    assert.is(nothing, null)
  })

  test('serves each command on its port only', async () => {
    const [client, admin] = [await server.connect(), await server.connectAdmin(2)]
    await client.exchange(['KR.ADMIN', 'DESCRIBE-MEMBER'], "-ERR unknown command 'KR.ADMIN'\r\n")
    await admin.exchange(['ZGET', 'a'], "-ERR unknown command 'ZGET'\r\n")
    await admin.exchange(['get', 'a'], "-ERR unknown command 'GET'\r\n")
    await admin.exchange(['PING'], '+PONG\r\n')
    await client.exchange(['zset', 'a'], "-ERR wrong number of arguments for 'ZSET' command\r\n")
  })

  test('reads a request split at every byte', async () => {
    const client = await server.connect()
    const request = encodeRequest(['ECHO', 'split'])
    for (const byte of request) {
      client.write(Buffer.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    await client.expect('$5\r\nsplit\r\n')
    for (let at = 1; at < request.length; at++) {
      client.write(request.subarray(0, at))
      await new Promise(resolve => setTimeout(resolve, 1))
      client.write(request.subarray(at))
      await client.expect('$5\r\nsplit\r\n')
    }
  })

  test('keeps the order of replies over immediate and database commands', async () => {
    const client = await server.connect()
    const requests: string[][] = []
    const replies: string[] = []
    for (let i = 0; i < 300; i++) {
      requests.push(['ZSET', 'order', String(i)], ['PING', String(i)], ['ZGET', 'order'])
      replies.push('+OK\r\n', bulk(String(i)), bulk(String(i)))
      requests.push(['SET', 'order', String(i)], ['GET', 'order'], ['NOPE'])
      replies.push('+OK\r\n', bulk(String(i)), "-ERR unknown command 'NOPE'\r\n")
    }
    client.write(Buffer.concat(requests.map(encodeRequest)))
    await client.expect(replies.join(''))
  })

  test('takes inline commands', async () => {
    const client = await server.connect()
    client.write("PING\r\n\r\nECHO \"a\\x41 b\"\n*0\r\n*-1\r\nECHO 'it\\'s'\r\n")
    await client.expect("+PONG\r\n$4\r\naA b\r\n$4\r\nit's\r\n")
  })

  test('answers a protocol error once and closes; others go on', async () => {
    const other = await server.connect()
    const cases: [request: string, reply: string][] = [
      ['*x\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
      ['*2147483648\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
      ['*1\r\n:5\r\n', "-ERR Protocol error: expected '$', got ':'\r\n"],
      ['*1\r\n$-1\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
      ['*1\r\n$536870913\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
      ['ECHO "a\r\n', '-ERR Protocol error: unbalanced quotes in request\r\n'],
      [`${'x'.repeat(65 * 1024)}`, '-ERR Protocol error: too big inline request\r\n'],
      ['POST / HTTP/1.1\r\n', ''],
    ]
    for (const [request, reply] of cases) {
      const client = await server.connect()
      client.write(`*1\r\n$4\r\nPING\r\n${request}`)
      await client.expect(`+PONG\r\n${reply}`)
      await client.expectClose()
      await (await server.connect()).exchange(['PING'], '+PONG\r\n')
    }
    await other.exchange(['PING'], '+PONG\r\n')
  })

  test('carries large values and binary keys', async () => {
    const client = await server.connect()
    const value = Buffer.alloc(20 * MIB, 'kronotop')
    assert.is(await client.call('SET', Buffer.of(0, 13, 10, 255), value), 'OK')
    assert.ok((await client.callBytes('GET', Buffer.of(0, 13, 10, 255))).equals(value))
    assert.is(await client.call('DEL', Buffer.of(0, 13, 10, 255)), 1)
  })

  test('asks the system whether silent peers are still there', async () => {
    if (process.platform !== 'linux') {
      reportSkip('keep-alive of connections', 'it is read from /proc/net/tcp')
      return
    }
    const client = await server.connect()
    await client.call('PING')
    const port = server.clientPort.toString(16).toUpperCase().padStart(4, '0')
    // Local and remote address, state 01 = established, queues, timer 02 = keep-alive.
    const row = new RegExp(`: 0100007F:${port} 0100007F:[0-9A-F]{4} 01 [0-9A-F:]{17} 02:`)
    assert.match(readFileSync('/proc/net/tcp', 'latin1'), row)
  })

  test('answers what client libraries send first', async () => {
    const setInfo = ['LIB-NAME', 'LIB-VER'].map(what => ['CLIENT', 'SETINFO', what, 'x'])
    const notifications = ['CLIENT', 'MAINT_NOTIFICATIONS', 'ON']
    const drivers: readonly (readonly (readonly string[])[])[] = [
      [['COMMAND', 'DOCS'], ['COMMAND']],
      [['HELLO', '3'], notifications, ...setInfo, ['COMMAND']],
      [['HELLO', '3'], ...setInfo, ['CLIENT', 'SETNAME', 'lettuce#1'], ['INFO']],
      [['hello', '3'], ...setInfo, ['info'], ['client', 'setname', 'x(refresher)']],
      [
        ['CONFIG', 'GET', 'save'],
        ['CONFIG', 'GET', 'appendonly'],
      ],
    ]
    for (const requests of drivers) {
      const client = await server.connect()
      client.write(Buffer.concat(requests.map(encodeRequest)))
      client.write('PING\r\n')
      for (const words of requests) {
        const { type, value } = await client.read()
        const isTolerated = words === notifications
        assert.is(type === '-', isTolerated, `${words.join(' ')}: ${String(value)}`)
      }
      await client.expect('+PONG\r\n')
    }
  })

  test('outlives clients that vanish', async () => {
    await Promise.all(Array.from({ length: 40 }, (_, i) => vanish(server.connect(), i)))
    await (await server.connect()).exchange(['PING'], '+PONG\r\n')
  })

  test.run()
}

/** Ends a connection in the middle of a request, or of its reply. */
async function vanish(connecting: Promise<RespClient>, i: number): Promise<void> {
  const client = await connecting
  if (i % 2 === 0) client.write('*2\r\n$4\r\nECHO\r\n$1000\r\nabc')
  else for (let n = 0; n < 50; n++) client.send('ZGETRANGE', '*', '*')
  await new Promise(resolve => setTimeout(resolve, i % 5))
  client.close()
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}
