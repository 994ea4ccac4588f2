/**
 * What the store costs from TypeScript: reads and commits on an embedded store in a temporary
 * directory. Run: node dist/bench/micro/store.js [--smoke]
 */

import { strict as assert } from 'node:assert'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Bench } from 'tinybench'
import { loadConfig } from '../../ts/config/config.js'
import { Store } from '../../ts/store/store.js'

const KEYS = 10_000
const IN_FLIGHT = 64
const isSmoke = process.argv.includes('--smoke')

function key(i: number): Buffer {
  return Buffer.from(`bench/${String(i).padStart(8, '0')}`)
}

async function fill(store: Store): Promise<void> {
  await store.transact(tx => {
    for (let i = 0; i < KEYS; i++) tx.set(key(i), Buffer.from(`value ${i}`))
  })
}

async function writeSix(store: Store, base: number): Promise<void> {
  await store.transact(tx => {
    for (let i = 0; i < 6; i++) tx.set(key(base * 6 + i), Buffer.from('value'))
  })
}

const directory = await mkdtemp(join(tmpdir(), 'kronotop-bench-'))
const { config } = loadConfig({ sets: [`data_dir=${directory}`] })
const store = await Store.open(config, pino({ level: 'silent' }))
try {
  await fill(store)
  const reader = store.begin()
  const range = await reader.getRange(key(100), key(200))
  assert.equal(range.count, 100)
  reader.cancel()
  const bench = new Bench({ time: isSmoke ? 20 : 1000, warmup: !isSmoke })
  bench.add('point read in a transaction of its own', async () => {
    const tx = store.begin()
    await tx.get(key(4711))
    tx.cancel()
  })
  bench.add('range of 100 in a transaction of its own', async () => {
    const tx = store.begin()
    await tx.getRange(key(100), key(200))
    tx.cancel()
  })
  bench.add(`${IN_FLIGHT} concurrent durable commits of 6 writes`, async () => {
    await Promise.all(Array.from({ length: IN_FLIGHT }, (_, i) => writeSix(store, i)))
  })
  await bench.run()
  console.table(bench.table())
} finally {
  await store.close()
  await rm(directory, { recursive: true, force: true })
}
