/**
 * Namespaces: logical databases, each a directory below the cluster's area `namespaces`. A look-up
 * runs in a transaction of its own, so that a user's transaction gets neither a conflict range nor
 * its read version from it.
 *
 * Look-ups are cached, and dropped with every change that could make one wrong, see `changes.ts`.
 * Creating a namespace makes none wrong: absent ones are not cached.
 */

import type { Logger } from 'pino'
import type { Config } from '../../config/config.js'
import { RespError } from '../../error.js'
import { openClusterDirectory } from '../directory.js'
import { zmapPrefix } from '../keyspace.js'
import type { Store } from '../store.js'
import { storeError } from '../store-error.js'
import type { Admission, CommitGuard, Tx } from '../tx.js'
import type { MaybePromise } from '../types.js'
import { Changes, type Members, type Period } from './changes.js'
import { Creation } from './creation.js'
import { beingRemoved, noSuchNamespace } from './errors.js'
import { Move } from './move.js'
import { parsePath, pathOf } from './path.js'
import { Removal } from './removal.js'
import { Tree } from './tree.js'

const CACHED_MAX = 10_000
/** What a namespace that is not live is refused with. */
const GONE: ReadonlySet<string> = new Set(['NOSUCHNAMESPACE', 'NAMESPACEBEINGREMOVED'])

export interface NamespacesParts {
  readonly store: Store
  readonly config: Config
  readonly log: Logger
  readonly members: Members
}

/** A namespace that was live when it was looked up. A transaction that writes into it has it as
 *  guard of its commit. */
export interface Namespace extends CommitGuard {
  /** Segments joined by dots. */
  readonly path: string
  /** Key prefix of everything in it. */
  readonly prefix: Buffer
  /** Key prefix of its ZMap. */
  readonly zmap: Buffer
}

export class Namespaces {
  readonly #parts: NamespacesParts
  readonly #tree: Tree
  readonly #changes: Changes
  readonly #cache: Map<string, LookedUp>
  readonly #creation: Creation
  readonly #removal: Removal
  readonly #move: Move

  private constructor(
    parts: NamespacesParts,
    own: { tree: Tree; changes: Changes; cache: Map<string, LookedUp> },
  ) {
    const { store, config } = parts
    const { tree, changes, cache } = own
    this.#parts = parts
    this.#tree = tree
    this.#changes = changes
    this.#cache = cache
    const defaultPath = config.default_namespace
    const noSuch = (path: string): RespError => this.#noSuch(path)
    this.#creation = new Creation({ store, tree, changes })
    this.#move = new Move({ store, tree, changes, defaultPath, noSuch })
    const isImmediate = config.namespaces.remove_mode === 'immediate'
    this.#removal = new Removal({ store, tree, changes, defaultPath, noSuch, isImmediate })
  }

  /** Opens the area, makes the default namespace when absent, and follows changes until `close`.
   *  @throws RespError when the default namespace cannot be used */
  static async open(parts: NamespacesParts): Promise<Namespaces> {
    const { store, config, log, members } = parts
    const root = await openClusterDirectory(store, config.cluster.name, 'namespaces')
    const cache = new Map<string, LookedUp>()
    const forget = (): void => cache.clear()
    const changes = await Changes.open({ store, log, members, root, forget })
    const namespaces = new Namespaces(parts, { tree: new Tree(root), changes, cache })
    try {
      await namespaces.#ensureDefault()
    } catch (cause) {
      await namespaces.close()
      throw cause
    }
    return namespaces
  }

  /** Lets commits end and stops following changes. */
  close(): Promise<void> {
    return this.#changes.close()
  }

  /** Makes a namespace, and its parents where they are missing.
   *  @throws RespError ERR (path), BARRIERNOTSATISFIED, NAMESPACEBEINGREMOVED,
   *          NAMESPACEALREADYEXISTS */
  async create(path: string): Promise<void> {
    await this.#creation.create(path)
  }

  /** Marks a namespace, and with it all below, as removed, and deletes them where
   *  `namespaces.remove_mode` says so. @throws RespError see `Removal` */
  remove(path: string): Promise<void> {
    return this.#removal.remove(path)
  }

  /** Deletes a removed namespace and all below it. @throws RespError see `Removal` */
  purge(path: string): Promise<void> {
    return this.#removal.purge(path)
  }

  /** Moves a namespace with all below it, makes missing parents. @throws RespError see `Move` */
  move(oldPath: string, newPath: string): Promise<void> {
    return this.#move.move(oldPath, newPath)
  }

  /** @throws RespError ERR (path), NAMESPACEBEINGREMOVED (itself or one above it) */
  async exists(path: string): Promise<boolean> {
    const segments = parsePath(path)
    return (await this.#findLive(segments)) !== undefined
  }

  /** The live namespace with this prefix, whatever its path is by now.
   *  @returns undefined when there is none, or it is removed: neither changes any more */
  async find(prefix: Buffer): Promise<Namespace | undefined> {
    for (;;) {
      const path = await this.#parts.store.transact(tx => this.#livePath(tx, prefix))
      if (path === undefined) return undefined
      // It may be moved away, or removed, between the two.
      const namespace = await this.lookUp(path).catch(thrown => {
        if (thrown instanceof RespError && GONE.has(thrown.prefix)) return undefined
        throw thrown
      })
      if (namespace?.prefix.equals(prefix)) return namespace
    }
  }

  async #livePath(tx: Tx, prefix: Buffer): Promise<string | undefined> {
    const segments = await this.#tree.segmentsOf(tx, prefix)
    if (segments === undefined) return undefined
    const { removedDepth } = await this.#tree.find(tx, segments)
    return removedDepth > 0 ? undefined : pathOf(segments)
  }

  /** Makes a transaction's work a change that all members take note of, as of a removal.
   *  @returns its number */
  announce(tx: Tx): Promise<bigint> {
    return this.#changes.announce(tx)
  }

  /** Takes note of what was committed before the call. */
  catchUp(): Promise<void> {
    return this.#changes.catchUp()
  }

  /** Waits until all members that are alive have seen a change, and what they were committing when
   *  they saw it has ended; 5 s at most.
   *  @param unseen makes what is thrown when they have not */
  barrier(number: bigint, unseen: (attempts: number) => RespError): Promise<void> {
    return this.#changes.barrier(number, unseen)
  }

  /** Last segments of the immediate children, in byte order; removed ones and what is below a
   *  removed one included. @param path absent = the top level
   *  @throws RespError ERR (path), NOSUCHNAMESPACE */
  async list(path?: string): Promise<string[]> {
    const tree = this.#tree
    if (path === undefined) return this.#parts.store.transact(tx => tree.list(tx, tree.root))
    const segments = parsePath(path)
    return this.#parts.store.transact(async tx => {
      const { prefixes } = await tree.find(tx, segments)
      const prefix = prefixes[segments.length - 1]
      if (prefix === undefined) throw this.#noSuch(path)
      return tree.list(tx, prefix)
    })
  }

  /** A live namespace, from the cache where possible.
   *  @throws RespError ERR (path), NOSUCHNAMESPACE, NAMESPACEBEINGREMOVED (itself or one above) */
  resolve(path: string): MaybePromise<Namespace> {
    return this.#cache.get(path) ?? this.lookUp(path)
  }

  /** As `resolve`, but asks the database. */
  async lookUp(path: string): Promise<Namespace> {
    const segments = parsePath(path)
    const { period } = this.#changes
    this.#cache.delete(path)
    const prefix = await this.#findLive(segments)
    if (prefix === undefined) throw this.#noSuch(path)
    const namespace = new LookedUp(path, prefix, period, found => this.#admit(found))
    // What was read before a change is not kept.
    if (period === this.#changes.period) this.#remember(namespace)
    return namespace
  }

  async #ensureDefault(): Promise<void> {
    const path = this.#parts.config.default_namespace
    if (await this.exists(path)) return
    try {
      await this.create(path)
    } catch (thrown) {
      // Another member was faster.
      if (!(thrown instanceof RespError && thrown.prefix === 'NAMESPACEALREADYEXISTS')) throw thrown
    }
  }

  /** Lets a commit into a namespace that was looked up in the present period, or still is what it
   *  was then. @throws RespError NOSUCHNAMESPACE, NAMESPACEBEINGREMOVED; StoreError 1020 when
   *  another namespace has its path by now */
  #admit(namespace: LookedUp): MaybePromise<Admission> {
    const { period } = this.#changes
    if (namespace.period !== period) return this.#admitAgain(namespace)
    period.enter()
    return period
  }

  async #admitAgain(namespace: LookedUp): Promise<Admission> {
    const { path } = namespace
    for (;;) {
      const { period } = this.#changes
      const prefix = await this.#findLive(path.split('.'))
      if (prefix === undefined) throw this.#noSuch(path)
      if (!prefix.equals(namespace.prefix)) throw storeError('notCommitted')
      if (period !== this.#changes.period) continue
      namespace.period = period
      period.enter()
      return period
    }
  }

  /** @returns the prefix; undefined where a segment is missing
   *  @throws RespError NAMESPACEBEINGREMOVED with the shallowest path that carries the flag */
  #findLive(segments: readonly string[]): Promise<Buffer | undefined> {
    return this.#parts.store.transact(async (tx: Tx) => {
      const { prefixes, removedDepth } = await this.#tree.find(tx, segments)
      if (removedDepth > 0) throw beingRemoved(pathOf(segments, removedDepth))
      return prefixes[segments.length - 1]
    })
  }

  #noSuch(path: string): RespError {
    return noSuchNamespace(path, this.#parts.config.compat.error_names === 'current')
  }

  /** The oldest entry makes room. */
  #remember(namespace: LookedUp): void {
    if (this.#cache.size >= CACHED_MAX) {
      const [oldest] = this.#cache.keys()
      this.#cache.delete(oldest!)
    }
    this.#cache.set(namespace.path, namespace)
  }
}

class LookedUp implements Namespace {
  readonly path: string
  readonly prefix: Buffer
  readonly zmap: Buffer
  /** In which it was looked up last. */
  period: Period
  readonly #admit: (namespace: LookedUp) => MaybePromise<Admission>

  constructor(
    path: string,
    prefix: Buffer,
    period: Period,
    admit: (namespace: LookedUp) => MaybePromise<Admission>,
  ) {
    // Both prefixes live in a few bytes of their own: a view of what was read would pin much more.
    const pooled = zmapPrefix(prefix)
    this.zmap = Buffer.allocUnsafeSlow(pooled.length)
    pooled.copy(this.zmap)
    this.path = path
    this.prefix = this.zmap.subarray(0, prefix.length)
    this.period = period
    this.#admit = admit
  }

  admit(): MaybePromise<Admission> {
    return this.#admit(this)
  }
}
