/** Loading and following the routing table. */
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ClusterKeys } from '../../../ts/cluster/keys.js'
import { RouteTable } from '../../../ts/cluster/routes.js'
import { openClusterDirectory } from '../../../ts/store/directory.js'
import type { Store } from '../../../ts/store/store.js'
import { openTestStore, type TestStore } from '../../support/store.js'
import { kept, until } from '../../support/wait.js'

const SELF = 'a'.repeat(40)

let opened: TestStore
let store: Store
let keys: ClusterKeys
const logged: Record<string, unknown>[] = []
const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(JSON.parse(line)) })

/** Watches alone do not keep a process alive. */
let keepAlive: NodeJS.Timeout

test.before(() => {
  keepAlive = setInterval(() => {}, 1_000)
})
test.after(() => clearInterval(keepAlive))
test.before.each(async () => {
  logged.length = 0
  opened = await openTestStore()
  ;({ store } = opened)
  keys = new ClusterKeys({
    metadata: await openClusterDirectory(store, 'development', 'metadata'),
    members: await openClusterDirectory(store, 'development', 'members'),
    shards: await openClusterDirectory(store, 'development', 'shards'),
  })
})
test.after.each(() => opened.close())

const table = (): RouteTable => new RouteTable(store, keys, { self: SELF, log })

function putRoute(id: number, primary: string): Promise<void> {
  return store.transact(tx => {
    const record = { primary, standbys: [], status: 'READWRITE' }
    tx.set(keys.route('BUCKET', id), Buffer.from(JSON.stringify(record)))
    tx.add(keys.epoch('BUCKET', id), 1n)
    tx.add(keys.topology, 1n)
  })
}

test('loads more shards than one batch holds', async () => {
  const count = 2_000
  await store.transact(tx => {
    for (let id = 0; id < count; id++) {
      const record = { primary: '', standbys: [], status: 'INOPERABLE' }
      tx.set(keys.route('BUCKET', id), Buffer.from(JSON.stringify(record)))
      tx.add(keys.epoch('BUCKET', id), BigInt(id))
    }
  })
  const routes = table()
  await routes.reload()
  const shards = routes.shards('BUCKET')
  assert.equal(
    shards.map(({ id, epoch }) => [id, epoch]),
    Array.from({ length: count }, (_, id) => [id, BigInt(id)]),
  )
})

test('a reload sees what was committed before it was asked for', async () => {
  const routes = table()
  let round = 0
  routes.onChange(() => new Promise(resolve => setTimeout(resolve, 2)))
  const checks = Array.from({ length: 20 }, async () => {
    const id = round++
    await putRoute(id, SELF)
    await routes.reload()
    assert.ok(routes.shard('BUCKET', id)?.local, String(id))
  })
  await Promise.all(checks)
})

test('a reload ends even while others keep asking', async () => {
  const routes = table()
  let isAsking = true
  const asking = (async () => {
    while (isAsking) {
      void routes.reload()
      await new Promise(resolve => setImmediate(resolve))
    }
  })()
  routes.onChange(() => new Promise(resolve => setTimeout(resolve, 1)))
  for (let i = 0; i < 20; i++) await routes.reload()
  isAsking = false
  await asking
  await routes.stop()
})

test('reloads that come together are one load', async () => {
  const routes = table()
  let loads = 0
  routes.onChange(() => {
    loads++
  })
  await Promise.all(Array.from({ length: 50 }, () => routes.reload()))
  assert.ok(loads <= 2, String(loads))
})

test('a listener that fails does not keep back the others', async () => {
  const routes = table()
  let calls = 0
  routes.onChange(() => Promise.reject(new Error('broken')))
  routes.onChange(() => {
    calls++
  })
  await routes.reload()
  assert.is(calls, 1)
  assert.ok(logged.some(({ msg }) => msg === 'following the routes failed'))
})

test('listeners may ask for another load', async () => {
  const routes = table()
  let calls = 0
  routes.onChange(() => {
    if (++calls === 1) void routes.reload()
  })
  await routes.reload()
  await until('the second load is over', () => calls === 2)
  await routes.stop()
})

test('two tables on one store follow each change', async () => {
  const tables = [table(), table()]
  const watching = tables.map(routes => routes.watch())
  for (let id = 0; id < 10; id++) {
    await putRoute(id, id % 2 === 0 ? SELF : 'b'.repeat(40))
    await until(`both tables have route ${id}`, () => {
      return tables.every(routes => routes.shard('BUCKET', id)?.local === (id % 2 === 0))
    })
  }
  for (const routes of tables) await routes.stop()
  await kept(Promise.all(watching))
})

test('a table that stops at once leaves nothing behind', async () => {
  const before = store.openTransactionCount
  for (let i = 0; i < 5; i++) {
    const routes = table()
    const watching = routes.watch()
    await routes.stop()
    await kept(watching)
  }
  assert.is(store.openTransactionCount, before)
})

test.run()
