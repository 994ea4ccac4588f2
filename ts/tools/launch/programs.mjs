/**
 * Finds and runs the programs that a build needs. A build is silent but for one line, unless it
 * fails or a person watches a long one.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, isAbsolute, join } from 'node:path'
import { LaunchError } from './failure.mjs'

/** @param show  'all' passes the program's messages on, 'failure' only when it fails
 *  @returns     what the program wrote to standard output
 *  @throws      LaunchError when it can't be started or ends with a code other than 0 */
export function runProgram(program, args, { cwd, show = 'failure', env = process.env }) {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const stdout = []
    const both = []
    child.stdout.on('data', chunk => {
      stdout.push(chunk)
      both.push(chunk)
    })
    child.stderr.on('data', chunk => {
      both.push(chunk)
      if (show === 'all') process.stderr.write(chunk)
    })
    child.on('error', error => failed(new LaunchError(`${program}: ${error.message}`)))
    child.on('close', (code, signal) => {
      if (code === 0) return done(Buffer.concat(stdout).toString())
      if (show !== 'all') process.stderr.write(Buffer.concat(both))
      const what = [program.split('/').pop(), ...args.slice(0, 2)].join(' ')
      failed(new LaunchError(`${what} failed (${signal ?? `exit code ${code}`})`))
    })
  })
}

/** Path of npm's own entry script when npm started us, else the npm on the search path. */
export function npmCommand() {
  const script = process.env.npm_execpath
  return script?.endsWith('.js') ? [process.execPath, script] : ['npm']
}

/** @throws LaunchError that says how to get Rust */
export function findCargo() {
  const found =
    onPath(process.env.CARGO ?? 'cargo') ?? executable(join(homedir(), '.cargo/bin/cargo'))
  if (found !== undefined) return found
  throw new LaunchError('cargo was not found: install Rust with the instructions of rust-lang.org')
}

/** @throws LaunchError that says what to install */
export function requireCompiler() {
  const candidates = [process.env.CXX, 'c++', 'g++', 'clang++']
  if (candidates.some(name => name && onPath(name.split(' ')[0]) !== undefined)) return
  throw new LaunchError('no C++ compiler was found: install g++ or clang++ (or set CXX)')
}

/** Checks the version that Cargo.toml asks for, because an old cargo fails with unclear errors. */
export async function requireCargoVersion(cargo, wanted) {
  const text = await runProgram(cargo, ['--version'], { cwd: '/' })
  const present = /\d+\.\d+/.exec(text)?.[0] ?? '0.0'
  const [a = 0, b = 0] = present.split('.').map(Number)
  const [c = 0, d = 0] = wanted.split('.').map(Number)
  if (a > c || (a === c && b >= d)) return
  throw new LaunchError(`Rust ${wanted} or later is needed; ${cargo} is ${present}`)
}

function onPath(name) {
  if (isAbsolute(name)) return executable(name)
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map(folder => executable(join(folder, name))).find(path => path !== undefined)
}

function executable(path) {
  try {
    accessSync(path, constants.X_OK)
    return path
  } catch {
    return undefined
  }
}
