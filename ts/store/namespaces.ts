/**
 * Namespaces: logical databases, each a directory below the cluster's area `namespaces`. A look-up
 * runs in a transaction of its own, so that a user's transaction gets neither a conflict range nor
 * its read version from it.
 *
 * Look-ups are cached. INVARIANT: whatever makes a cached look-up wrong (removal, move, purge)
 * adds to the area's version counter in its transaction; every member watches that key and drops
 * its cache. Creating a namespace makes no look-up wrong: absent ones are not cached.
 */

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../config/config.js'
import { err, RespError } from '../error.js'
import { childNames, createDirectory, findChild, openClusterDirectory } from './directory.js'
import {
  clusterPath,
  NamespaceField,
  namespaceFieldKey,
  namespacesVersionKey,
  zmapPrefix,
} from './keyspace.js'
import type { Store } from './store.js'
import type { Tx } from './tx.js'
import type { MaybePromise, Watch } from './types.js'

export const NAMESPACE_DEPTH_MAX = 10
const RESERVED_SEGMENT = '__internal__'
const UUID_BYTES = 16
const CACHED_MAX = 10_000
const FOLLOW_RETRY_MS = 1000

/** A live namespace. */
export interface Namespace {
  /** Segments joined by dots. */
  readonly path: string
  /** Key prefix of everything in it. */
  readonly prefix: Buffer
  /** Key prefix of its ZMap. */
  readonly zmap: Buffer
}

export class Namespaces {
  readonly #store: Store
  readonly #config: Config
  readonly #log: Logger
  /** Prefix of the area. */
  readonly #root: Buffer
  readonly #cache = new Map<string, Namespace>()
  /** Counts how often the cache was dropped. */
  #generation = 0
  #watch: Watch | undefined
  #closed = false

  private constructor(store: Store, config: Config, log: Logger, root: Buffer) {
    this.#store = store
    this.#config = config
    this.#log = log
    this.#root = root
  }

  /** Opens the area, makes the default namespace when absent, and follows changes until `close`.
   *  @throws RespError when the default namespace cannot be used */
  static async open(store: Store, config: Config, log: Logger): Promise<Namespaces> {
    const root = await openClusterDirectory(store, config.cluster.name, 'namespaces')
    const namespaces = new Namespaces(store, config, log, root)
    await namespaces.#ensureDefault()
    void namespaces.#follow()
    return namespaces
  }

  /** Stops following changes. */
  close(): void {
    this.#closed = true
    this.#watch?.cancel()
  }

  /** Makes a namespace, and its parents where they are missing.
   *  @throws RespError ERR (path), NAMESPACEBEINGREMOVED, NAMESPACEALREADYEXISTS */
  async create(path: string): Promise<void> {
    const segments = parsePath(path)
    if (segments.length > NAMESPACE_DEPTH_MAX) {
      throw err(`Namespace depth exceeds maximum allowed depth of ${NAMESPACE_DEPTH_MAX}`)
    }
    const uuid = randomBytes(UUID_BYTES)
    await this.#store.transact(tx => this.#create(tx, segments, uuid), {
      retries: Number.POSITIVE_INFINITY,
      idempotent: true,
    })
  }

  /** @throws RespError ERR (path), NAMESPACEBEINGREMOVED (itself or one above it) */
  async exists(path: string): Promise<boolean> {
    const segments = parsePath(path)
    return (await this.#store.transact(tx => this.#findLive(tx, segments))) !== undefined
  }

  /** Last segments of the immediate children, in byte order; removed ones and what is below a
   *  removed one included. @param path absent = the top level
   *  @throws RespError ERR (path), NOSUCHNAMESPACE */
  list(path?: string): Promise<string[]> {
    const segments = path === undefined ? [] : parsePath(path)
    return this.#store.transact(async tx => {
      let prefix: Buffer | undefined = this.#root
      for (const name of segments) {
        prefix = await findChild(tx, name, prefix)
        if (prefix === undefined) throw this.#noSuch(segments.join('.'))
      }
      return childNames(tx, prefix)
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
    const generation = this.#generation
    this.#cache.delete(path)
    const prefix = await this.#store.transact(tx => this.#findLive(tx, segments))
    if (prefix === undefined) throw this.#noSuch(path)
    const namespace = namespaceOf(path, prefix)
    // What was read before the cache was dropped is not put into it.
    if (generation === this.#generation) this.#remember(namespace)
    return namespace
  }

  async #create(tx: Tx, segments: string[], uuid: Buffer): Promise<void> {
    let prefix = this.#root
    let depth = 0
    for (; depth < segments.length; depth++) {
      const child = await findChild(tx, segments[depth]!, prefix)
      if (child === undefined) break
      prefix = child
      await this.#checkLive(tx, prefix, segments.slice(0, depth + 1))
    }
    if (depth === segments.length) {
      const existing = await tx.get(namespaceFieldKey(prefix, NamespaceField.uuid))
      // Its own uuid: an earlier attempt was applied although its commit failed.
      if (existing?.equals(uuid)) return
      const path = segments.join('.')
      throw new RespError('NAMESPACEALREADYEXISTS', `Namespace already exists: ${path}`)
    }
    for (; depth < segments.length; depth++) {
      const below = segments.slice(0, depth + 1)
      const path = clusterPath(this.#config.cluster.name, 'namespaces', ...below)
      const full = [...this.#store.rootPath, ...path]
      prefix = await createDirectory(tx, this.#store.directory, full)
      const isLast = below.length === segments.length
      tx.set(
        namespaceFieldKey(prefix, NamespaceField.uuid),
        isLast ? uuid : randomBytes(UUID_BYTES),
      )
    }
  }

  async #ensureDefault(): Promise<void> {
    const path = this.#config.default_namespace
    if (await this.exists(path)) return
    try {
      await this.create(path)
    } catch (thrown) {
      // Another member was faster.
      if (!(thrown instanceof RespError && thrown.prefix === 'NAMESPACEALREADYEXISTS')) throw thrown
    }
  }

  /** @returns the prefix; undefined where a segment is missing
   *  @throws RespError NAMESPACEBEINGREMOVED with the shallowest path that carries the flag */
  async #findLive(tx: Tx, segments: readonly string[]): Promise<Buffer | undefined> {
    let prefix: Buffer | undefined = this.#root
    for (const [index, name] of segments.entries()) {
      prefix = await findChild(tx, name, prefix)
      if (prefix === undefined) return undefined
      await this.#checkLive(tx, prefix, segments.slice(0, index + 1))
    }
    return prefix
  }

  async #checkLive(tx: Tx, prefix: Buffer, segments: readonly string[]): Promise<void> {
    const flag = await tx.get(namespaceFieldKey(prefix, NamespaceField.removed))
    if (flag === undefined) return
    const path = segments.join('.')
    throw new RespError('NAMESPACEBEINGREMOVED', `Namespace '${path}' is being removed`)
  }

  #noSuch(path: string): RespError {
    const name = this.#config.compat.error_names === 'seed' ? path : `'${path}'`
    return new RespError('NOSUCHNAMESPACE', `No such namespace: ${name}`)
  }

  /** The oldest entry makes room. */
  #remember(namespace: Namespace): void {
    if (this.#cache.size >= CACHED_MAX) {
      const [oldest] = this.#cache.keys()
      this.#cache.delete(oldest!)
    }
    this.#cache.set(namespace.path, namespace)
  }

  /** Drops the cache whenever some member changed what look-ups rely on. */
  async #follow(): Promise<void> {
    const key = namespacesVersionKey(this.#root)
    let seen: Buffer | undefined
    while (!this.#closed) {
      try {
        const { version, watch } = await this.#store.transact(async tx => ({
          version: await tx.get(key, true),
          watch: tx.watch(key),
        }))
        this.#watch = watch
        if (this.#closed) return watch.cancel()
        if (!sameVersion(version, seen)) this.#dropCache()
        seen = version
        await watch.promise
      } catch (thrown) {
        if (this.#closed) return
        this.#log.warn({ err: thrown }, 'cannot follow changes of namespaces, trying again')
        this.#dropCache()
        await sleep(FOLLOW_RETRY_MS, undefined, { ref: false })
      }
    }
  }

  #dropCache(): void {
    this.#cache.clear()
    this.#generation++
  }
}

/** @throws RespError ERR for an empty segment, or one that is the server's own */
export function parsePath(path: string): string[] {
  const segments = path.split('.')
  if (segments.includes('')) throw err(`invalid namespace: '${path}'`)
  if (segments.includes(RESERVED_SEGMENT)) {
    throw err(`Namespace '${path}' is reserved for internal use`)
  }
  return segments
}

/** Both prefixes live in a few bytes of their own: a view of what was read would pin much more. */
function namespaceOf(path: string, prefix: Buffer): Namespace {
  const pooled = zmapPrefix(prefix)
  const zmap = Buffer.allocUnsafeSlow(pooled.length)
  pooled.copy(zmap)
  return { path, prefix: zmap.subarray(0, prefix.length), zmap }
}

function sameVersion(one: Buffer | undefined, other: Buffer | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return one.equals(other)
}
