/**
 * A listener on a real socket with fake services, and a raw client for byte-for-byte checks.
 */
import { connect, type Socket } from 'node:net'
import { pino } from 'pino'
import * as assert from 'uvu/assert'
import { connectionCommands } from '../../../ts/commands/connection/index.js'
import { loadConfig } from '../../../ts/config/config.js'
import type { Command, Port } from '../../../ts/server/command.js'
import type { Services } from '../../../ts/server/context.js'
import { Listener } from '../../../ts/server/listener.js'
import { Registry } from '../../../ts/server/registry.js'
import { Sessions, sessionDefaults } from '../../../ts/server/session.js'
import { nodeTransport } from '../../../ts/server/transport/node.js'
import type { TransportFactory } from '../../../ts/server/transport/transport.js'
import type { Store } from '../../../ts/store/store.js'
import type { Tx } from '../../../ts/store/tx.js'

const ANSWER_LIMIT_MS = 5000
const DRAIN_MS = 2000

/** What a fake transaction does and has seen. */
export interface FakeTx {
  needsCommit: boolean
  calls: string[]
  commit(): Promise<unknown>
  cancel(): void
}

/** @param commits what each commit does, in order; success when the list is used up */
export function fakeStore(commits: (() => unknown)[] = []): { store: Store; made: FakeTx[] } {
  const made: FakeTx[] = []
  const begin = (): Tx => {
    const tx: FakeTx = {
      needsCommit: false,
      calls: [],
      commit: async () => {
        tx.calls.push('commit')
        await commits.shift()?.()
        return { version: 1n }
      },
      cancel: () => tx.calls.push('cancel'),
    }
    made.push(tx)
    return tx as unknown as Tx
  }
  return { store: { begin } as unknown as Store, made }
}

export interface HarnessOptions {
  /** Commands besides those about the connection. */
  commands?: readonly Command[]
  port?: Port
  /** `key=value` settings. */
  sets?: readonly string[]
  services?: Partial<Services>
  /** `node:net` unless given. */
  factory?: TransportFactory
}

export interface Harness {
  readonly listener: Listener
  readonly services: Services
  readonly logged: Record<string, unknown>[]
  readonly port: number
  connect(): Promise<RawClient>
  close(): Promise<void>
}

/** Services with nothing behind them. `logged` collects the log. */
export function fakeServices(
  sets: readonly string[] = [],
  logged: Record<string, unknown>[] = [],
): Services {
  const { config } = loadConfig({ sets })
  const sink = { write: (line: string) => logged.push(JSON.parse(line)) }
  return {
    version: '1.2.3',
    config,
    log: pino({ level: 'debug' }, sink),
    lifecycle: { stopping: false },
    sessions: new Sessions(sessionDefaults(config)),
    store: fakeStore().store,
    cluster: { initialized: true },
  } as unknown as Services
}

/** Starts a listener on a free port. */
export async function start(options: HarnessOptions = {}): Promise<Harness> {
  const { commands = [], port = 'client', sets = [], factory = nodeTransport } = options
  const logged: Record<string, unknown>[] = []
  const ports = ['network.external.port=0', 'network.internal.port=0']
  const services = { ...fakeServices([...ports, ...sets], logged), ...options.services }
  const registry = new Registry([...connectionCommands, ...commands], port)
  const listener = new Listener({ services, registry, factory })
  const bound = await listener.listen()
  const clients: RawClient[] = []
  return {
    listener,
    services,
    logged,
    port: bound.port,
    connect: async () => {
      const client = await RawClient.connect(bound.port)
      clients.push(client)
      return client
    },
    close: async () => {
      for (const client of clients) client.destroy()
      await listener.close(DRAIN_MS)
    },
  }
}

/** Runs `body` with a listener and closes it afterwards. */
export async function withServer(
  options: HarnessOptions,
  body: (server: Harness) => Promise<void>,
): Promise<void> {
  const server = await start(options)
  try {
    await body(server)
  } finally {
    await server.close()
  }
}

/** A socket; bytes are latin1 strings. */
export class RawClient {
  readonly socket: Socket
  received = ''
  isClosed = false
  #onChange: (() => void) | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    const changed = (): void => this.#onChange?.()
    socket.on('data', chunk => {
      this.received += chunk.toString('latin1')
      changed()
    })
    socket.on('end', changed)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.isClosed = true
      changed()
    })
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new RawClient(socket)
  }

  write(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  /** Sends, then expects exactly these bytes, and takes them. */
  async exchange(request: string, reply: string): Promise<void> {
    this.write(request)
    await this.expect(reply)
  }

  /** Waits for exactly these bytes, and takes them. */
  async expect(reply: string): Promise<void> {
    await this.#until(() => this.received.length >= reply.length || this.isClosed)
    assert.is(this.received.slice(0, reply.length), reply)
    this.received = this.received.slice(reply.length)
  }

  /** Waits until the received bytes match; takes them all. */
  async match(pattern: RegExp): Promise<RegExpMatchArray> {
    await this.#until(() => pattern.test(this.received) || this.isClosed)
    const found = this.received.match(pattern)
    assert.ok(found, `${JSON.stringify(this.received)} does not match ${pattern}`)
    this.received = ''
    return found
  }

  /** Waits for the server's close; nothing else may have come. */
  async expectClose(): Promise<void> {
    await this.#until(() => this.isClosed || this.socket.readableEnded)
    assert.is(this.received, '')
  }

  destroy(): void {
    this.socket.destroy()
  }

  async #until(done: () => boolean): Promise<void> {
    const deadline = Date.now() + ANSWER_LIMIT_MS
    while (!done()) {
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) throw new Error(`no answer; so far ${JSON.stringify(this.received)}`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, leftMs)
        this.#onChange = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

/** A request as an array of bulks. */
export function request(...words: string[]): string {
  return `*${words.length}\r\n${words.map(word => `$${word.length}\r\n${word}\r\n`).join('')}`
}

export function bulkReply(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

export function sleep(durationMs: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, durationMs))
}
