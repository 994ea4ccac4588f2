/**
 * Loads native code; nothing else does. Artifacts live in `dist/native`, beside this module's
 * compiled form in `dist/ts`.
 *
 * The npm package `foundationdb` is loaded here too, because its own binding must not be: our
 * client takes the place of the package's `lib/native.js` in the module cache before the package
 * is first required. INVARIANT: nothing else imports a value from `foundationdb`.
 */

import { createRequire, Module } from 'node:module'
import { fileURLToPath } from 'node:url'
import type {
  NativeDatabase as LayerDatabase,
  NativeTransaction as LayerTransaction,
  NativeModule,
} from 'foundationdb/dist/lib/native.js'
import type { NativeTransportModule } from './server/transport/native-module.js'

const require = createRequire(import.meta.url)
const NATIVE_DIRECTORY = new URL('../native/', import.meta.url)

/** Pairs of one range read in one buffer; `store/types.ts` has the layout. */
export interface NativePackedRange {
  data: Buffer
  count: number
  more: boolean
}

/**
 * A native transaction: what npm `foundationdb` asks for, plus variants that give a value at once
 * when it is there, and an explicit end.
 */
export interface NativeTransaction extends LayerTransaction {
  getNow(key: Buffer, snapshot: boolean): Buffer | undefined | Promise<Buffer | undefined>
  getKeyNow(
    key: Buffer,
    orEqual: boolean,
    offset: number,
    snapshot: boolean,
  ): Buffer | Promise<Buffer>
  getRangePacked(
    begin: Buffer,
    beginOrEqual: boolean,
    beginOffset: number,
    end: Buffer,
    endOrEqual: boolean,
    endOffset: number,
    limit: number,
    targetBytes: number,
    mode: number,
    iteration: number,
    snapshot: boolean,
    reverse: boolean,
  ): NativePackedRange | Promise<NativePackedRange>
  getReadVersionNow(): bigint | Promise<bigint>
  /** Version of the successful commit, -1n when it changed nothing. */
  commitVersion(): bigint
  /** Destroys the native transaction; every later call throws. */
  close(): void
}

export interface NativeDatabase extends LayerDatabase {
  createTransaction(): NativeTransaction
}

/** `fdb_client.node`: calls a libfdb_c that is found at run time. */
export interface FdbClient extends NativeModule {
  /** Class of every error that it throws or rejects with; set before the first use. */
  FDBError: new (
    description: string,
    code: number,
  ) => Error
  /** Binds to a libfdb_c; once in a process. */
  loadLibrary(path: string): void
  /** The newest API version that the loaded libfdb_c has. */
  maxApiVersion(): number
  /** Makes the package's retry loop close the native transaction that it ran. */
  closeAfterRetryLoop(transactionClass: unknown): void
  /** Native transactions that nobody closed yet. */
  openTransactionCount(): number
  createDatabase(clusterFile?: string): NativeDatabase
}

/** Path of an artifact, `libfdb_c.so` for instance. */
export function nativePath(name: string): string {
  return fileURLToPath(new URL(name, NATIVE_DIRECTORY))
}

/** Loads a `.node` file. @throws Error one line: which artifact, why not, and what to do */
export function loadArtifact<T>(name: string): T {
  const path = nativePath(name)
  try {
    return require(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause)
    throw new Error(`cannot load ${path} (${reason}): run "npm run build"`, { cause })
  }
}

/** The client, and npm `foundationdb` on top of it. */
export interface FoundationDb {
  readonly client: FdbClient
  readonly fdb: typeof import('foundationdb')
}

/**
 * Loads the client and the package. The package's own error class is replaced by `errorClass`, so
 * that its retry loops, our native code and the layers above it know one class only.
 */
export function loadFoundationDb(errorClass: FdbClient['FDBError']): FoundationDb {
  const client = loadArtifact<FdbClient>('fdb_client.node')
  client.FDBError = errorClass
  require('foundationdb/dist/lib/error.js').default = errorClass
  const id = require.resolve('foundationdb/dist/lib/native.js')
  const module = new Module(id)
  module.filename = id
  module.loaded = true
  module.exports = { __esModule: true, type: 'napi', default: client }
  require.cache[id] = module
  const fdb: FoundationDb['fdb'] = require('foundationdb')
  client.closeAfterRetryLoop(fdb.Transaction)
  return { client, fdb }
}

/** `addon.node`: volumes, documents, scans; its types are generated with it. */
export const addon = loadArtifact<typeof import('../native/addon/addon.gen.js')>('addon.node')

export type {
  Collator,
  FileLock,
  FilterHandle,
  IdSets,
  IndexSet,
  KeyChanges,
  PackedDocuments,
  PreparedDocuments,
  ProjectionHandle,
  ScanContext,
  ScanOptions,
  ScanResult,
  UpdateHandle,
  VolumeHandle,
} from '../native/addon/addon.gen.js'

/**
 * An error of the Rust addon carries its stable code in front of its text: `CODE|message`.
 * @returns both, or undefined for any other throw
 */
export function nativeReason(thrown: unknown): { code: string; message: string } | undefined {
  if (!(thrown instanceof Error)) return undefined
  const match = /^([A-Z][A-Z0-9_]*)\|(.*)$/s.exec(thrown.message)
  return match === null ? undefined : { code: match[1]!, message: match[2]! }
}

/** `transport.node`, on systems that have epoll; TLS and other systems use Node's own sockets. */
export const transportModule: NativeTransportModule | undefined =
  process.platform === 'linux' ? loadArtifact<NativeTransportModule>('transport.node') : undefined
