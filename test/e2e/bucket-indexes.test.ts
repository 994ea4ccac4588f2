/** BUCKET.INDEX, and BUCKET.CREATE with indexes and collation, through a socket. */
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { type Data, type RespClient, toData } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('bucket indexes')

const AGE = '{"age": {"bson_type": "int32"}}'
const BY_AGE = 'selector:age.bsonType:INT32'
const PEOPLE = `{
  "age": {"bson_type": "int32"},
  "name": {"bson_type": "string", "unique": true, "name": "by-name"},
  "$compound": [{"name": "both", "fields": [
    {"selector": "name", "bson_type": "string"}, {"selector": "age", "bson_type": "int32"}]}]}`

/** A bulk as it is sent. */
const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`

const names = (client: RespClient, bucket: string): Promise<Data> =>
  client.call('BUCKET.INDEX', 'LIST', bucket)

async function describe(
  client: RespClient,
  bucket: string,
  name: string,
): Promise<Map<Data, Data>> {
  return (await client.call('BUCKET.INDEX', 'DESCRIBE', bucket, name)) as Map<Data, Data>
}

test('indexes of a new bucket are READY at once', async () => {
  const client = await server.connect(3)
  const collation = '{"locale": "en", "strength": 2}'
  await client.call('BUCKET.CREATE', 'new', 'INDEXES', PEOPLE, 'COLLATION', collation)
  assert.equal(await names(client, 'new'), ['both', 'by-name', 'primary-index', BY_AGE])
  for (const name of (await names(client, 'new')) as string[]) {
    assert.is((await describe(client, 'new', name)).get('status'), 'READY')
    assert.equal(await client.call('BUCKET.INDEX', 'TASKS', 'new', name), new Map())
  }
})

test('describes indexes byte for byte in both protocols', async () => {
  const client = await server.connect(2)
  await client.call('BUCKET.CREATE', 'exact', 'INDEXES', PEOPLE, 'COLLATION', '{"locale": "en"}')
  const flat = (await client.call('BUCKET.INDEX', 'DESCRIBE', 'exact', 'both')) as Data[]
  assert.equal(flat, [
    ...['index_type', 'compound', 'id', flat[3]],
    'fields',
    [
      ['selector', 'name', 'bson_type', 'STRING'],
      ['selector', 'age', 'bson_type', 'INT32'],
    ],
    ...['status', 'READY', 'unique', 0],
    'collation',
    [
      ...['locale', 'en', 'strength', 3, 'case_level', 0, 'case_first', 'off'],
      ...['numeric_ordering', 0, 'alternate', 'non-ignorable', 'backwards', 0],
      ...['normalization', 0, 'max_variable', 'punct'],
    ],
    'statistics',
    ['cardinality', 0],
  ])
  assert.match(String(flat[3]), /^-?\d+$/)
  await client.exchange(
    ['BUCKET.INDEX', 'DESCRIBE', 'exact', 'primary-index'],
    `*16\r\n${bulk('index_type')}${bulk('single_field')}${bulk('id')}:0\r\n` +
      `${bulk('selector')}${bulk('_id')}${bulk('bson_type')}${bulk('OBJECT_ID')}` +
      `${bulk('status')}${bulk('READY')}${bulk('unique')}:1\r\n` +
      `${bulk('collation')}*0\r\n${bulk('statistics')}*2\r\n${bulk('cardinality')}:0\r\n`,
  )
  await client.call('HELLO', '3')
  await client.exchange(
    ['BUCKET.INDEX', 'DESCRIBE', 'exact', 'primary-index'],
    `%8\r\n${bulk('index_type')}${bulk('single_field')}${bulk('id')}:0\r\n` +
      `${bulk('selector')}${bulk('_id')}${bulk('bson_type')}${bulk('OBJECT_ID')}` +
      `${bulk('status')}${bulk('READY')}${bulk('unique')}#t\r\n` +
      `${bulk('collation')}%0\r\n${bulk('statistics')}%1\r\n${bulk('cardinality')}:0\r\n`,
  )
  const both = await describe(client, 'exact', 'both')
  assert.is(both.get('id'), flat[3])
  assert.equal(both.get('fields'), [
    new Map([
      ['selector', 'name'],
      ['bson_type', 'STRING'],
    ]),
    new Map([
      ['selector', 'age'],
      ['bson_type', 'INT32'],
    ]),
  ])
  const collation = both.get('collation') as Map<Data, Data>
  assert.is(collation.get('strength'), 3)
  assert.is(collation.get('backwards'), false)
  assert.equal(
    [...collation.keys()],
    [
      ...['locale', 'strength', 'case_level', 'case_first', 'numeric_ordering'],
      ...['alternate', 'backwards', 'normalization', 'max_variable'],
    ],
  )
  const age = await describe(client, 'exact', BY_AGE)
  assert.equal(
    [...age.keys()],
    [
      ...['index_type', 'id', 'selector', 'bson_type', 'status', 'unique', 'collation'],
      'statistics',
    ],
  )
  assert.equal(age.get('collation'), new Map())
  assert.is((await describe(client, 'exact', 'by-name')).get('unique'), true)
})

test('indexes are named by their types, in both protocols', async () => {
  const [mapped, flat] = [await server.connect(3), await server.connect(2)]
  const types = [
    ['string', 'STRING'],
    ['Int32', 'INT32'],
    ['INT64', 'INT64'],
    ['double', 'DOUBLE'],
    ['boolean', 'BOOLEAN'],
    ['dateTime', 'DATE_TIME'],
    ['timestamp', 'TIMESTAMP'],
    ['binary', 'BINARY'],
    ['objectid', 'OBJECT_ID'],
  ] as const
  const singles = types.map(([type]) => [`a.${type}`, { bson_type: type, ignored: 1 }])
  const fields = types.map(([type]) => ({ selector: type, bson_type: type, ignored: 1 }))
  const schema = { $compound: [{ fields }], ...Object.fromEntries(singles) }
  await mapped.call('BUCKET.CREATE', 'named')
  await mapped.call('BUCKET.INDEX', 'CREATE', 'named', JSON.stringify(schema))
  const expected = [
    'primary-index',
    ...types.map(([type, shown]) => `selector:a.${type}.bsonType:${shown}`),
    `compound:${types.map(([type, shown]) => `${type}.${shown}`).join('_')}`,
  ]
  for (const client of [mapped, flat])
    assert.equal(await names(client, 'named'), expected.toSorted())
  for (const [type, shown] of types) {
    const index = await describe(mapped, 'named', `selector:a.${type}.bsonType:${shown}`)
    assert.equal([index.get('selector'), index.get('bson_type')], [`a.${type}`, shown])
  }
})

test('a schema with a mistake makes none of its indexes', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'whole', 'INDEXES', AGE)
  const compound = '[{"fields": [{"selector": "a", "bson_type": "int32"}]}]'
  const mistakes: readonly [schema: string, error: string][] = [
    ['{"b": {"bson_type": "int32"}, "c": {"bson_type": "decimal128"}}', 'Creating indexes on'],
    [`{"b": {"bson_type": "int32"}, "$compound": ${compound}}`, 'Compound index requires'],
    ['{"b": {"bson_type": "int32"}, "age": {"bson_type": "string"}}', "An index on field 'age'"],
    ['{"b": {"bson_type": "int32"}, "$hashed": {}}', 'Unknown directive: $hashed'],
    ['{"b": {"bson_type": "int32", "unique": true, "multi_key": true}}', 'A unique index cannot'],
  ]
  for (const [schema, error] of mistakes) {
    const created = await client.error('BUCKET.INDEX', 'CREATE', 'whole', schema)
    assert.ok(created.startsWith(`ERR ${error}`), `${schema}: ${created}`)
    if (schema.includes('"age"')) continue
    assert.is(await client.error('BUCKET.CREATE', 'none', 'INDEXES', schema), created)
  }
  assert.equal(await names(client, 'whole'), ['primary-index', BY_AGE])
  assert.not(((await client.call('BUCKET.LIST')) as string[]).includes('none'))
})

test('an index has its own collation, or that of the bucket when it was made', async () => {
  const client = await server.connect(3)
  const strengthOf = async (name: string): Promise<Data> => {
    const collation = (await describe(client, 'collated', name)).get('collation')
    return (collation as Map<Data, Data>).get('strength') ?? 'none'
  }
  await client.call('BUCKET.CREATE', 'collated', 'COLLATION', '{"locale":"en","strength":2}')
  const schema = `{
    "a": {"bson_type": "string", "name": "inherited"},
    "b": {"bson_type": "string", "name": "own", "collation": {"locale":"en","strength":1}},
    "c": {"bson_type": "int32", "name": "number"}}`
  await client.call('BUCKET.INDEX', 'CREATE', 'collated', schema)
  assert.is(await strengthOf('inherited'), 2)
  assert.is(await strengthOf('own'), 1)
  assert.is(await strengthOf('number'), 'none')
})

test('IF-NOT-EXISTS leaves a bucket as it is', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'kept', 'INDEXES', AGE)
  const other = ['INDEXES', '{"$wrong": 1}', 'COLLATION', '{"locale": "en"}']
  await client.exchange(['BUCKET.CREATE', 'kept', 'if-not-exists', ...other], '+OK\r\n')
  assert.equal(await names(client, 'kept'), ['primary-index', BY_AGE])
})

test('words belong to their keyword, and of several the last one counts', async () => {
  const client = await server.connect(3)
  const [first, last] = ['{"locale": "xx", "strength": 1}', '{"locale": "en", "strength": 4}']
  await client.call(
    'BUCKET.CREATE',
    'last',
    ...['indexes', AGE, '{"s": {"bson_type": "string", "name": "s"}}'],
    ...['collation', first, 'shards', '0', 'collation', last],
  )
  assert.equal(await names(client, 'last'), ['primary-index', 's'])
  const { collation } = Object.fromEntries(await describe(client, 'last', 's'))
  assert.is((collation as Map<Data, Data>).get('strength'), 4)
})

test('checks shards, then collation, existence and schema', async () => {
  const client = await server.connect()
  await client.call('BUCKET.CREATE', 'there')
  const words = ['SHARDS', '9999', 'INDEXES', '{}', 'COLLATION', '{}']
  const errors: string[] = []
  const attempt = async (bucket: string): Promise<void> => {
    errors.push(await client.error('BUCKET.CREATE', bucket, ...words))
  }
  await attempt('there')
  words[1] = '0'
  await attempt('there')
  words[5] = '{"locale": "en"}'
  await attempt('there')
  await attempt('absent')
  assert.equal(errors, [
    'ERR No route found for Bucket shard: 9999',
    "ERR Collation 'locale' is required",
    'BUCKETALREADYEXISTS Bucket already exists: there',
    'ERR Index schemas cannot be empty',
  ])
  assert.not(((await client.call('BUCKET.LIST')) as string[]).includes('absent'))
})

test('an index that is added becomes known at once, and is kept over a restart', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'added')
  await client.call('BEGIN')
  await client.call('BUCKET.INDEX', 'CREATE', 'added', AGE)
  await client.call('ROLLBACK')
  assert.equal(await names(client, 'added'), ['primary-index', BY_AGE])
  const before = await describe(client, 'added', BY_AGE)
  await server.restart()
  const again = await server.connect(3)
  const after = await describe(again, 'added', BY_AGE)
  assert.is(after.get('id'), before.get('id'))
  const taken = `ERR An index on field 'age' already exists`
  assert.is(await again.error('BUCKET.INDEX', 'CREATE', 'added', AGE), taken)
})

test('a dropped index is DROPPED, or gone', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'dropped', 'INDEXES', PEOPLE)
  assert.is(await client.call('BUCKET.INDEX', 'DROP', 'dropped', BY_AGE), 'OK')
  const frame = await client.frame('BUCKET.INDEX', 'DESCRIBE', 'dropped', BY_AGE)
  // Its entries may be deleted by now, and the index with them.
  if (frame.type === '%') assert.is((toData(frame) as Map<Data, Data>).get('status'), 'DROPPED')
  const gone = [
    "ERR Index is already in the 'DROPPED' status",
    `NOSUCHINDEX No such index: '${BY_AGE}'`,
  ]
  assert.ok(gone.includes(await client.error('BUCKET.INDEX', 'DROP', 'dropped', BY_AGE)))
  assert.ok(((await names(client, 'dropped')) as string[]).includes('both'))
})

test('counts documents in the primary index', async () => {
  const client = await useJson(await server.connect(3))
  const cardinality = async (): Promise<Data> => {
    const statistics = (await describe(client, 'counted', 'primary-index')).get('statistics')
    return (statistics as Map<Data, Data>).get('cardinality')!
  }
  await client.call('BUCKET.CREATE', 'counted')
  await client.call('BUCKET.INSERT', 'counted', 'DOCS', '{"n": 1}', '{"n": 2}', '{"n": 3}')
  assert.is(await cardinality(), 3)
  await client.call('BEGIN')
  await client.call('BUCKET.INSERT', 'counted', 'DOCS', '{"n": 4}')
  await client.call('ROLLBACK')
  assert.is(await cardinality(), 3)
  await client.call('BUCKET.DELETE', 'counted', '{"n": {"$gte": 2}}')
  assert.is(await cardinality(), 1)
  assert.is((await queryAll(client, 'counted', '{}')).length, 1)
})

test('of two sessions that make one index one does', async () => {
  const clients = [await server.connect(), await server.connect()]
  await clients[0]!.call('BUCKET.CREATE', 'contested')
  const frames = await Promise.all(
    clients.map(client => client.frame('BUCKET.INDEX', 'CREATE', 'contested', AGE)),
  )
  const replies = frames.map(({ value }) => String(value)).sort()
  assert.equal(replies, ["ERR An index on field 'age' already exists", 'OK'])
})

test('writers go on while indexes are added and dropped', async () => {
  const admin = await server.connect(3)
  await admin.call('BUCKET.CREATE', 'busy', 'INDEXES', AGE)
  let isOver = false
  const write = async (): Promise<number> => {
    const client = await useJson(await server.connect())
    let count = 0
    while (!isOver) {
      const { type, value } = await client.frame('BUCKET.INSERT', 'busy', 'DOCS', '{"age": 1}')
      // The server repeats an insertion that meets a change, but not for ever.
      if (type === '*') count++
      else assert.match(String(value), /^NOT_COMMITTED /)
    }
    return count
  }
  const writers = Array.from({ length: 4 }, write)
  for (let i = 0; i < 20; i++) {
    await admin.call('BUCKET.INDEX', 'CREATE', 'busy', `{"f${i}": {"bson_type": "int32"}}`)
  }
  await admin.call('BUCKET.INDEX', 'DROP', 'busy', BY_AGE)
  isOver = true
  const written = (await Promise.all(writers)).reduce((total, count) => total + count, 0)
  const primary = await describe(admin, 'busy', 'primary-index')
  assert.equal(primary.get('statistics'), new Map([['cardinality', written]]))
  assert.ok(((await names(admin, 'busy')) as string[]).length >= 21)
})

test('a transaction that wrote before a new index cannot be committed behind it', async () => {
  const [writer, admin] = [await useJson(await server.connect()), await server.connect()]
  await admin.call('BUCKET.CREATE', 'late')
  await writer.call('BEGIN')
  await writer.call('BUCKET.INSERT', 'late', 'DOCS', '{"age": 1}')
  await admin.call('BUCKET.INDEX', 'CREATE', 'late', AGE)
  assert.match(await writer.error('COMMIT'), /^NOT_COMMITTED /)
})

test('answers mistakes with the documented texts', async () => {
  const client = await server.connect()
  await client.call('BUCKET.CREATE', 'wrong', 'INDEXES', PEOPLE)
  const arity = 'ERR wrong number of parameters'
  const cases: [words: string[], error: string][] = [
    [[], "ERR wrong number of arguments for 'BUCKET.INDEX' command"],
    [['foo'], "ERR unknown subcommand: 'foo'"],
    [['CREATE', 'wrong'], arity],
    [['CREATE', 'wrong', AGE, 'more'], arity],
    [['list'], arity],
    [['LIST', 'wrong', 'more'], arity],
    [['DESCRIBE', 'wrong'], arity],
    [['DROP', 'wrong'], arity],
    [['TASKS', 'wrong'], arity],
    [['ANALYZE', 'wrong'], arity],
    [['CREATE', 'none', AGE], "NOSUCHBUCKET No such bucket: 'none'"],
    [['LIST', 'none'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['DESCRIBE', 'none', 'i'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['DROP', 'none', 'i'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['TASKS', 'none', 'i'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['ANALYZE', 'none', 'i'], "NOSUCHBUCKET No such bucket: 'none'"],
    [['DESCRIBE', 'wrong', 'i'], "NOSUCHINDEX No such index: 'i'"],
    [['DROP', 'wrong', 'i'], "NOSUCHINDEX No such index: 'i'"],
    [['TASKS', 'wrong', 'i'], "NOSUCHINDEX No such index: 'i'"],
    [['ANALYZE', 'wrong', 'i'], "NOSUCHINDEX No such index: 'i'"],
    [['DROP', 'wrong', 'primary-index'], 'ERR Cannot drop the primary index'],
    [['CREATE', 'wrong', '{}'], 'ERR Index schemas cannot be empty'],
    [['CREATE', 'wrong', '{"$vector": {}}'], 'ERR Unknown directive: $vector'],
    [['CREATE', 'wrong', AGE], "ERR An index on field 'age' already exists"],
    [
      ['CREATE', 'wrong', '{"x": {"bson_type": "int32", "name": "both"}}'],
      "ERR 'both' has already exist",
    ],
  ]
  for (const [words, error] of cases) {
    assert.is(await client.error('BUCKET.INDEX', ...words), error)
  }
  const create: [words: string[], error: string][] = [
    [['INDEXES'], 'ERR INDEXES argument must be followed by an index schema'],
    [['COLLATION'], 'ERR COLLATION argument must be followed by a collation specification'],
    [['INDEXES', AGE, 'SHARDS', AGE], 'ERR value is not a int or out of range'],
    [['SHARDS', '-1'], 'ERR No route found for Bucket shard: -1'],
    [['IF-NOT-EXISTS', 'x'], "ERR Unknown 'x' argument"],
    [['COLLATION', '{"locale": "en", "x": 1}'], 'ERR Unknown collation field: x'],
  ]
  for (const [words, error] of create) {
    assert.is(await client.error('BUCKET.CREATE', 'refused', ...words), error)
  }
  const long = `{"${'x'.repeat(100_000)}": {"bson_type": "int32"}}`
  assert.match(await client.error('BUCKET.INDEX', 'CREATE', 'wrong', long), /^VALUE_TOO_LARGE /)
  assert.is(((await names(client, 'wrong')) as string[]).length, 4)
  await client.call('MULTI')
  assert.is(await client.error('BUCKET.INDEX', 'LIST', 'wrong'), MULTI_REFUSAL)
})

const MULTI_REFUSAL = 'ERR Redis compatibility required'

test('ANALYZE is taken, and its task is shown', async () => {
  const client = await server.connect(3)
  await client.call('BUCKET.CREATE', 'analyzed', 'INDEXES', AGE)
  assert.is(await client.call('BUCKET.INDEX', 'ANALYZE', 'analyzed', BY_AGE), 'OK')
  const tasks = (await client.call('BUCKET.INDEX', 'TASKS', 'analyzed', BY_AGE)) as Map<Data, Data>
  for (const [id, task] of tasks) {
    assert.match(String(id), /^[0-9A-V]{20}xxxx$/)
    assert.equal([...(task as Map<Data, Data>).keys()], ['kind', 'status', 'error'])
    assert.is((task as Map<Data, Data>).get('kind'), 'ANALYZE')
  }
})

test.run()
