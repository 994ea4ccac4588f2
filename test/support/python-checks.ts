/** Scripts in `test/clients/python` that run checks against servers, and may ask for restarts. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { reportSkip } from './outcome.js'
import type { Check } from './python.js'

const SCRIPTS = new URL('../../../test/clients/python/', import.meta.url)
const LIMIT_MS = 50_000

export interface CheckScript {
  /** Name of a file. */
  readonly script: string
  readonly args: readonly string[]
  /** Folder with packages. */
  readonly path: string
  /** Does what the script's line `restart` asks for. */
  restart(): Promise<void>
}

/** Runs a script to its end. @returns its checks, and how it ended: empty when well */
export async function runChecks({
  script,
  args,
  path,
  restart,
}: CheckScript): Promise<{ checks: Check[]; end: string }> {
  const own = { PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: '1' }
  const python = spawn('python3', [fileURLToPath(new URL(script, SCRIPTS)), ...args], {
    env: { ...process.env, ...own },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
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
      await restart()
      python.stdin.write('done\n')
      continue
    }
    const said = JSON.parse(line)
    if ('skip' in said) reportSkip(script, said.skip)
    else checks.push(said)
  }
  return { checks, end: await ended }
}

/** Registers the checks of a script, and that it ran to its end.
 *  @param title begins the names of the tests */
export function addChecks(
  register: (name: string, body: () => void) => void,
  title: string,
  { checks, end }: { checks: readonly Check[]; end: string },
): void {
  for (const { name, error } of [...checks, { name: 'runs to its end', error: end }]) {
    register(`${title}: ${name}`, () => {
      if (error) throw new Error(error)
    })
  }
}
