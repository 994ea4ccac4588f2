import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RespError } from '../../../ts/error.js'
import { childNames, findChild, openClusterDirectory } from '../../../ts/store/directory.js'
import { clusterPath, NamespaceField, namespaceFieldKey } from '../../../ts/store/keyspace.js'
import { Namespaces } from '../../../ts/store/namespaces/namespaces.js'
import { Store } from '../../../ts/store/store.js'
import type { MaybePromise } from '../../../ts/store/types.js'
import { newMemberId, openTestNamespaces, type TestNamespaces } from '../../support/store.js'

const WAKE_LIMIT_MS = 5000
const silent = pino({ level: 'silent' })

let opened: TestNamespaces
let namespaces: Namespaces
let store: Store

test.before.each(async () => {
  opened = await openTestNamespaces()
  ;({ namespaces, store } = opened)
})
test.after.each(() => opened.close())

/** `PREFIX message` of what `body` throws or rejects with. */
async function errorOf(body: () => MaybePromise<unknown>): Promise<string> {
  try {
    await body()
  } catch (thrown) {
    if (thrown instanceof RespError) return `${thrown.prefix} ${thrown.message}`
    throw thrown
  }
  return 'no error'
}

test('makes the default namespace', async () => {
  assert.ok(await namespaces.exists('global'))
  assert.equal(await namespaces.list(), ['global'])
})

test('opens again over what is there', async () => {
  await namespaces.create('kept')
  const { prefix } = await namespaces.resolve('kept')
  const again = await opened.join()
  assert.equal((await again.resolve('kept')).prefix, prefix)
  assert.equal(await again.list(), ['global', 'kept'])
  await again.close()
})

test('finds a namespace by its prefix, wherever it was moved', async () => {
  await namespaces.create('a.b')
  const { prefix } = await namespaces.resolve('a.b')
  assert.is((await namespaces.find(prefix))?.path, 'a.b')
  await namespaces.move('a', 'x.y')
  assert.is((await namespaces.find(prefix))?.path, 'x.y.b')
  await namespaces.create('a.b')
  assert.is((await namespaces.find(prefix))?.path, 'x.y.b')
  await namespaces.remove('x')
  assert.is(await namespaces.find(prefix), undefined)
  await namespaces.purge('x')
  assert.is(await namespaces.find(prefix), undefined)
})

test('makes missing parents, which are complete namespaces', async () => {
  await namespaces.create('a.b.c')
  assert.equal(await namespaces.list('a'), ['b'])
  const all = await Promise.all(['a', 'a.b', 'a.b.c'].map(path => namespaces.lookUp(path)))
  assert.is(new Set(all.map(({ prefix }) => prefix.toString('hex'))).size, 3)
  for (const { prefix } of all) {
    const uuid = await store.transact(tx => tx.get(namespaceFieldKey(prefix, NamespaceField.uuid)))
    assert.is(uuid?.length, 16)
  }
  const again = 'NAMESPACEALREADYEXISTS Namespace already exists: a.b'
  assert.is(await errorOf(() => namespaces.create('a.b')), again)
  await namespaces.create('a.d')
  assert.equal(await namespaces.list('a'), ['b', 'd'])
  assert.equal(await namespaces.list('a.b.c'), [])
})

test('keeps stores apart that share a database under different roots', async () => {
  const root = `${opened.config.directory.root ?? ''} elsewhere`
  const config = { ...opened.config, directory: { root } }
  const isolated = await Store.open(config, silent)
  const members = { memberId: newMemberId(), isAlive: () => true }
  const other = await Namespaces.open({ store: isolated, config, log: silent, members })
  await other.create('theirs')
  assert.equal(await other.list(), ['global', 'theirs'])
  assert.equal(await namespaces.list(), ['global'])
  await other.close()
  await isolated.close()
})

test('refuses paths in the order of the contract', async () => {
  const deep = Array.from({ length: 11 }, (_, depth) => `d${depth}`).join('.')
  const reserved = (path: string): string => `ERR Namespace '${path}' is reserved for internal use`
  const refusals: [path: string, error: string][] = [
    ['', "ERR invalid namespace: ''"],
    ['a..b', "ERR invalid namespace: 'a..b'"],
    ['.a', "ERR invalid namespace: '.a'"],
    ['a.', "ERR invalid namespace: 'a.'"],
    ['__internal__', reserved('__internal__')],
    [`__internal__.${deep}`, reserved(`__internal__.${deep}`)],
    [deep, 'ERR Namespace depth exceeds maximum allowed depth of 10'],
    ['global', 'NAMESPACEALREADYEXISTS Namespace already exists: global'],
  ]
  for (const [path, error] of refusals) {
    assert.is(await errorOf(() => namespaces.create(path)), error)
  }
  await namespaces.create(deep.slice(0, -'.d10'.length))
  assert.not(await namespaces.exists(deep))
  for (const [path, error] of refusals.slice(0, 6)) {
    assert.is(await errorOf(() => namespaces.exists(path)), error)
    assert.is(await errorOf(() => namespaces.list(path)), error)
    assert.is(await errorOf(() => namespaces.resolve(path)), error)
  }
})

test('knows nothing of namespaces that were never made', async () => {
  const missing = 'NOSUCHNAMESPACE No such namespace: a.b'
  assert.not(await namespaces.exists('a.b'))
  assert.is(await errorOf(() => namespaces.resolve('a.b')), missing)
  assert.is(await errorOf(() => namespaces.list('a.b')), missing)
})

test('quotes the name of a missing namespace in the current wording', async () => {
  const other = await openTestNamespaces(['compat.error_names=current'])
  const error = await errorOf(() => other.namespaces.resolve('nowhere'))
  assert.is(error, "NOSUCHNAMESPACE No such namespace: 'nowhere'")
  await other.close()
})

test('names the removed namespace that makes one unusable', async () => {
  await namespaces.create('a.b.c')
  await namespaces.remove('a.b')
  const removed = "NAMESPACEBEINGREMOVED Namespace 'a.b' is being removed"
  const calls = [
    () => namespaces.create('a.b'),
    () => namespaces.create('a.b.c'),
    () => namespaces.create('a.b.new.one'),
    () => namespaces.exists('a.b'),
    () => namespaces.exists('a.b.c'),
    () => namespaces.lookUp('a.b.c'),
  ]
  for (const call of calls) assert.is(await errorOf(call), removed)
  assert.ok(await namespaces.exists('a'))
  assert.equal(await namespaces.list('a'), ['b'])
  assert.equal(await namespaces.list('a.b'), ['c'])
})

test('lets exactly one of many creates of a path through', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () => errorOf(() => namespaces.create('race.to.it'))),
  )
  assert.is(outcomes.filter(outcome => outcome === 'no error').length, 1)
  const rest = new Set(outcomes.filter(outcome => outcome !== 'no error'))
  assert.equal([...rest], ['NAMESPACEALREADYEXISTS Namespace already exists: race.to.it'])
})

test('lets all creates of siblings below a missing parent through', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `n${String(index).padStart(2, '0')}`)
  await Promise.all(names.map(name => namespaces.create(`family.${name}`)))
  assert.equal(await namespaces.list('family'), names)
  const found = await Promise.all(names.map(name => namespaces.lookUp(`family.${name}`)))
  assert.is(new Set(found.map(({ prefix }) => prefix.toString('hex'))).size, names.length)
})

test('takes any text as a name, and lists in byte order', async () => {
  const names = [
    '\u0000',
    'a\u0000',
    'a\u0000\u0000b',
    ' ',
    'A',
    'a',
    'ä',
    '漢字',
    '🙂',
    '\r\n',
    '*',
  ]
  for (const name of names) await namespaces.create(`odd.${name}`)
  const inOrder = names.map(name => Buffer.from(name)).sort(Buffer.compare)
  assert.equal(await namespaces.list('odd'), inOrder.map(String))
  for (const name of names) assert.ok(await namespaces.exists(`odd.${name}`), name)
})

test('answers from the cache at once', async () => {
  const first = await namespaces.resolve('global')
  assert.is(namespaces.resolve('global'), first)
  assert.equal(first.zmap, Buffer.concat([first.prefix, Buffer.of(0x02)]))
})

test('forgets cached look-ups when a member changed something', async () => {
  await namespaces.create('a.b')
  await namespaces.resolve('a.b')
  const member = await opened.join()
  await member.resolve('a.b')
  await namespaces.remove('a')
  const removed = "NAMESPACEBEINGREMOVED Namespace 'a' is being removed"
  const deadline = Date.now() + WAKE_LIMIT_MS
  while ((await errorOf(() => member.resolve('a.b'))) !== removed) {
    assert.ok(Date.now() < deadline, 'the change was not noticed')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  assert.is(await errorOf(() => namespaces.resolve('a.b')), removed)
  await member.close()
})

test('agrees with the directory layer about every directory', async () => {
  await namespaces.create('x.y')
  const { prefix } = await namespaces.resolve('x.y')
  const path = [...store.rootPath, ...clusterPath('development', 'namespaces', 'x', 'y')]
  const directory = await store.directory.open(store.db, path)
  assert.equal(directory.content.prefix, prefix)
  await store.directory.create(store.db, [...path, 'made by the layer'])
  assert.equal(await store.transact(tx => childNames(tx, prefix)), ['made by the layer'])
  assert.is(await store.transact(tx => findChild(tx, 'absent', prefix)), undefined)
  const area = await openClusterDirectory(store, 'development', 'namespaces')
  assert.equal(await store.transact(tx => childNames(tx, area)), ['global', 'x'])
})

test.run()
