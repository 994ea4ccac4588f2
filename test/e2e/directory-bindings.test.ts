/**
 * Namespaces are directories as FoundationDB's directory layers keep them: the one of the public
 * Python package works on them, in a process of its own beside this one, on the same store.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nativePath } from '../../ts/native.js'
import { zmapKey } from '../../ts/store/keyspace.js'
import type { Namespaces } from '../../ts/store/namespaces/namespaces.js'
import { embeddedOnly } from '../support/cluster.js'
import { checksIn, installedOrSkip, jsonLines, runPython } from '../support/python.js'
import { openTestNamespaces } from '../support/store.js'

const SCRIPT = fileURLToPath(
  new URL('../../../test/clients/python/directories.py', import.meta.url),
)
const VERSION = '7.3.43'
const API_VERSION = '730'
const LIMIT_MS = 90_000
const BYTES = { k: Buffer.from('k'), v: Buffer.from('v') }

const embedded = embeddedOnly(test, "it uses our libfdb_c in the place of a cluster's")
const python = await installedOrSkip('foundationdb', VERSION)

/** Makes namespaces until `isOver`, several at a time. @returns their prefixes */
async function makeNamespaces(namespaces: Namespaces, isOver: () => boolean): Promise<string[]> {
  const prefixes: string[] = []
  for (let round = 0; !isOver() || round < 10; round++) {
    const paths = Array.from({ length: 20 }, (_, i) => `beside.r${round}.n${i}`)
    await Promise.all(paths.map(path => namespaces.create(path)))
    for (const path of paths) prefixes.push((await namespaces.lookUp(path)).prefix.toString('hex'))
  }
  return prefixes
}

const title = 'the Python package works on the directories of namespaces'
if (python !== undefined) embedded(title, () => worksBeside(python))

/** @param path the package's folder */
async function worksBeside(path: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-directories-'))
  const opened = await openTestNamespaces([`store.path=${directory}`])
  const { namespaces, store } = opened
  try {
    for (const name of ['kept.below', 'move', 'gone.below']) await namespaces.create(`py.${name}`)
    const kept = await namespaces.resolve('py.kept')
    await store.transact(tx => tx.set(zmapKey(kept.zmap, BYTES.k), BYTES.v))
    let isOver = false
    const running = runPython({
      script: SCRIPT,
      args: [API_VERSION, directory],
      path,
      env: { LD_LIBRARY_PATH: dirname(nativePath('libfdb_c.so')) },
      limitMs: LIMIT_MS,
    }).finally(() => {
      isOver = true
    })
    const [{ stdout, failure }, ours] = await Promise.all([
      running,
      makeNamespaces(namespaces, () => isOver),
    ])
    assert.is(failure, undefined)
    const checks = checksIn(stdout)
    assert.is(checks.length, 3)
    for (const { name, error } of checks) assert.is(error, null, name)
    const theirs = jsonLines<{ prefixes?: string[] }>(stdout).flatMap(line => line.prefixes ?? [])
    assert.is(theirs.length, 300)
    const all = [...ours, ...theirs].sort()
    for (let i = 1; i < all.length; i++) {
      assert.not(all[i]!.startsWith(all[i - 1]!), `${all[i - 1]} and ${all[i]}`)
    }
    assert.equal(await namespaces.list('py'), ['kept', 'moved'])
  } finally {
    await opened.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

test.run()
