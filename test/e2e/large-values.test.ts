/**
 * Large values at the bounds: a full server refuses them and lives on, what is on its way to a
 * client stays as it was, clients that leave in the middle give everything back.
 */
import * as assert from 'uvu/assert'
import { reportSkip } from '../support/outcome.js'
import { memoryOf, socketCountOf } from '../support/process.js'
import { elementsOf, encodeRequest, type RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { serverSuite } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const MIB = 1024 * 1024
const OOM = "OOM command not allowed when used memory > 'maxmemory'."
const TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'
/** More than the server hands over to the system at a time, and the system takes. */
const STUCK_BYTES = 24 * MIB
const VALUE_BYTES_MAX = 512 * MIB
/** Pairs of clients that leave in the middle: with 640 MiB of words and replies. */
const LEAVERS = 16
const LEFT_BYTES_MAX = 128 * MIB

/** A request of which the last so many bytes are missing. */
function begun(missing: number, ...words: (string | Buffer)[]): Buffer {
  const bytes = encodeRequest(words)
  return bytes.subarray(0, bytes.length - missing)
}

/** A connection to a server without data. */
async function emptied(server: TestServer, protocol: 2 | 3 = 2): Promise<RespClient> {
  const client = await server.connect(protocol)
  await client.call('FLUSHALL')
  return client
}

async function untilRefused(client: RespClient): Promise<void> {
  await until('a small write is refused', () =>
    client.frame('SET', 'small', 'x').then(({ type }) => type === '-'),
  )
}

async function untilAllowed(client: RespClient): Promise<void> {
  await until('a small write is allowed', () =>
    client.frame('SET', 'small', 'x').then(({ type }) => type === '+'),
  )
}

for (const transport of ['native', 'node']) {
  const { server, test } = serverSuite(`large values over ${transport} transport`, [
    `network.external.transport=${transport}`,
    `redis.maxmemory=${64 * MIB}`,
    `network.query_buffer_limit=${48 * MIB}`,
  ])

  test('a full server refuses large values and lives on', async () => {
    const client = await emptied(server)
    const value = Buffer.alloc(10 * MIB, 'v')
    let count = 0
    while ((await client.frame('SET', `{v}${count}`, value)).type === '+') count++
    assert.is(count, 6)
    await client.call('SET', '{v}short', 'x'.repeat(20_000))
    for (const words of [
      ['SET', '{v}0', value],
      ['SET', '{v}0', value, 'GET'],
      ['SETNX', '{v}new', value],
      ['SETEX', '{v}new', '100', value],
      ['GETSET', '{v}0', value],
      ['APPEND', '{v}0', value],
      ['SETRANGE', '{v}0', '5', value],
      // Zeros up to there.
      ['SETRANGE', '{v}short', String(VALUE_BYTES_MAX - 1), 'x'],
      ['MSET', '{v}0', value, '{v}new', value],
      ['MSETNX', '{v}new', value],
      ['HSET', '{v}hash', 'field', value],
      ['HSETNX', '{v}hash', 'field', value],
    ] as const) {
      assert.is(await client.error(...words), OOM, words[0])
    }
    assert.is(await client.call('EXISTS', '{v}new', '{v}hash'), 0)
    assert.is(await client.call('STRLEN', '{v}short'), 20_000)
    assert.ok(value.equals(await client.callBytes('GET', '{v}0')))
    await client.call('DEL', '{v}0', '{v}1')
    assert.is(await client.call('SET', '{v}0', value), 'OK')
  })

  test('queued large values that a full server has no room for fail by themselves', async () => {
    const client = await emptied(server, 3)
    const value = Buffer.alloc(15 * MIB, 'v')
    await client.call('MULTI')
    for (const key of ['{v}0', '{v}1', '{v}2'])
      assert.is(await client.call('SET', key, value), 'QUEUED')
    await client.call('GET', '{v}0')
    const replies = elementsOf(await client.frame('EXEC'))
    // What is queued counts as well.
    assert.equal(
      replies.map(({ type }) => type),
      ['+', '+', '-', '$'],
    )
    assert.is(replies[2]!.value, OOM)
    assert.ok(value.equals(replies[3]!.value as Buffer))
  })

  test('a word that there is no room for is refused, and the connection goes on', async () => {
    const [first, second] = [await emptied(server), await server.connect()]
    const value = Buffer.alloc(40 * MIB, 'v')
    const request = encodeRequest(['SET', '{v}0', value])
    first.write(request.subarray(0, 39 * MIB))
    await until('the first word has come', async () => {
      const { type } = await second.frame('SETRANGE', '{v}1', String(26 * MIB), 'x')
      await second.call('DEL', '{v}1')
      return type === '-'
    })
    second.send('SET', '{v}1', value)
    assert.is(String((await second.read()).value), OOM)
    assert.is(await second.call('PING'), 'PONG')
    first.write(request.subarray(39 * MIB))
    assert.is(await first.readData(), 'OK')
    assert.ok(value.equals(await second.callBytes('GET', '{v}0')))
  })

  test('a request beyond the bound ends its connection', async () => {
    const client = await emptied(server)
    client.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${48 * MIB + 1}\r\nvalue`)
    await client.expectClose()
    const other = await server.connect()
    other.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${VALUE_BYTES_MAX + 1}\r\n`)
    await other.expect('-ERR Protocol error: invalid bulk length\r\n')
    await other.expectClose()
  })

  test('a client that leaves in the middle of a word gives its memory back', async () => {
    const client = await emptied(server)
    const half = begun(MIB, 'SET', 'k', Buffer.alloc(40 * MIB))
    await client.call('SET', 'kept', Buffer.alloc(30 * MIB))
    const leaver = await server.connect()
    leaver.write(half)
    await untilRefused(client)
    leaver.close()
    await untilAllowed(client)
  })

  test('a client that reads nothing holds one reply, and gives its memory back', async () => {
    const client = await emptied(server)
    const value = Buffer.alloc(STUCK_BYTES, 'v')
    await client.call('SET', '{v}0', value)
    const greedy = await server.connect()
    greedy.pause()
    // Each of these replies is 48 MiB; what is named twice is there once.
    for (let i = 0; i < 100; i++) greedy.send('MGET', '{v}0', '{v}0')
    const isRefused = async (bytes: number): Promise<boolean> => {
      const { type } = await client.frame('SETRANGE', 'probe', String(bytes), 'x')
      await client.call('DEL', 'probe')
      return type === '-'
    }
    await until('a reply is on its way and counts', () => isRefused(20 * MIB))
    assert.not(await isRefused(10 * MIB), 'no other reply is')
    greedy.close()
    await until('its memory is there again', async () => !(await isRefused(20 * MIB)))
  })

  test('a value that is replaced while it is sent arrives as it was', async () => {
    const client = await emptied(server)
    for (const change of [
      ['SETRANGE', '{v}0', String(STUCK_BYTES - 2_000), 'x'.repeat(1_000)],
      ['APPEND', '{v}0', 'x'.repeat(1_000)],
      ['SET', '{v}0', Buffer.alloc(2 * MIB, 'z')],
      ['RENAME', '{v}0', '{v}1'],
      ['DEL', '{v}0'],
    ]) {
      const value = Buffer.alloc(STUCK_BYTES, 'old ')
      await client.call('SET', '{v}0', value)
      const reader = await server.connect()
      reader.send('GET', '{v}0')
      await reader.expect(`$${STUCK_BYTES}\r\n`)
      reader.pause()
      await client.call(...change)
      await client.call('SET', '{v}2', Buffer.alloc(MIB, 'other'))
      reader.resume()
      const text = await reader.readBytes(STUCK_BYTES)
      assert.ok(value.equals(Buffer.from(text, 'latin1')), `after ${change[0]}`)
      await reader.expect('\r\n')
      assert.is(await reader.call('PING'), 'PONG')
      reader.close()
    }
  })

  test('memory and descriptors of clients that leave in the middle come back', async () => {
    if (process.platform !== 'linux') {
      reportSkip('memory of clients that left', 'it is measured from /proc')
      return
    }
    const client = await emptied(server)
    await client.call('SET', 'k', Buffer.alloc(STUCK_BYTES))
    const half = begun(MIB, 'SET', 'other', Buffer.alloc(16 * MIB))
    const { pid } = server
    const sockets = socketCountOf(pid)
    const before = memoryOf(pid, 'VmRSS')
    for (let round = 0; round < LEAVERS; round++) {
      const leaver = await server.connect()
      leaver.write(half)
      const reader = await server.connect()
      reader.send('GET', 'k')
      await reader.expect(`$${STUCK_BYTES}\r\n`)
      reader.close()
      leaver.close()
    }
    await until('the descriptors are closed', () => socketCountOf(pid) === sockets)
    await untilAllowed(client)
    await until('the memory has come back', async () => {
      // Memory is collected when there is need for more.
      await client.call('SET', 'k', Buffer.alloc(STUCK_BYTES))
      return memoryOf(pid, 'VmRSS') - before < LEFT_BYTES_MAX
    })
  })

  test.run()
}

const { server, test } = serverSuite('the largest values', [
  `redis.maxmemory=${2048 * MIB}`,
  // Nothing of it is written: it is deleted before.
  'redis.volume_syncer.period=600000',
])

test('a value has 512 MiB at most', async () => {
  const [client, other] = [await server.connect(), await server.connect()]
  const part = Buffer.alloc(MIB, 'v')
  client.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${VALUE_BYTES_MAX}\r\n`)
  for (let i = 0; i < VALUE_BYTES_MAX / MIB; i++) {
    client.write(part)
    if (i % 128 === 64) assert.is(await other.call('PING'), 'PONG')
  }
  client.write('\r\n')
  assert.is(await client.readData(), 'OK')
  assert.is(await other.call('STRLEN', 'k'), VALUE_BYTES_MAX)
  assert.is(await other.error('APPEND', 'k', 'x'), TOO_LONG)
  assert.is(await other.error('SETRANGE', 'k', String(VALUE_BYTES_MAX), 'x'), TOO_LONG)
  assert.is(await other.call('SETRANGE', 'k', String(VALUE_BYTES_MAX - 2), 'xy'), VALUE_BYTES_MAX)
  assert.is(await other.call('GETRANGE', 'k', '-4', '-1'), 'vvxy')
  const middle = await other.callBytes('GETRANGE', 'k', String(100 * MIB - 1), String(101 * MIB))
  assert.ok(middle.equals(Buffer.alloc(MIB + 2, 'v')))
  // Four of them are more than a reply may have.
  const reply = await other.error('MGET', 'k', 'k', 'k', 'k')
  assert.is(reply, 'ERR the reply is too large: 2 GiB or more')
  assert.is(await other.call('DEL', 'k'), 1)
})

test.run()
