/** Requests at the edges: surplus words, options in a bad order, transactions that grew old. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('requests at the edges')

const TOO_OLD = 'TRANSACTIONOLD transaction is too old to perform reads or be committed'
const NONE = 'TRANSACTION there is no transaction in progress.'

test('refuses the commit of an old transaction, whatever it read', async () => {
  const [reader, versioned, writer] = await Promise.all([
    server.connect(),
    server.connect(),
    server.connect(),
  ])
  for (const client of [reader, versioned, writer]) await client.call('BEGIN')
  await reader.call('ZGET', 'old')
  await versioned.call('GETREADVERSION')
  await sleep(5_300)
  assert.is(await reader.error('ZGET', 'old'), TOO_OLD)
  for (const client of [reader, versioned]) {
    await client.call('ZSET', 'old', '1')
    assert.is(await client.error('COMMIT'), TOO_OLD)
    assert.is(await client.error('COMMIT'), NONE)
  }
  await writer.call('ZSET', 'old', '2')
  assert.is(await writer.call('COMMIT'), 'OK')
})

test('tells the syntax of SET before the value of an option', async () => {
  const client = await server.connect()
  assert.is(await client.error('SET', 'k', 'v', 'EX', '0', 'NOPE'), 'ERR syntax error')
  assert.is(await client.error('SET', 'k', 'v', 'PX', 'x', 'EX', '1'), 'ERR syntax error')
  const refused = "ERR invalid expire time in 'set' command"
  assert.is(await client.error('SET', 'k', 'v', 'EX', '0', 'NX'), refused)
})

test('takes at most seven arguments for BUCKET.DELETE', async () => {
  const client = await server.connect()
  const words = ['b', '{}', 'LIMIT', '1', 'LIMIT', '2', 'LIMIT', '3']
  const refused = "ERR wrong number of arguments for 'BUCKET.DELETE' command"
  assert.is(await client.error('BUCKET.DELETE', ...words), refused)
})

test('names the option letter that a pattern does not take', async () => {
  const client = await server.connect()
  await client.call('BUCKET.CREATE', 'patterns')
  for (const letter of ['q', 'x']) {
    const filter = JSON.stringify({ a: { $regex: 'b', $options: letter } })
    const refused = `ERR BQL parse error: Unsupported $regex option: ${letter}`
    assert.is(await client.error('BUCKET.QUERY', 'patterns', filter), refused)
  }
})

test('keeps the order and the atomicity of an INSERT that is worked on in pieces', async () => {
  const client = await server.connect()
  await client.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'object_id_format', 'hex')
  await client.call('BUCKET.CREATE', 'pieces')
  const id = (n: number) => n.toString(16).padStart(24, '0')
  const documents = Array.from({ length: 1_000 }, (_, n) => JSON.stringify({ _id: id(n), n }))
  const reply = await client.call('BUCKET.INSERT', 'pieces', 'DOCS', ...documents)
  assert.equal(
    reply,
    Array.from({ length: 1_000 }, (_, n) => id(n)),
  )
  const again = [...Array<string>(999).fill('{}'), JSON.stringify({ _id: id(7) })]
  const refused = `DUPLICATEKEY Duplicate key: _id '${id(7)}'`
  assert.is(await client.error('BUCKET.INSERT', 'pieces', 'DOCS', ...again), refused)
  const found = (await client.call('BUCKET.QUERY', 'pieces', '{}', 'LIMIT', '9999')) as unknown[]
  assert.is((found[1] as unknown[]).length, 1_000)
})

test.run()
