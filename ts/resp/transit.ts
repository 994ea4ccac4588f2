/**
 * Memory for large words and replies on their way, of all connections together: words that have
 * not become a value yet, and values that have not been sent yet. It counts as used memory.
 */
export class Transit {
  #usedBytes = 0
  readonly #roomBytes: () => number

  /** @param roomBytes what may be on its way at the moment */
  constructor(roomBytes: () => number = () => Number.POSITIVE_INFINITY) {
    this.#roomBytes = roomBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Takes memory for a part of a word. @returns false, and takes nothing, when there is no room */
  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#roomBytes()) return false
    this.#usedBytes += bytes
    return true
  }

  /** Counts a value that is being sent: its memory is there in any case. */
  add(bytes: number): void {
    this.#usedBytes += bytes
  }

  /** Gives back what was taken or added. */
  give(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
