import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { prefixRange } from '../../../ts/store/keyspace.js'
import { unpack } from '../../../ts/store/packed-range.js'
import type { Store } from '../../../ts/store/store.js'
import type { StoreError } from '../../../ts/store/store-error.js'
import type { Tx } from '../../../ts/store/tx.js'
import {
  firstGreaterOrEqual,
  firstGreaterThan,
  lastLessOrEqual,
  lastLessThan,
  type MaybePromise,
  MutationType,
  type PackedRange,
  StreamingMode,
  TxOption,
} from '../../../ts/store/types.js'
import { embeddedOnly } from '../../support/cluster.js'
import { openTestStore, type TestStore } from '../../support/store.js'

let opened: TestStore
let store: Store
/** What all keys here begin with: `b('k')` is a key, `bytes('v')` a value. */
let prefix: Buffer

test.before(async () => {
  opened = await openTestStore()
  ;({ store } = opened)
  prefix = await opened.keyPrefix()
})
test.before.each(async () => {
  const { begin, end } = prefixRange(prefix)
  await store.transact(tx => tx.clearRange(begin, end))
})
test.after(() => opened.close())

const bytes = (text: string): Buffer => Buffer.from(text)
const b = (text: string): Buffer => Buffer.concat([prefix, bytes(text)])

async function put(...keys: string[]): Promise<void> {
  await store.transact(tx => {
    for (const key of keys) tx.set(b(key), bytes(`value of ${key}`))
  })
}

async function read(key: string): Promise<string | undefined> {
  return (await store.transact(tx => tx.get(b(key))))?.toString()
}

/** A key without the prefix. */
function nameOf(key: Buffer): string {
  return key.subarray(prefix.length).toString()
}

function keysOf(range: PackedRange): string {
  return [...unpack(range)].map(({ key }) => nameOf(key)).join(' ')
}

/** The code of the error that `body` throws or rejects with. */
async function codeOf(body: () => MaybePromise<unknown>): Promise<number | undefined> {
  try {
    await body()
    return undefined
  } catch (thrown) {
    return (thrown as StoreError).code
  }
}

embeddedOnly(test, 'a cluster answers over its network')('answers reads at once', () => {
  const tx = store.begin()
  assert.is(tx.get(b('absent')), undefined)
  assert.not.instance(tx.readVersion(), Promise)
  assert.not.instance(tx.getRange(b('a'), b('z')), Promise)
  tx.cancel()
})

test('reads its own writes, and nobody else does before the commit', async () => {
  const tx = store.begin()
  tx.set(b('k'), bytes('1'))
  assert.is((await tx.get(b('k')))?.toString(), '1')
  assert.is(await read('k'), undefined)
  await tx.commit()
  assert.is(await read('k'), '1')
})

test('keeps reading what it read first', async () => {
  await put('k')
  const tx = store.begin()
  await tx.get(b('other'))
  await store.transact(other => other.set(b('k'), bytes('later')))
  assert.is((await tx.get(b('k')))?.toString(), 'value of k')
  tx.cancel()
})

test('drops everything on cancel, which may be repeated', async () => {
  const tx = store.begin()
  tx.set(b('k'), bytes('1'))
  tx.cancel()
  tx.cancel()
  assert.not(tx.isOpen)
  assert.is(await read('k'), undefined)
  assert.is(await codeOf(() => tx.get(b('k'))), 1025)
  assert.is(await codeOf(() => tx.set(b('k'), bytes('2'))), 1025)
  assert.is(await codeOf(() => tx.commit()), 1025)
})

test('is over after a commit, also a failed one', async () => {
  const tx = store.begin()
  await tx.get(b('k'))
  await put('k')
  tx.set(b('other'), bytes('1'))
  assert.is(await codeOf(() => tx.commit()), 1020)
  assert.not(tx.isOpen)
  assert.is(await codeOf(() => tx.commit()), 1025)
  assert.is(await read('other'), undefined)
})

test('reads ranges forwards, backwards and with a limit', async () => {
  await put('a', 'b', 'c', 'd', 'e')
  const tx = store.begin()
  assert.is(keysOf(await tx.getRange(b('b'), b('e'))), 'b c d')
  assert.is(keysOf(await tx.getRange(b('b'), b('e'), { reverse: true })), 'd c b')
  const limited = await tx.getRange(b('a'), b('z'), { limit: 2 })
  assert.is(keysOf(limited), 'a b')
  assert.is(limited.count, 2)
  assert.ok(limited.more)
  const after = await tx.getRange(firstGreaterThan(b('b')), firstGreaterThan(b('d')))
  assert.is(keysOf(after), 'c d')
  tx.cancel()
})

test('resolves key selectors, own writes included', async () => {
  await put('b', 'd')
  const tx = store.begin()
  tx.set(b('c'), bytes(''))
  const resolved = [
    firstGreaterOrEqual(b('c')),
    firstGreaterThan(b('c')),
    lastLessThan(b('c')),
    lastLessOrEqual(b('c')),
  ].map(selector => tx.getKey(selector))
  assert.is((await Promise.all(resolved)).map(nameOf).join(' '), 'c d b c')
  tx.cancel()
})

test('reads ranges of many batches as one', async () => {
  const count = 2000
  const name = (index: number): string => `k${String(index).padStart(6, '0')}`
  await store.transact(tx => {
    for (let i = 0; i < count; i++) tx.set(b(name(i)), Buffer.alloc(500, i))
  })
  const tx = store.begin()
  const all = await tx.getRangeAll(b('k'), b('l'))
  assert.is(all.count, count)
  assert.not(all.more)
  assert.is(keysOf(all), Array.from({ length: count }, (_, i) => name(i)).join(' '))
  const options = { limit: count - 1, reverse: true, targetBytes: 10_000 }
  const most = await tx.getRangeAll(b('k'), b('l'), options)
  assert.is(most.count, count - 1)
  assert.ok(most.more)
  assert.is(keysOf(most).split(' ').at(-1), name(1))
  const growing = await tx.getRange(b('k'), b('l'), { mode: StreamingMode.iterator, iteration: 1 })
  assert.ok(growing.more && growing.count < count)
  tx.cancel()
})

test('adds to counters, and keeps the larger bytes', async () => {
  const counter = b('counter')
  await store.transact(tx => tx.add(counter, 40))
  await store.transact(tx => tx.add(counter, 3n))
  await store.transact(tx => tx.add(counter, -1))
  const value = await store.transact(tx => tx.get(counter))
  assert.is(value?.readBigInt64LE(), 42n)
  for (const operand of ['b', 'a', 'ab']) {
    await store.transact(tx => tx.byteMax(b('max'), bytes(operand)))
  }
  assert.is(await read('max'), 'b')
})

test('puts the versionstamp of the commit into keys and values', async () => {
  const tx = store.begin()
  tx.setVersionstampedKey(b('log-'), Buffer.of(0, 7), bytes('entry'))
  tx.setVersionstampedValue(b('last'), bytes('at '), bytes('!'))
  const committed = await tx.commit()
  const stamp = await committed.versionstamp()
  assert.is(stamp.length, 10)
  assert.is(stamp.readBigUInt64BE(), committed.version)
  const range = await store.transact(other => other.getRange(b('log-'), b('log.')))
  const [entry] = [...unpack(range)]
  assert.equal(entry?.key, Buffer.concat([b('log-'), stamp, Buffer.of(0, 7)]))
  const last = await store.transact(other => other.get(b('last')))
  assert.equal(last, Buffer.concat([bytes('at '), stamp, bytes('!')]))
})

test('cannot read a versionstamped key before its commit', async () => {
  const tx = store.begin()
  tx.setVersionstampedValue(b('last'), bytes(''), bytes(''))
  assert.is(await codeOf(() => tx.get(b('last'))), 1036)
  tx.cancel()
})

test('gives ever larger versions and versionstamps', async () => {
  let version = 0n
  let stamp: Buffer = Buffer.alloc(10)
  for (let i = 0; i < 20; i++) {
    const tx = store.begin()
    tx.set(b('k'), bytes(String(i)))
    const committed = await tx.commit()
    const next = await committed.versionstamp()
    assert.ok(committed.version >= version)
    assert.is(next.compare(stamp), 1)
    version = committed.version
    stamp = next
  }
})

test('says that a commit without writes changed nothing', async () => {
  const tx = store.begin()
  await tx.get(b('k'))
  const committed = await tx.commit()
  assert.is(committed.version, -1n)
  assert.is(await codeOf(() => committed.versionstamp()), 2021)
})

test('numbers user versions from 0 to 65,535', () => {
  const tx = store.begin()
  for (let i = 0; i < 65_536; i++) assert.is(tx.nextUserVersion(), i)
  assert.throws(() => tx.nextUserVersion(), /cannot insert more than 65536/)
  tx.cancel()
})

test('runs hooks around the commit, in order', async () => {
  const seen: string[] = []
  const tx = store.begin()
  tx.set(b('k'), bytes('1'))
  tx.beforeCommit(async () => {
    await undefined
    seen.push('flush')
    tx.beforeCommit(() => void seen.push('late'))
  })
  tx.beforeCommit(() => {
    seen.push('second')
    tx.set(b('from hook'), bytes('1'))
  })
  tx.afterCommit(({ version }) => seen.push(version > 0n ? 'after' : 'wrong'))
  tx.afterCommit(() => {
    throw new Error('in a hook')
  })
  tx.afterCommit(() => seen.push('still'))
  await tx.commit()
  assert.equal(seen, ['flush', 'second', 'late', 'after', 'still'])
  assert.is(await read('from hook'), '1')
  assert.match(String(opened.logged.at(-1)?.msg), /after a commit failed/)
})

test('fails the commit when a hook before it throws', async () => {
  const tx = store.begin()
  tx.set(b('k'), bytes('1'))
  let after = 0
  tx.beforeCommit(() => {
    throw new Error('flush failed')
  })
  tx.afterCommit(() => after++)
  try {
    await tx.commit()
    assert.unreachable()
  } catch (thrown) {
    assert.match(String(thrown), /flush failed/)
  }
  assert.is(after, 0)
  assert.is(await read('k'), undefined)
})

test('leaves a commit under way alone when cancelled', async () => {
  const tx = store.begin()
  tx.set(b('k'), bytes('1'))
  const committed = tx.commit()
  tx.cancel()
  assert.is(await codeOf(() => tx.commit()), 2017)
  assert.ok((await committed).version > 0n)
  assert.is(await read('k'), '1')
})

/** What T1 did before B wrote key k, and whether T1's commit of another key then fails. */
const CONFLICTS: readonly (readonly [what: string, body: (tx: Tx) => unknown, fails: boolean])[] = [
  ['read the key', tx => tx.get(b('k')), true],
  ['read the key as a snapshot', tx => tx.get(b('k'), true), false],
  ['wrote the key blindly', tx => tx.set(b('k'), bytes('mine')), false],
  ['cleared the key', tx => tx.clear(b('k')), false],
  ['cleared a range over the key', tx => tx.clearRange(b('a'), b('z')), false],
  ['added to the key', tx => tx.add(b('k'), 1), false],
  ['read a range over the key', tx => tx.getRange(b('a'), b('z')), true],
  ['read a range as a snapshot', tx => tx.getRange(b('a'), b('z'), { snapshot: true }), false],
  ['read a range that stopped before', tx => tx.getRange(b('a'), b('z'), { limit: 1 }), false],
  ['read a range beside the key', tx => tx.getRange(b('l'), b('z')), false],
  ['resolved a selector across the key', tx => tx.getKey(firstGreaterThan(b('g'))), true],
  ['resolved a selector beside the key', tx => tx.getKey(lastLessThan(b('f'))), false],
  ['declared a read of the key', tx => tx.addReadConflictKey(b('k')), true],
  ['declared a read of a range', tx => tx.addReadConflictRange(b('j'), b('l')), true],
  [
    'wrote and then read the key',
    tx => {
      tx.set(b('k'), bytes('mine'))
      return tx.get(b('k'))
    },
    false,
  ],
]

for (const [what, body, fails] of CONFLICTS) {
  test(`${fails ? 'conflicts' : 'commits'} when it ${what} and another wrote it`, async () => {
    await put('b', 'f', 'm')
    const tx = store.begin()
    await tx.readVersion()
    await body(tx)
    await put('k')
    tx.set(b('other'), bytes('1'))
    assert.is(await codeOf(() => tx.commit()), fails ? 1020 : undefined)
  })
}

test('never conflicts without writes', async () => {
  const tx = store.begin()
  await tx.get(b('k'))
  await put('k')
  assert.is((await tx.commit()).version, -1n)
})

test('conflicts with a declared write', async () => {
  const tx = store.begin()
  await tx.get(b('k'))
  await store.transact(other => other.addWriteConflictRange(b('k'), b('l')))
  tx.set(b('other'), bytes('1'))
  assert.is(await codeOf(() => tx.commit()), 1020)
})

test('applies atomic operations of both sides', async () => {
  const tx = store.begin()
  await tx.readVersion()
  tx.atomic(MutationType.add, b('n'), Buffer.of(1))
  await store.transact(other => other.atomic(MutationType.add, b('n'), Buffer.of(2)))
  await tx.commit()
  assert.equal(await store.transact(other => other.get(b('n'))), Buffer.of(3))
})

test('refuses a commit that is too large', async () => {
  const tx = store.begin()
  for (let i = 0; i < 110; i++) tx.set(b(`k${i}`), Buffer.alloc(100_000))
  assert.is(await codeOf(() => tx.commit()), 2101)
})

test('refuses keys and values that are too large, at the commit at the latest', async () => {
  const writing = (key: Buffer, value: Buffer) => () => store.transact(tx => tx.set(key, value))
  const keyOf = (length: number): Buffer => Buffer.concat([prefix], length)
  assert.is(await codeOf(writing(keyOf(10_001), bytes(''))), 2102)
  assert.is(await codeOf(writing(b('k'), Buffer.alloc(100_001))), 2103)
  assert.is(await codeOf(writing(keyOf(10_000), Buffer.alloc(100_000))), undefined)
})

test('grows its approximate size with every write and read', async () => {
  const tx = store.begin()
  const empty = await tx.approximateSize()
  tx.set(b('k'), bytes('some value'))
  const written = await tx.approximateSize()
  await tx.get(b('another key'))
  const read = await tx.approximateSize()
  assert.ok(empty >= 0 && written > empty && read > written, `${empty} ${written} ${read}`)
  assert.ok((await tx.estimatedRangeSize(b('a'), b('z'))) >= 0)
  tx.cancel()
})

test('takes options', async () => {
  const limit = Buffer.alloc(8)
  limit.writeBigInt64LE(50n)
  const small = store.begin()
  small.setOption(TxOption.sizeLimitBytes, limit)
  small.set(b('k'), Buffer.alloc(100))
  assert.is(await codeOf(() => small.commit()), 2101)
  const quick = store.begin()
  quick.setOption(TxOption.timeoutMs, 1)
  await quick.get(b('k'))
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.is(await codeOf(() => quick.get(b('k'))), 1031)
  quick.cancel()
  const wrong = store.begin()
  assert.is(await codeOf(() => wrong.setOption(1_000_000)), 2007)
  wrong.cancel()
})

test('refuses an inverted range', async () => {
  const tx = store.begin()
  assert.is(await codeOf(() => store.transact(other => other.clearRange(b('z'), b('a')))), 2005)
  tx.cancel()
})

test.run()
