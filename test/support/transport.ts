/** A small line-echo server on a transport, and a client, for the transport suites. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type {
  ConnectionId,
  ListenOptions,
  RefusalReason,
  Transport,
  TransportEvents,
  TransportFactory,
} from '../../ts/server/transport/transport.js'

export const MIB = 1024 * 1024
const NEWLINE = 10

export const DEFAULTS: ListenOptions = {
  host: '127.0.0.1',
  port: 0,
  backlog: 511,
  highWaterBytes: MIB,
  queryBufferBytes: 256 * MIB,
  replyBufferBytes: 64 * MIB,
  maxConnections: 1000,
  maxDescriptors: 0,
  refusal: Buffer.from('-ERR max number of clients reached\r\n'),
}

/** Echoes whole lines; tests override the handlers they look at. */
export class Recorder implements TransportEvents {
  transport!: Transport
  expectBytes = 0
  opened: { id: ConnectionId; peer: string; local: string }[] = []
  closed: ConnectionId[] = []
  refused: RefusalReason[] = []
  errors: Error[] = []
  dataCalls = 0

  onOpen(id: ConnectionId, peer: string, local: string): void {
    this.opened.push({ id, peer, local })
  }

  onData(id: ConnectionId, input: Buffer, start: number, end: number): number {
    this.dataCalls++
    const last = input.subarray(start, end).lastIndexOf(NEWLINE)
    if (last < 0) return 0
    this.reply(id, input.subarray(start, start + last + 1))
    return last + 1
  }

  onDrain(_id: ConnectionId): void {}

  onClose(id: ConnectionId): void {
    this.closed.push(id)
  }

  onRefused(why: RefusalReason): void {
    this.refused.push(why)
  }

  onError(error: Error): void {
    this.errors.push(error)
  }

  reply(id: ConnectionId, data: Uint8Array): boolean {
    const { output } = this.transport
    const start = output.length
    output.raw(data)
    return this.transport.send(id, start, output.length)
  }
}

export interface Running {
  transport: Transport
  port: number
}

/** Starts a transport with `events` as its handler. */
export async function start(
  factory: TransportFactory,
  events: Recorder,
  options: Partial<ListenOptions> = {},
): Promise<Running> {
  const transport = factory({ ...DEFAULTS, ...options }, events)
  events.transport = transport
  const { port } = await transport.listen()
  return { transport, port }
}

/** A client that collects what it receives. */
export class Client {
  readonly socket: Socket
  #chunks: Buffer[] = []
  #size = 0
  #ended = false
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => {
      this.#chunks.push(chunk)
      this.#size += chunk.length
      this.#wake?.()
    })
    const gone = () => {
      this.#ended = true
      this.#wake?.()
    }
    socket.on('end', gone)
    socket.on('close', gone)
    socket.on('error', gone)
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<Client> {
    const socket = connect({ port, host, allowHalfOpen: true })
    await once(socket, 'connect')
    return new Client(socket)
  }

  /** Waits for `count` bytes, or fewer if the stream ends first. */
  async read(count: number): Promise<Buffer> {
    await this.#until(() => this.#size >= count || this.#ended)
    const all = Buffer.concat(this.#chunks)
    this.#chunks = count < all.length ? [all.subarray(count)] : []
    this.#size = Math.max(0, all.length - count)
    return all.subarray(0, count)
  }

  /** Waits for the end of the stream and returns everything. */
  async readAll(): Promise<Buffer> {
    await this.#until(() => this.#ended)
    return this.read(this.#size)
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }
}
