/** SIGKILL in the middle of NAMESPACE commands: repeating a command completes it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { Random } from '../support/random.js'
import { type RespClient, untilGone } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'

const test = suite('namespaces over a kill')

/** Namespaces below the one that is purged: several transactions of PURGE. */
const BELOW = 2_500
const CREATED_AT_ONCE = 500

/** First word of what a request is refused with, or its reply. */
async function outcome(client: RespClient, ...words: string[]): Promise<string> {
  const { type, value } = await client.frame(...words)
  return type === '-' ? String(value).split(' ')[0]! : String(value)
}

const below = (root: string, i: number): string => `${root}.n${i % 50}.m${i}`

/** Makes a large tree. */
async function grow(client: RespClient, root: string): Promise<void> {
  for (let from = 0; from < BELOW; from += CREATED_AT_ONCE) {
    const paths = Array.from({ length: CREATED_AT_ONCE }, (_, i) => below(root, from + i))
    for (const path of paths) client.send('NAMESPACE', 'CREATE', path)
    for (const path of paths) assert.is(await client.readData(), 'OK', path)
  }
}

/** Runs `body` over and over with a server that is killed after a random time in it. */
async function killing(
  title: string,
  body: (kill: Kill, server: TestServer, round: number) => Promise<void>,
): Promise<void> {
  const first = seed()
  const random = new Random(first)
  await withTestServer([], async server => {
    const total = rounds('kill during namespace commands')
    for (let round = 0; round < total; round++) {
      const kill: Kill = async (commands, longestMs) => {
        const client = await server.connect()
        const running = untilGone(() => commands(client))
        await Promise.race([running, sleep(random.between(0, longestMs))])
        await server.kill()
        await running
        await server.start()
      }
      await body(kill, server, round).catch(cause => {
        throw new Error(`${title}, round ${round}, SEED=${first}: ${cause}`, { cause })
      })
    }
  })
}

/** Has commands run, kills the server after up to so long, and starts it again. */
type Kill = (commands: (client: RespClient) => Promise<void>, longestMs: number) => Promise<void>

test('PURGE', () =>
  killing('PURGE', async (kill, server, round) => {
    const root = `purged-${round}`
    const before = await server.connect()
    await grow(before, root)
    await before.call('NAMESPACE', 'CREATE', `kept-${round}.a`)
    await before.call('NAMESPACE', 'REMOVE', root)
    await kill(async client => {
      await client.call('NAMESPACE', 'PURGE', root)
    }, 60)
    const client = await server.connect()
    const state = await outcome(client, 'NAMESPACE', 'EXISTS', root)
    assert.ok(['0', 'NAMESPACEBEINGREMOVED'].includes(state), state)
    if (state !== '0') {
      // What is below the mark is unusable, whether it is still there or not.
      assert.is(await outcome(client, 'NAMESPACE', 'USE', below(root, 7)), state)
      assert.is(await client.call('NAMESPACE', 'PURGE', root), 'OK')
    }
    assert.is(await outcome(client, 'NAMESPACE', 'PURGE', root), 'NOSUCHNAMESPACE')
    await client.call('NAMESPACE', 'CREATE', root)
    assert.equal(await client.call('NAMESPACE', 'LIST', root), [])
    assert.equal(await client.call('NAMESPACE', 'LIST', `kept-${round}`), ['a'])
  }))

test('MOVE and REMOVE', () =>
  killing('MOVE', async (kill, server, round) => {
    const [old, moved] = [`old-${round}`, `new-${round}`]
    const before = await server.connect()
    await before.call('NAMESPACE', 'CREATE', `${old}.a`)
    await before.call('NAMESPACE', 'USE', `${old}.a`)
    await before.call('ZSET', 'k', 'v')
    await kill(async client => {
      await client.call('NAMESPACE', 'MOVE', old, `${moved}.here`)
      await client.call('NAMESPACE', 'REMOVE', moved)
    }, 4)
    const client = await server.connect()
    const state = await outcome(client, 'NAMESPACE', 'EXISTS', old)
    if (state === '1') {
      assert.is(await outcome(client, 'NAMESPACE', 'EXISTS', moved), '0')
      assert.is(await client.call('NAMESPACE', 'MOVE', old, `${moved}.here`), 'OK')
    }
    assert.is(await outcome(client, 'NAMESPACE', 'EXISTS', old), '0')
    if ((await outcome(client, 'NAMESPACE', 'EXISTS', moved)) === '1') {
      await client.call('NAMESPACE', 'USE', `${moved}.here.a`)
      assert.is(await client.call('ZGET', 'k'), 'v')
      assert.is(await client.call('NAMESPACE', 'REMOVE', moved), 'OK')
    }
    assert.is(await outcome(client, 'NAMESPACE', 'REMOVE', moved), 'NAMESPACEBEINGREMOVED')
    // Nobody else is alive that has to know of it.
    assert.is(await client.call('NAMESPACE', 'PURGE', moved), 'OK')
    assert.is(await client.call('NAMESPACE', 'CREATE', `${old}.a`), 'OK')
  }))

test('CREATE', () =>
  killing('CREATE', async (kill, server, round) => {
    const acknowledged: string[] = []
    await kill(async client => {
      for (let i = 0; ; i += 10) {
        const names = Array.from({ length: 10 }, (_, at) => `n${i + at}`)
        for (const name of names) client.send('NAMESPACE', 'CREATE', `made-${round}.${name}.x`)
        for (const name of names) {
          assert.is(await client.readData(), 'OK')
          acknowledged.push(name)
        }
      }
    }, 60)
    const client = await server.connect()
    const isThere = (await outcome(client, 'NAMESPACE', 'EXISTS', `made-${round}`)) === '1'
    const listed = isThere ? await client.call('NAMESPACE', 'LIST', `made-${round}`) : []
    const names = new Set(listed as string[])
    for (const name of acknowledged) assert.ok(names.has(name), `${name} is lost`)
    for (const name of [...names].slice(-3)) {
      // All or nothing: no parent without what it was made for.
      assert.equal(await client.call('NAMESPACE', 'LIST', `made-${round}.${name}`), ['x'])
    }
  }))

test.run()
