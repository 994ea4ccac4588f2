/** The tour of the README: its commands are run, and the answers compared with those shown. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consoleSteps, type Step } from '../support/console-blocks.js'
import { ID, Ids } from '../support/console-ids.js'
import { runLoader } from '../support/loader.js'
import { reportSkip } from '../support/outcome.js'
import { showReply, wordsOf } from '../support/redis-cli.js'
import { repositoryRoot, repositoryText } from '../support/repository.js'
import type { RespClient } from '../support/resp-client.js'
import { TestServer } from '../support/server.js'
import { reporting } from '../support/server-suite.js'

const test = suite('tour')

const CLIENT_PORT = 5484
const ADMIN_PORT = 3320
const DATA_DIRECTORY = '/srv/kronotop/kronotop-data'
/** The tour shows the defaults; other tests use smaller segments. */
const SETTINGS = ['bucket.volume.segment_size=4294967296', 'redis.volume.segment_size=4294967296']

const STEPS = consoleSteps(repositoryText('README.md'))

/** What no two runs have in common besides ids. */
const VOLATILE: readonly [RegExp, string][] = [
  [/Node\.js [\d.]+, process \d+/g, 'Node.js <version>, process <number>'],
  [/("latest_heartbeat" => \(integer\)) \d+/g, '$1 <number>'],
  [/[\d.]+ s, \d+ documents\/s/g, '<time>'],
]

/** A text without what differs between runs. */
function masked(text: string, ids: Ids): string {
  return VOLATILE.reduce((kept, [what, mark]) => kept.replace(what, mark), ids.mask(text))
}

class Tour {
  readonly #server: TestServer
  readonly #scratch: string
  readonly #shown = new Ids()
  readonly #answered = new Ids()
  readonly #sessions = new Map<number, RespClient>()
  #isStarted = false

  constructor(server: TestServer, scratch: string) {
    this.#server = server
    this.#scratch = scratch
  }

  /** Runs a step. @throws when the answer is another than the one shown */
  async run(step: Step): Promise<void> {
    const { port, command } = step
    const answer = port === undefined ? await this.#shell(step) : await this.#command(port, command)
    assert.is(this.#masked(answer), masked(step.answer, this.#shown), `answer of: ${command}`)
  }

  async #command(port: number, typed: string): Promise<string> {
    const session = this.#sessions.get(port)
    if (session === undefined) throw new Error(`no redis-cli was started for port ${port}`)
    const words = wordsOf(typed.replace(ID, id => this.#actualId(id)))
    return showReply(await session.frame(...words))
  }

  /** The shell commands of the tour; one that is not known here fails. */
  async #shell({ command, answer }: Step): Promise<string> {
    const words = wordsOf(command)
    const scratch = this.#scratch
    if (command === 'npm start') return await this.#start(answer)
    if (words[0] === 'redis-cli') return await this.#connect(Number(words.at(-1)))
    if (words[0] === 'node') return runShell(command, scratch)
    if (command.startsWith('npm run load -- ')) {
      const [file = '', ...options] = words.slice(4)
      const port = String(this.#server.clientPort)
      const { output } = await runLoader(join(scratch, file), ...options, '--port', port)
      return output.trimEnd().split('\n').at(-1) ?? ''
    }
    throw new Error(`the tour has a shell command that this test does not know: ${command}`)
  }

  /** Starts the server, or stops and starts it. @returns the lines of its output that are shown */
  async #start(shown: string): Promise<string> {
    const from = this.#server.output.length
    if (this.#isStarted) await this.#server.restart()
    else await this.#server.start()
    this.#isStarted = true
    this.#sessions.clear()
    const lines = this.#server.output.slice(from).trimEnd().split('\n')
    return lines.slice(-shown.split('\n').length).join('\n')
  }

  async #connect(port: number): Promise<string> {
    const session = await (port === ADMIN_PORT
      ? this.#server.connectAdmin(3)
      : this.#server.connect(3))
    this.#sessions.set(port, session)
    return ''
  }

  #actualId(shown: string): string {
    const actual = this.#answered.at(this.#shown.indexOf(shown))
    if (actual === undefined) throw new Error(`${shown} was not shown before it is used`)
    return actual
  }

  #masked(answer: string): string {
    const { directory, clientPort, adminPort } = this.#server
    const asShown = answer
      .replace(/^(Store +)FoundationDB cluster .*,/m, `$1embedded at ${DATA_DIRECTORY}/.store,`)
      .replaceAll(directory, DATA_DIRECTORY)
      .replaceAll(`127.0.0.1:${clientPort}`, `127.0.0.1:${CLIENT_PORT}`)
      .replaceAll(`127.0.0.1:${adminPort}`, `127.0.0.1:${ADMIN_PORT}`)
      .replace(`(integer) ${clientPort}`, `(integer) ${CLIENT_PORT}`)
      .replace(`(integer) ${adminPort}`, `(integer) ${ADMIN_PORT}`)
    return masked(asShown, this.#answered)
  }
}

/** Runs a line where the packages of the repository are found. @returns its output */
function runShell(command: string, cwd: string): string {
  const env = { ...process.env, NODE_PATH: join(repositoryRoot, 'node_modules') }
  return execFileSync('sh', ['-c', command], { cwd, env, encoding: 'utf8' }).trimEnd()
}

async function withServer(body: (server: TestServer) => Promise<void>): Promise<void> {
  const server = new TestServer(SETTINGS)
  try {
    await reporting(server, () => body(server))
  } finally {
    await server.dispose()
  }
}

test('answers as the README shows', async () => {
  assert.ok(STEPS.length > 50, `the README has ${STEPS.length} steps only`)
  const scratch = mkdtempSync(join(tmpdir(), 'kronotop-tour-'))
  try {
    await withServer(async server => {
      const tour = new Tour(server, scratch)
      for (const step of STEPS) await tour.run(step)
    })
  } finally {
    rmSync(scratch, { recursive: true })
  }
})

/** What is typed into the first `redis-cli` of the tour, up to the next shell command. */
function firstSession(): Step[] {
  const begin = STEPS.findIndex(({ command }) => command.startsWith('redis-cli '))
  const rest = STEPS.slice(begin + 1)
  const end = rest.findIndex(({ port }) => port === undefined)
  return rest.slice(0, end)
}

test('answers so in redis-cli too', async () => {
  if (spawnSync('redis-cli', ['--version']).error !== undefined) {
    reportSkip('the tour in redis-cli', 'redis-cli is not installed (package redis-tools)')
    return
  }
  // An id that a command names is known only when the tour runs.
  const steps = firstSession().filter(({ command }) => command.match(ID) === null)
  assert.ok(steps.length > 30)
  await withServer(async server => {
    await server.start()
    const port = String(server.clientPort)
    const { stdout } = spawnSync('redis-cli', ['-3', '--no-raw', '-p', port], {
      input: steps.map(({ command }) => `${command}\n`).join(''),
      encoding: 'utf8',
      timeout: 30_000,
    })
    // Cursors are numbered in the order of the queries, of which some were left out.
    const comparable = (text: string) =>
      masked(text, new Ids()).replace(/"cursor_id" => \(integer\) \d+/g, '"cursor_id" => <number>')
    const shown = steps.map(({ answer }) => `${answer}\n`).join('')
    assert.is(comparable(stdout), comparable(shown))
  })
})

test.run()
