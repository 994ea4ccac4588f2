/**
 * How many namespaces a second 200 connections make, one request of each in flight, and what the
 * server's memory does meanwhile: a line for each tenth of the run. Goals: at least 2,000 a second,
 * and neither figure depends on how many there are.
 * Run: node dist/bench/load/namespaces.js [--smoke | number of namespaces, default 100,000]
 */
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { encodeRequest } from '../../test/support/resp-client.js'
import { TestServer } from '../../test/support/server.js'

const CONNECTIONS = 200
const PARTS = 10
const OK = '+OK\r\n'

const isSmoke = process.argv.includes('--smoke')
const count = isSmoke ? 2_000 : Number(process.argv[2] ?? 100_000)

/** Resident memory of a process: its own, and pages of files that it maps, which are the tree of
 *  the embedded store and go when the machine needs them. */
async function memory(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1')
  const mib = (name: string): string =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024).toFixed(0)
  return `${mib('RssAnon')} MiB of its own, ${mib('RssFile')} MiB mapped`
}

/** Makes namespaces over one connection, one after the other, until `next` has no more. */
function createAll(socket: Socket, next: () => number | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const send = (): void => {
      const number = next()
      if (number === undefined) resolve()
      else socket.write(encodeRequest(['NAMESPACE', 'CREATE', `bench.n${number}`]))
    }
    let reply = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      reply += chunk
      if (reply.length < OK.length) return
      if (reply !== OK) reject(new Error(`the server answered ${reply}`))
      reply = ''
      send()
    })
    socket.once('error', reject)
    send()
  })
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

const server = await TestServer.start()
try {
  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => open(server.clientPort)),
  )
  let made = 0
  for (let part = 1; part <= PARTS; part++) {
    const end = Math.round((count * part) / PARTS)
    const size = end - made
    const startedAt = performance.now()
    await Promise.all(
      sockets.map(socket => {
        socket.removeAllListeners('data').removeAllListeners('error')
        return createAll(socket, () => (made < end ? made++ : undefined))
      }),
    )
    const seconds = (performance.now() - startedAt) / 1000
    const rate = Math.round(size / seconds).toLocaleString('en')
    const held = await memory(server.pid)
    console.log(`up to ${end.toLocaleString('en')}: ${rate} namespaces/s, ${held}`)
  }
  for (const socket of sockets) socket.destroy()
  await checkCount()
} finally {
  await server.dispose()
}

/** Every one of them is there. */
async function checkCount(): Promise<void> {
  const client = await server.connect()
  const names = (await client.call('NAMESPACE', 'LIST', 'bench')) as string[]
  if (names.length !== count) throw new Error(`${names.length} of ${count} namespaces are there`)
}
