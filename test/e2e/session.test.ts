/** Sessions: attributes, their isolation, and what ends with SESSION.CLOSE or a disconnect. */
import * as assert from 'uvu/assert'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('session')

const LISTING_3 =
  '%4\r\n$10\r\nreply_type\r\n$4\r\nbson\r\n$10\r\ninput_type\r\n$4\r\nbson\r\n' +
  '$5\r\nlimit\r\n:100\r\n$16\r\nobject_id_format\r\n$5\r\nbytes\r\n'

test('lists the attributes in order', async () => {
  const client = await server.connect()
  await client.exchange(['SESSION.ATTRIBUTE', 'LIST'], LISTING_3.replace('%4', '*8'))
  await client.call('HELLO', '3')
  await client.exchange(['session.attribute', 'list', 'ignored', 'too'], LISTING_3)
})

test('sets attributes in any case and with either separator', async () => {
  const client = await server.connect(3)
  const set = (name: string, value: string) => client.call('SESSION.ATTRIBUTE', 'SET', name, value)
  assert.is(await set('Reply-Type', 'JSON'), 'OK')
  assert.is(await set('INPUT_TYPE', 'Json'), 'OK')
  assert.is(await set('limit', '7'), 'OK')
  assert.is(await set('object-id_format', 'HEX'), 'OK')
  const listed = await client.call('SESSION.ATTRIBUTE', 'LIST')
  assert.equal(
    [...(listed as Map<string, unknown>)],
    [
      ['reply_type', 'json'],
      ['input_type', 'json'],
      ['limit', 7],
      ['object_id_format', 'hex'],
    ],
  )
  const other = await server.connect(3)
  await other.exchange(['SESSION.ATTRIBUTE', 'LIST'], LISTING_3)
})

test('refuses what is wrong and changes nothing', async () => {
  const client = await server.connect(3)
  const cases: [words: string[], error: string][] = [
    [['NOPE'], 'ERR Invalid subcommand status: NOPE'],
    [['SET'], 'ERR invalid number of parameters'],
    [['SET', 'limit'], 'ERR invalid number of parameters'],
    [['SET', 'foo', '1'], "ERR Invalid session attribute: 'foo'"],
    [['SET', 'reply_type', 'Xml'], 'ERR Invalid reply type: Xml'],
    [['SET', 'input_type', 'xml'], 'ERR Invalid input type: xml'],
    [['SET', 'object_id_format', 'x'], 'ERR Invalid versionstamp format: x'],
    [['SET', 'limit', 'x'], 'ERR value is not a int or out of range'],
    [['SET', 'limit', '2147483648'], 'ERR value is not a int or out of range'],
    [['SET', 'limit', '0'], "ERR 'limit' must be greater than 0"],
    [['SET', 'limit', '-1'], "ERR 'limit' must be greater than 0"],
    [[], "ERR wrong number of arguments for 'SESSION.ATTRIBUTE' command"],
    [['SET', 'limit', '1', '2'], "ERR wrong number of arguments for 'SESSION.ATTRIBUTE' command"],
  ]
  for (const [words, error] of cases) {
    assert.is(await client.error('SESSION.ATTRIBUTE', ...words), error)
  }
  await client.exchange(['SESSION.ATTRIBUTE', 'LIST'], LISTING_3)
})

test('starts anew after SESSION.CLOSE, in the same protocol', async () => {
  const client = await server.connect(3)
  const id = await client.call('CLIENT', 'ID')
  await client.call('NAMESPACE', 'CREATE', 'closing')
  await client.call('NAMESPACE', 'USE', 'closing')
  await client.call('CLIENT', 'SETNAME', 'me')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'limit', '5')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'json')
  await client.call('BEGIN')
  await client.call('ZSET', 'staged', '1')
  assert.is(await client.call('SESSION.CLOSE'), 'OK')
  assert.is(await client.error('COMMIT'), 'TRANSACTION there is no transaction in progress.')
  assert.is(await client.call('NAMESPACE', 'CURRENT'), 'global')
  assert.is(await client.call('CLIENT', 'GETNAME'), null)
  assert.is(await client.call('CLIENT', 'ID'), id)
  await client.exchange(['SESSION.ATTRIBUTE', 'LIST'], LISTING_3)
  await client.call('NAMESPACE', 'USE', 'closing')
  assert.is(await client.call('ZGET', 'staged'), null)
})

test('counts cursors from 1 again after SESSION.CLOSE', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'cursors')
  const query = async () => {
    return ((await client.call('BUCKET.QUERY', 'cursors', '{}')) as Map<string, unknown>).get(
      'cursor_id',
    )
  }
  assert.equal([await query(), await query()], [1, 2])
  await client.call('SESSION.CLOSE')
  assert.is(
    await client.error('BUCKET.ADVANCE', 'QUERY', '1'),
    "ERR No previous query context found for 'query' operation with the given cursor id",
  )
  assert.is(await query(), 1)
})

test('goes back to the start with RESET', async () => {
  const client = await server.connect(3)
  await client.exchange(['RESET'], '+RESET\r\n')
  await client.exchange(['ZGET', 'absent'], '$-1\r\n')
})

test('rolls back when the connection is lost', async () => {
  const leaving = await server.connect()
  await leaving.call('BEGIN')
  await leaving.call('ZSET', 'lost', '1')
  leaving.close()
  const client = await server.connect()
  assert.is(await client.call('ZGET', 'lost'), null)
})

test.run()

const guarded = serverSuite('session with a password', ['auth.requirepass=secret'])
const NOAUTH = 'NOAUTH Authentication required.'
const WRONGPASS = 'WRONGPASS invalid username-password pair or user is disabled.'

guarded.test('lets nothing through before the login', async () => {
  const client = await guarded.server.connect()
  for (const words of [['PING'], ['ZGET', 'k'], ['GET', 'k'], ['BEGIN'], ['CLIENT', 'ID']]) {
    assert.is(await client.error(...words), NOAUTH)
  }
  assert.is(await client.error('ZGET'), "ERR wrong number of arguments for 'ZGET' command")
  assert.is(await client.error('AUTH', 'wrong'), WRONGPASS)
  assert.is(await client.error('AUTH', 'nobody', 'secret'), WRONGPASS)
  assert.is(await client.error('ZGET', 'k'), NOAUTH)
  assert.is(await client.call('AUTH', 'secret'), 'OK')
  assert.is(await client.error('AUTH', 'wrong'), WRONGPASS)
  assert.is(await client.call('ZGET', 'k'), null)
  await client.call('SESSION.CLOSE')
  assert.is(await client.error('ZGET', 'k'), NOAUTH)
  assert.is(await client.call('AUTH', 'default', 'secret'), 'OK')
})

guarded.test('logs in with HELLO, on both ports', async () => {
  for (const connect of [() => guarded.server.connect(), () => guarded.server.connectAdmin(2)]) {
    const client = await connect()
    assert.is(await client.error('HELLO', '3', 'AUTH', 'default', 'wrong'), WRONGPASS)
    await client.exchange(['PING'], `-${NOAUTH}\r\n`)
    await client.call('HELLO', '3')
    assert.is(await client.error('PING'), NOAUTH)
    await client.call('HELLO', '3', 'AUTH', 'default', 'secret')
    assert.is(await client.call('PING'), 'PONG')
  }
})

guarded.test.run()
