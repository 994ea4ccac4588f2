/** Limits of a transaction: its age, its size, and those of keys and values. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import type { RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('limits of transactions')

const NONE = 'TRANSACTION there is no transaction in progress.'
const TOO_OLD = 'TRANSACTIONOLD transaction is too old to perform reads or be committed'
const TOO_LARGE = 'TRANSACTION_TOO_LARGE Transaction exceeds byte limit'
const KEY_TOO_LARGE = 'KEY_TOO_LARGE Key length exceeds limit'
const VALUE_TOO_LARGE = 'VALUE_TOO_LARGE Value length exceeds limit'
const AGE_MAX_MS = 5_000
const SIZE_MAX = 10_000_000
const VALUE_MAX = 100_000

/** What a transaction does before and after it grows old. @param old what COMMIT answers then */
interface Aging {
  readonly what: string
  readonly before: readonly string[]
  readonly after: readonly (readonly [line: string, reply: unknown])[]
}

const AGINGS: readonly Aging[] = [
  {
    what: 'a read',
    before: ['ZGET age:a'],
    after: [
      ['ZGET age:a', TOO_OLD],
      ['ZGETRANGE age: age;', TOO_OLD],
      ['ZGETKEY age:', TOO_OLD],
      ['BEGIN', 'TRANSACTION there is already a transaction in progress.'],
      ['COMMIT', TOO_OLD],
      ['COMMIT', NONE],
    ],
  },
  { what: 'a read and nothing else', before: ['ZGET age:a'], after: [['COMMIT', TOO_OLD]] },
  {
    what: 'a read and a write',
    before: ['ZGET age:a', 'ZSET age:lost 1'],
    after: [
      ['COMMIT RETURNING versionstamp', TOO_OLD],
      ['COMMIT', NONE],
      ['ZGET age:lost', null],
    ],
  },
  {
    what: 'a snapshot read',
    before: ['SNAPSHOTREAD ON', 'ZGET age:a', 'ZSET age:lost 1'],
    after: [
      ['ZGET age:a', TOO_OLD],
      ['COMMIT', TOO_OLD],
    ],
  },
  {
    what: 'a read of its own write',
    before: ['ZGET age:a', 'ZSET age:own 1'],
    after: [
      ['ZGET age:own', TOO_OLD],
      ['ROLLBACK', 'OK'],
      ['ZGET age:a', null],
    ],
  },
  {
    what: 'GETREADVERSION',
    before: ['GETREADVERSION', 'ZSET age:lost 1'],
    after: [['COMMIT', TOO_OLD]],
  },
  {
    what: 'writes only',
    before: ['ZSET age:blind 1', 'ZINC.I64 age:sum 1', 'ZDEL age:none', 'GETAPPROXIMATESIZE'],
    after: [
      ['COMMIT', 'OK'],
      ['ZGET age:blind', '1'],
    ],
  },
  {
    what: 'nothing',
    before: [],
    after: [
      ['ZGET age:a', null],
      ['ZSET age:late 1', 'OK'],
      ['COMMIT', 'OK'],
    ],
  },
]

async function reply(client: RespClient, line: string): Promise<unknown> {
  const { value } = await client.frame(...line.split(' '))
  return Buffer.isBuffer(value) ? value.toString() : value
}

/** Keeps reading while it must be possible, then does what follows when it must not be. */
async function grow({ what, before, after }: Aging): Promise<void> {
  const client = await server.connect()
  await reply(client, 'BEGIN')
  const startedMs = performance.now()
  for (const line of before) await reply(client, line)
  const readMs = performance.now()
  const reads = before.some(line => line.startsWith('ZGET '))
  for (let passedMs = 0; passedMs <= AGE_MAX_MS + 500; passedMs = performance.now() - readMs) {
    await sleep(250)
    if (!reads) continue
    const answer = await reply(client, 'ZGET age:a')
    const isYoung = performance.now() - startedMs < AGE_MAX_MS - 100
    if (isYoung) assert.is(answer, null, what)
  }
  for (const [line, expected] of after) {
    assert.equal(await reply(client, line), expected, `${what}: ${line}`)
  }
}

test('a transaction is too old 5 s after its first read, and no sooner', async () => {
  await Promise.all(AGINGS.map(grow))
})

test('an old transaction still answers the version that it read', async () => {
  const client = await server.connect()
  await client.call('BEGIN')
  const version = await client.call('GETREADVERSION')
  const sizes = [await client.call('GETAPPROXIMATESIZE')]
  await client.call('ZGET', 'k')
  sizes.push(await client.call('GETAPPROXIMATESIZE'))
  await client.call('ZSET', 'k', 'v')
  sizes.push(await client.call('GETAPPROXIMATESIZE'))
  assert.is(await client.call('GETREADVERSION'), version)
  const numbers = sizes.map(Number)
  assert.ok(numbers[0]! >= 0 && numbers[1]! > numbers[0]! && numbers[2]! > numbers[1]!)
})

/** Fills a transaction up to some bytes with writes of `step`, and commits it. */
async function fill(client: RespClient, limit: number): Promise<string> {
  const step = VALUE_MAX
  await client.call('BEGIN')
  const first = Number(await client.call('GETAPPROXIMATESIZE'))
  await client.call('ZSET', 'size:000', Buffer.alloc(step))
  const each = Number(await client.call('GETAPPROXIMATESIZE')) - first
  let size = first + each
  for (let i = 1; size + each <= limit; i++, size += each) {
    await client.call('ZSET', `size:${String(i).padStart(3, '0')}`, Buffer.alloc(step))
  }
  // Without its value a write takes so many bytes less.
  const left = limit - size - (each - step)
  await client.call('ZSET', 'size:end', Buffer.alloc(left))
  assert.is(await client.call('GETAPPROXIMATESIZE'), limit)
  return String((await client.frame('COMMIT')).value)
}

test('a transaction may have 10,000,000 bytes, and not one more', async () => {
  const client = await server.connect()
  assert.is(await fill(client, SIZE_MAX + 1), TOO_LARGE)
  assert.is(await client.error('COMMIT'), NONE)
  assert.equal(await client.call('ZGETRANGE', 'size:', 'size;'), [])
  assert.is(await fill(client, SIZE_MAX), 'OK')
  assert.is((await client.callBytes('ZGET', 'size:000')).length, VALUE_MAX)
  await client.call('ZDELRANGE', 'size:', 'size;')
})

test('what was read counts for the size', async () => {
  const client = await server.connect()
  const key = (i: number): string => `${String(i).padStart(4, '0')}${'k'.repeat(4_000)}`
  await client.call('BEGIN')
  let size = 0
  for (let i = 0; size <= SIZE_MAX; i++) {
    await client.call('ZGET', key(i))
    size = Number(await client.call('GETAPPROXIMATESIZE'))
  }
  assert.is(await client.call('COMMIT'), 'OK', 'without a write nothing is sent')
  await client.call('BEGIN')
  for (let i = 0, read = 0; read <= SIZE_MAX; i++) {
    await client.call('ZGET', key(i))
    read = Number(await client.call('GETAPPROXIMATESIZE'))
  }
  await client.call('ZSET', 'size:end', 'x')
  assert.is(await client.error('COMMIT'), TOO_LARGE)
  assert.is(await client.call('ZGET', 'size:end'), null)
})

/** The longest key that a one-off ZSET takes. */
async function longestKey(client: RespClient): Promise<number> {
  let [fits, tooLong] = [1, 10_001]
  while (tooLong - fits > 1) {
    const length = (fits + tooLong) >> 1
    const { type, value } = await client.frame('ZSET', Buffer.alloc(length, 'k'), 'x')
    if (type === '-') assert.is(value, KEY_TOO_LARGE)
    if (type === '-') tooLong = length
    else fits = length
  }
  return fits
}

/** The error of a transaction with one request in it: of the request, or of COMMIT. */
async function errorInside(client: RespClient, words: (string | Buffer)[]): Promise<string> {
  await client.call('BEGIN')
  await client.call('ZSET', 'inside', 'x')
  const { type, value } = await client.frame(...words)
  const commit = await client.frame('COMMIT')
  if (type === '-') {
    assert.is(commit.value, 'OK', 'a command that fails leaves the rest as it is')
    assert.is(await client.call('ZGET', 'inside'), 'x')
    await client.call('ZDEL', 'inside')
    return String(value)
  }
  assert.is(await client.call('ZGET', 'inside'), null)
  return String(commit.value)
}

test('keys have 10,000 bytes with their prefix, values 100,000', async () => {
  const client = await server.connect()
  const longest = await longestKey(client)
  // What a prefix may take, see the documentation of ZMap.
  assert.ok(longest <= 10_000 && longest >= 9_950, String(longest))
  const tooLong = Buffer.alloc(longest + 1, 'k')
  assert.is(await client.call('ZGET', Buffer.alloc(longest, 'k')), 'x')
  assert.is(await client.error('ZSET', tooLong, 'x'), KEY_TOO_LARGE)
  assert.is(await errorInside(client, ['ZSET', tooLong, 'x']), KEY_TOO_LARGE)
  await client.call('ZSET', 'v', Buffer.alloc(VALUE_MAX, 'v'))
  assert.is((await client.callBytes('ZGET', 'v')).length, VALUE_MAX)
  const words = ['ZSET', 'v', Buffer.alloc(VALUE_MAX + 1)]
  assert.is(await client.error(...words), VALUE_TOO_LARGE)
  assert.is(await errorInside(client, words), VALUE_TOO_LARGE)
  assert.is((await client.callBytes('ZGET', 'v')).length, VALUE_MAX)
})

test.run()
