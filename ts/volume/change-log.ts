/**
 * The change log of a volume: what each commit appended and released, in commit order. Its key is
 * stamped at commit (`V 04 versionstamp userVersion`), so no transaction reads its own back.
 *
 *     value = record…        record (17 bytes, big-endian):
 *     [ kind u8 | segment u32 | position u32 | length u32 | crc32c u32 ]
 *
 * INVARIANT: kinds are stored for ever; numbers are only added, never reused.
 */

import { checksumAt, type Locations, lengthAt, positionAt, segmentAt } from './locations.js'

/** `releaseAll` stands for a release of everything that was there; its location is all zeros. */
export const ChangeKind = { append: 1, release: 2, releaseAll: 3 } as const
export type ChangeKind = (typeof ChangeKind)[keyof typeof ChangeKind]

export const CHANGE_BYTES = 17

/** Records in one change-log value; keeps it under the store's 100,000 bytes a value. */
export const CHANGES_PER_VALUE = 4096

/** Collects the changes of one transaction. */
export class ChangeCollector {
  #buffer = Buffer.allocUnsafe(CHANGE_BYTES * 4)
  #used = 0

  /** Adds location `i` of `locations`. */
  add(kind: ChangeKind, locations: Locations, i: number): void {
    if (this.#used + CHANGE_BYTES > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(this.#buffer.length * 2)
      this.#buffer.copy(grown, 0, 0, this.#used)
      this.#buffer = grown
    }
    let at = this.#buffer.writeUInt8(kind, this.#used)
    at = this.#buffer.writeUInt32BE(segmentAt(locations, i), at)
    at = this.#buffer.writeUInt32BE(positionAt(locations, i), at)
    at = this.#buffer.writeUInt32BE(lengthAt(locations, i), at)
    this.#used = this.#buffer.writeUInt32BE(checksumAt(locations, i), at)
  }

  /** The values to store, of CHANGES_PER_VALUE records at most, in the order of the changes. */
  *values(): Generator<Buffer> {
    const step = CHANGE_BYTES * CHANGES_PER_VALUE
    for (let at = 0; at < this.#used; at += step) {
      yield this.#buffer.subarray(at, Math.min(at + step, this.#used))
    }
  }
}
