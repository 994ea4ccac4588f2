import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { yieldTurn } from '../../../ts/store/turn.js'
import { embeddedOnly } from '../../support/cluster.js'
import { openTestStore } from '../../support/store.js'

const AWAITS = 200_000

/** Counts timer ticks while `body` runs. */
async function ticksDuring(body: () => Promise<void>): Promise<number> {
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  await body()
  clearInterval(timer)
  return ticks
}

test('lets timers run during a long loop of values that are there at once', async () => {
  const ticks = await ticksDuring(async () => {
    for (let i = 0; i < AWAITS; i++) {
      await i
      await yieldTurn()
    }
  })
  assert.ok(ticks > 5, `${ticks} ticks`)
})

const atOnce = embeddedOnly(test, 'a cluster answers over its network')

atOnce('lets timers run during a long loop of read-only transactions', async () => {
  const { store, close } = await openTestStore()
  const key = Buffer.from('absent')
  let found = 0
  const ticks = await ticksDuring(async () => {
    for (let i = 0; i < AWAITS; i++) {
      if ((await store.transact(tx => tx.get(key))) !== undefined) found++
    }
  })
  assert.is(found, 0)
  assert.ok(ticks > 20, `${ticks} ticks`)
  await close()
})

test('wakes all waiters of a turn, each into a fresh budget', async () => {
  const waiters = Array.from({ length: 100 }, async (_, index) => {
    for (let round = 0; round < 100; round++) await yieldTurn()
    return index
  })
  assert.is((await Promise.all(waiters)).length, 100)
})

test.run()
