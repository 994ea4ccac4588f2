/**
 * The server is killed while documents come in. Afterwards every acknowledged document is there
 * once and whole, and a batch that was not acknowledged is there as a whole or not at all.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { queryAll, useJson } from '../support/bucket.js'
import { rounds, seed } from '../support/budget.js'
import { loadCities, toJsonLines } from '../support/dataset.js'
import { assertVerified } from '../support/indexes.js'
import { runLoader } from '../support/loader.js'
import { Random } from '../support/random.js'
import { type RespClient, untilGone } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { describeVolume } from '../support/volumes.js'

const test = suite('documents over a kill')

const CONNECTIONS = 3
const BATCH_MAX = 40
const TEXT_MAX = 3_000
/** Small segments, so that kills also hit the change from one to the next. */
const SETTINGS = ['bucket.volume.segment_size=262144', 'volume.preallocate_bytes=65536']

/** Of these documents. */
const SCHEMA = JSON.stringify({
  i: { bson_type: 'int32' },
  $compound: [
    {
      unique: true,
      fields: [
        { selector: 'b', bson_type: 'int32' },
        { selector: 'i', bson_type: 'int32' },
      ],
    },
  ],
})

/** One request: documents `{b, i, text}`, i from 0 to size - 1. */
interface Batch {
  readonly number: number
  readonly size: number
  acknowledged: boolean
}

/** The text follows from the place, so that a torn or a foreign one shows. */
function textOf(batch: number, index: number): string {
  const length = (batch * 7_919 + index * 104_729) % TEXT_MAX
  return `${batch}/${index}:`.repeat(Math.ceil(length / 6)).slice(0, length)
}

function documentOf(batch: number, index: number): string {
  return JSON.stringify({ b: batch, i: index, text: textOf(batch, index) })
}

/** Inserts batches over several connections until the server is gone. */
class Load {
  readonly batches: Batch[] = []
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  async run(server: TestServer): Promise<void> {
    const loads = Array.from({ length: CONNECTIONS }, () =>
      untilGone(async () => this.#work(await useJson(await server.connect()))),
    )
    await Promise.all(loads)
  }

  async #work(client: RespClient): Promise<void> {
    for (;;) {
      const batch: Batch = {
        number: this.batches.length,
        size: this.#random.between(1, BATCH_MAX),
        acknowledged: false,
      }
      this.batches.push(batch)
      const documents = Array.from({ length: batch.size }, (_, i) => documentOf(batch.number, i))
      await client.call('BUCKET.INSERT', 'killed', 'DOCS', ...documents)
      batch.acknowledged = true
    }
  }
}

/** Compares all documents with what was sent. @returns how many there are */
async function check(server: TestServer, batches: readonly Batch[]): Promise<number> {
  const client = await useJson(await server.connect())
  const found = new Map<number, Set<number>>()
  const documents = await queryAll(client, 'killed', '{}', 'LIMIT', '5000')
  for (const { b, i, text } of documents as { b: number; i: number; text: string }[]) {
    assert.is(text, textOf(b, i), `document ${i} of batch ${b}`)
    const indexes = found.get(b) ?? new Set()
    assert.not(indexes.has(i), `document ${i} of batch ${b} is there twice`)
    found.set(b, indexes.add(i))
  }
  for (const { number, size, acknowledged } of batches) {
    const count = found.get(number)?.size ?? 0
    if (acknowledged || count > 0) assert.is(count, size, `documents of batch ${number}`)
  }
  assert.is(await assertVerified(client, 'killed', 'after the end'), documents.length)
  const volume = await describeVolume(server, 'bucket-shard-0')
  assert.is(volume.cardinality, documents.length)
  return documents.length
}

test('keeps acknowledged inserts and no half of another', async () => {
  const used = seed()
  const random = new Random(used)
  console.log(`SEED=${used}`)
  await withTestServer(SETTINGS, async server => {
    const load = new Load(random)
    await (await server.connect()).call('BUCKET.CREATE', 'killed', 'INDEXES', SCHEMA)
    for (let round = 0; round < rounds('kill during inserts'); round++) {
      // Every third end is a graceful one: it must keep as much.
      const end = () => (round % 3 === 2 ? server.stop() : server.kill())
      await Promise.all([load.run(server), sleep(random.between(1, 500)).then(end)])
      await server.start()
      const count = await check(server, load.batches)
      const before = load.batches.length
      console.log(`round ${round}: ${before} batches, ${count} documents`)
    }
    assert.ok(load.batches.some(({ acknowledged }) => acknowledged))
  })
})

test('loads a file exactly once, however often the server is killed', async () => {
  const used = seed()
  const random = new Random(used)
  console.log(`SEED=${used}`)
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-load-'))
  try {
    await withTestServer(['bucket.volume.segment_size=1048576'], server =>
      loadWithKills(server, random, directory),
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
})

async function loadWithKills(server: TestServer, random: Random, directory: string): Promise<void> {
  const cities = loadCities({ every: 8 })
  const file = join(directory, 'cities.jsonl')
  writeFileSync(file, toJsonLines(cities))
  const load = () => {
    const port = String(server.clientPort)
    return runLoader(file, '--bucket', 'cities', '--port', port, '--batch', '20')
  }
  for (let round = 0; round < rounds('kill during a load'); round++) {
    const killed = sleep(random.between(250, 1_200)).then(() => server.kill())
    const [{ code, output }] = await Promise.all([load(), killed])
    console.log(`round ${round}: the loader ended with ${code}`)
    if (code !== 0) assert.match(output, /the connection to .* was lost|cannot connect to/)
    await server.start()
  }
  const { code, output } = await load()
  assert.is(code, 0, output)
  const client = await useJson(await server.connect())
  const found = await queryAll(client, 'cities', '{}', 'LIMIT', '5000')
  // The ids that the loader gives ascend with the lines of the file.
  assert.equal(
    found.map(({ _id, ...city }) => city),
    cities,
  )
  assert.is(await assertVerified(client, 'cities', 'after the loads'), cities.length)
}

test.run()
