/**
 * What the store costs from TypeScript, each figure beside its goal: reads and commits on an
 * embedded store of 2,000,000 keys in a temporary directory. The writer beside which reads are
 * measured is a process of its own that shares the store.
 * Run: node dist/bench/micro/store.js [--smoke]
 */

import { strict as assert } from 'node:assert'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { Bench } from 'tinybench'
import { loadConfig } from '../../ts/config/config.js'
import { Store } from '../../ts/store/store.js'

const isSmoke = process.argv.includes('--smoke')
const KEYS = isSmoke ? 2_000 : 2_000_000
const FILL_BATCH = 10_000
const IN_FLIGHT = 64
const WRITES = 6
const RANGE = 100

/** Operations of one measured step: what tinybench itself costs is spread over them. */
const STEP = isSmoke ? 10 : 500

interface Row {
  readonly name: string
  /** Operations of one call. */
  readonly operations: number
  /** µs an operation. */
  readonly goal?: number
  readonly run: () => Promise<void>
}

/** Medians in µs an operation, by the name of the row. */
type Medians = ReadonlyMap<string, number>

function key(i: number): Buffer {
  return Buffer.from(`key/${String(i).padStart(10, '0')}`)
}

/** The same numbers in every run. */
function* randomNumbers(): Generator<number> {
  let state = 1
  while (true) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state
  }
}

/** Keys to read, more than fit into the processor's caches with what they lead to. */
const readKeys: Buffer[] = []
for (const number of randomNumbers()) {
  readKeys.push(key(number % (KEYS - RANGE)))
  if (readKeys.length === Math.min(KEYS, 50_000)) break
}
let nextRead = 0
const END = key(KEYS)

function readKey(): Buffer {
  nextRead = (nextRead + 1) % readKeys.length
  return readKeys[nextRead]!
}

async function openStore(directory: string): Promise<Store> {
  const { config } = loadConfig({ sets: [`data_dir=${directory}`] })
  return Store.open(config, pino({ level: 'silent' }))
}

async function fill(store: Store): Promise<void> {
  const value = Buffer.alloc(64, 'v')
  for (let first = 0; first < KEYS; first += FILL_BATCH) {
    await store.transact(tx => {
      const end = Math.min(first + FILL_BATCH, KEYS)
      for (let i = first; i < end; i++) tx.set(key(i), value)
    })
  }
}

async function writeSix(store: Store, numbers: Iterator<number, void>): Promise<void> {
  await store.transact(tx => {
    for (let i = 0; i < WRITES; i++) {
      tx.set(key((numbers.next().value ?? 0) % KEYS), Buffer.alloc(64, 'w'))
    }
  })
}

/** The child process: commits at full speed until it is killed. */
async function writeUntilKilled(directory: string): Promise<never> {
  const store = await openStore(directory)
  const numbers = randomNumbers()
  const lane = async () => {
    while (true) await writeSix(store, numbers)
  }
  await writeSix(store, numbers)
  console.log('writing')
  return Promise.race(Array.from({ length: IN_FLIGHT }, lane))
}

async function startWriter(directory: string): Promise<ChildProcess> {
  const script = fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [script, ...process.argv.slice(2), '--writer', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await Promise.race([
    once(child.stdout!, 'data'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the writer ended: ${code}`))),
  ])
  return child
}

function readRows(store: Store): Row[] {
  const points = () =>
    store.db.doTn(async tn => {
      for (let i = 0; i < STEP; i++) assert.ok(await tn.get(readKey()))
    })
  const ranges = async () => {
    const tx = store.begin()
    for (let i = 0; i < STEP; i++) {
      const range = await tx.getRange(readKey(), END, { limit: RANGE })
      assert.equal(range.count, RANGE)
    }
    tx.cancel()
  }
  return [
    { name: 'point read, await tn.get(key)', operations: STEP, goal: 2.5, run: points },
    { name: 'range of 100, one packed batch', operations: STEP, goal: 25, run: ranges },
  ]
}

function otherRows(store: Store): Row[] {
  const numbers = randomNumbers()
  const ownReads = async () => {
    const tx = store.begin()
    for (let i = 0; i < STEP; i++) assert.ok(await tx.get(readKey()))
    tx.cancel()
  }
  const transactions = async () => {
    for (let i = 0; i < STEP; i++) await store.db.doTn(tn => tn.get(readKey()))
  }
  const commits = async () => {
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => writeSix(store, numbers)))
  }
  return [
    { name: 'point read without the npm layers', operations: STEP, run: ownReads },
    { name: 'doTn with one get', operations: STEP, goal: 6, run: transactions },
    { name: `${IN_FLIGHT} concurrent durable commits`, operations: IN_FLIGHT, run: commits },
  ]
}

async function measure(rows: readonly Row[]): Promise<Medians> {
  const bench = new Bench({ time: isSmoke ? 20 : 3000, warmup: !isSmoke, throws: true })
  for (const { name, run } of rows) bench.add(name, run)
  await bench.run()
  return new Map(
    rows.map(({ name, operations }) => {
      const result = bench.getTask(name)?.result
      assert.ok(result !== undefined && 'latency' in result)
      return [name, (result.latency.p50 * 1000) / operations]
    }),
  )
}

function show(rows: readonly Row[], medians: Medians, suffix = ''): void {
  for (const { name, goal } of rows) {
    const median = medians.get(name) ?? Number.NaN
    const told = goal === undefined || suffix !== '' ? '' : `≤ ${goal} µs`
    const line = `${name}${suffix}`.padEnd(56)
    console.log(`${line} ${`${median.toFixed(2)} µs`.padStart(12)}  ${told}`)
  }
}

async function runAll(directory: string): Promise<void> {
  const filling = await openStore(directory)
  await fill(filling)
  // Closing moves everything to the tree.
  await filling.close()
  const store = await openStore(directory)
  const [reads, others] = [readRows(store), otherRows(store)]
  const alone = await measure(reads)
  show(reads, alone)
  const rest = await measure(others)
  show(others, rest)
  const commits = rest.get(`${IN_FLIGHT} concurrent durable commits`) ?? Number.NaN
  console.log(`  that is ${(1e6 / commits).toFixed(0)} tx/s of ${WRITES} writes`)
  const writer = await startWriter(directory)
  const beside = await measure(reads)
  writer.kill('SIGKILL')
  show(reads, beside, ', beside a writer')
  for (const { name } of reads) {
    const times = (beside.get(name) ?? 0) / (alone.get(name) ?? 1)
    console.log(`${`  ${name}: times that alone`.padEnd(56)} ${times.toFixed(2).padStart(12)}  ≤ 3`)
  }
  await store.close()
}

const writerAt = process.argv.indexOf('--writer')
if (writerAt > 0) {
  await writeUntilKilled(process.argv[writerAt + 1]!)
} else {
  const directory = await mkdtemp(join(tmpdir(), 'kronotop-bench-'))
  try {
    await runAll(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
