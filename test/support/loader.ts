/** Runs the repository's loader in a process of its own. */
import { spawn } from 'node:child_process'

const PROGRAM = `
const { main } = await import(process.argv[1])
process.exitCode = await main(process.argv.slice(2))
`
const LOADER = new URL('../../ts/tools/load.js', import.meta.url).href

export interface LoaderEnd {
  readonly code: number | null
  readonly output: string
}

/** @param args the loader's own arguments */
export function runLoader(...args: string[]): Promise<LoaderEnd> {
  const argv = ['--input-type=module', '--eval', PROGRAM, LOADER, ...args]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', chunk => {
      output += chunk
    })
  }
  return new Promise((done, failed) => {
    child.on('error', failed)
    child.on('close', code => done({ code, output }))
  })
}
