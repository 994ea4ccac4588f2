/**
 * Replies of the connection's commands, byte for byte: both protocols, both transports. Each row is
 * sent as an array and, where its words allow it, inline.
 */
import * as assert from 'uvu/assert'
import { encodeRequest, type RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'

const TRANSPORTS = ['native', 'node'] as const

function settingsOf(transport: string): string[] {
  return ['external', 'internal'].map(port => `network.${port}.transport=${transport}`)
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

function arity(name: string): string {
  return `-ERR wrong number of arguments for '${name}' command\r\n`
}

/** Words (latin1), the reply in RESP2, and that in RESP3 where it differs. */
type Row = readonly [words: readonly string[], resp2: string, resp3?: string]

const BAD_NAME = '-ERR Client names cannot contain spaces, newlines or special characters.\r\n'
const PROTOVER = '-ERR Protocol version is not an integer or out of range\r\n'
const NOPROTO = '-NOPROTO unsupported protocol version\r\n'
const WRONGPASS = '-WRONGPASS invalid username-password pair or user is disabled.\r\n'
const NO_PASSWORD =
  '-ERR AUTH <password> called without any password configured for the default user. ' +
  'Are you sure your configuration is correct?\r\n'

const ATTRIBUTES =
  bulk('reply_type') +
  bulk('bson') +
  bulk('input_type') +
  bulk('bson') +
  `${bulk('limit')}:100\r\n` +
  bulk('object_id_format') +
  bulk('bytes')

/** On both ports. */
const SHARED: readonly Row[] = [
  [['PING'], '+PONG\r\n'],
  [['pInG'], '+PONG\r\n'],
  [['PING', ''], '+PONG\r\n'],
  [['PING', 'hi'], bulk('hi')],
  [['PING', '\0\xff\r\n$-1'], bulk('\0\xff\r\n$-1')],
  [['PING', 'a', 'b'], arity('PING')],
  [['ECHO', 'hi'], bulk('hi')],
  [['ECHO', ''], bulk('')],
  [['ECHO', '\xc3\x28'], bulk('\xc3\x28')],
  [['ECHO'], arity('ECHO')],
  [['echo', 'a', 'b'], arity('ECHO')],
  [['TIME', 'x'], arity('TIME')],
  [['HELLO', 'x'], PROTOVER],
  [['HELLO', '02'], PROTOVER],
  [['HELLO', '1'], NOPROTO],
  [['HELLO', '4'], NOPROTO],
  [['HELLO', '3', 'Nope'], "-ERR Syntax error in HELLO option 'Nope'\r\n"],
  [['HELLO', '3', 'setname'], "-ERR Syntax error in HELLO option 'setname'\r\n"],
  [['HELLO', '3', 'AUTH', 'u'], "-ERR Syntax error in HELLO option 'AUTH'\r\n"],
  [['HELLO', '3', 'SETNAME', 'a b'], BAD_NAME],
  [['HELLO', '3', 'SETNAME', 'n', 'AUTH', 'default', 'p'], WRONGPASS],
  [['AUTH'], arity('AUTH')],
  [['AUTH', 'p'], NO_PASSWORD],
  [['AUTH', 'u', 'p'], WRONGPASS],
  [['AUTH', 'u', 'p', 'x'], arity('AUTH')],
  [['CLIENT'], arity('CLIENT')],
  [['CLIENT', 'GETNAME'], '$-1\r\n', '_\r\n'],
  [['CLIENT', 'SETNAME', 'n-1'], '+OK\r\n'],
  [['CLIENT', 'SETNAME', 'a\nb'], BAD_NAME],
  [['CLIENT', 'getname'], bulk('n-1')],
  [['CLIENT', 'SETNAME', ''], '+OK\r\n'],
  [['CLIENT', 'GETNAME'], '$-1\r\n', '_\r\n'],
  [['CLIENT', 'SETNAME'], arity('CLIENT|SETNAME')],
  [['CLIENT', 'ID', 'x'], arity('CLIENT|ID')],
  [['CLIENT', 'SETINFO', 'Lib-Name', 'x'], '+OK\r\n'],
  [['CLIENT', 'SETINFO', 'LIB-VER', '1.2'], '+OK\r\n'],
  [['CLIENT', 'SETINFO', 'os', 'x'], "-ERR Unrecognized option 'os'\r\n"],
  [['CLIENT', 'NO-EVICT', 'ON'], '+OK\r\n'],
  [['CLIENT', 'NO-TOUCH', 'off'], '+OK\r\n'],
  [['CLIENT', 'REPLY', 'ON'], '+OK\r\n'],
  [['CLIENT', 'Nope'], "-ERR unknown subcommand 'Nope'. Try CLIENT HELP.\r\n"],
  [['COMMAND', 'Nope'], "-ERR unknown subcommand 'Nope'. Try COMMAND HELP.\r\n"],
  [['COMMAND', 'INFO', 'nosuch'], '*1\r\n$-1\r\n', '*1\r\n_\r\n'],
  [['COMMAND', 'DOCS', 'nosuch'], '*0\r\n', '%0\r\n'],
  [['CONFIG', 'GET', 'nosuch'], '*0\r\n', '%0\r\n'],
  [['CONFIG', 'SET', 'a', 'b'], "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n"],
  [['INFO', 'cluster'], bulk('# Cluster\r\ncluster_enabled:1\r\n')],
  [['INFO', 'nosuch'], bulk('')],
  [['SESSION.ATTRIBUTE', 'LIST'], `*8\r\n${ATTRIBUTES}`, `%4\r\n${ATTRIBUTES}`],
  [['SESSION.ATTRIBUTE', 'list', 'x', 'y'], `*8\r\n${ATTRIBUTES}`, `%4\r\n${ATTRIBUTES}`],
  [['SESSION.ATTRIBUTE', 'SET', 'limit', '7'], '+OK\r\n'],
  [['SESSION.ATTRIBUTE', 'SET', 'limit', 'x'], '-ERR value is not a int or out of range\r\n'],
  [['SESSION.ATTRIBUTE', 'SET', 'limit', '0'], "-ERR 'limit' must be greater than 0\r\n"],
  [['SESSION.ATTRIBUTE', 'SET', 'Nope', '1'], "-ERR Invalid session attribute: 'Nope'\r\n"],
  [['SESSION.ATTRIBUTE', 'SET', 'Reply-Type', 'Xml'], '-ERR Invalid reply type: Xml\r\n'],
  [['SESSION.ATTRIBUTE', 'SET', 'input_type', 'x'], '-ERR Invalid input type: x\r\n'],
  [
    ['SESSION.ATTRIBUTE', 'SET', 'object_id_format', 'x'],
    '-ERR Invalid versionstamp format: x\r\n',
  ],
  [['SESSION.ATTRIBUTE', 'Get'], '-ERR Invalid subcommand status: Get\r\n'],
  [['SESSION.ATTRIBUTE', 'SET', 'limit'], '-ERR invalid number of parameters\r\n'],
  [['SESSION.ATTRIBUTE'], arity('SESSION.ATTRIBUTE')],
  [['SESSION.ATTRIBUTE', 'SET', 'limit', '1', '2'], arity('SESSION.ATTRIBUTE')],
  [['SESSION.CLOSE', 'x'], arity('SESSION.CLOSE')],
  [['SESSION.CLOSE'], '+OK\r\n'],
  [['SESSION.ATTRIBUTE', 'LIST'], `*8\r\n${ATTRIBUTES}`, `%4\r\n${ATTRIBUTES}`],
  [['RESET', 'x'], arity('RESET')],
  [['nosuch', 'a'], "-ERR unknown command 'NOSUCH'\r\n"],
  [['a\r\nb'], "-ERR unknown command 'A  B'\r\n"],
  [[''], "-ERR unknown command ''\r\n"],
]

/** On the client port, in a namespace of its own. */
const CLIENT_PORT: readonly Row[] = [
  [['SELECT', '0'], '+OK\r\n'],
  [['SELECT', '1'], '-ERR SELECT is not allowed in cluster mode\r\n'],
  [['ZSET', 'k\0\r\n', 'v\xff'], '+OK\r\n'],
  [['ZGET', 'k\0\r\n'], bulk('v\xff')],
  [['ZGET', 'absent'], '$-1\r\n', '_\r\n'],
  [['ZGETRANGE', '*', '*'], `*1\r\n*2\r\n${bulk('k\0\r\n')}${bulk('v\xff')}`],
  [['ZDEL', 'k\0\r\n'], '+OK\r\n'],
  [['ZGETRANGE', '*', '*'], '*0\r\n'],
  [['ZGET'], arity('ZGET')],
  [['COMMIT'], '-TRANSACTION there is no transaction in progress.\r\n'],
  [['BEGIN'], '+OK\r\n'],
  [['BEGIN'], '-TRANSACTION there is already a transaction in progress.\r\n'],
  [['ROLLBACK'], '+OK\r\n'],
  [['HSET', 'replies', 'f', 'v'], ':1\r\n'],
  [['HGETALL', 'replies'], `*2\r\n${bulk('f')}${bulk('v')}`, `%1\r\n${bulk('f')}${bulk('v')}`],
  [['GET', 'replies'], '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'],
  [['DEL', 'replies'], ':1\r\n'],
  [['get'], arity('get')],
  [['KR.ADMIN', 'DESCRIBE-MEMBER'], "-ERR unknown command 'KR.ADMIN'\r\n"],
]

const ADMIN_PORT: readonly Row[] = ['ZGET', 'BEGIN', 'NAMESPACE', 'QUERY', 'GET', 'SELECT'].map(
  name => [[name], `-ERR unknown command '${name}'\r\n`] as const,
)

async function runRows(client: RespClient, rows: readonly Row[], protocol: 2 | 3): Promise<void> {
  for (const [words, resp2, resp3 = resp2] of rows) {
    const reply = protocol === 2 ? resp2 : resp3
    const request = encodeRequest(words.map(word => Buffer.from(word, 'latin1')))
    client.write(request)
    await client.expect(reply)
  }
}

/** Words of a line in quotes, with everything but letters escaped. */
function inline(words: readonly string[]): string {
  const quoted = words.map(word => {
    const escaped = word.replaceAll(/[^a-z.]/gi, character => {
      return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
    })
    return `"${escaped}"`
  })
  return `${quoted.join(' ')}\n`
}

async function runInline(client: RespClient, rows: readonly Row[], protocol: 2 | 3): Promise<void> {
  for (const [words, resp2, resp3 = resp2] of rows) {
    client.write(inline(words))
    await client.expect(protocol === 2 ? resp2 : resp3)
  }
}

for (const transport of TRANSPORTS) {
  const { server, test } = serverSuite(`replies over ${transport}`, settingsOf(transport))

  for (const protocol of [2, 3] as const) {
    for (const [way, run] of [
      ['arrays', runRows],
      ['inline', runInline],
    ] as const) {
      test(`are exact in RESP${protocol} on the client port, asked by ${way}`, async () => {
        const client = await server.connect(protocol)
        const name = `${transport}-${protocol}-${way}`
        await run(client, SHARED, protocol)
        await client.call('NAMESPACE', 'CREATE', name)
        await client.call('NAMESPACE', 'USE', name)
        await run(client, CLIENT_PORT, protocol)
      })

      test(`are exact in RESP${protocol} on the admin port, asked by ${way}`, async () => {
        const client = await server.connectAdmin(protocol)
        await run(client, SHARED, protocol)
        await run(client, ADMIN_PORT, protocol)
      })
    }
  }

  test('of TIME are the wall clock', async () => {
    const client = await server.connect()
    const before = Date.now()
    const [seconds, microseconds] = (await client.call('TIME')) as string[]
    assert.match(`${seconds} ${microseconds}`, /^\d{10} (0|[1-9]\d{0,5})$/)
    const timeMs = Number(seconds) * 1000 + Number(microseconds) / 1000
    assert.ok(timeMs > before - 5 && timeMs < Date.now() + 5, `${timeMs - before}`)
  })

  test('go back to RESP2 by RESET, stay by SESSION.CLOSE', async () => {
    const client = await server.connect(3)
    await client.exchange(['SESSION.CLOSE'], '+OK\r\n')
    await client.exchange(['CLIENT', 'GETNAME'], '_\r\n')
    await client.exchange(['RESET'], '+RESET\r\n')
    await client.exchange(['CLIENT', 'GETNAME'], '$-1\r\n')
  })

  test('follow QUIT with any words by nothing', async () => {
    const client = await server.connect()
    client.write(
      Buffer.concat(
        [
          ['quit', 'now'],
          ['ZSET', 'quit', '1'],
        ].map(encodeRequest),
      ),
    )
    await client.expect('+OK\r\n')
    await client.expectClose()
    await (await server.connect()).exchange(['ZGET', 'quit'], '$-1\r\n')
  })

  test('of CLIENT LIST and INFO are lines of fields', async () => {
    const [client, other] = [await server.connect(), await server.connect()]
    await other.call('HELLO', '3', 'SETNAME', 'other')
    await other.call('CLIENT', 'SETINFO', 'LIB-NAME', 'lib')
    await other.call('BEGIN')
    const id = String(await other.call('CLIENT', 'ID'))
    const addresses = 'addr=127\\.0\\.0\\.1:\\d+ laddr=127\\.0\\.0\\.1:\\d+'
    const lines = String(await client.call('CLIENT', 'LIST')).split('\n')
    const line = lines.find(one => one.startsWith(`id=${id} `)) ?? ''
    const pattern = `^id=${id} ${addresses} name=other age=\\d+ idle=\\d+ .*lib-name=lib lib-ver=$`
    assert.match(line, new RegExp(pattern))
    assert.is(lines.at(-1), '')
    const own = String(await other.call('CLIENT', 'INFO'))
    assert.match(own, new RegExp(`^id=${id} .* resp=3 .*\\n$`))
    other.close()
  })

  test('of INFO are one bulk of sections, in RESP3 too', async () => {
    const client = await server.connect(3)
    const { type, value } = await client.frame('INFO')
    assert.is(type, '$')
    const text = String(value)
    const sections = text.split('\r\n\r\n').map(section => section.split('\r\n')[0])
    assert.equal(sections.slice(0, 2), ['# Server', '# Clients'])
    for (const fields of [
      /^# Server\r\nkronotop_version:\S+\r\nredis_version:7\.0\.0\r\nredis_mode:cluster\r\nos:\S+ \S+ \S+\r\n/,
      /\r\nprocess_id:\d+\r\ntcp_port:\d+\r\nuptime_in_seconds:\d+\r\n/,
      /\r\n# Clients\r\nconnected_clients:\d+\r\n/,
      /\r\n# Persistence\r\nloading:0\r\n/,
      /\r\n# Replication\r\nrole:master\r\nmaster_repl_offset:0\r\n/,
      /\r\n# Cluster\r\ncluster_enabled:1\r\n/,
    ]) {
      assert.match(text, fields)
    }
    for (const all of ['all', 'DEFAULT', 'everything']) {
      assert.match(String(await client.call('INFO', all)), /^# Server(.|\r\n)*# Cluster/)
    }
  })

  test.run()
}

const guarded = [...settingsOf('native'), 'auth.requirepass=secret', 'cluster.auto_bootstrap=false']
const checks = serverSuite('checks of a request', guarded)

/** Each row breaks two neighbouring checks: the first one answers. */
checks.test('stand in their order', async () => {
  const client = await checks.server.connect()
  const NOAUTH = '-NOAUTH Authentication required.\r\n'
  const rows: readonly Row[] = [
    // The name, then the number of arguments: an unknown command has none that is right.
    [['NOSUCH'], "-ERR unknown command 'NOSUCH'\r\n"],
    [['KR.ADMIN'], "-ERR unknown command 'KR.ADMIN'\r\n"],
    // The number of arguments, then the login.
    [['ZGET'], arity('ZGET')],
    [['CLIENT', 'SETNAME'], arity('CLIENT|SETNAME')],
    [['get'], arity('get')],
    // The login, then the cluster.
    [['ZGET', 'k'], NOAUTH],
    [['PING'], NOAUTH],
    [['CLIENT', 'NOSUCH'], NOAUTH],
    [['AUTH', 'wrong'], WRONGPASS],
    [['AUTH', 'secret'], '+OK\r\n'],
    // The cluster, then slots and arguments.
    [['ZGETRANGE', 'a', 'b', 'NOSUCH'], '-ERR cluster has not been initialized yet\r\n'],
    [['DEL', 'a', 'b'], '-ERR cluster has not been initialized yet\r\n'],
    [['SNAPSHOTREAD', 'x'], '-ERR cluster has not been initialized yet\r\n'],
    [['NAMESPACE', 'NOSUCH'], '-ERR cluster has not been initialized yet\r\n'],
    // What needs no cluster.
    [['PING'], '+PONG\r\n'],
    [['ECHO', 'x'], bulk('x')],
    [['CLIENT', 'GETNAME'], '$-1\r\n'],
    [['SESSION.ATTRIBUTE', 'LIST'], `*8\r\n${ATTRIBUTES}`],
    [['COMMAND', 'INFO', 'nosuch'], '*1\r\n$-1\r\n'],
    [['INFO', 'nosuch'], bulk('')],
    [['SESSION.CLOSE'], '+OK\r\n'],
    [['PING'], NOAUTH],
  ]
  await runRows(client, rows, 2)
  const admin = await checks.server.connectAdmin(2)
  await admin.call('AUTH', 'secret')
  await admin.call('KR.ADMIN', 'INITIALIZE-CLUSTER')
  const after: readonly Row[] = [
    [['AUTH', 'default', 'secret'], '+OK\r\n'],
    // Slots, then the shard: nobody owns one yet. The shard, then arguments.
    [['DEL', 'a', 'b'], "-CROSSSLOT Keys in request don't hash to the same slot\r\n"],
    [['SET', 'k', 'v', 'NOSUCH'], '-ERR shard id: 0 not owned by any member yet\r\n'],
    [['SNAPSHOTREAD', 'x'], "-ERR illegal argument for SNAPSHOTREAD: 'x'\r\n"],
    [['ZGET', 'k'], '$-1\r\n'],
  ]
  await runRows(client, after, 2)
})

checks.test.run()

/** Errors whose text depends on the setting. */
async function namesErrors(server: TestServer, old: string, namespace: string): Promise<void> {
  const [client, other] = [await server.connect(), await server.connect()]
  await client.exchange(['BEGIN'], '+OK\r\n')
  await client.exchange(['ZGET', 'k'], '$-1\r\n')
  const begun = Date.now()
  await other.exchange(['NAMESPACE', 'USE', 'no.such'], `-NOSUCHNAMESPACE ${namespace}\r\n`)
  // A transaction may be 5 s old.
  while (Date.now() - begun < 5_200) await new Promise(resolve => setTimeout(resolve, 100))
  await client.exchange(['ZGET', 'k'], `-${old}\r\n`)
  await client.exchange(['COMMIT'], `-${old}\r\n`)
}

const names = serverSuite('names of errors')

names.test('are those of the seeds unless told otherwise', async () => {
  const seed = 'TRANSACTIONOLD transaction is too old to perform reads or be committed'
  const current = 'TRANSACTION_TOO_OLD Transaction is too old to perform reads or be committed'
  await Promise.all([
    namesErrors(names.server, seed, 'No such namespace: no.such'),
    withTestServer(['compat.error_names=current'], server =>
      namesErrors(server, current, "No such namespace: 'no.such'"),
    ),
  ])
})

names.test.run()
