/** Opens directories of the cluster: long paths that the directory layer gives short prefixes. */

import { type ClusterArea, clusterPath } from './keyspace.js'
import type { Store } from './store.js'

/** Content prefix of a directory below the cluster's own, which is made when absent. */
export async function openClusterDirectory(
  store: Store,
  cluster: string,
  area: ClusterArea,
  ...below: string[]
): Promise<Buffer> {
  const path = clusterPath(cluster, area, ...below)
  const directory = await store.directory.createOrOpen(store.db, path)
  return directory.content.prefix
}
