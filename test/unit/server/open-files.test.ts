/** How many connections the limit of open files leaves room for. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  checkOpenFiles,
  connectionBounds,
  descriptorBound,
  openFileLimit,
} from '../../../ts/server/transport/open-files.js'

test('serves as many on each port as the setting says where files are plenty', () => {
  assert.equal(connectionBounds(10_000, 1_048_576), { client: 10_000, admin: 10_000 })
  assert.equal(connectionBounds(10_000, undefined), { client: 10_000, admin: 10_000 })
})

test('gives clients what there is, but for the share of the administration port', () => {
  assert.equal(connectionBounds(10_000, 16_000), { client: 10_000, admin: 5_488 })
  assert.equal(connectionBounds(10_000, 4_096), { client: 3_136, admin: 448 })
  assert.equal(connectionBounds(10_000, 256), { client: 112, admin: 16 })
  assert.equal(connectionBounds(1, 256), { client: 1, admin: 1 })
})

test('keeps files for the store, whatever both ports are used for', () => {
  for (let openFiles = 256; openFiles < 30_000; openFiles += 97) {
    const { client, admin } = connectionBounds(10_000, openFiles)
    assert.ok(client > 0 && admin > 0)
    assert.ok(client + admin <= openFiles - Math.min(512, openFiles / 2))
  }
})

test('warns when fewer clients are served than is set, and names a limit that does', () => {
  assert.is(checkOpenFiles(10_000, 20_000), undefined)
  const text = checkOpenFiles(10_000, 4_096)!
  assert.match(text, /max_clients is 10000, but 3136 clients .* limit of open files is 4096/)
  const needed = Number(/raise it to (\d+)/.exec(text)?.[1])
  assert.is(checkOpenFiles(10_000, needed), undefined)
  assert.is.not(checkOpenFiles(10_000, needed - 2), undefined)
})

test('says in one line that the limit is too low to start', () => {
  checkOpenFiles(100, 256)
  const text = 'the limit of open files is 255, at least 256 are needed: raise it with ulimit -Hn'
  assert.throws(
    () => checkOpenFiles(100, 255),
    (error: Error) => error.message === text,
  )
})

test('knows from which descriptor on few are left', () => {
  assert.is(descriptorBound(1024), 1008)
  assert.is(descriptorBound(undefined), 0)
})

test('reads the limit of this process', () => {
  const limit = openFileLimit()
  if (process.platform === 'linux') assert.ok(limit !== undefined && limit > 0)
})

test.run()
