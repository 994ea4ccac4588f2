/**
 * What `run(ctx, args)` gets: the session of the connection, the services of the process, and
 * `tx`, which decides between the session's open transaction and a transaction of the command's
 * own.
 */
import type { Logger } from 'pino'
import type { Cluster } from '../cluster/cluster.js'
import type { Config } from '../config/config.js'
import { clientError } from '../error.js'
import type { Documents } from '../query/documents.js'
import type { IndexTasks } from '../query/indexes/index-tasks.js'
import type { BucketRemoval } from '../query/removal.js'
import type { Redis } from '../redis/redis.js'
import type { Frame } from '../resp/frame.js'
import type { Namespaces } from '../store/namespaces/namespaces.js'
import type { Store } from '../store/store.js'
import type { Tx } from '../store/tx.js'
import type { MaybePromise } from '../store/types.js'
import type { Watches } from '../store/watches.js'
import type { Volumes } from '../volume/volumes.js'
import type { KeyPositions } from './command.js'
import type { Registry } from './registry.js'
import type { Session, Sessions } from './session.js'
import type { WriteRun } from './write-run.js'

export type { MaybePromise } from '../store/types.js'
export { MultiQueue, noReplies, queueReplies } from './multi.js'
export { type Protocol, Session, type SessionAttributes, SessionSlot } from './session.js'

/** Whether the process is on its way down; `main` sets it. */
export interface Lifecycle {
  /** The client port refuses commands from now on. */
  stopping: boolean
}

/** Decides which member serves the keys of a Redis command. */
export interface SlotGate {
  /** @returns the slot of the keys
   *  @throws RespError CROSSSLOT, MOVED, or ERR when the shard does not serve the request */
  admit(frame: Frame, keys: KeyPositions, isWrite: boolean): number
  /** Live keys and how many of them expire, for INFO. */
  keyspace(): { keys: number; expires: number }
}

/** Services of the process, wired by `main`. Each area adds its member, with `import type`. */
export interface Services {
  readonly version: string
  readonly config: Config
  readonly log: Logger
  readonly lifecycle: Lifecycle
  readonly sessions: Sessions
  readonly store: Store
  readonly namespaces: Namespaces
  readonly watches: Watches
  readonly cluster: Cluster
  readonly volumes: Volumes
  readonly documents: Documents
  readonly indexTasks: IndexTasks
  readonly bucketRemoval: BucketRemoval
  /** Content prefix of the directory that binds owner prefixes to their owners. */
  readonly prefixRegistry: Buffer
  /** Absent when `redis.enabled` is off. */
  readonly redis?: Redis
}

/** Codes after which a one-off transaction certainly changed nothing: too old, conflict. */
const RETRIED_CODES: ReadonlySet<unknown> = new Set([1007, 1020])
const RETRIES_MAX = 5

/** How a command uses its transaction. */
export interface TxOptions {
  /** May the body run again after a conflict? True unless it has effects outside the
   *  transaction. */
  readonly retry?: boolean
  /** The database key that the body reads and then writes. One-off transactions of this process
   *  wait for each other there: together they would only make each other conflict. */
  readonly turnAt?: Buffer
  /** The database key of what many write at once without always meeting. One-off transactions of
   *  this process that met there wait for each other before they run again. */
  readonly retryAt?: () => Buffer
}

type Body<T> = (tx: Tx) => MaybePromise<T>

/** What is left to a transaction that does not commit. */
interface Rest {
  readonly retries: number
  /** Undefined: nobody is waited for, or this has its turn. */
  readonly retryAt?: (() => Buffer) | undefined
}

/** One for each connection; commands of a connection run one after the other. */
export class Context {
  /** Blind writes that wait for the end of their run; `gates.ts` fills and empties it. */
  writes: WriteRun | undefined
  #shared: Tx | undefined
  /** Hash slot of the running Redis command's keys, set by the slot gate. */
  slot = 0

  constructor(
    readonly session: Session,
    readonly services: Services,
    /** The commands of this connection's port. */
    readonly registry: Registry,
  ) {}

  /**
   * Runs `body` in the session's open transaction, or else in one of its own that is committed
   * when the body changed something (or watches) and dropped when not. Conflicts of an own
   * transaction are retried. A body that answers at once and changes nothing is answered at once.
   * @throws RespError of the body, or of the commit; an own transaction is rolled back then, an
   *         open one stays as it is
   */
  tx<T>(body: (tx: Tx) => MaybePromise<T>, options?: TxOptions): MaybePromise<T> {
    const open = this.session.transaction ?? this.#shared
    if (open !== undefined) return body(open)
    const turnAt = options?.turnAt
    if (turnAt === undefined) return this.oneOff(body, options)
    return this.services.store.turns.run(turnAt, () => this.oneOff(body, options))
  }

  /** As `tx`, but never in the session's transaction. */
  oneOff<T>(body: (tx: Tx) => MaybePromise<T>, options?: TxOptions): MaybePromise<T> {
    const retries = options?.retry === false ? 0 : RETRIES_MAX
    return this.#attempt(body, { retries, retryAt: options?.retryAt })
  }

  /** Runs `body` with `tx` in place of the transactions that its one-off commands would begin. */
  async sharing<T>(tx: Tx, body: () => Promise<T>): Promise<T> {
    this.#shared = tx
    try {
      return await body()
    } finally {
      this.#shared = undefined
    }
  }

  #attempt<T>(body: Body<T>, rest: Rest): MaybePromise<T> {
    const tx = this.services.store.begin()
    try {
      const result = body(tx)
      if (result instanceof Promise || tx.needsCommit) {
        return this.#settle(finish(tx, result), body, rest)
      }
      tx.cancel()
      return result
    } catch (error) {
      tx.cancel()
      return this.#again(error, body, rest)
    }
  }

  async #settle<T>(finished: Promise<T>, body: Body<T>, rest: Rest): Promise<T> {
    try {
      return await finished
    } catch (error) {
      return await this.#again(error, body, rest)
    }
  }

  #again<T>(error: unknown, body: Body<T>, { retries, retryAt }: Rest): MaybePromise<T> {
    if (retries === 0 || !isRetried(error)) throw error
    if (retryAt === undefined) return this.#attempt(body, { retries: retries - 1 })
    const again = () => this.#attempt(body, { retries: retries - 1 })
    return this.services.store.turns.run(retryAt(), again)
  }
}

/** Waits for the body, commits if it changed something, and releases the transaction. */
async function finish<T>(tx: Tx, result: MaybePromise<T>): Promise<T> {
  try {
    const value = await result
    if (tx.needsCommit) await tx.commit()
    return value
  } finally {
    tx.cancel()
  }
}

function isRetried(thrown: unknown): boolean {
  const error = clientError(thrown)
  return error !== undefined && 'code' in error && RETRIED_CODES.has(error.code)
}
