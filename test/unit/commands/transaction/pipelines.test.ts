/** Transactions in one packet, and clients that go away in the middle of them. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../../../support/budget.js'
import { isOnCluster } from '../../../support/cluster.js'
import { setFaults, troubled } from '../../../support/faults.js'
import { Random } from '../../../support/random.js'
import { encodeRequest, RespClient } from '../../../support/resp-client.js'
import { until } from '../../../support/wait.js'
import { type Client, type Member, startMember } from '../harness.js'

const test = suite('pipelined transactions')

let member: Member
let other: Client
const clients: RespClient[] = []

test.before(async () => {
  member = await startMember()
  other = await member.connect()
})
test.after.each(() => {
  for (const client of clients.splice(0)) client.close()
})
test.after(() => member.close())

async function connect(protocol: 2 | 3): Promise<RespClient> {
  const client = await RespClient.connect(member.port)
  clients.push(client)
  if (protocol === 3) await client.call('HELLO', '3')
  return client
}

/** Requests as typed, without quotes. */
function packet(lines: readonly string[]): Buffer {
  return Buffer.concat(lines.map(line => encodeRequest(line.split(' '))))
}

const NONE = '-TRANSACTION there is no transaction in progress.\r\n'
const OPEN = '-TRANSACTION there is already a transaction in progress.\r\n'
const SYNTAX = '-ERR syntax error\r\n'
const OK = '+OK\r\n'

/** A request, and its reply in RESP2 and, where it differs, in RESP3. */
type Exchange = readonly [line: string, reply: string, reply3?: string]

const DIALOGUE: readonly Exchange[] = [
  ['COMMIT', NONE],
  ['BEGIN', OK],
  ['BEGIN', OPEN],
  ['ZSET p:1 x', OK],
  ['ZGET p:1', '$1\r\nx\r\n'],
  ['ZGET p:none', '$-1\r\n', '_\r\n'],
  ['ZGETRANGE p: p; LIMIT', SYNTAX],
  ['ZGETRANGE p: p; LIMIT -1', '-RANGE_LIMITS_INVALID Range limits not valid\r\n'],
  ['ZSET p:2', "-ERR wrong number of arguments for 'ZSET' command\r\n"],
  ['NOSUCHCOMMAND a', "-ERR unknown command 'NOSUCHCOMMAND'\r\n"],
  ['ZSET.I64 p:n x', '-ERR value is not a long or out of range\r\n'],
  ['NAMESPACE USE no.such', '-NOSUCHNAMESPACE No such namespace: no.such\r\n'],
  ['COMMIT nonsense', "-ERR unknown subcommand: 'nonsense'\r\n"],
  ['COMMIT RETURNING', '-ERR No arguments given for RETURNING\r\n'],
  ['COMMIT RETURNING x', '-ERR Illegal argument: x\r\n'],
  ['COMMIT RETURNING x y', "-ERR wrong number of arguments for 'COMMIT' command\r\n"],
  ['ZSET.F64 p:f 1.5', OK],
  ['ZGET.F64 p:f', '$3\r\n1.5\r\n', ',1.5\r\n'],
  ['ZDEL p:f', OK],
  ['ZSET p:2 y', OK],
  ['COMMIT', OK],
  ['COMMIT', NONE],
  ['ROLLBACK', NONE],
  ['ZGETRANGE p: p;', '*2\r\n*2\r\n$3\r\np:1\r\n$1\r\nx\r\n*2\r\n$3\r\np:2\r\n$1\r\ny\r\n'],
  ['BEGIN', OK],
  ['ZDELRANGE p: p;', OK],
  ['ROLLBACK', OK],
  ['BEGIN', OK],
  ['ZGET p:1', '$1\r\nx\r\n'],
  ['COMMIT RETURNING committed-version', ':-1\r\n'],
  ['BEGIN', OK],
  ['COMMIT RETURNING committed-version', ':-1\r\n'],
  ['BEGIN', OK],
  [
    'COMMIT RETURNING versionstamp',
    '-NO_COMMIT_VERSION Transaction is read-only and therefore does not have a commit version\r\n',
  ],
  ['COMMIT', NONE],
  ['ZDELRANGE p: p;', OK],
  ['ZGETRANGE p: p;', '*0\r\n'],
]

for (const protocol of [2, 3] as const) {
  const expected = DIALOGUE.map(([, reply, reply3]) => (protocol === 3 ? (reply3 ?? reply) : reply))
  const lines = DIALOGUE.map(([line]) => line)

  test(`answers in order what came in one packet, with failures, in RESP${protocol}`, async () => {
    const client = await connect(protocol)
    client.write(packet(lines))
    await client.expect(expected.join(''))
  })

  test(`answers the same one by one in RESP${protocol}`, async () => {
    const client = await connect(protocol)
    for (const [index, line] of lines.entries()) {
      await client.exchange(line.split(' '), expected[index]!)
    }
  })

  test(`keeps transactions of many packets apart in RESP${protocol}`, async () => {
    const sessions = await Promise.all(Array.from({ length: 8 }, () => connect(protocol)))
    for (const [number, session] of sessions.entries()) {
      const key = `apart:${number}`
      const body = [`ZINC.I64 ${key} 1`, 'ZINC.I64 apart:all 1', `ZGET.I64 ${key}`]
      const transactions = Array.from({ length: 20 }, () => ['BEGIN', ...body, 'COMMIT'])
      session.write(packet(transactions.flat()))
    }
    for (const session of sessions) {
      for (let done = 1; done <= 20; done++) {
        await session.expect(`+OK\r\n+OK\r\n+OK\r\n:${done}\r\n+OK\r\n`)
      }
    }
    assert.is(await other.run('ZGET.I64', 'apart:all'), 160)
    await other.run('ZDELRANGE', 'apart:', 'apart;')
  })
}

test('a packet whose BEGIN fails runs its commands one by one', async () => {
  const client = await connect(2)
  client.write(packet(['BEGIN now', 'ZSET p:1 x', 'COMMIT', 'ZGET p:1', 'ZDEL p:1']))
  const arity = "-ERR wrong number of arguments for 'BEGIN' command\r\n"
  await client.expect(`${arity}+OK\r\n${NONE}$1\r\nx\r\n+OK\r\n`)
})

/** Clients that send a part of a transaction, read some of the replies and go away. */
async function leaveInTheMiddle(random: Random, round: number): Promise<void> {
  const key = `left:${round}`
  const first = packet(['BEGIN'])
  const rest = packet([
    `ZSET ${key}:a 1`,
    'ZGET left:shared',
    'ZINC.I64 left:shared 1',
    'ZGETRANGE left: left; LIMIT 5',
    `ZSET ${key}:b 1`,
    'COMMIT RETURNING versionstamp',
  ])
  const client = await connect(random.pick([2, 3]))
  const sent = random.between(1, first.length + rest.length)
  client.write(Buffer.concat([first, rest]).subarray(0, sent))
  if (sent >= first.length && random.next() < 0.5) await client.read()
  client.close()
}

async function leavesNothing(name: 'clients that leave', used: number): Promise<void> {
  const random = new Random(used)
  for (let round = 0; round < rounds(name); round += 8) {
    const leaving = Array.from({ length: 8 }, (_, at) => leaveInTheMiddle(random, round + at))
    await Promise.all(leaving)
  }
  await until('all transactions are over', () => member.store.openTransactionCount === 0)
}

/** Each transaction left both of its keys, or none. */
async function checkWhole(): Promise<void> {
  const count = Number((await other.run('ZGET.I64', 'left:shared')) ?? 0)
  const pairs = (await other.run('ZGETRANGE', 'left:', 'left;', 'LIMIT', '0')) as string[][]
  const keys = pairs.map(([key]) => key!).filter(key => key !== 'left:shared')
  const halves = keys.map(key => key.slice(0, -2))
  assert.is(keys.length, 2 * new Set(halves).size)
  assert.is(keys.length, 2 * count)
  await other.run('ZDELRANGE', 'left:', 'left;')
}

test('clients that leave in the middle leave nothing behind', async () => {
  const used = seed()
  console.log(`SEED=${used}`)
  await leavesNothing('clients that leave', used)
  await checkWhole()
})

test('nor do they in a troubled store', async () => {
  if (isOnCluster) return
  const used = seed()
  console.log(`SEED=${used}`)
  setFaults(member.store, { ...troubled(used), unknownResult: 0.1 })
  await leavesNothing('clients that leave', used)
  setFaults(member.store, undefined)
  await checkWhole()
})

test.run()
