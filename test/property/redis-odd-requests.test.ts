/**
 * Odd requests that random ones seldom are: the same to this server and to Debian's redis-server
 * in cluster mode, in both protocols. The replies must be the same bytes.
 */
import * as assert from 'uvu/assert'
import { isSame } from '../support/differential/play.js'
import { RedisServer } from '../support/redis-server.js'
import type { Frame, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const { server, test } = serverSuite('odd requests beside redis-server')

/** What is there before each request: a string, a hash, and one that expires. */
const BEFORE = ['SET {t}s Hello', 'DEL {t}h {t}none', 'HSET {t}h f v', 'SET {t}e v EX 100000']
const KEYS = ['{t}s', '{t}h', '{t}e', '{t}none']

/** Each is sent with each key in place of K. */
const OF_A_KEY = [
  'HRANDFIELD K -9223372036854775808',
  'HRANDFIELD K -9223372036854775807 WITHVALUES',
  'HRANDFIELD K 4611686018427387904 WITHVALUES',
  'HRANDFIELD K 4611686018427387903 WITHVALUES',
  'HRANDFIELD K -4611686018427387904 WITHVALUES',
  'HRANDFIELD K 1 WITHVALUES WITHVALUES',
  'GETEX K PERSIST persist',
  'GETEX K EX abc EX 100',
  'GETEX K EX 100 ex abc',
  'GETEX K EX 100 EX',
  'GETEX K EX 100 PX 100',
  'GETEX K PERSIST EX 100',
  'GETEX K EX 100 PERSIST',
  'GETEX K EX 9223372036854775807',
  'SET K v EX 9223372036854775807 GET',
  'SET K v NX XX',
  'SET K v KEEPTTL EX 100',
  'SET K v EX',
  'EXPIRE K abc zz',
  'EXPIRE K 100 NX GT',
  'EXPIRE K 9223372036854775807 GT LT',
  'PEXPIREAT K -9223372036854775808',
  'SETRANGE K 536870912 v',
  'SETRANGE K -1 ',
  'GETRANGE K 9223372036854775807 -9223372036854775808',
  'HSCAN K 18446744073709551616',
  'HSCAN K 0 COUNT 0',
  'HSCAN K 0 NOVALUES',
  'RENAMENX K K',
  'RENAME K K',
]
/** Draws would fill the memory of either server. */
const NO_HASH = ['HRANDFIELD K -1000000000', 'HRANDFIELD K -4611686018427387903 WITHVALUES']

const OTHERS = [
  'COMMAND GETKEYS get a b',
  'COMMAND GETKEYS get a',
  'COMMAND GETKEYS mset a 1 b',
  'COMMAND GETKEYS exec x',
  'COMMAND GETKEYS nosuch x',
  'COMMAND GETKEYS cluster nosuch',
  'COMMAND GETKEYS rename a b c',
  'COMMAND GETKEYS watch a b',
  'COMMAND GETKEYS set a 1 zz',
  'COMMAND LIST FILTERBY PATTERN hincr*t',
  'CLUSTER KEYSLOT a b',
  'CLUSTER COUNTKEYSINSLOT -1',
  'CLUSTER GETKEYSINSLOT 99999999999999999999 1',
  'CLUSTER REPLICAS x',
  'CLIENT REPLY zz',
  'CLIENT NO-EVICT zz',
  'HELLO 03',
  'HELLO 2 SETNAME',
  'HELLO 2 zz',
  'SELECT -1',
  'SELECT x',
  'FLUSHALL SYNC SYNC',
  'SCAN 0 COUNT',
  'SCAN x COUNT 0',
  'MSET {t}a 1 {u}b 2',
]

/** All commands of `spec/redis.md` that redis-server has. */
const COMMANDS = (
  'del unlink exists touch type rename renamenx expire pexpire expireat pexpireat ttl pttl ' +
  'expiretime pexpiretime persist randomkey scan keys dbsize flushdb flushall select set setnx ' +
  'setex psetex get getset getdel getex mget mset msetnx append strlen getrange substr setrange ' +
  'incr decr incrby decrby incrbyfloat hset hmset hsetnx hget hmget hgetall hkeys hvals hlen ' +
  'hexists hstrlen hdel hincrby hincrbyfloat hrandfield hscan multi exec discard unwatch ' +
  'readonly readwrite asking'
).split(' ')
const COMPARED_FLAGS = ['write', 'readonly', 'fast']

const words = (line: string): string[] => line.split(' ')

async function startPeer(): Promise<RedisServer | undefined> {
  const settings = ['--cluster-enabled', 'yes']
  const peer = await RedisServer.startOrSkip('odd requests beside redis-server', settings)
  if (peer === undefined) return undefined
  const client = await peer.connect()
  await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await until('it serves all slots', async () =>
    String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
  )
  return peer
}

/** @returns the requests that were answered differently, with both replies */
async function differing(
  lines: readonly string[],
  ours: RespClient,
  theirs: RespClient,
): Promise<string[]> {
  const found: string[] = []
  for (const line of lines) {
    for (const before of BEFORE) {
      for (const client of [ours, theirs]) await client.frame(...words(before))
    }
    const [mine, other] = [await ours.frame(...words(line)), await theirs.frame(...words(line))]
    if (!isSame(mine, other)) found.push(`${line}: ${shown(mine)}, not ${shown(other)}`)
  }
  return found
}

const shown = ({ type, value }: Frame): string => `${type}${JSON.stringify(value)}`

test('odd requests are answered as redis-server does', async () => {
  const peer = await startPeer()
  if (peer === undefined) return
  try {
    const lines = [
      ...OF_A_KEY.flatMap(line => KEYS.map(key => line.replaceAll('K ', `${key} `))),
      ...NO_HASH.flatMap(line => ['{t}s', '{t}none'].map(key => line.replace('K ', `${key} `))),
      ...OTHERS,
    ]
    for (const protocol of [2, 3] as const) {
      const clients = [await server.connect(protocol), await peer.connect(protocol)] as const
      assert.equal(await differing(lines, ...clients), [], `RESP${protocol}`)
    }
  } finally {
    await peer.dispose()
  }
})

/** Of each command: arity, what of its flags drivers go by, and where its keys are. */
async function described(client: RespClient): Promise<unknown[]> {
  const entries = (await client.call('COMMAND', 'INFO', ...COMMANDS)) as unknown[][]
  return entries.map(entry => {
    const [name, arity, flags, ...keys] = entry.slice(0, 6)
    return [name, arity, COMPARED_FLAGS.filter(flag => (flags as string[]).includes(flag)), ...keys]
  })
}

test('commands are described as by redis-server', async () => {
  const peer = await RedisServer.startOrSkip('descriptions of commands beside redis-server')
  if (peer === undefined) return
  try {
    const theirs = await described(await peer.connect())
    assert.equal(await described(await server.connect()), theirs)
  } finally {
    await peer.dispose()
  }
})

test.run()
