/**
 * redis-py against a server, in both protocols. The checks themselves are Python, in
 * `test/clients/python`; each is a test here.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import { reportSkip } from '../support/outcome.js'
import { freePort } from '../support/ports.js'
import { installedOrSkip } from '../support/python.js'
import { TestServer } from '../support/server.js'

const SCRIPT = '../../../test/clients/python/redis_client.py'
const VERSION = '8.1.0'
const LIMIT_MS = 50_000

const test = suite('redis-py')

/** One line of the script's output. */
interface Check {
  name: string
  /** Traceback of a failure. */
  error: string | null
}

type Python = ChildProcessByStdio<Writable, Readable, Readable>

function start(path: string, port: number, protocol: 2 | 3): Python {
  const script = fileURLToPath(new URL(SCRIPT, import.meta.url))
  const own = { PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: '1' }
  return spawn('python3', [script, String(port), String(protocol)], {
    env: { ...process.env, ...own },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
}

/** Runs the script to its end. @returns its checks, and how it ended */
async function run(server: TestServer, python: Python): Promise<{ checks: Check[]; end: string }> {
  const checks: Check[] = []
  let written = ''
  python.stderr.setEncoding('utf8').on('data', text => {
    written += text
  })
  const ended = new Promise<string>(resolve => {
    python.on('close', (code, signal) => resolve(code === 0 ? '' : `${signal ?? code}: ${written}`))
  })
  for await (const line of createInterface({ input: python.stdout })) {
    if (line === 'restart') {
      await server.restart()
      python.stdin.write('done\n')
      continue
    }
    const said = JSON.parse(line)
    if ('skip' in said) reportSkip('redis-py', said.skip)
    else checks.push(said)
  }
  return { checks, end: await ended }
}

async function addChecks(protocol: 2 | 3, path: string): Promise<void> {
  const port = await freePort()
  const server = new TestServer([`network.external.port=${port}`])
  try {
    await server.start()
    const { checks, end } = await run(server, start(path, port, protocol))
    const add = (name: string, failed: string | null): void =>
      test(`RESP${protocol}: ${name}`, () => {
        if (failed) throw new Error(failed)
      })
    for (const { name, error } of checks) add(name, error)
    add('runs to its end', end)
  } finally {
    await server.dispose()
  }
}

const path = await installedOrSkip('redis', VERSION)
if (path !== undefined) await Promise.all([addChecks(2, path), addChecks(3, path)])

test.run()
