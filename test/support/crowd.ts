/**
 * Many clients at once. Run as a process of its own: descriptors of clients count there. Arguments:
 * port, how many clients, their address. It connects them, lets each ask once and checks the reply,
 * then says `ready`. Every other client begins a second request, and resets its connection in the
 * middle of it on any message; the rest then ask again and end theirs in order.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'

/** Connections that are made at a time: less than a backlog. */
const AT_A_TIME = 250
/** So much of a second request that the server keeps a buffer for it. */
const HALF_REQUEST = `*2\r\n$4\r\nECHO\r\n$20000\r\n${'x'.repeat(10_000)}`
const SELF = fileURLToPath(import.meta.url)

/** Crowds so far: each has an address of its own, so that ports do not run out while those of the
 *  ones before wait for their reuse. */
let made = 1

/** Clients in a process of their own, each of which has got a reply. */
export class Crowd {
  readonly #child: ChildProcess
  readonly #exit: Promise<string>

  /** @param count  how many of them there are */
  constructor(port: number, count: number) {
    made++
    this.#child = fork(SELF, [String(port), String(count), `127.0.0.${made}`])
    this.#exit = new Promise(done => {
      this.#child.once('exit', (code, signal) => done(signal ?? `exit code ${code}`))
    })
  }

  /** Resolves once all are connected and have got a reply. @throws Error  when one has not */
  async served(): Promise<void> {
    const ended = this.#exit.then(how => {
      throw new Error(`clients ended too early: ${how}`)
    })
    await Promise.race([once(this.#child, 'message'), ended])
  }

  /** Lets all go, half of them after they have asked once more.
   *  @throws Error  unless each was served */
  async leave(): Promise<void> {
    this.#child.send('leave')
    assert.is(await this.#exit, 'exit code 0', 'how the clients ended')
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

async function ask(socket: Socket, text: string): Promise<void> {
  const expected = `$${text.length}\r\n${text}\r\n`
  let received = ''
  socket.write(`*2\r\n$4\r\nECHO\r\n${expected}`)
  while (received.length < expected.length) {
    const [chunk] = await once(socket, 'data')
    received += chunk
  }
  if (received !== expected) throw new Error(`${JSON.stringify(received)} came for ${text}`)
}

const isOrderly = (index: number): boolean => index % 2 === 0

interface Origin {
  readonly port: number
  readonly localAddress: string
}

async function newcomer(origin: Origin, index: number): Promise<Socket> {
  const socket = connect({ ...origin, host: '127.0.0.1' })
  await once(socket, 'connect')
  await ask(socket, `client ${index}`)
  if (!isOrderly(index)) socket.write(HALF_REQUEST)
  return socket
}

async function main(origin: Origin, count: number): Promise<void> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const size = Math.min(AT_A_TIME, count - sockets.length)
    const indexes = Array.from({ length: size }, (_, i) => sockets.length + i)
    sockets.push(...(await Promise.all(indexes.map(index => newcomer(origin, index)))))
  }
  process.send?.('ready')
  await once(process, 'message')
  const orderly = sockets.filter((_, index) => isOrderly(index))
  await Promise.all(orderly.map((socket, i) => ask(socket, `still ${i}`)))
  const closed = sockets.map(socket => once(socket, 'close'))
  for (const [index, socket] of sockets.entries()) {
    if (isOrderly(index)) socket.end()
    else socket.resetAndDestroy()
  }
  await Promise.all(closed)
  process.disconnect()
}

if (process.argv[1] === SELF) {
  const [port, count, localAddress = ''] = process.argv.slice(2)
  await main({ port: Number(port), localAddress }, Number(count))
}
