import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { repositoryRoot, repositoryText } from '../support/repository.js'
import { supervise } from '../support/supervised.js'

const test = suite('generated files')

const LIMIT_MS = 170_000

test('addon.gen.d.ts is what the build of the addon makes', async () => {
  const output = mkdtempSync(join(tmpdir(), 'kronotop-types-'))
  try {
    const ended = await supervise(
      'node_modules/.bin/napi',
      [
        ['build', '--manifest-path', 'native/addon/Cargo.toml'],
        ['--config-path', 'native/addon/napi.json', '--no-const-enum', '--no-dts-header'],
        ['--output-dir', output, '--dts', 'addon.gen.d.ts'],
      ].flat(),
      { limitMs: LIMIT_MS, cwd: repositoryRoot },
    )
    assert.is(ended.failure, undefined, ended.output)
    const made = readFileSync(join(output, 'addon.gen.d.ts'), 'utf8')
    assert.is(made, repositoryText('native/addon/addon.gen.d.ts'), 'commit what the build makes')
  } finally {
    rmSync(output, { recursive: true })
  }
})

test.run()
