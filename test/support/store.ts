/** A real store in a directory of its own, for tests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type Config, loadConfig } from '../../ts/config/config.js'
import { ensureDirectory } from '../../ts/store/directory.js'
import { Namespaces } from '../../ts/store/namespaces.js'
import { Store } from '../../ts/store/store.js'
import { isOnCluster, removeRoots, storeSettings } from './cluster.js'
import { type Faults, setFaults } from './faults.js'

export interface TestStore {
  readonly store: Store
  readonly config: Config
  /** What was logged, as objects. */
  readonly logged: Record<string, unknown>[]
  /** A prefix below which a test may write any keys. */
  keyPrefix(): Promise<Buffer>
  /** Closes the store and opens it again over the same data. */
  reopen(): Promise<TestStore>
  /** Closes the store and deletes its data. */
  close(): Promise<void>
}

export interface TestStoreOptions {
  /** What goes wrong from the opening on; `setFaults` changes it. */
  readonly faults?: Faults | undefined
}

/** @param sets `key=value` settings */
export async function openTestStore(
  sets: readonly string[] = [],
  options: TestStoreOptions = {},
): Promise<TestStore> {
  const directory = await mkdtemp(join(tmpdir(), 'kronotop-store-'))
  return openIn(directory, [...storeSettings(sets), ...sets], options)
}

async function openIn(
  directory: string,
  sets: readonly string[],
  options: TestStoreOptions,
): Promise<TestStore> {
  const { config } = loadConfig({ sets: [`data_dir=${directory}`, ...sets] })
  const logged: Record<string, unknown>[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(JSON.parse(line)) })
  const store = await Store.open(config, log)
  if (options.faults !== undefined) setFaults(store, options.faults)
  return {
    store,
    config,
    logged,
    keyPrefix: () => keyPrefix(store),
    reopen: async () => {
      await store.close()
      return openIn(directory, sets, options)
    },
    close: async () => {
      await removeData(store)
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function keyPrefix(store: Store): Promise<Buffer> {
  const path = [...store.rootPath, 'keys of a test']
  return store.transact(tx => ensureDirectory(tx, store.directory, path), { idempotent: true })
}

/** Removes what a test has on the cluster; data in files goes with the files. */
export async function removeData(store: Store): Promise<void> {
  const [root] = store.rootPath
  if (isOnCluster && root !== undefined) await removeRoots(store, root)
}

export interface TestNamespaces extends TestStore {
  readonly namespaces: Namespaces
}

/** As `openTestStore`, with the namespaces of a cluster in it. */
export async function openTestNamespaces(
  sets: readonly string[] = [],
  options: TestStoreOptions = {},
): Promise<TestNamespaces> {
  const opened = await openTestStore(sets, options)
  const log = pino({ level: 'silent' })
  const namespaces = await Namespaces.open(opened.store, opened.config, log)
  const close = async (): Promise<void> => {
    namespaces.close()
    await opened.close()
  }
  return { ...opened, namespaces, close }
}
