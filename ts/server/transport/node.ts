/**
 * The transport over `node:net` and `node:tls`. Plain TCP connections read into one shared buffer;
 * what is sent in a turn is written by one `setImmediate` at its end.
 *
 * ORDER of a turn: write what is queued, onDrain, onData of those that asked again, write.
 */

import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { ReplyWriter } from '../../resp/writer.js'
import { listenError, rateBound } from './listen-error.js'
import { adopt, descriptorOf, formatAddress, Peer } from './peer.js'
import {
  type ConnectionId,
  LINGER_MS,
  type ListenOptions,
  type RefusalReason,
  type Transport,
  type TransportEvents,
  type TransportFactory,
} from './transport.js'

const INPUT_BYTES = 64 * 1024
/** Output is not gathered beyond this, even within one turn. */
const FLUSH_BYTES = 1024 * 1024
const HANDSHAKE_TIMEOUT_MS = 10_000
/** TLS connections beside those that are served: in a handshake, or about to be refused. */
const HANDSHAKES_MAX = 32
const KEEP_ALIVE_MS = 300_000
const ERROR_INTERVAL_MS = 1000
const CONNECTION_ID_MAX = 2 ** 31 - 1

export const nodeTransport: TransportFactory = (options, events) =>
  new NodeTransport(options, events)

class NodeTransport implements Transport {
  readonly output = new ReplyWriter()
  readonly #options: ListenOptions
  readonly #events: TransportEvents
  readonly #peers = new Map<ConnectionId, Peer>()
  readonly #input = Buffer.allocUnsafeSlow(INPUT_BYTES)
  #server: Server | undefined
  #lastId: ConnectionId = 0
  #turnDue = false
  readonly #mayReport = rateBound(ERROR_INTERVAL_MS)
  /** Peers with something queued / with `againDue` / whose `onDrain` is due. */
  #unsent: Peer[] = []
  #again: Peer[] = []
  #drained: Peer[] = []
  #onAllClosed: (() => void) | undefined

  constructor(options: ListenOptions, events: TransportEvents) {
    this.#options = options
    this.#events = events
  }

  listen(): Promise<{ host: string; port: number }> {
    const { host, port, backlog } = this.#options
    const server = this.#makeServer()
    this.#server = server
    return new Promise((resolve, reject) => {
      const onFail = (error: NodeJS.ErrnoException) => {
        this.#server = undefined
        reject(error.errno === undefined ? error : listenError(host, port, error.errno, error))
      }
      server.once('error', onFail)
      server.listen({ host, port, backlog }, () => {
        server.off('error', onFail)
        server.on('error', error => this.#report(error))
        const bound = server.address() as AddressInfo
        resolve({ host: bound.address, port: bound.port })
      })
    })
  }

  send(connection: ConnectionId, start: number, end: number): boolean {
    const peer = this.#peers.get(connection)
    if (!peer || peer.closing) return true
    if (end > start) {
      if (peer.queuedBytes === 0) this.#unsent.push(peer)
      peer.queue(start, end)
      this.#scheduleTurn()
      if (this.output.length >= FLUSH_BYTES) this.#flush()
    }
    if (peer.unsentBytes <= this.#options.highWaterBytes) return true
    peer.drainDue = true
    if (peer.queuedBytes === 0) this.#unsent.push(peer)
    this.#scheduleTurn()
    return false
  }

  unsentMark(connection: ConnectionId): number {
    return this.#peers.get(connection)?.unsentMark ?? 0
  }

  pause(connection: ConnectionId): void {
    const peer = this.#peers.get(connection)
    if (!peer || peer.paused) return
    peer.paused = true
    peer.socket.pause()
  }

  resume(connection: ConnectionId): void {
    const peer = this.#peers.get(connection)
    if (!peer?.paused) return
    peer.paused = false
    if (peer.closing) return
    peer.socket.resume()
    if (peer.kept.size > 0 || peer.inputEnded) this.#presentLater(peer)
  }

  again(connection: ConnectionId): void {
    const peer = this.#peers.get(connection)
    if (peer && !peer.closing) this.#presentLater(peer)
  }

  end(connection: ConnectionId): void {
    const peer = this.#peers.get(connection)
    if (peer && !peer.closing) this.#end(peer)
  }

  destroy(connection: ConnectionId): void {
    const peer = this.#peers.get(connection)
    if (peer) this.#destroy(peer)
  }

  stopAccepting(): void {
    this.#server?.close()
    this.#server = undefined
  }

  async close(): Promise<void> {
    this.stopAccepting()
    if (this.#peers.size === 0) return
    const allClosed = new Promise<void>(resolve => {
      this.#onAllClosed = resolve
    })
    for (const peer of this.#peers.values()) this.#destroy(peer)
    await allClosed
  }

  #makeServer(): Server {
    const { tls } = this.#options
    const common = {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      allowHalfOpen: true,
    }
    if (!tls) return createServer({ ...common, pauseOnConnect: true }, s => this.#acceptPlain(s))
    const server = createTlsServer({
      ...common,
      cert: readFileSync(tls.certPath),
      key: readFileSync(tls.keyPath),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    })
    const { maxConnections } = this.#options
    if (maxConnections > 0) server.maxConnections = maxConnections + HANDSHAKES_MAX
    server.on('drop', () => this.#events.onRefused('connections'))
    server.on('secureConnection', socket => this.#acceptTls(socket))
    server.on('tlsClientError', (error, socket) => {
      const from = formatAddress(socket.remoteAddress, socket.remotePort)
      this.#report(new Error(`TLS handshake with ${from} failed`, { cause: error }))
    })
    return server
  }

  #report(error: Error): void {
    if (this.#mayReport()) this.#events.onError(error)
  }

  #acceptPlain(accepted: Socket): void {
    if (this.#refuse(accepted)) {
      // What the kernel took is sent. Everyone in the backlog comes within this turn: each
      // descriptor must be free again before the next one is accepted.
      accepted.destroy()
      return
    }
    let peer: Peer | undefined
    const socket = adopt(accepted, this.#input, (_, byteCount) => {
      if (peer) this.#onBytes(peer, this.#input, byteCount)
    })
    if (socket) peer = this.#open(socket)
  }

  #acceptTls(socket: Socket): void {
    if (this.#refuse(socket)) {
      socket.destroySoon()
      return
    }
    const peer = this.#open(socket)
    socket.on('data', (chunk: Buffer) => this.#onBytes(peer, chunk, chunk.length))
  }

  /** Says so when there is no room for the connection. @returns true then: it is to be closed */
  #refuse(socket: Socket): boolean {
    const why = this.#whyNot(socket)
    if (why === undefined) return false
    socket.on('error', ignoreReset)
    socket.write(this.#options.refusal)
    this.#events.onRefused(why)
    return true
  }

  #whyNot(socket: Socket): RefusalReason | undefined {
    const { maxConnections, maxDescriptors } = this.#options
    if (maxDescriptors > 0 && descriptorOf(socket) >= maxDescriptors) return 'descriptors'
    if (maxConnections > 0 && this.#peers.size >= maxConnections) return 'connections'
    return undefined
  }

  #open(socket: Socket): Peer {
    const id = this.#nextId()
    const peer = new Peer(id, socket)
    this.#peers.set(id, peer)
    socket.on('error', ignoreReset)
    socket.on('close', () => this.#onGone(peer))
    socket.on('end', () => {
      peer.inputEnded = true
      this.#settle(peer)
    })
    socket.on('drain', () => {
      if (peer.drainDue && !peer.closing && peer.queuedBytes === 0) this.#drainLater(peer)
    })
    const remote = formatAddress(socket.remoteAddress, socket.remotePort)
    const local = formatAddress(socket.localAddress, socket.localPort)
    this.#guard(peer, () => this.#events.onOpen(id, remote, local))
    return peer
  }

  #nextId(): ConnectionId {
    do this.#lastId = this.#lastId === CONNECTION_ID_MAX ? 1 : this.#lastId + 1
    while (this.#peers.has(this.#lastId))
    return this.#lastId
  }

  #onGone(peer: Peer): void {
    peer.closing = true
    peer.dropQueue()
    this.#peers.delete(peer.id)
    this.#guard(peer, () => this.#events.onClose(peer.id))
    if (this.#peers.size === 0) this.#onAllClosed?.()
  }

  #onBytes(peer: Peer, chunk: Buffer, byteCount: number): void {
    if (peer.closing) return
    const { kept } = peer
    if (kept.size > 0 || peer.paused || byteCount < peer.expectBytes) {
      kept.append(chunk, 0, byteCount, peer.expectBytes)
      this.#present(peer)
    } else {
      const consumed = this.#onData(peer, chunk, 0, byteCount)
      if (consumed < byteCount) kept.append(chunk, consumed, byteCount, peer.expectBytes)
    }
    this.#settle(peer)
  }

  /** Gives the handler the kept bytes, if they are enough for it. */
  #present(peer: Peer): void {
    const { kept } = peer
    if (peer.paused || kept.size === 0 || kept.size < peer.expectBytes) return
    kept.consume(this.#onData(peer, kept.bytes, kept.start, kept.end))
  }

  #onData(peer: Peer, input: Buffer, start: number, end: number): number {
    const events = this.#events
    events.expectBytes = 0
    let consumed = 0
    this.#guard(peer, () => {
      consumed = events.onData(peer.id, input, start, end)
    })
    peer.expectBytes = events.expectBytes
    return consumed
  }

  /** Closes what passed a bound, and ends what has no more input. */
  #settle(peer: Peer): void {
    if (peer.closing) return
    const bound = this.#options.queryBufferBytes
    if (bound > 0 && Math.max(peer.kept.size, peer.expectBytes) > bound) this.#destroy(peer)
    else if (peer.inputEnded && !peer.paused && !peer.againDue) this.#end(peer)
  }

  #end(peer: Peer): void {
    peer.closing = true
    if (peer.queuedBytes === 0) this.#closeInOrder(peer)
  }

  /** Ends our side once everything is written, and drops what the peer still sends: closing over
   *  unread input would reset the connection, and the peer would lose replies. */
  #closeInOrder({ socket }: Peer): void {
    if (socket.writableEnded) return
    socket.end(() => setTimeout(() => socket.destroy(), LINGER_MS).unref())
    socket.resume()
  }

  #destroy(peer: Peer): void {
    peer.closing = true
    peer.dropQueue()
    peer.socket.destroy()
  }

  #presentLater(peer: Peer): void {
    if (peer.againDue) return
    peer.againDue = true
    this.#again.push(peer)
    this.#scheduleTurn()
  }

  #drainLater(peer: Peer): void {
    peer.drainDue = false
    this.#drained.push(peer)
    this.#scheduleTurn()
  }

  #scheduleTurn(): void {
    if (this.#turnDue) return
    this.#turnDue = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#turnDue = false
    this.#flush()
    const drained = this.#drained
    this.#drained = []
    for (const peer of drained) {
      if (!peer.closing) this.#guard(peer, () => this.#events.onDrain(peer.id))
    }
    const again = this.#again
    this.#again = []
    for (const peer of again) {
      peer.againDue = false
      if (peer.closing) continue
      this.#present(peer)
      this.#settle(peer)
    }
    this.#flush()
  }

  /** Hands everything that is queued to the sockets, and empties the output. */
  #flush(): void {
    const unsent = this.#unsent
    this.#unsent = []
    for (const peer of unsent) this.#write(peer)
    this.output.reset()
  }

  /** The bound is on what was left over from before: a single reply may be larger than it. */
  #write(peer: Peer): void {
    const { socket } = peer
    const bound = this.#options.replyBufferBytes
    if (bound > 0 && peer.queuedBytes > 0 && socket.writableLength > bound) {
      this.#destroy(peer)
      return
    }
    peer.writeQueue(this.output.bytes)
    if (peer.closing) this.#closeInOrder(peer)
    else if (peer.drainDue && !socket.writableNeedDrain) this.#drainLater(peer)
  }

  /** Calls a handler; one that throws costs its connection, not the process. */
  #guard(peer: Peer, handler: () => void): void {
    try {
      handler()
    } catch (cause) {
      this.#destroy(peer)
      this.#events.onError(new Error('an event handler threw', { cause }))
    }
  }
}

/** A peer that went away is no error of ours: 'close' follows and tells what matters. */
function ignoreReset(): void {}
