/**
 * The transport over the native module: all ready sockets of a turn come in one call, with their
 * bytes in one shared input; replies are slices of one shared output, which the native side sends
 * when the call is over, or else before the event loop goes to sleep.
 *
 * INVARIANT: `output` is emptied only while no slice of it waits to be sent.
 */

import { lookup } from 'node:dns/promises'
import { getSystemErrorMap } from 'node:util'
import { ReplyWriter } from '../../resp/writer.js'
import { listenError, rateBound } from './listen-error.js'
import type { NativeTransportHandle, NativeTransportModule } from './native-module.js'
import * as layout from './native-module.js'
import {
  type ConnectionId,
  LINGER_MS,
  type ListenOptions,
  type Transport,
  type TransportEvents,
  type TransportFactory,
} from './transport.js'

const INPUT_BYTES = 1024 * 1024
const RECORDS_MAX = 1024
const SLICES_MAX = 4096
/** Output is not gathered beyond this, even within one turn. */
const FLUSH_BYTES = 1024 * 1024
const SLOTS_MAX = 2 ** layout.SLOT_BITS
const SLOT_MASK = SLOTS_MAX - 1
const INT32_MAX = 2 ** 31 - 1
const ACCEPT_RETRY_MS = 500
const ACCEPT_REPORT_MS = 60_000
const NOTHING = Buffer.alloc(0)

/** @param native the loaded `transport.node` */
export function nativeTransport(native: NativeTransportModule): TransportFactory {
  return (options, events) => new NativeTransport(native, options, events)
}

class NativeTransport implements Transport {
  readonly output = new ReplyWriter()
  readonly #options: ListenOptions
  readonly #events: TransportEvents
  readonly #handle: NativeTransportHandle
  readonly #input = Buffer.allocUnsafeSlow(INPUT_BYTES)
  readonly #records = new Int32Array(RECORDS_MAX * layout.RECORD_STRIDE)
  readonly #slices = new Int32Array(1 + SLICES_MAX * layout.SLICE_STRIDE)
  readonly #slots: Float64Array
  /** The memory of `output` that the native side knows. */
  #outputBytes: Buffer = NOTHING
  #listening = false
  #closed: Promise<void> | undefined
  #onShutDown: (() => void) | undefined
  #retryTimer: NodeJS.Timeout | undefined
  readonly #mayReport = rateBound(ACCEPT_REPORT_MS)

  constructor(native: NativeTransportModule, options: ListenOptions, events: TransportEvents) {
    this.#options = options
    this.#events = events
    const { maxConnections } = options
    const slotCount = maxConnections === 0 ? SLOTS_MAX : Math.min(maxConnections + 1024, SLOTS_MAX)
    this.#slots = new Float64Array(slotCount * layout.SLOT_STRIDE)
    this.#handle = new native.NativeTransport(
      Object.freeze({
        input: this.#input,
        records: this.#records,
        slices: this.#slices,
        slots: this.#slots,
        highWaterBytes: options.highWaterBytes,
        queryBufferBytes: Math.min(options.queryBufferBytes || INT32_MAX, INT32_MAX),
        replyBufferBytes: options.replyBufferBytes,
        maxConnections,
        maxDescriptors: options.maxDescriptors,
        refusal: options.refusal,
        onRecords: (count: number) => this.#onRecords(count),
      }),
    )
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { host, port, backlog } = this.#options
    const address = await lookup(host).catch((cause: NodeJS.ErrnoException) => {
      throw listenError(host, port, cause.errno ?? 0, cause)
    })
    const result = this.#handle.listen(address.address, port, backlog)
    if (result < 0) throw listenError(host, port, result)
    this.#listening = true
    return { host: address.address, port: result }
  }

  send(connection: ConnectionId, start: number, end: number): boolean {
    const slots = this.#slots
    const slot = (connection & SLOT_MASK) * layout.SLOT_STRIDE
    if (slots[slot + layout.SLOT_ID] !== connection) return true
    if (end > start) {
      this.#queue(connection, start, end)
      slots[slot + layout.SLOT_UNSENT_BYTES]! += end - start
      if (this.output.length >= FLUSH_BYTES) this.#flush()
    }
    if (slots[slot + layout.SLOT_UNSENT_BYTES]! <= this.#options.highWaterBytes) return true
    slots[slot + layout.SLOT_DRAIN_DUE] = 1
    return false
  }

  unsentMark(connection: ConnectionId): number {
    return this.#slots[(connection & SLOT_MASK) * layout.SLOT_STRIDE + layout.SLOT_UNSENT_BYTES]!
  }

  pause(connection: ConnectionId): void {
    const slot = (connection & SLOT_MASK) * layout.SLOT_STRIDE
    if (this.#slots[slot + layout.SLOT_ID] !== connection) return
    this.#slots[slot + layout.SLOT_PAUSED] = 1
  }

  resume(connection: ConnectionId): void {
    const slot = (connection & SLOT_MASK) * layout.SLOT_STRIDE
    if (this.#slots[slot + layout.SLOT_ID] !== connection) return
    if (this.#slots[slot + layout.SLOT_PAUSED] !== 0) this.#handle.resume(connection)
  }

  again(connection: ConnectionId): void {
    this.#handle.again(connection)
  }

  end(connection: ConnectionId): void {
    this.#handle.end(connection)
  }

  destroy(connection: ConnectionId): void {
    this.#handle.destroy(connection)
  }

  stopAccepting(): void {
    clearTimeout(this.#retryTimer)
    this.#handle.stopAccepting()
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutdown()
    return this.#closed
  }

  async #shutdown(): Promise<void> {
    clearTimeout(this.#retryTimer)
    if (!this.#listening) return
    const shutDown = new Promise<void>(resolve => {
      this.#onShutDown = resolve
    })
    this.#handle.shutdown()
    await shutDown
  }

  #queue(connection: ConnectionId, start: number, end: number): void {
    const slices = this.#slices
    if (this.output.bytes !== this.#outputBytes) {
      this.#outputBytes = this.output.bytes
      this.#handle.setOutput(this.#outputBytes)
    }
    // Slice i is (connection, start, end) at 1 + 3 i; element 0 is their count.
    let count = slices[0]!
    const last = count * layout.SLICE_STRIDE
    if (count > 0 && slices[last - 2] === connection && slices[last] === start) {
      slices[last] = end
      return
    }
    if (count === SLICES_MAX) {
      this.#handle.flush()
      count = 0
    }
    const at = 1 + count * layout.SLICE_STRIDE
    slices[at] = connection
    slices[at + 1] = start
    slices[at + 2] = end
    slices[0] = count + 1
  }

  #flush(): void {
    this.#handle.flush()
    this.output.reset()
  }

  #onRecords(count: number): void {
    if (this.#slices[0] === 0) this.output.reset()
    const records = this.#records
    for (let i = 0; i < count; i++) {
      const at = i * layout.RECORD_STRIDE
      const id = records[at + layout.RECORD_ID]!
      try {
        this.#onRecord(records[at + layout.RECORD_KIND]!, id, at)
      } catch (cause) {
        this.#handle.destroy(id)
        this.#events.onError(new Error('an event handler threw', { cause }))
      }
    }
  }

  #onRecord(kind: number, id: ConnectionId, at: number): void {
    const records = this.#records
    const start = records[at + layout.RECORD_START]!
    const end = records[at + layout.RECORD_END]!
    switch (kind) {
      case layout.KIND_DATA:
        this.#onData(id, at, this.#input, start, end)
        break
      case layout.KIND_LARGE_DATA: {
        const memory = this.#handle.largeInput(id)
        if (memory) this.#onData(id, at, Buffer.from(memory), 0, memory.byteLength)
        break
      }
      case layout.KIND_OPEN: {
        const [peer, local] = this.#handle.addresses(id)
        this.#events.onOpen(id, peer, local)
        break
      }
      case layout.KIND_DRAIN:
        this.#events.onDrain(id)
        break
      case layout.KIND_CLOSE:
        this.#events.onClose(id)
        break
      case layout.KIND_ACCEPT_FAILED:
        this.#onAcceptFailed(start)
        break
      case layout.KIND_REFUSED:
        this.#events.onRefused(end === 1 ? 'descriptors' : 'connections')
        break
      case layout.KIND_LINGER:
        setTimeout(() => this.#handle.destroy(id), LINGER_MS).unref()
        break
      case layout.KIND_SHUT_DOWN:
        this.#onShutDown?.()
        break
    }
  }

  /** A handler of the same turn may have closed or paused the connection since its bytes came. */
  #onData(id: ConnectionId, at: number, input: Buffer, start: number, end: number): void {
    const slots = this.#slots
    const slot = (id & SLOT_MASK) * layout.SLOT_STRIDE
    if (slots[slot + layout.SLOT_ID] !== id || slots[slot + layout.SLOT_PAUSED] !== 0) return
    const events = this.#events
    events.expectBytes = 0
    this.#records[at + layout.RECORD_CONSUMED] = events.onData(id, input, start, end)
    this.#records[at + layout.RECORD_EXPECTED] = Math.min(events.expectBytes, INT32_MAX)
  }

  #onAcceptFailed(errno: number): void {
    this.#retryTimer = setTimeout(() => this.#handle.retryAccept(), ACCEPT_RETRY_MS)
    this.#retryTimer.unref()
    if (!this.#mayReport()) return
    const [code, text] = getSystemErrorMap().get(-errno) ?? ['UNKNOWN', `system error ${errno}`]
    this.#events.onError(new Error(`cannot accept connections: ${text} (${code})`))
  }
}
