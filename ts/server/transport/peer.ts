/** One connection of the `node:net` transport: its socket, and what it waits for. */

import { Socket } from 'node:net'
import { KeptInput } from './kept-input.js'
import type { ConnectionId } from './transport.js'

/** Replies up to this size leave as a string: Node writes those without allocating a buffer. */
const STRING_WRITE_MAX = 16 * 1024

export class Peer {
  readonly id: ConnectionId
  readonly socket: Socket
  readonly kept = new KeptInput()
  /** How many bytes the next call of the handler needs; 0 = any. */
  expectBytes = 0
  /** Slices [start, end) of the shared output that were sent in this turn, flattened. */
  readonly slices: number[] = []
  /** Sum of the sizes of `slices`. */
  queuedBytes = 0
  paused = false
  /** The kept bytes are to be presented in the next turn. */
  againDue = false
  /** The input ended; the connection ends when nothing is left to present. */
  inputEnded = false
  /** `end` or `destroy` was called: no more events but the last. */
  closing = false
  /** `send` answered false. */
  drainDue = false

  constructor(id: ConnectionId, socket: Socket) {
    this.id = id
    this.socket = socket
  }

  /** Bytes that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.queuedBytes + this.socket.writableLength
  }

  /** As `Transport.unsentMark`: a write that the kernel takes in parts counts as one until its end,
   *  but for the handle. */
  get unsentMark(): number {
    const handle = (this.socket as HandleOwner)._handle
    return this.unsentBytes + (handle?.writeQueueSize ?? 0)
  }

  /** Queues the slice of the shared output; joins it to the last one if they touch. */
  queue(start: number, end: number): void {
    const { slices } = this
    if (slices.length > 0 && slices[slices.length - 1] === start) slices[slices.length - 1] = end
    else slices.push(start, end)
    this.queuedBytes += end - start
  }

  dropQueue(): void {
    this.slices.length = 0
    this.queuedBytes = 0
  }

  /** Hands the queued slices of `output` to the socket, in one write. */
  writeQueue(output: Buffer): void {
    const { slices, queuedBytes } = this
    if (queuedBytes === 0) return
    if (slices.length === 2 && queuedBytes <= STRING_WRITE_MAX) {
      this.socket.write(output.toString('latin1', slices[0], slices[1]), 'latin1')
    } else {
      const copy = Buffer.allocUnsafe(queuedBytes)
      let at = 0
      for (let i = 0; i < slices.length; i += 2) {
        at += output.copy(copy, at, slices[i]!, slices[i + 1]!)
      }
      this.socket.write(copy)
    }
    this.dropQueue()
  }
}

/** What Node's Socket takes and its type package leaves out: the handle of another socket. */
interface AdoptOptions {
  handle: object
  onread: { buffer: Buffer; callback: (byteCount: number) => boolean }
  allowHalfOpen: boolean
  readable: boolean
  writable: boolean
}
type HandleOwner = Socket & { _handle: { writeQueueSize?: number; fd?: number } | null }
const AdoptingSocket = Socket as unknown as new (options: AdoptOptions) => Socket

/**
 * Makes a socket that reads into `buffer` out of an accepted one that has not read yet. A server
 * offers no way to ask for this when it accepts, and one buffer for all connections is worth a
 * third of the throughput.
 * @returns undefined when the connection is gone already
 */
export function adopt(
  accepted: Socket,
  buffer: Buffer,
  onBytes: (socket: Socket, byteCount: number) => void,
): Socket | undefined {
  const owner = accepted as HandleOwner
  const handle = owner._handle
  if (!handle) return undefined
  owner._handle = null
  accepted.destroy()
  const socket: Socket = new AdoptingSocket({
    handle,
    onread: {
      buffer,
      callback: byteCount => {
        onBytes(socket, byteCount)
        return true
      },
    },
    allowHalfOpen: true,
    readable: true,
    writable: true,
  })
  return socket
}

/** The number of a socket's descriptor; -1 where the system tells none. */
export function descriptorOf(socket: Socket): number {
  return (socket as HandleOwner)._handle?.fd ?? -1
}

/** `host:port` as Redis prints it: v6 hosts in brackets, v4 hosts plain even on a v6 listener. */
export function formatAddress(host: string | undefined, port: number | undefined): string {
  if (host === undefined) return '?:0'
  const plain = host.startsWith('::ffff:') && host.includes('.') ? host.slice(7) : host
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`
}
