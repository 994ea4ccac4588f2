/**
 * What the server needs of a socket layer. Two implementations: `native.ts` (Linux, plain TCP) and
 * `node.ts` (other systems, TLS, or when a setting forces it). RESP, gates, sessions and commands
 * are above this interface and know of neither.
 *
 * INVARIANT: bytes leave a connection in the order of the `send` calls for it.
 * INVARIANT: events are never called from inside a method of `Transport`, always in a later turn
 * or at least after the method returned. After `end` or `destroy` only `onClose` still comes.
 * ORDER: everything sent in one turn of the event loop leaves in as few writes as possible, at the
 * end of that turn.
 */

import type { ReplyWriter } from '../../resp/writer.js'

/** Input of a connection that has ended is dropped for so long, unless the peer ends its side:
 *  closing over it would reset the connection, and the peer could lose replies. */
export const LINGER_MS = 100

/** A transport's name for one accepted connection, above 0; reused only long after `onClose`.
 *  Methods given the name of a connection that is gone do nothing. */
export type ConnectionId = number

/** Which bound connections were refused for: `maxConnections` or `maxDescriptors`. */
export type RefusalReason = 'connections' | 'descriptors'

export interface TransportEvents {
  /** A connection was accepted; `peer` and `local` are `host:port` or `[v6 host]:port`. */
  onOpen(connection: ConnectionId, peer: string, local: string): void
  /**
   * Bytes `input[start, end)` are the unconsumed bytes of the connection so far, in order. They are
   * borrowed: valid during the call only.
   * @returns how many of them were consumed; the transport keeps the rest and presents it again,
   *          in front of what arrives next. `expectBytes` of the handler may say how many bytes,
   *          from the first unconsumed one, are needed before another call makes sense (0 = any).
   */
  onData(connection: ConnectionId, input: Buffer, start: number, end: number): number
  /** Unsent bytes fell under the low-water mark after `send` answered false. */
  onDrain(connection: ConnectionId): void
  /** The connection is gone, for whatever reason; called exactly once, nothing follows. */
  onClose(connection: ConnectionId): void
  /** Some connections were refused. Comes for each turn that refused any. */
  onRefused(why: RefusalReason): void
  /** Trouble to be logged: no descriptor left to accept with, a TLS handshake that failed, or an
   *  event handler that threw (its connection is destroyed). */
  onError(error: Error): void
  /** Set by `onData` before it returns; see there. The transport sets it to 0 before each call. */
  expectBytes: number
}

export interface ListenOptions {
  host: string
  /** 0 picks a free port. */
  port: number
  backlog: number
  /** Unsent bytes per connection above which `send` answers false (the caller stops reading). */
  highWaterBytes: number
  /** Unconsumed or expected bytes per connection above which it is closed. 0 = no bound. */
  queryBufferBytes: number
  /** Bytes of a connection left unsent by earlier turns above which one more reply closes it: a
   *  client that never reads. One reply may be larger. 0 = no bound. */
  replyBufferBytes: number
  /** Connections beyond this get `refusal` (RESP bytes) and are closed. 0 = no bound. */
  maxConnections: number
  /** The same for a connection whose descriptor would be this or more: the process is about to run
   *  out of them. 0 = no bound. */
  maxDescriptors: number
  refusal: Buffer
  /** PEM files; presence of them means TLS. */
  tls?: { certPath: string; keyPath: string } | undefined
}

export interface Transport {
  /** Starts accepting. @returns the bound address. @throws with a one-line reason (port in use) */
  listen(): Promise<{ host: string; port: number }>
  /** The one output buffer of this transport: write reply bytes here, then `send` the slice.
   *  ORDER: no other `send` between the first byte of a slice and its own `send`. */
  readonly output: ReplyWriter
  /** Queues `output.bytes[start, end)` for the connection; slices that touch are merged. May empty
   *  `output`: read `output.length` again afterwards. @returns false above the high-water mark. */
  send(connection: ConnectionId, start: number, end: number): boolean
  /** A number that changes whenever the peer takes some of the unsent bytes; 0 = there are none. */
  unsentMark(connection: ConnectionId): number
  /** Stops / resumes reading a connection (no `onData` while paused). Idempotent. `resume` also
   *  presents the kept bytes again, in a later turn. */
  pause(connection: ConnectionId): void
  resume(connection: ConnectionId): void
  /** Calls `onData` again with the kept bytes, in a later turn: the end of the caller's budget. */
  again(connection: ConnectionId): void
  /** Sends what is queued, then closes. The transport does the same at the end of the input, once
   *  the kept bytes were presented and the connection is not paused. */
  end(connection: ConnectionId): void
  /** Closes at once; what is queued is dropped. */
  destroy(connection: ConnectionId): void
  /** Stops accepting; existing connections live on. */
  stopAccepting(): void
  /** Closes everything and releases the descriptors; `onClose` comes for each connection first. */
  close(): Promise<void>
}

/** Makes a transport. `node.ts` exports one, `native.ts` makes one from the native module. */
export type TransportFactory = (options: ListenOptions, events: TransportEvents) => Transport
