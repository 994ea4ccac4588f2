/**
 * The open database: makes transactions, runs the server's own ones with retries, sets watches.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Database, DirectoryLayer } from 'foundationdb'
import type { Logger } from 'pino'
import type { Config } from '../config/config.js'
import type { NativeDatabase, NativeTransaction } from '../native.js'
import { type OpenedDatabase, openDatabase, openTransactionCount } from './client.js'
import { KeyTurns } from './key-turns.js'
import { makeDirectory } from './make-directory.js'
import { StoreCode, StoreError, useErrorNames } from './store-error.js'
import { yieldTurn } from './turn.js'
import { Tx } from './tx.js'
import type { MaybePromise, Watch } from './types.js'

const RETRIES_DEFAULT = 100
const TIMED_OUT_DELAY_MS = 100
const RECENT_VERSION_MS = 1000
/** How long a start waits for the first answer of a cluster, which has none for being down. */
const REACH_LIMIT_MS = 10_000
const NO_ANSWER =
  `no answer within ${REACH_LIMIT_MS / 1000} s; check that it runs and is configured, that this ` +
  'host reaches its coordinators, and that client library and servers have the same version'

export interface TransactOptions {
  /** How often the body may run again; default 100. `Infinity` for what must go through. */
  retries?: number
  /** The body may run again even when its commit may have been applied (code 1021). */
  idempotent?: boolean
}

export class Store {
  /** npm foundationdb's view of the database. */
  readonly db: Database
  readonly directory: DirectoryLayer
  /** What every directory path starts with: setting `directory.root`, if there is one. */
  readonly rootPath: readonly string[]
  /** For one-off transactions that read a key and then write it. */
  readonly turns = new KeyTurns()
  readonly #native: NativeDatabase
  readonly #log: Logger
  #recentVersion = 0n
  #recentAtMs = Number.NEGATIVE_INFINITY
  /** The fetch under way, which all who ask meanwhile share. */
  #recentFetch: Promise<bigint> | undefined

  private constructor(opened: OpenedDatabase, config: Config, log: Logger) {
    const { root } = config.directory
    this.rootPath = root === undefined ? [] : [root]
    this.db = opened.db
    this.directory = opened.directory
    this.#native = opened.native
    this.#log = log
  }

  /**
   * Opens the embedded store at `store.path` (made when absent), or the cluster that
   * `foundationdb.clusterfile` names, and waits until that answers.
   * @throws Error one line for the operator
   */
  static async open(config: Config, log: Logger): Promise<Store> {
    useErrorNames(config.compat.error_names)
    const { clusterfile } = config.foundationdb
    if (clusterfile === undefined) await makeDirectory(config.store.path, 'store.path')
    const store = new Store(openDatabase(config), config, log)
    if (clusterfile === undefined) return store
    try {
      await store.#reach(clusterfile)
      return store
    } catch (cause) {
      await store.close()
      throw cause
    }
  }

  /** A cluster that cannot be reached never answers, and its client waits without end. */
  async #reach(clusterfile: string): Promise<void> {
    const tx = this.begin()
    const limit = new AbortController()
    try {
      const answered = Promise.resolve(tx.readVersion()).then(() => true)
      const late = sleep(REACH_LIMIT_MS, false, { signal: limit.signal })
      late.catch(() => {
        // The answer came first.
      })
      if (!(await Promise.race([answered, late]))) throw new Error(NO_ANSWER)
    } catch (cause) {
      const reason = cause instanceof StoreError ? cause.description : (cause as Error).message
      throw new Error(`cannot use the FoundationDB cluster of ${clusterfile}: ${reason}`, { cause })
    } finally {
      limit.abort()
      tx.cancel()
    }
  }

  /** Native transactions of this process that nobody ended yet: shows leaks. */
  get openTransactionCount(): number {
    return openTransactionCount()
  }

  /** A transaction that the caller ends, by `commit` or `cancel`. No version is taken yet. */
  begin(): Tx {
    return new Tx(this.#native.createTransaction(), { log: this.#log })
  }

  /**
   * Runs `body` in a transaction of the server's own, commits it if that has an effect, and runs
   * both again, after a growing pause, when the database says so (conflict, too old …). The body
   * has no effect outside the transaction; for those there is `tx.afterCommit`.
   * @throws whatever the body throws, or the last `StoreError`; nothing was applied then, unless
   *         its code is 1021, 1031 or 1039
   */
  async transact<T>(body: (tx: Tx) => MaybePromise<T>, options: TransactOptions = {}): Promise<T> {
    const { retries = RETRIES_DEFAULT, idempotent = false } = options
    const native = this.#native.createTransaction()
    try {
      for (let left = retries; ; left--) {
        await yieldTurn()
        const tx = new Tx(native, { log: this.#log, keepHandle: true })
        try {
          const result = await body(tx)
          if (tx.needsCommit) await tx.commit()
          return result
        } catch (thrown) {
          if (left <= 0 || !(thrown instanceof StoreError)) throw thrown
          if (thrown.mayBeApplied && !idempotent) throw thrown
          await backOff(native, thrown)
        } finally {
          tx.cancel()
        }
      }
    } finally {
      native.close()
    }
  }

  /** A fresh read version; never below one that any member answered before. */
  async readVersion(): Promise<bigint> {
    const tx = this.begin()
    try {
      return await tx.readVersion()
    } finally {
      tx.cancel()
    }
  }

  /** A read version of at most a second ago, fetched once for all who ask; never goes backwards in
   *  this process. */
  async recentReadVersion(): Promise<bigint> {
    const isRecent = performance.now() - this.#recentAtMs < RECENT_VERSION_MS
    if (isRecent) return this.#recentVersion
    this.#recentFetch ??= this.#fetchRecent()
    return await this.#recentFetch
  }

  async #fetchRecent(): Promise<bigint> {
    // ORDER: the clock before the fetch, so that no answer is older than it says.
    const nowMs = performance.now()
    try {
      const version = await this.readVersion()
      if (version > this.#recentVersion) this.#recentVersion = version
      this.#recentAtMs = nowMs
      return this.#recentVersion
    } finally {
      this.#recentFetch = undefined
    }
  }

  /** Tells when the committed value of a key differs from the one it has now.
   *  @throws StoreError what cannot be watched, at once where the database says so at once */
  watch(key: Buffer): Watch {
    const tx = this.begin()
    let watch: Watch
    try {
      watch = tx.watch(key)
    } catch (thrown) {
      tx.cancel()
      throw thrown
    }
    const promise = tx.commit().then(() => watch.promise)
    promise.catch(() => {})
    return { promise, cancel: watch.cancel }
  }

  /** Releases the database; transactions that are still open fail. */
  async close(): Promise<void> {
    this.db.close()
  }
}

/** Waits as long as the database wants, and makes the handle a new transaction.
 *  @throws StoreError the error itself when it is not one to retry */
async function backOff(native: NativeTransaction, error: StoreError): Promise<void> {
  if (error.code === StoreCode.transactionTimedOut) {
    native.reset()
    await sleep(TIMED_OUT_DELAY_MS)
  } else {
    await native.onError(error.code)
  }
}
