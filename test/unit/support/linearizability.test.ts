import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../../support/budget.js'
import {
  assertLinearizable,
  findViolation,
  type Operation,
  type Step,
} from '../../support/linearizability.js'
import { Random } from '../../support/random.js'

const NEVER = Number.POSITIVE_INFINITY

function done(start: number, end: number, ...steps: Step[]): Operation {
  return { start, end, steps, isCertain: true }
}

/** Nobody was told the outcome. */
function perhaps(start: number, end: number, ...steps: Step[]): Operation {
  return { start, end, steps, isCertain: false }
}

const set = (value: string | null, write = 'k'): Step => ({ write, value })
const get = (value: string | null, read = 'k'): Step => ({ read, value })
const add = (by: number): Step => ({ add: 'k', by })

type Case = readonly [what: string, history: readonly Operation[]]

const GOOD: readonly Case[] = [
  ['nothing', []],
  ['an absent key', [done(1, 2, get(null))]],
  ['a write and its read', [done(1, 2, set('a')), done(3, 4, get('a'))]],
  ['a read beside a write that sees it', [done(1, 9, set('a')), done(2, 3, get('a'))]],
  ['a read beside a write that does not', [done(1, 9, set('a')), done(2, 3, get(null))]],
  [
    'reads that see two writes in the order of their ends, the other way round',
    [done(1, 5, set('a')), done(2, 6, set('b')), done(7, 8, get('a'))],
  ],
  [
    'one who sees the new value while another still sees the old',
    [done(1, 9, set('a')), done(2, 8, get('a')), done(3, 7, get(null))],
  ],
  [
    'a lost write that was seen',
    [perhaps(1, NEVER, set('a')), done(5, 6, get(null)), done(7, 8, get('a'))],
  ],
  ['a lost write that was not', [perhaps(1, NEVER, set('a')), done(5, 6, get(null))]],
  [
    'a lost write between two others',
    [
      done(1, 2, set('a')),
      perhaps(3, NEVER, set('b')),
      done(4, 5, get('b')),
      done(6, 7, set('c')),
      done(8, 9, get('c')),
    ],
  ],
  [
    'lost additions, some of which happened',
    [
      perhaps(1, NEVER, add(1)),
      perhaps(1, NEVER, add(1)),
      perhaps(1, NEVER, add(1)),
      done(2, 3, get('1')),
      done(4, 5, get('2')),
    ],
  ],
  ['additions at the same time', [done(1, 9, add(2)), done(2, 8, add(3)), done(10, 11, get('5'))]],
  ['a comparison that held', [done(1, 2, set('a')), done(3, 4, { clearIf: 'k', value: 'a' })]],
  [
    'a comparison that held late',
    [
      done(1, 2, set('a')),
      done(3, 9, { clearIf: 'k', value: 'b' }),
      done(4, 8, set('b')),
      done(10, 11, get(null)),
    ],
  ],
  [
    'a write that nobody saw kept a comparison from holding',
    [
      done(1, 2, set('a')),
      perhaps(3, NEVER, set('b')),
      done(4, 5, { clearIf: 'k', value: 'a' }),
      done(6, 7, set('c')),
      done(8, 9, get('c')),
    ],
  ],
  [
    'a transfer and a reader of both accounts',
    [
      done(1, 2, set('5', 'x'), set('5', 'y')),
      done(3, 9, get('5', 'x'), get('5', 'y'), set('4', 'x'), set('6', 'y')),
      done(4, 5, get('5', 'x'), get('5', 'y')),
      done(6, 7, get('4', 'x'), get('6', 'y')),
    ],
  ],
]

const BAD: readonly Case[] = [
  ['a value from nowhere', [done(1, 2, get('a'))]],
  ['a stale read', [done(1, 2, set('a')), done(3, 4, set('b')), done(5, 6, get('a'))]],
  ['a read that misses what was acknowledged', [done(1, 2, set('a')), done(3, 4, get(null))]],
  [
    'two readers that see two writes in different orders',
    [
      done(1, 20, set('a')),
      done(1, 20, set('b')),
      done(2, 3, get('a')),
      done(4, 5, get('b')),
      done(6, 7, get('a')),
    ],
  ],
  [
    'a new value, and the old one afterwards',
    [done(1, 9, set('a')), done(2, 3, get('a')), done(4, 5, get(null))],
  ],
  ['a read of the future', [done(1, 2, get('a')), done(3, 4, set('a'))]],
  ['a lost update', [done(1, 5, get(null), set('1')), done(2, 6, get(null), set('1'))]],
  ['a lost addition', [done(1, 3, add(1)), done(2, 4, add(1)), done(5, 6, get('1'))]],
  [
    'an addition that is counted twice',
    [done(1, 2, add(1)), perhaps(3, NEVER, add(1)), done(4, 5, get('3'))],
  ],
  [
    'a resurrected write',
    [
      done(1, 2, set('a')),
      perhaps(3, NEVER, set('b')),
      done(4, 5, get('b')),
      done(6, 7, set('c')),
      done(8, 9, get('b')),
    ],
  ],
  [
    'a deleted value that comes back',
    [done(1, 2, set('a')), done(3, 4, set(null)), done(5, 6, get(null)), done(7, 8, get('a'))],
  ],
  [
    'an unknown write that happens after it was decided',
    [perhaps(1, 4, set('a')), done(5, 6, get(null)), done(7, 8, get('a'))],
  ],
  [
    'an unknown write that is undone',
    [perhaps(1, NEVER, set('a')), done(3, 4, get('a')), done(5, 6, get(null))],
  ],
  [
    'a comparison that held for another value',
    [done(1, 2, set('a')), done(3, 4, { clearIf: 'k', value: 'b' }), done(5, 6, get(null))],
  ],
  [
    'half of a transfer',
    [
      done(1, 2, set('5', 'x'), set('5', 'y')),
      done(3, 9, get('5', 'x'), get('5', 'y'), set('4', 'x'), set('6', 'y')),
      done(4, 5, get('4', 'x'), get('5', 'y')),
    ],
  ],
  [
    'two transactions that each miss the write of the other',
    [done(1, 9, get(null, 'x'), set('1', 'y')), done(2, 8, get(null, 'y'), set('1', 'x'))],
  ],
  [
    'a serial order against time',
    [
      done(1, 2, set('1', 'x')),
      done(3, 4, set('1', 'y')),
      done(2, 9, get(null, 'x'), get('1', 'y')),
    ],
  ],
]

for (const [what, history] of GOOD) {
  test(`accepts ${what}`, () => assert.is(findViolation(history), undefined))
}

for (const [what, history] of BAD) {
  test(`rejects ${what}`, () => assert.ok(findViolation(history)))
}

test('begins with what was there', () => {
  const history = [done(1, 2, get('a'))]
  assert.is(findViolation(history, { k: 'a' }), undefined)
  assert.ok(findViolation(history, { k: 'b' }))
})

test('shows where it got stuck', () => {
  const history = [done(1, 2, set('a')), done(3, 4, set('b')), done(5, 6, get('a'))]
  assert.throws(
    () => assertLinearizable('the register', history),
    (error: Error) =>
      /^the register is not linearizable/.test(error.message) &&
      error.message.includes('State: {"k":"b"}') &&
      error.message.includes('[5, 6] [{"read":"k","value":"a"}]'),
  )
})

const KEYS = ['x', 'y']

/** What `sessions` clients of a correct store would have recorded: each operation is applied at a
 *  moment of its own between its start and its end, and some clients are never told. */
function recorded(random: Random, count: number): Operation[] {
  const values = new Map<string, string | null>()
  const history: Operation[] = []
  const sessions = 6
  const freeAt = Array.from({ length: sessions }, () => 0)
  for (let moment = 10; history.length < count; moment += 10) {
    const session = random.between(0, sessions - 1)
    const start = Math.max(freeAt[session]! + 1, moment - random.between(1, 60))
    const end = moment + random.between(1, 60)
    if (start >= moment) continue
    freeAt[session] = end
    const steps = applied(random, values, history.length)
    const isLost = random.next() < 0.05 && steps.some(step => !('read' in step))
    history.push({ steps, start, end: isLost ? NEVER : end, isCertain: !isLost })
  }
  return history
}

/** Random steps on some key, made now. */
function applied(random: Random, values: Map<string, string | null>, number: number): Step[] {
  const key = random.pick(KEYS)
  const value = values.get(key) ?? null
  const read: Step = { read: key, value }
  const roll = random.next()
  if (roll < 0.4) return [read]
  const written = roll < 0.9 ? `v${number}` : null
  values.set(key, written)
  const write: Step = { write: key, value: written }
  return roll < 0.6 ? [read, write] : [write]
}

/** The history with one read that saw what was overwritten before the read began; undefined when
 *  there is none that could. */
function withStaleRead(random: Random, history: readonly Operation[]): Operation[] | undefined {
  const stale = history.flatMap((operation, index) => {
    const [step] = operation.steps
    if (!operation.isCertain || step === undefined || !('read' in step)) return []
    const old = overwrittenBefore(history, step.read, operation.start)
    return old.filter(value => value !== step.value).map(value => ({ index, value, step }))
  })
  if (stale.length === 0) return undefined
  const { index, value, step } = random.pick(stale)
  const { steps, ...rest } = history[index]!
  const changed = { ...rest, steps: [{ ...step, value }, ...steps.slice(1)] }
  return history.map((operation, at) => (at === index ? changed : operation))
}

/** Values that certain writes, each after the end of the other, had replaced by a moment. */
function overwrittenBefore(history: readonly Operation[], key: string, moment: number): string[] {
  const writes = history.filter(
    ({ isCertain, end, steps: [...steps] }) =>
      isCertain && end < moment && steps.some(step => 'write' in step && step.write === key),
  )
  const last = Math.max(...writes.map(({ start }) => start))
  return writes
    .filter(({ end }) => end < last)
    .flatMap(({ steps }) => steps)
    .flatMap(step => ('write' in step && step.value !== null ? [step.value] : []))
}

test('accepts what a correct store may have answered, and no stale read in it', () => {
  const used = seed()
  const random = new Random(used)
  let mutated = 0
  for (let round = 0; round < rounds('recorded histories'); round++) {
    const history = recorded(random, 80)
    const shown = `SEED=${used}, round ${round}`
    assert.is(findViolation(history), undefined, shown)
    const changed = withStaleRead(random, history)
    if (changed === undefined) continue
    mutated++
    assert.ok(findViolation(changed), shown)
  }
  assert.ok(mutated > 0)
})

/** A few operations whose values mean nothing in particular. */
function anything(random: Random): Operation[] {
  return Array.from({ length: random.between(1, 6) }, () => {
    const start = random.between(1, 12)
    const isCertain = random.next() < 0.7
    const isEndless = !isCertain && random.next() < 0.5
    const end = isEndless ? NEVER : start + random.between(1, 8)
    const steps = Array.from({ length: random.between(1, 2) }, () => anyStep(random))
    return { start, end, isCertain, steps }
  })
}

function anyStep(random: Random): Step {
  const key = random.pick(KEYS)
  const value = random.pick(['1', '2', null])
  const roll = random.next()
  if (roll < 0.45) return { read: key, value }
  if (roll < 0.75) return { write: key, value }
  if (roll < 0.9) return { add: key, by: random.between(1, 2) }
  return { clearIf: key, value: value ?? '3' }
}

/** Tries every order. */
function isExplained(left: readonly Operation[], values: ReadonlyMap<string, string>): boolean {
  if (left.every(({ isCertain }) => !isCertain)) return true
  return left.some((operation, index) => {
    const others = left.filter((_, at) => at !== index)
    if (others.some(({ end, isCertain }) => isCertain && end < operation.start)) return false
    if (!operation.isCertain && isExplained(others, values)) return true
    const after = new Map(values)
    // One of unknown outcome that ended before this one starts can only be left out from now on.
    const possible = others.filter(({ end }) => end >= operation.start)
    return operation.steps.every(step => follows(step, after)) && isExplained(possible, after)
  })
}

/** Makes a step. @returns whether it is possible */
function follows(step: Step, values: Map<string, string>): boolean {
  if ('read' in step) return (values.get(step.read) ?? null) === step.value
  if ('add' in step) values.set(step.add, String(Number(values.get(step.add) ?? 0) + step.by))
  else if ('clearIf' in step) {
    if (values.get(step.clearIf) === step.value) values.delete(step.clearIf)
  } else if (step.value === null) values.delete(step.write)
  else values.set(step.write, step.value)
  return true
}

test('judges small histories as trying every order does', () => {
  const used = seed()
  const random = new Random(used)
  const verdicts = { accepted: 0, rejected: 0 }
  for (let round = 0; round < rounds('small histories'); round++) {
    const history = anything(random)
    const isAccepted = findViolation(history) === undefined
    verdicts[isAccepted ? 'accepted' : 'rejected']++
    const shown = `SEED=${used}, round ${round}: ${JSON.stringify(history)}`
    assert.is(isAccepted, isExplained(history, new Map()), shown)
  }
  assert.ok(verdicts.accepted > 0 && verdicts.rejected > 0)
})

test.run()
