/**
 * Members that make, move, remove, purge and write at the same time, over a store that fails and
 * answers late. Whatever wins: in the end every key belongs to a directory that can be found.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RespError } from '../../ts/error.js'
import { firstChildren } from '../../ts/store/directory.js'
import { TupleType, tupleItemBytes, zmapKey } from '../../ts/store/keyspace.js'
import type { Namespaces } from '../../ts/store/namespaces/namespaces.js'
import { unpack } from '../../ts/store/packed-range.js'
import type { Store } from '../../ts/store/store.js'
import { rounds, seed } from '../support/budget.js'
import { embeddedOnly } from '../support/cluster.js'
import { setFaults, troubled } from '../support/faults.js'
import { Random } from '../support/random.js'
import { openTestNamespaces } from '../support/store.js'

const tests = suite('races of namespaces')
const test = embeddedOnly(tests, 'it looks at every key of the store, and has no fault mode')

const WORKERS = 6
const STEPS = 40
const NODES = 0xfe
const ALLOCATOR = Buffer.from('hca')
const REFUSALS: readonly string[] = [
  ...['NOSUCHNAMESPACE', 'NAMESPACEALREADYEXISTS', 'NAMESPACEBEINGREMOVED'],
  ...['BARRIERNOTSATISFIED', 'ERR'],
]
/** What a single commit may be told; commands about namespaces are repeated until they are done. */
const TROUBLE: readonly string[] = ['NOT_COMMITTED', 'TRANSACTIONOLD', 'COMMIT_UNKNOWN_RESULT']

interface Member {
  readonly store: Store
  readonly namespaces: Namespaces
}

function randomPath(random: Random): string {
  const depth = random.between(1, 3)
  return Array.from({ length: depth }, () => random.pick(['a', 'b'])).join('.')
}

/** Writes as a session does that takes its time. */
async function write({ store, namespaces }: Member, path: string, heldMs: number): Promise<void> {
  const namespace = await namespaces.resolve(path)
  const tx = store.begin()
  try {
    tx.guardCommit(namespace)
    tx.set(zmapKey(namespace.zmap, Buffer.from(path)), Buffer.from('v'))
    await sleep(heldMs)
    await tx.commit()
  } catch (thrown) {
    if (!(thrown instanceof RespError && TROUBLE.includes(thrown.prefix))) throw thrown
  } finally {
    tx.cancel()
  }
}

/** One random request. @returns whether it was done */
async function step(random: Random, member: Member): Promise<boolean> {
  const { namespaces } = member
  const heldMs = random.between(0, 30)
  const path = randomPath(random)
  const other = randomPath(random)
  const request = random.pick<() => Promise<unknown>>([
    () => namespaces.create(path),
    () => namespaces.create(path),
    () => write(member, path, heldMs),
    () => write(member, path, heldMs),
    () => write(member, path, heldMs),
    () => namespaces.move(path, other),
    () => namespaces.remove(path),
    () => namespaces.purge(path),
  ])
  try {
    await request()
    return true
  } catch (thrown) {
    if (thrown instanceof RespError && REFUSALS.includes(thrown.prefix)) return false
    throw thrown
  }
}

/** Prefixes of all directories that can be found from the root. */
async function foundPrefixes(store: Store): Promise<Set<string>> {
  const found = new Set<string>()
  const visit = async (prefix: Buffer): Promise<void> => {
    assert.not(found.has(prefix.toString('hex')), 'a directory has two places')
    found.add(prefix.toString('hex'))
    const children = await store.transact(tx => firstChildren(tx, prefix, 1000))
    for (const child of children) await visit(Buffer.from(child.prefix))
  }
  await visit(Buffer.of(NODES))
  return found
}

/** The prefix of the directory that a key belongs to; `hca` for the allocator's. */
function ownerOf(key: Buffer): string {
  if (key[0] === NODES)
    return tupleItemBytes(key.subarray(1, key.indexOf(0, 1) + 1)).toString('hex')
  const bytes = key[0]! - TupleType.zero
  return key.toString('hex', 0, 1 + bytes)
}

async function checkKeys(store: Store): Promise<void> {
  const found = await foundPrefixes(store)
  const all = await store.transact(tx => tx.getRangeAll(Buffer.alloc(0), Buffer.of(0xff)))
  for (const { key } of unpack(all)) {
    if (key.includes(ALLOCATOR)) continue
    assert.ok(found.has(ownerOf(key)), `nobody finds the key ${key.toString('hex')}`)
  }
}

async function race(from: number): Promise<void> {
  const opened = await openTestNamespaces()
  const { store } = opened
  const members = [opened.namespaces, await opened.join()]
  let done = 0
  try {
    setFaults(store, { ...troubled(from), unknownResult: 0.05 })
    await Promise.all(
      Array.from({ length: WORKERS }, async (_, worker) => {
        const random = new Random(from * WORKERS + worker)
        for (let i = 0; i < STEPS; i++) {
          if (await step(random, { store, namespaces: members[worker % 2]! })) done++
        }
      }),
    )
    setFaults(store, undefined)
    await checkKeys(store)
    assert.ok(done > 0, 'no request was done')
    const [one] = members
    for (const name of await one!.list()) {
      if (name === 'global') continue
      if (await isLive(one!, name)) await one!.remove(name)
      await one!.purge(name)
    }
    assert.equal(await one!.list(), ['global'])
    await checkKeys(store)
  } finally {
    setFaults(store, undefined)
    await members[1]!.close()
    await opened.close()
  }
}

async function isLive(namespaces: Namespaces, path: string): Promise<boolean> {
  try {
    return await namespaces.exists(path)
  } catch {
    return false
  }
}

const first = seed()
for (let round = 0; round < rounds('races of namespaces'); round++) {
  test(`leave no key that nobody finds, round ${round}`, () =>
    race(first + round).catch(cause => {
      throw new Error(`SEED=${first}: ${cause}`, { cause })
    }))
}

tests.run()
