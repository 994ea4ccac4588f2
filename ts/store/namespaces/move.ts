/**
 * NAMESPACE MOVE. The path that it leaves is marked by a tombstone until all members have seen the
 * move: a namespace that was made there before would be taken for the moved one by a member whose
 * look-ups are from before.
 */

import { err } from '../../error.js'
import { prefixRange, tombstoneKey } from '../keyspace.js'
import { unpack } from '../packed-range.js'
import type { Store } from '../store.js'
import type { Tx } from '../tx.js'
import type { Changes } from './changes.js'
import { clearTombstones } from './creation.js'
import { alreadyExists, beingRemoved, tombstoneUnseen } from './errors.js'
import { markNumber, newToken, packNumber } from './mark.js'
import { isWithin, parsePath, pathOf } from './path.js'
import { type Found, type NewNamespace, newUuid, type Tree } from './tree.js'

export interface MoveParts {
  readonly store: Store
  readonly tree: Tree
  readonly changes: Changes
  readonly defaultPath: string
  readonly noSuch: (path: string) => Error
}

interface Paths {
  readonly old: readonly string[]
  readonly new: readonly string[]
}

/** A move that may be tried again. */
interface Attempt {
  readonly paths: Paths
  readonly token: Buffer
  /** Of what is moved, once an attempt has found it. */
  prefix: Buffer | undefined
}

export class Move {
  readonly #parts: MoveParts

  constructor(parts: MoveParts) {
    this.#parts = parts
  }

  /** @throws RespError ERR (paths, default, into itself), NOSUCHNAMESPACE, NAMESPACEBEINGREMOVED,
   *          NAMESPACEALREADYEXISTS, BARRIERNOTSATISFIED (the new path) */
  async move(oldPath: string, newPath: string): Promise<void> {
    const { store, changes } = this.#parts
    const paths: Paths = { old: parsePath(oldPath), new: parsePath(newPath) }
    const attempt: Attempt = { paths, token: newToken(), prefix: undefined }
    const unseen = await store.transact(tx => this.#attempt(tx, attempt), {
      retries: Number.POSITIVE_INFINITY,
      idempotent: true,
    })
    if (unseen !== undefined) {
      void changes.remind()
      throw tombstoneUnseen(unseen)
    }
    await changes.catchUp()
  }

  /** @returns the path of a tombstone that is in the way */
  async #attempt(tx: Tx, attempt: Attempt): Promise<string | undefined> {
    const { tree, changes } = this.#parts
    const { paths, token } = attempt
    // An earlier attempt was applied although its commit failed.
    if (attempt.prefix && (await tree.isMovedBy(tx, attempt.prefix, token))) return undefined
    const [from, to] = await Promise.all([tree.find(tx, paths.old), tree.find(tx, paths.new)])
    this.#check(paths, from, to)
    const unseen = await this.#clearTombstones(tx, paths.new)
    if (unseen !== undefined) return unseen
    const prefix = Buffer.from(from.prefixes[paths.old.length - 1]!)
    attempt.prefix = prefix
    const parent = await this.#makeParents(tx, paths.new, to)
    await tree.move(tx, prefix, {
      from: tree.place(paths.old, from),
      to: { parent, name: paths.new.at(-1)! },
      token,
    })
    const number = packNumber(await changes.announce(tx))
    tx.set(tombstoneKey(tree.root, pathOf(paths.old)), number)
    return undefined
  }

  /** In the order of the contract. */
  #check(paths: Paths, from: Found, to: Found): void {
    const [oldPath, newPath] = [pathOf(paths.old), pathOf(paths.new)]
    const { defaultPath, noSuch } = this.#parts
    if (from.prefixes.length < paths.old.length) throw noSuch(oldPath)
    if (from.removedDepth > 0) throw beingRemoved(pathOf(paths.old, from.removedDepth))
    if (to.prefixes.length === paths.new.length) throw alreadyExists(newPath)
    if (isWithin(newPath, oldPath)) {
      throw err(`cannot move namespace '${oldPath}' into its own descendant '${newPath}'`)
    }
    if (isWithin(defaultPath, oldPath)) {
      throw err(`Cannot move the default namespace: '${defaultPath}'`)
    }
    if (to.removedDepth > 0) throw beingRemoved(pathOf(paths.new, to.removedDepth))
  }

  /** As for a creation, and below the path too: what is moved there may have children. */
  async #clearTombstones(tx: Tx, segments: readonly string[]): Promise<string | undefined> {
    const { tree, changes } = this.#parts
    const unseen = await clearTombstones(tx, { tree, changes, segments })
    if (unseen !== undefined) return unseen
    const { begin, end } = prefixRange(tombstoneKey(tree.root, `${pathOf(segments)}.`))
    const below = await tx.getRangeAll(begin, end)
    for (const { key, value } of unpack(below)) {
      if (!(await changes.isSeen(tx, markNumber(value)))) {
        return key.toString('utf8', tombstoneKey(tree.root, '').length)
      }
    }
    if (below.count > 0) tx.clearRange(begin, end)
    return undefined
  }

  /** Makes the parents of a path that are missing. @returns the prefix of the last */
  async #makeParents(tx: Tx, segments: readonly string[], found: Found): Promise<Buffer> {
    const { tree } = this.#parts
    const above = found.prefixes.at(-1) ?? tree.root
    const wanted: NewNamespace[] = []
    for (const name of segments.slice(found.prefixes.length, -1)) {
      wanted.push({ name, parent: wanted.at(-1) ?? above, uuid: newUuid() })
    }
    return (await tree.make(tx, wanted)).at(-1) ?? above
  }
}
