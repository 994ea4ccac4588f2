import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../../ts/config/config.js'
import { prefixRange } from '../../../ts/store/keyspace.js'
import { Store } from '../../../ts/store/store.js'
import { type StoreError, storeError } from '../../../ts/store/store-error.js'
import { MutationType } from '../../../ts/store/types.js'
import { openTestStore, type TestStore } from '../../support/store.js'
import { kept } from '../../support/wait.js'

let opened: TestStore
let store: Store
let key: Buffer
let prefix: Buffer

test.before(async () => {
  opened = await openTestStore()
  ;({ store } = opened)
  prefix = await opened.keyPrefix()
  key = keyOf('counter')
})
test.before.each(async () => {
  const { begin, end } = prefixRange(prefix)
  await store.transact(tx => tx.clearRange(begin, end))
})
test.after(() => opened.close())

const keyOf = (name: string): Buffer => Buffer.concat([prefix, Buffer.from(name)])
const one = Buffer.from('1')
const silent = pino({ level: 'silent' })

const sleep = (durationMs: number): Promise<void> =>
  new Promise(resolve => setTimeout(resolve, durationMs))

/** @param limitMs short where nothing is expected to happen, long where something is */
function isSettled(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  return Promise.race([promise.then(() => true), sleep(limitMs).then(() => false)])
}

test('retries conflicts until every increment is in', async () => {
  const writers = 16
  const rounds = 10
  const increment = (): Promise<void> =>
    store.transact(async tx => {
      const value = await tx.get(key)
      await sleep(0)
      const next = Buffer.alloc(4)
      next.writeUInt32LE((value?.readUInt32LE() ?? 0) + 1)
      tx.set(key, next)
    })
  const work = Array.from({ length: writers }, async () => {
    for (let round = 0; round < rounds; round++) await increment()
  })
  await Promise.all(work)
  const total = await store.transact(tx => tx.get(key))
  assert.is(total?.readUInt32LE(), writers * rounds)
})

test('gives up after the wanted number of retries', async () => {
  let runs = 0
  const body = (): never => {
    runs++
    throw storeError('notCommitted')
  }
  try {
    await store.transact(body, { retries: 2 })
    assert.unreachable()
  } catch (thrown) {
    assert.is((thrown as StoreError).code, 1020)
  }
  assert.is(runs, 3)
})

test('repeats an unknown result only what is idempotent', async () => {
  const attempt = async (idempotent: boolean): Promise<number> => {
    let runs = 0
    const body = (): void => {
      if (++runs === 1) throw storeError('commitUnknownResult')
    }
    await store.transact(body, { idempotent }).catch(() => {})
    return runs
  }
  assert.is(await attempt(false), 1)
  assert.is(await attempt(true), 2)
})

test('does not repeat what is no database error, and rolls it back', async () => {
  let runs = 0
  try {
    await store.transact(tx => {
      runs++
      tx.set(key, one)
      throw new Error('mistake')
    })
    assert.unreachable()
  } catch (thrown) {
    assert.match(String(thrown), /mistake/)
  }
  assert.is(runs, 1)
  assert.is(await store.transact(tx => tx.get(key)), undefined)
})

test('starts each attempt clean', async () => {
  const versions: number[] = []
  const after: number[] = []
  let runs = 0
  await store.transact(tx => {
    runs++
    versions.push(tx.nextUserVersion())
    const run = runs
    tx.afterCommit(() => after.push(run))
    tx.set(keyOf(`run ${runs}`), one)
    if (runs < 3) throw storeError('notCommitted')
  })
  assert.equal(versions, [0, 0, 0])
  assert.equal(after, [3])
  assert.is(await store.transact(tx => tx.get(keyOf('run 1'))), undefined)
})

test('wakes a watch when the value changes', async () => {
  await store.transact(tx => tx.set(key, one))
  const watch = store.watch(key)
  assert.not(await isSettled(watch.promise, 30))
  await store.transact(tx => tx.set(keyOf('other'), one))
  assert.not(await isSettled(watch.promise, 30))
  await store.transact(tx => tx.set(key, Buffer.from('2')))
  assert.ok(await isSettled(watch.promise, 5000))
  const gone = store.watch(key)
  await store.transact(tx => tx.clear(key))
  assert.ok(await isSettled(gone.promise, 5000))
})

test('ends a watch that is cancelled', async () => {
  const watch = store.watch(key)
  await sleep(10)
  watch.cancel()
  watch.cancel()
  try {
    await kept(watch.promise)
    assert.unreachable()
  } catch (thrown) {
    assert.is((thrown as StoreError).code, 1101)
  }
})

test('answers read versions that never go back', async () => {
  const first = await store.readVersion()
  const recent = await store.recentReadVersion()
  await store.transact(tx => tx.atomic(MutationType.add, key, one))
  assert.is(await store.recentReadVersion(), recent)
  assert.ok((await store.readVersion()) > first)
})

test('fetches a recent read version once for all who ask, and again a second later', async () => {
  const own = await openTestStore()
  const { store: counted } = own
  let fetches = 0
  let late: Promise<void> | undefined
  const fetch = counted.readVersion.bind(counted)
  counted.readVersion = async () => {
    fetches++
    await late
    return await fetch()
  }
  const ask = (): Promise<bigint[]> =>
    Promise.all(Array.from({ length: 8 }, () => counted.recentReadVersion()))
  const startedMs = performance.now()
  const [first, ...others] = await ask()
  assert.is(fetches, 1)
  for (const other of others) assert.is(other, first)
  late = sleep(20)
  const [second] = await ask()
  // One that was held up for a second proves nothing here.
  if (performance.now() - startedMs < 1000) assert.equal([second, fetches], [first, 1])
  await sleep(1100)
  fetches = 0
  const [third] = await ask()
  assert.is(fetches, 1)
  assert.ok(third! > second!)
  await own.close()
})

test('asks again for a recent read version when the fetch failed', async () => {
  const own = await openTestStore()
  const fetch = own.store.readVersion.bind(own.store)
  own.store.readVersion = () => Promise.reject(storeError('commitUnknownResult'))
  const failed = await Promise.allSettled([
    own.store.recentReadVersion(),
    own.store.recentReadVersion(),
  ])
  for (const { status } of failed) assert.is(status, 'rejected')
  own.store.readVersion = fetch
  assert.ok((await own.store.recentReadVersion()) > 0n)
  await own.close()
})

test('keeps what was committed when it is opened again', async () => {
  const directory = await openTestStore()
  const kept = await directory.keyPrefix()
  await directory.store.transact(tx => tx.set(kept, one))
  const again = await directory.reopen()
  assert.equal(await again.store.transact(tx => tx.get(kept)), one)
  await again.close()
})

test('says in one line that a store cannot be opened', async () => {
  const { config } = loadConfig({ sets: [`store.path=${process.execPath}/store`] })
  const failure = await Store.open(config, silent).catch(String)
  assert.match(String(failure), /^Error: [^\n]*store[^\n]*$/)
})

test.run()
