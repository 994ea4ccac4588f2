/**
 * How the server's process is started: what can only be decided before there is one. Tests and
 * benchmarks start theirs in the same way.
 */
import { totalmem } from 'node:os'

const MIB = 1024 * 1024
const HEAP_SHARE = 0.6
const LEAST_HEAP_MIB = 256

/** @param env  the environment to start from
 *  @returns     options for `fork` and `spawn` */
export function processOptions(env) {
  return { execArgv: [...heapFlags(env), ...poolFlags(env)], env: { ...env, ...hugePages(env) } }
}

/** The rest of the memory is for buffers outside the heap, the store's pages and file caches. */
function heapFlags(env) {
  if (/max[-_]old[-_]space[-_]size/.test(env.NODE_OPTIONS ?? '')) return []
  const heapMib = Math.floor((memoryBytes() * HEAP_SHARE) / MIB)
  return [`--max-old-space-size=${Math.max(LEAST_HEAP_MIB, heapMib)}`]
}

/** As many helper threads of V8 as there are other cores: more take this thread's own. */
function poolFlags(env) {
  return /v8[-_]pool[-_]size/.test(env.NODE_OPTIONS ?? '') ? [] : ['--v8-pool-size=0']
}

/** Has glibc ask for huge pages: Redis data is spread over all of the heap, so that nearly each
 *  access would miss the table of small ones. Other C libraries take no notice. */
function hugePages(env) {
  return env.GLIBC_TUNABLES === undefined ? { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' } : {}
}

/** Memory of the machine, or of the container if that is less. */
function memoryBytes() {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(totalmem(), limit) : totalmem()
}
