/**
 * Runs one scenario that needs a process of its own and prints its outcome as JSON.
 * Arguments: implementation, scenario. As a worker thread it serves until it is terminated.
 */

import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { Client, Recorder, start } from './transport.js'
import { implementations } from './transports.js'
import { until } from './wait.js'

const [implementation = 'native', scenario] = process.argv.slice(2)
const factory = implementations().find(({ name }) => name === implementation)!.factory
const scenarios: Record<string, () => Promise<unknown>> = { exit, idle, worker, starved }

if (isMainThread) console.log(JSON.stringify(await scenarios[scenario ?? '']?.()))
else await serveInWorker()

/** Exits while a connection is open. */
async function exit(): Promise<void> {
  const events = new Recorder()
  events.onData = () => process.exit(7)
  const { port } = await start(factory, events)
  const client = await Client.connect(port)
  client.socket.write('go')
  await sleep(10_000)
}

/** Ends by itself once the transport is closed. */
async function idle(): Promise<number> {
  const events = new Recorder()
  const { transport, port } = await start(factory, events)
  const client = await Client.connect(port)
  client.socket.write('x\n')
  await client.read(2)
  await transport.close()
  await transport.close()
  client.socket.destroy()
  return events.closed.length
}

/** Terminates a thread while it serves. */
async function worker(): Promise<boolean> {
  const thread = new Worker(new URL(import.meta.url), { argv: [implementation] })
  const port = await new Promise<number>(resolve => thread.once('message', resolve))
  const client = await Client.connect(port)
  client.socket.write('x\n')
  await client.read(2)
  await thread.terminate()
  await client.readAll()
  client.socket.destroy()
  const refused = await Client.connect(port).catch(() => 'refused')
  return refused === 'refused'
}

async function serveInWorker(): Promise<void> {
  const { port } = await start(factory, new Recorder())
  parentPort?.postMessage(port)
}

/** Uses up all descriptors, lets a client connect, then gives them back. Node's sockets close what
 *  they cannot keep, ours leave it in the backlog. */
async function starved(): Promise<object> {
  const events = new Recorder()
  const { transport, port } = await start(factory, events)
  const files: number[] = []
  try {
    for (;;) files.push(openSync('/dev/null', 'r'))
  } catch {
    // The expected end of the loop: EMFILE.
  }
  let client: Client | undefined
  while (!client) {
    closeSync(files.pop()!)
    client = await Client.connect(port).catch(() => undefined)
  }
  const before = process.cpuUsage()
  await sleep(1500)
  const { user, system } = process.cpuUsage(before)
  const errors = events.errors.map(error => error.message)
  for (const file of files) closeSync(file)
  if (implementation === 'node') {
    await client.readAll()
    client = await Client.connect(port)
  }
  await until('the waiting connection is accepted', () => events.opened.length > 0)
  client.socket.write('late\n')
  const echo = (await client.read(5)).toString()
  await transport.close()
  client.socket.destroy()
  return { errors, isIdle: user + system < 500_000, echo }
}
