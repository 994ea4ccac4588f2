/** Several members on one store: what one does to namespaces, the others get to know. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const test = suite('namespaces of several members')

interface Pair {
  readonly first: TestServer
  readonly second: TestServer
  readonly one: RespClient
  readonly other: RespClient
}

function withPair(body: (pair: Pair) => Promise<void>, sets: readonly string[] = []) {
  return withTestServer(sets, first =>
    withTestServer([...sets, ...first.storeSettings], async second => {
      const [one, other] = [await first.connect(), await second.connect()]
      await body({ first, second, one, other })
    }),
  )
}

/** First word of what a request is refused with, or its reply. */
async function outcome(client: RespClient, words: string): Promise<string> {
  const { type, value } = await client.frame(...words.split(' '))
  return type === '-' ? String(value).split(' ')[0]! : String(value)
}

/** Waits until a request is answered so. */
function answers(client: RespClient, words: string, expected: string): Promise<void> {
  return until(`${words} is answered ${expected}`, async () => {
    return (await outcome(client, words)) === expected
  })
}

/** Makes a namespace, and has a session of either member look it up and write into it. */
async function occupy({ one, other }: Pair, path: string): Promise<void> {
  await one.call('NAMESPACE', 'CREATE', path)
  for (const client of [one, other]) {
    await client.call('NAMESPACE', 'USE', path)
    await client.call('ZSET', 'k', 'v')
  }
}

test('a removal reaches the others, and any of them may purge', () =>
  withPair(async pair => {
    const { one, other } = pair
    await occupy(pair, 'a.b')
    await one.call('NAMESPACE', 'REMOVE', 'a')
    await answers(other, 'ZSET k w', 'NAMESPACEBEINGREMOVED')
    assert.is(await other.call('NAMESPACE', 'CURRENT'), 'a.b')
    assert.is(await other.call('NAMESPACE', 'PURGE', 'a'), 'OK')
    for (const client of [one, other]) {
      assert.is(await outcome(client, 'ZGET k'), 'NOSUCHNAMESPACE')
      assert.is(await client.call('NAMESPACE', 'EXISTS', 'a'), 0)
    }
    await other.call('NAMESPACE', 'CREATE', 'a.b')
    for (const client of [one, other]) assert.is(await client.call('ZGET', 'k'), null)
  }))

test('a move reaches the others, and frees the path', () =>
  withPair(async pair => {
    const { one, other } = pair
    await occupy(pair, 'a.b')
    await one.call('NAMESPACE', 'MOVE', 'a', 'c')
    await answers(other, 'ZGET k', 'NOSUCHNAMESPACE')
    // Whoever asks first may ask too early.
    await answers(other, 'NAMESPACE CREATE a.b', 'OK')
    for (const client of [one, other]) assert.is(await client.call('ZGET', 'k'), null)
    await other.call('NAMESPACE', 'USE', 'c.b')
    assert.is(await other.call('ZGET', 'k'), 'v')
  }))

test('a purge waits for a member that hangs, and says so', () =>
  withPair(async pair => {
    const { one, other, second } = pair
    await occupy(pair, 'a')
    await one.call('NAMESPACE', 'CREATE', 'm')
    process.kill(second.pid, 'SIGSTOP')
    try {
      await one.call('NAMESPACE', 'MOVE', 'm', 'n')
      assert.is(
        await one.error('NAMESPACE', 'CREATE', 'm.x'),
        'BARRIERNOTSATISFIED Not all cluster members have observed the tombstone for ' +
          "namespace 'm'",
      )
      await one.call('NAMESPACE', 'REMOVE', 'a')
      assert.is(
        (await one.error('NAMESPACE', 'PURGE', 'a')).replace(/version \d+/, 'version V'),
        'BARRIERNOTSATISFIED Barrier not satisfied: not all members observed version V ' +
          'within 20 attempts',
      )
      assert.is(await outcome(one, 'NAMESPACE EXISTS a'), 'NAMESPACEBEINGREMOVED')
    } finally {
      process.kill(second.pid, 'SIGCONT')
    }
    assert.is(await one.call('NAMESPACE', 'PURGE', 'a'), 'OK')
    await answers(one, 'NAMESPACE CREATE m.x', 'OK')
    assert.is(await outcome(other, 'ZSET k v'), 'NOSUCHNAMESPACE')
  }))

test('a purge does not wait for a member that is dead', () =>
  withPair(
    async pair => {
      const { one, second } = pair
      await occupy(pair, 'a')
      await second.kill()
      await one.call('NAMESPACE', 'REMOVE', 'a')
      await answers(one, 'NAMESPACE PURGE a', 'OK')
      assert.is(await one.call('NAMESPACE', 'EXISTS', 'a'), 0)
    },
    ['cluster.heartbeat.interval=1', 'cluster.heartbeat.maximum_silent_period=3'],
  ))

test('a purge does not wait for a member that has stopped', () =>
  withPair(async pair => {
    const { one, second } = pair
    await occupy(pair, 'a')
    await second.stop()
    await one.call('NAMESPACE', 'REMOVE', 'a')
    assert.is(await one.call('NAMESPACE', 'PURGE', 'a'), 'OK')
    await second.start()
    const again = await second.connect()
    await again.call('NAMESPACE', 'CREATE', 'a')
    await again.call('NAMESPACE', 'REMOVE', 'a')
    assert.is(await one.call('NAMESPACE', 'PURGE', 'a'), 'OK')
  }))

test('creations over both members are made once each', () =>
  withPair(async ({ first, second }) => {
    const clients = await Promise.all(
      Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? first : second).connect()),
    )
    for (let round = 0; round < 10; round++) {
      const same = await Promise.all(
        clients.map(client => outcome(client, `NAMESPACE CREATE r${round}.same`)),
      )
      const refused = Array<string>(15).fill('NAMESPACEALREADYEXISTS')
      assert.equal(same.sort(), [...refused, 'OK'])
      const siblings = await Promise.all(
        clients.map((client, i) => outcome(client, `NAMESPACE CREATE s${round}.p.n${i}`)),
      )
      assert.equal(siblings, Array<string>(16).fill('OK'))
    }
    const names = (await clients[1]!.call('NAMESPACE', 'LIST')) as string[]
    assert.is(names.length, 21)
  }))

test.run()
