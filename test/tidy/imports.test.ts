import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findCycle, type Import, importsOf } from './imports.js'
import { codeFiles, refuse } from './sources.js'

const test = suite('imports')

/** Area of `ts/` → areas that it may import from at run time. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  error: [],
  config: [],
  resp: [],
  log: [],
  teardown: [],
  native: [],
  store: ['native'],
  volume: ['store', 'native', 'peer'],
  // The identity of a member takes a lock on its directory, which needs native code.
  cluster: ['store', 'volume', 'peer', 'native'],
  redis: ['volume', 'store'],
  query: ['store', 'volume', 'native', 'peer'],
  peer: [],
  server: ['native'],
  commands: ['query', 'redis', 'volume', 'cluster', 'store', 'server'],
}

/** Imported from anywhere. */
const LEAVES = ['error', 'config', 'resp', 'log', 'teardown']

/** Wire the parts together, or stand beside the server: they import what they need. */
const FREE = ['main', 'member', 'tools']

/** The part of `server` that commands see. */
const COMMAND_INTERFACE = ['ts/server/command.ts', 'ts/server/context.ts']

function areaOf(path: string): string {
  return path.split('/')[1]?.replace(/\.ts$/, '') ?? ''
}

function isAllowed({ from, to, typeOnly }: Import): boolean {
  const [source, target] = [areaOf(from), areaOf(to)]
  if (source === target || FREE.includes(source)) return true
  if (target === 'commands' || FREE.includes(target)) return false
  if (typeOnly || LEAVES.includes(target)) return true
  if (source === 'commands' && target === 'server') return COMMAND_INTERFACE.includes(to)
  return ALLOWED[source]?.includes(target) ?? false
}

function serverImports(): Import[] {
  return codeFiles()
    .filter(({ path }) => path.startsWith('ts/') && path.endsWith('.ts'))
    .flatMap(importsOf)
    .filter(({ to }) => to.startsWith('ts/'))
}

test('follows the table of allowed imports', () => {
  const broken = serverImports().filter(entry => !isAllowed(entry))
  refuse(
    'this import is against the direction of the layers: pass the thing in, or import its type',
    broken.map(({ from, to }) => `${from} -> ${to}`),
  )
})

test('has no area without a row in the table', () => {
  const areas = new Set(serverImports().map(({ from }) => areaOf(from)))
  const unknown = [...areas].filter(area => !(area in ALLOWED) && !FREE.includes(area))
  refuse('say in the table above what this part may import', unknown)
})

test('has no import cycle', () => {
  const cycle = findCycle(serverImports())
  assert.is(cycle, undefined, `take the shared part out of: ${cycle?.join(' -> ')}`)
})

test('finds a cycle and ignores type imports', () => {
  const edge = (from: string, to: string, typeOnly = false) => ({ from, to, typeOnly })
  assert.equal(findCycle([edge('a', 'b'), edge('b', 'c'), edge('c', 'b')]), ['b', 'c', 'b'])
  assert.is(findCycle([edge('a', 'b'), edge('b', 'a', true)]), undefined)
})

test('loads native code in one file only', () => {
  const loads = /process\.dlopen|(require|import)\([^)]*\.node['"`]/
  const broken = codeFiles()
    .filter(({ path }) => path.startsWith('ts/') && !path.startsWith('ts/tools/'))
    .filter(({ path, text }) => path !== 'ts/native.ts' && loads.test(text))
    .map(({ path }) => path)
  refuse('only ts/native.ts loads native code: import what it exports', broken)
})

test('reads the environment in the configuration only', () => {
  const broken = codeFiles()
    .filter(({ path }) => path.startsWith('ts/') && !/^ts\/(config|tools|main\.ts)/.test(path))
    .filter(({ text }) => text.includes('process.env'))
    .map(({ path }) => path)
  refuse('settings come from the Config object that is passed down', broken)
})

test.run()
