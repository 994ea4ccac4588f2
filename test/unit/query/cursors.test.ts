import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addon } from '../../../ts/native.js'
import { type Cursor, type CursorKind, Cursors } from '../../../ts/query/cursors.js'
import { errorOf } from '../../support/data-member.js'

const cursorOf = (kind: CursorKind): Cursor => ({
  kind,
  namespace: { path: 'global', prefix: Buffer.alloc(1), admit: () => ({ leave: () => {} }) },
  bucket: 'b',
  filter: '{}',
  projection: null,
  update: null,
  sort: null,
  resultSort: null,
  collation: null,
  limit: 100,
  snapshot: false,
  returned: new addon.IdSets(),
  compiled: null,
  id: 0,
  lastBucket: undefined,
  bound: undefined,
  range: 0,
  key: null,
  isTracked: false,
})

test('ids start at 1 and never repeat, over all kinds', () => {
  const cursors = new Cursors()
  const kinds: CursorKind[] = ['QUERY', 'DELETE', 'UPDATE', 'QUERY']
  assert.equal(
    kinds.map(kind => cursors.open(cursorOf(kind))),
    [1, 2, 3, 4],
  )
  cursors.close('QUERY', 4)
  assert.is(cursors.open(cursorOf('QUERY')), 5)
})

test('a cursor is found under its own kind only', async () => {
  const cursors = new Cursors()
  const id = cursors.open(cursorOf('QUERY'))
  assert.is(cursors.require('QUERY', id).kind, 'QUERY')
  assert.is(
    await errorOf(() => cursors.require('DELETE', id)),
    "ERR No previous query context found for 'delete' operation with the given cursor id",
  )
  assert.is(await errorOf(() => cursors.close('UPDATE', id)), 'ERR no cursor found')
})

test('a closed cursor is gone', async () => {
  const cursors = new Cursors()
  const id = cursors.open(cursorOf('QUERY'))
  cursors.close('QUERY', id)
  assert.is(await errorOf(() => cursors.close('QUERY', id)), 'ERR no cursor found')
  assert.equal([...cursors.list('QUERY')], [])
})

test('lists the cursors of a kind by id', () => {
  const cursors = new Cursors()
  for (const kind of ['QUERY', 'DELETE', 'QUERY'] as const) cursors.open(cursorOf(kind))
  assert.equal(
    [...cursors.list('QUERY')].map(([id]) => id),
    [1, 3],
  )
})

test.run()
