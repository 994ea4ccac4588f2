/** A large word while it comes in: it is gathered in the pieces of a rope. */

import { PIECE_BYTES, Rope } from './rope.js'
import type { Transit } from './transit.js'

export class IncomingWord {
  /** Bytes yet to come. */
  missing: number
  readonly #transit: Transit
  #pieces: Buffer[] = []
  /** Bytes of the last piece that are there. */
  #filled = 0
  /** Memory that was taken. */
  #takenBytes = 0
  #isDropped = false

  constructor(size: number, transit: Transit) {
    this.missing = size
    this.#transit = transit
  }

  get takenBytes(): number {
    return this.#takenBytes
  }

  /** There was no room for it: its bytes are passed over. */
  get isDropped(): boolean {
    return this.#isDropped
  }

  /** Takes bytes [at, end), or as many as are missing. @returns where it stopped */
  take(input: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.missing)
    for (let from = at; from < stop && !this.#isDropped; ) {
      const piece = this.#room(this.missing - (from - at))
      if (piece === undefined) break
      const copied = input.copy(piece, this.#filled, from, stop)
      this.#filled += copied
      from += copied
    }
    this.missing -= stop - at
    return stop
  }

  rope(): Rope {
    return new Rope(this.#pieces)
  }

  /** Lets go of its bytes. */
  drop(): void {
    this.#isDropped = true
    this.#pieces = []
    this.#transit.give(this.#takenBytes)
    this.#takenBytes = 0
  }

  /** The last piece, or a new one when it is full; undefined when there is no memory for it. */
  #room(missing: number): Buffer | undefined {
    const last = this.#pieces.at(-1)
    if (last !== undefined && this.#filled < last.length) return last
    const size = Math.min(missing, PIECE_BYTES)
    if (!this.#transit.take(size)) {
      this.drop()
      return undefined
    }
    this.#takenBytes += size
    const piece = Buffer.allocUnsafeSlow(size)
    this.#pieces.push(piece)
    this.#filled = 0
    return piece
  }
}
