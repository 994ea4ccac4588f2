import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Services } from '../../../../ts/server/context.js'
import { bulkReply, type RawClient, request, withServer } from '../../server/harness.js'

const WRONGPASS = '-WRONGPASS invalid username-password pair or user is disabled.\r\n'
const NOAUTH = '-NOAUTH Authentication required.\r\n'
const NOT_CONFIGURED =
  '-ERR AUTH <password> called without any password configured for the default user. ' +
  'Are you sure your configuration is correct?\r\n'
const UNINITIALIZED = { cluster: { initialized: false } as Services['cluster'] }

function arity(name: string): string {
  return `-ERR wrong number of arguments for '${name}' command\r\n`
}

/** Rows of words and the exact reply, on one connection. */
type Dialogue = readonly (readonly [readonly string[], string])[]

async function talk(client: RawClient, dialogue: Dialogue): Promise<void> {
  for (const [words, reply] of dialogue) await client.exchange(request(...words), reply)
}

function hello(protocol: 2 | 3, id: number): string {
  const fields = [
    bulkReply('server') + bulkReply('Kronotop'),
    bulkReply('version') + bulkReply('1.2.3'),
    `${bulkReply('proto')}:${protocol}\r\n`,
    `${bulkReply('id')}:${id}\r\n`,
    bulkReply('mode') + bulkReply('cluster'),
    bulkReply('role') + bulkReply('master'),
    `${bulkReply('modules')}*0\r\n`,
  ]
  return (protocol === 3 ? '%7\r\n' : '*14\r\n') + fields.join('')
}

test('PING and ECHO', async () => {
  await withServer({ services: UNINITIALIZED }, async server => {
    await talk(await server.connect(), [
      [['PING'], '+PONG\r\n'],
      [['ping', ''], '+PONG\r\n'],
      [['PING', '\xff\r\n'], bulkReply('\xff\r\n')],
      [['PING', 'a', 'b'], arity('PING')],
      [['ECHO', '\0\xfe'], bulkReply('\0\xfe')],
      [['ECHO', ''], bulkReply('')],
      [['ECHO'], arity('ECHO')],
      [['ECHO', 'a', 'b'], arity('ECHO')],
      [['NOSUCH', 'a'], "-ERR unknown command 'NOSUCH'\r\n"],
    ])
  })
})

test('TIME is the wall clock', async () => {
  await withServer({ services: UNINITIALIZED }, async server => {
    const client = await server.connect()
    const before = Date.now()
    client.write(request('TIME'))
    const found = await client.match(/^\*2\r\n\$10\r\n(\d{10})\r\n\$(\d)\r\n(\d{1,6})\r\n$/)
    const timeMs = Number(found[1]) * 1000 + Number(found[3]) / 1000
    assert.ok(timeMs >= before - 5 && timeMs <= Date.now() + 5, String(timeMs - before))
    assert.is(found[3]?.length, Number(found[2]))
    await client.exchange(request('TIME', 'x'), arity('TIME'))
  })
})

test('HELLO switches the protocol with its own reply', async () => {
  await withServer({ services: UNINITIALIZED }, async server => {
    await talk(await server.connect(), [
      [['HELLO'], hello(2, 1)],
      [['CLIENT', 'GETNAME'], '$-1\r\n'],
      [['HELLO', '3'], hello(3, 1)],
      [['CLIENT', 'GETNAME'], '_\r\n'],
      [['HELLO'], hello(3, 1)],
      [['HELLO', '3', 'SETNAME', 'app-1'], hello(3, 1)],
      [['CLIENT', 'GETNAME'], bulkReply('app-1')],
      [['HELLO', '2', 'setname', ''], hello(2, 1)],
      [['CLIENT', 'GETNAME'], '$-1\r\n'],
    ])
  })
})

test('HELLO refuses without changing anything', async () => {
  const badName = '-ERR Client names cannot contain spaces, newlines or special characters.\r\n'
  await withServer({ services: UNINITIALIZED }, async server => {
    await talk(await server.connect(), [
      [['HELLO', 'x'], '-ERR Protocol version is not an integer or out of range\r\n'],
      [['HELLO', '9'.repeat(30)], '-ERR Protocol version is not an integer or out of range\r\n'],
      [['HELLO', '1'], '-NOPROTO unsupported protocol version\r\n'],
      [['HELLO', '4'], '-NOPROTO unsupported protocol version\r\n'],
      [['HELLO', '3', 'Bogus'], "-ERR Syntax error in HELLO option 'Bogus'\r\n"],
      [['HELLO', '3', 'SetName'], "-ERR Syntax error in HELLO option 'SetName'\r\n"],
      [['HELLO', '3', 'AUTH', 'u'], "-ERR Syntax error in HELLO option 'AUTH'\r\n"],
      [['HELLO', '3', 'SETNAME', 'a b'], badName],
      [['HELLO', '3', 'SETNAME', 'n', 'AUTH', 'default', 'p'], WRONGPASS],
      [['CLIENT', 'GETNAME'], '$-1\r\n'],
      [['HELLO'], hello(2, 1)],
    ])
  })
})

test('AUTH without any password configured', async () => {
  await withServer({ services: UNINITIALIZED }, async server => {
    await talk(await server.connect(), [
      [['AUTH', 'p'], NOT_CONFIGURED],
      [['AUTH', 'default', 'p'], WRONGPASS],
      [['AUTH'], arity('AUTH')],
      [['AUTH', 'a', 'b', 'c'], arity('AUTH')],
      [['PING'], '+PONG\r\n'],
    ])
  })
})

test('AUTH with a password and users', async () => {
  const sets = ['auth.requirepass=secret', 'auth.users.mia=mias']
  await withServer({ sets }, async server => {
    await talk(await server.connect(), [
      [['PING'], NOAUTH],
      [['SESSION.CLOSE'], NOAUTH],
      [['CLIENT', 'NOSUCH'], NOAUTH],
      [['PING', 'a', 'b'], arity('PING')],
      [['HELLO', '3'], hello(3, 1)],
      [['PING'], NOAUTH],
      [['RESET'], '+RESET\r\n'],
      [['AUTH', 'wrong'], WRONGPASS],
      [['AUTH', 'mia', 'secret'], WRONGPASS],
      [['AUTH', 'constructor', 'x'], WRONGPASS],
      [['AUTH', 'mia', 'mias'], '+OK\r\n'],
      [['PING'], '+PONG\r\n'],
      [['AUTH', 'wrong'], WRONGPASS],
      [['PING'], '+PONG\r\n'],
      [['SESSION.CLOSE'], '+OK\r\n'],
      [['PING'], NOAUTH],
      [['AUTH', 'secret'], '+OK\r\n'],
      [['PING'], '+PONG\r\n'],
      [['RESET'], '+RESET\r\n'],
      [['PING'], NOAUTH],
      [['HELLO', '3', 'AUTH', 'default', 'wrong'], WRONGPASS],
      [['HELLO', '2', 'AUTH', 'default', 'secret'], hello(2, 1)],
      [['PING'], '+PONG\r\n'],
    ])
    const client = await server.connect()
    await client.exchange(request('QUIT'), '+OK\r\n')
    await client.expectClose()
  })
})

test('AUTH with users only', async () => {
  await withServer({ sets: ['auth.users.default=d', 'auth.users.mia=m'] }, async server => {
    await talk(await server.connect(), [
      [['AUTH', 'd'], NOT_CONFIGURED],
      [['AUTH', 'default', 'd'], '+OK\r\n'],
      [['PING'], '+PONG\r\n'],
    ])
  })
})

test('CLIENT', async () => {
  const badName = '-ERR Client names cannot contain spaces, newlines or special characters.\r\n'
  await withServer({ services: UNINITIALIZED }, async server => {
    await talk(await server.connect(), [
      [['CLIENT'], arity('CLIENT')],
      [['CLIENT', 'GETNAME'], '$-1\r\n'],
      [['client', 'setname', 'lettuce#1'], '+OK\r\n'],
      [['CLIENT', 'SETNAME', 'a\nb'], badName],
      [['CLIENT', 'SETNAME', 'ü'], badName],
      [['CLIENT', 'GETNAME'], bulkReply('lettuce#1')],
      [['CLIENT', 'SETNAME', ''], '+OK\r\n'],
      [['CLIENT', 'GETNAME'], '$-1\r\n'],
      [['CLIENT', 'SETNAME'], arity('CLIENT|SETNAME')],
      [['CLIENT', 'ID'], ':1\r\n'],
      [['CLIENT', 'ID', 'x'], arity('CLIENT|ID')],
      [['CLIENT', 'SETINFO', 'LIB-NAME', 'ioredis(x)'], '+OK\r\n'],
      [['CLIENT', 'SETINFO', 'lib-ver', '6.0'], '+OK\r\n'],
      [['CLIENT', 'SETINFO', 'Lib-x', '6.0'], "-ERR Unrecognized option 'Lib-x'\r\n"],
      [
        ['CLIENT', 'SETINFO', 'LIB-VER', 'a b'],
        '-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n',
      ],
      [['CLIENT', 'NO-EVICT', 'on'], '+OK\r\n'],
      [['CLIENT', 'NO-TOUCH', 'OFF'], '+OK\r\n'],
      [['CLIENT', 'NO-TOUCH', 'x'], '-ERR syntax error\r\n'],
      [['CLIENT', 'REPLY', 'ON'], '+OK\r\n'],
      [
        ['CLIENT', 'MAINT_NOTIFICATIONS', 'ON'],
        "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
      ],
    ])
  })
})

test('CLIENT LIST has a line for each connection, CLIENT INFO its own', async () => {
  await withServer({}, async server => {
    const [first, second] = [await server.connect(), await server.connect()]
    await first.exchange(request('CLIENT', 'SETNAME', 'one'), '+OK\r\n')
    await second.exchange(request('CLIENT', 'SETINFO', 'LIB-NAME', 'lib'), '+OK\r\n')
    first.write(request('CLIENT', 'LIST'))
    const [reply] = await first.match(/^\$\d+\r\n[\s\S]*\n\r\n$/)
    const lines = reply.split('\n').slice(1, -2)
    assert.is(lines.length, 2)
    const line = /^id=1 addr=127.0.0.1:\d+ laddr=127.0.0.1:\d+ name=one .* cmd=client\|list /
    assert.match(lines[0]!, line)
    assert.match(lines[1]!, /^id=2 .* lib-name=lib lib-ver=$/)
    second.write(request('CLIENT', 'INFO'))
    await second.match(/^\$\d+\r\nid=2 [^\n]* cmd=client\|info [^\n]*\n\r\n$/)
  })
})

test('COMMAND describes the commands of the port', async () => {
  await withServer({ services: UNINITIALIZED }, async server => {
    const client = await server.connect()
    const ping =
      '*10\r\n$4\r\nping\r\n:-1\r\n*1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n' +
      '*2\r\n+@fast\r\n+@connection\r\n*0\r\n*0\r\n*0\r\n'
    await talk(client, [
      [['COMMAND', 'COUNT'], ':14\r\n'],
      [['COMMAND', 'INFO', 'ping', 'nosuch'], `*2\r\n${ping}$-1\r\n`],
      [['COMMAND', 'GETKEYS', 'PING', 'x'], '-ERR The command has no key arguments\r\n'],
      [['COMMAND', 'GETKEYS', 'CLIENT', 'ID'], '-ERR The command has no key arguments\r\n'],
      [['COMMAND', 'GETKEYS', 'CLIENT', 'NOSUCH'], '-ERR Invalid command specified\r\n'],
      [['COMMAND', 'GETKEYS', 'NOSUCH', 'x'], '-ERR Invalid command specified\r\n'],
      [['COMMAND', 'GETKEYS', 'ECHO'], arity('COMMAND|GETKEYS')],
      [['COMMAND', 'GETKEYS'], arity('COMMAND|GETKEYS')],
      [['COMMAND', 'Nope'], "-ERR unknown subcommand 'Nope'. Try COMMAND HELP.\r\n"],
    ])
    client.write(request('COMMAND'))
    await client.match(/^\*14\r\n\*10\r\n\$4\r\nping\r\n[\s\S]*session.close\r\n[\s\S]*\*0\r\n$/)
    client.write(request('COMMAND', 'LIST'))
    await client.match(/^\*14\r\n\$4\r\nping\r\n[\s\S]*\$13\r\nsession.close\r\n$/)
    await client.exchange(request('COMMAND', 'DOCS', 'nosuch'), '*0\r\n')
    client.write(request('COMMAND', 'DOCS', 'echo'))
    await client.match(
      /^\*2\r\n\$4\r\necho\r\n\*10\r\n\$7\r\nsummary\r\n[\s\S]*\$9\r\narguments\r\n\*1\r\n/,
    )
  })
  await withServer({ port: 'admin', services: UNINITIALIZED }, async server => {
    const client = await server.connect()
    await client.exchange(request('COMMAND', 'COUNT'), ':13\r\n')
    await client.exchange(request('SELECT', '0'), "-ERR unknown command 'SELECT'\r\n")
  })
})

test('INFO has sections, which may be chosen', async () => {
  const redis = { keyspace: () => ({ keys: 3, expires: 1 }) } as unknown as Services['redis']
  await withServer({ services: { ...UNINITIALIZED, redis: redis! } }, async server => {
    const client = await server.connect()
    const clients = '# Clients\r\nconnected_clients:1\r\n'
    const keyspace = '# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n'
    const pid = `process_id:${process.pid}\r\ntcp_port:${server.port}\r\nuptime_in_seconds:`
    for (const section of ['', 'ALL', 'default', 'everything']) {
      client.write(section === '' ? request('INFO') : request('INFO', section))
      const [text] = await client.match(/^\$\d+\r\n# Server\r\n[\s\S]*avg_ttl=0\r\n\r\n$/)
      assert.ok(text.includes('# Server\r\nkronotop_version:1.2.3\r\nredis_version:7.0.0\r\n'))
      assert.ok(text.includes(pid))
      assert.ok(text.includes(`\r\n\r\n${clients}\r\n# Memory\r\n`))
      assert.ok(text.includes('\r\n\r\n# Persistence\r\nloading:0\r\n\r\n# Replication\r\n'))
      assert.ok(text.includes('role:master\r\nmaster_repl_offset:0\r\n\r\n# Cluster\r\n'))
      assert.ok(text.includes(`cluster_enabled:1\r\n\r\n${keyspace}`))
    }
    await talk(client, [
      [['INFO', 'clients'], bulkReply(clients)],
      [['INFO', 'keyspace', 'CLIENTS'], bulkReply(`${clients}\r\n${keyspace}`)],
      [['INFO', 'nosuch'], bulkReply('')],
      [['HELLO', '3'], hello(3, 1)],
      [['INFO', 'clients'], bulkReply(clients)],
    ])
  })
})

test('INFO leaves the keyspace line out when there are no keys', async () => {
  await withServer({}, async server => {
    await talk(await server.connect(), [[['INFO', 'keyspace'], bulkReply('# Keyspace\r\n')]])
  })
})

test('CONFIG GET answers what redis-benchmark asks, the rest is unknown', async () => {
  await withServer({ services: UNINITIALIZED }, async server => {
    await talk(await server.connect(), [
      [['CONFIG', 'GET', 'Save'], '*2\r\n$4\r\nsave\r\n$0\r\n\r\n'],
      [['CONFIG', 'GET', 'maxmemory'], '*0\r\n'],
      [['CONFIG', 'SET', 'a', 'b'], "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n"],
      [['CONFIG'], arity('CONFIG')],
      [['HELLO', '3'], hello(3, 1)],
      [['config', 'get', 'appendonly'], '%1\r\n$10\r\nappendonly\r\n$2\r\nno\r\n'],
    ])
  })
})

test('SELECT', async () => {
  const notInteger = '-ERR value is not an integer or out of range\r\n'
  await withServer({}, async server => {
    await talk(await server.connect(), [
      [['SELECT', '0'], '+OK\r\n'],
      [['SELECT', '1'], '-ERR SELECT is not allowed in cluster mode\r\n'],
      [['SELECT', '-1'], '-ERR SELECT is not allowed in cluster mode\r\n'],
      [['SELECT', 'x'], notInteger],
      [['SELECT'], arity('select')],
    ])
  })
  await withServer({ services: UNINITIALIZED }, async server => {
    const refusal = '-ERR cluster has not been initialized yet\r\n'
    await talk(await server.connect(), [[['SELECT', '0'], refusal]])
  })
})

function attributes(values: { reply: string; input: string; limit: number; id: string }): string {
  return [
    bulkReply('reply_type') + bulkReply(values.reply),
    bulkReply('input_type') + bulkReply(values.input),
    `${bulkReply('limit')}:${values.limit}\r\n`,
    bulkReply('object_id_format') + bulkReply(values.id),
  ].join('')
}

const DEFAULTS = attributes({ reply: 'bson', input: 'bson', limit: 100, id: 'bytes' })

test('SESSION.ATTRIBUTE lists and sets', async () => {
  const changed = attributes({ reply: 'json', input: 'json', limit: 7, id: 'hex' })
  const command = 'SESSION.ATTRIBUTE'
  await withServer({ services: UNINITIALIZED }, async server => {
    await talk(await server.connect(), [
      [[command, 'LIST'], `*8\r\n${DEFAULTS}`],
      [[command, 'SET', 'Reply-Type', 'JSON'], '+OK\r\n'],
      [['session.attribute', 'set', 'input_type', 'json'], '+OK\r\n'],
      [[command, 'SET', 'limit', '7'], '+OK\r\n'],
      [[command, 'SET', 'OBJECT_ID-FORMAT', 'Hex'], '+OK\r\n'],
      [[command, 'list', 'ignored', 'too'], `*8\r\n${changed}`],
      [['HELLO', '3'], hello(3, 1)],
      [[command, 'LIST'], `%4\r\n${changed}`],
      [['SESSION.CLOSE'], '+OK\r\n'],
      [[command, 'LIST'], `%4\r\n${DEFAULTS}`],
      [['RESET'], '+RESET\r\n'],
      [[command, 'LIST'], `*8\r\n${DEFAULTS}`],
    ])
  })
})

test('SESSION.ATTRIBUTE refuses', async () => {
  const command = 'SESSION.ATTRIBUTE'
  await withServer({ services: UNINITIALIZED }, async server => {
    await talk(await server.connect(), [
      [[command], arity(command)],
      [[command, 'SET', 'a', 'b', 'c'], arity(command)],
      [[command, 'Get'], '-ERR Invalid subcommand status: Get\r\n'],
      [[command, 'SET'], '-ERR invalid number of parameters\r\n'],
      [[command, 'SET', 'limit'], '-ERR invalid number of parameters\r\n'],
      [[command, 'SET', 'Pin', 'x'], "-ERR Invalid session attribute: 'Pin'\r\n"],
      [[command, 'SET', 'reply_type', 'Xml'], '-ERR Invalid reply type: Xml\r\n'],
      [[command, 'SET', 'input_type', 'Xml'], '-ERR Invalid input type: Xml\r\n'],
      [[command, 'SET', 'object_id_format', 'x'], '-ERR Invalid versionstamp format: x\r\n'],
      [[command, 'SET', 'limit', 'x'], '-ERR value is not a int or out of range\r\n'],
      [[command, 'SET', 'limit', '2147483648'], '-ERR value is not a int or out of range\r\n'],
      [[command, 'SET', 'limit', '0'], "-ERR 'limit' must be greater than 0\r\n"],
      [[command, 'SET', 'limit', '-1'], "-ERR 'limit' must be greater than 0\r\n"],
      [[command, 'LIST'], `*8\r\n${DEFAULTS}`],
      [['SESSION.CLOSE', 'x'], arity('SESSION.CLOSE')],
    ])
  })
})

test('configured attributes are the defaults', async () => {
  const sets = [
    'session_attributes.reply_type=json',
    'session_attributes.limit=9',
    'bucket.object_id_format=hex',
  ]
  const expected = attributes({ reply: 'json', input: 'bson', limit: 9, id: 'hex' })
  await withServer({ sets }, async server => {
    await talk(await server.connect(), [[['SESSION.ATTRIBUTE', 'LIST'], `*8\r\n${expected}`]])
  })
})

test('a pipelined HELLO changes the replies after it', async () => {
  await withServer({}, async server => {
    const client = await server.connect()
    await client.exchange(
      request('CLIENT', 'GETNAME') + request('HELLO', '3') + request('CLIENT', 'GETNAME'),
      `$-1\r\n${hello(3, 1)}_\r\n`,
    )
  })
})

test.run()
