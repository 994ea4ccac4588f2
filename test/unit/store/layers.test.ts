/** The layers of npm `foundationdb` over our native client. */
import type { Transaction } from 'foundationdb'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClientArea } from '../../support/client-area.js'
import { kept } from '../../support/wait.js'

class FdbError extends Error {
  readonly code: number
  constructor(description: string, code: number) {
    super(description)
    this.code = code
  }
}

const area = await openClientArea(FdbError)
const { fdb, db, prefix: areaPrefix } = area
const { tuple, encoders } = fdb
const directory = new fdb.DirectoryLayer({
  nodeSubspace: fdb.root.at(Buffer.concat([areaPrefix, Buffer.of(0xfe)])),
  contentSubspace: fdb.root.at(areaPrefix),
})
const tuples = db.at('tuples/').withKeyEncoding(tuple).withValueEncoding(encoders.json)

test.after(() => area.close())

/** Code that `action` rejects with; undefined when it succeeds. */
async function codeOf(action: () => Promise<unknown>): Promise<number | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    assert.instance(error, FdbError)
    return (error as FdbError).code
  }
}

/** Asserts that the directory layer refuses. */
async function refuses(action: () => Promise<unknown>, reason: RegExp): Promise<void> {
  const error = await action().then(
    () => assert.unreachable('the directory layer did not refuse'),
    (error: unknown) => error,
  )
  assert.instance(error, fdb.DirectoryError)
  assert.match((error as Error).message, reason)
}

const names = async (path: string[]): Promise<string[]> =>
  (await directory.listAll(db, path)).map(String).sort()

test('creates, opens and lists directories', async () => {
  const users = await directory.create(db, ['app', 'users'], 'table')
  const opened = await directory.open(db, ['app', 'users'], 'table')
  assert.equal(opened.content.prefix, users.content.prefix)
  assert.is(opened.getLayer(), 'table')
  const again = await directory.createOrOpen(db, ['app', 'users'])
  assert.equal(again.content.prefix, users.content.prefix)
  await users.create(db, 'inner')
  assert.equal(await names(['app']), ['users'])
  assert.equal(await names(['app', 'users']), ['inner'])
  assert.is(await directory.exists(db, ['app', 'users', 'inner']), true)
  assert.is(await directory.exists(db, ['app', 'none']), false)
})

test('refuses what the directory layer does not allow', async () => {
  await directory.create(db, ['refused', 'one'], 'table')
  await refuses(() => directory.create(db, ['refused', 'one']), /already exists/)
  await refuses(() => directory.open(db, ['refused', 'none']), /does not exist/)
  await refuses(() => directory.open(db, ['refused', 'one'], 'other'), /incompatible layer/)
  await refuses(() => directory.listAll(db, ['refused', 'none']), /does not exist/)
  await refuses(() => directory.move(db, ['refused'], ['refused', 'one', 'two']), /subdirectory/)
  await refuses(() => directory.move(db, ['refused', 'none'], ['moved']), /does not exist/)
})

test('moves and removes directories with what they hold', async () => {
  const old = await directory.create(db, ['move', 'old'])
  await db.at(old).set('key', 'value')
  const moved = await directory.move(db, ['move', 'old'], ['move', 'new'])
  assert.equal(moved.content.prefix, old.content.prefix)
  assert.is(String(await db.at(moved).get('key')), 'value')
  assert.equal(await names(['move']), ['new'])
  const elsewhere = await moved.moveTo(db, ['elsewhere'])
  assert.equal(elsewhere.getPath(), ['elsewhere'])
  await elsewhere.create(db, ['below'])
  assert.is(await directory.remove(db, ['elsewhere']), true)
  assert.is(await directory.exists(db, ['elsewhere', 'below']), false)
  assert.is(await db.at(elsewhere).get('key'), undefined)
  assert.is(await directory.removeIfExists(db, ['elsewhere']), false)
})

test('keeps the directories of a partition below its prefix', async () => {
  const partition = await directory.create(db, ['part'], 'partition')
  const inner = await partition.create(db, ['inner'])
  const { prefix } = await db.doTn(
    async tn => (await directory.open(tn, ['part', 'inner'])).content,
  )
  assert.equal(inner.content.prefix, prefix)
  assert.equal(await names(['part']), ['inner'])
  assert.is(prefix.indexOf(partition.content.prefix), 0)
})

test('gives 200 directories made at once short prefixes of their own', async () => {
  const made = await Promise.all(
    Array.from({ length: 200 }, (_, i) => directory.create(db, ['many', `d${i}`])),
  )
  const prefixes = made.map(({ content }) => content.prefix)
  assert.is(new Set(prefixes.map(prefix => prefix.toString('hex'))).size, 200)
  assert.ok(prefixes.every(({ length }) => length - areaPrefix.length <= 4))
  const pairs = prefixes.flatMap(a => prefixes.filter(b => a !== b && a.indexOf(b) === 0))
  assert.equal(pairs, [])
  assert.is((await names(['many'])).length, 200)
})

test('creates a directory once when all want it', async () => {
  const opened = await Promise.all(
    Array.from({ length: 30 }, () => directory.createOrOpen(db, ['shared', 'deep', 'one'])),
  )
  assert.is(new Set(opened.map(({ content }) => content.prefix.toString('hex'))).size, 1)
})

test('keeps keys as tuples in their order, and values as JSON', async () => {
  const items = [
    [null],
    [Buffer.from([1, 0, 255])],
    ['text \u00e9'],
    [['nested', null, 1]],
    [-5],
    [0],
    [1],
    [1, 'more'],
    [70_000],
    [2n ** 80n],
    [{ type: 'double' as const, value: 0.5 }],
    [false],
    [true],
  ]
  await tuples.doTn(async tn => {
    for (const [i, key] of items.entries()) tn.set(key, { i })
  })
  const found = await tuples.getRangeAll([])
  assert.equal(
    found.map(([, value]) => value.i),
    [...items.keys()],
  )
  assert.equal(found[3]![0], [['nested', null, 1]])
  const below = await tuples.getRangeAllStartsWith([1])
  assert.equal(
    below.map(([key]) => key),
    [[1, 'more']],
  )
  assert.equal(await tuples.get([-5]), { i: 4 })
})

test('places versionstamps in tuple keys and in values', async () => {
  const space = db.at('stamps/').withKeyEncoding(tuple)
  const key = ['event', tuple.unboundVersionstamp(), 'x']
  await space.doTn(async tn => tn.setVersionstampedKey(key, 'first'))
  const [pair] = await space.getRangeAllStartsWith(['event'])
  assert.equal(pair![0], key)
  const baked = key[1] as { type: string; value: Buffer }
  assert.is(baked.type, 'versionstamp')
  const codes = await space.doTn(async tn => {
    for (let i = 0; i < 3; i++)
      tn.setVersionstampedKey(['codes', tuple.unboundVersionstamp()], `${i}`)
    return tn.getVersionstamp()
  })
  const stamp = await codes.promise
  const entries = await space.getRangeAllStartsWith(['codes'])
  assert.equal(
    entries.map(([[, at], value]) => [(at as { value: Buffer }).value, String(value)]),
    [0, 1, 2].map(i => [Buffer.concat([stamp, Buffer.from([0, i])]), `${i}`]),
  )
  assert.ok(stamp.compare(baked.value.subarray(0, 10)) > 0)
})

test('places versionstamps before values and after keys', async () => {
  const stamped = await db.doTn(async tn => {
    tn.setVersionstampPrefixedValue('prefixed', 'value')
    tn.setVersionstampSuffixedKey('suffixed/', 'value', Buffer.from('!'))
    return tn.getVersionstamp()
  })
  const stamp = await stamped.promise
  const read = await db.getVersionstampPrefixedValue('prefixed')
  assert.equal([read!.stamp, String(read!.value)], [stamp, 'value'])
  const [pair] = await db.getRangeAllStartsWith('suffixed/')
  assert.equal(pair![0], Buffer.concat([Buffer.from('suffixed/'), stamp, Buffer.from('!')]))
})

test('iterates over ranges in batches, both ways, to a limit', async () => {
  const count = 3000
  const numbers = db.at('numbers/').withKeyEncoding(encoders.int32BE)
  await numbers.doTn(async tn => {
    for (let i = 0; i < count; i++) tn.set(i, Buffer.alloc(40))
  })
  const all = Array.from({ length: count }, (_, i) => i)
  const seen: number[] = []
  let batches = 0
  await numbers.doTn(async tn => {
    for await (const batch of tn.getRangeBatch(0, count)) {
      batches++
      seen.push(...batch.map(([key]) => key))
    }
  })
  assert.equal(seen, all)
  assert.ok(batches > 2, `${batches} batches`)
  const backwards: number[] = []
  await numbers.doTn(async tn => {
    for await (const [key] of tn.getRange(0, count, { reverse: true, limit: 1500 })) {
      backwards.push(key)
    }
  })
  assert.equal(backwards, all.slice(1500).reverse())
  const selected = await numbers.getRangeAll(
    fdb.keySelector.firstGreaterThan(10),
    fdb.keySelector.firstGreaterThan(12),
  )
  assert.equal(
    selected.map(([key]) => key),
    [11, 12],
  )
  assert.is(await numbers.getKey(fdb.keySelector.lastLessThan(count)), count - 1)
})

test('a body reads its own writes in a range', async () => {
  const keys = await db.doTn(async tn => {
    tn.set('own/a', '1')
    tn.set('own/b', '2')
    tn.clear('own/a')
    return (await tn.getRangeAllStartsWith('own/')).map(([key]) => String(key))
  })
  assert.equal(keys, ['own/b'])
})

test('runs a body again after a conflict, with nothing left of the first run', async () => {
  await db.set('retry', '0')
  let runs = 0
  const result = await db.doTn(async tn => {
    const seen = String(await tn.get('retry'))
    if (runs++ === 0) {
      await db.set('retry', 'theirs')
      tn.set('retry/first', 'x')
    }
    tn.set('retry', `${seen} mine`)
    return runs
  })
  assert.is(result, 2)
  assert.is(String(await db.get('retry')), 'theirs mine')
  assert.is(await db.get('retry/first'), undefined)
})

test('does not run a body again after an error that a retry cannot help', async () => {
  let runs = 0
  const failing =
    (body: (tn: Transaction) => Promise<void>, space = db) =>
    () =>
      space.doTn(async tn => {
        runs++
        tn.set('failed', 'x')
        await body(tn)
      })
  const own = await failing(async () => {
    throw new TypeError('own')
  })().catch((error: unknown) => error)
  assert.instance(own, TypeError)
  assert.is(await codeOf(failing(async tn => tn.set(Buffer.alloc(10_001), 'x'))), 2102)
  assert.is(await codeOf(failing(async tn => tn.set('long', Buffer.alloc(100_001)))), 2103)
  assert.is(await codeOf(failing(async tn => tn.set(Buffer.of(255, 1), 'x'), area.whole)), 2004)
  assert.is(runs, 4)
  assert.is(await db.get('failed'), undefined)
})

test('gives up retrying at the limit of the options', async () => {
  let runs = 0
  const body = async (tn: Transaction): Promise<void> => {
    runs++
    await tn.get('limited')
    await db.set('limited', `${runs}`)
    tn.set('limited', 'mine')
  }
  assert.is(await codeOf(() => db.doTn(body, { retry_limit: 2 })), 1020)
  assert.is(runs, 3)
})

test('a snapshot view adds no conflict, its transaction does', async () => {
  await db.set('viewed', '0')
  let runs = 0
  await db.doTn(async tn => {
    runs++
    await tn.snapshot().get('viewed')
    await db.set('viewed', `${runs}`)
    tn.set('view', 'x')
  })
  assert.is(runs, 1)
})

test('watches through get, set and clear', async () => {
  await db.set('watch', 'a')
  const got = await db.getAndWatch('watch')
  assert.is(String(got.value), 'a')
  const set = await db.setAndWatch('watch', 'b')
  assert.is(await kept(got.promise), true)
  const cleared = await db.clearAndWatch('watch')
  assert.is(await kept(set.promise), true)
  await db.set('watch', 'c')
  assert.is(await kept(cleared.promise), true)
})

test('a watch of a run that is retried ends, the last one stays', async () => {
  await db.set('rewatched', 'a')
  const watches: { promise: Promise<boolean> }[] = []
  await db.doTn(async tn => {
    await tn.get('rewatched')
    watches.push(tn.watch('rewatched'))
    if (watches.length === 1) await db.set('rewatched', 'b')
    tn.set('elsewhere', 'x')
  })
  assert.is(watches.length, 2)
  assert.is(await kept(watches[0]!.promise), false)
  await db.set('rewatched', 'c')
  assert.is(await kept(watches[1]!.promise), true)
})

test.run()
