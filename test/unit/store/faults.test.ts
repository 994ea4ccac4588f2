import { setTimeout as sleep } from 'node:timers/promises'
import * as uvu from 'uvu'
import * as assert from 'uvu/assert'
import { Context } from '../../../ts/server/context.js'
import { Registry } from '../../../ts/server/registry.js'
import type { Store } from '../../../ts/store/store.js'
import { StoreError } from '../../../ts/store/store-error.js'
import type { Tx } from '../../../ts/store/tx.js'
import { seed } from '../../support/budget.js'
import { embeddedOnly } from '../../support/cluster.js'
import { type Faults, setFaults, troubled } from '../../support/faults.js'
import { openTestNamespaces, openTestStore, type TestStore } from '../../support/store.js'
import { fakeServices } from '../server/harness.js'

const test = embeddedOnly(uvu.test, 'a cluster has no fault mode')
const counter = Buffer.from('counter')
const runSeed = seed()

/** Runs `body` with a store that has faults; names the seed when it fails. */
async function withFaults(faults: Faults, body: (opened: TestStore) => Promise<void>) {
  const opened = await openTestStore([], { faults })
  try {
    await body(opened)
  } catch (failure) {
    console.error(`failed with SEED=${faults.seed}`)
    throw failure
  } finally {
    await opened.close()
  }
}

async function increment(tx: Tx): Promise<void> {
  const value = await tx.get(counter)
  const next = Buffer.alloc(4)
  next.writeUInt32LE((value?.readUInt32LE() ?? 0) + 1)
  tx.set(counter, next)
}

/** The counter once the faults are over. */
async function count(store: Store): Promise<number> {
  setFaults(store, undefined)
  const value = await store.transact(tx => tx.get(counter))
  return value?.readUInt32LE() ?? 0
}

/** The code of the store's error that `work` ends with, 0 for success. */
async function codeOf(work: () => unknown): Promise<number> {
  try {
    await work()
    return 0
  } catch (thrown) {
    if (thrown instanceof StoreError) return thrown.code
    throw thrown
  }
}

function contextOf(store: Store): Context {
  const services = { ...fakeServices(), store }
  const session = services.sessions.open('client', 'a:1', 'b:2')
  return new Context(session, services, new Registry([], 'client'))
}

test('counts exactly while the store fails without doubt', () =>
  withFaults(troubled(runSeed), async ({ store }) => {
    const writers = Array.from({ length: 8 }, async () => {
      for (let round = 0; round < 10; round++) await store.transact(increment)
    })
    await Promise.all(writers)
    assert.is(await count(store), 80)
  }))

test('an unknown result is reported, not repeated, and counts at most once', () =>
  withFaults({ ...troubled(runSeed), unknownResult: 0.4 }, async ({ store }) => {
    const codes: number[] = []
    for (let round = 0; round < 60; round++)
      codes.push(await codeOf(() => store.transact(increment)))
    const made = codes.filter(code => code === 0).length
    const unknown = codes.filter(code => code === 1021).length
    assert.is(made + unknown, codes.length)
    assert.ok(made > 0 && unknown > 0)
    const counted = await count(store)
    assert.ok(counted > made && counted < made + unknown, `${counted}: ${made} and ${unknown}`)
  }))

test('an unknown result is repeated until it is known where that does no harm', () =>
  withFaults({ ...troubled(runSeed), unknownResult: 0.4 }, async ({ store }) => {
    const write = (round: number) => (tx: Tx) => tx.set(Buffer.from(`key ${round}`), counter)
    for (let round = 0; round < 30; round++)
      await store.transact(write(round), { idempotent: true })
    setFaults(store, undefined)
    const last = await store.transact(tx => tx.get(Buffer.from('key 29')))
    assert.equal(last, counter)
  }))

test('a command repeats conflicts and age five times, an unknown result never', async () => {
  const attempts = async (faults: Faults): Promise<[code: number, runs: number]> => {
    let result: [number, number] = [0, 0]
    await withFaults({ seed: runSeed, ...faults }, async ({ store }) => {
      let runs = 0
      const body = (tx: Tx): Promise<void> => {
        runs++
        return increment(tx)
      }
      const code = await codeOf(() => contextOf(store).tx(body))
      result = [code, runs]
    })
    return result
  }
  assert.equal(await attempts({ notCommitted: 1 }), [1020, 6])
  assert.equal(await attempts({ tooOldCommits: 1 }), [1007, 6])
  assert.equal(await attempts({ tooOldReads: 1 }), [1007, 6])
  assert.equal(await attempts({ unknownResult: 1 }), [1021, 1])
})

test('commands that are acknowledged count, those that are refused do not', () =>
  withFaults(troubled(runSeed), async ({ store }) => {
    const context = contextOf(store)
    const codes = await Promise.all(
      Array.from({ length: 40 }, () => codeOf(() => context.tx(increment))),
    )
    for (const code of codes) assert.ok([0, 1007, 1020].includes(code), `code ${code}`)
    assert.is(await count(store), codes.filter(code => code === 0).length)
  }))

test('answers late reads and commits in any order, and goes on meanwhile', () =>
  withFaults({ seed: runSeed, lateReads: 1, lateCommits: 1, maxDelayMs: 50 }, async ({ store }) => {
    const order: number[] = []
    const work = Array.from({ length: 32 }, async (_, number) => {
      const key = Buffer.from(`key ${number}`)
      await store.transact(tx => tx.set(key, key))
      const found = await store.transact(async tx => [await tx.get(key), await tx.get(counter)])
      assert.equal(found, [key, undefined])
      order.push(number)
    })
    let turns = 0
    const ticker = setInterval(() => turns++, 1)
    await Promise.all(work)
    clearInterval(ticker)
    assert.ok(turns > 0)
    assert.not.equal(
      order,
      [...order].sort((a, b) => a - b),
    )
    assert.is(store.openTransactionCount, 0)
  }))

test('a transaction that is cancelled ends its late reads', () =>
  withFaults({ seed: runSeed, lateReads: 1, maxDelayMs: 1000 }, async ({ store }) => {
    const tx = store.begin()
    const reads = Array.from({ length: 8 }, () => codeOf(() => tx.get(counter)))
    await sleep(1)
    tx.cancel()
    assert.ok((await Promise.all(reads)).includes(1025))
  }))

test('makes each namespace once, whatever the store answers', async () => {
  // Many of the reads are the directory layer's own.
  const faults = { ...troubled(runSeed), tooOldReads: 0.05, unknownResult: 0.1 }
  const opened = await openTestNamespaces([], { faults })
  try {
    const { namespaces, store } = opened
    const paths = Array.from({ length: 6 }, (_, number) => `parent.child${number}`)
    await Promise.all(paths.map(path => namespaces.create(path)))
    setFaults(store, undefined)
    const children = paths.map(path => path.slice('parent.'.length))
    assert.equal(await namespaces.list('parent'), children)
    const found = await Promise.all(paths.map(path => namespaces.lookUp(path)))
    assert.is(new Set(found.map(({ prefix }) => prefix.toString('hex'))).size, paths.length)
  } finally {
    await opened.close()
  }
})

test('refuses faults that make no sense', () =>
  withFaults({}, async ({ store }) => {
    assert.is(await codeOf(() => setFaults(store, { lateReads: 2 })), 2006)
    assert.is(await codeOf(() => setFaults(store, { maxDelayMs: 1001 })), 2006)
  }))

test('a late read that is given up takes nothing down', () =>
  withFaults({ seed: runSeed, lateReads: 1, maxDelayMs: 5 }, async ({ store }) => {
    const tx = store.begin()
    assert.instance(tx.get(counter), Promise)
    tx.cancel()
    // A later read comes behind the rejection, which ends the process where nobody minds it.
    await store.transact(again => again.get(counter))
    await new Promise(setImmediate)
  }))

uvu.test.run()
