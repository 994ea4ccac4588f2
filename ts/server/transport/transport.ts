/**
 * What the server needs of a socket layer. Two implementations: `native.ts` (Linux, plain TCP) and
 * `node.ts` (other systems, TLS, or when a setting forces it). RESP, gates, sessions and commands
 * are above this interface and know of neither.
 *
 * INVARIANT: bytes leave a connection in the order of the `send` calls for it.
 * ORDER: everything sent in one turn of the event loop leaves in as few writes as possible, at the
 * end of that turn.
 */

import type { ReplyWriter } from '../../resp/writer.js'

/** A transport's name for one accepted connection; reused only after `onClose` returned. */
export type ConnectionId = number

export interface TransportEvents {
  /** A connection was accepted; `peer` and `local` are `host:port`. */
  onOpen(connection: ConnectionId, peer: string, local: string): void
  /**
   * Bytes `input[start, end)` are the unconsumed bytes of the connection so far, in order. They are
   * borrowed: valid during the call only.
   * @returns how many of them were consumed; the transport keeps the rest and presents it again,
   *          in front of what arrives next. `expectBytes` of the handler may say how many bytes, from
   *          the first unconsumed one, are needed before another call makes sense (0 = any).
   */
  onData(connection: ConnectionId, input: Buffer, start: number, end: number): number
  /** Unsent bytes fell under the low-water mark after `send` answered false. */
  onDrain(connection: ConnectionId): void
  /** The connection is gone, for whatever reason; called exactly once, nothing follows. */
  onClose(connection: ConnectionId): void
  /** Set by `onData` before it returns; see there. */
  expectBytes: number
}

export interface ListenOptions {
  host: string
  /** 0 picks a free port. */
  port: number
  backlog: number
  /** Unsent bytes per connection above which `send` answers false (the caller stops reading). */
  highWaterBytes: number
  /** Unconsumed bytes per connection above which it is closed. */
  queryBufferBytes: number
  /** Unsent bytes per connection above which it is closed: a client that never reads. */
  replyBufferBytes: number
  /** Connections beyond this get `refusal` (RESP bytes) and are closed. 0 = no bound. */
  maxConnections: number
  refusal: Buffer
  /** PEM files; presence of them means TLS. */
  tls?: { certPath: string; keyPath: string } | undefined
}

export interface Transport {
  /** Starts accepting. @returns the bound address. @throws with a one-line reason (port in use, …) */
  listen(): Promise<{ host: string; port: number }>
  /** The one output buffer of this transport: write reply bytes here, then `send` the slice. */
  readonly output: ReplyWriter
  /** Queues `output.bytes[start, end)` for the connection. @returns false above the high-water mark. */
  send(connection: ConnectionId, start: number, end: number): boolean
  /** Stops / resumes reading a connection (no `onData` while paused). Idempotent. */
  pause(connection: ConnectionId): void
  resume(connection: ConnectionId): void
  /** Calls `onData` again with the kept bytes, in a later turn: the end of the caller's budget. */
  again(connection: ConnectionId): void
  /** Sends what is queued, then closes. */
  end(connection: ConnectionId): void
  /** Closes at once. */
  destroy(connection: ConnectionId): void
  /** Stops accepting; existing connections live on. */
  stopAccepting(): void
  /** Closes everything and releases the descriptors. */
  close(): Promise<void>
}

/** Makes a transport. Both implementations export one of these. */
export type TransportFactory = (options: ListenOptions, events: TransportEvents) => Transport
