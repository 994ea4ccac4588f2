/** The end of a port: what its connections still get, and how long it may take. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { err } from '../../../ts/error.js'
import { bulk, ok } from '../../../ts/resp/reply.js'
import { bytes, command, int32 } from '../../../ts/server/command.js'
import type { TransportFactory } from '../../../ts/server/transport/transport.js'
import { implementations } from '../../support/transports.js'
import { until } from '../../support/wait.js'
import { bulkReply, type Harness, type RawClient, request, sleep, start } from './harness.js'

const top = { group: 'test', since: '0.1.0', summary: 'Test.', port: 'both' } as const
const STOPPING = '-ERR server is shutting down\r\n'
const LIMIT_MS = 20_000

/** Answers the oldest command that is held. */
const waiting: (() => void)[] = []
function release(): void {
  waiting.shift()?.()
}

const hold = command({
  ...top,
  name: 'HOLD',
  args: [bytes('word')],
  reply: bulk,
  run: async (_ctx, { word }) => {
    await new Promise<void>(resolve => waiting.push(resolve))
    return word
  },
})

/** As ZWATCH: waits for something that never comes. `lateMs` is the time before it listens. */
const watch = command({
  ...top,
  name: 'WATCHING',
  flags: ['blocking'],
  args: [int32('lateMs')],
  reply: ok,
  run: async ({ session }, { lateMs }) => {
    if (lateMs > 0) await new Promise<void>(resolve => waiting.push(resolve))
    await new Promise<void>((_, reject) => {
      session.onDisconnect(() => reject(err('watch cancelled')))
    })
  },
})

const big = command({
  ...top,
  name: 'BIG',
  flags: ['sync'],
  args: [int32('size')],
  reply: bulk,
  run: (_ctx, { size }) => Buffer.alloc(size, 'x'),
})

const commands = [hold, watch, big]

/** A test for each transport of this machine. */
function each(title: string, body: (factory: TransportFactory) => Promise<void>): void {
  for (const { name, factory } of implementations()) test(`${name}: ${title}`, () => body(factory))
}

/** Begins to stop. @returns settles when the port is closed */
function stop(server: Harness, limitMs = LIMIT_MS): Promise<void> {
  server.services.lifecycle.stopping = true
  return server.listener.close(limitMs)
}

async function connected(server: Harness, count: number): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => server.connect()))
  await until('all are there', () => server.listener.connectionCount === count)
  return clients
}

each('what runs comes to its reply, whatever asks meanwhile is refused', async factory => {
  const server = await start({ factory, commands })
  const [held, other] = (await connected(server, 2)) as [RawClient, RawClient]
  held.write(request('HOLD', 'kept') + request('PING') + request('HOLD', 'not run'))
  await until('it runs', () => waiting.length === 1)
  const closed = stop(server)
  for (let i = 0; i < 3; i++) {
    await other.exchange(request('PING'), STOPPING)
    await other.exchange(request('NOSUCH'), "-ERR unknown command 'NOSUCH'\r\n")
  }
  release()
  await held.expect(bulkReply('kept') + STOPPING + STOPPING)
  for (const client of [held, other]) {
    await client.expectClose()
    client.destroy()
  }
  await closed
  assert.is(server.services.sessions.count, 0)
})

each('a pipeline that is on its way gets a reply for each request', async factory => {
  const server = await start({ factory, commands })
  const [client] = (await connected(server, 1)) as [RawClient]
  const count = 20_000
  client.write(request('HOLD', 'first') + request('PING').repeat(count))
  await until('it runs', () => waiting.length === 1)
  const closed = stop(server)
  release()
  await client.expect(bulkReply('first') + STOPPING.repeat(count))
  await client.expectClose()
  client.destroy()
  await closed
})

each('what blocks is ended, also when it began to listen too late', async factory => {
  const server = await start({ factory, commands })
  const [early, late] = (await connected(server, 2)) as [RawClient, RawClient]
  early.write(request('WATCHING', '0') + request('PING'))
  late.write(request('WATCHING', '1'))
  await until('the late one runs', () => waiting.length === 1)
  await until('both run', () => [...server.services.sessions].every(one => one.command?.isBlocking))
  const closed = stop(server)
  await early.expect(`-ERR watch cancelled\r\n${STOPPING}`)
  release()
  await late.expect('-ERR watch cancelled\r\n')
  for (const client of [early, late]) {
    await client.expectClose()
    client.destroy()
  }
  await closed
})

each('a peer that never reads is given up after the limit', async factory => {
  const server = await start({ factory, commands })
  const [deaf, other] = (await connected(server, 2)) as [RawClient, RawClient]
  deaf.socket.pause()
  deaf.write(request('BIG', String(32 * 1024 * 1024)).repeat(2) + request('PING'))
  await until('it has begun', () => [...server.services.sessions][0]?.command?.name === 'BIG')
  const closed = stop(server, 300)
  await other.expectClose()
  await closed
  assert.is(server.services.sessions.count, 0)
  deaf.destroy()
  other.destroy()
})

each('a slow reader gets all of it within the limit', async factory => {
  const server = await start({ factory, commands })
  const [slow] = (await connected(server, 1)) as [RawClient]
  const size = 8 * 1024 * 1024
  slow.socket.pause()
  slow.write(request('BIG', String(size)) + request('PING'))
  await until('it has begun', () => [...server.services.sessions][0]?.command?.name === 'BIG')
  const closed = stop(server)
  await sleep(50)
  slow.socket.resume()
  await slow.expect(bulkReply('x'.repeat(size)) + STOPPING)
  await slow.expectClose()
  slow.destroy()
  await closed
})

each('one that hurries waits for nobody', async factory => {
  const server = await start({ factory, commands })
  const [held] = (await connected(server, 1)) as [RawClient]
  held.write(request('HOLD', 'x'))
  await until('it runs', () => waiting.length === 1)
  const closed = stop(server)
  server.listener.hurry()
  await held.expectClose()
  await closed
  const [session] = server.services.sessions
  assert.is(session?.closed, false)
  release()
  await until('its session is closed', () => session?.closed === true)
  held.destroy()
})

each('hundreds of connections end, each in its state', async factory => {
  const server = await start({ factory, commands })
  const clients = await connected(server, 400)
  const replies = clients.map((client, i) => {
    if (i % 4 === 0) client.write(request('HOLD', String(i)))
    if (i % 4 === 1) client.write(request('WATCHING', '0'))
    if (i % 4 === 2) client.write('*2\r\n$4\r\nECHO\r\n$100\r\nunfinished')
    return ['', '-ERR watch cancelled\r\n', '', ''][i % 4]!
  })
  await until('all of them run', () => waiting.length === 100)
  const { sessions } = server.services
  await until('all of them block', () => {
    return [...sessions].filter(session => session.command?.isBlocking).length === 100
  })
  const closed = stop(server)
  while (waiting.length > 0) release()
  for (const [i, client] of clients.entries()) {
    await client.expect(i % 4 === 0 ? bulkReply(String(i)) : replies[i]!)
    await client.expectClose()
    client.destroy()
  }
  await closed
  assert.is(sessions.count, 0)
})

test.run()
