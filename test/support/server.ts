/**
 * Real servers for tests: a process each, with a directory of its own and free ports. Whatever a
 * test does, its servers are gone when its process is.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { cleanCluster, rootIn, storeSettings } from './cluster.js'
import type { Faults } from './faults.js'
import { repositoryRoot } from './repository.js'
import { RespClient } from './resp-client.js'
import type { Orders } from './server-orders.js'

const START_LIMIT_MS = 20_000
const STOP_LIMIT_MS = 20_000
const READY = 'Ready to accept connections\n'
const MAIN = fileURLToPath(new URL('./server-main.js', import.meta.url))

/** What the launcher starts a server with. */
const { processOptions } = (await import(
  pathToFileURL(join(repositoryRoot, 'ts/tools/launch/process.mjs')).href
)) as { processOptions(env: NodeJS.ProcessEnv): { execArgv: string[]; env: NodeJS.ProcessEnv } }

/** Small files and a quick syncer; a test's own settings come behind and win. */
const DEFAULTS = [
  'network.external.port=0',
  'network.internal.port=0',
  'bucket.volume.segment_size=16777216',
  'redis.volume.segment_size=16777216',
  'volume.preallocate_bytes=1048576',
  'redis.volume_syncer.period=50',
]

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** How a process came to its end. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class TestServer {
  /** The member's data directory. */
  readonly directory = mkdtempSync(join(tmpdir(), 'kronotop-e2e-'))
  /** What its store does wrong, from the next `start` on. */
  faults: Faults | undefined
  /** Environment variables beside those of this process, from the next `start` on. */
  variables: Readonly<Record<string, string>> = {}
  /** The limit of open files of its process, soft and hard, from the next `start` on. */
  openFiles: number | undefined
  readonly #sets: readonly string[]
  /** Where its data is on the cluster, if tests use one. */
  readonly #store: readonly string[]
  /** Its directory there. */
  readonly #root: string | undefined
  readonly #clients = new Set<RespClient>()
  #child: ChildProcess | undefined
  #exit: Promise<Exit> | undefined
  #output = ''
  #clientPort = 0
  #adminPort = 0

  /** @param sets `key=value` settings */
  constructor(sets: readonly string[] = []) {
    this.#store = storeSettings(sets)
    this.#sets = sets
    this.#root = rootIn(this.#store)
  }

  /** A server that is ready. */
  static async start(sets: readonly string[] = []): Promise<TestServer> {
    const server = new TestServer(sets)
    await server.start()
    return server
  }

  /** Everything the processes of this server have written. */
  get output(): string {
    return this.#output
  }

  /** Settings of another server that shares the store of this one. */
  get storeSettings(): readonly string[] {
    return this.#root === undefined ? [`store.path=${join(this.directory, '.store')}`] : this.#store
  }

  /** Id of the process. */
  get pid(): number {
    const id = this.#child?.pid
    if (id === undefined) throw new Error('the server is not running')
    return id
  }

  get clientPort(): number {
    return this.#clientPort
  }

  get adminPort(): number {
    return this.#adminPort
  }

  /** Starts the process, also after `stop` or `kill`, over the same directory.
   *  @throws Error  with the output, when it does not get ready */
  async start(): Promise<void> {
    const sets = [`data_dir=${this.directory}`, ...DEFAULTS, ...this.#store, ...this.#sets]
    const argv = sets.flatMap(set => ['--set', set])
    const { execArgv, env } = processOptions({ ...process.env, ...this.variables })
    if (this.faults !== undefined) env.KRONOTOP_TEST_FAULTS = JSON.stringify(this.faults)
    const [program, ...first] = withOpenFiles(this.openFiles)
    const child = spawn(program, [...first, ...execArgv, MAIN, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env,
    })
    running.add(child)
    this.#child = child
    this.#exit = exitOf(child)
    const banner = this.#collect(child)
    const timer = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS)
    const ended = await Promise.race([banner, this.#exit])
    clearTimeout(timer)
    if (typeof ended !== 'string') throw new Error(`the server did not start:\n${this.#output}`)
    this.#clientPort = portIn(ended, 'Clients')
    this.#adminPort = portIn(ended, 'Administration')
  }

  /** Starts the process and kills it after so long, wherever its start is then. */
  async startAndKill(afterMs: number): Promise<void> {
    const starting = this.start().catch(() => {
      // Killed before it was ready, as was asked for.
    })
    await Promise.race([sleep(afterMs), starting])
    await this.kill()
    await starting
  }

  /** Stops gracefully. @throws Error  unless it exits with 0 in time */
  async stop(): Promise<void> {
    const { code, signal } = await this.#end('SIGTERM')
    if (code !== 0) {
      const reason = signal ?? `exit code ${code}`
      throw new Error(`the server did not stop cleanly: ${reason}\n${this.#output}`)
    }
  }

  /** Sends a signal and does not wait for what it does. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child === undefined) throw new Error('the server is not running')
    this.#child.kill(signal)
  }

  /** Waits for the process to end by itself; connections stay open. */
  async ended(): Promise<Exit> {
    const child = this.#child
    const exit = this.#exit
    if (child === undefined || exit === undefined) throw new Error('the server is not running')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    const how = await exit
    clearTimeout(timer)
    this.#child = undefined
    return how
  }

  /** Kills the process on the spot, as a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** A connection to the client port; closed with `closeClients`. */
  async connect(protocol: 2 | 3 = 2): Promise<RespClient> {
    const client = await RespClient.connect(this.#clientPort)
    this.#clients.add(client)
    if (protocol === 3) await client.call('HELLO', '3')
    return client
  }

  /** A connection to the administration port; closed with `closeClients`. */
  async connectAdmin(protocol: 2 | 3 = 3): Promise<RespClient> {
    const client = await RespClient.connect(this.#adminPort)
    this.#clients.add(client)
    if (protocol === 3) await client.call('HELLO', '3')
    return client
  }

  /** Lets the process do something that no client can ask for, see `server-orders.ts`. */
  async order<K extends keyof Orders>(name: K, argument: Orders[K][0]): Promise<Orders[K][1]> {
    const child = this.#child
    if (child === undefined) throw new Error('the server is not running')
    const [answer] = await Promise.all([once(child, 'message'), child.send({ name, argument })])
    return answer[0].result
  }

  closeClients(): void {
    for (const client of this.#clients) client.close()
    this.#clients.clear()
  }

  /** Ends whatever still runs and deletes its data. */
  async dispose(): Promise<void> {
    this.closeClients()
    if (this.#child !== undefined) await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
    if (this.#root !== undefined) await cleanCluster(this.#root)
  }

  /** Collects the output. @returns the banner, once it is complete */
  #collect(child: ChildProcess): Promise<string> {
    const from = this.#output.length
    return new Promise(done => {
      const add = (chunk: string): void => {
        this.#output += chunk
        if (this.#output.includes(READY, from)) done(this.#output.slice(from))
      }
      for (const stream of [child.stdout!, child.stderr!])
        stream.setEncoding('utf8').on('data', add)
    })
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<Exit> {
    this.signal(signal)
    const exit = await this.ended()
    this.closeClients()
    return exit
  }
}

/** Runs the server's process to its end, for starts that must fail and for `--help`.
 *  @param variables  environment variables beside those of this process
 *  @throws Error     when it does not end in time */
export async function runServer(
  argv: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...variables },
  })
  running.add(child)
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', chunk => {
      written[name] += chunk
    })
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS)
  const { code, signal } = await exitOf(child)
  clearTimeout(timer)
  if (signal !== null) throw new Error(`the server did not end by itself:\n${written.stdout}`)
  return { code, ...written }
}

/** Program and first arguments that run Node with a limit of open files. */
function withOpenFiles(limit: number | undefined): [string, ...string[]] {
  if (limit === undefined) return [process.execPath]
  return ['/bin/sh', '-c', `ulimit -n ${limit}; exec "$0" "$@"`, process.execPath]
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((done, failed) => {
    child.on('error', failed)
    // Not `exit`: the output is complete only now.
    child.on('close', (code, signal) => {
      running.delete(child)
      done({ code, signal })
    })
  })
}

function portIn(banner: string, title: string): number {
  const digits = banner.match(new RegExp(`^${title} .*:(\\d+)$`, 'm'))?.[1]
  if (digits === undefined) throw new Error(`no address of ${title} in:\n${banner}`)
  return Number(digits)
}
