/** How often the log tells of batches that fail, and how far these are apart. */
import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SyncerTrouble } from '../../../../ts/redis/persistence/syncer-trouble.js'

let nowMs: number
let lines: Record<string, unknown>[]
let trouble: SyncerTrouble

test.before.each(() => {
  nowMs = 0
  lines = []
  trouble = makeTrouble(50)
})

function makeTrouble(periodMs: number): SyncerTrouble {
  const log = pino({}, { write: line => lines.push(JSON.parse(line)) })
  return new SyncerTrouble({ log, periodMs, shardId: 3, nowMs: () => nowMs })
}

function fail(count: number): void {
  for (let i = 0; i < count; i++) {
    trouble.failed(new Error('the disk is full'))
    nowMs += 100
  }
}

/** Each line: what it says, and how many failures. */
function told(): string[] {
  assert.ok(lines.every(({ shard }) => shard === 3))
  return lines.map(({ msg, failures }) => `${msg}${failures === undefined ? '' : ` (${failures})`}`)
}

const FAILED = 'writing Redis data failed; trying again'
const FAILS = 'writing Redis data still fails'
const AGAIN = 'Redis data is written again'

test('the first failure is told at once with its stack, more of them now and then', () => {
  fail(1)
  assert.equal(told(), [FAILED])
  assert.match((lines[0]!.err as { stack: string }).stack, 'syncer-trouble.test')
  fail(49)
  assert.is(lines.length, 1)
  fail(51)
  assert.equal(told(), [FAILED, `${FAILS} (50)`, `${FAILS} (50)`])
  assert.is(lines[1]!.error, 'Error: the disk is full')
  trouble.ended()
  trouble.ended()
  assert.equal(told().slice(3), [`${AGAIN} (101)`])
})

test('trouble that comes and goes is told as seldom', () => {
  for (let i = 0; i < 75; i++) {
    fail(1)
    trouble.ended()
  }
  assert.equal(told(), [FAILED, `${AGAIN} (1)`, `${FAILS} (50)`, `${AGAIN} (1)`])
})

test('each failure doubles the pause up to a second, and a success ends that', () => {
  assert.is(trouble.pauseMs, 50)
  const pauses: number[] = []
  for (let i = 0; i < 6; i++) {
    fail(1)
    pauses.push(trouble.pauseMs)
  }
  assert.equal(pauses, [100, 200, 400, 800, 1_000, 1_000])
  trouble.ended()
  assert.is(trouble.pauseMs, 50)
  trouble = makeTrouble(3_000)
  fail(2)
  assert.is(trouble.pauseMs, 3_000)
})

test('a thousand failures later the pause is still a second', () => {
  fail(2_000)
  assert.is(trouble.pauseMs, 1_000)
})

test.run()
