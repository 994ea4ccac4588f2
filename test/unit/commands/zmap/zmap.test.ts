import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WORKED_SET } from '../../../support/zmap.js'
import { type Client, type Member, startMember } from '../harness.js'

let member: Member
let client: Client

test.before(async () => {
  member = await startMember()
  client = await member.connect()
  await client.run('NAMESPACE', 'CREATE', 'worked')
  await client.run('NAMESPACE', 'USE', 'worked')
  for (let i = 0; i < 7; i++) await client.run('ZSET', `k${i}`, `v${i}`)
})
test.before.each(async () => {
  await client.run('NAMESPACE', 'USE', 'worked')
})
test.after(() => member.close())

/** Makes a fresh namespace the current one. */
let made = 0
async function fresh(): Promise<void> {
  const name = `fresh${made++}`
  await client.run('NAMESPACE', 'CREATE', name)
  await client.run('NAMESPACE', 'USE', name)
}

/** Keys of a range reply, joined by blanks. */
async function keys(call: string): Promise<string> {
  const reply = await client.run('ZGETRANGE', ...call.split(' '))
  if (!Array.isArray(reply)) return String(reply)
  for (const [key, value] of reply) assert.is(value, key.replace('k', 'v'))
  return reply.map(([key]) => key).join(' ')
}

test('sets, gets and deletes', async () => {
  await fresh()
  assert.is(await client.run('ZGET', 'k'), null)
  assert.is(await client.run('ZSET', 'k', '1'), 'OK')
  assert.is(await client.run('ZSET', 'k', '2'), 'OK')
  assert.is(await client.run('ZGET', 'k'), '2')
  assert.is(await client.run('ZDEL', 'k'), 'OK')
  assert.is(await client.run('ZDEL', 'k'), 'OK')
  assert.is(await client.run('ZGET', 'k'), null)
})

test('keeps any bytes, empty ones too, in byte order', async () => {
  await fresh()
  const inOrder = ['', '00', '0000', '00ff', '01', '2a', '61', '6100', '610000', '6100ff', '61ff']
  const wanted = [...inOrder, 'fe', 'ff', 'ff00', 'ffff'].map(hex => Buffer.from(hex, 'hex'))
  for (const key of wanted.toReversed()) assert.is(await client.run('ZSET', key, key), 'OK')
  const reply = await client.runBuffer('ZGETRANGE', '*', '*')
  assert.equal(
    reply,
    wanted.map(key => [key, key]),
  )
  for (const key of wanted) assert.equal(await client.runBuffer('ZGET', key), key)
})

/** The worked set of the contract, and more. */
const WORKED: readonly (readonly [call: string, keys: string])[] = [
  ...WORKED_SET,
  // Beyond the table: selectors that leave the map, or stand on an open end.
  ['* *', 'k0 k1 k2 k3 k4 k5 k6'],
  ['* * REVERSE LIMIT 0', 'k6 k5 k4 k3 k2 k1 k0'],
  ['* * END_KEY_SELECTOR LAST_LESS_THAN', 'k0 k1 k2 k3 k4 k5'],
  ['* * END_KEY_SELECTOR LAST_LESS_OR_EQUAL', 'k0 k1 k2 k3 k4 k5'],
  ['* k2 BEGIN_KEY_SELECTOR FIRST_GREATER_THAN', 'k0 k1'],
  ['* k2 BEGIN_KEY_SELECTOR LAST_LESS_OR_EQUAL', 'k0 k1'],
  ['a k2 BEGIN_KEY_SELECTOR LAST_LESS_THAN', 'k0 k1'],
  ['k5 z BEGIN_KEY_SELECTOR LAST_LESS_OR_EQUAL', 'k5 k6'],
  ['k5 z END_KEY_SELECTOR FIRST_GREATER_THAN', 'k5 k6'],
  ['k5 a END_KEY_SELECTOR LAST_LESS_THAN', ''],
  ['a b END_KEY_SELECTOR LAST_LESS_THAN', ''],
  ['z * BEGIN_KEY_SELECTOR LAST_LESS_THAN', 'k6'],
  ['z *', ''],
  ['k3 k3', ''],
  ['k3 k3 END_KEY_SELECTOR FIRST_GREATER_THAN', 'k3'],
  ['k0 k6 limit 1 reverse end_key_selector first_greater_than', 'k6'],
  ['k0 k6 LIMIT 5 LIMIT 2', 'k0 k1'],
  ['* * LIMIT 3', 'k0 k1 k2'],
]

for (const [call, wanted] of WORKED) {
  test(`answers ZGETRANGE ${call}`, async () => assert.is(await keys(call), wanted))
}

test('includes the end where the configuration says so', async () => {
  const other = await startMember(['zmap.range_end=inclusive'])
  const its = await other.connect()
  for (const key of ['a', 'b', 'c']) await its.run('ZSET', key, key)
  assert.equal(await its.run('ZGETRANGE', 'a', 'b'), [
    ['a', 'a'],
    ['b', 'b'],
  ])
  assert.equal(await its.run('ZGETRANGE', 'b', '*'), [
    ['b', 'b'],
    ['c', 'c'],
  ])
  await other.close()
})

test('sees own uncommitted writes in ranges and selectors', async () => {
  await client.run('BEGIN')
  await client.run('ZSET', 'k35', 'v35')
  await client.run('ZDEL', 'k2')
  assert.is(await keys('k1 k4'), 'k1 k3 k35')
  assert.is(await keys('k3 k4 BEGIN_KEY_SELECTOR LAST_LESS_THAN'), 'k1 k3 k35')
  assert.is(await keys('k1 k4 END_KEY_SELECTOR LAST_LESS_THAN'), 'k1 k3')
  await client.run('ROLLBACK')
  assert.is(await keys('k1 k4'), 'k1 k2 k3')
})

test('stops at 100 entries unless told otherwise', async () => {
  await fresh()
  await client.run('BEGIN')
  const value = 'x'.repeat(2000)
  for (let i = 0; i < 1200; i++) await client.run('ZSET', `k${String(i).padStart(4, '0')}`, value)
  await client.run('COMMIT')
  const count = async (...options: string[]): Promise<number> =>
    ((await client.run('ZGETRANGE', '*', '*', ...options)) as unknown[]).length
  assert.is(await count(), 100)
  assert.is(await count('LIMIT', '1000'), 1000)
  assert.is(await count('LIMIT', '0'), 1200)
  assert.is(await count('LIMIT', '0', 'REVERSE'), 1200)
})

test('refuses wrong options', async () => {
  const limits = 'RANGE_LIMITS_INVALID Range limits not valid'
  const number = 'ERR value is not an integer or out of range'
  const arity = "ERR wrong number of arguments for 'ZGETRANGE' command"
  assert.is(await keys('a b LIMIT -1'), limits)
  assert.is(await keys('a b LIMIT x'), number)
  assert.is(await keys('a b LIMIT 2147483648'), number)
  assert.is(await keys('a b LIMIT'), 'ERR syntax error')
  assert.is(await keys('a b BEGIN_KEY_SELECTOR'), 'ERR syntax error')
  assert.is(await keys('a b SIDEWAYS'), 'ERR syntax error')
  const selector = "ERR unknown key selector: 'Near'"
  assert.is(await keys('a b END_KEY_SELECTOR Near'), selector)
  assert.is(await keys('a'), arity)
  assert.is(await keys('a b LIMIT 1 LIMIT 1 LIMIT 1 REVERSE'), arity)
})

test('refuses wrong numbers of arguments', async () => {
  for (const name of ['ZSET', 'ZGET', 'ZDEL', 'ZGETRANGE']) {
    assert.is(await client.run(name), `ERR wrong number of arguments for '${name}' command`)
    const many = Array.from({ length: 9 }, () => 'x')
    const surplus = await client.run(name, ...many)
    assert.is(surplus, `ERR wrong number of arguments for '${name}' command`)
  }
})

test('reports keys and values that are too large', async () => {
  await fresh()
  const large = (bytes: number): Buffer => Buffer.alloc(bytes, 'x')
  assert.is(await client.run('ZSET', large(10_001), 'v'), 'KEY_TOO_LARGE Key length exceeds limit')
  const value = 'VALUE_TOO_LARGE Value length exceeds limit'
  assert.is(await client.run('ZSET', 'k', large(100_001)), value)
  assert.is(await client.run('ZSET', large(9_900), large(100_000)), 'OK')
  await client.run('BEGIN')
  for (let i = 0; i < 110; i++) await client.run('ZSET', `k${i}`, large(100_000))
  const total = 'TRANSACTION_TOO_LARGE Transaction exceeds byte limit'
  assert.is(await client.run('COMMIT'), total)
  assert.is(await client.run('ZGET', 'k1'), null)
})

test('answers for the session’s namespace as it is now', async () => {
  await client.run('NAMESPACE', 'CREATE', 'other')
  await client.run('NAMESPACE', 'USE', 'other')
  assert.is(await client.run('ZGET', 'k0'), null)
  await client.run('NAMESPACE', 'USE', 'worked')
  assert.is(await client.run('ZGET', 'k0'), 'v0')
})

test.run()
