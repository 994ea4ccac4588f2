/** What sessions are told, and left with, when the database fails; both wordings. */
import * as uvu from 'uvu'
import * as assert from 'uvu/assert'
import { seed } from '../../../support/budget.js'
import { embeddedOnly } from '../../../support/cluster.js'
import { type Faults, setFaults, troubled } from '../../../support/faults.js'
import { type Client, type Member, startMember } from '../harness.js'

const suite = uvu.suite('failures of the database')
const test = embeddedOnly(suite, 'a cluster has no fault mode')

const NONE = 'TRANSACTION there is no transaction in progress.'
const CONFLICT = 'NOT_COMMITTED Transaction not committed due to conflict with another transaction'
const UNKNOWN = 'COMMIT_UNKNOWN_RESULT Transaction may or may not have committed'
const TOO_OLD = {
  seed: 'TRANSACTIONOLD transaction is too old to perform reads or be committed',
  current: 'TRANSACTION_TOO_OLD Transaction is too old to perform reads or be committed',
}
const runSeed = seed()

let member: Member
let client: Client
let other: Client

async function start(sets: readonly string[] = []): Promise<void> {
  member = await startMember(sets)
  client = await member.connect()
  other = await member.connect()
  // Finds the namespace, which takes reads of its own.
  await run('ZGET k')
}

suite.before.each(() => start())
suite.after.each(() => member.close())

function run(line: string, from = client): Promise<unknown> {
  return from.run(...line.split(' '))
}

/** Replies to commands while these faults are in force. */
async function during(faults: Faults, ...lines: string[]): Promise<unknown[]> {
  setFaults(member.store, { seed: runSeed, ...faults })
  const replies: unknown[] = []
  for (const line of lines) replies.push(await run(line))
  setFaults(member.store, undefined)
  return replies
}

test('a COMMIT that fails ends the transaction, and nothing of it is there', async () => {
  const failures: [faults: Faults, reply: string][] = [
    [{ notCommitted: 1 }, CONFLICT],
    [{ tooOldCommits: 1 }, TOO_OLD.seed],
  ]
  for (const [faults, reply] of failures) {
    const lines = ['BEGIN', 'ZSET k v', 'COMMIT', 'COMMIT', 'ROLLBACK', 'GETREADVERSION']
    assert.equal(await during(faults, ...lines), ['OK', 'OK', reply, NONE, NONE, NONE])
    assert.is(await run('ZGET k'), null)
    assert.equal(await during(faults, 'BEGIN', 'ZSET k v', 'COMMIT RETURNING versionstamp'), [
      'OK',
      'OK',
      reply,
    ])
    assert.is(await run('ZGET k'), null)
  }
})

test('a COMMIT of unknown result is never repeated, and is applied or not as a whole', async () => {
  const seen = new Set<string>()
  for (let round = 0; round < 40; round++) {
    const lines = [`ZSET one ${round}`, `ZINC.I64 count 1`, `ZSET two ${round}`]
    const before = Number((await run('ZGET.I64 count')) ?? 0)
    const replies = await during(
      { seed: runSeed + round, unknownResult: 1 },
      'BEGIN',
      ...lines,
      'COMMIT',
      'COMMIT',
    )
    assert.equal(replies, ['OK', 'OK', 'OK', 'OK', UNKNOWN, NONE])
    const made = Number((await run('ZGET.I64 count')) ?? 0) - before
    assert.ok(made === 0 || made === 1, String(made))
    seen.add(made === 0 ? 'not applied' : 'applied')
    for (const key of ['one', 'two']) {
      assert.is((await run(`ZGET ${key}`)) === String(round), made === 1, key)
    }
  }
  assert.is(seen.size, 2, `SEED=${runSeed}`)
})

test('a read that fails leaves the transaction open, and COMMIT fails and ends it', async () => {
  const lines = ['BEGIN', 'ZSET k v', 'ZGET other', 'BEGIN', 'COMMIT', 'COMMIT']
  const open = 'TRANSACTION there is already a transaction in progress.'
  const expected = ['OK', 'OK', TOO_OLD.seed, open, TOO_OLD.seed, NONE]
  assert.equal(await during({ tooOldReads: 1 }, ...lines), expected)
  assert.is(await run('ZGET k'), null)
})

test('a one-off command that fails leaves nothing open, and no transaction to end', async () => {
  await run('ZSET.F64 f 1')
  const failures: [faults: Faults, line: string, reply: string][] = [
    [{ notCommitted: 1 }, 'ZSET k v', CONFLICT],
    [{ notCommitted: 1 }, 'ZDELRANGE * *', CONFLICT],
    [{ notCommitted: 1 }, 'ZINC.F64 f 1', CONFLICT],
    [{ tooOldCommits: 1 }, 'ZINC.D128 d 1', TOO_OLD.seed],
    [{ tooOldReads: 1 }, 'ZGET k', TOO_OLD.seed],
    [{ tooOldReads: 1 }, 'ZGETRANGE * *', TOO_OLD.seed],
    [{ unknownResult: 1 }, 'ZINC.I64 count 1', UNKNOWN],
  ]
  for (const [faults, line, reply] of failures) {
    const after = ['COMMIT', 'GETAPPROXIMATESIZE', 'BEGIN', 'ROLLBACK']
    const replies = await during(faults, line, ...after)
    assert.equal(replies, [reply, NONE, NONE, 'OK', 'OK'], line)
    assert.is(member.store.openTransactionCount, 0, line)
  }
  const count = (await run('ZGET.I64 count')) ?? 0
  assert.ok(count === 0 || count === 1)
  assert.is(await run('ZGET.F64 f'), '1')
  assert.is(await run('ZGET k'), null)
})

test('code 1007 has its wording from the configuration', async () => {
  const lines = ['ZGET k', 'BEGIN', 'ZGET k', 'COMMIT']
  for (const names of ['seed', 'current'] as const) {
    await member.close()
    await start([`compat.error_names=${names}`])
    const text = TOO_OLD[names]
    assert.equal(await during({ tooOldReads: 1 }, ...lines), [text, 'OK', text, text])
  }
})

test('the sum of many sessions that retry is exact in a troubled store', async () => {
  setFaults(member.store, troubled(runSeed))
  const sessions = await Promise.all(Array.from({ length: 8 }, () => member.connect()))
  const refusals: ReadonlySet<unknown> = new Set([CONFLICT, TOO_OLD.seed])
  await Promise.all(
    sessions.map(async session => {
      for (let done = 0; done < 10; ) {
        await run('BEGIN', session)
        const value = await run('ZGET sum', session)
        await run(`ZSET sum ${Number(refusals.has(value) ? 0 : (value ?? 0)) + 1}`, session)
        const reply = await run('COMMIT', session)
        if (reply === 'OK') done += 1
        else assert.ok(refusals.has(reply), String(reply))
      }
    }),
  )
  setFaults(member.store, undefined)
  assert.is(await run('ZGET sum', other), '80')
  assert.is(member.store.openTransactionCount, 0)
})

suite.run()
