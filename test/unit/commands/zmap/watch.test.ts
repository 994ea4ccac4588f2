/** What ZWATCH leaves behind when its connections go, on each transport. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { namespaceCommands } from '../../../../ts/commands/namespace/index.js'
import { transactionCommands } from '../../../../ts/commands/transaction/index.js'
import { zmapCommands } from '../../../../ts/commands/zmap/index.js'
import type { TransportFactory } from '../../../../ts/server/transport/transport.js'
import type { Namespace, Namespaces } from '../../../../ts/store/namespaces/namespaces.js'
import { Watches } from '../../../../ts/store/watches.js'
import { rounds } from '../../../support/budget.js'
import { openTestNamespaces } from '../../../support/store.js'
import { implementations } from '../../../support/transports.js'
import { until } from '../../../support/wait.js'
import { type Harness, type RawClient, request, start } from '../../server/harness.js'

const CONNECTIONS = 100

interface Watching extends Harness {
  readonly watches: Watches
}

async function withMember(
  factory: TransportFactory,
  body: (member: Watching) => Promise<void>,
  replaced: (namespaces: Namespaces) => Pick<Namespaces, 'resolve'> = namespaces => namespaces,
): Promise<void> {
  const opened = await openTestNamespaces()
  const { store } = opened
  const watches = new Watches(store)
  const namespaces = replaced(opened.namespaces) as Namespaces
  const harness = await start({
    commands: [...namespaceCommands, ...transactionCommands, ...zmapCommands],
    services: { store, namespaces, watches },
    factory,
  })
  try {
    await body({ ...harness, watches })
  } finally {
    watches.close()
    await harness.close()
    await opened.close()
  }
}

function connectAll(member: Harness): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: CONNECTIONS }, () => member.connect()))
}

for (const { name, factory } of implementations()) {
  test(`connections that go take their watches along, ${name}`, () =>
    withMember(factory, async member => {
      const { watches, services } = member
      for (let done = 0; done < rounds('watches and disconnects'); done += CONNECTIONS) {
        const clients = await connectAll(member)
        for (const [i, client] of clients.entries()) client.write(request('ZWATCH', `k${i}`))
        await until('all wait', () => watches.keyCount === CONNECTIONS)
        for (const client of clients) client.destroy()
        await until('nobody waits', () => watches.keyCount === 0)
        await until('no session is left', () => services.sessions.count === 0)
      }
      const client = await member.connect()
      client.write(request('ZWATCH', 'k'))
      await until('one waits', () => watches.keyCount === 1)
      const other = await member.connect()
      await other.exchange(request('ZSET', 'k', 'v'), '+OK\r\n')
      await client.expect('+OK\r\n')
    }))

  test(`one of several waiters of a key goes, ${name}`, () =>
    withMember(factory, async member => {
      const { watches, services } = member
      const [leaver, ...stayers] = await connectAll(member)
      for (const client of [leaver!, ...stayers]) client.write(request('ZWATCH', 'k'))
      await until('all are here', () => services.sessions.count === CONNECTIONS)
      await until('the key is watched', () => watches.keyCount === 1)
      leaver!.destroy()
      await until('one has gone', () => services.sessions.count === CONNECTIONS - 1)
      assert.is(watches.keyCount, 1)
      // Whoever of them has not begun to wait yet waits for a later change.
      const other = await member.connect()
      const woken = Promise.all(stayers.map(client => client.expect('+OK\r\n'))).then(() => true)
      for (let value = 0; !(await settled(woken)); value++) {
        await other.exchange(request('ZSET', 'k', String(value)), '+OK\r\n')
      }
      assert.is(watches.keyCount, 0)
    }))

  test(`a peer that goes before its namespace is known leaves nothing, ${name}`, () =>
    withLateLookUp(factory, async ({ services, watches, connect }, lookUp) => {
      const client = await connect()
      client.write(request('ZWATCH', 'k'))
      await until('the namespace is asked for', () => lookUp.isAsked)
      const [session] = services.sessions
      let isGone = false
      session!.onDisconnect(() => {
        isGone = true
      })
      client.destroy()
      await until('the disconnect is noticed', () => isGone)
      lookUp.answer()
      await until('the session is closed', () => services.sessions.count === 0)
      assert.is(watches.keyCount, 0)
    }))

  test(`a wait that is ended before its namespace is known is no change, ${name}`, () =>
    withLateLookUp(factory, async ({ services, watches, connect }, lookUp) => {
      const client = await connect()
      client.write(request('ZWATCH', 'k'))
      await until('the namespace is asked for', () => lookUp.isAsked)
      // As a stop of the server does.
      for (const session of services.sessions) session.disconnect()
      lookUp.answer()
      await client.expect('-ERR watch cancelled\r\n')
      assert.is(watches.keyCount, 0)
    }))
}

/** A look-up of a namespace that is answered when the test says so. */
interface LateLookUp {
  isAsked: boolean
  answer(): void
}

function withLateLookUp(
  factory: TransportFactory,
  body: (member: Watching, lookUp: LateLookUp) => Promise<void>,
): Promise<void> {
  const lookUp: LateLookUp = { isAsked: false, answer: () => {} }
  const late = (namespaces: Namespaces): Pick<Namespaces, 'resolve'> => ({
    resolve: async (path): Promise<Namespace> => {
      lookUp.isAsked = true
      await new Promise<void>(resolve => {
        lookUp.answer = resolve
      })
      return namespaces.resolve(path)
    },
  })
  return withMember(factory, member => body(member, lookUp), late)
}

/** Whether a promise has resolved, a turn of the loop from now. */
async function settled(promise: Promise<boolean>): Promise<boolean> {
  const notYet = new Promise<boolean>(resolve => {
    setImmediate(resolve, false)
  })
  return await Promise.race([promise, notYet])
}

test.run()
