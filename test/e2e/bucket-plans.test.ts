/** Plans through a socket: every kind of node in both protocols, and which plans are remembered. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { useJson } from '../support/bucket.js'
import { createIndexes, insertAll, untilStatus } from '../support/indexes.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('plans of queries')

const COLLATION = { locale: 'en', strength: 2 }
const INDEXES = JSON.stringify({
  n: { bson_type: 'int32', name: 'n' },
  tags: { bson_type: 'int32', name: 'tags', multi_key: true },
  s: { bson_type: 'string', name: 's', collation: COLLATION },
  'items.q': { bson_type: 'int32', name: 'q' },
  $compound: [
    {
      name: 'ab',
      fields: [
        { selector: 'a', bson_type: 'string' },
        { selector: 'b', bson_type: 'int32' },
      ],
    },
  ],
})

/** A reply as it is written below: maps as arrays that begin with `map`. */
type Shown = readonly Shown[] | string | number | boolean | null

function shown(data: Data): Shown {
  if (data instanceof Map) return ['map', ...[...data].flat().map(shown)]
  return Array.isArray(data) ? data.map(shown) : (data as Shown)
}

/** What RESP2 has in place of it: flat arrays, 1 and 0. */
function flat(value: Shown): Shown {
  if (typeof value === 'boolean') return Number(value)
  if (!Array.isArray(value)) return value
  return (value[0] === 'map' ? value.slice(1) : value).map(flat)
}

const param = (n: number): string => `Param[ref=ParamRef[index=${n}]]`
const predicate = (selector: string, operator: string, operand: string): Shown => {
  return [
    'map',
    'type',
    'PREDICATE',
    'selector',
    selector,
    'operator',
    operator,
    ...['operand', operand],
  ]
}
const node = (nodeType: string, id: number, ...rest: Shown[]): Shown => {
  return ['map', 'planner_version', 1, 'nodeType', nodeType, 'id', id, ...rest]
}
const indexScan = (
  id: number,
  name: string,
  operator: string,
  operand: number,
  ...rest: Shown[]
) => {
  const head = ['scanType', 'INDEX_SCAN', 'index', name, 'selector', name]
  return node('IndexScan', id, ...head, 'operator', operator, 'operand', param(operand), ...rest)
}
const full = (id: number, ...rest: Shown[]): Shown => {
  return node('FullScan', id, 'scanType', 'FULL_SCAN', 'index', 'primary-index', ...rest)
}
const residual = (id: number, rest: Shown): Shown => {
  return node('TransformWithResidualPredicate', id, 'operation', 'FILTER', 'predicate', rest)
}
const range = (name: string, ...rest: Shown[]): Shown => {
  const head = ['scanType', 'RANGE_SCAN', 'index', name, 'selector', name]
  return node('RangeScan', 1, ...head, ...rest)
}
const SHOWN_COLLATION: Shown = ['map', 'locale', 'en', 'strength', 2]

/** Filters with options, and the member `plan` of the reply. */
const PLANS: readonly [filter: object, options: readonly string[], plan: Shown][] = [
  [{}, [], full(1, 'predicate', ['map', 'type', 'ALWAYS_TRUE'])],
  [{ x: 1 }, [], full(1, 'predicate', predicate('x', 'EQ', param(0)))],
  [{ n: { $in: [] } }, [], ['map', 'planner_version', 1]],
  [{ n: 1 }, [], indexScan(1, 'n', 'EQ', 0)],
  [{ n: null }, [], indexScan(1, 'n', 'EQ', 0)],
  [{ n: { $gt: 1 } }, [], indexScan(1, 'n', 'GT', 0)],
  [{ n: { $gte: 1 } }, [], indexScan(1, 'n', 'GTE', 0)],
  [{ n: { $lt: 1 } }, [], indexScan(1, 'n', 'LT', 0)],
  [{ n: { $lte: 1 } }, [], indexScan(1, 'n', 'LTE', 0)],
  [{ n: { $ne: 1 } }, [], indexScan(1, 'n', 'NE', 0)],
  [{ tags: { $ne: 1 } }, [], full(1, 'predicate', predicate('tags', 'NE', param(0)))],
  [{ s: 'a' }, [], indexScan(1, 's', 'EQ', 0, 'index_collation', SHOWN_COLLATION)],
  [
    { s: 'a' },
    ['COLLATION', '{"locale": "en"}'],
    full(
      1,
      'predicate',
      predicate('s', 'EQ', param(0)),
      'collation_mismatch',
      true,
      ...['rejected_index', 's'],
    ),
  ],
  [
    { n: { $gt: 1, $lte: 5 } },
    [],
    range(
      'n',
      'lowerBound',
      param(0),
      'upperBound',
      param(1),
      'includeLower',
      false,
      'includeUpper',
      true,
    ),
  ],
  [
    {},
    ['SORTBY', 'n', 'DESC'],
    range(
      'n',
      'lowerBound',
      null,
      'upperBound',
      null,
      'includeLower',
      false,
      'includeUpper',
      false,
    ),
  ],
  [
    { a: 'x', b: { $gt: 1 } },
    [],
    node('CompoundIndexScan', 1, 'scanType', 'COMPOUND_INDEX_SCAN', 'index', 'ab', 'filters', [
      ['map', 'selector', 'a', 'operator', 'EQ', 'operand', param(0)],
      ['map', 'selector', 'b', 'operator', 'GT', 'operand', param(1)],
    ]),
  ],
  [
    { n: { $in: [1, 2] } },
    [],
    node('Union', 1, 'operation', 'UNION', 'children', [
      indexScan(2, 'n', 'EQ', 0),
      indexScan(3, 'n', 'EQ', 1),
    ]),
  ],
  [
    { n: { $in: [1, 2] } },
    ['SORTBY', 'n', 'ASC'],
    node('OrderedConcat', 1, 'operation', 'ORDERED_CONCAT', 'children', [
      indexScan(2, 'n', 'EQ', 0),
      indexScan(3, 'n', 'EQ', 1),
    ]),
  ],
  [
    { $or: [{ n: 1 }, { x: 1 }] },
    [],
    node('Union', 1, 'operation', 'UNION', 'children', [
      indexScan(2, 'n', 'EQ', 0),
      full(3, 'predicate', predicate('x', 'EQ', param(1))),
    ]),
  ],
  [
    { n: 1, x: { $in: [1, 'a'] } },
    [],
    indexScan(
      1,
      'n',
      'EQ',
      0,
      'next',
      residual(2, [
        'map',
        'type',
        'AND',
        'children',
        [predicate('x', 'IN', 'ParamList[refs=[ParamRef[index=1], ParamRef[index=2]]]')],
      ]),
    ),
  ],
  [
    { $or: [{ x: { $exists: true } }, { y: { $size: 1 } }, { z: { $not: { $gt: 1 } } }] },
    [],
    full(1, 'predicate', [
      'map',
      'type',
      'OR',
      'children',
      [
        predicate('x', 'EXISTS', 'Literal[value=BooleanVal[value=true]]'),
        predicate('y', 'SIZE', param(1)),
        ['map', 'type', 'UNKNOWN'],
      ],
    ]),
  ],
  [
    { items: { $elemMatch: { q: 1 } } },
    [],
    node(
      'IndexScan',
      1,
      'scanType',
      'INDEX_SCAN',
      'index',
      'q',
      'selector',
      'q',
      'operator',
      'EQ',
      'operand',
      param(0),
      'next',
      residual(2, ['map', 'type', 'UNKNOWN']),
    ),
  ],
  [
    { tags: { $elemMatch: { $gt: 1 } } },
    [],
    node(
      'IndexScan',
      1,
      'scanType',
      'INDEX_SCAN',
      'index',
      'tags',
      'selector',
      '',
      'operator',
      'GT',
      'operand',
      param(0),
      'next',
      residual(2, ['map', 'type', 'UNKNOWN']),
    ),
  ],
  [
    { _id: '0123456789abcdef01234567' },
    [],
    node(
      'IndexScan',
      1,
      'scanType',
      'INDEX_SCAN',
      'index',
      'primary-index',
      'selector',
      '_id',
      'operator',
      'EQ',
      'operand',
      param(0),
    ),
  ],
]

async function open(bucket: string, protocol: 2 | 3 = 3): Promise<RespClient> {
  const client = await useJson(await server.connect(protocol))
  await client.call('BUCKET.CREATE', bucket, 'INDEXES', INDEXES, 'IF-NOT-EXISTS')
  return client
}

test('shows every kind of node, as maps or as flat arrays', async () => {
  const [mapped, flattened] = [await open('nodes', 3), await open('nodes', 2)]
  for (const [filter, options, plan] of PLANS) {
    const words = ['BUCKET.EXPLAIN', 'nodes', JSON.stringify(filter), ...options]
    const collation = options.includes('COLLATION')
      ? ['query_collation', ['map', 'locale', 'en', 'strength', 3]]
      : []
    const whole = ['map', 'is_cached', false, ...collation, 'plan', plan]
    const title = words.join(' ')
    assert.equal(shown(await mapped.call(...words)), whole, title)
    assert.equal(await flattened.call(...words), flat(whole), title)
  }
})

/** Whether the plan of a query is remembered. */
async function isCached(client: RespClient, ...words: string[]): Promise<Data> {
  const reply = (await client.call('BUCKET.EXPLAIN', ...words)) as Map<Data, Data>
  return reply.get('is_cached')!
}

/** A query that is executed, and another: does it find the plan? Words are those behind the
 *  bucket. */
const SHAPES: readonly [executed: string[], asked: string[], isFound: boolean][] = [
  [['{"n": 1}'], ['{"n": 2}'], true],
  [['{"n": 1}', 'LIMIT', '1'], ['{"n": 1}', 'LIMIT', '7'], true],
  [['{"n": 1}'], ['{"n": 1}', 'RESULTSORT', 'x', 'ASC'], true],
  [['{"n": 1}'], ['{"n": 1}', 'PROJECTION', '{"n": 1}'], true],
  [['{}', 'SORTBY', 'n', 'ASC'], ['{}', 'SORTBY', 'n', 'DESC'], true],
  [['{"n": 1, "a": "x"}'], ['{"a": "y", "n": 2}'], true],
  [['{"$or": [{"n": 1}, {"x": 1}]}'], ['{"$or": [{"x": 2}, {"n": 2}]}'], true],
  [['{"n": {"$in": [1, 2]}}'], ['{"n": {"$in": [3, 4]}}'], true],
  [['{"n": 1}'], ['{"n": {"$gt": 1}}'], false],
  [['{"n": 1}'], ['{"x": 1}'], false],
  [['{"n": 1}'], ['{"n": "1"}'], false],
  [['{"n": {"$in": [1, 2]}}'], ['{"n": {"$in": [1, 2, 3]}}'], false],
  [['{"n": {"$in": [1, 2]}}'], ['{"n": {"$in": [1, "a"]}}'], false],
  [['{"n": {"$exists": true}}'], ['{"n": {"$exists": false}}'], false],
  [['{"n": 1, "x": 1}'], ['{"$or": [{"n": 1}, {"x": 1}]}'], false],
  [['{}', 'SORTBY', 'n', 'ASC'], ['{}', 'SORTBY', 'tags', 'ASC'], false],
  [['{}', 'SORTBY', 'n', 'ASC'], ['{}'], false],
  [['{"s": "a"}'], ['{"s": "a"}', 'COLLATION', '{"locale": "en"}'], false],
  [
    ['{"s": "a"}', 'COLLATION', '{"locale": "en", "strength": 1}'],
    ['{"s": "a"}', 'COLLATION', '{"locale": "en", "strength": 2}'],
    false,
  ],
]

test('a plan is that of the shape of a query', async () => {
  for (const [i, [executed, asked, isFound]] of SHAPES.entries()) {
    const bucket = `shape${i}`
    const client = await open(bucket)
    const title = `${executed.join(' ')} | ${asked.join(' ')}`
    assert.is(await isCached(client, bucket, ...asked), false, title)
    assert.is(await isCached(client, bucket, ...asked), false, title)
    await client.call('BUCKET.QUERY', bucket, ...executed)
    assert.is(await isCached(client, bucket, ...asked), isFound, title)
  }
})

test('it is remembered by whatever executes one, for its bucket alone', async () => {
  const client = await open('one')
  await open('two')
  const $set = '{"$set": {"x": 1}}'
  const executing: readonly [filter: string, words: string[]][] = [
    ['{"n": 1}', ['BUCKET.QUERY', 'one', '{"n": 1}']],
    ['{"n": {"$gt": 1}}', ['BUCKET.UPDATE', 'one', '{"n": {"$gt": 1}}', $set]],
    ['{"n": {"$lt": 1}}', ['BUCKET.DELETE', 'one', '{"n": {"$lt": 1}}']],
  ]
  for (const [filter, words] of executing) {
    assert.is(await isCached(client, 'one', filter), false, filter)
    await client.call(...words)
    assert.is(await isCached(client, 'one', filter), true, filter)
    assert.is(await isCached(client, 'two', filter), false, filter)
  }
})

test('of a bucket 200 are remembered, and the oldest goes', async () => {
  const client = await open('many')
  const filter = (i: number): string => `{"field${i}": 1}`
  for (let i = 0; i < 200; i++) await client.call('BUCKET.QUERY', 'many', filter(i))
  assert.is(await isCached(client, 'many', filter(0)), true)
  await client.call('BUCKET.QUERY', 'many', filter(200))
  const found: Data[] = []
  for (const i of [0, 1, 200]) found.push(await isCached(client, 'many', filter(i)))
  assert.equal(found, [false, true, true])
})

test('it is made again when the indexes have changed', async () => {
  const client = await open('changed')
  const filter = '{"x": 1}'
  const cached = async (): Promise<Data> => {
    // A build and the removal of an index change the record once more when they have ended.
    await until('the plan is remembered', async () => {
      await client.call('BUCKET.QUERY', 'changed', filter)
      return (await isCached(client, 'changed', filter)) === true
    })
    const reply = (await client.call('BUCKET.EXPLAIN', 'changed', filter)) as Map<Data, Data>
    return (reply.get('plan') as Map<Data, Data>).get('nodeType')!
  }
  assert.is(await cached(), 'FullScan')
  await createIndexes(client, 'changed', { x: { bson_type: 'int32', name: 'x' } })
  await untilStatus(client, 'READY', { bucket: 'changed', name: 'x' })
  assert.is(await isCached(client, 'changed', filter), false)
  assert.is(await cached(), 'IndexScan')
  await client.call('BUCKET.INDEX', 'DROP', 'changed', 'x')
  assert.is(await isCached(client, 'changed', filter), false)
  assert.is(await cached(), 'FullScan')
})

test('it goes with its bucket, and with the path of its namespace', async () => {
  const client = await useJson(await server.connect(3))
  await client.call('NAMESPACE', 'CREATE', 'from')
  await client.call('NAMESPACE', 'USE', 'from')
  const remember = async (): Promise<void> => {
    assert.is(await isCached(client, 'gone', '{"n": 1}'), false)
    await client.call('BUCKET.QUERY', 'gone', '{"n": 1}')
    assert.is(await isCached(client, 'gone', '{"n": 1}'), true)
  }
  await client.call('BUCKET.CREATE', 'gone')
  await remember()
  await client.call('BUCKET.REMOVE', 'gone')
  await client.call('BUCKET.PURGE', 'gone')
  await client.call('BUCKET.CREATE', 'gone')
  await remember()
  await client.call('NAMESPACE', 'MOVE', 'from', 'to')
  await client.call('NAMESPACE', 'USE', 'to')
  await remember()
})

test('what one query’s values rule out, another’s of the shape find', async () => {
  const client = await open('values')
  await insertAll(client, 'values', [{ n: 2 }, { n: 4 }, { tags: [1, 9] }])
  const count = async (filter: object): Promise<number> => {
    const reply = await client.call('BUCKET.QUERY', 'values', JSON.stringify(filter))
    return ((reply as Map<Data, Data>).get('entries') as Data[]).length
  }
  assert.is(await count({ n: { $gt: 9, $lt: 3 } }), 0)
  assert.is(await count({ n: { $gt: 1, $lt: 5 } }), 2)
  assert.is(await count({ $and: [{ n: 2 }, { n: 4 }] }), 0)
  assert.is(await count({ $and: [{ n: 4 }, { n: 4 }] }), 1)
  assert.is(await count({ tags: { $gt: 8, $lt: 2 } }), 1)
  assert.is(await count({ tags: { $gt: 2, $lt: 8 } }), 1)
})

test.run()

const separate = suite('settings of remembered plans')

separate('they become too old, or are not made at all', async () => {
  for (const setting of ['bucket.plan_cache.max_ttl=1', 'bucket.plan_cache.enabled=false']) {
    await withTestServer([setting], async other => {
      const client = await useJson(await other.connect(3))
      await client.call('BUCKET.CREATE', 'b')
      await client.call('BUCKET.QUERY', 'b', '{}')
      await until(`${setting} holds`, async () => !(await isCached(client, 'b', '{}')))
    })
  }
})

separate.run()
