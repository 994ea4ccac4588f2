/**
 * The FoundationDB client of this process: our own library for the embedded store, or an installed
 * one for a cluster. This file alone touches what npm `foundationdb` keeps to itself.
 *
 * INVARIANT: one library, one API version and one network thread in a process; the first database
 * that is opened chooses them.
 */

import type { Database, DirectoryLayer, NetworkOptions, Subspace, Transaction } from 'foundationdb'
import type { Config } from '../config/config.js'
import {
  type FoundationDb,
  loadFoundationDb,
  type NativeDatabase,
  type NativeTransaction,
  nativePath,
} from '../native.js'
import { StoreError } from './store-error.js'
import type { Tx } from './tx.js'

/** Found where the system's loader looks. */
const INSTALLED_LIBRARY = 'libfdb_c.so'

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
 * @throws Error one line for the operator: no client library, a store in use, a bad cluster file
 */
export function openDatabase(config: Config): OpenedDatabase {
  const place = config.foundationdb.clusterfile ?? config.store.path
  const { fdb } = useClient(config)
  try {
    const db = fdb.open(place) as Database
    return { native: db._db as NativeDatabase, db, directory: fdb.directory }
  } catch (cause) {
    const reason = cause instanceof StoreError ? cause.description : String(cause)
    throw new Error(`cannot open the store at ${place}: ${reason}`, { cause })
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
  const { clusterfile, fdbc, apiversion } = config.foundationdb
  const loaded = loadFoundationDb(StoreError)
  if (clusterfile === undefined) loaded.client.loadLibrary(nativePath('libfdb_c.so'))
  else loadInstalled(loaded, fdbc ?? INSTALLED_LIBRARY)
  loaded.fdb.setAPIVersion(apiversion)
  loaded.fdb.configNetwork(networkOptions(config))
  foundationDb = loaded
  return loaded
}

function loadInstalled({ client }: FoundationDb, library: string): void {
  try {
    client.loadLibrary(library)
  } catch (cause) {
    throw new Error(
      `cannot load ${library}: foundationdb.clusterfile needs the FoundationDB client; ` +
        'install it, or set foundationdb.fdbc to its libfdb_c',
      { cause },
    )
  }
}

/** The settings below `foundationdb.network_options` that are present, in the package's words. */
function networkOptions(config: Config): NetworkOptions {
  const { trace, tls, client } = config.foundationdb.network_options
  const named = {
    trace_enable: trace.enable,
    trace_roll_size: trace.roll_size,
    trace_max_logs_size: trace.max_logs_size,
    trace_log_group: trace.log_group,
    trace_format: trace.format,
    trace_file_identifier: trace.file_identifier,
    TLS_cert_path: tls.cert_path,
    TLS_key_path: tls.key_path,
    TLS_ca_path: tls.ca_path,
    TLS_password: tls.password,
    TLS_verify_peers: tls.verify_peers && Buffer.from(tls.verify_peers),
    client_tmp_dir: client.tmp_dir,
    disable_client_statistics_logging: client.disable_statistics_logging || undefined,
    distributed_client_tracer: client.distributed_tracer,
  }
  const present = Object.entries(named).filter(([, value]) => value !== undefined)
  return Object.fromEntries(present)
}
