/**
 * Directories: paths of names, each with a short key prefix of its own, kept as FoundationDB's
 * directory layers keep them. The layer of npm foundationdb makes the few that a start needs;
 * what commands wait for is done here, because `tx.get` answers at once and the layer's steps
 * follow each other.
 *
 *   node of a directory    FE tuple(prefix)              the root counts as prefix FE
 *   child                  node tuple(0, name)           -> prefix of the child
 *   kind of a directory    node tuple('layer')           -> nothing: none of ours has one
 *   version of the layer   root node tuple('version')    -> three u32le
 */

import type { DirectoryLayer } from 'foundationdb'
import { layerTransaction } from './client.js'
import {
  type ClusterArea,
  clusterPath,
  prefixRange,
  TupleType,
  tupleItemBytes,
  withTupleItem,
} from './keyspace.js'
import { PackedReader } from './packed-range.js'
import { NODES, ROOT_NODE } from './prefix-allocator.js'
import type { Store } from './store.js'
import type { Tx } from './tx.js'
import { andThen, firstGreaterThan, type MaybePromise, type PackedRange } from './types.js'

const ROOT = NODES
const CHILDREN = Buffer.of(TupleType.zero)
const LAYER = withTupleItem(Buffer.alloc(0), TupleType.bytes, Buffer.from('layer'))
const VERSION_KEY = withTupleItem(ROOT_NODE, TupleType.bytes, Buffer.from('version'))
const NO_LAYER = Buffer.alloc(0)
/** The layout that this file writes. */
const MAJOR_VERSION = 1
const MINOR_VERSION = 0

/** Children that are read at once. */
const CHILDREN_BATCH = 1000

/** A place in the tree, whether there is a directory or not. */
export interface DirectoryPlace {
  /** Prefix of the directory above. */
  readonly parent: Buffer
  readonly name: string
}

export interface ChildDirectory {
  readonly name: string
  readonly prefix: Buffer
}

/** Prefix of a directory. @param parent prefix of its parent; absent = the root
 *  @param snapshot adds no read conflict. @returns undefined when there is none of that name */
export function findChild(
  tx: Tx,
  name: string,
  parent: Buffer = ROOT,
  snapshot = false,
): MaybePromise<Buffer | undefined> {
  return tx.get(childKey({ parent, name }), snapshot)
}

/** Names of a directory's children, in byte order; adds no read conflicts.
 *  @param parent its prefix; absent = the root
 *  @param yieldTurn awaited between batches, as there may be any number of them */
export async function childNames(
  tx: Tx,
  parent: Buffer = ROOT,
  yieldTurn: () => MaybePromise<void> = () => {},
): Promise<string[]> {
  const prefix = childrenPrefix(parent)
  const { begin, end } = prefixRange(prefix)
  const options = { limit: CHILDREN_BATCH, snapshot: true }
  const names: string[] = []
  for (let from: Buffer | undefined = begin; from !== undefined; ) {
    const start = from === begin ? begin : firstGreaterThan(from)
    const batch: PackedRange = await tx.getRangeAll(start, end, options)
    from = undefined
    const reader = new PackedReader(batch)
    while (reader.next()) {
      names.push(tupleItemBytes(reader.keyFrom(prefix.length)).toString())
      if (batch.more) from = reader.key
    }
    await yieldTurn()
  }
  return names
}

/** The first children of a directory, in byte order. @param limit how many at most */
export function firstChildren(
  tx: Tx,
  parent: Buffer,
  limit: number,
): MaybePromise<ChildDirectory[]> {
  const prefix = childrenPrefix(parent)
  const { begin, end } = prefixRange(prefix)
  return andThen(tx.getRangeAll(begin, end, { limit }), range => {
    const children: ChildDirectory[] = []
    const reader = new PackedReader(range)
    while (reader.next()) {
      const name = tupleItemBytes(reader.keyFrom(prefix.length)).toString()
      children.push({ name, prefix: reader.value })
    }
    return children
  })
}

/** Makes sure that directories may be changed in the layout that this file knows.
 *  @throws Error when a newer directory layer was there before */
export async function checkDirectoryVersion(tx: Tx): Promise<void> {
  const version = await tx.get(VERSION_KEY)
  if (version === undefined) throw new Error('no directory layer has been here')
  const [major, minor] = [version.readUInt32LE(0), version.readUInt32LE(4)]
  if (major > MAJOR_VERSION || minor > MINOR_VERSION) {
    throw new Error(`the directories have the newer layout ${major}.${minor}`)
  }
}

/** Makes a directory where there is none. @param prefix a new one, see `allocatePrefixes` */
export function putDirectory(tx: Tx, place: DirectoryPlace, prefix: Buffer): void {
  tx.set(childKey(place), prefix)
  tx.set(Buffer.concat([nodeKey(prefix), LAYER]), NO_LAYER)
}

/** Moves a directory, with all below it, to where there is none. */
export function moveDirectory(
  tx: Tx,
  prefix: Buffer,
  { from, to }: { from: DirectoryPlace; to: DirectoryPlace },
): void {
  tx.set(childKey(to), prefix)
  tx.clear(childKey(from))
}

/** Removes a directory that has no children, and what it holds. */
export function removeDirectory(tx: Tx, place: DirectoryPlace, prefix: Buffer): void {
  for (const { begin, end } of [prefixRange(prefix), prefixRange(nodeKey(prefix))]) {
    tx.clearRange(begin, end)
  }
  tx.clear(childKey(place))
}

/** Prefix of a directory that is made when absent; a copy that may be kept. */
export async function ensureDirectory(
  tx: Tx,
  layer: DirectoryLayer,
  path: readonly string[],
): Promise<Buffer> {
  let prefix: Buffer | undefined = ROOT
  for (const name of path) {
    prefix = await findChild(tx, name, prefix)
    if (prefix === undefined) {
      const directory = await layer.create(layerTransaction(tx), [...path])
      return directory.content.prefix
    }
  }
  return Buffer.from(prefix)
}

/** As `ensureDirectory`, for an area of a cluster or something below it, in its own transaction. */
export function openClusterDirectory(
  store: Store,
  cluster: string,
  area: ClusterArea,
  ...below: string[]
): Promise<Buffer> {
  const path = [...store.rootPath, ...clusterPath(cluster, area, ...below)]
  return store.transact(tx => ensureDirectory(tx, store.directory, path), {
    retries: Number.POSITIVE_INFINITY,
    idempotent: true,
  })
}

function nodeKey(prefix: Buffer): Buffer {
  return withTupleItem(NODES, TupleType.bytes, prefix)
}

function childrenPrefix(parent: Buffer): Buffer {
  return Buffer.concat([nodeKey(parent), CHILDREN])
}

function childKey({ parent, name }: DirectoryPlace): Buffer {
  return withTupleItem(childrenPrefix(parent), TupleType.text, Buffer.from(name))
}
