import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Store } from '../../../ts/store/store.js'
import type { StoreError } from '../../../ts/store/store-error.js'
import { WATCHED_KEYS_MAX, type Wait, Watches } from '../../../ts/store/watches.js'
import { openTestStore, type TestStore } from '../../support/store.js'
import { kept } from '../../support/wait.js'

/** Waits that begin in one turn of the loop; each has a transaction until it is set. */
const TURN = 500

let opened: TestStore
let prefix: Buffer
let watches: Watches
/** Watches of the database that were set. */
let setCount = 0

test.before.each(async () => {
  opened = await openTestStore()
  prefix = await opened.keyPrefix()
  setCount = 0
  const counting: Pick<Store, 'watch'> = {
    watch: key => {
      setCount += 1
      return opened.store.watch(key)
    },
  }
  watches = new Watches(counting)
})
test.after.each(async () => {
  watches.close()
  await opened.close()
})

const keyOf = (name: string | number) => Buffer.concat([prefix, Buffer.from(String(name))])

async function put(name: string, value: string | undefined): Promise<void> {
  await opened.store.transact(tx => {
    if (value === undefined) tx.clear(keyOf(name))
    else tx.set(keyOf(name), Buffer.from(value))
  })
}

/** How a wait ends. */
async function ending(changed: Promise<void>): Promise<string> {
  try {
    await kept(changed)
    return 'changed'
  } catch (thrown) {
    return (thrown as Error).message
  }
}

test('tells of creation, change and deletion', async () => {
  for (const value of ['a', 'b', undefined]) {
    const { changed } = watches.wait(keyOf('k'))
    await put('k', value)
    assert.is(await ending(changed), 'changed')
    assert.is(watches.keyCount, 0)
  }
})

test('shares the watch of a key, and wakes all its waiters', async () => {
  const waits = [watches.wait(keyOf('k')), watches.wait(keyOf('k')), watches.wait(keyOf('k'))]
  const other = watches.wait(keyOf('other'))
  assert.is(watches.keyCount, 2)
  assert.is(setCount, 2)
  await put('k', 'v')
  for (const { changed } of waits) assert.is(await ending(changed), 'changed')
  assert.is(watches.keyCount, 1)
  other.leave()
  assert.is(watches.keyCount, 0)
})

test('wakes a late joiner by what the first waiter did not see', async () => {
  const first = watches.wait(keyOf('k'))
  const change = put('k', 'v')
  const late = watches.wait(keyOf('k'))
  await change
  assert.is(await ending(late.changed), 'changed')
  assert.is(await ending(first.changed), 'changed')
  assert.is(setCount, 1)
})

test('who leaves does not take the others along', async () => {
  const leaver = watches.wait(keyOf('k'))
  const stayer = watches.wait(keyOf('k'))
  leaver.leave()
  leaver.leave()
  assert.is(await ending(leaver.changed), 'watch cancelled')
  assert.is(watches.keyCount, 1)
  await put('k', 'v')
  assert.is(await ending(stayer.changed), 'changed')
})

test('the last one who leaves takes the watch along, and a new one starts anew', async () => {
  const one = watches.wait(keyOf('k'))
  one.leave()
  assert.is(watches.keyCount, 0)
  await put('k', 'v')
  const two = watches.wait(keyOf('k'))
  assert.is(setCount, 2)
  await put('k', 'w')
  assert.is(await ending(two.changed), 'changed')
  assert.is(await ending(one.changed), 'watch cancelled')
})

test('leaving gives the watch back to the database', async () => {
  // Twice what the database allows at a time.
  for (let round = 0; round < 22_000; round++) {
    watches.wait(keyOf('k')).leave()
    if (round % TURN === 0) await turn()
  }
  const last = watches.wait(keyOf('k'))
  await put('k', 'v')
  assert.is(await ending(last.changed), 'changed')
})

test('has a bound of keys, and none of waiters', async () => {
  const waits: Wait[] = []
  while (waits.length < WATCHED_KEYS_MAX) {
    waits.push(watches.wait(keyOf(waits.length)))
    if (waits.length % TURN === 0) await turn()
  }
  assert.throws(
    () => watches.wait(keyOf('more')),
    (thrown: unknown) => {
      const { prefix: word, message, code } = thrown as StoreError
      return (
        code === 1032 && `${word} ${message}` === 'TOO_MANY_WATCHES Too many watches currently set'
      )
    },
  )
  waits.push(watches.wait(keyOf(0)))
  // The server's own watches still go through.
  const own = opened.store.watch(keyOf('own'))
  await put('own', 'v')
  await kept(own.promise)
  for (const { leave } of waits) leave()
  assert.is(watches.keyCount, 0)
  const after = watches.wait(keyOf('more'))
  await put('more', 'v')
  assert.is(await ending(after.changed), 'changed')
})

test('closing ends all waits, for good', async () => {
  const waits = [watches.wait(keyOf('a')), watches.wait(keyOf('a')), watches.wait(keyOf('b'))]
  watches.close()
  for (const { changed } of waits) assert.is(await ending(changed), 'watch cancelled')
  assert.is(watches.keyCount, 0)
  assert.throws(() => watches.wait(keyOf('a')), /watch cancelled/)
})

test('passes the database’s errors on to all waiters', async () => {
  const long = keyOf('x'.repeat(10_001))
  const waits = [watches.wait(long), watches.wait(long)]
  for (const { changed } of waits) assert.is(await ending(changed), 'Key length exceeds limit')
  assert.is(watches.keyCount, 0)
})

test('a failed watch of the past does not end a later one', async () => {
  const long = keyOf('x'.repeat(10_001))
  const past = watches.wait(long)
  past.leave()
  const later = watches.wait(long)
  assert.is(await ending(later.changed), 'Key length exceeds limit')
  assert.is(watches.keyCount, 0)
})

test.run()
