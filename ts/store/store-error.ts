/**
 * Database errors as clients see them. The table is the contract. A code it does not list becomes
 * FoundationDB's name in capitals with the native description, or, where no name is known, `ERR`
 * and the native description with a small first letter.
 */

import { RespError } from '../error.js'
import { storeErrorName } from './error-names.js'

/** Which wording of texts that changed over time is used; setting `compat.error_names`. */
export type ErrorNames = 'seed' | 'current'

/** Codes that the server itself decides on. */
export const StoreCode = {
  transactionTooOld: 1007,
  notCommitted: 1020,
  commitUnknownResult: 1021,
  transactionCancelled: 1025,
  transactionTimedOut: 1031,
  tooManyWatches: 1032,
  clusterVersionChanged: 1039,
  clientInvalidOperation: 2000,
  invertedRange: 2005,
  rangeLimitsInvalid: 2012,
  usedDuringCommit: 2017,
  noCommitVersion: 2021,
  transactionTooLarge: 2101,
  apiVersionNotSupported: 2203,
} as const

/** FoundationDB code -> prefix and message of the reply. */
export const STORE_ERRORS: ReadonlyMap<number, readonly [prefix: string, message: string]> =
  new Map([
    [1000, ['OPERATION_FAILED', 'Operation failed']],
    [1004, ['TIMED_OUT', 'Operation timed out']],
    [1007, ['TRANSACTION_TOO_OLD', 'Transaction is too old to perform reads or be committed']],
    [1009, ['FUTURE_VERSION', 'Request for future version']],
    [1020, ['NOT_COMMITTED', 'Transaction not committed due to conflict with another transaction']],
    [1021, ['COMMIT_UNKNOWN_RESULT', 'Transaction may or may not have committed']],
    [1025, ['TRANSACTION_CANCELLED', 'Operation aborted because the transaction was cancelled']],
    [1031, ['TRANSACTION_TIMED_OUT', 'Operation aborted because the transaction timed out']],
    [1032, ['TOO_MANY_WATCHES', 'Too many watches currently set']],
    [1034, ['WATCHES_DISABLED', 'Watches cannot be set if read your writes is disabled']],
    [1036, ['ACCESSED_UNREADABLE', 'Read or wrote an unreadable key']],
    [1037, ['PROCESS_BEHIND', 'Storage process does not have recent mutations']],
    [1038, ['DATABASE_LOCKED', 'Database is locked']],
    [1039, ['CLUSTER_VERSION_CHANGED', 'Cluster has been upgraded to a new protocol version']],
    [1042, ['PROXY_MEMORY_LIMIT_EXCEEDED', 'CommitProxy commit memory limit exceeded']],
    [1051, ['BATCH_TRANSACTION_THROTTLED', 'Batch GRV request rate limit exceeded']],
    [1101, ['OPERATION_CANCELLED', 'Asynchronous operation cancelled']],
    [1102, ['FUTURE_RELEASED', 'Future has been released']],
    [1213, ['TAG_THROTTLED', 'Transaction tag is being throttled']],
    [1500, ['PLATFORM_ERROR', 'Platform error']],
    [1510, ['IO_ERROR', 'Disk i/o operation failed']],
    [1511, ['FILE_NOT_FOUND', 'File not found']],
    [
      1515,
      ['NO_CLUSTER_FILE_FOUND', 'No cluster file found in current directory or default location'],
    ],
    [2000, ['CLIENT_INVALID_OPERATION', 'Invalid API call']],
    [2002, ['COMMIT_READ_INCOMPLETE', 'Commit with incomplete read']],
    [2004, ['KEY_OUTSIDE_LEGAL_RANGE', 'Key outside legal range']],
    [2005, ['INVERTED_RANGE', 'Range begin key larger than end key']],
    [2006, ['INVALID_OPTION_VALUE', 'Option set with an invalid value']],
    [2007, ['INVALID_OPTION', 'Option not valid in this context']],
    [2010, ['READ_VERSION_ALREADY_SET', 'Transaction already has a read version set']],
    [2011, ['VERSION_INVALID', 'Version not valid']],
    [2012, ['RANGE_LIMITS_INVALID', 'Range limits not valid']],
    [2017, ['USED_DURING_COMMIT', 'Operation issued while a commit was outstanding']],
    [2018, ['INVALID_MUTATION_TYPE', 'Unrecognized atomic mutation type']],
    [2020, ['TRANSACTION_INVALID_VERSION', 'Transaction does not have a valid commit version']],
    [
      2021,
      [
        'NO_COMMIT_VERSION',
        'Transaction is read-only and therefore does not have a commit version',
      ],
    ],
    [2023, ['TRANSACTION_READ_ONLY', 'Attempted to commit a transaction specified as read-only']],
    [2101, ['TRANSACTION_TOO_LARGE', 'Transaction exceeds byte limit']],
    [2102, ['KEY_TOO_LARGE', 'Key length exceeds limit']],
    [2103, ['VALUE_TOO_LARGE', 'Value length exceeds limit']],
    [2108, ['UNSUPPORTED_OPERATION', 'Operation is not supported']],
    [2200, ['API_VERSION_UNSET', 'API version is not set']],
    [2201, ['API_VERSION_ALREADY_SET', 'API version may be set only once']],
    [2202, ['API_VERSION_INVALID', 'API version not valid']],
    [2203, ['API_VERSION_NOT_SUPPORTED', 'API version not supported']],
    [
      2210,
      ['EXACT_MODE_WITHOUT_LIMITS', 'EXACT streaming mode requires limits, but none were given'],
    ],
    [4000, ['UNKNOWN_ERROR', 'An unknown error occurred']],
    [4100, ['INTERNAL_ERROR', 'An internal error occurred']],
  ])

/** After these the transaction may have been applied all the same. */
const MAYBE_APPLIED: ReadonlySet<number> = new Set([
  StoreCode.commitUnknownResult,
  StoreCode.transactionTimedOut,
  StoreCode.clusterVersionChanged,
])

/** The older wording, in force with `compat.error_names = seed`. */
export const SEED_STORE_ERRORS: typeof STORE_ERRORS = new Map([
  [1007, ['TRANSACTIONOLD', 'transaction is too old to perform reads or be committed']],
])

let names: ErrorNames = 'seed'

/** Chooses the wording for this process; `Store.open` does it once, from the configuration. */
export function useErrorNames(chosen: ErrorNames): void {
  names = chosen
}

/**
 * A database error; `code` is FoundationDB's. Native code makes them itself: this class stands in
 * for npm foundationdb's `FDBError`, so nothing needs translating on the way up.
 */
export class StoreError extends RespError {
  readonly code: number
  override readonly mayBeApplied: boolean
  /** The native text. Clients see it for codes outside the table only. */
  readonly description: string

  constructor(description: string, code: number) {
    super(...shown(description, code))
    this.name = 'StoreError'
    this.code = code
    this.mayBeApplied = MAYBE_APPLIED.has(code)
    this.description = description
  }
}

function shown(description: string, code: number): readonly [prefix: string, message: string] {
  const seed = names === 'seed' ? SEED_STORE_ERRORS.get(code) : undefined
  const row = seed ?? STORE_ERRORS.get(code)
  if (row !== undefined) return row
  const name = storeErrorName(code)
  if (name !== undefined) return [name, description]
  return ['ERR', description.charAt(0).toLowerCase() + description.slice(1)]
}

/** The error of a code that this server raises itself. */
export function storeError(code: keyof typeof StoreCode): StoreError {
  return new StoreError(code, StoreCode[code])
}
