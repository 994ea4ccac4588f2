import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Client, type Member, startMember } from '../harness.js'

const NONE = 'TRANSACTION there is no transaction in progress.'
const CONFLICT = 'NOT_COMMITTED Transaction not committed due to conflict with another transaction'

let member: Member
let a: Client
let b: Client

test.before.each(async () => {
  member = await startMember()
  a = await member.connect()
  b = await member.connect()
})
test.after.each(() => member.close())

async function runAll(client: Client, ...lines: string[]): Promise<unknown> {
  let reply: unknown
  for (const line of lines) reply = await client.run(...line.split(' '))
  return reply
}

test('shows what it wrote to itself only, until the commit', async () => {
  assert.is(await a.run('BEGIN'), 'OK')
  assert.is(await a.run('ZSET', 'k', 'v'), 'OK')
  assert.is(await a.run('ZGET', 'k'), 'v')
  assert.is(await b.run('ZGET', 'k'), null)
  assert.is(await a.run('COMMIT'), 'OK')
  assert.is(await b.run('ZGET', 'k'), 'v')
})

test('drops what was written on rollback, and on disconnect', async () => {
  await runAll(a, 'BEGIN', 'ZSET k v')
  assert.is(await a.run('ROLLBACK'), 'OK')
  assert.is(await b.run('ZGET', 'k'), null)
  await runAll(a, 'BEGIN', 'ZSET k v', 'SESSION.CLOSE')
  assert.is(await a.run('COMMIT'), NONE)
  assert.is(await b.run('ZGET', 'k'), null)
})

test('refuses what needs a transaction, and a second one', async () => {
  for (const name of ['COMMIT', 'ROLLBACK', 'GETREADVERSION', 'GETAPPROXIMATESIZE']) {
    assert.is(await a.run(name), NONE)
  }
  await a.run('BEGIN')
  assert.is(await a.run('BEGIN'), 'TRANSACTION there is already a transaction in progress.')
  assert.is(await a.run('COMMIT'), 'OK')
  assert.is(await a.run('COMMIT'), NONE)
})

test('refuses wrong arguments of COMMIT and leaves the transaction open', async () => {
  const refusals: [args: string[], error: string][] = [
    [['Nonsense'], "ERR unknown subcommand: 'Nonsense'"],
    [['Nonsense', 'x'], "ERR unknown subcommand: 'Nonsense'"],
    [['returning'], 'ERR No arguments given for returning'],
    [['RETURNING', 'Futures'], 'ERR Illegal argument: Futures'],
    [['RETURNING', 'versionstamp', 'x'], "ERR wrong number of arguments for 'COMMIT' command"],
  ]
  for (const [args, error] of refusals) assert.is(await a.run('COMMIT', ...args), error)
  await runAll(a, 'BEGIN', 'ZSET k v')
  for (const [args, error] of refusals) assert.is(await a.run('COMMIT', ...args), error)
  assert.is(await a.run('COMMIT'), 'OK')
  assert.is(await b.run('ZGET', 'k'), 'v')
})

test('returns the version of a commit', async () => {
  await runAll(a, 'BEGIN', 'ZSET k v')
  const first = Number(await a.run('COMMIT', 'returning', 'Committed-Version'))
  await runAll(a, 'BEGIN', 'ZSET k w')
  const second = Number(await a.run('COMMIT', 'RETURNING', 'committed-version'))
  assert.ok(first > 0 && second > first, `${first} ${second}`)
  await runAll(a, 'BEGIN', 'ZGET k')
  assert.is(await a.run('COMMIT', 'RETURNING', 'committed-version'), -1)
})

test('returns ever larger versionstamps of ten bytes', async () => {
  let last = Buffer.alloc(10) as Buffer
  for (let round = 0; round < 10; round++) {
    await runAll(a, 'BEGIN', `ZSET k ${round}`)
    const stamp = (await a.runBuffer('COMMIT', 'RETURNING', 'versionstamp')) as Buffer
    assert.is(stamp.length, 10)
    assert.is(stamp.compare(last), 1)
    last = stamp
  }
  await a.run('BEGIN')
  assert.is(
    await a.run('COMMIT', 'RETURNING', 'versionstamp'),
    'NO_COMMIT_VERSION Transaction is read-only and therefore does not have a commit version',
  )
  assert.is(await a.run('COMMIT'), NONE)
})

test('ends the transaction when its commit conflicts', async () => {
  await runAll(b, 'ZSET stock:7 3')
  await a.run('BEGIN')
  assert.is(await a.run('ZGET', 'stock:7'), '3')
  assert.is(await b.run('ZSET', 'stock:7', '2'), 'OK')
  assert.is(await a.run('ZSET', 'stock:7', '1'), 'OK')
  assert.is(await a.run('COMMIT'), CONFLICT)
  assert.is(await a.run('COMMIT'), NONE)
  assert.is(await a.run('ZGET', 'stock:7'), '2')
})

test('reads one version throughout', async () => {
  await b.run('ZSET', 'k', 'old')
  await a.run('BEGIN')
  const version = await a.run('GETREADVERSION')
  assert.ok(Number(version) > 0)
  await b.run('ZSET', 'k', 'new')
  assert.is(await a.run('ZGET', 'k'), 'old')
  assert.is(await a.run('GETREADVERSION'), version)
})

test('keeps the transaction open after a failing command', async () => {
  await runAll(a, 'BEGIN', 'ZSET k v')
  assert.match(String(await a.run('ZGETRANGE', 'a', 'b', 'LIMIT')), /^ERR syntax error/)
  assert.is(await a.run('ZGET', 'k'), 'v')
  assert.is(await a.run('COMMIT'), 'OK')
})

test('commits to several namespaces at once', async () => {
  await runAll(a, 'NAMESPACE CREATE shop.eu', 'NAMESPACE CREATE shop.audit')
  await runAll(a, 'NAMESPACE USE shop.eu', 'BEGIN', 'ZSET sold 1', 'NAMESPACE USE shop.audit')
  await runAll(a, 'ZSET last-sale eu')
  await runAll(b, 'NAMESPACE USE shop.eu')
  assert.is(await b.run('ZGET', 'sold'), null)
  assert.is(await a.run('COMMIT'), 'OK')
  assert.is(await b.run('ZGET', 'sold'), '1')
  assert.is(await a.run('NAMESPACE', 'CURRENT'), 'shop.audit')
})

test('grows the approximate size', async () => {
  await a.run('BEGIN')
  const empty = Number(await a.run('GETAPPROXIMATESIZE'))
  await runAll(a, 'ZSET k v')
  const written = Number(await a.run('GETAPPROXIMATESIZE'))
  assert.ok(empty >= 0 && written > empty)
})

test('switches snapshot reads for the session', async () => {
  assert.is(await a.run('SNAPSHOTREAD', 'on'), 'OK')
  assert.is(await a.run('snapshotread', 'Off'), 'OK')
  const refusal = "ERR illegal argument for SNAPSHOTREAD: 'Maybe'"
  assert.is(await a.run('SNAPSHOTREAD', 'Maybe'), refusal)
  const arity = "ERR wrong number of arguments for 'SNAPSHOTREAD' command"
  assert.is(await a.run('SNAPSHOTREAD'), arity)
})

test('ticks', async () => {
  const fresh = Number(await a.run('TICK', 'fresh'))
  const cached = Number(await a.run('TICK', 'CACHED'))
  assert.ok(fresh > 0 && cached >= fresh)
  await b.run('ZSET', 'k', 'v')
  assert.is(await b.run('TICK', 'cached'), cached)
  assert.ok(Number(await b.run('TICK', 'FRESH')) > fresh)
  assert.is(await a.run('TICK', 'later'), "ERR illegal argument for TICK: 'later'")
  assert.is(await a.run('TICK'), "ERR wrong number of arguments for 'TICK' command")
})

test('leaves no native transaction behind', async () => {
  await runAll(a, 'BEGIN', 'ZSET k v', 'COMMIT', 'BEGIN', 'ZGET k', 'ROLLBACK', 'ZGET k')
  await runAll(a, 'ZSET k w', 'BEGIN', 'ZGETRANGE * *')
  const open = member.store.openTransactionCount
  await runAll(a, 'ROLLBACK')
  assert.is(member.store.openTransactionCount, open - 1)
})

test.run()
