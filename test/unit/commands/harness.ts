/** A server on a real socket over a real store, and clients that show replies as plain data. */
import { Redis } from 'ioredis'
import { namespaceCommands } from '../../../ts/commands/namespace/index.js'
import { transactionCommands } from '../../../ts/commands/transaction/index.js'
import { zmapCommands } from '../../../ts/commands/zmap/index.js'
import { Watches } from '../../../ts/store/watches.js'
import { suiteFaults } from '../../support/faults.js'
import { openTestNamespaces, type TestNamespaces } from '../../support/store.js'
import { start } from '../server/harness.js'

/** Sends commands over one connection. */
export interface Client {
  /** The reply: text, numbers, arrays, null; an error as `PREFIX message`. */
  run(...words: (string | Buffer)[]): Promise<unknown>
  /** As `run`, with bulks as they came. */
  runBuffer(...words: (string | Buffer)[]): Promise<unknown>
}

export interface Member extends TestNamespaces {
  /** Of the clients. */
  readonly port: number
  connect(): Promise<Client>
}

/** @param sets `key=value` settings */
export async function startMember(sets: readonly string[] = []): Promise<Member> {
  const opened = await openTestNamespaces(sets, { faults: suiteFaults() })
  const { store, namespaces } = opened
  const watches = new Watches(store)
  const server = await start({
    commands: [...namespaceCommands, ...transactionCommands, ...zmapCommands],
    sets,
    services: { store, namespaces, watches },
  })
  const sockets: Redis[] = []
  const connect = async (): Promise<Client> => {
    const redis = new Redis({ port: server.port, enableReadyCheck: false, lazyConnect: true })
    await redis.connect()
    sockets.push(redis)
    return {
      run: (name, ...args) => shown(redis.call(String(name), args)),
      runBuffer: (name, ...args) => shown(redis.callBuffer(String(name), args)),
    }
  }
  const close = async (): Promise<void> => {
    for (const redis of sockets) redis.disconnect()
    await server.close()
    await opened.close()
  }
  return { ...opened, port: server.port, connect, close }
}

async function shown(reply: Promise<unknown>): Promise<unknown> {
  try {
    return await reply
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return error.message
    throw error
  }
}
