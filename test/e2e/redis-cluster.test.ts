/** Two members that share the Redis slots: MOVED, and what CLUSTER says. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type RedisPair, withRedisPair } from '../support/redis-pair.js'
import type { Data, RespClient } from '../support/resp-client.js'
import { serverSuite, withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const test = suite('redis cluster')

/** A key in each of the four shards, of which member 0 has the first and the third. */
const KEYS = ['b', 'bar', 'foo', 'a'] as const

/** Slots of each member. */
const RANGES: Record<0 | 1, [number, number][]> = {
  0: [
    [0, 4095],
    [8192, 12_287],
  ],
  1: [
    [4096, 8191],
    [12_288, 16_383],
  ],
}

/** Lines of CLUSTER NODES by member id. */
async function nodes(client: RespClient): Promise<Map<string, string>> {
  const lines = String(await client.call('CLUSTER', 'NODES')).split('\n')
  assert.is(lines.pop(), '')
  return new Map(lines.map(line => [line.slice(0, 40), line.slice(41)]))
}

async function info(client: RespClient): Promise<Map<string, string>> {
  const lines = String(await client.call('CLUSTER', 'INFO')).split('\r\n')
  assert.is(lines.pop(), '')
  return new Map(lines.map(line => line.split(':') as [string, string]))
}

/** Clients of both ports of both members, with the index of the member. */
async function everywhere(pair: RedisPair): Promise<(readonly [0 | 1, RespClient])[]> {
  const clients: (readonly [0 | 1, RespClient])[] = []
  for (const index of [0, 1] as const) {
    const { server } = pair[index]
    clients.push([index, await server.connect()], [index, await server.connectAdmin(2)])
  }
  return clients
}

test('members send clients to each other', () =>
  withRedisPair(async pair => {
    for (const index of [0, 1] as const) {
      const client = await pair[index].server.connect()
      const { port } = pair[1 - index]!
      const own = KEYS.filter((_, shard) => shard % 2 === index)
      const other = KEYS.filter((_, shard) => shard % 2 !== index)
      for (const key of own) await client.exchange(['SET', key, 'v'], '+OK\r\n')
      for (const key of other) {
        const slot = await client.call('CLUSTER', 'KEYSLOT', key)
        const moved = `MOVED ${slot} 127.0.0.1:${port}`
        for (const words of [
          ['GET', key],
          ['SET', key, 'w'],
          ['WATCH', key],
        ]) {
          assert.is(await client.error(...words), moved)
        }
        // While queueing, and the queue is spoilt.
        await client.exchange(['MULTI'], '+OK\r\n')
        await client.exchange(['SET', own[0]!, 'w'], '+QUEUED\r\n')
        assert.is(await client.error('SET', key, 'w'), moved)
        assert.match(await client.error('EXEC'), /^EXECABORT /)
      }
      const split = await client.error('DEL', own[0]!, other[0]!)
      assert.is(split, "CROSSSLOT Keys in request don't hash to the same slot")
      assert.is(await client.call('GET', own[0]!), 'v')
    }
  }))

test('CLUSTER tells the same on every port of every member', () =>
  withRedisPair(async pair => {
    const address = (index: 0 | 1): Data[] => ['127.0.0.1', pair[index].port, pair[index].id, []]
    for (const [index, client] of await everywhere(pair)) {
      assert.is(await client.call('CLUSTER', 'MYID'), pair[index].id)
      assert.is(await client.call('CLUSTER', 'KEYSLOT', 'foo{hash_tag}'), 2515)
      assert.equal(await client.call('cluster', 'slots'), [
        [0, 4095, address(0)],
        [4096, 8191, address(1)],
        [8192, 12_287, address(0)],
        [12_288, 16_383, address(1)],
      ])
      const lines = await nodes(client)
      assert.is(lines.size, 2)
      for (const member of [0, 1] as const) {
        const { id, port, server } = pair[member]
        const flags = member === index ? 'myself,master' : 'master'
        const slots = RANGES[member].map(range => range.join('-')).join(' ')
        assert.is(
          lines.get(id),
          `127.0.0.1:${port}@${server.adminPort},127.0.0.1 ${flags} - 0 0 0 connected ${slots}`,
        )
      }
      const said = await info(client)
      const counts = ['assigned', 'ok', 'pfail', 'fail'].map(name => `cluster_slots_${name}`)
      assert.equal(
        counts.map(name => said.get(name)),
        ['16384', '16384', '0', '0'],
      )
      for (const [name, value] of [
        ['cluster_state', 'ok'],
        ['cluster_known_nodes', '2'],
        ['cluster_size', '2'],
      ] as const) {
        assert.is(said.get(name), value)
      }
      assert.equal(await client.call('CLUSTER', 'LINKS'), [])
      assert.equal(await client.call('CLUSTER', 'REPLICAS', pair[0].id), [])
      assert.equal(await client.call('CLUSTER', 'SLAVES', pair[1].id), [])
      assert.is(await client.error('CLUSTER', 'REPLICAS', 'nobody'), 'ERR Unknown node nobody')
    }
  }))

test('CLUSTER SHARDS and SLOTS have maps in RESP3', () =>
  withRedisPair(async pair => {
    const resp3 = await pair[0].server.connect(3)
    const shards = (await resp3.call('CLUSTER', 'SHARDS')) as Map<string, Data>[]
    const shardOf = (index: 0 | 1) =>
      new Map<string, Data>([
        ['slots', RANGES[index].flat()],
        [
          'nodes',
          [
            new Map<string, Data>([
              ['id', pair[index].id],
              ['port', pair[index].port],
              ['ip', '127.0.0.1'],
              ['endpoint', '127.0.0.1'],
              ['role', 'master'],
              ['replication-offset', 0],
              ['health', 'online'],
            ]),
          ],
        ],
      ])
    assert.equal(shards, [shardOf(0), shardOf(1)])
    const [range] = (await resp3.call('CLUSTER', 'SLOTS')) as Data[][]
    assert.equal(range?.[2], ['127.0.0.1', pair[0].port, pair[0].id, new Map()])
  }))

test('CLUSTER knows who has stopped and who is silent', () =>
  withRedisPair(async ([one, two]) => {
    const client = await one.server.connect()
    const becomes = (flags: string, link: string) =>
      until(`the other member is ${flags}`, async () => {
        const [, shown, , , , , state] = (await nodes(client)).get(two.id)!.split(' ')
        return shown === flags && state === link
      })
    for (const end of ['stop', 'kill'] as const) {
      await two.server[end]()
      await becomes('master,fail', 'disconnected')
      const said = await info(client)
      assert.equal(
        [said.get('cluster_slots_ok'), said.get('cluster_slots_fail'), said.get('cluster_state')],
        ['8192', '8192', 'ok'],
      )
      const shards = (await client.call('CLUSTER', 'SHARDS')) as Data[][]
      const health = shards.map(([, , , members]) => (members as Data[][])[0]!.at(-1))
      assert.equal(health, ['online', 'failed'])
      // Clients go on being sent there: nobody else has the data.
      assert.is(await client.error('GET', 'a'), `MOVED 15495 127.0.0.1:${two.port}`)
      await two.server.start()
      await becomes('master', 'connected')
    }
  }))

test('CLUSTER leaves out shards without a primary', () =>
  withTestServer(['cluster.auto_bootstrap=false', 'redis.shards=3'], async server => {
    const client = await server.connect()
    const admin = await server.connectAdmin()
    const uninitialized = 'ERR cluster has not been initialized yet'
    for (const one of [client, admin]) assert.is(await one.error('CLUSTER', 'INFO'), uninitialized)
    await admin.call('KR.ADMIN', 'INITIALIZE-CLUSTER')
    const id = String(await client.call('CLUSTER', 'MYID'))
    assert.equal(await client.call('CLUSTER', 'SLOTS'), [])
    assert.equal(await client.call('CLUSTER', 'SHARDS'), [])
    assert.match((await nodes(client)).get(id)!, / myself,master - 0 0 0 connected$/)
    assert.is((await info(client)).get('cluster_slots_assigned'), '0')
    const route = ['KR.ADMIN', 'ROUTE', 'SET', 'PRIMARY', 'REDIS']
    const status = ['KR.ADMIN', 'SET-SHARD-STATUS', 'REDIS', '*']
    await admin.call(...route, '1', id)
    await admin.call(...status, 'READWRITE')
    const ranges = async () =>
      ((await client.call('CLUSTER', 'SLOTS')) as Data[][]).map(range => range.slice(0, 2))
    assert.equal(await ranges(), [[5461, 10_921]])
    assert.is((await info(client)).get('cluster_state'), 'fail')
    assert.is(await client.error('GET', 'foo'), 'ERR shard id: 2 not owned by any member yet')
    await admin.call(...route, '*', id)
    // Neighbours are one range.
    assert.equal(await ranges(), [[0, 16_383]])
    assert.is((await info(client)).get('cluster_state'), 'ok')
    assert.match((await nodes(client)).get(id)!, / connected 0-16383$/)
    await admin.call(...status, 'READONLY')
    assert.is((await info(client)).get('cluster_state'), 'ok')
    await admin.call('KR.ADMIN', 'SET-SHARD-STATUS', 'REDIS', '1', 'INOPERABLE')
    assert.is((await info(client)).get('cluster_state'), 'fail')
  }))

test('CLUSTER is unknown without the Redis side', () =>
  withTestServer(['redis.enabled=false'], async server => {
    for (const client of [await server.connect(), await server.connectAdmin()]) {
      assert.is(await client.error('CLUSTER', 'SLOTS'), "ERR unknown command 'CLUSTER'")
      assert.is(await client.error('MULTI'), "ERR unknown command 'MULTI'")
    }
  }))

test.run()

const one = serverSuite('CLUSTER on one member', ['redis.shards=5'])

one.test('counts and lists the keys of a slot', async () => {
  const client = await one.server.connect()
  const keys = Array.from({ length: 50 }, (_, i) => `{user:7}:${i}`)
  for (const key of keys) await client.call('SET', key, 'v')
  await client.call('SET', '{user:8}:1', 'v')
  await client.call('SET', '{user:7}:gone', 'v', 'PXAT', '1')
  const slot = String(await client.call('CLUSTER', 'KEYSLOT', '{user:7}'))
  assert.is(await client.call('CLUSTER', 'COUNTKEYSINSLOT', slot), 50)
  const found = (await client.call('CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[]
  assert.equal([...found].sort(), [...keys].sort())
  const some = (await client.call('CLUSTER', 'GETKEYSINSLOT', slot, '7')) as string[]
  assert.is(new Set(some).size, 7)
  assert.ok(some.every(key => keys.includes(key)))
  assert.equal(await client.call('CLUSTER', 'GETKEYSINSLOT', slot, '0'), [])
  assert.is(await client.call('CLUSTER', 'COUNTKEYSINSLOT', '0'), 0)
  assert.equal(await client.call('CLUSTER', 'GETKEYSINSLOT', '16383', '1'), [])
})

one.test('refuses as Redis does', async () => {
  const client = await one.server.connect()
  const refusals: [request: string, text: string][] = [
    ['CLUSTER', "ERR wrong number of arguments for 'cluster' command"],
    ['CLUSTER KEYSLOT', "ERR wrong number of arguments for 'cluster|keyslot' command"],
    ['CLUSTER SLOTS x', "ERR wrong number of arguments for 'cluster|slots' command"],
    ['CLUSTER MEET 127.0.0.1 1', "ERR unknown subcommand 'MEET'. Try CLUSTER HELP."],
    ['CLUSTER addslots 1', "ERR unknown subcommand 'addslots'. Try CLUSTER HELP."],
    ['CLUSTER COUNTKEYSINSLOT 16384', 'ERR Invalid slot'],
    ['CLUSTER COUNTKEYSINSLOT -1', 'ERR Invalid slot'],
    ['CLUSTER COUNTKEYSINSLOT x', 'ERR value is not an integer or out of range'],
    ['CLUSTER GETKEYSINSLOT 16384 1', 'ERR Invalid slot or number of keys'],
    ['CLUSTER GETKEYSINSLOT 1 -1', 'ERR Invalid slot or number of keys'],
    ['CLUSTER GETKEYSINSLOT 1 x', 'ERR value is not an integer or out of range'],
    ['READONLY x', "ERR wrong number of arguments for 'readonly' command"],
  ]
  for (const [request, text] of refusals) {
    assert.is(await client.error(...request.split(' ')), text, request)
  }
})

one.test.run()
