/** Debian's `redis-server` as a peer for tests: a process with its own port, no persistence. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reportSkip } from './outcome.js'
import { freePort } from './ports.js'
import { RespClient } from './resp-client.js'

const PROGRAM = 'redis-server'
const READY = 'Ready to accept connections'
const START_LIMIT_MS = 20_000
/** Another process may take a free port before the server does. */
const PORTS_TRIED = 5

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class RedisServer {
  readonly #clients = new Set<RespClient>()

  private constructor(
    readonly port: number,
    readonly directory: string,
    readonly child: ChildProcess,
  ) {}

  /** A server that is ready.
   *  @param settings  words of its command line, which win over no persistence
   *  @returns         undefined, with a line that says why, when the program is not installed
   *  @throws          Error with the output, when it does not get ready */
  static async startOrSkip(
    what: string,
    settings: readonly string[] = [],
  ): Promise<RedisServer | undefined> {
    const directory = mkdtempSync(join(tmpdir(), 'kronotop-redis-'))
    let output = ''
    for (let i = 0; i < PORTS_TRIED; i++) {
      const port = await freePort()
      const own = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory]
      const child = spawn(PROGRAM, [...own, '--save', '', '--appendonly', 'no', ...settings], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const failure = await ready(child)
      if (failure === undefined) return new RedisServer(port, directory, child)
      if (failure.isMissing) {
        rmSync(directory, { recursive: true, force: true })
        reportSkip(what, `no ${PROGRAM} on the PATH: install the package redis-server`)
        return undefined
      }
      output = failure.output
    }
    rmSync(directory, { recursive: true, force: true })
    throw new Error(`${PROGRAM} did not start:\n${output}`)
  }

  /** A connection, which `dispose` closes. */
  async connect(protocol: 2 | 3 = 2): Promise<RespClient> {
    const client = await RespClient.connect(this.port)
    this.#clients.add(client)
    if (protocol === 3) await client.call('HELLO', '3')
    return client
  }

  /** Kills the server and deletes its directory. */
  async dispose(): Promise<void> {
    for (const client of this.#clients) client.close()
    const { child } = this
    if (running.has(child)) {
      const closed = new Promise(done => child.once('close', done))
      child.kill('SIGKILL')
      await closed
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

interface Failure {
  readonly isMissing: boolean
  readonly output: string
}

/** @returns undefined once the server accepts connections, else why it does not */
function ready(child: ChildProcess): Promise<Failure | undefined> {
  running.add(child)
  return new Promise(done => {
    let output = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS)
    const settle = (failure: Failure | undefined): void => {
      clearTimeout(timer)
      done(failure)
    }
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk
        if (output.includes(READY)) settle(undefined)
      })
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      running.delete(child)
      settle({ isMissing: error.code === 'ENOENT', output: error.message })
    })
    child.on('close', () => {
      running.delete(child)
      settle({ isMissing: false, output })
    })
  })
}
