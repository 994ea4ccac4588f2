/**
 * The FoundationDB client of this process: our own library for the embedded store, or an installed
 * one for a cluster. This file alone touches what npm `foundationdb` keeps to itself.
 *
 * INVARIANT: one library, one API version and one network thread in a process; the first database
 * that is opened chooses them.
 */

import type { Database, DirectoryLayer, Subspace, Transaction } from 'foundationdb'
import type { Config } from '../config/config.js'
import {
  type FoundationDb,
  loadFoundationDb,
  type NativeDatabase,
  type NativeTransaction,
  nativePath,
} from '../native.js'
import { checkClusterFile, checkNetworkFiles } from './cluster-files.js'
import { setNetworkOptions } from './network-options.js'
import { StoreCode, StoreError } from './store-error.js'
import type { Tx } from './tx.js'

/** Ours, beside the other artifacts. */
const EMBEDDED_LIBRARY = 'libfdb_c.so'
/** FoundationDB's, found where the system's loader looks. */
const INSTALLED_LIBRARY = 'libfdb_c.so'

/** Option of a database: watches that may be set at a time. */
const WATCHES_OPTION = 20
/** Clients may have 10,000 (`watches.ts`); the server's own must not fail for those. */
const WATCHES_MAX = 11_000

export interface OpenedDatabase {
  readonly native: NativeDatabase
  /** The npm package's view of the same database. */
  readonly db: Database
  readonly directory: DirectoryLayer
}

/** The package marks its constructor internal: transactions are made by its retry loop there. */
type LayerTransactionClass = new (
  native: NativeTransaction,
  isSnapshot: boolean,
  subspace: Subspace,
) => Transaction

let foundationDb: FoundationDb | undefined

/**
 * Opens the database that the configuration names. The directory of an embedded store exists.
 * @throws Error one line for the operator: no client library or one that refuses a setting, a store
 *         in use, a bad cluster file
 */
export function openDatabase(config: Config): OpenedDatabase {
  const { clusterfile } = config.foundationdb
  const place = clusterfile ?? config.store.path
  const { fdb } = useClient(config)
  if (clusterfile !== undefined) checkClusterFile(clusterfile)
  try {
    const db = fdb.open(place) as Database
    const native = db._db as NativeDatabase
    native.setOption(WATCHES_OPTION, WATCHES_MAX)
    return { native, db, directory: fdb.directory }
  } catch (cause) {
    const reason = cause instanceof StoreError ? cause.description : String(cause)
    const what = clusterfile === undefined ? 'store at' : 'FoundationDB cluster of'
    throw new Error(`cannot open the ${what} ${place}: ${reason}`, { cause })
  }
}

const layerTransactions = new WeakMap<Tx, Transaction>()

/**
 * A transaction as npm foundationdb's layers want it. It counts as writing from now on.
 *
 * Each attempt gets a native object of its own to look at: the directory layer's lock hangs on that
 * object and keeps the error of a read that failed below it, so that, on the object that attempts
 * share, all that follow would fail with it.
 */
export function layerTransaction(tx: Tx): Transaction {
  tx.hasMutations = true
  const known = layerTransactions.get(tx)
  if (known !== undefined) return known
  const { fdb } = foundationDb!
  const LayerTransaction = fdb.Transaction as unknown as LayerTransactionClass
  const view: NativeTransaction = Object.create(tx.handle())
  const made = new LayerTransaction(view, false, fdb.root)
  layerTransactions.set(tx, made)
  return made
}

/** Native transactions of this process that are not closed. */
export function openTransactionCount(): number {
  return foundationDb!.client.openTransactionCount()
}

function useClient(config: Config): FoundationDb {
  if (foundationDb !== undefined) return foundationDb
  const { clusterfile, fdbc, apiversion, network_options: options } = config.foundationdb
  const loaded = loadFoundationDb(StoreError)
  const installed = fdbc ?? INSTALLED_LIBRARY
  if (clusterfile === undefined) {
    loaded.client.loadLibrary(nativePath(EMBEDDED_LIBRARY))
  } else {
    loadInstalled(loaded, installed)
    checkNetworkFiles(options)
  }
  selectApiVersion(loaded, apiversion, clusterfile === undefined ? EMBEDDED_LIBRARY : installed)
  setNetworkOptions(loaded.client, options)
  foundationDb = loaded
  return loaded
}

function loadInstalled({ client }: FoundationDb, library: string): void {
  try {
    client.loadLibrary(library)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(
      `cannot load FoundationDB's client library ${library}, which foundationdb.clusterfile ` +
        `needs (${reason}): install the package foundationdb-clients, which is on the releases ` +
        'page of FoundationDB, or set foundationdb.fdbc to a libfdb_c.so',
      { cause },
    )
  }
}

function selectApiVersion({ client, fdb }: FoundationDb, version: number, library: string): void {
  try {
    fdb.setAPIVersion(version)
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause
    const newest = client.maxApiVersion()
    const reason =
      cause.code === StoreCode.apiVersionNotSupported && version > newest
        ? `${library} supports versions up to ${newest}`
        : `${library} refuses it: ${cause.description}`
    throw new Error(`setting foundationdb.apiversion: cannot be ${version}: ${reason}`, { cause })
  }
}
