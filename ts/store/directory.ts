/**
 * Directories: paths of names, each with a short key prefix of its own. The directory layer of npm
 * foundationdb makes them; look-ups are done here, because commands wait for them and `tx.get`
 * answers at once.
 *
 *   node of a directory    FE tuple(prefix)              the root counts as prefix FE
 *   child                  node tuple(0, name)           -> prefix of the child
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
import type { Store } from './store.js'
import type { Tx } from './tx.js'
import { andThen, type MaybePromise } from './types.js'

/** Key prefix of the nodes, and the prefix that the root directory counts as. */
const NODES = Buffer.of(0xfe)
const ROOT = NODES
const CHILDREN = Buffer.of(TupleType.zero)

/** Prefix of a directory. @param parent prefix of its parent; absent = the root
 *  @param snapshot adds no read conflict. @returns undefined when there is none of that name */
export function findChild(
  tx: Tx,
  name: string,
  parent: Buffer = ROOT,
  snapshot = false,
): MaybePromise<Buffer | undefined> {
  return tx.get(withTupleItem(childrenPrefix(parent), TupleType.text, Buffer.from(name)), snapshot)
}

/** Names of a directory's children, in byte order; adds no read conflicts.
 *  @param parent its prefix; absent = the root */
export function childNames(tx: Tx, parent: Buffer = ROOT): MaybePromise<string[]> {
  const prefix = childrenPrefix(parent)
  const { begin, end } = prefixRange(prefix)
  return andThen(tx.getRangeAll(begin, end, { snapshot: true }), range => {
    const names: string[] = []
    const reader = new PackedReader(range)
    while (reader.next()) names.push(tupleItemBytes(reader.keyFrom(prefix.length)).toString())
    return names
  })
}

/** Makes a directory, with the parents that are missing. @returns its prefix
 *  @throws DirectoryError when it exists */
export async function createDirectory(
  tx: Tx,
  layer: DirectoryLayer,
  path: readonly string[],
): Promise<Buffer> {
  const directory = await layer.create(layerTransaction(tx), [...path])
  return directory.content.prefix
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
    if (prefix === undefined) return createDirectory(tx, layer, path)
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

function childrenPrefix(parent: Buffer): Buffer {
  return Buffer.concat([withTupleItem(NODES, TupleType.bytes, parent), CHILDREN])
}
