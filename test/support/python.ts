/** Public Python packages for tests: installed once with pip, then kept beside the build. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { reportSkip } from './outcome.js'

const run = promisify(execFile)

const PACKAGES = fileURLToPath(new URL('../../python/', import.meta.url))
const PYTHON = 'python3'
const INSTALL_LIMIT_MS = 120_000

/** Installs one version of a package without what it depends on.
 *  @returns  the folder for PYTHONPATH
 *  @throws   Error one line: what is missing on this machine */
async function installPythonPackage(name: string, version: string): Promise<string> {
  const folder = join(PACKAGES, `${name}-${version}`)
  if (existsSync(folder)) return folder
  await mkdir(PACKAGES, { recursive: true })
  // Renamed once whole: an install that was killed is not taken for a package.
  const partial = await mkdtemp(`${folder}.`)
  const options = ['--disable-pip-version-check', '--no-input', '--no-deps', '--quiet']
  const args = ['-m', 'pip', 'install', ...options, '--target', partial, `${name}==${version}`]
  try {
    await run(PYTHON, args, { timeout: INSTALL_LIMIT_MS })
    await rename(partial, folder)
  } catch (cause) {
    await rm(partial, { recursive: true, force: true })
    if (existsSync(folder)) return folder
    throw new Error(`cannot install ${name} ${version} from PyPI (${reasonOf(cause)})`, { cause })
  }
  return folder
}

/** The package's folder; undefined, with a line that says why, when it cannot be installed. */
export async function installedOrSkip(name: string, version: string): Promise<string | undefined> {
  try {
    return await installPythonPackage(name, version)
  } catch (error) {
    reportSkip(`PyPI ${name} ${version}`, error instanceof Error ? error.message : `${error}`)
    return undefined
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if ('code' in cause && cause.code === 'ENOENT') return `no ${PYTHON} on the PATH`
  const lines = 'stderr' in cause ? String(cause.stderr).trim().split('\n') : []
  return lines.findLast(line => line.startsWith('ERROR')) ?? lines.at(-1) ?? cause.message
}

export interface PythonRun {
  readonly script: string
  readonly args: readonly string[]
  /** Folders with packages. */
  readonly path: string
  readonly env: Readonly<Record<string, string>>
  readonly limitMs: number
}

export interface PythonEnd {
  readonly stdout: string
  /** How it went wrong, with what it wrote to stderr; absent when it ended with 0. */
  readonly failure?: string
}

/** Runs a script to its end. */
export async function runPython({
  script,
  args,
  path,
  env,
  limitMs,
}: PythonRun): Promise<PythonEnd> {
  const own = { PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: '1', ...env }
  const options = {
    env: { ...process.env, ...own },
    timeout: limitMs,
    killSignal: 'SIGKILL',
  } as const
  try {
    const { stdout } = await run(PYTHON, [script, ...args], options)
    return { stdout }
  } catch (error) {
    const stdout = error instanceof Error && 'stdout' in error ? String(error.stdout) : ''
    return { stdout, failure: String(error) }
  }
}

/** One check of a script that runs them with `test/clients/python/harness.py`. */
export interface Check {
  readonly name: string
  /** Traceback of a failure. */
  readonly error: string | null
}

/** The checks that a script wrote. */
export function checksIn(stdout: string): Check[] {
  return jsonLines<Check>(stdout).filter(line => 'name' in line)
}

/** All lines of JSON that a script wrote. */
export function jsonLines<T extends object>(stdout: string): T[] {
  const lines = stdout.split('\n').filter(line => line.startsWith('{'))
  return lines.map(line => JSON.parse(line))
}
