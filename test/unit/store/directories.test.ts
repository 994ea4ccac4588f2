/** Directories made here and by npm foundationdb's directory layer, side by side. */
import type { DirectoryLayer } from 'foundationdb'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { layerTransaction } from '../../../ts/store/client.js'
import {
  childNames,
  ensureDirectory,
  findChild,
  firstChildren,
  moveDirectory,
  putDirectory,
  removeDirectory,
} from '../../../ts/store/directory.js'
import { prefixRange } from '../../../ts/store/keyspace.js'
import { allocatePrefixes } from '../../../ts/store/prefix-allocator.js'
import type { Store } from '../../../ts/store/store.js'
import type { Tx } from '../../../ts/store/tx.js'
import { seed } from '../../support/budget.js'
import { embeddedOnly } from '../../support/cluster.js'
import { troubled } from '../../support/faults.js'
import { openTestStore, type TestStore } from '../../support/store.js'

const ALWAYS = { retries: Number.POSITIVE_INFINITY, idempotent: true }
const embedded = embeddedOnly(test, 'the test counts on a store of its own')

let opened: TestStore
let store: Store
let layer: DirectoryLayer
/** A directory for the test, and its path. */
let root: Buffer
let path: string[]

test.before.each(async () => {
  opened = await openTestStore()
  ;({ store } = opened)
  layer = store.directory
  path = [...store.rootPath, 'directories']
  root = await store.transact(tx => ensureDirectory(tx, layer, path), ALWAYS)
})
test.after.each(() => opened.close())

/** Makes directories below `parent`, in one transaction. */
function make(names: readonly string[], parent = root): Promise<Buffer[]> {
  return store.transact(async tx => {
    const prefixes = await allocatePrefixes(tx, names.length)
    for (const [i, name] of names.entries()) putDirectory(tx, { parent, name }, prefixes[i]!)
    return prefixes
  }, ALWAYS)
}

const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => `d${String(from + i).padStart(6, '0')}`)

/** No prefix is another one, or the start of one. */
function checkApart(prefixes: readonly Buffer[]): void {
  const sorted = prefixes.map(prefix => prefix.toString('hex')).sort()
  for (let i = 1; i < sorted.length; i++) {
    assert.not(sorted[i]!.startsWith(sorted[i - 1]!), `${sorted[i - 1]} and ${sorted[i]}`)
  }
}

test('the layer opens, lists, moves and removes what was made here', async () => {
  const [a, b] = await make(['a', 'b\u0000ü'])
  const [below] = await make(['below'], a)
  const opens = async (...names: string[]): Promise<Buffer> =>
    (await layer.open(store.db, [...path, ...names])).content.prefix
  assert.equal(await opens('a'), a)
  assert.equal(await opens('b\u0000ü'), b)
  assert.equal(await opens('a', 'below'), below)
  assert.equal((await layer.listAll(store.db, path)).map(String).sort(), ['a', 'b\u0000ü'])
  await store.transact(tx => tx.set(Buffer.concat([below!, Buffer.of(1)]), Buffer.of(1)))
  await layer.move(store.db, [...path, 'a'], [...path, 'c'])
  assert.equal(await store.transact(tx => findChild(tx, 'c', root)), a)
  assert.equal(await store.transact(tx => childNames(tx, a)), ['below'])
  assert.ok(await layer.removeIfExists(store.db, [...path, 'c']))
  assert.not(await layer.exists(store.db, [...path, 'a', 'below']))
  const { begin, end } = prefixRange(below!)
  assert.is((await store.transact(tx => tx.getRange(begin, end))).count, 0)
})

test('what the layer made is moved and removed here', async () => {
  const { content } = await layer.create(store.db, [...path, 'x', 'y'])
  const x = (await store.transact(tx => findChild(tx, 'x', root)))!
  const [y] = await store.transact(tx => firstChildren(tx, x, 10))
  assert.equal(y, { name: 'y', prefix: content.prefix })
  await store.transact(tx =>
    moveDirectory(tx, y!.prefix, {
      from: { parent: x, name: 'y' },
      to: { parent: root, name: 'z' },
    }),
  )
  assert.equal((await layer.open(store.db, [...path, 'z'])).content.prefix, content.prefix)
  assert.equal(await layer.listAll(store.db, [...path, 'x']), [])
  await store.transact(tx => removeDirectory(tx, { parent: root, name: 'z' }, y!.prefix))
  assert.not(await layer.exists(store.db, [...path, 'z']))
  assert.equal((await layer.listAll(store.db, path)).map(String), ['x'])
  // Nothing of the node is left that would hinder the layer.
  assert.ok(await layer.create(store.db, [...path, 'z']))
})

embedded('never gives out a prefix that the layer gave, over all sizes of windows', async () => {
  const prefixes: Buffer[] = [root]
  for (let round = 0; round < 40; round++) {
    // Of one transaction's prefixes some are before and some behind the end of a window.
    prefixes.push(...(await make(numbered(1 + ((round * 37) % 400), round * 1000))))
    const { content } = await layer.create(store.db, [...path, `layer-${round}`])
    prefixes.push(content.prefix)
  }
  assert.ok(prefixes.length > 7_000)
  checkApart(prefixes)
  const last = prefixes.at(-1)!
  assert.ok(last.length >= 3, 'the larger windows were reached')
})

embedded('gives different prefixes to transactions side by side, on a troubled store', async () => {
  const first = seed()
  const faulty = await openTestStore([], { faults: troubled(first) })
  try {
    const { store } = faulty
    const makeOne = (name: string): Promise<Buffer[]> =>
      store.transact(async tx => {
        const prefixes = await allocatePrefixes(tx, 3)
        for (const [i, prefix] of prefixes.entries()) {
          putDirectory(tx, { parent: Buffer.of(0xfe), name: `${name}.${i}` }, prefix)
        }
        return prefixes
      }, ALWAYS)
    const byLayer = (name: string): Promise<Buffer[]> =>
      store.transact(async tx => {
        return [(await layer.create(layerTransaction(tx), [name])).content.prefix]
      }, ALWAYS)
    const made = await Promise.all(
      Array.from({ length: 60 }, (_, i) => (i % 4 === 0 ? byLayer : makeOne)(`d${i}`)),
    )
    assert.is(made.flat().length, 15 + 45 * 3, `SEED=${first}`)
    checkApart(made.flat())
  } finally {
    await faulty.close()
  }
})

/** Why prefixes are refused in a transaction that `spoil` wrote in. */
async function refusal(spoil: (tx: Tx) => void): Promise<string> {
  const tx = store.begin()
  try {
    spoil(tx)
    // So many that some have a byte more than those before.
    await allocatePrefixes(tx, 200)
    return 'none'
  } catch (thrown) {
    return String(thrown)
  } finally {
    tx.cancel()
  }
}

embedded('refuses a prefix below which somebody else keeps keys or directories', async () => {
  assert.is(await refusal(() => {}), 'none')
  const keys = await refusal(tx => {
    for (let number = 0; number < 256; number++) tx.set(Buffer.of(0x15, number), Buffer.of(1))
  })
  assert.match(keys, /^Error: there are keys below the new prefix 15/)
  const above = await refusal(tx => {
    putDirectory(tx, { parent: root, name: 'by hand' }, Buffer.of(0x16))
  })
  assert.match(above, /^Error: the new prefix 16.... overlaps the directory prefix 16$/)
  const below = await refusal(tx => {
    for (let number = 0; number < 256; number++) {
      const name = `by hand ${number}`
      putDirectory(tx, { parent: root, name }, Buffer.of(0x15, number, 0x00, 0x01))
    }
  })
  assert.match(below, /^Error: the new prefix 15.. overlaps the directory prefix \w\w\w\w0001$/)
})

test.run()
