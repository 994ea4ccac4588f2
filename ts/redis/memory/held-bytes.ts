/**
 * Bytes that sessions keep between two requests: queues of MULTI and watched keys, of all sessions
 * together. They count as used memory besides the data.
 */
import { err } from '../../error.js'

export class HeldBytes {
  readonly #limitBytes: number
  #usedBytes = 0

  /** @param limitBytes what all sessions together may hold */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** @throws RespError ERR, nothing is taken then: the limit would be passed */
  take(bytes: number): void {
    if (this.#usedBytes + bytes > this.#limitBytes) {
      throw err('queued requests and watched keys exceed network.query_buffer_limit')
    }
    this.#usedBytes += bytes
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
