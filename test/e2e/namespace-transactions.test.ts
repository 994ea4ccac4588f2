/** Namespaces and explicit transactions: what they have to do with each other, and what not. */
import * as assert from 'uvu/assert'
import { batchOf } from '../support/bucket.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'

const JSON_INPUT = ['session_attributes.input_type=json']
const { server, test } = serverSuite('namespaces and transactions', JSON_INPUT)

test('the first use of a namespace takes no read version', () =>
  withTestServer([], async apart => {
    // A server that has just started has looked up nothing yet.
    const [client, other] = [await apart.connect(), await apart.connect()]
    await takesNoVersion(client, other)
  }))

test('a look-up after a change happens outside of the transaction', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  await other.call('NAMESPACE', 'CREATE', 'fresh.a')
  await client.call('NAMESPACE', 'USE', 'fresh.a')
  // Drops all look-ups.
  await other.call('NAMESPACE', 'CREATE', 'fresh.gone')
  await other.call('NAMESPACE', 'REMOVE', 'fresh.gone')
  await takesNoVersion(client, other)
})

test('transactions do not conflict with changes of namespaces', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  for (const path of ['calm.a.b', 'calm.old', 'calm.trash']) {
    await other.call('NAMESPACE', 'CREATE', path)
  }
  await client.call('NAMESPACE', 'USE', 'calm.a')
  await client.call('BEGIN')
  assert.is(await client.call('ZGET', 'k'), null)
  await client.call('ZSET', 'k', 'v')
  await other.call('NAMESPACE', 'CREATE', 'calm.a.c')
  await other.call('NAMESPACE', 'MOVE', 'calm.old', 'calm.a.moved')
  await other.call('NAMESPACE', 'MOVE', 'calm.a.b', 'calm.b')
  await other.call('NAMESPACE', 'REMOVE', 'calm.trash')
  await other.call('NAMESPACE', 'PURGE', 'calm.trash')
  assert.is(await client.call('COMMIT'), 'OK')
})

test('a namespace that was moved away and back is the same for a transaction', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  await other.call('NAMESPACE', 'CREATE', 'home.a')
  await client.call('NAMESPACE', 'USE', 'home.a')
  await client.call('BEGIN')
  await client.call('ZGET', 'k')
  await client.call('ZSET', 'k', 'v')
  await other.call('NAMESPACE', 'MOVE', 'home', 'away')
  await other.call('NAMESPACE', 'MOVE', 'away', 'home')
  assert.is(await client.call('COMMIT'), 'OK')
  assert.is(await client.call('ZGET', 'k'), 'v')
})

test('a namespace that is made inside of a transaction can be used in it', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  await client.call('BEGIN')
  const version = await client.call('GETREADVERSION')
  await client.call('ZSET', 'inside', 'global')
  await client.call('NAMESPACE', 'CREATE', 'inside.new')
  assert.is(await other.call('NAMESPACE', 'EXISTS', 'inside.new'), 1)
  await client.call('NAMESPACE', 'USE', 'inside.new')
  assert.is(await client.call('ZGET', 'inside'), null)
  await client.call('ZSET', 'inside', 'new')
  assert.is(await client.call('ZGET', 'inside'), 'new')
  assert.is(await client.call('GETREADVERSION'), version)
  assert.is(await client.call('COMMIT'), 'OK')
  assert.is(await other.call('ZGET', 'inside'), 'global')
  await other.call('NAMESPACE', 'USE', 'inside.new')
  assert.is(await other.call('ZGET', 'inside'), 'new')
})

test('ROLLBACK leaves what NAMESPACE commands did', async () => {
  const client = await server.connect()
  await client.call('NAMESPACE', 'CREATE', 'kept.old')
  await client.call('BEGIN')
  await client.call('NAMESPACE', 'CREATE', 'kept.made')
  await client.call('NAMESPACE', 'MOVE', 'kept.old', 'kept.moved')
  await client.call('NAMESPACE', 'USE', 'kept.made')
  await client.call('ROLLBACK')
  assert.is(await client.call('NAMESPACE', 'CURRENT'), 'kept.made')
  assert.equal(await client.call('NAMESPACE', 'LIST', 'kept'), ['made', 'moved'])
})

test('COMMIT fails as a data command would where a namespace was removed or moved', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  const cases: [change: string, error: string][] = [
    ['REMOVE', "NAMESPACEBEINGREMOVED Namespace 'end.REMOVE' is being removed"],
    ['MOVE', 'NOSUCHNAMESPACE No such namespace: end.MOVE.below'],
  ]
  for (const [change, error] of cases) {
    await other.call('NAMESPACE', 'CREATE', `end.${change}.below`)
    await client.call('NAMESPACE', 'USE', `end.${change}.below`)
    await client.call('BUCKET.CREATE', 'b')
    await client.call('BEGIN')
    await client.call('ZSET', 'k', 'v')
    await client.call('BUCKET.INSERT', 'b', 'DOCS', '{}')
    const moved = change === 'MOVE' ? ['end.elsewhere'] : []
    await other.call('NAMESPACE', change, `end.${change}`, ...moved)
    assert.is(await client.error('COMMIT'), error)
    assert.is(await client.error('COMMIT'), 'TRANSACTION there is no transaction in progress.')
  }
  await other.call('NAMESPACE', 'USE', 'end.elsewhere.below')
  assert.is(await other.call('ZGET', 'k'), null)
  assert.is((await batchOf(other, 'BUCKET.QUERY', 'b', '{}')).items.length, 0)
})

test('a transaction that only read in a removed namespace commits elsewhere', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  await other.call('NAMESPACE', 'CREATE', 'source')
  await client.call('NAMESPACE', 'USE', 'source')
  await client.call('BEGIN')
  await client.call('ZGET', 'k')
  await client.call('NAMESPACE', 'USE', 'global')
  await client.call('ZSET', 'copied', 'v')
  await other.call('NAMESPACE', 'REMOVE', 'source')
  assert.is(await client.call('COMMIT'), 'OK')
})

/** A blind write takes no read version: what was committed behind it is in the one taken then. */
async function takesNoVersion(client: RespClient, other: RespClient): Promise<void> {
  await client.call('BEGIN')
  await client.call('ZSET', 'k', 'v')
  await other.call('BEGIN')
  await other.call('ZSET', 'other', 'v')
  const version = await other.call('COMMIT', 'RETURNING', 'committed-version')
  assert.ok(Number(await client.call('GETREADVERSION')) >= Number(version))
  assert.is(await client.call('COMMIT'), 'OK')
}

test.run()
