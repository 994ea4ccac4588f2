/**
 * Runs the examples of the declarations on real servers, a fresh session each, and shows requests
 * and replies as `redis-cli` does.
 *
 * No example sees another one: each has a namespace of its own, and its Redis keys are deleted
 * behind it. One that looks at all namespaces or all sessions has a server of its own; those of
 * the admin port see none of the data of others, and put back what they change.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from '../../../ts/server/command.js'
import { showReply } from '../redis-cli.js'
import type { Frame, RespClient } from '../resp-client.js'
import { TestServer } from '../server.js'
import { maskedReply } from './masks.js'
import type { Protocol } from './notation.js'

const CLIENT_PORT = 5484
const ADMIN_PORT = 3320

/** The settings that readers have; tests use smaller segments. */
const SETTINGS = ['bucket.volume.segment_size=4294967296', 'redis.volume.segment_size=4294967296']

/** Words of requests that look beyond the session's namespace and keys. */
const FAR_SIGHTED = /^(?:NAMESPACE|CLIENT LIST)\b/i

/** Replies that `redis-cli` prints as they are. */
const RAW = /^(?:INFO|CLIENT (?:LIST|INFO)|CLUSTER (?:NODES|INFO))\b/i

const WAKE_MS = 500
const WAKES_MAX = 20

/** A request and its reply, as typed and shown. */
export interface Exchange {
  readonly prompt: string
  readonly request: string
  readonly reply: string
}

/** An example as it ran in one protocol. */
export interface Transcript {
  readonly exchanges: readonly Exchange[]
  /** What another session did while the last request of `exchanges` waited. */
  readonly meanwhile: readonly Exchange[]
}

export class ExampleServers {
  readonly #commands: ReadonlyMap<string, Command>
  readonly #shared = new Map<string, Promise<TestServer>>()
  #namespaceCount = 0

  constructor(commands: readonly Command[]) {
    this.#commands = new Map(commands.map(command => [command.name, command]))
  }

  /** Runs the example of one command or subcommand. */
  async run(command: Command, protocol: Protocol): Promise<Transcript> {
    if (command.example.some(line => FAR_SIGHTED.test(line))) {
      const server = await TestServer.start(SETTINGS)
      try {
        return await this.#play({ server, command, protocol })
      } finally {
        await server.dispose()
      }
    }
    const server = await this.#sharedServer(`${protocol} ${command.port === 'admin'}`)
    const namespace = `example-${++this.#namespaceCount}`
    return await this.#play({ server, command, protocol, namespace })
  }

  async dispose(): Promise<void> {
    for (const starting of this.#shared.values()) await (await starting).dispose()
  }

  #sharedServer(audience: string): Promise<TestServer> {
    const server = this.#shared.get(audience) ?? TestServer.start(SETTINGS)
    this.#shared.set(audience, server)
    return server
  }

  async #play(stage: Stage): Promise<Transcript> {
    const { example, path } = stage.command
    const blocking = example.findIndex(line => this.#commandOf(line)?.isBlocking)
    const before = blocking < 0 ? example : example.slice(0, blocking)
    const session = await connect(stage)
    try {
      const exchanges: Exchange[] = []
      for (const line of before) exchanges.push(await exchange(stage, session, line))
      if (blocking < 0) return { exchanges, meanwhile: [] }
      const [line = '', ...after] = example.slice(blocking)
      const waited = await wait(stage, session, { before, line, after })
      return { exchanges: [...exchanges, waited.exchange], meanwhile: waited.meanwhile }
    } catch (cause) {
      throw new Error(`the example of ${path.join(' ')} does not run`, { cause })
    } finally {
      await forget(stage, session)
    }
  }

  #commandOf(line: string): Command | undefined {
    return this.#commands.get(line.split(' ', 1)[0]!.toUpperCase())
  }
}

/** Where an example runs. */
interface Stage {
  readonly server: TestServer
  readonly command: Command
  readonly protocol: Protocol
  /** Absent on a server of its own: the example begins in the default namespace. */
  readonly namespace?: string
}

function isAdmin({ command }: Stage): boolean {
  return command.port === 'admin'
}

async function connect(stage: Stage): Promise<RespClient> {
  const { server, protocol, namespace } = stage
  if (isAdmin(stage)) return await server.connectAdmin(protocol)
  const session = await server.connect(protocol)
  if (namespace !== undefined) {
    if ((await session.call('NAMESPACE', 'EXISTS', namespace)) === 0) {
      await session.call('NAMESPACE', 'CREATE', namespace)
    }
    await session.call('NAMESPACE', 'USE', namespace)
  }
  return session
}

async function exchange(stage: Stage, session: RespClient, line: string): Promise<Exchange> {
  // As an inline request: the server reads quotes as redis-cli does.
  session.write(Buffer.from(`${line}\r\n`))
  return shown(stage, line, await session.read())
}

function shown(stage: Stage, request: string, frame: Frame): Exchange {
  const isRaw = RAW.test(request) && Buffer.isBuffer(frame.value)
  const text = isRaw ? String(frame.value).replaceAll('\r\n', '\n').trimEnd() : showReply(frame)
  const { directory, clientPort, adminPort } = stage.server
  const reply = maskedReply(request, text)
    .replaceAll(directory, '/srv/kronotop/kronotop-data')
    .replace(
      new RegExp(`(127\\.0\\.0\\.1:|\\(integer\\) )${clientPort}\\b`, 'g'),
      `$1${CLIENT_PORT}`,
    )
    .replace(new RegExp(`(127\\.0\\.0\\.1:|\\(integer\\) )${adminPort}\\b`, 'g'), `$1${ADMIN_PORT}`)
  const prompt = `127.0.0.1:${isAdmin(stage) ? ADMIN_PORT : CLIENT_PORT}> `
  return { prompt, request, reply }
}

/** Runs a request that waits for what another session does. */
async function wait(
  stage: Stage,
  session: RespClient,
  { before, line, after }: { before: readonly string[]; line: string; after: readonly string[] },
): Promise<{ exchange: Exchange; meanwhile: Exchange[] }> {
  session.write(Buffer.from(`${line}\r\n`))
  let answer: Frame | undefined
  const answered = session.read().then(frame => {
    answer = frame
  })
  const other = await connect(stage)
  let meanwhile: Exchange[] = []
  // The wait may begin after the change that should end it: so the change comes again.
  for (let wakes = 0; answer === undefined && wakes < WAKES_MAX; wakes++) {
    if (wakes > 0) for (const earlier of before) await exchange(stage, other, earlier)
    meanwhile = []
    for (const later of after) meanwhile.push(await exchange(stage, other, later))
    await Promise.race([answered, sleep(WAKE_MS)])
  }
  if (answer === undefined) throw new Error(`nothing in the example ends the wait of: ${line}`)
  other.close()
  return { exchange: shown(stage, line, answer), meanwhile }
}

/** Ends the session, after it has deleted its Redis keys. */
async function forget(stage: Stage, session: RespClient): Promise<void> {
  session.close()
  if (isAdmin(stage)) return
  const cleaner = await stage.server.connect()
  for (const line of stage.command.example) {
    cleaner.write(Buffer.from(`COMMAND GETKEYS ${line}\r\n`))
    const { value } = await cleaner.read()
    if (!Array.isArray(value)) continue
    for (const key of value) await cleaner.call('DEL', key.value as Buffer)
  }
  cleaner.close()
}
