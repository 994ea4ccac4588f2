/**
 * The tree of namespaces as one transaction sees it. All reads but `list` add read conflicts, on
 * the keys of the path alone.
 */

import { randomBytes } from 'node:crypto'
import {
  checkDirectoryVersion,
  childNames,
  type DirectoryPlace,
  findChild,
  moveDirectory,
  putDirectory,
} from '../directory.js'
import { NamespaceField, namespaceFieldKey } from '../keyspace.js'
import { allocatePrefixes } from '../prefix-allocator.js'
import { yieldTurn } from '../turn.js'
import type { Tx } from '../tx.js'
import type { MaybePromise } from '../types.js'

const UUID_BYTES = 16

/** What there is of a path. */
export interface Found {
  /** Prefixes of the namespaces on the path, from the top down to the last that exists. */
  readonly prefixes: readonly Buffer[]
  /** How deep the shallowest lies that is marked as removed, from 1; 0 = none is. */
  readonly removedDepth: number
}

/** A namespace to be made. */
export interface NewNamespace {
  readonly name: string
  /** The one above, by its prefix; or one that is made with it, before it. */
  readonly parent: Buffer | NewNamespace
  readonly uuid: Buffer
}

export function newUuid(): Buffer {
  return randomBytes(UUID_BYTES)
}

export class Tree {
  /** Prefix of the area. */
  readonly root: Buffer

  constructor(root: Buffer) {
    this.root = root
  }

  async find(tx: Tx, segments: readonly string[]): Promise<Found> {
    const prefixes: Buffer[] = []
    let removedDepth = 0
    let parent = this.root
    let child = findChild(tx, segments[0]!, parent)
    for (let depth = 1; ; depth++) {
      const prefix = child instanceof Promise ? await child : child
      if (prefix === undefined) break
      prefixes.push(prefix)
      parent = prefix
      // ORDER: both are asked for before one is waited for.
      const mark = tx.get(namespaceFieldKey(prefix, NamespaceField.removed))
      const name = segments[depth]
      if (name !== undefined) child = findChild(tx, name, parent)
      const isRemoved = (mark instanceof Promise ? await mark : mark) !== undefined
      if (isRemoved && removedDepth === 0) removedDepth = depth
      if (name === undefined) break
    }
    return { prefixes, removedDepth }
  }

  /** The path of a namespace. @returns undefined when there is none with this prefix */
  async segmentsOf(tx: Tx, prefix: Buffer): Promise<string[] | undefined> {
    const segments: string[] = []
    for (let at = prefix; !at.equals(this.root); ) {
      const [name, parent] = await Promise.all([
        tx.get(namespaceFieldKey(at, NamespaceField.name)),
        tx.get(namespaceFieldKey(at, NamespaceField.parent)),
      ])
      if (name === undefined || parent === undefined) return undefined
      segments.unshift(name.toString('utf8'))
      at = parent
    }
    return segments
  }

  /** The mark of a removal. */
  removedMark(tx: Tx, prefix: Buffer): MaybePromise<Buffer | undefined> {
    return tx.get(namespaceFieldKey(prefix, NamespaceField.removed))
  }

  /** Names of the children, in byte order; adds no read conflicts. */
  list(tx: Tx, prefix: Buffer): Promise<string[]> {
    return childNames(tx, prefix, yieldTurn)
  }

  /** Where the namespace of a path is, or would be. @param found what there is of its parent */
  place(segments: readonly string[], { prefixes }: Found): DirectoryPlace {
    const depth = segments.length - 1
    return { parent: depth === 0 ? this.root : prefixes[depth - 1]!, name: segments[depth]! }
  }

  /** Makes namespaces, none of which exists. @returns their prefixes, in the same order */
  async make(tx: Tx, wanted: readonly NewNamespace[]): Promise<Buffer[]> {
    if (wanted.length === 0) return []
    await checkDirectoryVersion(tx)
    const prefixes = await allocatePrefixes(tx, wanted.length)
    const made = new Map<NewNamespace, Buffer>()
    for (const [i, namespace] of wanted.entries()) {
      await yieldTurn()
      const prefix = prefixes[i]!
      made.set(namespace, prefix)
      const { name } = namespace
      const parent = Buffer.isBuffer(namespace.parent)
        ? namespace.parent
        : made.get(namespace.parent)!
      putDirectory(tx, { parent, name }, prefix)
      tx.set(namespaceFieldKey(prefix, NamespaceField.uuid), namespace.uuid)
      this.#putPlace(tx, { parent, name }, prefix)
    }
    return prefixes
  }

  /** Moves a namespace, with all below it, to where there is none. @param token of the command */
  async move(
    tx: Tx,
    prefix: Buffer,
    { from, to, token }: { from: DirectoryPlace; to: DirectoryPlace; token: Buffer },
  ): Promise<void> {
    await checkDirectoryVersion(tx)
    moveDirectory(tx, prefix, { from, to })
    this.#putPlace(tx, to, prefix)
    tx.set(namespaceFieldKey(prefix, NamespaceField.moved), token)
  }

  /** Was a namespace moved last by the command that this token is of? */
  async isMovedBy(tx: Tx, prefix: Buffer, token: Buffer): Promise<boolean> {
    const last = await tx.get(namespaceFieldKey(prefix, NamespaceField.moved))
    return last?.equals(token) ?? false
  }

  #putPlace(tx: Tx, { parent, name }: DirectoryPlace, prefix: Buffer): void {
    tx.set(namespaceFieldKey(prefix, NamespaceField.name), Buffer.from(name))
    tx.set(namespaceFieldKey(prefix, NamespaceField.parent), parent)
  }
}
