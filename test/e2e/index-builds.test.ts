/** Indexes over documents that are there already: built, failed, dropped, in the background. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import {
  createIndexes,
  describeIndex,
  entryCount,
  insertAll,
  tasksOf,
  untilStatus,
  verify,
} from '../support/indexes.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('builds of indexes')

/** Values in the order in which an index gives them. */
async function sorted(client: RespClient, bucket: string, field: string): Promise<unknown[]> {
  const found = await queryAll(client, bucket, '{}', 'SORTBY', field, 'ASC')
  return found.map(document => document[field])
}

const json = async (): Promise<RespClient> => useJson(await server.connect(3))

test('an index of an empty bucket becomes READY', async () => {
  const client = await json()
  await client.call('BUCKET.CREATE', 'empty')
  await createIndexes(client, 'empty', { a: { bson_type: 'int32', name: 'i' } })
  await untilStatus(client, 'READY', { bucket: 'empty', name: 'i' })
  assert.equal(await tasksOf(client, 'empty', 'i'), [])
})

test('documents that were there before are found through the index', async () => {
  const client = await json()
  await client.call('BUCKET.CREATE', 'old')
  const count = 2_345
  await insertAll(
    client,
    'old',
    Array.from({ length: count }, (_, n) => ({ n: (n * 7_919) % count, tags: [n % 3, n % 2] })),
  )
  await createIndexes(client, 'old', {
    n: { bson_type: 'int32', name: 'n' },
    tags: { bson_type: 'int32', multi_key: true, name: 'tags' },
    $compound: [
      {
        name: 'both',
        fields: [
          { selector: 'missing', bson_type: 'string' },
          { selector: 'n', bson_type: 'int32' },
        ],
      },
    ],
  })
  for (const name of ['n', 'tags', 'both']) {
    await untilStatus(client, 'READY', { bucket: 'old', name })
    assert.equal(await tasksOf(client, 'old', name), [])
  }
  const { documents, errors } = await verify(client, 'old')
  assert.equal([documents, errors], [count, []])
  assert.is(await entryCount(client, 'old', 'n'), count)
  assert.is(await entryCount(client, 'old', 'both'), count)
  // Documents have one or two distinct tags.
  const tags = Array.from({ length: count }, (_, n) => new Set([n % 3, n % 2]).size)
  assert.is(
    await entryCount(client, 'old', 'tags'),
    tags.reduce((total, size) => total + size, 0),
  )
  const expected = Array.from({ length: count }, (_, n) => n)
  assert.equal(await sorted(client, 'old', 'n'), expected)
  assert.is((await queryAll(client, 'old', '{"tags": 2}')).length, Math.floor(count / 3))
})

test('duplicates fail the build of a unique index, and it can be made again', async () => {
  const client = await json()
  await client.call('BUCKET.CREATE', 'twice')
  await insertAll(client, 'twice', [{ mail: 'a' }, { mail: 'b' }, { mail: 'a' }])
  const schema = { mail: { bson_type: 'string', unique: true, name: 'mail' } }
  await createIndexes(client, 'twice', schema)
  await untilStatus(client, 'FAILED', { bucket: 'twice', name: 'mail' })
  const [task] = await tasksOf(client, 'twice', 'mail')
  assert.is(task!.kind, 'BUILD')
  assert.is(task!.status, 'FAILED')
  assert.is(task!.error, "Duplicate key: 'mail' a")
  // Neither read nor kept up to date any more.
  await insertAll(client, 'twice', [{ mail: 'b' }])
  assert.is((await queryAll(client, 'twice', '{"mail": "b"}')).length, 2)
  const twice = "ERR An index on field 'mail' already exists"
  assert.is(await client.error('BUCKET.INDEX', 'CREATE', 'twice', JSON.stringify(schema)), twice)
  assert.is(await client.call('BUCKET.INDEX', 'DROP', 'twice', 'mail'), 'OK')
  await untilStatus(client, 'gone', { bucket: 'twice', name: 'mail' })
  await client.call('BUCKET.DELETE', 'twice', '{}')
  await insertAll(client, 'twice', [{ mail: 'a' }, { mail: 'b' }])
  await createIndexes(client, 'twice', schema)
  await untilStatus(client, 'READY', { bucket: 'twice', name: 'mail' })
  const insertion = ['BUCKET.INSERT', 'twice', 'DOCS', '{"mail": "b"}']
  assert.is(await client.error(...insertion), "DUPLICATEKEY Duplicate key: 'mail' b")
})

test('documents without the field are duplicates, those with empty arrays are not', async () => {
  const client = await json()
  await client.call('BUCKET.CREATE', 'nulls')
  await insertAll(client, 'nulls', [{ a: [] }, { a: [], b: 1 }, { b: 2 }, { a: 1, b: 3 }])
  await createIndexes(client, 'nulls', { a: { bson_type: 'int32', unique: true, name: 'a' } })
  await untilStatus(client, 'READY', { bucket: 'nulls', name: 'a' })
  await createIndexes(client, 'nulls', { c: { bson_type: 'int32', unique: true, name: 'c' } })
  await untilStatus(client, 'FAILED', { bucket: 'nulls', name: 'c' })
  const [task] = await tasksOf(client, 'nulls', 'c')
  assert.is(task!.error, "Duplicate key: 'c' null")
})

test('a value of another type fails the build', async () => {
  const client = await json()
  await client.call('BUCKET.CREATE', 'typed')
  await insertAll(client, 'typed', [{ age: 1 }, { age: 'old' }])
  await createIndexes(client, 'typed', { age: { bson_type: 'int32', name: 'age' } })
  await untilStatus(client, 'FAILED', { bucket: 'typed', name: 'age' })
  const [task] = await tasksOf(client, 'typed', 'age')
  const expected =
    "index 'age' expects 'INT32', but selector 'age' matched a value of type 'STRING'"
  assert.is(task!.error, `Index type mismatch: ${expected}`)
  assert.equal([...Object.keys(task!)], ['kind', 'cursor', 'lower', 'upper', 'status', 'error'])
  await insertAll(client, 'typed', [{ age: 'older' }])
})

test('a dropped index goes with its entries, and its name is free', async () => {
  const client = await json()
  const schema = { n: { bson_type: 'int32', name: 'n' } }
  await client.call('BUCKET.CREATE', 'dropped', 'INDEXES', JSON.stringify(schema))
  await insertAll(
    client,
    'dropped',
    Array.from({ length: 5_000 }, (_, n) => ({ n })),
  )
  const before = await describeIndex(client, 'dropped', 'n')
  assert.is(await client.call('BUCKET.INDEX', 'DROP', 'dropped', 'n'), 'OK')
  await untilStatus(client, 'gone', { bucket: 'dropped', name: 'n' })
  assert.equal(await client.call('BUCKET.INDEX', 'LIST', 'dropped'), ['primary-index'])
  assert.is((await queryAll(client, 'dropped', '{"n": {"$lt": 10}}')).length, 10)
  await createIndexes(client, 'dropped', schema)
  await untilStatus(client, 'READY', { bucket: 'dropped', name: 'n' })
  const after = await describeIndex(client, 'dropped', 'n')
  assert.ok(before !== 'gone' && after !== 'gone')
  assert.is.not(after.get('id'), before.get('id'))
  assert.is(await entryCount(client, 'dropped', 'n'), 5_000)
})

test('a build does not hinder the removal of its bucket or namespace', async () => {
  const client = await json()
  const documents = Array.from({ length: 3_000 }, (_, n) => ({ n }))
  const schema = { n: { bson_type: 'int32', name: 'n' } }
  for (const bucket of ['bucket', 'namespace']) {
    await client.call('NAMESPACE', 'CREATE', `doomed.${bucket}`)
    await client.call('NAMESPACE', 'USE', `doomed.${bucket}`)
    await client.call('BUCKET.CREATE', 'b')
    await insertAll(client, 'b', documents)
    await createIndexes(client, 'b', schema)
    if (bucket === 'bucket') {
      await client.call('BUCKET.REMOVE', 'b')
      await client.call('BUCKET.PURGE', 'b')
      await client.call('BUCKET.CREATE', 'b')
      await createIndexes(client, 'b', schema)
      await untilStatus(client, 'READY', { bucket: 'b', name: 'n' })
      assert.is(await entryCount(client, 'b', 'n'), 0)
    } else {
      await client.call('NAMESPACE', 'REMOVE', `doomed.${bucket}`)
      await client.call('NAMESPACE', 'PURGE', `doomed.${bucket}`)
    }
  }
  await client.call('NAMESPACE', 'CREATE', 'doomed.namespace')
  await client.call('NAMESPACE', 'USE', 'doomed.namespace')
  assert.equal(await client.call('BUCKET.LIST'), [])
  await client.call('BUCKET.CREATE', 'b')
  await createIndexes(client, 'b', schema)
  await untilStatus(client, 'READY', { bucket: 'b', name: 'n' })
})

test('a build goes with a namespace that is moved', async () => {
  const client = await json()
  await client.call('NAMESPACE', 'CREATE', 'from')
  await client.call('NAMESPACE', 'USE', 'from')
  await client.call('BUCKET.CREATE', 'b')
  await insertAll(
    client,
    'b',
    Array.from({ length: 3_000 }, (_, n) => ({ n })),
  )
  await createIndexes(client, 'b', { n: { bson_type: 'int32', name: 'n' } })
  await client.call('NAMESPACE', 'MOVE', 'from', 'to')
  await client.call('NAMESPACE', 'USE', 'to')
  await untilStatus(client, 'READY', { bucket: 'b', name: 'n' })
  assert.is(await entryCount(client, 'b', 'n'), 3_000)
})

test.run()
