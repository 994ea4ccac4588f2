/** A start that fails after the data directory was made takes it back. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runServer } from '../support/server.js'

const test = suite('failed starts')

const FREE_PORTS = ['--set', 'network.external.port=0', '--set', 'network.internal.port=0']

async function refuses(sets: readonly string[], line: RegExp): Promise<void> {
  const { code, stderr } = await runServer([...FREE_PORTS, ...sets.flatMap(set => ['--set', set])])
  assert.is(code, 1)
  assert.match(stderr, line)
}

test('leaves no trace of a new member whose store cannot be opened', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-failed-'))
  try {
    const occupied = join(directory, 'occupied')
    writeFileSync(occupied, '')
    const data = join(directory, 'deep/data')
    const cannot = /^kronotop: cannot make the directory .* set store\.path to a directory/
    await refuses([`data_dir=${data}`, `store.path=${occupied}/store`], cannot)
    const noLibrary = [`foundationdb.fdbc=${directory}/none.so`, 'foundationdb.clusterfile=/none']
    await refuses([`data_dir=${data}`, ...noLibrary], /^kronotop: cannot load /)
    assert.equal(readdirSync(directory), ['occupied'])
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('refuses a cluster name that would leave the data directory', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-failed-'))
  try {
    const data = join(directory, 'data')
    for (const name of ['..', '.', 'a/b']) {
      const sets = [`data_dir=${data}`, `cluster.name=${name}`]
      await refuses(sets, /^kronotop: setting cluster\.name: expected a name without a slash/)
    }
    assert.not(existsSync(data))
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test.run()
