/**
 * The limit of open files: clients beyond it are refused in words, those that are there go on, one
 * line tells the operator, nothing spins, and clients are served again once there is room.
 */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { reportSkip } from '../support/outcome.js'
import { descriptorsOf, processorMsOf } from '../support/process.js'
import { RespClient } from '../support/resp-client.js'
import { TestServer } from '../support/server.js'
import { reporting } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const LIMIT = 256
/** Of that limit: a half, but for the share of the administration port. */
const CLIENTS = 112
const ADMINS = 16
const REFUSAL = '-ERR max number of clients reached\r\n'
/** How long processor time is measured for; a loop that spins uses all of it. */
const WATCHED_MS = 1500

/** Runs `body` with a server whose process may open LIMIT files. */
async function withFewFiles(
  transport: string,
  body: (server: TestServer) => Promise<void>,
): Promise<void> {
  const ports = ['external', 'internal'].map(port => `network.${port}.transport=${transport}`)
  const server = new TestServer(ports)
  server.openFiles = LIMIT
  try {
    await server.start()
    await reporting(server, () => body(server))
    await server.stop()
  } finally {
    await server.dispose()
  }
}

/** Connections that are served. */
async function served(port: number, count: number): Promise<RespClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => RespClient.connect(port)))
  for (const client of clients) await client.exchange(['PING'], '+PONG\r\n')
  return clients
}

/** A connection, or undefined when it is refused in words. */
async function servedOrRefused(port: number): Promise<RespClient | undefined> {
  const client = await RespClient.connect(port)
  client.send('PING')
  const answer = await client.readText()
  if (answer === '+PONG\r\n') return client
  assert.is(answer, REFUSAL)
  await client.expectEnd()
  client.close()
  return undefined
}

async function goOn(clients: readonly RespClient[]): Promise<void> {
  for (const [i, client] of clients.entries()) assert.is(await client.call('ECHO', `${i}`), `${i}`)
}

async function isIdle(pid: number): Promise<void> {
  const before = processorMsOf(pid)
  await sleep(WATCHED_MS)
  const used = processorMsOf(pid) - before
  assert.ok(used < WATCHED_MS / 2, `${used} ms of ${WATCHED_MS} were used`)
}

function linesWith({ output }: TestServer, text: string): string[] {
  return output.split('\n').filter(line => line.includes(text))
}

/** Makes the next descriptor one too many, or puts the limit back. Only the soft one, which
 *  anybody may raise again. */
function setLimit(pid: number, limit: number): void {
  const { status, stderr } = spawnSync('prlimit', [`--pid=${pid}`, `--nofile=${limit}:`])
  assert.is(status, 0, String(stderr))
}

function lowestFree(pid: number): number {
  const used = descriptorsOf(pid)
  let free = 0
  while (used.has(free)) free++
  return free
}

const test = suite('limit of open files')

if (process.platform === 'linux') for (const transport of ['native', 'node']) addTests(transport)
else reportSkip('the limit of open files', 'limits and descriptors are read from /proc')

async function refusesBeyondRoom(server: TestServer): Promise<void> {
  const { pid, clientPort, adminPort } = server
  const warning = `max_clients is 10000, but ${CLIENTS} clients at a time are served`
  assert.is(linesWith(server, warning).length, 1)
  const clients = await served(clientPort, CLIENTS)
  for (let i = 0; i < 30; i++) assert.is(await servedOrRefused(clientPort), undefined)
  const admins = await served(adminPort, ADMINS)
  for (let i = 0; i < 30; i++) assert.is(await servedOrRefused(adminPort), undefined)
  await goOn([...clients, ...admins])
  await isIdle(pid)
  for (const port of ['client', 'admin']) {
    const lines = linesWith(server, 'clients are refused: as many are connected')
    assert.is(lines.filter(line => line.includes(`port=${port} `)).length, 1, server.output)
  }
  // What files are kept for.
  const [first] = clients
  for (let i = 0; i < 20; i++) await first!.call('ZSET', `key ${i}`, Buffer.alloc(10_000))
  await first!.call('SET', 'key', 'value')
  clients.pop()!.close()
  await until('there is room again', async () => {
    const next = await servedOrRefused(clientPort)
    if (next !== undefined) clients.push(next)
    return next !== undefined
  })
  for (const client of [...clients, ...admins]) client.close()
}

async function refusesBesideOtherFiles(server: TestServer): Promise<void> {
  const { pid, clientPort } = server
  const clients = await served(clientPort, 5)
  await server.order('hold files', LIMIT - descriptorsOf(pid).size - 30)
  let refused = 0
  for (let i = 0; i < 60; i++) {
    const next = await servedOrRefused(clientPort)
    if (next === undefined) refused++
    else clients.push(next)
  }
  // Fewer than 30 are served: the last descriptors are not for connections.
  assert.ok(refused > 40 && refused < 60, `${refused} refused`)
  await goOn(clients)
  await isIdle(pid)
  assert.is(linesWith(server, 'clients are refused: the process').length, 1, server.output)
  await server.order('hold files', 0)
  clients.push(...(await served(clientPort, 60)))
  await goOn(clients)
  for (const client of clients) client.close()
}

const NO_DESCRIPTOR = 'cannot accept connections: too many open files (EMFILE)'

/** Connects until there is no descriptor for it, which closed files may put off.
 *  @returns the last one, whose reply is still to come, or undefined when it was closed */
async function untilNoDescriptor(
  server: TestServer,
  transport: string,
  clients: RespClient[],
): Promise<{ answer: Promise<string> } | undefined> {
  for (;;) {
    const late = await RespClient.connect(server.clientPort)
    late.send('PING')
    let isAnswered = false
    const answer = late.readText().finally(() => {
      isAnswered = true
    })
    if (transport === 'native') {
      const isOut = (): boolean => linesWith(server, NO_DESCRIPTOR).length > 0
      await until('a client waits', () => isAnswered || isOut())
      if (!isAnswered) return { answer }
    } else if ((await answer.catch(() => 'closed')) === 'closed') return undefined
    clients.push(late)
  }
}

async function goesOnWithoutDescriptor(server: TestServer, transport: string): Promise<void> {
  const { pid, clientPort } = server
  const clients = await served(clientPort, 5)
  setLimit(pid, lowestFree(pid))
  // Node's sockets close what they cannot keep; ours leave it in the backlog.
  const waiting = await untilNoDescriptor(server, transport, clients)
  await isIdle(pid)
  await goOn(clients)
  if (transport === 'native') assert.is(linesWith(server, NO_DESCRIPTOR).length, 1, server.output)
  setLimit(pid, LIMIT)
  if (waiting !== undefined) assert.is(await waiting.answer, '+PONG\r\n')
  clients.push(...(await served(clientPort, 20)))
  await goOn(clients)
  assert.is(await clients[0]!.call('ZSET', 'key', 'the store is well'), 'OK')
  for (const client of clients) client.close()
}

function addTests(transport: string): void {
  test(`${transport}: refuses clients beyond its room, on either port by itself`, async () => {
    await withFewFiles(transport, refusesBeyondRoom)
  })

  test(`${transport}: refuses clients when other files leave few descriptors`, async () => {
    await withFewFiles(transport, refusesBesideOtherFiles)
  })

  test(`${transport}: goes on without any descriptor, and without spinning`, async () => {
    if (spawnSync('prlimit', ['--version']).status !== 0) {
      reportSkip('no descriptor left at all', 'no prlimit on the PATH: install util-linux')
      return
    }
    await withFewFiles(transport, server => goesOnWithoutDescriptor(server, transport))
  })
}

test('does not start where the limit is too low for itself', async () => {
  if (process.platform !== 'linux') return
  const server = new TestServer()
  server.openFiles = LIMIT - 100
  const text = `kronotop: the limit of open files is ${LIMIT - 100}, at least ${LIMIT} are needed`
  try {
    const failure = await server.start().then(String, (error: Error) => error.message)
    assert.ok(failure.includes(text), failure)
  } finally {
    await server.dispose()
  }
})

test.run()
