/**
 * One port: a transport, the commands served there, and the connections that came in.
 *
 * Stopping is three steps: accept no more, let the connections come to their end (`drain.ts`),
 * close those that have not.
 */
import type { Config } from '../config/config.js'
import type { ParserLimits } from '../resp/parser.js'
import { Transit } from '../resp/transit.js'
import { Connection, type ConnectionOwner } from './connection.js'
import { Context, type Services } from './context.js'
import { drain } from './drain.js'
import { Gates } from './gates.js'
import type { Registry } from './registry.js'
import { rateBound } from './transport/listen-error.js'
import { connectionBounds, descriptorBound, openFileLimit } from './transport/open-files.js'
import type {
  ConnectionId,
  ListenOptions,
  RefusalReason,
  Transport,
  TransportEvents,
  TransportFactory,
} from './transport/transport.js'

const REFUSAL = Buffer.from('-ERR max number of clients reached\r\n')
const BACKLOG = 4096
/** Unsent bytes of a connection above which it is not read. */
const HIGH_WATER_BYTES = 1024 * 1024
const IDLE_CHECKS_PER_TIMEOUT = 4
/** Refusals are logged at most so often: who is refused mostly comes again at once. */
const REFUSALS_LOGGED_MS = 60_000

/** What the operator reads, and may do something about. */
const REFUSAL_CAUSES: Readonly<Record<RefusalReason, string>> = {
  connections: 'as many are connected as network.max_clients and the limit of open files allow',
  descriptors: 'the process has nearly as many files open as its limit of open files allows',
}

export interface ListenerOptions {
  readonly services: Services
  /** The commands of this port; its `port` names the side. */
  readonly registry: Registry
  readonly factory: TransportFactory
}

export class Listener implements TransportEvents, ConnectionOwner {
  readonly transport: Transport
  readonly gates: Gates
  readonly parserLimits: ParserLimits
  /** The transport reads it after each `onData`. */
  expectBytes = 0

  readonly #services: Services
  readonly #registry: Registry
  readonly #connections = new Map<ConnectionId, Connection>()
  readonly #idleTimer: NodeJS.Timeout | undefined
  readonly #mayLogRefusal = rateBound(REFUSALS_LOGGED_MS)
  #isHurried = false

  constructor({ services, registry, factory }: ListenerOptions) {
    this.#services = services
    this.#registry = registry
    this.transport = factory(listenOptions(services.config, registry.port), this)
    this.gates = new Gates(services, this.transport.output)
    const { query_buffer_limit: frameBytes } = services.config.network
    const transit = services.redis?.transit ?? new Transit(() => frameBytes)
    this.parserLimits = { frameBytes, transit }
    this.#idleTimer = this.#watchIdle(services.config.network.idle_timeout * 1000)
  }

  /** @returns the bound address. @throws with a one-line reason */
  listen(): Promise<{ host: string; port: number }> {
    return this.transport.listen()
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Accepts nobody any more; connections live on. */
  stopAccepting(): void {
    this.transport.stopAccepting()
  }

  /** Lets each connection get the replies that are due, for at most so long, then closes all.
   *  ORDER: `lifecycle.stopping` is set before. */
  async close(drainMs: number): Promise<void> {
    this.stopAccepting()
    clearInterval(this.#idleTimer)
    await drain(this.#connections, { limitMs: drainMs, isHurried: () => this.#isHurried })
    await this.transport.close()
  }

  /** `close`, whether it has begun or not, waits for nobody. */
  hurry(): void {
    this.#isHurried = true
  }

  onOpen(id: ConnectionId, peer: string, local: string): void {
    const session = this.#services.sessions.open(this.#registry.port, peer, local)
    const context = new Context(session, this.#services, this.#registry)
    this.#connections.set(id, new Connection(id, context, this))
  }

  onData(id: ConnectionId, input: Buffer, start: number, end: number): number {
    const connection = this.#connections.get(id)
    if (connection === undefined) return end - start
    const consumed = connection.receive(input, start, end)
    this.expectBytes = connection.expectBytes
    return consumed
  }

  onDrain(id: ConnectionId): void {
    this.#connections.get(id)?.drained()
  }

  onClose(id: ConnectionId): void {
    const connection = this.#connections.get(id)
    this.#connections.delete(id)
    connection?.gone()
  }

  onRefused(why: RefusalReason): void {
    if (!this.#mayLogRefusal()) return
    const fields = { port: this.#registry.port, connections: this.#connections.size }
    this.#services.log.warn(fields, `clients are refused: ${REFUSAL_CAUSES[why]}`)
  }

  onError(error: Error): void {
    const { port } = this.#registry
    if (error.cause === undefined) this.#services.log.warn({ port }, error.message)
    else this.#services.log.warn({ err: error, port }, 'connection trouble')
  }

  onOver(connection: Connection): void {
    this.#services.sessions.close(connection.context.session)
  }

  /** Closes connections that have been silent for too long, at once: their peer may be gone. */
  #watchIdle(timeoutMs: number): NodeJS.Timeout | undefined {
    if (timeoutMs === 0) return undefined
    const check = (): void => {
      const oldest = Date.now() - timeoutMs
      for (const connection of this.#connections.values()) {
        if (connection.wasIdle(oldest)) this.transport.destroy(connection.id)
      }
    }
    return setInterval(check, timeoutMs / IDLE_CHECKS_PER_TIMEOUT).unref()
  }
}

function listenOptions(config: Config, port: 'client' | 'admin'): ListenOptions {
  const { network } = config
  const side = port === 'client' ? network.external : network.internal
  const { enabled, cert_path: certPath, key_path: keyPath } = side.tls
  const openFiles = openFileLimit()
  return {
    host: side.host,
    port: side.port,
    backlog: BACKLOG,
    highWaterBytes: HIGH_WATER_BYTES,
    queryBufferBytes: network.query_buffer_limit,
    replyBufferBytes: network.reply_buffer_limit,
    maxConnections: connectionBounds(network.max_clients, openFiles)[port],
    maxDescriptors: descriptorBound(openFiles),
    refusal: REFUSAL,
    tls: enabled && certPath && keyPath ? { certPath, keyPath } : undefined,
  }
}
