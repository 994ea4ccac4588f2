/** Programs in `test/clients` that run checks against servers, and may ask for restarts. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Check } from './python.js'

const LIMIT_MS = 50_000

export interface CheckProgram {
  readonly program: string
  readonly args: readonly string[]
  /** Environment variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** Does what the program's line `restart` asks for. */
  restart(): Promise<void>
}

/** Runs a program to its end. @returns its checks, and how it ended: empty when well */
export async function runChecks({
  program,
  args,
  env,
  restart,
}: CheckProgram): Promise<{ checks: Check[]; end: string }> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  const checks: Check[] = []
  let written = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    written += text
  })
  const ended = new Promise<string>(resolve => {
    child.on('close', (code, signal) => resolve(code === 0 ? '' : `${signal ?? code}: ${written}`))
  })
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'restart') {
      await restart()
      child.stdin.write('done\n')
      continue
    }
    checks.push(JSON.parse(line))
  }
  return { checks, end: await ended }
}

/** Registers the checks of a program, and that it ran to its end.
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
