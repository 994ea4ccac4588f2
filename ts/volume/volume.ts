/**
 * One volume: the bodies of one shard in segment files, opened by the shard's primary.
 *
 * ORDER of a write: append (bytes written) -> stage (metadata in the caller's transaction) ->
 * commit (flush, ownership check, then the store commits).
 */

import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { err, RespError } from '../error.js'
import { nativeReason, type VolumeHandle } from '../native.js'
import {
  Accounting,
  accountingRange,
  segmentKey,
  segmentsRange,
  VolumeField,
  volumeFieldKey,
} from '../store/keyspace.js'
import { unpack } from '../store/packed-range.js'
import type { Store } from '../store/store.js'
import { storeError } from '../store/store-error.js'
import type { Tx } from '../store/tx.js'
import { andThen, type MaybePromise } from '../store/types.js'
import { LOCATION_WORDS, type Locations, locationCount } from './locations.js'
import { volumeName } from './name.js'
import type { ShardRoute, ShardRoutes } from './shard-routes.js'
import { decodeTail, VolumeWrites, type WritableVolume } from './volume-writes.js'

export const VOLUME_STATUSES = ['READWRITE', 'READONLY', 'INOPERABLE'] as const
export type VolumeStatus = (typeof VOLUME_STATUSES)[number]

/** Largest body, in bytes. */
export const ENTRY_LIMIT_BYTES = 16_777_216
/** More bytes than these are written off the event loop. */
const INLINE_BYTES = 1024 * 1024
/** Segments whose counters are read at the same time. */
const DESCRIBED_AT_A_TIME = 100

export interface SegmentDescription {
  readonly size: number
  readonly freeBytes: number
  readonly usedBytes: number
  /** Share of the segment that is garbage, 0–100. */
  readonly garbagePercentage: number
  readonly cardinality: number
}

export interface VolumeParts {
  readonly store: Store
  readonly routes: ShardRoutes
  /** Prefix of the volume's keys. */
  readonly prefix: Buffer
  readonly handle: VolumeHandle
  readonly directory: string
  readonly segmentSizeBytes: number
  readonly log: Logger
}

export class Volume implements WritableVolume {
  readonly name: string
  readonly shard: number
  readonly prefix: Buffer
  readonly epochKey: Buffer
  readonly handle: VolumeHandle
  readonly directory: string
  readonly segmentSizeBytes: number

  readonly #store: Store
  readonly #routes: ShardRoutes
  readonly #log: Logger
  readonly #kind: ShardRoute['kind']
  readonly #writes = new WeakMap<Tx, VolumeWrites>()
  #status: VolumeStatus = 'READWRITE'
  #epoch = -1n
  #activeSegment = -1
  #rolling: Promise<boolean> | undefined
  /** Ends when nobody opens the volume or makes a segment: the two must not overlap. */
  #exclusive: Promise<unknown> = Promise.resolve()
  readonly #registeredAt = new Map<number, bigint>()

  constructor(route: ShardRoute, parts: VolumeParts) {
    this.name = volumeName(route.kind, route.id)
    this.shard = route.id
    this.epochKey = route.epochKey
    this.prefix = parts.prefix
    this.handle = parts.handle
    this.directory = parts.directory
    this.segmentSizeBytes = parts.segmentSizeBytes
    this.#kind = route.kind
    this.#store = parts.store
    this.#routes = parts.routes
    this.#log = parts.log
  }

  get status(): VolumeStatus {
    return this.#status
  }

  get epoch(): bigint {
    return this.#epoch
  }

  /**
   * Opens the volume for writing, or again after its shard's ownership changed.
   * ORDER: the epoch is bumped first and the tail is read then, so that a commit still in flight
   * from an earlier incarnation can't land behind the tail.
   * @param routeEpoch  epoch of the route that says that this member is the primary
   * @returns false, without effect, when the ownership changed after that route was read
   */
  open(routeEpoch: bigint): Promise<boolean> {
    return this.#exclusively(() => this.#open(routeEpoch))
  }

  async #open(routeEpoch: bigint): Promise<boolean> {
    const isOwner = await this.#store.transact(tx => this.#bumpEpoch(tx, routeEpoch), {
      idempotent: true,
    })
    if (!isOwner) return false
    const registered = await this.#loadSegments()
    const missing = registered.filter(({ segment, tail }) => !this.#openFile(segment, tail))
    for (const { segment } of missing) {
      this.#log.error({ volume: this.name, segment }, 'a segment file is missing or too short')
    }
    if (missing.length > 0) this.#status = 'INOPERABLE'
    this.#removeStrayFiles(new Set(registered.map(({ segment }) => segment)))
    const last = registered.at(-1)
    if (last !== undefined && this.#status !== 'INOPERABLE') {
      this.handle.activate(last.segment, last.tail)
      this.#activeSegment = last.segment
    }
    this.#epoch = routeEpoch + 1n
    return true
  }

  async #bumpEpoch(tx: Tx, routeEpoch: bigint): Promise<boolean> {
    const stored = await tx.get(this.epochKey)
    if (stored?.readBigInt64LE() !== routeEpoch) return false
    const value = Buffer.allocUnsafe(8)
    value.writeBigInt64LE(routeEpoch + 1n)
    tx.set(this.epochKey, value)
    return true
  }

  /** Writes bodies to the active segment, making further segments as needed.
   *  @param bodies   back to back, each 1 B..16 MiB
   *  @param lengths  one a body, adding up to `bodies`
   *  @returns        one location a body, in order
   *  ORDER           the bytes are written, not flushed: the commit of a transaction that stages
   *                  them flushes. They count only while `epoch` is what it was before the call
   *  @throws RespError ERR Volume: <n> is read-only, VOLUMEFAILED, … */
  append(bodies: Buffer, lengths: Uint32Array): MaybePromise<Locations> {
    this.checkWritable()
    if (this.#activeSegment === -1) return this.#appendRolling(bodies, lengths)
    return andThen(this.#tryAppend(bodies, lengths), locations => {
      if (locations.length === lengths.length * LOCATION_WORDS) return locations
      return this.#appendRolling(bodies, lengths, locations)
    })
  }

  /** What `tx` does to this volume; completed when it commits.
   *  @throws RespError when the volume or its shard takes no writes */
  stage(tx: Tx): VolumeWrites {
    this.checkWritable()
    let writes = this.#writes.get(tx)
    if (writes === undefined) {
      writes = new VolumeWrites(tx, this)
      this.#writes.set(tx, writes)
    }
    return writes
  }

  /** @throws RespError ERR Volume: <name> is inoperable */
  checkReadable(): void {
    if (this.#status === 'INOPERABLE') throw err(`Volume: ${this.name} is inoperable`)
  }

  /** @throws RespError ERR Volume: <name> is read-only | is inoperable, ERR shard id: <n> … */
  checkWritable(): void {
    this.checkReadable()
    if (this.#status === 'READONLY') throw err(`Volume: ${this.name} is read-only`)
    // The slot gate keeps clients from a REDIS shard; what was acknowledged is still written.
    if (this.#kind === 'REDIS') return
    const route = this.#routes.shard(this.#kind, this.shard)
    if (route?.status === 'READWRITE') return
    if (route?.status === 'READONLY') {
      throw err(`shard id: ${this.shard} is not in READWRITE status`)
    }
    throw err(`shard id: ${this.shard} is in INOPERABLE status`)
  }

  registeredAt(segment: number): bigint | undefined {
    return this.#registeredAt.get(segment)
  }

  async flush(): Promise<void> {
    if (!this.handle.needsFlush) return
    try {
      await this.handle.flush()
    } catch (cause) {
      throw this.#toError(cause)
    }
  }

  async ownershipChanged(): Promise<never> {
    await this.#routes.reload()
    throw storeError('notCommitted')
  }

  /** Reads bodies, back to back, in the order of the locations.
   *  @throws RespError ERR Volume <n> is closed., or what native code threw */
  read(locations: Locations): Buffer {
    try {
      return this.handle.read(locations)
    } catch (cause) {
      throw this.#toError(cause)
    }
  }

  /** As `read`, off the event loop. */
  async readAsync(locations: Locations): Promise<Buffer> {
    try {
      return await this.handle.readAsync(locations)
    } catch (cause) {
      throw this.#toError(cause)
    }
  }

  /** Every registered segment, ascending. */
  async describe(): Promise<Map<number, SegmentDescription>> {
    return await this.#store.transact(async tx => {
      const described = new Map<number, SegmentDescription>()
      const segments = await this.#segments(tx)
      // One after the other, the reads would outlast their transaction on a cluster.
      for (let from = 0; from < segments.length; from += DESCRIBED_AT_A_TIME) {
        const some = segments.slice(from, from + DESCRIBED_AT_A_TIME)
        const reads = some.map(({ segment, tail }) => this.#describeSegment(tx, segment, tail))
        const descriptions = await Promise.all(reads)
        for (const [i, { segment }] of some.entries()) described.set(segment, descriptions[i]!)
      }
      return described
    })
  }

  /** Flushes and releases the files. The volume is of no use afterwards. */
  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      this.handle.close()
    }
  }

  async #describeSegment(tx: Tx, segment: number, tail: number): Promise<SegmentDescription> {
    let cardinality = 0n
    let usedBytes = 0n
    const { begin, end } = accountingRange(this.prefix, segment)
    for (const { key, value } of unpack(await tx.getRangeAll(begin, end, { snapshot: true }))) {
      if (key.at(-1) === Accounting.cardinality) cardinality += value.readBigInt64LE()
      else usedBytes += value.readBigInt64LE()
    }
    const { size, end: writtenEnd } = this.#fileExtent(segment, tail)
    const garbage = writtenEnd - Number(usedBytes)
    return {
      size,
      freeBytes: size - writtenEnd,
      usedBytes: Number(usedBytes),
      garbagePercentage: size === 0 ? 0 : (garbage / size) * 100,
      cardinality: Number(cardinality),
    }
  }

  /** Size of a segment's file, and the end of its bytes: of those of aborted transactions too. */
  #fileExtent(segment: number, tail: number): { size: number; end: number } {
    const written = this.handle.tail
    const end = written?.segment === segment ? Math.max(tail, written.position) : tail
    try {
      return { size: this.handle.fileSize(segment), end }
    } catch (cause) {
      // Its file is missing, so the volume is INOPERABLE.
      if (nativeReason(cause)?.code === 'UNKNOWN_SEGMENT') return { size: end, end }
      throw this.#toError(cause)
    }
  }

  #tryAppend(bodies: Buffer, lengths: Uint32Array): MaybePromise<Locations> {
    if (bodies.length > INLINE_BYTES) {
      return this.handle.appendAsync(bodies, lengths).catch(cause => this.#notAppended(cause))
    }
    try {
      return this.handle.append(bodies, lengths)
    } catch (cause) {
      return this.#notAppended(cause)
    }
  }

  /** @returns no locations where only room is missing */
  #notAppended(cause: unknown): Locations {
    if (nativeReason(cause)?.code === 'SEGMENT_FULL') return new Uint32Array()
    throw this.#toError(cause)
  }

  /** Appends what is left over, rolling over as often as it takes. */
  async #appendRolling(
    bodies: Buffer,
    lengths: Uint32Array,
    first: Locations = new Uint32Array(),
  ): Promise<Locations> {
    const all = new Uint32Array(lengths.length * LOCATION_WORDS)
    all.set(first)
    let done = locationCount(first)
    let offset = byteLength(lengths.subarray(0, done))
    while (done < lengths.length) {
      await this.#rollOver(this.#activeSegment)
      const more = await this.#tryAppend(bodies.subarray(offset), lengths.subarray(done))
      all.set(more, done * LOCATION_WORDS)
      offset += byteLength(lengths.subarray(done, done + locationCount(more)))
      done += locationCount(more)
    }
    return all
  }

  /** Makes the next segment active, unless somebody did meanwhile. One at a time. */
  async #rollOver(full: number): Promise<void> {
    if (this.#activeSegment !== full) return
    this.#rolling ??= this.#exclusively(() => this.#createSegment(full + 1)).finally(() => {
      this.#rolling = undefined
    })
    if (!(await this.#rolling)) await this.ownershipChanged()
  }

  /** ORDER: file durable -> registered -> active. A crash in between leaves a file that is reused.
   *  @returns false when this volume is not the one that may write any more */
  async #createSegment(segment: number): Promise<boolean> {
    if (this.#activeSegment >= segment) return true
    try {
      this.handle.createSegment(segment)
    } catch (cause) {
      throw this.#toError(cause)
    }
    const isRegistered = await this.#store.transact(tx => this.#register(tx, segment), {
      idempotent: true,
    })
    if (!isRegistered) return false
    this.handle.activate(segment, 0)
    this.#activeSegment = segment
    this.#log.info({ volume: this.name, segment }, 'segment created')
    return true
  }

  async #register(tx: Tx, segment: number): Promise<boolean> {
    const epoch = await tx.get(this.epochKey)
    if (epoch?.readBigInt64LE() !== this.#epoch) return false
    const registration = { size: this.segmentSizeBytes, createdAtMs: Date.now() }
    tx.set(segmentKey(this.prefix, segment), Buffer.from(JSON.stringify(registration)))
    tx.afterCommit(({ version }) => this.#registeredAt.set(segment, version))
    return true
  }

  /** ORDER: `work` must not wait for the routes, whose listeners open volumes. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#exclusive.then(work, work)
    this.#exclusive = done
    return done
  }

  #openFile(segment: number, tail: number): boolean {
    try {
      return this.handle.openSegment(segment) >= tail
    } catch (cause) {
      if (nativeReason(cause)?.code === 'MISSING_FILE') return false
      throw cause
    }
  }

  #removeStrayFiles(registered: ReadonlySet<number>): void {
    for (const segment of this.handle.segments()) {
      if (registered.has(segment)) continue
      this.#log.warn({ volume: this.name, segment }, 'removing a segment file nobody registered')
      this.handle.removeSegment(segment)
    }
  }

  async #loadSegments(): Promise<{ segment: number; tail: number }[]> {
    const load = async (tx: Tx) => {
      const statusKey = volumeFieldKey(this.prefix, VolumeField.status)
      const status = await tx.get(statusKey)
      if (status === undefined) {
        tx.set(volumeFieldKey(this.prefix, VolumeField.id), randomBytes(8))
        tx.set(statusKey, Buffer.from('READWRITE'))
      }
      this.#status = (status?.toString('latin1') ?? 'READWRITE') as VolumeStatus
      return await this.#segments(tx)
    }
    return await this.#store.transact(load, { idempotent: true })
  }

  /** Registered segments with their committed tails, ascending. */
  async #segments(tx: Tx): Promise<{ segment: number; tail: number }[]> {
    const found: { segment: number; tail: number }[] = []
    const { begin, end } = segmentsRange(this.prefix)
    const idAt = begin.length
    for (const { key, value } of unpack(await tx.getRangeAll(begin, end, { snapshot: true }))) {
      const segment = key.readUInt32BE(idAt)
      const last = found.at(-1)
      // A segment's tail key is longer than its registration's and sorts right behind it.
      if (key.length === idAt + 4) found.push({ segment, tail: 0 })
      else if (last !== undefined && last.segment === segment) last.tail = decodeTail(value)
    }
    return found
  }

  #toError(cause: unknown): unknown {
    switch (nativeReason(cause)?.code) {
      case 'POISONED':
        return new RespError('VOLUMEFAILED', `Volume: ${this.name} failed: write`, { cause })
      case 'OUT_OF_SPACE':
        return err(`Volume: ${this.name} has no space left on its device`, { cause })
      case 'ENTRY_TOO_LARGE':
        return err(`entry size exceeds the limit of ${ENTRY_LIMIT_BYTES} bytes`, { cause })
      case 'CLOSED':
        return err(`Volume ${this.name} is closed.`, { cause })
      default:
        return cause
    }
  }
}

function byteLength(lengths: Uint32Array): number {
  let total = 0
  for (const length of lengths) total += length
  return total
}
