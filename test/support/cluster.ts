/**
 * The FoundationDB cluster that tests keep their data on when `KRONOTOP_TEST_CLUSTER_FILE` names
 * its cluster file; `KRONOTOP_TEST_FDBC` names the client library where the system has none.
 *
 * INVARIANT: whatever a test writes there lies below a directory of its own, `kronotop-test-…`,
 * which goes when the test ends. Nothing else on the cluster is read or changed.
 */
import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { loadConfig } from '../../ts/config/config.js'
import { childNames } from '../../ts/store/directory.js'
import { Store } from '../../ts/store/store.js'
import { reportSkip } from './outcome.js'

const { KRONOTOP_TEST_CLUSTER_FILE: file, KRONOTOP_TEST_FDBC: library } = process.env

/** Where the cluster is; absent when tests use embedded stores of their own. */
export const clusterPlace = file ? { file, library: library || 'libfdb_c.so' } : undefined

export const isOnCluster = clusterPlace !== undefined

/** Directories of one run of the suite begin with this; a test file by itself is a run too. */
const RUN = `kronotop-test-${process.env.KRONOTOP_TEST_RUN ?? randomBytes(6).toString('hex')}`

let rootCount = 0

/** A name for a top-level directory that nobody has. */
export function newRoot(): string {
  rootCount += 1
  return `${RUN}-${process.pid}-${rootCount}`
}

/** Settings that put the data of one test on the cluster, below a directory that nobody has.
 *  Without a cluster there are none: data goes into the test's own data directory.
 *  @param sets  what the test sets itself; a store that it names is the one that it gets */
export function storeSettings(sets: readonly string[] = []): readonly string[] {
  const namesStore = sets.some(set => /^(store\.path|foundationdb\.clusterfile)=/.test(set))
  if (clusterPlace === undefined || namesStore) return []
  return [
    ...connection(clusterPlace),
    `directory.root=${newRoot()}`,
    'cluster.auto_bootstrap=true',
    // A member that was killed starts again without listening for its former heartbeat.
    'cluster.force_initialization=true',
  ]
}

function connection(place: NonNullable<typeof clusterPlace>): string[] {
  const client = place.library.includes('/') ? [`foundationdb.fdbc=${place.library}`] : []
  return [`foundationdb.clusterfile=${place.file}`, ...client]
}

/** The directory among `settings`, which `storeSettings` made. */
export function rootIn(settings: readonly string[]): string | undefined {
  return settings.find(set => set.startsWith('directory.root='))?.split('=')[1]
}

/** Removes a test's directory, and all that is in it. */
export async function cleanCluster(root: string): Promise<void> {
  const store = await openCluster()
  try {
    await removeRoots(store, root)
  } finally {
    await store.close()
  }
}

/**
 * Opens the cluster for the time of a run. Where a directory takes its place, the owner
 * is the run then, and no test meets the take-over by another process.
 * @returns       ends it, and removes what tests of the run that were killed have left
 * @throws Error  one line: the cluster cannot be used
 */
export async function holdCluster(): Promise<() => Promise<void>> {
  const store = await openCluster()
  return async () => {
    await removeRoots(store, RUN)
    await store.close()
  }
}

async function openCluster(): Promise<Store> {
  if (clusterPlace === undefined) throw new Error('no cluster is named')
  const { config } = loadConfig({ sets: connection(clusterPlace) })
  return await Store.open(config, pino({ level: 'silent' }))
}

/** Removes the top-level directories whose names begin with `root`. */
export async function removeRoots(store: Store, root: string): Promise<void> {
  const all = await store.transact(tx => childNames(tx))
  for (const name of all.filter(other => other.startsWith(root))) {
    await store.directory.removeIfExists(store.db, [name])
  }
}

/** Registers tests, with uvu or a server's suite. */
type Register = (name: string, body: () => Promise<void> | void) => void

/** What registers tests of something that only the embedded store has; on a cluster each is
 *  reported as skipped. @param why  what a cluster does not have */
export function embeddedOnly(register: Register, why: string): Register {
  if (!isOnCluster) return register
  return name => reportSkip(name, why)
}
