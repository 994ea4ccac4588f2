/**
 * The types of the native transport (`native/transport`), and the layout of the tables that it
 * shares with `native.ts`. The layouts are those of `transport.h`.
 */

import type { ConnectionId } from './transport.js'

/** What happened, one record of int32 each; C++ writes all but the last two. */
export const RECORD_STRIDE = 6
export const RECORD_KIND = 0
export const RECORD_ID = 1
export const RECORD_START = 2
export const RECORD_END = 3
/** Set by JavaScript for records of input: what `onData` returned, and its `expectBytes`. */
export const RECORD_CONSUMED = 4
export const RECORD_EXPECTED = 5

export const KIND_OPEN = 1
/** `input[start, end)` is the input of the connection. */
export const KIND_DATA = 2
/** The input is in memory of its own: `largeInput(id)`. */
export const KIND_LARGE_DATA = 3
export const KIND_DRAIN = 4
export const KIND_CLOSE = 5
/** `start` is the errno. Nobody is accepted until `retryAccept`. */
export const KIND_ACCEPT_FAILED = 6
export const KIND_SHUT_DOWN = 7
/** Our side has ended, the peer may still send: to be destroyed in a while. */
export const KIND_LINGER = 8
/** Connections were refused; `end` is 1 where descriptors run out. */
export const KIND_REFUSED = 9

/** Slices of the output to send, three int32 each, behind one element that counts them. */
export const SLICE_STRIDE = 3

/** State of the connection in a slot, doubles; the slot is the low bits of its name. */
export const SLOT_STRIDE = 4
export const SLOT_BITS = 20
export const SLOT_ID = 0
export const SLOT_UNSENT_BYTES = 1
export const SLOT_DRAIN_DUE = 2
export const SLOT_PAUSED = 3

export interface NativeTransportConfig {
  readonly input: Buffer
  readonly records: Int32Array
  readonly slices: Int32Array
  readonly slots: Float64Array
  readonly highWaterBytes: number
  readonly queryBufferBytes: number
  readonly replyBufferBytes: number
  readonly maxConnections: number
  readonly maxDescriptors: number
  readonly refusal: Buffer
  /** Handles the first `count` records. */
  readonly onRecords: (count: number) => void
}

export interface NativeTransportHandle {
  /** @param address numeric. @returns the bound port, or a negative errno */
  listen(address: string, port: number, backlog: number): number
  /** Says where the bytes of the slices are. */
  setOutput(output: Buffer): void
  /** Sends the queued slices; it also happens by itself at the end of a turn. */
  flush(): void
  resume(id: ConnectionId): void
  again(id: ConnectionId): void
  end(id: ConnectionId): void
  destroy(id: ConnectionId): void
  /** Memory of a large record; detached when `onRecords` returns. */
  largeInput(id: ConnectionId): ArrayBuffer | undefined
  /** @returns peer and local address */
  addresses(id: ConnectionId): [string, string]
  stopAccepting(): void
  retryAccept(): void
  /** Closes everything; a record of KIND_SHUT_DOWN is the last that comes. */
  shutdown(): void
}

/** What `transport.node` exports. */
export interface NativeTransportModule {
  NativeTransport: new (config: NativeTransportConfig) => NativeTransportHandle
}
