/** Which of two sessions' transactions conflict: A reads or writes, B commits, then A commits. Each
 *  row in a healthy store, where it is exact, and in a troubled one, where A may always be refused
 *  but is never told that a conflict went through. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seed } from '../../../support/budget.js'
import { isOnCluster } from '../../../support/cluster.js'
import { setFaults, troubled } from '../../../support/faults.js'
import { reportSkip } from '../../../support/outcome.js'
import { type Client, type Member, startMember } from '../harness.js'

const test = suite('conflicts')

const CONFLICT = 'NOT_COMMITTED Transaction not committed due to conflict with another transaction'
const TOO_OLD = 'TRANSACTIONOLD transaction is too old to perform reads or be committed'
/** A healthy transaction of a few steps gets through a troubled store once in so many tries. */
const TRIES = 60

/** Commands as typed, without quotes. */
interface Row {
  readonly a: readonly string[]
  readonly b: readonly string[]
  readonly conflicts: boolean
  /** Commands and their replies afterwards. */
  readonly after?: readonly (readonly [line: string, reply: unknown])[]
}

/** What is there before each row: plain `c k m y`, numbers `i f d`. */
const SETUP = [
  'ZDELRANGE * *',
  ...['c', 'k', 'm', 'y'].map(key => `ZSET ${key} 1`),
  'ZSET.I64 i 40',
  'ZSET.F64 f 1.5',
  'ZSET.D128 d 0.10',
]

const WRITE = 'ZSET written 1'

function conflict(a: readonly string[], b: readonly string[]): Row {
  return { a, b, conflicts: true }
}

function commit(a: readonly string[], b: readonly string[], after: Row['after'] = []): Row {
  return { a, b, conflicts: false, after }
}

/** Every way of writing the key. */
const WRITES_OF_K = [
  'ZSET k 2',
  'ZDEL k',
  'ZDELRANGE k l',
  'ZDELRANGE * *',
  'ZSET.I64 k 1',
  'ZINC.I64 k 1',
  'ZMUTATE k x APPEND_IF_FITS',
  'ZMUTATE k 1 COMPARE_AND_CLEAR',
]

const POINT_READS: readonly Row[] = [
  ...WRITES_OF_K.map(write => conflict(['ZGET k', WRITE], [write])),
  conflict(['ZGET absent', WRITE], ['ZSET absent 1']),
  conflict(['ZGET.I64 i', WRITE], ['ZINC.I64 i 1']),
  conflict(['ZGET.F64 f', WRITE], ['ZSET.F64 f 2']),
  conflict(['ZGET.D128 d', WRITE], ['ZSET.D128 d 2']),
  commit(['ZGET k', WRITE], ['ZSET kk 1', 'ZDEL j', 'ZDELRANGE k0 y']),
  commit(['ZGET absent', WRITE], ['ZSET absen 1', 'ZSET absentt 1']),
  commit(['ZGET k'], ['ZSET k 2']),
  commit(['ZGET k', 'ZGETRANGE * *', 'ZGETKEY a'], ['ZDELRANGE * *']),
  // The key is read and then written: that it is written adds nothing.
  conflict(['ZGET k', 'ZSET k 2', 'ZGET k'], ['ZSET k 3']),
  commit(['ZGET k', 'ZSET k 2', 'ZGET k'], ['ZSET m 3'], [['ZGET k', '2']]),
  commit(['ZSET k 2', 'ZGET k'], ['ZSET k 3'], [['ZGET k', '2']]),
]

const SNAPSHOT_READS: readonly Row[] = [
  'ZGET k',
  'ZGET absent',
  'ZGET.I64 i',
  'ZGET.F64 f',
  'ZGET.D128 d',
  'ZGETRANGE * *',
  'ZGETKEY a',
  'ZGETKEY z KEY_SELECTOR LAST_LESS_THAN',
  'ZGETRANGESIZE * *',
].map(read => commit(['SNAPSHOTREAD ON', read, WRITE], ['ZDELRANGE * *', 'ZSET absent 1']))

const BLIND_WRITES: readonly Row[] = [
  commit(['GETREADVERSION', 'ZSET k mine'], ['ZSET k theirs'], [['ZGET k', 'mine']]),
  commit(['GETREADVERSION', 'ZSET k mine'], ['ZDEL k'], [['ZGET k', 'mine']]),
  commit(['GETREADVERSION', 'ZSET.I64 i 1'], ['ZSET.I64 i 2'], [['ZGET.I64 i', 1]]),
  commit(['GETREADVERSION', 'ZSET.F64 f 1'], ['ZSET.F64 f 2'], [['ZGET.F64 f', '1']]),
  commit(['GETREADVERSION', 'ZSET.D128 d 1'], ['ZSET.D128 d 2'], [['ZGET.D128 d', '1']]),
  commit(['GETREADVERSION', 'ZDEL k'], ['ZSET k 2'], [['ZGET k', null]]),
  commit(['GETREADVERSION', 'ZDELRANGE j l'], ['ZSET k 2', 'ZSET j 1'], [['ZGETRANGE j l', []]]),
  commit(['GETREADVERSION', 'ZINC.I64 i 1'], ['ZINC.I64 i 1'], [['ZGET.I64 i', 42]]),
  commit(['GETREADVERSION', 'ZINC.I64 i 1'], ['ZSET.I64 i 7'], [['ZGET.I64 i', 8]]),
  commit(['GETREADVERSION', 'ZINC.I64 i 1'], ['ZDEL i'], [['ZGET.I64 i', 1]]),
  commit(
    ['GETREADVERSION', 'ZMUTATE k a APPEND_IF_FITS'],
    ['ZMUTATE k b APPEND_IF_FITS'],
    [['ZGET k', '1ba']],
  ),
  ...['ADD', 'BIT_AND', 'BIT_OR', 'BIT_XOR', 'MAX', 'MIN', 'BYTE_MAX', 'BYTE_MIN'].map(type =>
    commit(['GETREADVERSION', `ZMUTATE k x ${type}`], ['ZSET k 2']),
  ),
  commit(['GETREADVERSION', 'ZMUTATE k 2 COMPARE_AND_CLEAR'], ['ZSET k 2'], [['ZGET k', null]]),
  commit(['GETREADVERSION', 'ZGETRANGESIZE * *', WRITE], ['ZDELRANGE * *']),
]

/** These read and write, whatever SNAPSHOTREAD says. */
const SUMS: readonly Row[] = ['OFF', 'ON'].flatMap(state => [
  conflict([`SNAPSHOTREAD ${state}`, 'ZINC.F64 f 1'], ['ZINC.F64 f 1']),
  conflict([`SNAPSHOTREAD ${state}`, 'ZINC.F64 none 1'], ['ZSET.F64 none 1']),
  conflict([`SNAPSHOTREAD ${state}`, 'ZINC.D128 d 1'], ['ZDEL d']),
  conflict([`SNAPSHOTREAD ${state}`, 'ZINC.D128 none 1'], ['ZINC.D128 none 1']),
  commit([`SNAPSHOTREAD ${state}`, 'ZINC.F64 f 1'], ['ZINC.F64 g 1'], [['ZGET.F64 f', '2.5']]),
  commit([`SNAPSHOTREAD ${state}`, 'ZINC.D128 d 1'], ['ZSET k 1'], [['ZGET.D128 d', '1.10']]),
])

const RANGE_READS: readonly Row[] = [
  conflict(['ZGETRANGE a z', WRITE], ['ZSET n 1']),
  conflict(['ZGETRANGE a z', WRITE], ['ZSET k 2']),
  conflict(['ZGETRANGE a z', WRITE], ['ZDEL k']),
  conflict(['ZGETRANGE a z', WRITE], ['ZDELRANGE x *']),
  conflict(['ZGETRANGE a z', WRITE], ['ZSET a 1']),
  conflict(['ZGETRANGE n p', WRITE], ['ZSET o 1']),
  commit(['ZGETRANGE n p', WRITE], ['ZSET p 1', 'ZSET m 2']),
  commit(['ZGETRANGE a x', WRITE], ['ZSET y 1', 'ZSET z 1']),
  commit(['ZGETRANGE k z', WRITE], ['ZSET a 1', 'ZDEL c', 'ZSET j 1']),
  conflict(['ZGETRANGE * *', WRITE], ['ZSET zz 1']),
  // A limit: what lies beyond was not read.
  conflict(['ZGETRANGE a z LIMIT 2', WRITE], ['ZSET cc 1']),
  conflict(['ZGETRANGE a z LIMIT 2', WRITE], ['ZSET b 1']),
  conflict(['ZGETRANGE a z LIMIT 2', WRITE], ['ZDEL d']),
  commit(['ZGETRANGE a z LIMIT 2', WRITE], ['ZSET e 1', 'ZSET dd 1', 'ZDEL y']),
  conflict(['ZGETRANGE a z LIMIT 2 REVERSE', WRITE], ['ZSET n 1']),
  conflict(['ZGETRANGE a z LIMIT 2 REVERSE', WRITE], ['ZSET yy 1']),
  commit(['ZGETRANGE a z LIMIT 2 REVERSE', WRITE], ['ZSET b 1', 'ZDEL k', 'ZSET l 1']),
  commit(['ZGETRANGE m * END_KEY_SELECTOR LAST_LESS_THAN', WRITE], ['ZSET k 2']),
]

/** Each changes, or does not, what lies between the reference and the key that it resolves to. */
const KEY_READS: readonly Row[] = [
  conflict(['ZGETKEY l', WRITE], ['ZSET ll 1']),
  conflict(['ZGETKEY l', WRITE], ['ZDEL m']),
  conflict(['ZGETKEY l', WRITE], ['ZSET l 1']),
  commit(['ZGETKEY l', WRITE], ['ZSET n 1', 'ZDEL k', 'ZSET kk 1']),
  conflict(['ZGETKEY k KEY_SELECTOR FIRST_GREATER_THAN', WRITE], ['ZSET l 1']),
  commit(['ZGETKEY k KEY_SELECTOR FIRST_GREATER_THAN', WRITE], ['ZSET n 1', 'ZDEL f']),
  conflict(['ZGETKEY l KEY_SELECTOR LAST_LESS_THAN', WRITE], ['ZDEL k']),
  conflict(['ZGETKEY l KEY_SELECTOR LAST_LESS_THAN', WRITE], ['ZSET kk 1']),
  commit(['ZGETKEY l KEY_SELECTOR LAST_LESS_THAN', WRITE], ['ZSET j 1', 'ZSET l 1', 'ZDEL m']),
  conflict(['ZGETKEY l KEY_SELECTOR LAST_LESS_OR_EQUAL', WRITE], ['ZSET l 1']),
  commit(['ZGETKEY l KEY_SELECTOR LAST_LESS_OR_EQUAL', WRITE], ['ZSET j 1', 'ZSET ll 1']),
  // None was found.
  conflict(['ZGETKEY z', WRITE], ['ZSET zz 1']),
  commit(['ZGETKEY z', WRITE], ['ZDEL y', 'ZSET y1 1']),
]

const OTHERS: readonly Row[] = [
  // Resolving the namespace reads nothing in A's transaction.
  commit(['ZGET k', WRITE], ['NAMESPACE CREATE conflicts.other']),
  commit(['GETREADVERSION', 'TICK FRESH', 'GETAPPROXIMATESIZE', WRITE], ['ZDELRANGE * *']),
]

const ROWS = [
  ...POINT_READS,
  ...SNAPSHOT_READS,
  ...BLIND_WRITES,
  ...SUMS,
  ...RANGE_READS,
  ...KEY_READS,
  ...OTHERS,
]

let member: Member
let a: Client
let b: Client

test.before(async () => {
  member = await startMember()
  a = await member.connect()
  b = await member.connect()
})
test.after(() => member.close())

function run(client: Client, line: string): Promise<unknown> {
  return client.run(...line.split(' '))
}

function isRefusal(reply: unknown): boolean {
  return reply === CONFLICT || reply === TOO_OLD
}

/** Runs a command until it is not refused, as B needs it. */
async function sure(line: string): Promise<unknown> {
  for (let tries = 0; tries < TRIES; tries++) {
    const reply = await run(b, line)
    if (!isRefusal(reply)) return reply
  }
  throw new Error(`always refused: ${line}`)
}

/** @returns A's reply to COMMIT, or the refusal before it */
async function play(row: Row): Promise<unknown> {
  for (const line of SETUP) assert.is(await sure(line), 'OK', line)
  await run(a, 'SNAPSHOTREAD OFF')
  assert.is(await run(a, 'BEGIN'), 'OK')
  for (const line of row.a) {
    const reply = await run(a, line)
    if (!isRefusal(reply)) continue
    assert.is(await run(a, 'ROLLBACK'), 'OK')
    return reply
  }
  for (const line of row.b) {
    const reply = await sure(line)
    const isDone = reply === 'OK' || /^NAMESPACEALREADYEXISTS /.test(String(reply))
    assert.ok(isDone, `${line}: ${reply}`)
  }
  return await run(a, 'COMMIT')
}

async function checkAfter(row: Row): Promise<void> {
  for (const [line, reply] of row.after ?? []) assert.equal(await sure(line), reply, line)
}

for (const row of ROWS) {
  const outcome = row.conflicts ? 'conflicts' : 'commits'
  test(`${outcome}: A ${row.a.join(', ')}; B ${row.b.join(', ')}`, async () => {
    assert.is(await play(row), row.conflicts ? CONFLICT : 'OK')
    await checkAfter(row)
  })
}

test('the same in a troubled store: no conflict goes through, and what has none does', async () => {
  if (isOnCluster) return reportSkip('conflicts in a troubled store', 'a cluster has no fault mode')
  const used = seed()
  setFaults(member.store, troubled(used))
  try {
    for (const row of ROWS) {
      const shown = `SEED=${used}: ${row.a.join(', ')}; ${row.b.join(', ')}`
      let tries = 0
      let reply = await play(row)
      while (isRefusal(reply) && ++tries < (row.conflicts ? 2 : TRIES)) reply = await play(row)
      assert.is(isRefusal(reply), row.conflicts, `${shown}: ${reply}`)
      if (!row.conflicts) await checkAfter(row)
    }
  } finally {
    setFaults(member.store, undefined)
  }
})

test.run()
