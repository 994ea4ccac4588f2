/** BUCKET.EXPLAIN: the plan of a query as both protocols show it, and what executing it cost. */
import * as assert from 'uvu/assert'
import { useJson } from '../support/bucket.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('BUCKET.EXPLAIN')

const INDEXES = JSON.stringify({
  age: { bson_type: 'int32', name: 'by-age' },
  $compound: [
    {
      name: 'by-name',
      fields: [
        { selector: 'name', bson_type: 'string' },
        { selector: 'age', bson_type: 'int32' },
      ],
    },
  ],
})
const DOCUMENTS = 50

async function open(bucket: string): Promise<RespClient> {
  const client = await useJson(await server.connect())
  await client.call('BUCKET.CREATE', bucket, 'INDEXES', INDEXES)
  const documents = Array.from({ length: DOCUMENTS }, (_, age) => `{"name":"n","age":${age}}`)
  await client.call('BUCKET.INSERT', bucket, 'DOCS', ...documents)
  return client
}

interface Plan {
  readonly nodeType?: string
  readonly index?: string
  readonly next?: Plan
}
interface Explained {
  readonly is_cached: boolean
  readonly plan: Plan
  readonly execution?: Readonly<Record<string, number>>
}

async function explain(client: RespClient, ...words: string[]): Promise<Explained> {
  await client.call('HELLO', '3')
  return plain(await client.call('BUCKET.EXPLAIN', ...words)) as Explained
}

/** Maps as objects. */
function plain(data: Data): unknown {
  if (Array.isArray(data)) return data.map(plain)
  if (!(data instanceof Map)) return data
  return Object.fromEntries([...data].map(([name, value]) => [String(name), plain(value)]))
}

test('names the scan and the index of a plan', async () => {
  const client = await open('plans')
  const shown = async (...words: string[]) => {
    const { plan } = await explain(client, 'plans', ...words)
    return [plan.nodeType, plan.index, plan.next?.nodeType]
  }
  const residual = 'TransformWithResidualPredicate'
  assert.equal(await shown('{}'), ['FullScan', 'primary-index', undefined])
  assert.equal(await shown('{"age":5}'), ['IndexScan', 'by-age', undefined])
  assert.equal(await shown('{"age":{"$gt":5,"$lt":9}}'), ['RangeScan', 'by-age', undefined])
  assert.equal(await shown('{"age":5,"x":1}'), ['IndexScan', 'by-age', residual])
  assert.equal(await shown('{"name":"n","age":5}'), ['CompoundIndexScan', 'by-name', undefined])
  assert.equal(await shown('{"age":{"$in":[1,2]}}'), ['Union', undefined, undefined])
  assert.equal(await shown('{"age":"5"}'), ['FullScan', 'primary-index', undefined])
  assert.equal(await shown('{"age":{"$in":[]}}'), [undefined, undefined, undefined])
})

test('is a flat array in RESP2', async () => {
  const client = await open('flat')
  const reply = (await client.call('BUCKET.EXPLAIN', 'flat', '{"age":5}')) as unknown[]
  assert.equal([reply[0], reply[2]], ['is_cached', 'plan'])
  const plan = reply[3] as unknown[]
  const names = plan.filter((_, i) => i % 2 === 0)
  const expected = ['nodeType', 'id', 'scanType', 'index', 'selector', 'operator', 'operand']
  assert.equal(names, ['planner_version', ...expected])
})

test('finds the plans that queries have left, and leaves none', async () => {
  const client = await open('cached')
  for (let round = 0; round < 2; round++) {
    assert.not((await explain(client, 'cached', '{"age":{"$gt":1}}')).is_cached)
  }
  await client.call('BUCKET.QUERY', 'cached', '{"age":{"$gt":40}}')
  assert.ok((await explain(client, 'cached', '{"age":{"$gt":1}}')).is_cached)
  assert.not((await explain(client, 'cached', '{"age":{"$gte":1}}')).is_cached)
  assert.equal(plain(await client.call('BUCKET.CURSORS', 'QUERY')), {
    QUERY: { 1: '{"age":{"$gt":40}}' },
  })
})

test('with ANALYZE says what executing the query cost', async () => {
  const client = await open('cost')
  const cost = async (...words: string[]) => {
    const { execution } = await explain(client, 'cost', ...words, 'ANALYZE')
    const { entries_examined, documents_read, documents_returned } = execution!
    return [entries_examined, documents_read, documents_returned]
  }
  assert.equal(await cost('{"age":{"$gte":45}}'), [5, 5, 5])
  assert.equal(await cost('{"age":{"$gte":40},"name":"other"}'), [0, 0, 0])
  assert.equal(await cost('{"x":1}'), [DOCUMENTS, DOCUMENTS, 0])
  const { execution } = await explain(client, 'cost', '{"age":5}', 'ANALYZE')
  for (const name of ['planning_us', 'reading_us', 'finishing_us']) {
    assert.type(execution![name], 'number', name)
  }
})

test.run()
