/** Finds out whether addresses can be listened on, before a start writes anything. */

import { createServer, type Server } from 'node:net'
import { listenError } from './listen-error.js'

/** Binds all addresses at once, then gives them free again.
 *  @param addresses  port 0 stands for any free port
 *  @throws Error     with the one-line reason of the first that cannot be bound */
export async function checkFree(
  addresses: readonly { host: string; port: number }[],
): Promise<void> {
  const bound: Server[] = []
  try {
    for (const { host, port } of addresses) bound.push(await bind(host, port))
  } finally {
    for (const server of bound) await new Promise(resolve => server.close(resolve))
  }
}

function bind(host: string, port: number): Promise<Server> {
  return new Promise((done, failed) => {
    const server = createServer()
    server.once('error', (cause: NodeJS.ErrnoException) => {
      failed(listenError(host, port, cause.errno ?? 0, cause))
    })
    server.listen({ host, port, exclusive: true }, () => done(server))
  })
}
