/**
 * The wait of a syncer for the standbys that store the bytes of its batch. It ends by itself,
 * whatever the standbys do: after the timeout, and early when the batch is of no use any more.
 */

import { err } from '../../error.js'
import type { AppendedBytes, StandbyGroup } from '../../volume/standbys.js'

/** A stop waits no longer than this for one batch. */
const STOP_PATIENCE_MS = 5_000

interface Waiting {
  readonly epoch: bigint
  readonly sinceMs: number
  readonly end: AbortController
  timer: NodeJS.Timeout | undefined
}

/** One wait at a time. */
export class StandbyWait {
  readonly #shard: number
  #limitMs: number
  #waiting: Waiting | undefined
  #isCancelled = false

  /** @param timeoutMs  longest wait */
  constructor(shard: number, timeoutMs: number) {
    this.#shard = shard
    this.#limitMs = timeoutMs
  }

  /** Epoch of the bytes that are waited for. */
  get epoch(): bigint | undefined {
    return this.#waiting?.epoch
  }

  /** Waits until a group has stored the bytes. @returns false when `cancel` ended it
   *  @throws RespError after the timeout, or what the group fails with */
  async stored(group: StandbyGroup, bytes: AppendedBytes): Promise<boolean> {
    const end = new AbortController()
    const { signal } = end
    const waiting: Waiting = {
      epoch: bytes.epoch,
      sinceMs: performance.now(),
      end,
      timer: undefined,
    }
    this.#waiting = waiting
    this.#isCancelled = false
    this.#limit(waiting)
    const ended = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    try {
      await Promise.race([group.store(bytes, signal), ended])
      return true
    } catch (cause) {
      if (this.#isCancelled) return false
      throw cause
    } finally {
      clearTimeout(waiting.timer)
      this.#waiting = undefined
    }
  }

  /** Ends the wait, if there is one: nobody is interested in the batch any more. */
  cancel(): void {
    if (this.#waiting === undefined) return
    this.#isCancelled = true
    this.#waiting.end.abort()
  }

  /** Waits, from now on, no longer than a stop may take. */
  hurry(): void {
    this.#limitMs = Math.min(this.#limitMs, STOP_PATIENCE_MS)
    if (this.#waiting !== undefined) this.#limit(this.#waiting)
  }

  #limit(waiting: Waiting): void {
    const limitMs = this.#limitMs
    clearTimeout(waiting.timer)
    waiting.timer = setTimeout(
      () => {
        const reason = `its standbys did not store its data within ${limitMs} ms`
        waiting.end.abort(err(`shard id: ${this.#shard}: ${reason}`))
      },
      Math.max(0, waiting.sinceMs + limitMs - performance.now()),
    )
  }
}
