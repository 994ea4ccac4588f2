/** Ranges and selectors of the ZMap: replies byte for byte. */
import * as assert from 'uvu/assert'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'
import {
  alsoOn,
  bulk,
  error,
  exchangeAll,
  inBothProtocols,
  none,
  OK,
  WORKED_SET,
} from '../support/zmap.js'

const suite = serverSuite('zmap ranges')
const { server, test } = suite

const INVERTED = error('INVERTED_RANGE Range begin key larger than end key')
const SYNTAX = error('ERR syntax error')

/** The reply of a range: each key k1 has the value v1. */
function entries(keys: string): string {
  const list = keys === '' ? [] : keys.split(' ')
  const pairs = list.map(key => `*2\r\n${bulk(key)}${bulk(key.replace('k', 'v'))}`)
  return `*${list.length}\r\n${pairs.join('')}`
}

async function fill(client: RespClient): Promise<void> {
  for (let i = 0; i < 7; i++) await client.exchange(['ZSET', `k${i}`, `v${i}`], OK)
}

const WORKED: readonly (readonly [call: string, keys: string])[] = [
  ...WORKED_SET,
  // Beyond the table.
  ['k1 k4 begin_key_selector Last_Less_Than', 'k0 k1 k2 k3'],
  ['k1 k4 reverse limit 1', 'k3'],
  ['k1 k4 LIMIT -1 LIMIT 1', 'k1'],
  ['k1 k4 END_KEY_SELECTOR LAST_LESS_THAN END_KEY_SELECTOR FIRST_GREATER_THAN', 'k1 k2 k3 k4'],
  ['* *', 'k0 k1 k2 k3 k4 k5 k6'],
  ['* * REVERSE LIMIT 0', 'k6 k5 k4 k3 k2 k1 k0'],
  ['* * END_KEY_SELECTOR LAST_LESS_THAN', 'k0 k1 k2 k3 k4 k5'],
  ['* * BEGIN_KEY_SELECTOR LAST_LESS_OR_EQUAL', 'k0 k1 k2 k3 k4 k5 k6'],
  ['a k2 BEGIN_KEY_SELECTOR LAST_LESS_THAN', 'k0 k1'],
  ['k5 z END_KEY_SELECTOR FIRST_GREATER_THAN', 'k5 k6'],
  ['z * BEGIN_KEY_SELECTOR LAST_LESS_THAN', 'k6'],
  ['a b END_KEY_SELECTOR LAST_LESS_THAN', ''],
  ['z z BEGIN_KEY_SELECTOR FIRST_GREATER_THAN', ''],
]

inBothProtocols(suite, 'returns the entries of a range', async client => {
  await fill(client)
  for (const [call, keys] of WORKED) {
    await client.exchange(['ZGETRANGE', ...call.split(' ')], entries(keys))
  }
})

inBothProtocols(suite, 'refuses wrong options of a range', async client => {
  const arity = error("ERR wrong number of arguments for 'ZGETRANGE' command")
  const number = error('ERR value is not an integer or out of range')
  const selector = error("ERR unknown key selector: 'Near'")
  await exchangeAll(client, [
    ['ZGETRANGE a', arity],
    ['ZGETRANGE a b LIMIT 1 LIMIT 1 LIMIT 1 REVERSE', arity],
    ['ZGETRANGE a b LIMIT x', number],
    ['ZGETRANGE a b LIMIT 2147483648', number],
    ['ZGETRANGE a b LIMIT 1.0', number],
    ['ZGETRANGE a b LIMIT -1', error('RANGE_LIMITS_INVALID Range limits not valid')],
    ['ZGETRANGE a b LIMIT', SYNTAX],
    ['ZGETRANGE a b END_KEY_SELECTOR', SYNTAX],
    ['ZGETRANGE a b SIDEWAYS', SYNTAX],
    ['ZGETRANGE a b BEGIN_KEY_SELECTOR Near', selector],
    ['ZGETRANGE a b END_KEY_SELECTOR Near', selector],
    ['ZGETRANGE a b LIMIT 2147483647', '*0\r\n'],
  ])
})

/** The key that a selector chooses, `-` for none. */
const NEAREST: readonly (readonly [call: string, key: string])[] = [
  ['k3', 'k3'],
  ['k35', 'k4'],
  ['k7', '-'],
  ['', 'k0'],
  ['k3 KEY_SELECTOR FIRST_GREATER_OR_EQUAL', 'k3'],
  ['k3 KEY_SELECTOR FIRST_GREATER_THAN', 'k4'],
  ['k6 KEY_SELECTOR FIRST_GREATER_THAN', '-'],
  ['k3 KEY_SELECTOR LAST_LESS_THAN', 'k2'],
  ['k0 KEY_SELECTOR LAST_LESS_THAN', '-'],
  ['k3 key_selector last_less_or_equal', 'k3'],
  ['k35 KEY_SELECTOR LAST_LESS_OR_EQUAL', 'k3'],
  ['z KEY_SELECTOR LAST_LESS_OR_EQUAL', 'k6'],
  ['a KEY_SELECTOR LAST_LESS_OR_EQUAL', '-'],
  // No wildcard here: the key `*` is below all others.
  ['*', 'k0'],
  ['* KEY_SELECTOR LAST_LESS_THAN', '-'],
]

inBothProtocols(suite, 'finds the nearest key', async (client, protocol) => {
  await fill(client)
  for (const [call, key] of NEAREST) {
    const reply = key === '-' ? none(protocol) : bulk(key)
    await client.exchange(['ZGETKEY', ...call.split(' ')], reply)
  }
  const arity = error("ERR wrong number of arguments for 'ZGETKEY' command")
  await exchangeAll(client, [
    ['ZGETKEY', arity],
    ['ZGETKEY k KEY_SELECTOR LAST_LESS_THAN x', arity],
    ['ZGETKEY k KEY_SELECTOR', SYNTAX],
    ['ZGETKEY k SELECTOR LAST_LESS_THAN', SYNTAX],
    ['ZGETKEY k KEY_SELECTOR Near', error("ERR unknown key selector: 'Near'")],
    ['BEGIN', OK],
    ['ZSET k35 v35', OK],
    ['ZDEL k6', OK],
    ['ZGETKEY k3 KEY_SELECTOR FIRST_GREATER_THAN', bulk('k35')],
    ['ZGETKEY z KEY_SELECTOR LAST_LESS_THAN', bulk('k5')],
    ['ZGETKEY k6', none(protocol)],
    ['ROLLBACK', OK],
    ['ZGETKEY z KEY_SELECTOR LAST_LESS_THAN', bulk('k6')],
  ])
})

inBothProtocols(suite, 'deletes ranges', async (client, protocol) => {
  await fill(client)
  await exchangeAll(client, [
    ['ZDELRANGE k2 k4', OK],
    ['ZGETRANGE * *', entries('k0 k1 k4 k5 k6')],
    ['ZDELRANGE k4 k4', OK],
    ['ZDELRANGE k2 k3', OK],
    ['ZGETRANGE * *', entries('k0 k1 k4 k5 k6')],
    ['ZDELRANGE * k1', OK],
    ['ZDELRANGE k6 *', OK],
    ['ZGETRANGE * *', entries('k1 k4 k5')],
    ['ZDELRANGE k5 k1', INVERTED],
    ['ZGETRANGE * *', entries('k1 k4 k5')],
    // In a transaction the database says so later.
    ['BEGIN', OK],
    ['ZDELRANGE k5 k1', OK],
    ['COMMIT', INVERTED],
    ['COMMIT', error('TRANSACTION there is no transaction in progress.')],
    ['BEGIN', OK],
    ['ZDELRANGE k4 *', OK],
    ['ZGETRANGE * *', entries('k1')],
    ['ZGET k5', none(protocol)],
    ['ROLLBACK', OK],
    ['ZGETRANGE * *', entries('k1 k4 k5')],
    ['ZDELRANGE * *', OK],
    ['ZGETRANGE * *', '*0\r\n'],
    ['ZDELRANGE a', error("ERR wrong number of arguments for 'ZDELRANGE' command")],
    ['ZDELRANGE a b c', error("ERR wrong number of arguments for 'ZDELRANGE' command")],
  ])
})

inBothProtocols(suite, 'keeps the key of one star, which is no bound', async client => {
  await client.exchange(['ZSET', '*', 'star'], OK)
  await client.exchange(['ZSET', '+', 'plus'], OK)
  await client.exchange(['ZGET', '*'], bulk('star'))
  await client.exchange(['ZGETKEY', '*'], bulk('*'))
  const both = `*2\r\n*2\r\n${bulk('*')}${bulk('star')}*2\r\n${bulk('+')}${bulk('plus')}`
  await client.exchange(['ZGETRANGE', '*', '*'], both)
  await client.exchange(['ZGETRANGE', ')', '+'], `*1\r\n*2\r\n${bulk('*')}${bulk('star')}`)
  await client.exchange(['ZDELRANGE', '**', '*'], OK)
  await client.exchange(['ZGETRANGE', '*', '*'], `*1\r\n*2\r\n${bulk('*')}${bulk('star')}`)
})

inBothProtocols(suite, 'estimates the size of a range', async client => {
  const arity = error("ERR wrong number of arguments for 'ZGETRANGESIZE' command")
  await exchangeAll(client, [
    ['ZGETRANGESIZE a b', ':0\r\n'],
    ['ZGETRANGESIZE b a', INVERTED],
    ['ZGETRANGESIZE a', arity],
    ['ZGETRANGESIZE a b c', arity],
    ['BEGIN', OK],
    ['ZGETRANGESIZE b a', INVERTED],
    ['ZSET k v', OK],
    ['ZGETRANGESIZE * *', ':0\r\n'],
    ['COMMIT', OK],
  ])
  const size = await client.call('ZGETRANGESIZE', '*', '*')
  assert.ok(Number.isInteger(size) && (size as number) >= 0)
})

test('never touches what is not of the map', async () => {
  const client = await server.connect()
  const inside = (name: string) => client.call('NAMESPACE', 'USE', name)
  for (const name of ['outer', 'outer.inner', 'outes']) {
    await client.call('NAMESPACE', 'CREATE', name)
    await inside(name)
    await client.call('ZSET', 'k', name)
  }
  await inside('outer')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
  await client.call('BUCKET.CREATE', 'b')
  await client.call('BUCKET.INSERT', 'b', 'DOCS', '{"a": 1}')
  await exchangeAll(client, [
    ['ZGETRANGE * *', `*1\r\n*2\r\n${bulk('k')}${bulk('outer')}`],
    ['ZGETRANGE * * REVERSE', `*1\r\n*2\r\n${bulk('k')}${bulk('outer')}`],
    ['ZGETKEY l', none(2)],
    ['ZGETKEY k KEY_SELECTOR LAST_LESS_THAN', none(2)],
    ['ZDELRANGE * *', OK],
    ['ZGETKEY ', none(2)],
    ['ZGETRANGE * * BEGIN_KEY_SELECTOR LAST_LESS_THAN', '*0\r\n'],
    ['NAMESPACE USE outer.inner', OK],
    ['ZGET k', bulk('outer.inner')],
    ['NAMESPACE USE outes', OK],
    ['ZGET k', bulk('outes')],
    ['NAMESPACE USE outer', OK],
  ])
  const [, documents] = (await client.call('BUCKET.QUERY', 'b', '{}')) as [number, string[]]
  assert.is(documents.length, 1)
})

test('a search beyond the last key conflicts with nothing outside of the map', async () => {
  const client = await server.connect()
  for (const name of ['quiet', 'quiet2']) await client.call('NAMESPACE', 'CREATE', name)
  const other = await server.connect()
  await exchangeAll(other, [['NAMESPACE USE quiet2', OK]])
  await exchangeAll(client, [
    ['NAMESPACE USE quiet', OK],
    ['BEGIN', OK],
    ['ZGETKEY k', none(2)],
    ['ZGETKEY k KEY_SELECTOR LAST_LESS_THAN', none(2)],
    ['ZGETRANGE * *', '*0\r\n'],
    ['ZSET mine 1', OK],
  ])
  await other.exchange(['ZSET', 'k', '1'], OK)
  await client.exchange(['COMMIT'], OK)
})

test('SNAPSHOTREAD takes the conflicts of all reads away', async () => {
  const one = await server.connect()
  await one.call('NAMESPACE', 'CREATE', 'snapshot')
  await one.call('NAMESPACE', 'USE', 'snapshot')
  const other = await alsoOn(server, one)
  const conflict = error(
    'NOT_COMMITTED Transaction not committed due to conflict with another transaction',
  )
  const reads = ['ZGET k', 'ZGET.I64 k', 'ZGET.F64 k', 'ZGETRANGE j l', 'ZGETKEY j']
  for (const read of [...reads, 'ZGETKEY l KEY_SELECTOR LAST_LESS_THAN', 'ZGET.D128 d']) {
    const key = read.endsWith('d') ? 'd' : 'k'
    for (const isSnapshot of [false, true]) {
      await one.call('ZDELRANGE', '*', '*')
      await one.call('SNAPSHOTREAD', isSnapshot ? 'ON' : 'OFF')
      await one.call('BEGIN')
      await one.call(...read.split(' '))
      await other.call('ZSET.I64', key, '1')
      await one.call('ZSET', 'elsewhere', '1')
      one.send('COMMIT')
      const reply = isSnapshot ? OK : conflict
      assert.is(await one.readBytes(reply.length), reply, `${read}, ${isSnapshot}`)
    }
  }
})

test('a range conflicts up to where its limit ended it', async () => {
  const one = await server.connect()
  await one.call('NAMESPACE', 'CREATE', 'limited')
  await one.call('NAMESPACE', 'USE', 'limited')
  await fill(one)
  const other = await alsoOn(server, one)
  await exchangeAll(one, [
    ['BEGIN', OK],
    ['ZGETRANGE * * LIMIT 2', entries('k0 k1')],
    ['ZGETRANGE * * LIMIT 2 REVERSE', entries('k6 k5')],
    ['ZSET elsewhere 1', OK],
  ])
  await other.exchange(['ZSET', 'k3', 'v3'], OK)
  await one.exchange(['COMMIT'], OK)
})

test('includes the end where the configuration says so', () =>
  withTestServer(['zmap.range_end=inclusive'], async own => {
    const client = await own.connect()
    await fill(client)
    await exchangeAll(client, [
      ['ZGETRANGE k1 k3', entries('k1 k2 k3')],
      ['ZGETRANGE k5 *', entries('k5 k6')],
      ['ZGETRANGE * k0', entries('k0')],
      ['ZGETRANGE k1 k3 END_KEY_SELECTOR FIRST_GREATER_OR_EQUAL', entries('k1 k2')],
      ['ZDELRANGE k1 k3', OK],
      ['ZGETRANGE k1 k3', entries('k3')],
    ])
  }))

test.run()
