/**
 * The unconsumed bytes of one connection: the partial frame at the end of what was read.
 *
 *     bytes  | consumed | kept          | free |
 *            0          start           end    bytes.length
 *
 * INVARIANT: each byte is moved a bounded number of times, however large the frame and however
 * small the pieces it comes in: room grows by doubling, and kept bytes move down only when as many
 * consumed ones lie in front of them.
 */

const ROOM_BYTES_MIN = 4 * 1024
const NOTHING = Buffer.alloc(0)

export class KeptInput {
  bytes: Buffer = NOTHING
  start = 0
  end = 0

  get size(): number {
    return this.end - this.start
  }

  /** Keeps `source[from, to)`, copied.
   *  @param expected size of the whole frame if known, else 0; caps how far the room is doubled */
  append(source: Uint8Array, from: number, to: number, expected: number): void {
    const count = to - from
    if (this.end + count > this.bytes.length) this.#makeRoom(count, expected)
    this.bytes.set(source.subarray(from, to), this.end)
    this.end += count
  }

  /** Drops the first `count` kept bytes; the memory goes with the last one. */
  consume(count: number): void {
    this.start += count
    if (this.start < this.end) return
    this.start = 0
    this.end = 0
    this.bytes = NOTHING
  }

  #makeRoom(count: number, expected: number): void {
    const need = this.size + count
    let target = this.bytes
    if (need > target.length || this.start < this.size) {
      const doubled = need * 2
      const capacity = expected >= need && expected < doubled ? expected : doubled
      target = Buffer.allocUnsafeSlow(Math.max(capacity, ROOM_BYTES_MIN))
    }
    this.bytes.copy(target, 0, this.start, this.end)
    this.bytes = target
    this.end = this.size
    this.start = 0
  }
}
