/**
 * The queue of a session between MULTI and EXEC: requests with memory of their own, in order.
 *
 * INVARIANT: each of them went through the gates up to the slot; their arguments are parsed when
 * they run. A queue that one request was refused for is `isAborted` and holds nothing.
 */
import { err } from '../error.js'
import type { HeldBytes } from '../redis/memory/held-bytes.js'
import type { Frame } from '../resp/frame.js'
import { any, array, nullableArray, oneOf, type Reply, type Typed, typed } from '../resp/reply.js'
import type { Command } from './command.js'
import type { SlotGate } from './context.js'

/** Estimated cost of a queued request, and of one of its words, besides its bytes. */
const REQUEST_OVERHEAD_BYTES = 256
const WORD_OVERHEAD_BYTES = 16

const replies = nullableArray(array(any))

/** What EXEC answers: the replies of the queue that it returns, which the gates run. */
export const queueReplies: Reply<MultiQueue | Typed> = oneOf(replies)
/** The same when nothing is run. */
export const noReplies: Typed = typed(replies, null)

interface QueuedRequest {
  readonly command: Command
  readonly frame: Frame
  /** Hash slot of its keys, from the last `admit`; 0 without keys. */
  slot: number
}

export class MultiQueue {
  readonly #held: HeldBytes
  #requests: QueuedRequest[] = []
  #heldBytes = 0
  #isAborted = false
  readonly #onDrop: () => void

  /** @param onDrop  runs when the requests are dropped: they were run, or will not be */
  constructor(held: HeldBytes, onDrop: () => void) {
    this.#held = held
    this.#onDrop = onDrop
  }

  get requests(): readonly QueuedRequest[] {
    return this.#requests
  }

  /** A request was refused, so EXEC will run none. */
  get isAborted(): boolean {
    return this.#isAborted
  }

  /** Queues a copy of a request. @throws RespError ERR, the caller then aborts */
  add(command: Command, frame: Frame): void {
    if (!command.isQueued) throw err('Redis compatibility required')
    const unknown = command.unknownSubcommand(frame)
    if (unknown !== undefined) throw unknown
    if (this.#isAborted) return
    const bytes = frame.length + frame.count * WORD_OVERHEAD_BYTES + REQUEST_OVERHEAD_BYTES
    this.#held.take(bytes)
    this.#heldBytes += bytes
    this.#requests.push({ command, frame: frame.copy(), slot: 0 })
  }

  /** Decides that EXEC will run nothing. */
  abort(): void {
    this.#isAborted = true
    this.drop()
  }

  /** Takes all requests through the slot gate again: routes may have changed since.
   *  @throws RespError of the first that is not served here any more */
  admit(slots: SlotGate): void {
    for (const request of this.#requests) {
      const { command, frame } = request
      if (command.isRedis && command.keys !== undefined) {
        request.slot = slots.admit(frame, command.keys, command.isWrite)
      }
    }
  }

  /** Forgets all requests. */
  drop(): void {
    this.#requests = []
    this.#held.give(this.#heldBytes)
    this.#heldBytes = 0
    this.#onDrop()
  }
}
