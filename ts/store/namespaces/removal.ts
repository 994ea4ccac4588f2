/**
 * NAMESPACE REMOVE and PURGE. REMOVE marks a namespace; PURGE deletes one that is marked, once all
 * members have seen the mark, see `changes.ts`.
 *
 * PURGE works upwards from the leaves, in transactions of a bounded size. INVARIANT: what is left
 * after each of them is a complete tree with the mark at its top, so that PURGE may be repeated
 * after a crash, and nothing can be made or moved below the mark meanwhile.
 */

import { err } from '../../error.js'
import { firstChildren, removeDirectory } from '../directory.js'
import { NamespaceField, namespaceFieldKey } from '../keyspace.js'
import type { Store } from '../store.js'
import { yieldTurn } from '../turn.js'
import type { Tx } from '../tx.js'
import type { Changes } from './changes.js'
import { beingRemoved, removalUnseen } from './errors.js'
import { isMarkOf, markNumber, newToken, packMark } from './mark.js'
import { isWithin, parsePath, pathOf } from './path.js'
import type { Tree } from './tree.js'

/** Namespaces that one transaction of PURGE deletes. */
const STEP_MAX = 1000
const ALWAYS = { retries: Number.POSITIVE_INFINITY, idempotent: true }

export interface RemovalParts {
  readonly store: Store
  readonly tree: Tree
  readonly changes: Changes
  readonly defaultPath: string
  /** REMOVE deletes as well: `namespaces.remove_mode = immediate`. */
  readonly isImmediate: boolean
  readonly noSuch: (path: string) => Error
}

/** A namespace that is marked. */
interface Removed {
  readonly segments: readonly string[]
  readonly prefix: Buffer
  /** The change that marked it. */
  readonly number: bigint
}

export class Removal {
  readonly #parts: RemovalParts

  constructor(parts: RemovalParts) {
    this.#parts = parts
  }

  /** @throws RespError ERR (path, default), NOSUCHNAMESPACE, NAMESPACEBEINGREMOVED; where it
   *          deletes as well, BARRIERNOTSATISFIED: it may be repeated then */
  async remove(path: string): Promise<void> {
    const { store, changes, isImmediate } = this.#parts
    const segments = parsePath(path)
    this.#refuseDefault(path, 'remove')
    const token = newToken()
    const removed = await store.transact(tx => this.#mark(tx, segments, token), ALWAYS)
    await changes.catchUp()
    if (isImmediate) await this.#delete(removed)
  }

  /** @throws RespError ERR (path, default, not removed), NOSUCHNAMESPACE, BARRIERNOTSATISFIED */
  async purge(path: string): Promise<void> {
    const segments = parsePath(path)
    this.#refuseDefault(path, 'purge')
    const removed = await this.#parts.store.transact(tx => this.#findRemoved(tx, segments))
    if (removed === undefined) {
      throw err(`Namespace '${path}' must be logically removed before purge`)
    }
    await this.#delete(removed)
  }

  #refuseDefault(path: string, what: string): void {
    const { defaultPath } = this.#parts
    if (isWithin(defaultPath, path)) {
      throw err(`Cannot ${what} the default namespace: '${defaultPath}'`)
    }
  }

  async #mark(tx: Tx, segments: readonly string[], token: Buffer): Promise<Removed> {
    const { tree, changes, isImmediate } = this.#parts
    const prefix = await this.#find(tx, segments)
    const mark = await tree.removedMark(tx, prefix)
    if (mark !== undefined) {
      // Its own: an earlier attempt was applied although its commit failed.
      if (!isImmediate && !isMarkOf(mark, token)) throw beingRemoved(pathOf(segments))
      return { segments, prefix, number: markNumber(mark) }
    }
    const number = await changes.announce(tx)
    tx.set(namespaceFieldKey(prefix, NamespaceField.removed), packMark(number, token))
    tx.add(namespaceFieldKey(prefix, NamespaceField.version), 1)
    return { segments, prefix, number }
  }

  async #findRemoved(tx: Tx, segments: readonly string[]): Promise<Removed | undefined> {
    const prefix = await this.#find(tx, segments)
    const mark = await this.#parts.tree.removedMark(tx, prefix)
    if (mark === undefined) return undefined
    return { segments, prefix, number: markNumber(mark) }
  }

  /** @returns the prefix, a copy that may be kept */
  async #find(tx: Tx, segments: readonly string[]): Promise<Buffer> {
    const { prefixes } = await this.#parts.tree.find(tx, segments)
    const prefix = prefixes[segments.length - 1]
    if (prefix === undefined) throw this.#parts.noSuch(pathOf(segments))
    return Buffer.from(prefix)
  }

  async #delete(removed: Removed): Promise<void> {
    const { store, changes } = this.#parts
    await changes.barrier(removed.number, attempts => removalUnseen(removed.number, attempts))
    for (let isDone = false; !isDone; ) {
      isDone = await store.transact(tx => this.#step(tx, removed), ALWAYS)
    }
  }

  /** @returns whether nothing is left of it, maybe by somebody else's work
   *  @throws RespError NOSUCHNAMESPACE when it was moved away meanwhile */
  async #step(tx: Tx, { segments, prefix }: Removed): Promise<boolean> {
    const { tree } = this.#parts
    const found = await tree.find(tx, segments)
    const present = found.prefixes[segments.length - 1]
    if (present === undefined || !present.equals(prefix)) {
      if ((await tree.removedMark(tx, prefix)) === undefined) return true
      throw this.#parts.noSuch(pathOf(segments))
    }
    const left = await clearBelow(tx, prefix, STEP_MAX)
    if (left === 0) return false
    removeDirectory(tx, tree.place(segments, found), prefix)
    return true
  }
}

/** Deletes namespaces below one, leaves first. @param limit how many at most
 *  @returns how many more there might have been; 0 = there may be some left */
async function clearBelow(tx: Tx, parent: Buffer, limit: number): Promise<number> {
  let left = limit
  for (;;) {
    const children = await firstChildren(tx, parent, left)
    if (children.length === 0) return left
    for (const { name, prefix } of children) {
      left = await clearBelow(tx, prefix, left)
      if (left === 0) return 0
      removeDirectory(tx, { parent, name }, prefix)
      left--
      await yieldTurn()
      if (left === 0) return 0
    }
  }
}
