/** How many connections the limit of open files leaves room for. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connectionsWithin, openFileLimit } from '../../../ts/server/transport/open-files.js'

test('keeps files for the store: of a large limit a fixed number, of a small one half', () => {
  assert.is(connectionsWithin(10_000, 20_000), 10_000)
  assert.is(connectionsWithin(10_000, 4_096), 3_584)
  assert.is(connectionsWithin(10_000, 64), 32)
})

test('leaves the setting alone where the system tells no limit', () => {
  assert.is(connectionsWithin(10_000, undefined), 10_000)
})

test('reads the limit of this process', () => {
  const limit = openFileLimit()
  if (process.platform === 'linux') assert.ok(limit !== undefined && limit > 0)
})

test.run()
