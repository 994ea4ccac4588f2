import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { err } from '../../../ts/error.js'
import { bulk } from '../../../ts/resp/reply.js'
import { command, text } from '../../../ts/server/command.js'
import type { TransportFactory } from '../../../ts/server/transport/transport.js'
import { StoreError } from '../../../ts/store/store-error.js'
import type { Tx } from '../../../ts/store/tx.js'
import { implementations } from '../../support/transports.js'
import { bulkReply, type FakeTx, fakeStore, request, withServer } from './harness.js'

const top = { group: 'test', since: '0.1.0', summary: 'Test.', port: 'both' } as const

/** What each transaction was given, in the order of the commands' runs. */
const runs: { tx: FakeTx; word: string }[] = []

/** A blind write that answers its word; REFUSED is refused. */
const put = command({
  ...top,
  name: 'PUT',
  flags: ['blind'],
  args: [text('word')],
  reply: bulk,
  run: (ctx, { word }) =>
    ctx.tx(tx => {
      if (word === 'REFUSED') throw err('refused')
      const fake = tx as unknown as FakeTx
      fake.needsCommit = true
      runs.push({ tx: fake, word })
      return word
    }),
})

const puts = (...words: string[]): string => words.map(word => request('PUT', word)).join('')
const answers = (...words: string[]): string => words.map(bulkReply).join('')

function fail(code: number): () => never {
  return () => {
    throw new StoreError('', code)
  }
}

/** Sends `sent` in one piece to a server whose commits do what `commits` says, in order.
 *  @returns the transactions that were begun, with what they have seen, oldest first */
async function exchange(
  factory: TransportFactory,
  sent: string,
  expected: string,
  commits: (() => unknown)[] = [],
): Promise<FakeTx[]> {
  runs.length = 0
  const { store, made } = fakeStore(commits)
  await withServer({ factory, commands: [put], services: { store } }, async server => {
    const client = await server.connect()
    await client.exchange(sent, expected)
  })
  return made
}

/** A test for each transport of this machine. */
function each(title: string, body: (factory: TransportFactory) => Promise<void>): void {
  for (const { name, factory } of implementations()) test(`${name}: ${title}`, () => body(factory))
}

each('blind writes of one pipeline share a transaction', async factory => {
  const made = await exchange(factory, puts('a', 'b', 'c'), answers('a', 'b', 'c'))
  assert.equal(
    made.map(({ calls }) => calls),
    [['commit', 'cancel']],
  )
  assert.equal(
    runs.map(({ word }) => word),
    ['a', 'b', 'c'],
  )
})

each('another command ends the run and is answered behind it', async factory => {
  const sent = puts('a', 'b') + request('ECHO', 'x') + request('nope') + puts('c')
  const middle = `${bulkReply('x')}-ERR unknown command 'NOPE'\r\n`
  const made = await exchange(factory, sent, answers('a', 'b') + middle + answers('c'))
  assert.is(made.length, 2)
})

each('a protocol error is answered behind the run, then the connection closes', async factory => {
  await withServer({ factory, commands: [put] }, async server => {
    const client = await server.connect()
    const error = "-ERR Protocol error: expected '$', got 'x'\r\n"
    await client.exchange(`${puts('a', 'b')}*1\r\nx`, answers('a', 'b') + error)
    await client.expectClose()
  })
})

each('an end of the connection behind the run is kept', async factory => {
  await withServer({ factory, commands: [put] }, async server => {
    const client = await server.connect()
    const sent = puts('a', 'b') + request('QUIT') + puts('c')
    await client.exchange(sent, `${answers('a', 'b')}+OK\r\n`)
    await client.expectClose()
  })
})

each('a request that fails leaves the others as they are', async factory => {
  const replies = `${answers('a')}-ERR refused\r\n${answers('b')}`
  const made = await exchange(factory, puts('a', 'REFUSED', 'b'), replies)
  // The shared transaction is dropped; each request then has one of its own.
  assert.equal(
    made.map(({ calls }) => calls),
    [['cancel'], ['commit', 'cancel'], ['cancel'], ['commit', 'cancel']],
  )
})

each('a run whose commit is refused is done again, request by request', async factory => {
  const replies = `${answers('a')}-TRANSACTION_TOO_LARGE Transaction exceeds byte limit\r\n`
  const commits = [fail(2101), () => undefined, fail(2101)]
  const made = await exchange(factory, puts('a', 'b'), replies, commits)
  assert.is(made.length, 3)
})

each('a conflict is retried together', async factory => {
  const made = await exchange(factory, puts('a', 'b'), answers('a', 'b'), [fail(1020)])
  assert.is(made.length, 2)
  assert.is(runs.filter(({ tx }) => tx === made[1]).length, 2)
})

each('a run that may have been committed is not done again', async factory => {
  const unknown = '-COMMIT_UNKNOWN_RESULT Transaction may or may not have committed\r\n'
  const made = await exchange(factory, puts('a', 'b'), unknown + unknown, [fail(1021)])
  assert.is(made.length, 1)
})

each('writes of an open transaction are no run', async factory => {
  const { store, made } = fakeStore()
  await withServer({ factory, commands: [put], services: { store } }, async server => {
    const client = await server.connect()
    await client.exchange(request('PING'), '+PONG\r\n')
    const [session] = server.services.sessions
    const open = store.begin() as Tx
    session!.transaction = open
    await client.exchange(puts('a', 'b') + request('ECHO', 'x'), answers('a', 'b', 'x'))
    session!.transaction = undefined
    assert.equal(made[0]?.calls, [])
  })
})

each('long pipelines are runs of bounded length', async factory => {
  const words = Array.from({ length: 1_000 }, (_, i) => `w${i}`)
  const made = await exchange(factory, puts(...words), answers(...words))
  assert.ok(made.length >= 8 && made.length < 200, `${made.length} transactions`)
  assert.equal(
    runs.map(({ word }) => word),
    words,
  )
})

test.run()
