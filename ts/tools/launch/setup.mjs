/**
 * Brings the checkout up to date in three steps: packages, native code, TypeScript. A step runs
 * only if what it is made from has changed; with nothing to do this reads files and no more, so
 * it works without a network and says nothing.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { LaunchError } from './failure.mjs'
import { hashOf, isCurrent, read, writeStamp } from './inputs.mjs'
import { withLock } from './lock.mjs'
import {
  findCargo,
  npmCommand,
  requireCargoVersion,
  requireCompiler,
  runProgram,
} from './programs.mjs'

/** Library target of a crate → the name its file is loaded under. */
const ARTIFACTS = {
  kronotop_addon: 'addon.node',
  kronotop_fdb_client: 'fdb_client.node',
  kronotop_transport: 'transport.node',
  fdb_c: 'libfdb_c.so',
}

/** All crates but those that only tests use. */
const CARGO_BUILD = [
  'build',
  '--release',
  '--locked',
  '--workspace',
  '--exclude=kronotop-powerloss',
]

/** Types of the addon's functions, made by its build and committed. */
const ADDON_TYPES = 'native/addon/addon.gen.d.ts'

const STEPS = [
  {
    name: 'packages',
    inputs: ['package-lock.json'],
    stamp: 'node_modules/.kronotop-installed',
    results: ['node_modules/.bin/tsc'],
    run: install,
  },
  {
    name: 'native',
    inputs: ['native', 'Cargo.toml', 'Cargo.lock', 'package-lock.json'],
    stamp: 'dist/native/.built',
    results: Object.values(ARTIFACTS).map(file => `dist/native/${file}`),
    run: buildNative,
  },
  {
    name: 'typescript',
    inputs: ['ts', 'test', 'bench', 'tsconfig.json', 'package-lock.json', ADDON_TYPES],
    stamp: 'dist/.compiled',
    results: ['dist/ts/main.js'],
    run: compile,
  },
]

/** @param native  whether the native code is needed */
export async function setUp(root, { native }) {
  const steps = STEPS.filter(step => native || step.name !== 'native')
  if (steps.every(step => isCurrent(root, withHash(root, step)))) return
  await withLock(
    join(root, 'dist/.launching'),
    () => runSteps(root, steps),
    () => say('waiting for another launcher to finish the build'),
  )
}

async function runSteps(root, steps) {
  for (const step of steps) {
    const current = withHash(root, step)
    if (isCurrent(root, current)) continue
    await step.run(root)
    const missing = step.results.find(path => !existsSync(join(root, path)))
    if (missing !== undefined) throw new LaunchError(`the build made no ${missing}`)
    writeStamp(root, current)
  }
}

function withHash(root, step) {
  return { stamp: step.stamp, results: step.results, hash: hashOf(root, step.inputs) }
}

/** Install scripts stay off: that of `foundationdb` fails where FoundationDB is not installed. */
async function install(root) {
  if (alreadyInstalled(root)) return
  say('installing packages')
  const [program, ...first] = npmCommand()
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--include=dev']
  await runProgram(program, [...first, 'ci', '--ignore-scripts', ...quiet], { cwd: root })
}

/** Whether npm was run by hand for the same lock file: its own record says what is there. */
function alreadyInstalled(root) {
  const record = read(join(root, 'node_modules/.package-lock.json'))
  if (record === undefined) return false
  const present = JSON.parse(record).packages
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true
    const installed = present[path]
    if (installed === undefined) return optional === true
    return installed.version === version && installed.integrity === integrity
  })
}

async function buildNative(root) {
  const cargo = findCargo()
  requireCompiler()
  const manifest = readFileSync(join(root, 'Cargo.toml'), 'utf8')
  await requireCargoVersion(cargo, /^rust-version = "([\d.]+)"/m.exec(manifest)?.[1] ?? '0.0')
  say('building native code (the first time takes a few minutes)')
  const messages = await runProgram(
    cargo,
    [...CARGO_BUILD, '--message-format=json-render-diagnostics'],
    { cwd: root, show: process.stderr.isTTY ? 'all' : 'failure' },
  )
  for (const line of messages.split('\n')) {
    const message = line.startsWith('{') ? JSON.parse(line) : {}
    if (message.reason !== 'compiler-artifact') continue
    const file = ARTIFACTS[message.target.name]
    const library = message.filenames.find(path => ['.so', '.dylib'].includes(extname(path)))
    if (file !== undefined && library !== undefined)
      replace(library, join(root, 'dist/native', file))
  }
}

async function compile(root) {
  say('compiling TypeScript')
  await runProgram(join(root, 'node_modules/.bin/tsc'), ['-p', root], { cwd: root })
}

/** Copies by rename: a running process keeps the file that it has mapped. */
function replace(from, to) {
  const fresh = `${to}.${process.pid}`
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, fresh)
  renameSync(fresh, to)
}

function say(what) {
  console.error(`kronotop: ${what}`)
}
