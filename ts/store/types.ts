/**
 * Shapes shared by everything that reads or writes the database. Keys and values are absolute,
 * raw bytes; nothing here knows a key layout (that is `keyspace.ts`).
 */

/**
 * A value at once, or a promise of it. The embedded store answers at once, FoundationDB later: code
 * on a hot path tests `instanceof Promise` (or uses `andThen`) and makes no needless promise.
 */
export type MaybePromise<T> = T | Promise<T>

/** Continues with `next` at once when the value is there, else when its promise resolves. */
export function andThen<T, U>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<U>,
): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/**
 * Result of one range read in one buffer, per pair: key length u32le, value length u32le, key,
 * value, back to back. Read it with `unpack` or a `PackedReader`; whoever keeps a key or a value
 * beyond the current turn copies it, or the whole buffer stays alive.
 */
export interface PackedRange {
  data: Buffer
  /** Pairs in `data`. */
  count: number
  /** The range goes on behind the last pair (a limit or a byte target stopped the read). */
  more: boolean
}

/** FoundationDB's key selector; `firstGreaterOrEqual` and its siblings make them. */
export interface Selector {
  key: Buffer
  orEqual: boolean
  offset: number
}

/** The smallest key >= `key`. */
export function firstGreaterOrEqual(key: Buffer): Selector {
  return { key, orEqual: false, offset: 1 }
}

/** The smallest key > `key`. */
export function firstGreaterThan(key: Buffer): Selector {
  return { key, orEqual: true, offset: 1 }
}

/** The largest key < `key`. */
export function lastLessThan(key: Buffer): Selector {
  return { key, orEqual: false, offset: 0 }
}

/** The largest key <= `key`. */
export function lastLessOrEqual(key: Buffer): Selector {
  return { key, orEqual: true, offset: 0 }
}

/** How much one range read fetches ahead; values of the FoundationDB C API. */
export const StreamingMode = {
  /** The whole range (or up to the limit) is wanted: large batches. */
  wantAll: -2,
  /** Batches that grow with `iteration`. */
  iterator: -1,
  /** Exactly `limit` pairs in one batch. */
  exact: 0,
  small: 1,
  medium: 2,
  large: 3,
  serial: 4,
} as const
export type StreamingMode = (typeof StreamingMode)[keyof typeof StreamingMode]

/** Atomic operations; values of the FoundationDB C API. Integers are unsigned little-endian. */
export const MutationType = {
  add: 2,
  bitAnd: 6,
  bitOr: 7,
  bitXor: 8,
  appendIfFits: 9,
  max: 12,
  min: 13,
  setVersionstampedKey: 14,
  setVersionstampedValue: 15,
  byteMin: 16,
  byteMax: 17,
  compareAndClear: 20,
} as const
export type MutationType = (typeof MutationType)[keyof typeof MutationType]

/** Transaction options in use; values of the FoundationDB C API. */
export const TxOption = {
  /** The next write adds no write conflict range. */
  nextWriteNoWriteConflictRange: 30,
  /** i64: milliseconds after which the transaction fails with code 1031; 0 = never. */
  timeoutMs: 500,
  /** i64: upper bound of mutations and conflict ranges, in bytes. */
  sizeLimitBytes: 503,
} as const

export interface RangeOptions {
  /** Pairs at most; 0 or absent = no bound. */
  limit?: number
  /** Descending; `limit` then counts from the top. */
  reverse?: boolean
  /** Adds no read conflict range. */
  snapshot?: boolean
  /** Bytes after which a batch ends; 0 or absent = the mode decides. */
  targetBytes?: number
  /** Default `wantAll`. */
  mode?: StreamingMode
  /** For mode `iterator`: 1 for the first batch, then counting up. */
  iteration?: number
}

/** What a commit gives back. */
export interface Committed {
  /** Commit version; -1n when the transaction changed nothing. */
  readonly version: bigint
  /**
   * The 10 bytes that all stamps of this commit start with: version u64be, order in batch u16be.
   * @throws StoreError 2021 when the transaction changed nothing
   */
  versionstamp(): Promise<Buffer>
}

/** A pending notice of a change, see `Store.watch`. */
export interface Watch {
  /**
   * Resolves when the committed value differs from the value at registration.
   * @throws StoreError 1101 after `cancel`, 1032 when too many watches are set, or another.
   *         Nobody needs to listen: a rejection that nobody awaits is no unhandled one.
   */
  readonly promise: Promise<void>
  /** Idempotent. */
  cancel(): void
}
