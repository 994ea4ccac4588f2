/** A collation, ready to compare. */
export declare class Collator {
  /**
   * Reads a specification, a BSON document.
   * @throws COLLATION, INVALID_BSON
   */
  constructor(specification: Uint8Array)
}
export type CollatorHandle = Collator

/** An exclusive lock on a file, held until it is released or the process ends, however it ends. */
export declare class FileLock {
  /**
   * Takes the lock at once, creating the file when missing.
   * @throws LOCKED when another process holds it, IO
   */
  static acquire(path: string): FileLock
  /** Gives the lock back. Idempotent. */
  release(): void
}

/** A compiled filter program, to be used for many batches. */
export declare class FilterHandle {
  /**
   * Compiles a filter program. Its nodes name collators by their places.
   * @throws INVALID_PROGRAM, UNSUPPORTED_TYPE, REGEX_OPTION, REGEX_PATTERN
   */
  constructor(program: Uint8Array, collators?: Array<CollatorHandle> | undefined | null)
  /**
   * Whether a BSON document passes.
   * @throws INVALID_BSON
   */
  matches(document: Uint8Array): boolean
}

/** What each cursor of a session has returned. */
export declare class IdSets {
  /** Of a session without cursors. */
  constructor()
  /** Begins a batch of a cursor: forgets what the last one returned, unless it was committed. */
  begin(cursor: number): void
  /** The batch counts. */
  commit(cursor: number): void
  /** Forgets a cursor. */
  drop(cursor: number): void
}

/** The indexes of a bucket that writers maintain. */
export declare class IndexSet {
  /**
   * Compiles definitions.
   * @throws INVALID_ARGUMENT
   */
  constructor(definitions: Array<IndexOptions>)
  /**
   * The entries of documents before and after a write, both in the same order; without one of
   * them the documents are new, or go. Each document begins with its `_id`.
   * @throws INDEX_TYPE, KEY_TOO_LARGE, INVALID_BSON
   */
  changes(before?: Uint8Array | undefined | null, beforeEnds?: Uint32Array | undefined | null, after?: Uint8Array | undefined | null, afterEnds?: Uint32Array | undefined | null): KeyChanges
  /**
   * As `changes`, off the event loop. The arguments must not change until the promise is
   * settled.
   */
  changesAsync(before?: Buffer | undefined | null, beforeEnds?: Uint32Array | undefined | null, after?: Buffer | undefined | null, afterEnds?: Uint32Array | undefined | null): Promise<KeyChanges>
  /**
   * The keys that conditions on the leading fields of an index ask for, as
   * `kronotop_document::Index::range` reads them. Null when an operand does not fit.
   * @throws INVALID_BSON, INVALID_PROGRAM, INVALID_ARGUMENT
   */
  range(index: number, conditions: Uint8Array): StoreRange | null
  /**
   * The keys that any of several equalities on the leading fields of an index asks for, as
   * `kronotop_document::Index::equalities` reads and orders them.
   * @throws INVALID_BSON, INVALID_PROGRAM, INVALID_ARGUMENT
   */
  equalities(index: number, equalities: Uint8Array): PackedRanges
  /**
   * The text that says that a key of a document, as `changes` gave it, is taken.
   * @throws INVALID_BSON, INVALID_ARGUMENT
   */
  duplicate(index: number, document: Uint8Array, key: Uint8Array): string
}
export type IndexSetHandle = IndexSet

/** A compiled projection. */
export declare class ProjectionHandle {
  /**
   * Compiles a projection, a BSON document. The filter is what `$` stands for.
   * @throws PROJECTION, INVALID_BSON, TOO_DEEP, TOO_LARGE
   */
  constructor(specification: Uint8Array, filter?: FilterHandle | undefined | null)
}

/** The volumes that scans read, by shard. */
export declare class ScanContext {
  /** A context without volumes. */
  constructor()
  /** Lets scans read a shard from a volume, in place of the one that it had. */
  setVolume(shard: number, volume: VolumeHandle): void
  /** Forgets a shard's volume. */
  removeVolume(shard: number): void
  /**
   * Reads, checks, filters and encodes the documents that a packed range of pointers points
   * at, on this thread: for small batches. Null when the bodies have more than so many bytes.
   * @throws DAMAGED, UNKNOWN_SHARD, UNKNOWN_SEGMENT, INVALID_PACKED
   */
  scan(packed: Uint8Array, filter: FilterHandle | undefined | null, returned: IdSets | undefined | null, options: ScanOptions, maxBodyBytes: number): ScanResult | null
  /**
   * As `scan`, off the event loop, whatever the size. `packed` must not change until the
   * promise is settled, nor may the cursor be used.
   */
  scanAsync(packed: Buffer, filter: FilterHandle | undefined | null, returned: IdSets | undefined | null, options: ScanOptions): Promise<ScanResult>
}

/** A compiled update. */
export declare class UpdateHandle {
  /**
   * Compiles an update, a BSON document, for the documents that a filter finds.
   * @throws UPDATE, REGEX_OPTION, REGEX_PATTERN, INVALID_BSON, TOO_DEEP, TOO_LARGE
   */
  constructor(update: Uint8Array, filter: FilterHandle)
  /** Whether a document is inserted if none matches. */
  get isUpsert(): boolean
  /**
   * The document to insert if none matches; has an `_id` only if the filter asks for one.
   * @throws TOO_DEEP, TOO_LARGE, INVALID_BSON
   */
  upsertDocument(): Buffer
  /**
   * The documents that become others, as they are then.
   * @throws UPDATE, TOO_LARGE, INVALID_BSON
   */
  apply(payload: Uint8Array, ends: Uint32Array): PackedDocuments
  /**
   * As `apply`, off the event loop. `payload` and `ends` must not change until the promise is
   * settled.
   */
  applyAsync(payload: Buffer, ends: Uint32Array): Promise<PackedDocuments>
}

/** The segment files of one shard. A location is four words: segment, position, length, crc32c. */
export declare class VolumeHandle {
  /** Opens the volume in a directory, created when missing. No segment is open yet. */
  static open(directory: string, options: VolumeHandleOptions): VolumeHandle
  /** Creates a segment, or reuses its stray file; durable on return. */
  createSegment(id: number): void
  /**
   * Opens a segment; returns the length in bytes that its file had.
   * @throws MISSING_FILE
   */
  openSegment(id: number): number
  /** Directs appends to an open segment, from byte `tail` on; seals and trims the active one. */
  activate(id: number, tail: number): void
  /**
   * Writes entries, given back to back, to the active segment; not flushed on return.
   * Returns the locations of those that fit: after fewer than given, activate the next segment
   * and append the rest.
   * @throws SEGMENT_FULL, ENTRY_TOO_LARGE, OUT_OF_SPACE, POISONED
   */
  append(bodies: Uint8Array, lengths: Uint32Array): Uint32Array
  /**
   * Resolves when everything appended before the call is durable; concurrent calls share one
   * sync. Rejects with POISONED, now and ever after, when a write or sync has failed.
   */
  flush(): Promise<void>
  /** Whether `flush` would have something to do or to report. */
  get needsFlush(): boolean
  /** Where the next entry goes: the active segment and its tail in bytes; null when none is. */
  get tail(): VolumeTail | null
  /**
   * Reads entries, on this thread; returns their bytes back to back in the order asked for.
   * @throws CORRUPTED, OUT_OF_BOUNDS, UNKNOWN_SEGMENT
   */
  read(locations: Uint32Array): Buffer
  /** As `read`, off the event loop. */
  readAsync(locations: Uint32Array): Promise<Buffer>
  /** The ids of the segment files in the directory, ascending, registered or not. */
  segments(): Array<number>
  /** The path of a segment's file. */
  path(id: number): string
  /** The length in bytes of an open segment's file. */
  fileSize(id: number): number
  /** Deletes a segment's file, durably; the active segment is refused. */
  removeSegment(id: number): void
  /** Closes the files; everything but a flush that has been asked for then throws CLOSED. */
  close(): void
}

/**
 * Converts a BSON document to JSON text.
 * @throws INVALID_BSON
 */
export declare function bsonToJson(document: Uint8Array): Buffer

/** Names what makes the keys of strings; keys of another version are void. */
export declare function collatorVersion(): string

/** The CRC-32C of the bytes. */
export declare function crc32c(bytes: Uint8Array): number

/**
 * Makes the documents of a batch what a client gets: sorted, projected, encoded.
 * @throws INVALID_BSON, TOO_DEEP, TOO_LARGE
 */
export declare function finishDocuments(payload: Uint8Array, ends: Uint32Array, sort: SortOptions | undefined | null, projection: ProjectionHandle | undefined | null, isJson: boolean): PackedDocuments

/**
 * As `finish_documents`, off the event loop. `payload` and `ends` must not change until the
 * promise is settled.
 */
export declare function finishDocumentsAsync(payload: Buffer, ends: Uint32Array, sort: SortOptions | undefined | null, projection: ProjectionHandle | undefined | null, isJson: boolean): Promise<PackedDocuments>

/** A field of an index. */
export interface IndexFieldOptions {
  /** The dotted path. */
  selector: string
  /** As DESCRIBE prints it. */
  type: string
  /** Whether a compound index may have arrays here. */
  multiKey: boolean
}

/** An index as its definition describes it. */
export interface IndexOptions {
  /** Its name. */
  name: string
  /** What its keys begin with in the store. */
  prefix: Buffer
  /** Its fields. */
  fields: Array<IndexFieldOptions>
  /** Whether it is compound. */
  compound: boolean
  /** Whether a value of another type is an error. */
  strict: boolean
  /** What orders its strings. */
  collator?: Collator
}

/**
 * Converts JSON text to a BSON document.
 * @throws INVALID_JSON, TOO_DEEP, TOO_LARGE
 */
export declare function jsonToBson(text: Uint8Array): Buffer

/** What writes do to the entries of the indexes, by document, then by index. */
export interface KeyChanges {
  /** The keys of the entries in the store, back to back. */
  keys: Buffer
  /** Where each key ends. */
  ends: Uint32Array
  /** The document of each key. */
  documents: Uint32Array
  /** The index of each key. */
  indexes: Uint32Array
  /** 0 = cleared, 1 = added, 2 = kept; plus 4 if it stands for an empty array. */
  kinds: Uint32Array
  /** For each index: 1 = a new document has arrays, 2 = one has a value without an entry. */
  flags: Uint32Array
}

/** Documents back to back. */
export interface PackedDocuments {
  /** The documents. */
  payload: Buffer
  /** Where each ends. */
  ends: Uint32Array
  /** The place of each in what was given. */
  places: Uint32Array
}

/** Ranges of keys in the store, ascending. */
export interface PackedRanges {
  /** The first key of a range, then the key behind its last one, back to back. */
  keys: Buffer
  /** Where each key ends. */
  ends: Uint32Array
}

/** Documents ready to be appended. */
export interface PreparedDocuments {
  /** The BSON documents, back to back. */
  bodies: Buffer
  /** The length of each in bytes. */
  lengths: Uint32Array
  /** The `_id` of each, 12 bytes. */
  ids: Buffer
}

/**
 * Converts or validates documents to insert and puts their `_id` in front; a document without
 * one gets a new one, in ascending order.
 * @throws INVALID_JSON, INVALID_BSON, ID_TYPE, TOO_DEEP, TOO_LARGE
 */
export declare function prepareInsert(documents: Array<Buffer>, isJson: boolean): PreparedDocuments

/**
 * As `prepareInsert`, off the event loop. The documents must not change until the promise is
 * settled.
 */
export declare function prepareInsertAsync(documents: Array<Buffer>, isJson: boolean): Promise<PreparedDocuments>

/** What a scan returns of each document: itself, its JSON text, or its 12-byte `_id`. */
export type ScanFormat = 'bson' | 'json' | 'ids'

/** How to scan a batch. */
export interface ScanOptions {
  /** Pairs in the packed range. */
  count: number
  /** Where the `_id` stands in a key; negative counts from the key's end. For format `ids`. */
  idOffset: number
  /** What to return. */
  format: ScanFormat
  /** Results at most. */
  maxResults: number
  /** Whether a document may have several pairs; only the first counts, with `returned`. */
  mayRepeat: boolean
  /** The cursor's id in `returned`; 0 if absent. */
  cursor?: number
}

/** The results of a scan, in the order of the pairs. */
export interface ScanResult {
  /** Pairs consumed; fewer than given when a limit was reached, at the last result. */
  examined: number
  /** The results, back to back. */
  payload: Buffer
  /** Where each result ends in the payload. */
  ends: Uint32Array
  /** Which pair each result comes from. */
  matches: Uint32Array
  /** Where the key of the last pair consumed stands in the packed range. */
  keyStart: number
  /** Its end. */
  keyEnd: number
  /** How many bodies were read. */
  bodiesRead: number
}

/** How to sort documents. */
export interface SortOptions {
  /** The dotted path of the value. */
  path: string
  /** Whether values descend; ties keep their order. */
  descending: boolean
  /** What orders strings, else bytes do. */
  collator?: CollatorHandle
}

/** Keys of a range in the store. */
export interface StoreRange {
  /** The first key. */
  begin: Buffer
  /** Behind the last key. */
  end: Buffer
}

/**
 * Checks that the bytes are exactly one BSON document.
 * @throws INVALID_BSON, TOO_DEEP, TOO_LARGE
 */
export declare function validateBson(document: Uint8Array): void

/** How a volume lays out its files; both in bytes. */
export interface VolumeHandleOptions {
  /** Length of a segment file, 1..=4 GiB. */
  segmentSize: number
  /** Blocks are reserved in steps of this size. */
  preallocateBytes: number
}

/** The end of the bytes written. */
export interface VolumeTail {
  /** The active segment's id. */
  segment: number
  /** Byte offset of the next entry. */
  position: number
}
