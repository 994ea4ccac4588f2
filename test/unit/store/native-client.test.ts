import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { NativeTransaction } from '../../../ts/native.js'
import { openClientArea } from '../../support/client-area.js'
import { embeddedOnly } from '../../support/cluster.js'
import { kept } from '../../support/wait.js'

class FdbError extends Error {
  readonly code: number
  constructor(description: string, code: number) {
    super(description)
    this.code = code
  }
}

const area = await openClientArea(FdbError)
const { client, fdb, db, place } = area
const native = client.createDatabase(place)
const embedded = embeddedOnly(test, 'it is about the embedded store')

test.after(async () => {
  native.close()
  await area.close()
})

/** Runs `body` in a transaction of its own and closes it. */
async function within<T>(body: (tx: NativeTransaction) => T | Promise<T>): Promise<T> {
  const tx = native.createTransaction()
  try {
    return await body(tx)
  } finally {
    tx.close()
  }
}

const bytes = (text: string): Buffer => Buffer.from(text)
const key = (name: string): Buffer => Buffer.concat([area.prefix, bytes(name)])

/** Error code that `action` throws or rejects with; undefined when it succeeds. */
async function codeOf(action: () => unknown): Promise<number | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    assert.instance(error, FdbError)
    return (error as FdbError).code
  }
}

test('serves the npm package: set, get, range, clear', async () => {
  await db.doTn(async tn => {
    for (let i = 0; i < 300; i++) tn.set(`npm/${String(i).padStart(3, '0')}`, `value ${i}`)
    assert.is((await tn.get('npm/007'))?.toString(), 'value 7')
  })
  assert.is((await db.get('npm/299'))?.toString(), 'value 299')
  assert.is(await db.get('npm/none'), undefined)
  const pairs = await db.getRangeAllStartsWith('npm/')
  assert.is(pairs.length, 300)
  assert.is(pairs[299]![0].toString(), 'npm/299')
  const last = await db.getRangeAll('npm/', 'npm0', { reverse: true, limit: 2 })
  assert.equal(
    last.map(pair => pair[0].toString()),
    ['npm/299', 'npm/298'],
  )
  await db.clearRangeStartsWith('npm/')
  assert.is((await db.getRangeAllStartsWith('npm/')).length, 0)
})

test('adds atomically and places versionstamps', async () => {
  const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])
  await Promise.all(Array.from({ length: 64 }, () => db.add('counter', one)))
  assert.is((await db.get('counter'))?.readBigInt64LE(), 64n)
  const stamp = await db.doTn(async tn => {
    tn.setVersionstampSuffixedKey('stamped/', 'value')
    return tn.getVersionstamp()
  })
  const [pair] = await db.getRangeAllStartsWith('stamped/')
  assert.equal(pair![0].subarray(8), await stamp.promise)
})

test('retries conflicts until every increment counts', async () => {
  await db.set('contended', '0')
  const increment = (): Promise<void> =>
    db.doTn(async tn => {
      const value = Number((await tn.get('contended'))?.toString())
      await sleep(1)
      tn.set('contended', String(value + 1))
    })
  await Promise.all(Array.from({ length: 8 }, increment))
  assert.is((await db.get('contended'))?.toString(), '8')
})

test('carries the directory layer', async () => {
  const names = await area.whole.doTn(async tn => {
    await fdb.directory.createOrOpen(tn, [area.root, 'users'])
    await fdb.directory.createOrOpen(tn, [area.root, 'orders'])
    return fdb.directory.listAll(tn, [area.root])
  })
  assert.equal(names.map(String).sort(), ['orders', 'users'])
})

embedded('answers directly, without a promise', () =>
  within(async tx => {
    tx.set(key('now/a'), bytes('1'))
    tx.set(key('now/b'), bytes(''))
    const a = tx.getNow(key('now/a'), false)
    assert.ok(Buffer.isBuffer(a))
    assert.is(tx.getNow(key('now/none'), false), undefined)
    assert.equal(tx.getNow(key('now/b'), false), Buffer.alloc(0))
    assert.equal(tx.getKeyNow(key('now/a'), true, 1, false), key('now/b'))
    assert.is(typeof tx.getReadVersionNow(), 'bigint')
    await tx.commit()
    assert.ok(tx.commitVersion() > 0n)
    assert.equal(a, bytes('1'), 'later results leave earlier ones as they are')
  }),
)

test('packs ranges, small ones and large ones', () =>
  within(async tx => {
    for (const [name, size, count] of [
      ['small', 10, 3],
      ['large', 5_000, 12],
    ] as const) {
      for (let i = 0; i < count; i++) tx.set(key(`${name}/${i + 10}`), Buffer.alloc(size, i + 1))
      const range = await tx.getRangePacked(
        key(`${name}/`), false, 1, key(`${name}0`), false, 1, 0, 0, -2, 1, false, false,
      ) // biome-ignore format: one line is easier to read
      assert.equal([range.count, range.more], [count, false])
      let at = 0
      for (let i = 0; i < count; i++) {
        const keyLength = range.data.readUInt32LE(at)
        const valueLength = range.data.readUInt32LE(at + 4)
        const value = at + 8 + keyLength
        assert.equal(range.data.subarray(at + 8, value), key(`${name}/${i + 10}`))
        assert.equal(range.data.subarray(value, value + valueLength), Buffer.alloc(size, i + 1))
        at = value + valueLength
      }
      assert.is(at, range.data.length)
    }
    tx.cancel()
  }))

embedded('answers long reads later, with the same values', () =>
  within(async tx => {
    for (let i = 1000; i < 3000; i++) tx.set(key(`long/${i}`), Buffer.alloc(91))
    const [begin, end] = [key('long/'), key('long0')]
    const pending = tx.getRangePacked(begin, false, 1, end, false, 1, 5000, 0, 0, 1, false, false)
    assert.instance(pending, Promise)
    const range = await pending
    const keyBytes = begin.length + 4
    assert.equal([range.count, range.data.length], [2000, 2000 * (8 + keyBytes + 91)])
    const pairs = await tx.getRange(begin, false, 1, end, false, 1, 5000, 0, 0, 1, false, true)
    assert.equal(pairs.results[0]![0], key('long/2999'))
    assert.is(await tx.getEstimatedRangeSizeBytes(begin, end), 2000 * (keyBytes + 91))
    const points = await tx.getRangeSplitPoints(begin, end, 50_000)
    assert.equal([points[0], points.at(-1), points.length > 3], [begin, end, true])
    tx.cancel()
  }),
)

embedded('keeps every result when thousands share buffers', () =>
  within(async tx => {
    for (let i = 0; i < 100; i++) tx.set(key(`many/${i}`), Buffer.alloc(i * 20, i))
    const results = Array.from({ length: 3000 }, (_, i) => tx.getNow(key(`many/${i % 100}`), true))
    for (const [i, result] of results.entries()) {
      assert.equal(result, Buffer.alloc((i % 100) * 20, i % 100))
    }
    tx.cancel()
  }),
)

test('reports a conflict with its code, and read-only commits as such', async () => {
  await within(tx =>
    within(async other => {
      await tx.get(key('conflict'), false)
      other.set(key('conflict'), bytes('theirs'))
      await other.commit()
      tx.set(key('mine'), bytes('x'))
      assert.is(await codeOf(() => tx.commit()), 1020)
      await tx.onError(1020)
      await tx.get(key('conflict'), false)
      await tx.commit()
      assert.is(tx.commitVersion(), -1n)
    }),
  )
})

test('surfaces a write that failed at the next read and at the commit', () =>
  within(async tx => {
    tx.set(Buffer.alloc(20_000), bytes('x'))
    assert.is(await codeOf(() => tx.get(key('any'), false)), 2102)
    assert.is(await codeOf(() => tx.commit()), 2102)
    assert.is(await codeOf(() => tx.onError(2102)), 2102)
  }))

test('rejects the versionstamp of a transaction that never commits', async () => {
  const stamp = await within(tx => {
    const promise = tx.getVersionstamp()
    promise.catch(() => undefined)
    return { promise }
  })
  assert.is(await codeOf(() => stamp.promise), 1025)
})

test('fires a watch when the value changes, and ends a cancelled one', async () => {
  await db.set('watched', 'before')
  const fired = await db.doTn(async tn => tn.watch('watched'))
  const cancelled = await db.doTn(async tn => tn.watch('watched'))
  cancelled.cancel()
  assert.is(await kept(cancelled.promise), false)
  await db.set('watched', 'after')
  assert.is(await kept(fired.promise), true)
  fired.cancel()
  const discarded = await within(tx => tx.watch(key('watched'), true))
  assert.is(await kept(discarded.promise), false)
})

test('calls back instead of promising', async () => {
  const value = await db.doTn(async tn => {
    tn.set('callback', 'x')
    return new Promise((resolve, reject) => {
      tn.get('callback', (error, result) => (error ? reject(error) : resolve(result)))
    })
  })
  assert.equal(value, bytes('x'))
})

test('accepts options and refuses unknown ones', () =>
  within(async tx => {
    tx.setOption(500, 5_000)
    assert.is(await codeOf(() => tx.setOption(31_337, null)), 2007)
    assert.ok(client.errorPredicate(50_000, 1020))
    assert.not(client.errorPredicate(50_000, 2101))
  }))

test('throws after close, and for arguments of the wrong kind', async () => {
  const tx = native.createTransaction()
  assert.throws(() => tx.set(1 as unknown as string, 'x'), /expected a Buffer or a string/)
  tx.close()
  tx.close()
  assert.throws(() => tx.getNow(key('any'), false), /the transaction is closed/)
  const refused: unknown = await tx.get(key('any'), false).catch(error => error)
  assert.match(String(refused), /the transaction is closed/)
})

test('leaves no native transaction behind', async () => {
  await db.get('any')
  assert.is(client.openTransactionCount(), 0)
})

embedded('tells why a database cannot be opened', () => {
  const file = join(place, 'fdb.cluster')
  writeFileSync(file, 'a:b@127.0.0.1:4500')
  assert.throws(() => client.createDatabase(file), /fdb\.cluster is a cluster file/)
  assert.throws(() => client.createDatabase(join(place, 'none')), /none cannot be opened/)
})

/** Runs a script with an open database `db` in a process of its own; returns what it printed. */
function runScript(body: string, store?: string): { status: number | null; printed: string } {
  const own = store ?? mkdtempSync(join(tmpdir(), 'kronotop-client-'))
  const library = store === undefined ? `nativePath('libfdb_c.so')` : JSON.stringify(area.library)
  const nativeModule = JSON.stringify(new URL('../../../ts/native.js', import.meta.url).href)
  const script = `
    import { loadFoundationDb, nativePath } from ${nativeModule}
    const { client, fdb } = loadFoundationDb(class extends Error {})
    client.loadLibrary(${library})
    fdb.setAPIVersion(720)
    const directory = ${JSON.stringify(own)}
    const db = fdb.open(directory)
    ${body}`
  const args = ['--input-type=module', '--eval', script]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { timeout: 20_000 })
  if (store === undefined) rmSync(own, { recursive: true, force: true })
  return { status, printed: `${stdout}${stderr}`.trim() }
}

test('a second process uses the same store', async () => {
  await db.set('shared', 'ours')
  const body = `
    const area = db.at(Buffer.from('${area.prefix.toString('hex')}', 'hex'))
    const read = await area.get('shared')
    await area.set('shared', 'theirs')
    console.log(String(read))`
  assert.equal(runScript(body, place), { status: 0, printed: 'ours' })
  assert.is(String(await db.get('shared')), 'theirs')
})

test('a pending commit keeps the process alive', () => {
  const body = `db.set('k', 'v').then(() => console.log('committed'))`
  assert.equal(runScript(body), { status: 0, printed: 'committed' })
})

test('a pending watch does not', () => {
  const body = `
    const watch = await db.doTn(async tn => tn.watch('k'))
    watch.promise.then(() => console.log('fired'))
    console.log('set')`
  assert.equal(runScript(body), { status: 0, printed: 'set' })
})

test('worker threads share the store and leave it running', () => {
  const body = `
    import { Worker } from 'node:worker_threads'
    const work = \`
      import { createRequire } from 'node:module'
      import { workerData } from 'node:worker_threads'
      const client = createRequire(workerData.addon)(workerData.addon)
      client.loadLibrary(workerData.library)
      client.setAPIVersion(720)
      client.startNetwork()
      const tx = client.createDatabase(workerData.directory).createTransaction()
      tx.watch('never', true)
      tx.set('from', 'worker')
      tx.commit().then(() => process.exit())\`
    const workerData = {
      addon: nativePath('fdb_client.node'),
      library: nativePath('libfdb_c.so'),
      directory,
    }
    for (let i = 0; i < 3; i++) {
      await new Promise(resolve => new Worker(work, { eval: true, workerData }).on('exit', resolve))
    }
    await db.set('main', 'still here')
    console.log(String(await db.get('from')), String(await db.get('main')))`
  assert.equal(runScript(body), { status: 0, printed: 'worker still here' })
})

test.run()
