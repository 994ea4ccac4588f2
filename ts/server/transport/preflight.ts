/** Finds out, before a start writes anything, whether listeners can be made as they are set. */

import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { createSecureContext } from 'node:tls'
import { listenError } from './listen-error.js'
import type { TransportKind } from './select.js'

export interface ListenerSettings {
  readonly host: string
  /** 0 stands for any free port. */
  readonly port: number
  readonly transport: TransportKind
  readonly tls: {
    readonly enabled: boolean
    readonly cert_path?: string | undefined
    readonly key_path?: string | undefined
  }
}

/** Checks certificates, then binds all addresses at once and gives them free again.
 *  @param listeners  by the path of their settings, such as `network.external`
 *  @throws Error     one line for the operator about the first that cannot be made */
export async function checkListeners(
  listeners: Readonly<Record<string, ListenerSettings>>,
): Promise<void> {
  for (const [path, settings] of Object.entries(listeners)) checkTls(path, settings)
  const bound: Server[] = []
  try {
    for (const { host, port } of Object.values(listeners)) bound.push(await bind(host, port))
  } finally {
    for (const server of bound) await new Promise(resolve => server.close(resolve))
  }
}

function checkTls(path: string, { tls, transport }: ListenerSettings): void {
  if (!tls.enabled) return
  if (transport === 'native') {
    throw new Error(`${path}.transport: native does not offer TLS; set it to auto or node`)
  }
  const cert = readPem(`${path}.tls.cert_path`, tls.cert_path)
  const key = readPem(`${path}.tls.key_path`, tls.key_path)
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    const { cert_path: certPath, key_path: keyPath } = tls
    throw new Error(
      `${path}.tls: ${certPath} and ${keyPath} are not a certificate and its private key (PEM)`,
      { cause },
    )
  }
}

function readPem(setting: string, path: string | undefined): Buffer {
  try {
    return readFileSync(path ?? '')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(`${setting}: cannot read ${path} (${code})`, { cause })
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
