/**
 * Programs written for FoundationDB, in Python: the public package from PyPI calls our libfdb_c
 * and finds an embedded store where it expects a cluster file. The checks themselves are Python,
 * in `test/clients/python`; each is a test here.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import { nativePath } from '../../ts/native.js'
import { isOnCluster } from '../support/cluster.js'
import { reportSkip } from '../support/outcome.js'
import { checksIn, installedOrSkip, runPython } from '../support/python.js'

const SCRIPT = fileURLToPath(new URL('../../../test/clients/python/bindings.py', import.meta.url))
const LIMIT_MS = 90_000

/** Package versions and the API versions selected with them; the last has the oldest semantics. */
const RUNS = [
  { version: '7.2.9', apiVersion: 720 },
  { version: '7.3.43', apiVersion: 730 },
  { version: '7.3.43', apiVersion: 510 },
] as const

type Run = (typeof RUNS)[number]

if (isOnCluster)
  reportSkip('other bindings', 'they judge our libfdb_c, which a cluster does without')
else await Promise.all(RUNS.map(addChecks))

/** Runs the script and adds a test for each of its checks. */
async function addChecks({ version, apiVersion }: Run): Promise<void> {
  const path = await installedOrSkip('foundationdb', version)
  if (path === undefined) return
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-bindings-'))
  const { stdout, failure } = await runPython({
    script: SCRIPT,
    args: [String(apiVersion), directory],
    path,
    env: { LD_LIBRARY_PATH: dirname(nativePath('libfdb_c.so')) },
    limitMs: LIMIT_MS,
  })
  const used = existsSync(join(directory, 'tree'))
  rmSync(directory, { recursive: true, force: true })
  const add = (name: string, failed: string | null | undefined): void =>
    test(`${name} (PyPI ${version}, API version ${apiVersion})`, () => {
      if (typeof failed === 'string') throw new Error(failed)
    })
  for (const { name, error } of checksIn(stdout)) add(name, error)
  add('runs to its end', failure)
  add('keeps its data in the directory', used ? undefined : 'the directory holds no store')
}

test.run()
