import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { LoadError } from '../../ts/tools/load/error.js'
import { type LoadResult, load } from '../../ts/tools/load/loader.js'
import { loadCities, toJsonLines } from '../support/dataset.js'
import { HeldProxy } from '../support/held-proxy.js'
import type { Data } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('loading a file')

/** 24,439 cities of all countries. */
const CITIES = loadCities({ every: 7 })

/** Documents of one reply while a bucket is read back. */
const PAGE = '5000'

interface Overrides {
  readonly port?: number
  readonly namespace?: string
  readonly onError?: 'stop' | 'skip'
  readonly restart?: boolean
  readonly signal?: AbortSignal
}

/** Loads `file` into `bucket` of the server as it runs now. */
function loadInto(bucket: string, file: string, overrides: Overrides = {}): Promise<LoadResult> {
  const { namespace, onError = 'stop', restart = false, signal } = overrides
  const port = overrides.port ?? server.clientPort
  const options = { file, bucket, namespace, host: '127.0.0.1', port }
  const controls = { batch: 100, connections: 4, onError, restart }
  return load({ ...options, ...controls }, signal ?? new AbortController().signal)
}

async function withFile<T>(text: string | Buffer, body: (file: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'kronotop-load-'))
  try {
    const file = join(directory, 'input.jsonl')
    writeFileSync(file, text)
    return await body(file)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** All documents of a bucket, without their ids, by the text of their JSON. */
async function readBack(bucket: string, namespace?: string): Promise<string[]> {
  const client = await server.connect(3)
  if (namespace !== undefined) await client.call('NAMESPACE', 'USE', namespace)
  await client.call('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'json')
  await client.call('SESSION.ATTRIBUTE', 'SET', 'limit', PAGE)
  const all: string[] = []
  let reply = await client.call('BUCKET.QUERY', bucket, '{}')
  for (;;) {
    const { cursor, entries } = pageOf(reply)
    if (entries.length === 0) break
    for (const entry of entries) {
      const { _id, ...document } = JSON.parse(entry)
      assert.match(_id, /^[0-9a-f]{24}$/)
      all.push(JSON.stringify(document))
    }
    reply = await client.call('BUCKET.ADVANCE', 'QUERY', cursor)
  }
  client.close()
  return all
}

function pageOf(reply: Data): { cursor: string; entries: string[] } {
  if (!(reply instanceof Map)) throw new Error('the reply is no map')
  return { cursor: String(reply.get('cursor_id')), entries: reply.get('entries') as string[] }
}

const texts = (documents: readonly object[]) => documents.map(item => JSON.stringify(item)).sort()

async function failureOf(loading: Promise<LoadResult>): Promise<string> {
  try {
    await loading
  } catch (error) {
    assert.instance(error, LoadError)
    return (error as LoadError).message
  }
  throw new Error('the load succeeded')
}

test('stores every document once, in a namespace and a bucket that it makes', async () => {
  await withFile(toJsonLines(CITIES), async file => {
    const { counts } = await loadInto('cities', file, { namespace: 'geo.world' })
    assert.equal(counts, { inserted: CITIES.length, present: 0, skipped: 0 })
    assert.not.ok(existsSync(`${file}.kronotop-progress`))
    assert.equal((await readBack('cities', 'geo.world')).sort(), texts(CITIES))
  })
})

test('finds everything there when the same file is loaded again', async () => {
  await withFile(toJsonLines(CITIES.slice(0, 500)), async file => {
    await loadInto('again', file)
    const { counts } = await loadInto('again', file)
    assert.equal(counts, { inserted: 0, present: 500, skipped: 0 })
    assert.is((await readBack('again')).length, 500)
  })
})

test('keeps what was acknowledged when the server is killed, and goes on from there', async () => {
  await withFile(toJsonLines(CITIES), async file => {
    for (let round = 0; round < 2; round++) {
      const before = progressOf(file).lineNumber
      await killDuringLoad('crash', file)
      await server.start()
      const acknowledged = progressOf(file).lineNumber
      assert.ok(acknowledged > before, `nothing was acknowledged in round ${round}`)
      const stored = new Set(await readBack('crash'))
      const missing = CITIES.slice(0, acknowledged).filter(
        city => !stored.has(JSON.stringify(city)),
      )
      assert.equal(missing, [], `acknowledged, and gone after round ${round}`)
    }
    const { inserted, present } = (await loadInto('crash', file)).counts
    assert.is(inserted + present, CITIES.length)
    assert.equal((await readBack('crash')).sort(), texts(CITIES))
  })
})

test('stops at a bad line, and goes on behind it once it is mended', async () => {
  const good = toJsonLines(CITIES.slice(0, 150))
  await withFile(`${good}{"broken\n${good}`, async file => {
    assert.match(await failureOf(loadInto('mended', file)), /^input\.jsonl:151: .*JSON/)
    assert.is(progressOf(file).lineNumber, 150)
    writeFileSync(file, `${good}{"n":1}\n${good}`)
    const { inserted, present, skipped } = (await loadInto('mended', file)).counts
    // Lines behind the bad one may have been in flight when it was met.
    assert.is(inserted + present, 301)
    assert.is(skipped, 0)
    assert.is((await readBack('mended')).length, 301)
  })
})

test('skips lines that are no documents or that the server refuses', async () => {
  const text = '{"n":1}\nnot json\n{"_id":5}\n{"n":2}\n[]\n'
  const file = Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0x0a])])
  await withFile(file, async path => {
    const { counts } = await loadInto('skips', path, { onError: 'skip' })
    assert.equal(counts, { inserted: 2, present: 0, skipped: 4 })
    assert.equal((await readBack('skips')).sort(), ['{"n":1}', '{"n":2}'])
  })
})

test('can be interrupted', async () => {
  await withFile(toJsonLines(CITIES), async file => {
    const stopping = new AbortController()
    const proxy = await HeldProxy.open(server.clientPort, Math.floor(statSync(file).size / 3))
    const loading = loadInto('interrupted', file, { port: proxy.port, signal: stopping.signal })
    const ended = failureOf(loading)
    await proxy.held
    stopping.abort(new LoadError('interrupted'))
    proxy.release()
    assert.is(await ended, 'interrupted')
    proxy.close()
    assert.ok(progressOf(file).lineNumber > 0)
    const { counts } = await loadInto('interrupted', file)
    assert.is(counts.inserted + counts.present, CITIES.length)
    assert.is((await readBack('interrupted')).length, CITIES.length)
  })
})

test('says what is wrong with the server or the bucket', async () => {
  await withFile('{"n":1}\n', async file => {
    const options = { file, bucket: 'b', namespace: undefined, host: '127.0.0.1', port: 1 }
    const controls = { batch: 1, connections: 1, onError: 'skip', restart: false } as const
    const nobody = load({ ...options, ...controls }, new AbortController().signal)
    assert.match(await failureOf(nobody), 'cannot connect to 127.0.0.1:1')
    const bad = loadInto('b', file, { namespace: 'a..b', onError: 'skip' })
    assert.match(await failureOf(bad), /^the server answered: /)
    assert.not.ok(existsSync(`${file}.kronotop-progress`))
  })
})

/** Kills the server once about a third of the file has reached it, and sees the load fail. */
async function killDuringLoad(bucket: string, file: string): Promise<void> {
  const proxy = await HeldProxy.open(server.clientPort, Math.floor(statSync(file).size / 3))
  try {
    const failed = failureOf(loadInto(bucket, file, { port: proxy.port }))
    await proxy.held
    await server.kill()
    await failed
  } finally {
    proxy.close()
  }
}

function progressOf(file: string): { lineNumber: number } {
  const path = `${file}.kronotop-progress`
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { lineNumber: 0 }
}

test.run()
