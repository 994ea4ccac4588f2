/**
 * A reply with large values on its way: it is sent a part at a time, each when the peer has read
 * enough, so that neither its bytes nor the time to copy them come together. The values are not
 * copied before; ropes stay as they are, whatever happens to the keys meanwhile.
 */

import type { Rope } from '../resp/rope.js'
import type { Transit } from '../resp/transit.js'
import type { ReplyWriter } from '../resp/writer.js'

/** Bytes of one part. */
const PART_BYTES = 256 * 1024

export class Outgoing {
  readonly #transit: Transit
  /** What is not written yet; the first piece may be written in part. */
  #pieces: readonly Buffer[]
  #at = 0
  #written = 0
  #heldBytes = 0

  constructor(reply: Rope, transit: Transit) {
    this.#transit = transit
    this.#pieces = reply.pieces
    // A piece may be in it many times: MGET of one key.
    for (const piece of new Set(reply.pieces)) this.#heldBytes += piece.length
    transit.add(this.#heldBytes)
  }

  get isEmpty(): boolean {
    return this.#at === this.#pieces.length
  }

  /** Appends the next part. */
  write(output: ReplyWriter): void {
    let room = PART_BYTES
    while (room > 0 && !this.isEmpty) {
      const piece = this.#pieces[this.#at]!
      const part = piece.subarray(this.#written, this.#written + room)
      output.raw(part)
      room -= part.length
      this.#written += part.length
      if (this.#written < piece.length) return
      this.#at++
      this.#written = 0
    }
  }

  /** Lets go of what is left. */
  drop(): void {
    this.#transit.give(this.#heldBytes)
    this.#heldBytes = 0
    this.#pieces = []
    this.#at = 0
  }
}
