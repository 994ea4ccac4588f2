/**
 * One database transaction, straight over the native handle, without npm `foundationdb` between.
 *
 * States: open -> committing -> over, or open -> over by `cancel`. INVARIANT: a transaction that is
 * over lets go of its native handle, so that late use throws code 1025 instead of reaching another.
 */

import type { Logger } from 'pino'
import { err } from '../error.js'
import type { NativeTransaction } from '../native.js'
import { keyAfter } from './keyspace.js'
import { lastKey } from './packed-range.js'
import { StoreCode, StoreError, storeError } from './store-error.js'
import {
  andThen,
  type Committed,
  firstGreaterOrEqual,
  firstGreaterThan,
  type MaybePromise,
  MutationType,
  type PackedRange,
  type RangeOptions,
  type Selector,
  StreamingMode,
  type Watch,
} from './types.js'

/** Age at which a transaction is too old, from its first read on. */
const AGE_MAX_MS = 5_000

/** User versions of one transaction: two bytes. */
const USER_VERSION_COUNT = 65_536
const STAMP_BYTES = 10
const NO_VERSION = -1n

type BeforeCommit = () => MaybePromise<void>
type AfterCommit = (committed: Committed) => void

/** Shared while there are none, which is nearly always. */
const NO_HOOKS: never[] = []

/** Stands in for the native handle of a transaction that is over. */
const OVER = new Proxy({} as NativeTransaction, {
  get: () => () => {
    throw storeError('transactionCancelled')
  },
})

export interface TxOptions {
  /** Told about after-commit hooks that throw. */
  log: Logger
  /** The handle outlives this transaction: a retry loop uses it again and closes it itself. */
  keepHandle?: boolean
}

/**
 * All methods throw, or reject with, `StoreError`. A method that fails leaves the transaction open;
 * a `commit` that fails ends it.
 */
export class Tx {
  /** Something was written: without it a commit changes nothing. */
  hasMutations = false

  #native: NativeTransaction
  readonly #options: TxOptions
  #state: 'open' | 'committing' | 'over' = 'open'
  #userVersion = 0
  /** When the read version was taken; 0 = not yet, minus infinity = known to be too old. */
  #versionTakenAtMs = 0
  #watches = false
  #beforeCommit: BeforeCommit[] = NO_HOOKS
  #afterCommit: AfterCommit[] = NO_HOOKS

  constructor(native: NativeTransaction, options: TxOptions) {
    this.#native = native
    this.#options = options
  }

  /** Neither committed nor cancelled. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** Ending it without a commit would lose something: a write, a watch or a hook. */
  get needsCommit(): boolean {
    return (
      this.hasMutations ||
      this.#watches ||
      this.#beforeCommit.length > 0 ||
      this.#afterCommit.length > 0
    )
  }

  // Reads.

  /** @param snapshot adds no read conflict. @returns undefined when absent. Small values are views
   *  of a shared buffer, never written again: whoever keeps one for long copies it */
  get(key: Buffer, snapshot = false): MaybePromise<Buffer | undefined> {
    this.#beginRead()
    try {
      return this.#abandonable(this.#native.getNow(key, snapshot))
    } catch (thrown) {
      throw this.#noted(thrown)
    }
  }

  /** @returns the key that the selector resolves to; at the ends of the database the empty key, or
   *           the first one that is no user's */
  getKey(selector: Selector, snapshot = false): MaybePromise<Buffer> {
    this.#beginRead()
    const { key, orEqual, offset } = selector
    try {
      return this.#abandonable(this.#native.getKeyNow(key, orEqual, offset, snapshot))
    } catch (thrown) {
      throw this.#noted(thrown)
    }
  }

  /** Reads one batch of [begin, end); a plain key means `firstGreaterOrEqual`. */
  getRange(
    begin: Selector | Buffer,
    end: Selector | Buffer,
    options: RangeOptions = {},
  ): MaybePromise<PackedRange> {
    this.#beginRead()
    const from = Buffer.isBuffer(begin) ? firstGreaterOrEqual(begin) : begin
    const to = Buffer.isBuffer(end) ? firstGreaterOrEqual(end) : end
    try {
      const batch = this.#native.getRangePacked(
        from.key,
        from.orEqual,
        from.offset,
        to.key,
        to.orEqual,
        to.offset,
        options.limit ?? 0,
        options.targetBytes ?? 0,
        options.mode ?? StreamingMode.wantAll,
        options.iteration ?? 1,
        options.snapshot ?? false,
        options.reverse ?? false,
      )
      return this.#abandonable(batch)
    } catch (thrown) {
      throw this.#noted(thrown)
    }
  }

  /** Reads [begin, end) up to `limit`, in as many batches as it takes.
   *  @returns all pairs in one buffer; `more` says that `limit` ended it */
  getRangeAll(
    begin: Selector | Buffer,
    end: Selector | Buffer,
    options: RangeOptions = {},
  ): MaybePromise<PackedRange> {
    return andThen(this.getRange(begin, end, options), first => {
      if (isComplete(first, options.limit)) return first
      return this.#restOfRange(first, begin, end, options)
    })
  }

  async #restOfRange(
    first: PackedRange,
    begin: Selector | Buffer,
    end: Selector | Buffer,
    options: RangeOptions,
  ): Promise<PackedRange> {
    const chunks = [first.data]
    let { count } = first
    for (let batch = first; ; ) {
      const last = lastKey(batch)
      const [from, to] = options.reverse ? [begin, last] : [firstGreaterThan(last), end]
      const rest = options.limit ? { ...options, limit: options.limit - count } : options
      batch = await this.getRange(from, to, rest)
      chunks.push(batch.data)
      count += batch.count
      if (isComplete(batch, rest.limit)) {
        return { data: Buffer.concat(chunks), count, more: batch.more }
      }
    }
  }

  /** Version that the reads see; taken now, unless a read took it. */
  readVersion(): MaybePromise<bigint> {
    if (this.#versionTakenAtMs === 0) this.#versionTakenAtMs = performance.now()
    return this.#abandonable(this.#native.getReadVersionNow())
  }

  /** Bytes of mutations and conflict ranges so far. */
  approximateSize(): MaybePromise<number> {
    return this.#abandonable(this.#native.getApproximateSize())
  }

  /** Stored bytes of [begin, end) by the database's sampling; own writes are not in it. */
  estimatedRangeSize(begin: Buffer, end: Buffer): MaybePromise<number> {
    return this.#abandonable(this.#native.getEstimatedRangeSizeBytes(begin, end))
  }

  // Writes.

  set(key: Buffer, value: Buffer): void {
    this.#native.set(key, value)
    this.hasMutations = true
  }

  clear(key: Buffer): void {
    this.#native.clear(key)
    this.hasMutations = true
  }

  /** Clears [begin, end). */
  clearRange(begin: Buffer, end: Buffer): void {
    this.#native.clearRange(begin, end)
    this.hasMutations = true
  }

  atomic(type: MutationType, key: Buffer, operand: Buffer): void {
    this.#native.atomicOp(type, key, operand)
    this.hasMutations = true
  }

  /** Adds to an i64 little-endian counter, wrapping; absent = 0. */
  add(key: Buffer, delta: bigint | number): void {
    const operand = Buffer.allocUnsafe(8)
    operand.writeBigInt64LE(BigInt(delta))
    this.atomic(MutationType.add, key, operand)
  }

  /** Keeps the byte-wise larger of the stored value and `value`. */
  byteMax(key: Buffer, value: Buffer): void {
    this.atomic(MutationType.byteMax, key, value)
  }

  /** Sets the key `prefix ‖ versionstamp(10) ‖ suffix`; unreadable (1036) before the commit. */
  setVersionstampedKey(prefix: Buffer, suffix: Buffer, value: Buffer): void {
    this.atomic(MutationType.setVersionstampedKey, stampTemplate(prefix, suffix), value)
  }

  /** Sets the value `prefix ‖ versionstamp(10) ‖ suffix`; unreadable (1036) before the commit. */
  setVersionstampedValue(key: Buffer, prefix: Buffer, suffix: Buffer): void {
    this.atomic(MutationType.setVersionstampedValue, key, stampTemplate(prefix, suffix))
  }

  /** The next user version: unique in this transaction, from 0 up to 65,535. */
  nextUserVersion(): number {
    if (this.#userVersion === USER_VERSION_COUNT) {
      throw err(`a transaction cannot insert more than ${USER_VERSION_COUNT} documents`)
    }
    return this.#userVersion++
  }

  // Conflicts, options, watches.

  addReadConflictKey(key: Buffer): void {
    this.#native.addReadConflictRange(key, keyAfter(key))
  }

  addReadConflictRange(begin: Buffer, end: Buffer): void {
    this.#native.addReadConflictRange(begin, end)
  }

  addWriteConflictRange(begin: Buffer, end: Buffer): void {
    this.#native.addWriteConflictRange(begin, end)
    this.hasMutations = true
  }

  /** @param code one of `TxOption`. @param value null where the option takes none */
  setOption(code: number, value: number | Buffer | null = null): void {
    this.#native.setOption(code, value)
  }

  /** Watches a key for a change from what this transaction sees; takes effect when it commits. */
  watch(key: Buffer): Watch {
    const watch = this.#native.watch(key, false)
    this.#watches = true
    const promise = watch.promise.then(ignore)
    promise.catch(ignore)
    return { promise, cancel: () => watch.cancel() }
  }

  // The end.

  /** Runs when `commit` starts, in order of registration; a throw fails the commit. */
  beforeCommit(hook: BeforeCommit): void {
    if (this.#beforeCommit === NO_HOOKS) this.#beforeCommit = []
    this.#beforeCommit.push(hook)
  }

  /** Runs after a successful commit, in order of registration; a throw is logged. */
  afterCommit(hook: AfterCommit): void {
    if (this.#afterCommit === NO_HOOKS) this.#afterCommit = []
    this.#afterCommit.push(hook)
  }

  /** Ends the transaction, whether it succeeds or not. */
  async commit(): Promise<Committed> {
    if (this.#state !== 'open') throw this.#endedError()
    this.#state = 'committing'
    const native = this.#native
    let stamp: Promise<Buffer> | undefined
    let version = NO_VERSION
    try {
      this.#checkAge()
      // By index: a hook may register another.
      for (let i = 0; i < this.#beforeCommit.length; i++) {
        const pending = this.#beforeCommit[i]!()
        if (pending instanceof Promise) await pending
      }
      if (this.hasMutations) {
        // ORDER: the stamp can be asked for before the commit only.
        stamp = native.getVersionstamp()
        stamp.catch(ignore)
      }
      await native.commit()
      version = native.commitVersion()
    } finally {
      this.#end()
    }
    const committed: Committed = {
      version,
      versionstamp: () => stamp ?? Promise.reject(storeError('noCommitVersion')),
    }
    for (const hook of this.#afterCommit) this.#runAfter(hook, committed)
    return committed
  }

  /** Rolls back. Idempotent; a commit under way is left to end. */
  cancel(): void {
    if (this.#state === 'open') this.#end()
  }

  /** The native handle, for npm foundationdb's layers. `hasMutations` does not see their writes. */
  handle(): NativeTransaction {
    return this.#native
  }

  #beginRead(): void {
    if (this.#versionTakenAtMs === 0) this.#versionTakenAtMs = performance.now()
    else this.#checkAge()
  }

  /** The database lets an old transaction commit that has no read conflicts, and read what it wrote
   *  itself; users are promised that both fail, whatever it read. */
  #checkAge(): void {
    if (this.#versionTakenAtMs === 0) return
    if (performance.now() - this.#versionTakenAtMs > AGE_MAX_MS)
      throw storeError('transactionTooOld')
  }

  /**
   * A read that is not ready may be given up: of several that start together one throws at once,
   * and the transaction ends before anybody waits for the others. Their rejection then concerns
   * nobody; whoever does wait still gets it.
   */
  #abandonable<T>(read: MaybePromise<T>): MaybePromise<T> {
    if (read instanceof Promise) read.catch(thrown => this.#noted(thrown))
    return read
  }

  /** A transaction is too old from the first read on that found it so, whatever the clock says: the
   *  database may drop old states early. @returns what was thrown */
  #noted(thrown: unknown): unknown {
    if (thrown instanceof StoreError && thrown.code === StoreCode.transactionTooOld) {
      this.#versionTakenAtMs = Number.NEGATIVE_INFINITY
    }
    return thrown
  }

  #end(): void {
    const native = this.#native
    this.#state = 'over'
    this.#native = OVER
    if (!this.#options.keepHandle) native.close()
  }

  #endedError(): StoreError {
    return storeError(this.#state === 'over' ? 'transactionCancelled' : 'usedDuringCommit')
  }

  #runAfter(hook: AfterCommit, committed: Committed): void {
    try {
      hook(committed)
    } catch (thrown) {
      this.#options.log.error({ err: thrown }, 'work after a commit failed')
    }
  }
}

/** Bytes with room for a stamp, and where it goes (u32le), as the C API wants them. */
function stampTemplate(prefix: Buffer, suffix: Buffer): Buffer {
  const stampEnd = prefix.length + STAMP_BYTES
  const template = Buffer.alloc(stampEnd + suffix.length + 4)
  prefix.copy(template)
  suffix.copy(template, stampEnd)
  template.writeUInt32LE(prefix.length, stampEnd + suffix.length)
  return template
}

function isComplete(batch: PackedRange, limit = 0): boolean {
  return !batch.more || (limit > 0 && batch.count >= limit)
}

function ignore(): void {}
