/**
 * Entry of `npm start`, `npm test` and the scripts `load`, `docs` and `build`: brings the checkout
 * up to date (packages, native code, TypeScript), then runs what was asked for. Plain JavaScript
 * with nothing but Node, because it runs before anything is installed.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { LaunchError } from './launch/failure.mjs'
import { serve } from './launch/server.mjs'
import { setUp } from './launch/setup.mjs'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const NODE_AT_LEAST = [20, 19]

/** What each command needs to be up to date, and how it runs. */
const COMMANDS = {
  build: { native: true, run: async () => 0 },
  start: { native: true, run: argv => serve(ROOT, argv) },
  test: { native: true, run: argv => runModule('dist/test/support/run.js', argv) },
  docs: { native: true, run: argv => runModule('dist/test/support/reference/main.js', argv) },
  load: { native: false, run: argv => runModule('dist/ts/tools/load.js', argv) },
}

/** Runs the exported `main(argv)` of a compiled module; its result is the exit code. */
async function runModule(path, argv) {
  const { main } = await import(pathToFileURL(join(ROOT, path)).href)
  return main(argv)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > NODE_AT_LEAST[0]) return
  if (major === NODE_AT_LEAST[0] && minor >= NODE_AT_LEAST[1]) return
  throw new LaunchError(
    `Node ${NODE_AT_LEAST.join('.')} or later is needed; this is ${process.versions.node}`,
  )
}

async function launch([name, ...argv]) {
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined
  if (command === undefined) {
    throw new LaunchError(`expected one of: ${Object.keys(COMMANDS).join(', ')}`)
  }
  checkNode()
  await setUp(ROOT, { native: command.native })
  return command.run(argv)
}

try {
  process.exitCode = await launch(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof LaunchError)) throw error
  console.error(`kronotop: ${error.message}`)
  if (process.argv[2] === 'test') console.log('0 passed, 1 failed')
  process.exitCode = 1
}
