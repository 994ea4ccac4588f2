/** Graceful stops of a whole server: what clients get, what is kept, and how the process ends. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { zmapCommands } from '../../ts/commands/zmap/index.js'
import { isOnCluster } from '../support/cluster.js'
import type { Faults } from '../support/faults.js'
import { reportSkip } from '../support/outcome.js'
import { encodeRequest, type Frame, type RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const STOPPING = 'ERR server is shutting down'
/** Commits that are answered late: some are under way when the signal comes. */
const LATE: Faults = { seed: 7, lateCommits: 1, maxDelayMs: 300 }
const CONNECTIONS = 300
const MIB = 1024 * 1024

const test = suite('shutdown')

/** A test for each transport. */
function each(title: string, body: (server: TestServer) => Promise<void>, faults?: Faults): void {
  if (faults !== undefined && isOnCluster) {
    reportSkip(title, 'late answers are made by the embedded store')
    return
  }
  for (const transport of ['native', 'node']) {
    const settings = ['external', 'internal'].map(port => `network.${port}.transport=${transport}`)
    test(`${transport}: ${title}`, () => withTestServer(settings, body, faults))
  }
}

/** Sends the signal and waits until the server has it. */
async function stopping(server: TestServer, signal: NodeJS.Signals): Promise<void> {
  server.signal(signal)
  await until('the signal has come', () => server.output.includes(`${signal} received, stopping`))
}

async function endsCleanly(server: TestServer): Promise<void> {
  assert.equal(await server.ended(), { code: 0, signal: null })
  assert.match(server.output, /Quit!\n$/)
}

function textOf({ type, value }: Frame): string {
  return `${type}${String(value)}`
}

async function isRefused(server: TestServer): Promise<boolean> {
  const code = await server.connect().then(
    () => 'connected',
    (cause: NodeJS.ErrnoException) => cause.code,
  )
  return code === 'ECONNREFUSED'
}

each(
  'requests under way are answered and kept, later ones are refused',
  async server => {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => server.connect()))
    const idle = await server.connect()
    for (const [i, client] of clients.entries()) {
      client.send('ECHO', 'first')
      client.send('ZSET', `late ${i}`, String(i))
      client.send('PING')
    }
    for (const client of clients) assert.is(await client.readData(), 'first')
    await stopping(server, 'SIGTERM')
    assert.ok(await isRefused(server))
    let refused = 0
    for (const client of clients) {
      assert.is(textOf(await client.read()), '+OK')
      if (textOf(await client.read()) === `-${STOPPING}`) refused++
      await client.expectClose()
    }
    assert.ok(refused > 0)
    await idle.expectClose()
    await endsCleanly(server)
    server.closeClients()
    server.faults = undefined
    await server.start()
    const client = await server.connect()
    for (let i = 0; i < CONNECTIONS; i++) {
      assert.is(await client.call('ZGET', `late ${i}`), String(i))
    }
  },
  LATE,
)

each('pipelines are answered to their end, kept as far as they said so', async server => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect()))
  const count = 2_000
  for (const [i, client] of clients.entries()) {
    const requests = Array.from({ length: count }, (_, n) => ['ZSET', `p${i}`, String(n)])
    client.write(Buffer.concat(requests.map(encodeRequest)))
  }
  for (const client of clients) assert.is(await client.readData(), 'OK')
  await stopping(server, 'SIGINT')
  const done = await Promise.all(clients.map(client => answersOf(client, count - 1)))
  await endsCleanly(server)
  server.closeClients()
  await server.start()
  const client = await server.connect()
  for (const [i, last] of done.entries())
    assert.is(await client.call('ZGET', `p${i}`), String(last))
})

/** Reads replies up to the end: OKs first, then refusals. @returns how many more were OK */
async function answersOf(client: RespClient, most: number): Promise<number> {
  let oks = 0
  for (let i = 0; i < most; i++) {
    const text = textOf(await client.read())
    if (text === '+OK') {
      assert.is(oks, i, 'no OK follows a refusal')
      oks++
    } else {
      assert.is(text, `-${STOPPING}`)
    }
  }
  await client.expectClose()
  return oks
}

each('an open transaction is rolled back, Redis data is written', async server => {
  const [open, client] = [await server.connect(), await server.connect()]
  await open.call('BEGIN')
  await open.call('ZSET', 'uncommitted', '1')
  await client.call('ZSET', 'committed', '1')
  await client.call('SET', 'string', 'kept')
  await server.stop()
  await server.start()
  const after = await server.connect()
  assert.is(await after.call('ZGET', 'uncommitted'), null)
  assert.is(await after.call('ZGET', 'committed'), '1')
  assert.is(await after.call('GET', 'string'), 'kept')
})

if (zmapCommands.some(({ name }) => name === 'ZWATCH')) {
  each('a client that waits for a change is told', async server => {
    const [waiting, other] = [await server.connect(), await server.connect()]
    waiting.send('ZWATCH', 'k')
    waiting.send('PING')
    await until('it waits', async () => {
      return / cmd=zwatch /.test(String(await other.call('CLIENT', 'LIST')))
    })
    await stopping(server, 'SIGTERM')
    assert.is(textOf(await waiting.read()), '-ERR watch cancelled')
    assert.is(textOf(await waiting.read()), `-${STOPPING}`)
    await waiting.expectClose()
    await endsCleanly(server)
  })
} else {
  reportSkip('a stop while clients wait for changes', 'ZWATCH is not among the commands')
}

/** Connections that asked for more than the kernel buffers, and read none of it. */
async function deafTo(server: TestServer, count: number): Promise<void> {
  const client = await server.connect()
  await client.call('SET', 'large', 'x'.repeat(24 * MIB))
  for (let i = 0; i < count; i++) {
    const deaf = await server.connect()
    deaf.pause()
    deaf.send('GET', 'large')
    deaf.send('GET', 'large')
  }
  await until('they are served', async () => {
    const lines = String(await client.call('CLIENT', 'LIST')).split('\n')
    return lines.filter(line => line.includes(' cmd=get ')).length === count
  })
  client.close()
}

each('peers that never read do not keep the process', async server => {
  await deafTo(server, 8)
  const client = await server.connect()
  await client.call('PING')
  await stopping(server, 'SIGTERM')
  await client.expectEnd()
  await endsCleanly(server)
})

each('a second signal waits for no client, and loses nothing that was answered', async server => {
  const client = await server.connect()
  assert.is(await client.call('SET', 'string', 'kept'), 'OK')
  await deafTo(server, 1)
  await stopping(server, 'SIGINT')
  await client.expectEnd()
  server.signal('SIGTERM')
  await endsCleanly(server)
  assert.match(server.output, 'SIGTERM received again, waiting for no client\n')
  server.closeClients()
  await server.start()
  assert.is(await (await server.connect()).call('GET', 'string'), 'kept')
})

each('a third signal ends the process on the spot', async server => {
  await deafTo(server, 1)
  await stopping(server, 'SIGTERM')
  // In one go, so that the second cannot have ended it before the third comes.
  server.signal('SIGSTOP')
  server.signal('SIGTERM')
  server.signal('SIGINT')
  server.signal('SIGCONT')
  const { code } = await server.ended()
  assert.is(code, 1)
})

test.run()
