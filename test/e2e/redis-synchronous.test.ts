/** Synchronous mode of a whole server whose shard has a standby that nobody sends bytes to yet. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ClusterKeys } from '../../ts/cluster/keys.js'
import { loadTopology } from '../../ts/cluster/routes.js'
import { loadConfig } from '../../ts/config/config.js'
import { openClusterDirectory } from '../../ts/store/directory.js'
import type { ClusterArea } from '../../ts/store/keyspace.js'
import { Store } from '../../ts/store/store.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const STANDBY = 'f'.repeat(40)
const REFUSAL = 'shard id: 0 has 0 standbys that store its data instead of 1'
const LOST = 'stopping: the last changes of Redis data are lost'
/** A stop that ends by itself long before this waits for nobody. */
const SETTINGS = ['replication.synchronous=1', 'replication.synchronous_timeout=3600000']

const test = suite('redis synchronous')

/** Gives REDIS shard 0 these standbys: what operators will do with a command. */
async function setStandbys(server: TestServer, standbys: readonly string[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'kronotop-standbys-'))
  const { config } = loadConfig({ sets: [`data_dir=${directory}`, ...server.storeSettings] })
  const store = await Store.open(config, pino({ level: 'silent' }))
  try {
    const open = (area: ClusterArea) => openClusterDirectory(store, config.cluster.name, area)
    const keys = new ClusterKeys({
      metadata: await open('metadata'),
      members: await open('members'),
      shards: await open('shards'),
    })
    await store.transact(async tx => {
      const { routes } = await loadTopology(tx, keys, '')
      const { primary, status } = routes.find(({ kind }) => kind === 'REDIS')!
      tx.set(keys.route('REDIS', 0), Buffer.from(JSON.stringify({ primary, standbys, status })))
      tx.add(keys.epoch('REDIS', 0), 1n)
      tx.add(keys.topology, 1n)
    })
  } finally {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  }
  const admin = await server.connectAdmin()
  await until('the server knows its standbys', async () => {
    const shard = await admin.call('KR.ADMIN', 'DESCRIBE-SHARD', 'REDIS', '0')
    const known = (shard as Map<string, string[]>).get('standbys')
    return JSON.stringify(known) === JSON.stringify(standbys)
  })
}

const refusals = (server: TestServer) => server.output.split(REFUSAL).length - 1

test('clients are answered while nothing can be written, and nothing is', () =>
  withTestServer(SETTINGS, async server => {
    const client = await server.connect()
    await setStandbys(server, [STANDBY])
    await client.exchange(['SET', 'lost', '1'], '+OK\r\n')
    await until('it was tried', () => refusals(server) > 0)
    await client.exchange(['INCR', 'lost'], ':2\r\n')
    await client.exchange(['FLUSHALL'], '+OK\r\n')
    await client.exchange(['HSET', 'lost', 'f', 'v'], ':1\r\n')
    const before = refusals(server)
    await until('it was tried again', () => refusals(server) > before)
    await client.exchange(['HGET', 'lost', 'f'], '$1\r\nv\r\n')
    await server.kill()
    await server.start()
    const again = await server.connect()
    await again.exchange(['EXISTS', 'lost'], ':0\r\n')
  }))

test('a stop ends by itself, with exit code 1, and says what is lost', () =>
  withTestServer(SETTINGS, async server => {
    const client = await server.connect()
    await setStandbys(server, [STANDBY])
    await client.exchange(['SET', 'lost', '1'], '+OK\r\n')
    server.signal('SIGTERM')
    assert.equal(await server.ended(), { code: 1, signal: null })
    assert.match(server.output, LOST)
  }))

test('what waited is written when the shard has no standby any more', () =>
  withTestServer(SETTINGS, async server => {
    const client = await server.connect()
    await setStandbys(server, [STANDBY])
    await client.exchange(['SET', 'kept', '1'], '+OK\r\n')
    await until('it was tried', () => refusals(server) > 0)
    await setStandbys(server, [])
    await server.restart()
    const again = await server.connect()
    await again.exchange(['GET', 'kept'], '$1\r\n1\r\n')
  }))

test('a shard with standbys is written all the same when the mode is off', () =>
  withTestServer([], async server => {
    const client = await server.connect()
    await setStandbys(server, [STANDBY])
    await client.exchange(['SET', 'kept', '1'], '+OK\r\n')
    await server.restart()
    const again = await server.connect()
    await again.exchange(['GET', 'kept'], '$1\r\n1\r\n')
  }))

test.run()
