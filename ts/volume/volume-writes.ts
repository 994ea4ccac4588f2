/**
 * What one transaction does to one volume. Made by `Volume.stage`; its `seal` runs as the
 * transaction's commit starts and completes what has to be known by then.
 *
 * INVARIANT: bytes are durable before the store commits what points at them.
 * INVARIANT: the commit conflicts with every change of the shard's ownership, and with the end of
 * each segment that it points into.
 */

import { RespError } from '../error.js'
import {
  Accounting,
  accountingKey,
  changeLogPrefix,
  segmentKey,
  segmentTailKey,
  volumeContentRanges,
  volumeEntryKey,
} from '../store/keyspace.js'
import type { Tx } from '../store/tx.js'
import { ChangeCollector, ChangeKind } from './change-log.js'
import {
  checksumAt,
  LOCATION_WORDS,
  type Locations,
  lengthAt,
  positionAt,
  segmentAt,
} from './locations.js'

const NOWHERE: Locations = new Uint32Array(LOCATION_WORDS)

/** What a volume offers to the transactions that write it. */
export interface WritableVolume {
  readonly name: string
  /** Prefix of the volume's keys. */
  readonly prefix: Buffer
  readonly epochKey: Buffer
  /** The epoch under which the volume is open for writing. */
  readonly epoch: bigint
  /** Commit version of the registration of a segment that this process made; else undefined. */
  registeredAt(segment: number): bigint | undefined
  /** Makes durable whatever was appended before the call. */
  flush(): Promise<void>
  /** Loads the routes again after a foreign epoch was met; throws the retryable error to use. */
  ownershipChanged(): Promise<never>
}

interface Balance {
  readonly segment: number
  readonly prefix: Buffer
  count: bigint
  bytes: bigint
}

export class VolumeWrites {
  readonly #tx: Tx
  readonly #volume: WritableVolume
  /** The volume's epoch when the transaction first staged something. INVARIANT: whatever it stages
   *  was appended under this epoch; a volume that was opened again has another. */
  readonly epoch: bigint
  readonly #changes = new ChangeCollector()
  readonly #accounting = new Map<string, Balance>()
  /** The balance that was changed last: the next change is nearly always one of it, too. */
  #balance: Balance | undefined
  /** Segments appended to -> end of the last appended byte. */
  readonly #tails = new Map<number, number>()

  constructor(tx: Tx, volume: WritableVolume) {
    this.#tx = tx
    this.#volume = volume
    this.epoch = volume.epoch
    tx.beforeCommit(() => this.#seal())
  }

  /** Records location `i` as belonging to `ownerKey` (at most 255 bytes) of the owner `prefix`. */
  append(prefix: Buffer, ownerKey: Buffer, locations: Locations, i: number): void {
    const segment = segmentAt(locations, i)
    const position = positionAt(locations, i)
    const length = lengthAt(locations, i)
    const value = encodeEntry({ prefix, ownerKey, length, checksum: checksumAt(locations, i) })
    this.#tx.set(volumeEntryKey(this.#volume.prefix, segment, position), value)
    this.#account(prefix, segment, 1n, BigInt(length))
    this.#changes.add(ChangeKind.append, locations, i)
    this.#tails.set(segment, Math.max(this.#tails.get(segment) ?? 0, position + length))
  }

  /** Records that location `i` is no longer the owner's: garbage from the commit on. */
  release(prefix: Buffer, locations: Locations, i: number): void {
    const segment = segmentAt(locations, i)
    this.#tx.clear(volumeEntryKey(this.#volume.prefix, segment, positionAt(locations, i)))
    this.#account(prefix, segment, -1n, -BigInt(lengthAt(locations, i)))
    this.#changes.add(ChangeKind.release, locations, i)
  }

  /** Records that nothing in the volume is anybody's any more. The transaction stages nothing
   *  else. */
  releaseAll(): void {
    for (const { begin, end } of volumeContentRanges(this.#volume.prefix)) {
      this.#tx.clearRange(begin, end)
    }
    this.#changes.add(ChangeKind.releaseAll, NOWHERE, 0)
  }

  #account(prefix: Buffer, segment: number, count: bigint, bytes: bigint): void {
    if (this.#balance?.segment !== segment || this.#balance.prefix !== prefix) {
      this.#balance = this.#balanceOf(prefix, segment)
    }
    this.#balance.count += count
    this.#balance.bytes += bytes
  }

  #balanceOf(prefix: Buffer, segment: number): Balance {
    const key = `${segment}:${prefix.toString('latin1')}`
    let balance = this.#accounting.get(key)
    if (balance === undefined) {
      balance = { segment, prefix, count: 0n, bytes: 0n }
      this.#accounting.set(key, balance)
    }
    return balance
  }

  async #seal(): Promise<void> {
    const segments = [...this.#tails.keys()]
    const [epoch, registrations] = await Promise.all([
      this.#tx.get(this.#volume.epochKey),
      Promise.all(segments.map(segment => this.#isRegistered(segment))),
      segments.length === 0 ? undefined : this.#volume.flush(),
    ])
    if (epoch?.readBigInt64LE() !== this.epoch) await this.#volume.ownershipChanged()
    const gone = registrations.indexOf(false)
    if (gone !== -1) {
      throw new RespError('ERR', `Segment with id: '${segments[gone]}' could not be found`)
    }
    this.#writeTotals()
  }

  /**
   * A segment that was made after this transaction's view of the store is not in that view.
   * INVARIANT: whoever destroys segments spares those that are younger than twice a transaction's
   * age, so such a segment is still there when this commits, and needs no conflict range.
   */
  async #isRegistered(segment: number): Promise<boolean> {
    const madeAt = this.#volume.registeredAt(segment)
    if (madeAt !== undefined && (await this.#tx.readVersion()) < madeAt) return true
    return (await this.#tx.get(segmentKey(this.#volume.prefix, segment))) !== undefined
  }

  #writeTotals(): void {
    const volume = this.#volume.prefix
    for (const { segment, prefix, count, bytes } of this.#accounting.values()) {
      if (count !== 0n) {
        this.#tx.add(accountingKey(volume, segment, prefix, Accounting.cardinality), count)
      }
      if (bytes !== 0n) {
        this.#tx.add(accountingKey(volume, segment, prefix, Accounting.usedBytes), bytes)
      }
    }
    for (const [segment, end] of this.#tails) {
      this.#tx.byteMax(segmentTailKey(volume, segment), encodeTail(end))
    }
    for (const value of this.#changes.values()) {
      const order = Buffer.allocUnsafe(2)
      order.writeUInt16BE(this.#tx.nextUserVersion())
      this.#tx.setVersionstampedKey(changeLogPrefix(volume), order, value)
    }
  }
}

/** What a volume entry says of the bytes at its key's position. */
export interface Entry {
  readonly prefix: Buffer
  readonly ownerKey: Buffer
  readonly length: number
  readonly checksum: number
}

/** `prefix(8) · ownerKey length u8 · ownerKey · length u32be · crc32c u32be` */
export function encodeEntry(entry: Entry): Buffer {
  const { prefix, ownerKey } = entry
  const value = Buffer.allocUnsafe(prefix.length + 1 + ownerKey.length + 8)
  let at = prefix.copy(value)
  at = value.writeUInt8(ownerKey.length, at)
  at += ownerKey.copy(value, at)
  at = value.writeUInt32BE(entry.length, at)
  value.writeUInt32BE(entry.checksum, at)
  return value
}

/** Segment tails are u64be, so that BYTE_MAX keeps the larger one; 4 GiB itself fits. */
export function encodeTail(end: number): Buffer {
  const value = Buffer.allocUnsafe(8)
  value.writeBigUInt64BE(BigInt(end))
  return value
}

export function decodeTail(value: Buffer | undefined): number {
  return value === undefined ? 0 : Number(value.readBigUInt64BE())
}
