import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RespError } from '../../../ts/error.js'
import { Context } from '../../../ts/server/context.js'
import { Registry } from '../../../ts/server/registry.js'
import { SessionSlot } from '../../../ts/server/session.js'
import type { Tx } from '../../../ts/store/tx.js'
import { type FakeTx, fakeServices, fakeStore } from './harness.js'

class CodedError extends RespError {
  constructor(readonly code: number) {
    super('CODED', `code ${code}`)
  }
}

function fail(code: number): () => never {
  return () => {
    throw new CodedError(code)
  }
}

function make(commits: (() => unknown)[] = []) {
  const { store, made } = fakeStore(commits)
  const services = { ...fakeServices(), store }
  const session = services.sessions.open('client', 'a:1', 'b:2')
  return { context: new Context(session, services, new Registry([], 'client')), session, made }
}

function write(tx: Tx): void {
  const fake = tx as unknown as FakeTx
  fake.needsCommit = true
}

async function rejection(promise: unknown): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  return undefined
}

test('a read that answers at once is answered at once, and dropped', () => {
  const { context, made } = make()
  assert.is(
    context.tx(() => 5),
    5,
  )
  assert.equal(made[0]?.calls, ['cancel'])
})

test('a read that answers later is dropped afterwards', async () => {
  const { context, made } = make()
  assert.is(await context.tx(async () => 5), 5)
  assert.equal(made[0]?.calls, ['cancel'])
})

test('a write is committed before its answer', async () => {
  const { context, made } = make()
  const answer = context.tx(tx => {
    write(tx)
    return 'done'
  })
  assert.instance(answer, Promise)
  assert.is(await answer, 'done')
  assert.equal(made[0]?.calls, ['commit', 'cancel'])
})

test('the open transaction of the session is used and left open, also by a failure', () => {
  const { context, session, made } = make()
  const open = context.services.store.begin()
  session.transaction = open
  assert.is(
    context.tx(tx => tx === open),
    true,
  )
  assert.throws(() => context.tx(fail(1020)), /code 1020/)
  assert.is(made.length, 1)
  assert.equal(made[0]?.calls, [])
  assert.is(
    context.oneOff(tx => tx === open),
    false,
  )
})

test('a conflict is retried five times, each in a transaction of its own', async () => {
  const { context, made } = make(Array.from({ length: 6 }, () => fail(1020)))
  let runs = 0
  const body = (tx: Tx): number => {
    write(tx)
    return ++runs
  }
  assert.is(((await rejection(context.tx(body))) as CodedError).code, 1020)
  assert.is(runs, 6)
  assert.equal(
    made.map(tx => tx.calls),
    Array.from({ length: 6 }, () => ['commit', 'cancel']),
  )
})

test('a retry that succeeds is the answer', async () => {
  const { context } = make([fail(1020), fail(1007)])
  let runs = 0
  const body = (tx: Tx): number => {
    write(tx)
    return ++runs
  }
  assert.is(await context.tx(body), 3)
})

test('a body that fails for a retried reason runs again, at once or later', async () => {
  for (const later of [false, true]) {
    const { context, made } = make()
    let runs = 0
    const body = (): number | Promise<number> => {
      if (++runs < 3) {
        if (later) return Promise.reject(new CodedError(1007))
        throw new CodedError(1007)
      }
      return runs
    }
    assert.is(await context.tx(body), 3)
    assert.ok(made.every(tx => tx.calls.includes('cancel')))
  }
})

test('a conflict inside of another failure is retried as well', async () => {
  const wrapped = (): never => {
    throw new Error('outer', { cause: new CodedError(1020) })
  }
  const { context, made } = make([wrapped])
  await context.tx(write)
  assert.is(made.length, 2)
})

test('nothing else is retried', async () => {
  for (const commits of [[fail(1021)], [fail(2101)]]) {
    const { context, made } = make(commits)
    assert.instance(await rejection(context.tx(write)), CodedError)
    assert.is(made.length, 1)
  }
  const { context, made } = make()
  assert.throws(() => context.tx(fail(1021)), /1021/)
  assert.throws(() => context.tx(fail(1020), { retry: false }), /1020/)
  assert.equal(
    made.map(tx => tx.calls),
    [['cancel'], ['cancel']],
  )
})

test('a session releases everything, once', () => {
  const { session, made, context } = make()
  const dropped: string[] = []
  const slot = new SessionSlot(
    () => 'state',
    state => dropped.push(state),
  )
  assert.is(session.peek(slot), undefined)
  assert.is(session.state(slot), 'state')
  assert.is(session.peek(slot), 'state')
  session.transaction = context.services.store.begin()
  const { sessions } = context.services
  assert.is(sessions.count, 1)
  sessions.close(session)
  sessions.close(session)
  assert.equal(dropped, ['state'])
  assert.equal(made[0]?.calls, ['cancel'])
  assert.is(sessions.count, 0)
  assert.ok(session.closed)
})

test('a disconnect calls the hooks that were not taken back, once', () => {
  const { session } = make()
  const called: number[] = []
  session.onDisconnect(() => called.push(1))
  const forget = session.onDisconnect(() => called.push(2))
  forget()
  session.disconnect()
  session.disconnect()
  assert.equal(called, [1])
})

test('a reset sets everything back but id and protocol', () => {
  const { session } = make()
  session.protocol = 3
  session.namespace = 'other'
  session.attributes.limit = 5
  session.snapshotRead = true
  session.name = 'n'
  session.libName = 'l'
  session.reset()
  const { protocol, namespace, attributes, snapshotRead, name, libName, authenticated } = session
  assert.equal(
    { protocol, namespace, attributes, snapshotRead, name, libName, authenticated },
    {
      protocol: 3,
      namespace: 'global',
      attributes: { replyType: 'bson', inputType: 'bson', limit: 100, objectIdFormat: 'bytes' },
      snapshotRead: false,
      name: undefined,
      libName: undefined,
      authenticated: true,
    },
  )
})

test.run()
