/** Records what the clients of a server asked for and what they were told, on a clock that counts
 *  these events, as `linearizability.ts` wants it. */
import type { Operation, Step } from './linearizability.js'

export class History {
  readonly #operations: Operation[] = []
  /** Of these nobody knows the outcome, nor that it is final. */
  #undecided: { start: number; steps: readonly Step[] }[] = []
  #clock = 0
  #waiting: { count: number; reached: () => void } | undefined

  /** The moment after everything that happened so far. */
  now(): number {
    this.#clock += 1
    return this.#clock
  }

  get length(): number {
    return this.#operations.length
  }

  /** Something happened, between `start` and now. */
  add(start: number, steps: readonly Step[]): void {
    if (steps.length > 0) this.#push({ start, end: this.now(), steps, isCertain: true })
  }

  /** Something happened between `start` and now, or did not, and will not. */
  addDoubtful(start: number, steps: readonly Step[]): void {
    if (steps.length > 0) this.#push({ start, end: this.now(), steps, isCertain: false })
  }

  /** Something may have happened, or may still. */
  addLost(start: number, steps: readonly Step[]): void {
    if (steps.length > 0) this.#undecided.push({ start, steps })
  }

  /** What is lost has happened by now, or never will: whoever did it is dead. */
  decide(): void {
    const end = this.now()
    for (const lost of this.#undecided) this.#push({ ...lost, end, isCertain: false })
    this.#undecided = []
  }

  /** All operations. */
  get operations(): readonly Operation[] {
    const endless = this.#undecided.map(lost => ({
      ...lost,
      end: Number.POSITIVE_INFINITY,
      isCertain: false,
    }))
    return [...this.#operations, ...endless]
  }

  /** Resolves when so many operations more are recorded. One waits at a time. */
  grows(count: number): Promise<void> {
    return new Promise(reached => {
      this.#waiting = { count: this.length + count, reached }
    })
  }

  #push(operation: Operation): void {
    this.#operations.push(operation)
    if (this.#waiting !== undefined && this.length >= this.#waiting.count) this.#waiting.reached()
  }
}
