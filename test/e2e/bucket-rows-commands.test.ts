/** BUCKET commands: words, options, cursors and transactions, in the rows that are about all. */
import { serialize } from 'bson'
import * as assert from 'uvu/assert'
import { batchOf, queryAll, textsOf, useJson } from '../support/bucket.js'
import { type Data, encodeRequest, type RespClient, type Word } from '../support/resp-client.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'

const { server, test } = serverSuite('rows of all BUCKET commands')

const idOf = (n: number): string => n.toString(16).padStart(24, '0')

/** A session that speaks JSON, and a bucket of `{_id, n}`, n from 1 up. */
async function open(bucket: string, count = 0, ...words: string[]): Promise<RespClient> {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', bucket, ...words)
  const documents = Array.from({ length: count }, (_, i) => `{"_id":"${idOf(i + 1)}","n":${i + 1}}`)
  if (count > 0) await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents)
  return client
}

test('QUERY is another name of BUCKET.QUERY', async () => {
  const client = await open('alias', 2)
  const [long, short] = [
    await client.call('BUCKET.QUERY', 'alias', '{"n":2}'),
    await client.call('query', 'alias', '{"n":2}', 'limit', '5'),
  ] as Map<string, unknown>[]
  assert.equal(short!.get('entries'), long!.get('entries'))
  assert.equal([long!.get('cursor_id'), short!.get('cursor_id')], [1, 2])
  assert.is(await client.error('QUERY', 'x'), "ERR wrong number of arguments for 'QUERY' command")
  await client.exchange(['BUCKET.CLOSE', 'QUERY', '2'], '+OK\r\n')
})

/** Fewest and most words of each command. */
const WORDS: readonly (readonly [name: string, min: number, max: number])[] = [
  ['CREATE', 1, Infinity],
  ['INSERT', 2, Infinity],
  ['QUERY', 2, Infinity],
  ['ADVANCE', 2, 2],
  ['UPDATE', 3, 10],
  ['DELETE', 2, 7],
  ['EXPLAIN', 2, Infinity],
  ['CLOSE', 2, 2],
  ['CURSORS', 0, 1],
  ['LIST', 0, 0],
  ['LOCATE', 1, 1],
  ['REMOVE', 1, 1],
  ['PURGE', 1, 1],
]

test('counts words, on the client port only', async () => {
  const client = await open('counted')
  const admin = await server.connectAdmin()
  for (const [name, min, max] of WORDS) {
    const command = `bucket.${name.toLowerCase()}`
    const error = `ERR wrong number of arguments for 'BUCKET.${name}' command`
    const words = (count: number) => Array<string>(count).fill('x')
    if (min > 0) assert.is(await client.error(command, ...words(min - 1)), error)
    if (max !== Infinity) assert.is(await client.error(command, ...words(max + 1)), error)
    assert.match(await admin.error(command, ...words(min)), /^ERR unknown command/)
  }
})

test('is refused inside MULTI', async () => {
  const client = await open('queued', 1)
  const requests = [
    ...WORDS.map(([name, min]) => [`BUCKET.${name}`, ...Array<string>(min).fill('x')]),
    ['BUCKET.INDEX', 'LIST', 'queued'],
    ['QUERY', 'queued', '{}'],
  ]
  for (const request of requests) {
    await client.call('MULTI')
    assert.is(await client.error(...request), 'ERR Redis compatibility required', request[0])
    assert.match(await client.error('EXEC'), /^EXECABORT /)
  }
})

const INTEGER = 'ERR value is not a int or out of range'
const OPTIONS: readonly (readonly [words: readonly string[], error: string])[] = [
  [['LIMIT', '2147483648'], INTEGER],
  [['LIMIT', '1.5'], INTEGER],
  [['LIMIT', ''], INTEGER],
  [['LIMIT', '2147483647'], 'ERR Maximum limit value is 10000'],
  [['limit', '-2147483648'], 'ERR LIMIT argument must be a non-negative integer'],
  [['LIMIT', '1', 'LIMIT'], 'ERR LIMIT argument must be followed by a positive integer'],
  [['sortby', 'n', 'Sideways'], 'ERR Invalid sort direction: SIDEWAYS'],
  [['RESULTSORT', 'n', 'x'], 'ERR Invalid sort direction: X'],
  [
    ['RESULTSORT', 'n', 'ASC', 'SORTBY', 'n', 'DESC'],
    "ERR SORTBY and RESULTSORT cannot use the same field: 'n'",
  ],
  [['{}'], "ERR Unknown '{}' argument"],
  [['LIMIT', '1', 'größe'], "ERR Unknown 'GRÖSSE' argument"],
  [['COLLATION', 'en'], 'ERR Invalid collation specification'],
]

test('options of QUERY and EXPLAIN are read alike', async () => {
  const client = await open('options', 3)
  for (const [words, error] of OPTIONS) {
    for (const name of ['BUCKET.QUERY', 'BUCKET.EXPLAIN']) {
      assert.is(await client.error(name, 'options', '{}', ...words), error)
    }
  }
  const unsupported = (word: string) => `ERR '${word}' is an unsupported argument`
  for (const word of ['SORTBY', 'RESULTSORT', 'PROJECTION']) {
    const typed = word.toLowerCase()
    assert.is(await client.error('BUCKET.DELETE', 'options', '{}', typed), unsupported(word))
  }
  assert.is(
    await client.error('BUCKET.DELETE', 'options', '{}', 'nothing'),
    "ERR Unknown 'NOTHING' argument",
  )
  assert.equal(await queryAll(client, 'options', '{"n":1}'), [{ _id: idOf(1), n: 1 }])
})

test('options come in any order, and of a repeated one the last counts', async () => {
  const client = await open('order', 4)
  const words = ['limit', '1', 'projection', '{"n":1}', 'ResultSort', 'n', 'asc', 'LIMIT', '3']
  const later = ['PROJECTION', '{"_id":0}', 'RESULTSORT', 'n', 'DESC']
  assert.equal(await textsOf(client, 'order', '{}', ...words, ...later), [
    '{"n": 3}',
    '{"n": 2}',
    '{"n": 1}',
  ])
})

test('a batch has fewer than 10,000 documents', async () => {
  const client = await open('limits', 3)
  const error = 'ERR Maximum limit value is 10000'
  const { items } = await batchOf(client, 'BUCKET.QUERY', 'limits', '{}', 'LIMIT', '9999')
  assert.is(items.length, 3)
  await client.call('SESSION.ATTRIBUTE', 'SET', 'limit', '10000')
  for (const words of [['QUERY'], ['DELETE'], ['EXPLAIN']]) {
    assert.is(await client.error(`BUCKET.${words[0]}`, 'limits', '{}'), error)
  }
  assert.is(await client.error('BUCKET.UPDATE', 'limits', '{}', '{}', 'LIMIT', '0'), error)
  const limited = await batchOf(client, 'BUCKET.QUERY', 'limits', '{}', 'LIMIT', '2')
  assert.is(limited.items.length, 2)
})

test('names of buckets are UTF-8, and their case counts', async () => {
  const client = await open('Straße ☕')
  await client.call('BUCKET.CREATE', 'STRASSE ☕')
  assert.is(
    await client.error('BUCKET.QUERY', 'straße ☕', '{}'),
    "NOSUCHBUCKET No such bucket: 'straße ☕'",
  )
  assert.match(await client.error('BUCKET.CREATE', ''), /^ERR /)
})

test('INSERT checks bucket, documents, ids of the batch, then ids of others', async () => {
  const client = await open('checks', 1, 'INDEXES', '{"n":{"bson_type":"int32","unique":true}}')
  const document = (id: number, n: number) => `{"_id":"${idOf(id)}","n":${n}}`
  const refused = (bucket: string, ...documents: string[]) =>
    client.error('BUCKET.INSERT', bucket, 'DOCS', ...documents)
  const twice = [document(7, 7), document(7, 8)]
  assert.is(await refused('absent', '{'), "NOSUCHBUCKET No such bucket: 'absent'")
  assert.is(
    await refused('checks', document(1, 1), ...twice, '{"_id":1}'),
    'ERR _id field must be of type ObjectId',
  )
  assert.is(
    await refused('checks', document(1, 1), ...twice),
    `DUPLICATEKEY Duplicate key: _id '${idOf(7)}'`,
  )
  assert.is(await refused('checks', document(1, 1)), `DUPLICATEKEY Duplicate key: _id '${idOf(1)}'`)
  assert.is(await refused('checks', document(2, 1)), "DUPLICATEKEY Duplicate key: 'n' 1")
  assert.is(
    await refused('checks', document(2, 2), document(3, 2)),
    "DUPLICATEKEY Duplicate key: 'n' 2",
  )
  assert.equal(await textsOf(client, 'checks', '{}'), ['{"n": 1}'])
})

test('takes at most 65,535 documents in a call, and no more in a transaction', async () => {
  const client = await open('many')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'bson')
  const insert = (count: number) => {
    const documents = Array<Buffer>(count).fill(Buffer.from(serialize({})))
    // As arguments of a function they would be too many.
    client.write(encodeRequest((['BUCKET.INSERT', 'many', 'DOCS'] as Word[]).concat(documents)))
    return client.read()
  }
  const { value } = await insert(65_536)
  assert.is(value, 'ERR too many entries in a single transaction')
  await client.call('BEGIN')
  assert.is((await insert(33_000)).type, '*')
  assert.is((await insert(33_000)).type, '*')
  assert.match(await client.error('COMMIT'), /^TRANSACTION_TOO_LARGE /)
  assert.equal(await textsOf(client, 'many', '{}'), [])
})

test('numbers cursors of all kinds in one row, those of failed executions included', async () => {
  const client = await open('numbered', 2, 'INDEXES', '{"n":{"bson_type":"int32","unique":true}}')
  const cursorOf = async (...words: string[]) => (await batchOf(client, ...words)).cursorId
  assert.is(await cursorOf('BUCKET.QUERY', 'numbered', '{"n":9}'), 1)
  assert.is(await cursorOf('BUCKET.UPDATE', 'numbered', '{"n":9}', '{}'), 2)
  assert.is(await cursorOf('BUCKET.DELETE', 'numbered', '{"n":9}'), 3)
  // Refused while planning: no number.
  for (const words of [['{'], ['{"$x":1}'], ['{}', 'LIMIT', '-1'], ['{}', 'SORTBY', 'x', 'ASC']]) {
    await client.error('BUCKET.QUERY', 'numbered', ...words)
  }
  await client.error('BUCKET.UPDATE', 'numbered', '{}', '{"$set":{"_id":1}}')
  await client.call('BUCKET.EXPLAIN', 'numbered', '{}')
  assert.is(await cursorOf('BUCKET.QUERY', 'numbered', '{}'), 4)
  // Refused while executing.
  await client.error('BUCKET.UPDATE', 'numbered', '{"n":1}', '{"$set":{"n":2}}')
  assert.is(await cursorOf('BUCKET.QUERY', 'numbered', '{}'), 6)
  const pools = (await client.call('BUCKET.CURSORS')) as Map<string, Map<number, string>>
  assert.equal(
    [...pools].map(([kind, pool]) => [kind, [...pool.keys()]]),
    [
      ['QUERY', [1, 4, 6]],
      ['UPDATE', [2, 5]],
      ['DELETE', [3]],
    ],
  )
  for (const [kind, id] of [
    ['UPDATE', '1'],
    ['QUERY', '2'],
    ['DELETE', '4'],
  ] as const) {
    assert.is(
      await client.error('BUCKET.ADVANCE', kind, id),
      `ERR No previous query context found for '${kind.toLowerCase()}' operation with the given ` +
        'cursor id',
    )
    assert.is(await client.error('BUCKET.CLOSE', kind, id), 'ERR no cursor found')
  }
})

test('a cursor keeps its limit and its namespace', async () => {
  const client = await open('held', 7)
  await client.call('SESSION.ATTRIBUTE', 'SET', 'limit', '2')
  const { cursorId } = await batchOf(client, 'BUCKET.QUERY', 'held', '{}')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'limit', '5')
  await client.call('NAMESPACE', 'CREATE', 'elsewhere')
  await client.call('NAMESPACE', 'USE', 'elsewhere')
  const { items } = await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', String(cursorId))
  assert.equal(
    items.map(item => JSON.parse(item.toString()).n),
    [3, 4],
  )
})

test('closes and lists cursors of buckets that are gone', async () => {
  const client = await open('gone', 1)
  const update = await batchOf(client, 'BUCKET.UPDATE', 'gone', '{}', '{"$set":{"x":1}}')
  await client.call('BUCKET.REMOVE', 'gone')
  const advance = ['BUCKET.ADVANCE', 'UPDATE', String(update.cursorId)]
  assert.is(await client.error(...advance), "BUCKETBEINGREMOVED Bucket 'gone' is being removed")
  await client.call('BUCKET.PURGE', 'gone')
  assert.is(await client.error(...advance), "NOSUCHBUCKET No such bucket: 'gone'")
  assert.equal(
    await client.call('BUCKET.CURSORS', 'UPDATE'),
    new Map([['UPDATE', new Map([[1, '{}']])]]),
  )
  await client.exchange(['BUCKET.CLOSE', 'update', '1'], '+OK\r\n')
})

test('a cursor keeps the SNAPSHOTREAD that it was made with', async () => {
  const client = await open('read', 3)
  const other = await useJson(await server.connect())
  const cursors: string[] = []
  for (const state of ['ON', 'OFF']) {
    await client.call('SNAPSHOTREAD', state)
    const query = ['BUCKET.QUERY', 'read', '{"n":{"$lt":4}}', 'LIMIT', '1']
    cursors.push(String((await batchOf(client, ...query)).cursorId))
  }
  await client.call('SNAPSHOTREAD', 'OFF')
  const commit = async (cursor: string): Promise<string> => {
    await client.call('BEGIN')
    await batchOf(client, 'BUCKET.ADVANCE', 'QUERY', cursor)
    await client.call('BUCKET.INSERT', 'read', 'DOCS', '{}')
    await batchOf(other, 'BUCKET.UPDATE', 'read', '{"n":2}', `{"$set":{"by":${cursor}}}`)
    const { value } = await client.frame('COMMIT')
    return String(value).split(' ')[0]!
  }
  assert.equal([await commit(cursors[0]!), await commit(cursors[1]!)], ['OK', 'NOT_COMMITTED'])
})

test('of two sessions with one unique value at most one commits', async () => {
  const index = '{"n":{"bson_type":"int32","unique":true}}'
  const client = await open('contested', 2, 'INDEXES', index)
  const other = await useJson(await server.connect())
  const insert = ['BUCKET.INSERT', 'contested', 'DOCS', '{"n":9}']
  for (const [i, update] of [
    insert,
    ['BUCKET.UPDATE', 'contested', '{"n":2}', '{"$set":{"n":9}}'],
  ].entries()) {
    await client.call('SNAPSHOTREAD', i === 0 ? 'ON' : 'OFF')
    await client.call('BEGIN')
    await client.call(...update)
    await other.call(...insert)
    assert.match(await client.error('COMMIT'), /^NOT_COMMITTED /)
    assert.is(await client.error(...update), "DUPLICATEKEY Duplicate key: 'n' 9")
    assert.is((await batchOf(other, 'BUCKET.DELETE', 'contested', '{"n":9}')).items.length, 1)
  }
  assert.equal(await textsOf(client, 'contested', '{}'), ['{"n": 1}', '{"n": 2}'])
})

test('an open transaction reads its own writes through indexes', async () => {
  const client = await open('own', 3, 'INDEXES', '{"n":{"bson_type":"int32"}}')
  const other = await useJson(await server.connect())
  const numbers = async (reader: RespClient, ...words: string[]): Promise<unknown[]> =>
    (await queryAll(reader, 'own', '{"n":{"$gte":2}}', ...words)).map(({ n }) => n)
  await client.call('BEGIN')
  await client.call('BUCKET.INSERT', 'own', 'DOCS', '{"n":5}')
  await batchOf(client, 'BUCKET.UPDATE', 'own', '{"n":1}', '{"$set":{"n":7}}')
  await batchOf(client, 'BUCKET.DELETE', 'own', '{"n":3}')
  assert.equal(await numbers(client, 'SORTBY', 'n', 'DESC'), [7, 5, 2])
  assert.equal(await numbers(other), [2, 3])
  await client.call('COMMIT')
  assert.equal(await numbers(other), [2, 5, 7])
})

test('a member without a shard of the bucket names the one that writes', () =>
  withTestServer([], first =>
    withTestServer(first.storeSettings, async second => {
      const [one, other] = [
        await useJson(await first.connect()),
        await useJson(await second.connect()),
      ]
      await one.call('BUCKET.CREATE', 'elsewhere', 'INDEXES', '{"n":{"bson_type":"int32"}}')
      const reject = `REJECT 0 127.0.0.1:${first.clientPort}`
      const upsert = '{"$set":{"n":1},"upsert":true}'
      for (const words of [
        ['BUCKET.INSERT', 'elsewhere', 'DOCS', '{"n":1}'],
        ['BUCKET.INSERT', 'elsewhere', 'DOCS', '{'],
        ['BUCKET.UPDATE', 'elsewhere', '{"n":1}', upsert],
        ['BUCKET.UPDATE', 'elsewhere', '{"n":{"$in":[]}}', '{}'],
      ]) {
        assert.is(await other.error(...words), reject, words.join(' '))
      }
      assert.equal(await other.call('BUCKET.CURSORS', 'UPDATE'), ['UPDATE', []])
      assert.equal(await queryAll(one, 'elsewhere', '{}'), [])
      // What needs no body goes anywhere.
      assert.equal(await queryAll(other, 'elsewhere', '{"n":1}'), [])
      assert.is((await batchOf(other, 'BUCKET.DELETE', 'elsewhere', '{"n":1}')).items.length, 0)
      assert.equal(await other.call('BUCKET.LIST'), ['elsewhere'])
    }),
  ))

test('answers the sample of the contract', async () => {
  const client = await useJson(await server.connect(3))
  await client.call('BUCKET.CREATE', 't')
  const documents = [1, 2, 3].map(n => `{"_id": "${idOf(n)}"}`)
  await client.call('BUCKET.INSERT', 't', 'DOCS', ...documents)
  const says = async (words: string[], ...reply: [string, Data][]) => {
    assert.equal(await client.call(...words), new Map(reply))
  }
  const [first, second, third] = documents as [string, string, string]
  await says(
    ['BUCKET.QUERY', 't', '{}', 'LIMIT', '2'],
    ['cursor_id', 1],
    ['entries', [first, second]],
  )
  await says(['BUCKET.DELETE', 't', '{"x": 1}'], ['cursor_id', 2], ['object_ids', []])
  await says(
    ['BUCKET.CURSORS'],
    ['QUERY', new Map([[1, '{}']])],
    ['UPDATE', new Map()],
    ['DELETE', new Map([[2, '{"x": 1}']])],
  )
  const advance = ['BUCKET.ADVANCE', 'QUERY', '1']
  await says(advance, ['cursor_id', 1], ['entries', [third]])
  await says(advance, ['cursor_id', 1], ['entries', []])
  await client.exchange(['BUCKET.CLOSE', 'QUERY', '1'], '+OK\r\n')
  await client.exchange(['BUCKET.CLOSE', 'QUERY', '1'], '-ERR no cursor found\r\n')
})

test('makes ids of the time, of the process, and of a counter', async () => {
  const client = await open('ids')
  const before = Math.floor(Date.now() / 1_000)
  const insert = ['BUCKET.INSERT', 'ids', 'docs', '{}', `{"_id":{"$oid":"${idOf(1)}"}}`, '{}']
  const [first, given, last] = (await client.call(...insert)) as [string, string, string]
  assert.is(given, idOf(1))
  for (const id of [first, last]) {
    const seconds = Number.parseInt(id.slice(0, 8), 16)
    assert.ok(before <= seconds && seconds <= Math.floor(Date.now() / 1_000))
  }
  assert.is(first.slice(8, 18), last.slice(8, 18))
  assert.ok(first < last)
})

test('an update passes over what is as it should be, a batch at a time', async () => {
  const client = await open('skipped', 5)
  const update = (filter: string) =>
    batchOf(client, 'BUCKET.UPDATE', 'skipped', filter, '{"$set":{"x":1}}', 'LIMIT', '2')
  assert.is((await update(`{"_id":"${idOf(1)}"}`)).items.length, 1)
  const { cursorId, items } = await update('{}')
  assert.equal(items.map(String), [idOf(2)])
  const next = await batchOf(client, 'BUCKET.ADVANCE', 'UPDATE', String(cursorId))
  assert.equal(next.items.map(String), [idOf(3), idOf(4)])
})

test.run()
