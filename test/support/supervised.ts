/**
 * Runs a program as a process group of its own, with a limit on its time. Whatever it started and
 * left behind is killed when it ends, so that no test's server outlives its test.
 */
import { spawn } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'

/** How a program ended.
 *  failure  undefined after exit code 0, else what went wrong in a few words */
export interface Ended {
  readonly output: string
  readonly failure: string | undefined
  readonly durationMs: number
}

const running = new Set<number>()

/** @param limitMs  the group is killed after this time
 *  @returns        always: a program that can't be started has a `failure` too */
export function supervise(
  program: string,
  args: readonly string[],
  options: { limitMs: number; cwd: string; env?: NodeJS.ProcessEnv },
): Promise<Ended> {
  const startedAt = performance.now()
  return new Promise(done => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const group = child.pid
    if (group !== undefined) running.add(group)
    const chunks: Buffer[] = []
    let failure: string | undefined
    const end = () => {
      clearTimeout(timer)
      if (group !== undefined) running.delete(group)
      const output = stripVTControlCharacters(Buffer.concat(chunks).toString())
      done({ output, failure, durationMs: performance.now() - startedAt })
    }
    const timer = setTimeout(() => {
      failure = `still running after ${options.limitMs / 1000} s`
      if (group !== undefined) killGroup(group)
    }, options.limitMs)
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', error => {
      failure = error.message
      if (group === undefined) end()
    })
    child.on('exit', (code, signal) => {
      if (code !== 0) failure ??= signal === null ? `exit code ${code}` : `killed by ${signal}`
      // ORDER: before 'close', which waits for everyone who holds the output pipes.
      if (group !== undefined) killGroup(group)
    })
    child.on('close', end)
  })
}

/** Kills everything that is still running; for the end of the runner itself. */
export function killAll(): void {
  for (const group of running) killGroup(group)
}

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch (error) {
    // Nobody of the group is left, which is the normal case.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
