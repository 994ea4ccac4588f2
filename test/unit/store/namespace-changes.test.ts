/** What members of one cluster see of each other's changes of namespaces. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClusterDirectory } from '../../../ts/store/directory.js'
import {
  NamespaceField,
  namespaceChangesKey,
  namespaceFieldKey,
  namespacesSeenRange,
  prefixRange,
  tombstonesRange,
  zmapKey,
} from '../../../ts/store/keyspace.js'
import type { Namespace, Namespaces } from '../../../ts/store/namespaces/namespaces.js'
import type { Store } from '../../../ts/store/store.js'
import type { Tx } from '../../../ts/store/tx.js'
import { rounds, seed } from '../../support/budget.js'
import { embeddedOnly } from '../../support/cluster.js'
import { errorOf } from '../../support/data-member.js'
import { setFaults, troubled } from '../../support/faults.js'
import { Random } from '../../support/random.js'
import { openTestNamespaces, type TestNamespaces } from '../../support/store.js'
import { until } from '../../support/wait.js'

const KEY = Buffer.from('k')
const embedded = embeddedOnly(test, 'a cluster has no fault mode')

let opened: TestNamespaces
let one: Namespaces
let other: Namespaces
let store: Store

test.before.each(async () => {
  opened = await openTestNamespaces()
  ;({ namespaces: one, store } = opened)
  other = await opened.join()
})
test.after.each(async () => {
  await other.close()
  await opened.close()
})

/** A transaction that has written into a namespace, as a data command does it. */
function writing(namespace: Namespace, key = KEY): Tx {
  const tx = store.begin()
  tx.guardCommit(namespace)
  tx.set(zmapKey(namespace.zmap, key), key)
  return tx
}

async function countIn(range: { begin: Buffer; end: Buffer }): Promise<number> {
  return (await store.transact(tx => tx.getRangeAll(range.begin, range.end))).count
}

async function area(): Promise<Buffer> {
  return openClusterDirectory(store, 'development', 'namespaces')
}

test('a commit into a namespace that was removed meanwhile fails', async () => {
  await one.create('a.b')
  const [before, reader] = [writing(await one.resolve('a.b')), store.begin()]
  reader.guardCommit(await one.resolve('a.b'))
  const elsewhere = writing(await one.resolve('global'))
  await one.remove('a')
  const removed = "NAMESPACEBEINGREMOVED Namespace 'a' is being removed"
  assert.is(await errorOf(() => before.commit()), removed)
  assert.not(before.isOpen)
  assert.is(await errorOf(() => reader.commit()), 'no error')
  assert.is(await errorOf(() => elsewhere.commit()), 'no error')
  const late = writing(await one.resolve('global'))
  await one.purge('a')
  assert.is(await errorOf(() => late.commit()), 'no error')
})

test('a commit into a namespace that was moved, purged or replaced meanwhile fails', async () => {
  for (const path of ['moved', 'purged', 'replaced']) await one.create(path)
  const [moved, purged, replaced] = await Promise.all(
    ['moved', 'purged', 'replaced'].map(async path => writing(await one.resolve(path))),
  )
  await one.move('moved', 'elsewhere')
  for (const path of ['purged', 'replaced']) {
    await one.remove(path)
    await one.purge(path)
  }
  await one.create('replaced')
  const gone = (path: string): string => `NOSUCHNAMESPACE No such namespace: ${path}`
  assert.is(await errorOf(() => moved!.commit()), gone('moved'))
  assert.is(await errorOf(() => purged!.commit()), gone('purged'))
  assert.match(await errorOf(() => replaced!.commit()), /^NOT_COMMITTED /)
  const { zmap } = await one.resolve('replaced')
  assert.is(await countIn(prefixRange(zmap)), 0)
})

test('a removal waits for commits under way, a purge for members that have them', async () => {
  await one.create('a')
  const namespace = await other.resolve('a')
  const tx = writing(namespace)
  // A commit that takes as long as the test wants, as that of a large transaction may.
  const admission = await namespace.admit()
  await one.remove('a')
  let isPurged = false
  const purge = one.purge('a').then(() => {
    isPurged = true
  })
  await until('the other member takes note', async () => {
    return (await errorOf(() => other.resolve('a'))).startsWith('NAMESPACEBEINGREMOVED')
  })
  assert.not(isPurged)
  assert.ok(await one.list().then(names => names.includes('a')))
  admission.leave()
  await purge
  assert.match(await errorOf(() => tx.commit()), /^NOSUCHNAMESPACE /)
  assert.is(await countIn(prefixRange(namespace.prefix)), 0)
})

test('a purge gives up on a member that is alive and sees nothing, not on a dead one', async () => {
  let isAlive = true
  const judge = await opened.join(() => isAlive)
  try {
    await one.create('a')
    const admission = await (await other.resolve('a')).admit()
    await judge.remove('a')
    const version = await lastChange()
    const unseen = `not all members observed version ${version} within 20 attempts`
    const error = `BARRIERNOTSATISFIED Barrier not satisfied: ${unseen}`
    assert.is(await errorOf(() => judge.purge('a')), error)
    assert.ok((await judge.list()).includes('a'))
    isAlive = false
    assert.is(await errorOf(() => judge.purge('a')), 'no error')
    assert.not(await judge.exists('a'))
    admission.leave()
  } finally {
    await judge.close()
  }
})

/** Number of the last change. */
async function lastChange(): Promise<bigint> {
  const key = namespaceChangesKey(await area())
  return (await store.transact(tx => tx.get(key)))!.readBigInt64LE()
}

test('a purge does not follow what is moved away while it waits', async () => {
  await one.create('a.b.c')
  const admission = await (await other.resolve('a.b.c')).admit()
  await one.remove('a.b')
  const purge = errorOf(() => one.purge('a.b'))
  await one.move('a', 'z')
  admission.leave()
  assert.is(await purge, 'NOSUCHNAMESPACE No such namespace: a.b')
  assert.is(
    await errorOf(() => one.exists('z.b.c')),
    "NAMESPACEBEINGREMOVED Namespace 'z.b' is being removed",
  )
  assert.is(await errorOf(() => one.purge('z.b')), 'no error')
  assert.equal(await one.list('z'), [])
})

test('a member that closes is not waited for', async () => {
  const third = await opened.join()
  assert.is(await countIn(namespacesSeenRange(await area())), 3)
  await third.close()
  assert.is(await countIn(namespacesSeenRange(await area())), 2)
  await one.create('a')
  await one.remove('a')
  assert.is(await errorOf(() => one.purge('a')), 'no error')
})

test('the record of a dead member goes, and comes back with it', async () => {
  let isAlive = false
  const judge = await opened.join(() => isAlive)
  const range = namespacesSeenRange(await area())
  try {
    await one.create('a')
    const tx = writing(await other.resolve('a'))
    const admission = await (await other.resolve('a')).admit()
    // The other two are held, so they do not record again at once.
    const held = await (await one.resolve('a')).admit()
    await judge.create('x')
    await judge.remove('x')
    assert.is(await countIn(range), 1)
    isAlive = true
    admission.leave()
    held.leave()
    await until('all have recorded again', async () => (await countIn(range)) === 3)
    assert.is(await errorOf(() => tx.commit()), 'no error')
    await judge.remove('a')
    assert.is(await errorOf(() => judge.purge('a')), 'no error')
  } finally {
    await judge.close()
  }
})

test('a path that was moved away is free once all members that are alive know it', async () => {
  let isAlive = true
  const judge = await opened.join(() => isAlive)
  try {
    await judge.create('a.b')
    await judge.create('x.b.c')
    const admission = await (await other.resolve('a.b')).admit()
    await judge.move('a', 'z')
    const unseen =
      "BARRIERNOTSATISFIED Not all cluster members have observed the tombstone for namespace 'a'"
    for (const path of ['a', 'a.new', 'a.b.c.d.e.f.g.h.i.j.k']) {
      assert.is(await errorOf(() => judge.create(path)), unseen)
    }
    assert.is(await errorOf(() => judge.move('x', 'a')), unseen)
    assert.is(await errorOf(() => judge.create('a.__internal__')), reserved('a.__internal__'))
    assert.is(await countIn(tombstonesRange(await area())), 1)
    isAlive = false
    assert.is(await errorOf(() => judge.create('a')), 'no error')
    assert.is(await countIn(tombstonesRange(await area())), 0)
    admission.leave()
  } finally {
    await judge.close()
  }
})

function reserved(path: string): string {
  return `ERR Namespace '${path}' is reserved for internal use`
}

test('a tombstone below the new path of a move counts as well', async () => {
  let isAlive = true
  const judge = await opened.join(() => isAlive)
  try {
    await judge.create('a.b')
    await judge.create('x.b')
    const admission = await (await other.resolve('a.b')).admit()
    await judge.move('a.b', 'kept')
    await judge.remove('a')
    isAlive = false
    await judge.purge('a')
    isAlive = true
    const unseen = 'Not all cluster members have observed the tombstone for namespace'
    const error = await errorOf(() => judge.move('x', 'a'))
    assert.is(error, `BARRIERNOTSATISFIED ${unseen} 'a.b'`)
    isAlive = false
    assert.is(await errorOf(() => judge.move('x', 'a')), 'no error')
    assert.ok(await judge.exists('a.b'))
    admission.leave()
  } finally {
    await judge.close()
  }
})

test('tombstones go by themselves when the last member has seen the move', async () => {
  await one.create('a')
  const admission = await (await other.resolve('a')).admit()
  await one.move('a', 'b')
  assert.is(await countIn(tombstonesRange(await area())), 1)
  admission.leave()
  const range = tombstonesRange(await area())
  await until('the tombstone is deleted', async () => (await countIn(range)) === 0)
})

test('keeps name, parent and the number of removals with a namespace', async () => {
  await one.create('a.b')
  const root = await area()
  const field = (prefix: Buffer, what: NamespaceField): Promise<Buffer | undefined> =>
    store.transact(tx => tx.get(namespaceFieldKey(prefix, what)))
  const [a, b] = [await one.lookUp('a'), await one.lookUp('a.b')]
  assert.equal(await field(a.prefix, NamespaceField.parent), root)
  assert.equal(await field(b.prefix, NamespaceField.parent), a.prefix)
  assert.is(String(await field(b.prefix, NamespaceField.name)), 'b')
  await one.move('a.b', 'ü')
  assert.is(String(await field(b.prefix, NamespaceField.name)), 'ü')
  assert.equal(await field(b.prefix, NamespaceField.parent), root)
  assert.is(await field(b.prefix, NamespaceField.version), undefined)
  await one.remove('ü')
  assert.is((await field(b.prefix, NamespaceField.version))?.readBigInt64LE(), 1n)
})

embedded('nothing is left below what was purged beside writers on both members', async () => {
  const first = seed()
  const random = new Random(first)
  setFaults(store, { ...troubled(first), maxDelayMs: 5 })
  try {
    for (let round = 0; round < rounds('purges beside writers'); round++) {
      await purgeBesideWriters(random).catch(cause => {
        throw new Error(`SEED=${first}: ${cause}`, { cause })
      })
    }
  } finally {
    setFaults(store, undefined)
  }
})

async function purgeBesideWriters(random: Random): Promise<void> {
  await one.create('busy.child')
  const prefixes = new Set<string>()
  let isOver = false
  const write = async (members: Namespaces, path: string, number: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      try {
        const namespace = await members.resolve(path)
        prefixes.add(namespace.prefix.toString('hex'))
        const tx = writing(namespace, Buffer.from(`${number}.${i}`))
        await new Promise(resolve => setTimeout(resolve, random.between(0, 40)))
        await tx.commit()
      } catch {
        // Refused, or hit by a fault: another attempt follows.
        await new Promise(resolve => setImmediate(resolve))
      }
    }
  }
  const writers = [one, other, one, other].map((members, number) =>
    write(members, number < 2 ? 'busy' : 'busy.child', number),
  )
  await new Promise(resolve => setTimeout(resolve, random.between(2, 30)))
  await (random.next() < 0.5 ? one : other).remove('busy')
  await (random.next() < 0.5 ? one : other).purge('busy')
  isOver = true
  await Promise.all(writers)
  assert.ok(prefixes.size > 0)
  for (const prefix of prefixes) {
    assert.is(await countIn(prefixRange(Buffer.from(prefix, 'hex'))), 0, `below ${prefix}`)
  }
}

test.run()
