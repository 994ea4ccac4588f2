/**
 * npm `foundationdb` over our native client, for tests of the two by themselves: on an embedded
 * store in a directory of its own, or on the cluster of the run. A test has the keys below one
 * prefix.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from 'foundationdb'
import { type FdbClient, type FoundationDb, loadFoundationDb, nativePath } from '../../ts/native.js'
import { clusterPlace, newRoot } from './cluster.js'

export interface ClientArea extends FoundationDb {
  /** The library that was loaded. */
  readonly library: string
  /** What names the database: a directory, or a cluster file. */
  readonly place: string
  /** All keys of the database. */
  readonly whole: Database
  /** The top-level directory of the prefix. */
  readonly root: string
  readonly prefix: Buffer
  /** The keys below the prefix, without it. */
  readonly db: Database
  /** Removes what is below the prefix. */
  close(): Promise<void>
}

/** @param errorClass class of all errors of the database; see `loadFoundationDb` */
export async function openClientArea(errorClass: FdbClient['FDBError']): Promise<ClientArea> {
  const loaded = loadFoundationDb(errorClass)
  const { client, fdb } = loaded
  const library = clusterPlace?.library ?? nativePath('libfdb_c.so')
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-client-'))
  const place = clusterPlace?.file ?? directory
  client.loadLibrary(library)
  fdb.setAPIVersion(720)
  const whole = fdb.open(place) as Database
  const root = newRoot()
  const { prefix } = (await fdb.directory.create(whole, [root])).content
  const close = async (): Promise<void> => {
    await fdb.directory.remove(whole, [root])
    whole.close()
    rmSync(directory, { recursive: true, force: true })
  }
  return { ...loaded, library, place, whole, root, prefix, db: whole.at(prefix) as Database, close }
}
