/**
 * Which transactions on one bucket conflict: A reads or writes, B commits, then A commits. A
 * conflicts with whoever changes what it has read, or what it would have found, and with nobody
 * else.
 */
import * as assert from 'uvu/assert'
import { useJson } from '../support/bucket.js'
import { assertVerified } from '../support/indexes.js'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('conflicts of buckets')

const CONFLICT = 'NOT_COMMITTED Transaction not committed due to conflict with another transaction'

const SCHEMA = JSON.stringify({
  n: { bson_type: 'int32', name: 'n' },
  tags: { bson_type: 'int32', multi_key: true, name: 'tags' },
  name: { bson_type: 'string', name: 'name', collation: { locale: 'en', strength: 2 } },
  u: { bson_type: 'int32', unique: true, name: 'u' },
  $compound: [
    {
      name: 'kind',
      fields: [
        { selector: 'kind', bson_type: 'string' },
        { selector: 'sub', bson_type: 'int32' },
      ],
    },
  ],
})

const COUNT = 20
const idOf = (n: number): string => n.toString(16).padStart(24, '0')

/** Documents 0 to 19. Kinds are k0 to k3 in turn, tags n and n + 100. */
const DOCUMENTS = Array.from({ length: COUNT }, (_, n) => {
  const fields = { n, u: n, kind: `k${n % 4}`, sub: n, tags: [n, n + 100], name: `Name ${n}`, z: n }
  return JSON.stringify({ _id: idOf(n), ...fields })
})

type Request = readonly string[]

const change = (filter: object, ...options: string[]): Request => {
  return ['BUCKET.UPDATE', 'b', JSON.stringify(filter), '{"$set": {"x": 1}}', ...options]
}
const remove = (filter: object, ...options: string[]): Request => {
  return ['BUCKET.DELETE', 'b', JSON.stringify(filter), ...options]
}
const query = (filter: object, ...options: string[]): Request => {
  return ['BUCKET.QUERY', 'b', JSON.stringify(filter), ...options]
}
const set = (n: number, fields: object): Request => {
  return ['BUCKET.UPDATE', 'b', `{"_id": "${idOf(n)}"}`, JSON.stringify({ $set: fields })]
}
let made = 0
/** Each has a `u` of its own: null counts as a value. */
const insert = (fields: object): Request => {
  return ['BUCKET.INSERT', 'b', 'DOCS', JSON.stringify({ u: ++made + 10_000, ...fields })]
}
/** Makes A's transaction one that writes. */
const WRITE: Request = ['ZSET', 'written', '1']

/** What reads a range, documents inside of it and outside, and what would come into it. */
interface Range {
  readonly filter: object
  readonly options?: readonly string[]
  readonly inside: readonly number[]
  readonly outside: readonly number[]
  readonly phantoms: readonly object[]
  readonly strangers: readonly object[]
}

const RANGES: Readonly<Record<string, Range>> = {
  'an equality': {
    filter: { n: 5 },
    ...{ inside: [5], outside: [4, 6] },
    ...{ phantoms: [{ n: 5 }], strangers: [{ n: 4 }, { n: 6 }, {}] },
  },
  'an equality that finds nothing': {
    filter: { n: 50 },
    ...{ inside: [], outside: [0, 19] },
    ...{ phantoms: [{ n: 50 }], strangers: [{ n: 49 }, { n: 51 }, {}] },
  },
  'a range': {
    filter: { n: { $gte: 5, $lt: 8 } },
    ...{ inside: [5, 7], outside: [4, 8] },
    ...{ phantoms: [{ n: 6 }], strangers: [{ n: 4 }, { n: 8 }, {}] },
  },
  'a range with a residual filter': {
    filter: { n: { $gte: 5, $lt: 8 }, z: 6 },
    ...{ inside: [5, 6, 7], outside: [4, 8] },
    ...{ phantoms: [{ n: 7 }], strangers: [{ n: 8, z: 6 }] },
  },
  null: {
    filter: { n: null },
    ...{ inside: [], outside: [0, 5] },
    ...{ phantoms: [{}, { n: null }], strangers: [{ n: 0 }] },
  },
  'all but a value': {
    filter: { n: { $ne: 5 } },
    ...{ inside: [4, 6], outside: [5] },
    ...{ phantoms: [{ n: 50 }, {}], strangers: [{ n: 5 }] },
  },
  'a prefix of a compound index': {
    filter: { kind: 'k1' },
    ...{ inside: [1, 17], outside: [0, 2] },
    ...{ phantoms: [{ kind: 'k1', sub: 100 }, { kind: 'k1' }], strangers: [{ kind: 'k2' }, {}] },
  },
  'a range in a compound index': {
    filter: { kind: 'k1', sub: { $gte: 5, $lt: 10 } },
    ...{ inside: [5, 9], outside: [1, 13, 6] },
    phantoms: [{ kind: 'k1', sub: 6 }],
    strangers: [{ kind: 'k1', sub: 10 }, { kind: 'k0', sub: 6 }, { kind: 'k1' }],
  },
  'an element of an array': {
    filter: { tags: 105 },
    ...{ inside: [5], outside: [4, 6] },
    ...{ phantoms: [{ tags: [1, 105] }, { tags: 105 }], strangers: [{ tags: [104, 106] }] },
  },
  'a collated text': {
    filter: { name: 'NAME 5' },
    ...{ inside: [5], outside: [4, 6] },
    ...{ phantoms: [{ name: 'nAmE 5' }], strangers: [{ name: 'name 50' }, {}] },
  },
  'a list': {
    filter: { n: { $in: [2, 4] } },
    ...{ inside: [2, 4], outside: [1, 3, 5] },
    ...{ phantoms: [{ n: 4 }], strangers: [{ n: 3 }, {}] },
  },
  'a union of two indexes': {
    filter: { $or: [{ n: 3 }, { tags: 110 }] },
    ...{ inside: [3, 10], outside: [2, 4, 9, 11] },
    ...{ phantoms: [{ n: 3 }, { tags: [110] }], strangers: [{ n: 110, tags: [3] }] },
  },
  'a union with a compound index': {
    filter: { $or: [{ kind: 'k1', sub: 9 }, { u: 12 }] },
    ...{ inside: [9, 12], outside: [1, 13] },
    ...{ phantoms: [{ kind: 'k1', sub: 9 }], strangers: [{ kind: 'k1', sub: 8 }] },
  },
  ids: {
    filter: { _id: { $in: [idOf(2), idOf(4)] } },
    ...{ inside: [2, 4], outside: [3, 5] },
    ...{ phantoms: [], strangers: [{ n: 2 }, { _id: idOf(3_000) }] },
  },
  'the first documents of a range': {
    filter: { n: { $gte: 5 } },
    options: ['LIMIT', '2'],
    ...{ inside: [5, 6], outside: [4, 7, 19] },
    // Behind document 6, which has a smaller id.
    ...{ phantoms: [{ n: 5 }], strangers: [{ n: 7 }, { n: 6, _id: idOf(3_001) }] },
  },
  'all documents': {
    filter: { z: 5 },
    ...{ inside: [0, 5, 19], outside: [] },
    ...{ phantoms: [{}, { n: 50 }], strangers: [] },
  },
}

let buckets = 0

/** A new bucket with the documents. @returns requests as they are to be sent */
async function prepared(client: RespClient): Promise<(request: Request) => string[]> {
  const bucket = `b${++buckets}`
  await client.call('BUCKET.CREATE', bucket, 'INDEXES', SCHEMA)
  await client.call('BUCKET.INSERT', bucket, 'DOCS', ...DOCUMENTS)
  return ([command, name, ...words]) => [command!, name === 'b' ? bucket : name!, ...words]
}

const json = async (): Promise<RespClient> => useJson(await server.connect())

/** @returns the reply to A's COMMIT */
async function play(a: readonly Request[], b: readonly Request[]): Promise<string> {
  const [first, second] = [await json(), await json()]
  const requestOf = await prepared(first)
  await first.call('BEGIN')
  for (const request of a) await first.call(...requestOf(request))
  for (const request of b) await second.call(...requestOf(request))
  const { value } = await first.frame('COMMIT')
  await assertVerified(first, requestOf(['', 'b'])[1]!, 'after both')
  for (const client of [first, second]) client.close()
  return String(value)
}

async function conflicts(a: readonly Request[], b: Request): Promise<void> {
  assert.is(await play(a, [b]), CONFLICT, shown(a, [b]))
}

async function commits(a: readonly Request[], b: readonly Request[]): Promise<void> {
  assert.is(await play(a, b), 'OK', shown(a, b))
}

function shown(...sides: (readonly Request[])[]): string {
  return sides.map(requests => requests.map(words => words.join(' ')).join('; ')).join(' | ')
}

for (const [name, range] of Object.entries(RANGES)) {
  const { filter, options = [], inside, outside, phantoms, strangers } = range
  // Whoever writes nothing conflicts with nobody.
  const readers: readonly (readonly Request[])[] = [
    [change(filter, ...options), WRITE],
    [remove(filter, ...options), WRITE],
    [query(filter, ...options), WRITE],
  ]

  test(`${name}: what was read`, async () => {
    for (const a of readers) {
      for (const n of inside) await conflicts(a, set(n, { y: 1 }))
      for (const n of inside.slice(0, 1)) await conflicts(a, remove({ _id: idOf(n) }))
    }
  })

  test(`${name}: what would have been found`, async () => {
    for (const a of readers) {
      for (const fields of phantoms) await conflicts(a, insert(fields))
      // A document that is changed so that it is one of them.
      for (const n of outside.slice(0, 1)) {
        for (const fields of phantoms) {
          if (Object.keys(fields).length > 0) await conflicts(a, set(n, fields))
        }
      }
    }
  })

  test(`${name}: other documents`, async () => {
    const others = [
      ...outside.map(n => set(n, { y: 1 })),
      ...outside.slice(0, 1).map(n => remove({ _id: idOf(n) })),
      ...strangers.map(insert),
    ]
    if (others.length === 0) return
    for (const a of readers) await commits(a, others)
  })
}

test('an order that is read from its end', async () => {
  const last = query({}, 'SORTBY', 'n', 'DESC', 'LIMIT', '2')
  for (const b of [insert({ n: 30 }), set(18, { y: 1 }), set(3, { n: 30 })]) {
    await conflicts([last, WRITE], b)
  }
  await commits([last, WRITE], [insert({ n: 17 }), set(17, { y: 1 }), insert({})])
  const update = change({ n: { $gte: 0 } }, 'SORTBY', 'n', 'DESC', 'LIMIT', '2')
  await conflicts([update], set(18, { y: 1 }))
  await commits([update], [set(17, { y: 1 })])
})

test('batches of a cursor, as far as it came', async () => {
  for (const kind of ['UPDATE', 'DELETE', 'QUERY']) {
    const first = { UPDATE: change, DELETE: remove, QUERY: query }[kind]!
    const words = [first({ n: { $gte: 0 } }, 'LIMIT', '2'), ['BUCKET.ADVANCE', kind, '1'], WRITE]
    await conflicts(words, set(3, { y: 1 }))
    await commits(words, [set(4, { y: 1 }), insert({ n: 100 })])
  }
})

test('SNAPSHOTREAD concerns queries only', async () => {
  const snapshot: Request = ['SNAPSHOTREAD', 'ON']
  await commits([snapshot, query({ n: 5 }), WRITE], [set(5, { y: 1 }), insert({ n: 5 })])
  await conflicts([snapshot, change({ n: 5 })], insert({ n: 5 }))
  await conflicts([snapshot, remove({ n: 50 }), WRITE], insert({ n: 50 }))
})

test('values of a unique index', async () => {
  await conflicts([insert({ u: 500 })], insert({ u: 500 }))
  await conflicts([set(1, { u: 500 })], insert({ u: 500 }))
  await conflicts([set(1, { u: 500 })], set(2, { u: 500 }))
  await conflicts([remove({ _id: idOf(1) }), insert({ u: 1 })], set(1, { y: 1 }))
  await commits([insert({ u: 500 }), set(1, { u: 501 })], [insert({ u: 502 }), set(2, { u: 503 })])
  // The value stays, so it is not looked for.
  await commits([set(1, { u: 1, y: 1 })], [set(2, { y: 1 })])
})

test('what an upsert did not find', async () => {
  const upsert: Request = ['BUCKET.UPDATE', 'b', '{"n": 60, "u": 60}', '{"upsert": true}']
  await conflicts([upsert], insert({ n: 60, u: 60 }))
  await commits([upsert], [insert({ n: 61, u: 61 }), set(5, { y: 1 })])
})

test('writers of one document wait for each other once they have met', async () => {
  const first = await json()
  await first.call('BUCKET.CREATE', 'one')
  await first.call('BUCKET.INSERT', 'one', 'DOCS', '{"n": 0}')
  const [writers, writes] = [10, 50]
  const refused = await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      const client = await json()
      let count = 0
      for (let i = 0; i < writes; i++) {
        const update = `{"$set": {"n": ${writer * writes + i}}}`
        const { type, value } = await client.frame('BUCKET.UPDATE', 'one', '{}', update)
        if (type !== '-') continue
        assert.is(value, CONFLICT)
        count++
      }
      return count
    }),
  )
  // Each for itself, nearly half of them are refused.
  const total = refused.reduce((sum, count) => sum + count, 0)
  assert.ok(total < (writers * writes) / 20, `${total} refused`)
})

test('two transactions that change neighbours', async () => {
  const [first, second] = [await json(), await json()]
  const requestOf = await prepared(first)
  const ways = [
    [change({ n: 5 }), change({ n: 6 })],
    [remove({ kind: 'k1', sub: 9 }), change({ kind: 'k1', sub: 13 })],
    [change({ tags: 107 }), remove({ tags: 108 })],
    [change({ name: 'name 2' }), change({ name: 'name 3' })],
    [change({ $or: [{ n: 14 }, { u: 15 }] }), remove({ n: { $in: [16, 18] } })],
  ] as const
  for (const [a, b] of ways) {
    for (const client of [first, second]) await client.call('BEGIN')
    await first.call(...requestOf(a))
    await second.call(...requestOf(b))
    for (const client of [first, second])
      assert.is(await client.call('COMMIT'), 'OK', shown([a, b]))
  }
  await assertVerified(first, requestOf(['', 'b'])[1]!, 'after all')
})

test.run()
