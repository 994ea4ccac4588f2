/** ZWATCH through sockets: what wakes it, what does not, and how it ends. */
import * as assert from 'uvu/assert'
import { encodeRequest, type RespClient } from '../support/resp-client.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'
import { alsoOn, bulk, error, exchangeAll, inBothProtocols, none, OK } from '../support/zmap.js'

const suite = serverSuite('zmap watch')
const { server, test } = suite

/** Sends ZWATCH, and whatever should wait behind it. When this resolves the watch is set: the PONG
 *  before it comes no earlier than the turn of the loop in which the server looked at both. */
async function watch(client: RespClient, key: string, ...behind: string[][]): Promise<void> {
  // From here on the server knows the namespace: it is looked up no more.
  await client.call('ZGETKEY', key)
  const requests = [['PING'], ['ZWATCH', key], ...behind]
  client.write(Buffer.concat(requests.map(encodeRequest)))
  await client.expect('+PONG\r\n')
}

inBothProtocols(suite, 'wakes up for every kind of change', async (client, protocol) => {
  const other = await alsoOn(server, client)
  const changes: readonly (readonly [change: string, now: string])[] = [
    ['ZSET lamp on', bulk('on')],
    ['ZSET lamp off', bulk('off')],
    ['ZMUTATE lamp !! APPEND_IF_FITS', bulk('off!!')],
    ['ZDEL lamp', none(protocol)],
    ['ZINC.I64 lamp 65', bulk('A\0\0\0\0\0\0\0')],
    ['ZINC.I64 lamp 1', bulk('B\0\0\0\0\0\0\0')],
    ['ZDELRANGE * *', none(protocol)],
    ['ZSET.F64 lamp 1.5', bulk('\0\0\0\0\0\0\xf8\x3f')],
    ['ZINC.F64 lamp 0.5', bulk('\0\0\0\0\0\0\0\x40')],
    ['ZSET lamp ', bulk('')],
    ['ZDEL lamp', none(protocol)],
  ]
  for (const [change, now] of changes) {
    await watch(client, 'lamp', ['ZGET', 'lamp'])
    await other.exchange(change.split(' '), OK)
    await client.expect(OK + now)
  }
})

inBothProtocols(suite, 'answers what was sent meanwhile, in order', async client => {
  const other = await alsoOn(server, client)
  await watch(client, 'k', ['PING'], ['ZWATCH', 'k'], ['ZGET', 'k'], ['ECHO', 'last'])
  await other.exchange(['ZSET', 'k', '1'], OK)
  await client.expect(`${OK}+PONG\r\n`)
  // The next one is set in a turn of its own: changes until it wakes up.
  let value = 1
  let isWoken = false
  const woken = client.expect(OK).then(() => {
    isWoken = true
  })
  while (!isWoken) {
    value += 1
    await other.exchange(['ZSET', 'k', String(value)], OK)
  }
  await woken
  assert.ok(Number(await client.readData()) <= value)
  assert.is(await client.readData(), 'last')
})

inBothProtocols(suite, 'sleeps through what is no change', async client => {
  const map = String(await client.call('NAMESPACE', 'CURRENT'))
  const other = await alsoOn(server, client)
  await other.call('ZSET', 'k', 'v')
  // Woken too early it would show an earlier value behind it.
  await watch(client, 'k', ['ZGET', 'k'])
  await exchangeAll(other, [
    ['BEGIN', OK],
    ['ZSET k uncommitted', OK],
    ['ROLLBACK', OK],
    ['ZSET k2 v', OK],
    ['ZDEL j', OK],
    ['ZMUTATE k v2 COMPARE_AND_CLEAR', OK],
    ['NAMESPACE USE global', OK],
    ['ZSET k elsewhere', OK],
    ['ZDEL k', OK],
  ])
  await exchangeAll(other, [
    [`NAMESPACE USE ${map}`, OK],
    ['BEGIN', OK],
    ['ZSET k committed', OK],
    ['COMMIT', OK],
  ])
  await client.expect(OK + bulk('committed'))
})

inBothProtocols(suite, 'wakes all who wait for a key', async client => {
  const waiters = [client]
  while (waiters.length < 20) waiters.push(await alsoOn(server, client))
  const writer = await alsoOn(server, client)
  for (const waiter of waiters) await watch(waiter, 'k')
  await writer.exchange(['ZSET', 'k', 'v'], OK)
  for (const waiter of waiters) await waiter.expect(OK)
})

inBothProtocols(suite, 'refuses what cannot be waited for', async client => {
  const arity = error("ERR wrong number of arguments for 'ZWATCH' command")
  await exchangeAll(client, [
    ['ZWATCH', arity],
    ['ZWATCH k l', arity],
    ['BEGIN', OK],
    ['ZWATCH k', error('ERR ZWATCH is not allowed within a transaction')],
    ['ZSET k v', OK],
    ['COMMIT', OK],
    ['ZGET k', bulk('v')],
  ])
  const long = 'x'.repeat(10_001)
  await client.exchange(['ZWATCH', long], error('KEY_TOO_LARGE Key length exceeds limit'))
  await client.exchange(['PING'], '+PONG\r\n')
})

test('a server that stops ends the wait', () =>
  withTestServer([], async own => {
    const clients = await Promise.all([own.connect(2), own.connect(3), own.connect(2)])
    for (const client of clients) await watch(client, 'k')
    const stopped = own.stop()
    for (const client of clients) {
      await client.expect(error('ERR watch cancelled'))
      await client.expectClose()
    }
    await stopped
  }))

test('a member that shares a store is woken by another one', () =>
  withTestServer([], async owner => {
    await withTestServer(owner.storeSettings, async follower => {
      const pairs = [
        [owner, follower],
        [follower, owner],
      ] as const
      for (const [here, there] of pairs) {
        const [watcher, writer] = [await here.connect(), await there.connect()]
        await watch(watcher, 'k', ['ZGET', 'k'])
        const value = String(here.clientPort)
        await writer.exchange(['ZSET', 'k', value], OK)
        await watcher.expect(OK + bulk(value))
      }
    })
  }))

test.run()
