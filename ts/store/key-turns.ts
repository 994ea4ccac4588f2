/**
 * Turns at keys, in one process: transactions that read a key and then write it conflict with each
 * other whenever they overlap, so those of one key are better run one after the other.
 */
import type { MaybePromise } from './types.js'

export class KeyTurns {
  /** Settles, never rejects, when the last in line at a key is over. A key that nobody is at has
   *  no entry. */
  readonly #last = new Map<string, Promise<void>>()

  /** Keys that somebody is at. */
  get size(): number {
    return this.#last.size
  }

  /** Runs `body` when all that came before it at this key are over; at once when there are none. */
  run<T>(key: Buffer, body: () => MaybePromise<T>): MaybePromise<T> {
    const name = key.toString('latin1')
    const before = this.#last.get(name)
    const result = before === undefined ? body() : before.then(body)
    if (!(result instanceof Promise)) return result
    const leave = (): void => {
      if (this.#last.get(name) === over) this.#last.delete(name)
    }
    const over = result.then(leave, leave)
    this.#last.set(name, over)
    return result
  }
}
