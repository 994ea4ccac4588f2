/**
 * State of one connection, from accept to disconnect. Nothing is shared between sessions.
 *
 * INVARIANT: a session is closed exactly once; closing rolls an open transaction back and drops
 * whatever areas attached. `reset` is what SESSION.CLOSE does: all of that, but the session lives.
 */
import type { Config } from '../config/config.js'
import type { Tx } from '../store/tx.js'
import type { Command, Port } from './command.js'
import type { MultiQueue } from './multi.js'

export type Protocol = 2 | 3

/** What SESSION.ATTRIBUTE reads and sets. */
export interface SessionAttributes {
  replyType: 'bson' | 'json'
  inputType: 'bson' | 'json'
  /** Default number of results of bucket queries, at least 1. */
  limit: number
  objectIdFormat: 'bytes' | 'hex'
}

/** What a new and a reset session starts with. */
export interface SessionDefaults {
  readonly namespace: string
  readonly attributes: Readonly<SessionAttributes>
  /** Nobody has to log in. */
  readonly authenticated: boolean
}

/** What the configuration says about new sessions. */
export function sessionDefaults(config: Config): SessionDefaults {
  const { auth, bucket, session_attributes: attributes } = config
  return {
    namespace: config.default_namespace,
    attributes: {
      replyType: attributes.reply_type,
      inputType: attributes.input_type,
      limit: attributes.limit,
      objectIdFormat: bucket.object_id_format,
    },
    authenticated: auth.requirepass === undefined && auth.users === undefined,
  }
}

/** Where a connection came from. */
export interface SessionOrigin {
  /** Unique in the process, ascending. */
  readonly id: number
  readonly port: Port
  /** `host:port` of both ends. */
  readonly peer: string
  readonly local: string
}

/**
 * State that one area keeps in each session: cursors, a MULTI queue. Made at first use, dropped by
 * reset and close.
 */
export class SessionSlot<T> {
  /** @param make  the initial state
   *  @param drop  releases what the state holds; must not throw */
  constructor(
    readonly make: () => T,
    readonly drop: (state: T) => void = () => {},
  ) {}
}

export class Session {
  readonly id: number
  readonly port: Port
  readonly peer: string
  readonly local: string
  readonly createdAt = Date.now()

  protocol: Protocol = 2
  authenticated = false
  name: string | undefined
  libName: string | undefined
  libVersion: string | undefined
  namespace = ''
  attributes: SessionAttributes
  /** The open explicit transaction. COMMIT takes it out before it commits. */
  transaction: Tx | undefined
  /** Present between MULTI and its EXEC or DISCARD. */
  multi: MultiQueue | undefined
  /** READONLY was given: a standby might serve this session. */
  allowsStandby = false
  /** Reads add no conflict ranges (SNAPSHOTREAD ON). */
  snapshotRead = false

  /** The command that runs, or ran last. */
  command: Command | undefined
  lastActiveAt = this.createdAt
  /** The connection closes after the reply that is being made. */
  closeAfterReply = false

  readonly #defaults: SessionDefaults
  readonly #states = new Map<SessionSlot<unknown>, unknown>()
  readonly #disconnectHooks = new Set<() => void>()
  #isInterrupted = false
  #closed = false

  constructor(origin: SessionOrigin, defaults: SessionDefaults) {
    this.id = origin.id
    this.port = origin.port
    this.peer = origin.peer
    this.local = origin.local
    this.#defaults = defaults
    this.attributes = { ...defaults.attributes }
    this.namespace = defaults.namespace
    this.authenticated = defaults.authenticated
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The state of an area in this session. */
  state<T>(slot: SessionSlot<T>): T {
    const key = slot as SessionSlot<unknown>
    let state = this.#states.get(key) as T | undefined
    if (state === undefined) {
      state = slot.make()
      this.#states.set(key, state)
    }
    return state
  }

  /** As `state`, but `undefined` when the area has none here yet. */
  peek<T>(slot: SessionSlot<T>): T | undefined {
    return this.#states.get(slot as SessionSlot<unknown>) as T | undefined
  }

  /** Drops all areas' state, rolls back, and sets everything back except id and protocol. */
  reset(): void {
    this.#release()
    this.namespace = this.#defaults.namespace
    this.attributes = { ...this.#defaults.attributes }
    this.authenticated = this.#defaults.authenticated
    this.snapshotRead = false
    this.allowsStandby = false
    this.name = undefined
    this.libName = undefined
    this.libVersion = undefined
  }

  /**
   * Called once as soon as the peer is gone or the server stops, also while a command still runs: a
   * blocking command ends its wait in it. The session itself closes after that command. A hook that
   * comes too late is called in a microtask.
   * @returns forgets the hook
   */
  onDisconnect(hook: () => void): () => void {
    this.#disconnectHooks.add(hook)
    if (this.#isInterrupted) queueMicrotask(() => this.disconnect())
    return () => this.#disconnectHooks.delete(hook)
  }

  /** The peer is gone, or the server stops: nothing may wait any longer. */
  disconnect(): void {
    this.#isInterrupted = true
    const hooks = [...this.#disconnectHooks]
    this.#disconnectHooks.clear()
    for (const hook of hooks) hook()
  }

  /** Releases everything. Further calls do nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#release()
  }

  #release(): void {
    // ORDER: areas first (cursors may read through the transaction), then the rollback.
    for (const [slot, state] of this.#states) slot.drop(state)
    this.#states.clear()
    this.multi?.drop()
    this.multi = undefined
    const { transaction } = this
    this.transaction = undefined
    transaction?.cancel()
  }
}

/** All open sessions of the process, of both ports. */
export class Sessions {
  readonly #open = new Map<number, Session>()
  readonly #defaults: SessionDefaults
  #lastId = 0

  constructor(defaults: SessionDefaults) {
    this.#defaults = defaults
  }

  open(port: Port, peer: string, local: string): Session {
    this.#lastId++
    const session = new Session({ id: this.#lastId, port, peer, local }, this.#defaults)
    this.#open.set(session.id, session)
    return session
  }

  close(session: Session): void {
    this.#open.delete(session.id)
    session.close()
  }

  get count(): number {
    return this.#open.size
  }

  /** Ascending by id. */
  [Symbol.iterator](): IterableIterator<Session> {
    return this.#open.values()
  }
}
