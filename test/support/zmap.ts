/** Clients on a ZMap of their own, and replies as bytes in both protocols. */
import type { RespClient, Word } from './resp-client.js'
import type { TestServer } from './server.js'
import type { ServerTest } from './server-suite.js'

export type Protocol = 2 | 3

let mapCount = 0

/** A client whose namespace is new. */
export async function onFreshMap(server: TestServer, protocol: Protocol): Promise<RespClient> {
  const client = await server.connect(protocol)
  mapCount += 1
  await client.call('NAMESPACE', 'CREATE', `map${mapCount}`)
  await client.call('NAMESPACE', 'USE', `map${mapCount}`)
  return client
}

/** Another client on the same ZMap. */
export async function alsoOn(server: TestServer, client: RespClient): Promise<RespClient> {
  const other = await server.connect()
  await other.call('NAMESPACE', 'USE', String(await client.call('NAMESPACE', 'CURRENT')))
  return other
}

/** Registers a test for each protocol, with a client whose ZMap is empty. */
export function inBothProtocols(
  { server, test }: { server: TestServer; test: ServerTest },
  name: string,
  body: (client: RespClient, protocol: Protocol) => Promise<void>,
): void {
  for (const protocol of [2, 3] as const) {
    test(`${name}, RESP${protocol}`, async () => body(await onFreshMap(server, protocol), protocol))
  }
}

export const OK = '+OK\r\n'

export function bulk(bytes: Word): string {
  const text = typeof bytes === 'string' ? bytes : bytes.toString('latin1')
  return `$${text.length}\r\n${text}\r\n`
}

export function error(text: string): string {
  return `-${text}\r\n`
}

export function none(protocol: Protocol): string {
  return protocol === 3 ? '_\r\n' : '$-1\r\n'
}

/** Sends requests, words between blanks and a byte for each code unit, each with its reply. */
export async function exchangeAll(
  client: RespClient,
  lines: readonly (readonly [request: string, reply: string])[],
): Promise<void> {
  for (const [request, reply] of lines) {
    const words = request.split(' ').map(word => Buffer.from(word, 'latin1'))
    await client.exchange(words, reply)
  }
}

/** The worked set of the contract: a range that is asked for over k0…k6, and the keys that come. */
export const WORKED_SET: readonly (readonly [call: string, keys: string])[] = [
  ['k1 k4', 'k1 k2 k3'],
  ['k1 k4 END_KEY_SELECTOR FIRST_GREATER_THAN', 'k1 k2 k3 k4'],
  ['k1 k4 END_KEY_SELECTOR FIRST_GREATER_OR_EQUAL', 'k1 k2 k3'],
  ['k1 k4 END_KEY_SELECTOR LAST_LESS_OR_EQUAL', 'k1 k2 k3'],
  ['k1 k4 END_KEY_SELECTOR LAST_LESS_THAN', 'k1 k2'],
  ['k1 k4 BEGIN_KEY_SELECTOR FIRST_GREATER_THAN', 'k2 k3'],
  ['k1 k4 BEGIN_KEY_SELECTOR LAST_LESS_THAN', 'k0 k1 k2 k3'],
  ['k1 k4 LIMIT 2 REVERSE', 'k3 k2'],
  ['* k1', 'k0'],
  ['k5 *', 'k5 k6'],
  ['k15 k35', 'k2 k3'],
  ['k4 k1', ''],
]
