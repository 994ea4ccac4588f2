/**
 * The launcher is plain JavaScript outside the compiled tree, so its modules are loaded by path.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { repositoryRoot } from '../../support/repository.js'
import { isGone, until } from '../../support/wait.js'

interface Inputs {
  hashOf(root: string, paths: readonly string[]): string
  isCurrent(root: string, step: { stamp: string; hash: string; results: string[] }): boolean
  writeStamp(root: string, step: { stamp: string; hash: string }): void
}

interface Lock {
  withLock<T>(path: string, body: () => Promise<T>, onWait: () => void): Promise<T>
}

const test = suite('launcher')
const LAUNCH = join(repositoryRoot, 'ts/tools/launch')
const inputs: Inputs = await import(pathToFileURL(join(LAUNCH, 'inputs.mjs')).href)
const lock: Lock = await import(pathToFileURL(join(LAUNCH, 'lock.mjs')).href)
let root = ''

test.before.each(() => {
  root = mkdtempSync(join(tmpdir(), 'kronotop-launch-'))
  mkdirSync(join(root, 'src/inner'), { recursive: true })
  writeFileSync(join(root, 'src/a'), 'one')
  writeFileSync(join(root, 'src/inner/b'), 'two')
})

test.after.each(() => rmSync(root, { recursive: true }))

test('hashes contents and names, not times, and leaves results out', () => {
  const hash = () => inputs.hashOf(root, ['src', 'absent'])
  const first = hash()
  writeFileSync(join(root, 'src/a'), 'one')
  mkdirSync(join(root, 'src/target'))
  writeFileSync(join(root, 'src/target/x'), 'built')
  assert.is(hash(), first)
  writeFileSync(join(root, 'src/inner/b'), 'owt')
  assert.is.not(hash(), first)
  writeFileSync(join(root, 'src/inner/b'), 'two')
  writeFileSync(join(root, 'absent'), '')
  assert.is.not(hash(), first)
})

test('takes a build for current only with its stamp and all results', () => {
  const step = { stamp: 'out/stamp', hash: inputs.hashOf(root, ['src']), results: ['out/result'] }
  assert.not.ok(inputs.isCurrent(root, step))
  inputs.writeStamp(root, step)
  assert.not.ok(inputs.isCurrent(root, step))
  writeFileSync(join(root, 'out/result'), '')
  assert.ok(inputs.isCurrent(root, step))
  assert.not.ok(inputs.isCurrent(root, { ...step, hash: 'another' }))
})

test('lets one holder of the lock in at a time', async () => {
  const path = join(root, 'lock')
  const order: string[] = []
  let waits = 0
  const hold = (name: string) =>
    lock.withLock(
      path,
      async () => {
        order.push(`${name} in`)
        await sleep(20)
        order.push(`${name} out`)
      },
      () => waits++,
    )
  await Promise.all([hold('first'), hold('second')])
  assert.equal(order, ['first in', 'first out', 'second in', 'second out'])
  assert.is(waits, 1)
  assert.not.ok(existsSync(path))
})

test('takes over the lock of a process that is gone', async () => {
  const path = join(root, 'lock')
  const gone = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(gone, 'exit')
  writeFileSync(path, String(gone.pid))
  assert.is(await lock.withLock(path, async () => 'done', Boolean), 'done')
})

/** Writes a launcher's server part over a `main` that records signals in `log`.
 *  @param stopMs  how long the server takes to stop */
function prepareServer(stopMs = 0): { script: string; log: string } {
  const log = join(root, 'log')
  mkdirSync(join(root, 'dist/ts'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  writeFileSync(
    join(root, 'dist/ts/main.js'),
    `import { appendFileSync } from 'node:fs'
     export async function main([log]) {
       const alive = setInterval(() => {}, 1000)
       for (const signal of ['SIGTERM', 'SIGINT']) {
         process.on(signal, () => {
           appendFileSync(log, signal)
           setTimeout(() => clearInterval(alive), ${stopMs})
           process.exitCode = 7
         })
       }
       console.log(process.pid)
     }`,
  )
  const script = join(root, 'launcher.js')
  writeFileSync(
    script,
    `import { serve } from ${JSON.stringify(pathToFileURL(join(LAUNCH, 'server.mjs')).href)}
     process.exitCode = await serve(${JSON.stringify(root)}, [${JSON.stringify(log)}])`,
  )
  return { script, log }
}

async function startServer(): Promise<{ launcher: ChildProcess; pid: number; log: string }> {
  const { script, log } = prepareServer()
  const launcher = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { launcher, pid: await firstLineOf(launcher), log }
}

async function firstLineOf(child: ChildProcess): Promise<number> {
  if (child.stdout === null) throw new Error('the output is not piped')
  const [line] = await once(child.stdout, 'data')
  return Number(line)
}

test('passes a signal on once and gives back the exit code of the server', async () => {
  const { launcher, log } = await startServer()
  launcher.kill('SIGINT')
  launcher.kill('SIGINT')
  const [code] = await once(launcher, 'exit')
  assert.is(code, 7)
  assert.is(readFileSync(log, 'utf8'), 'SIGINT')
})

test('stops the server when npm or its shell is gone', async () => {
  const { script, log } = prepareServer()
  // A shell that stays the parent, as the one that npm starts may.
  const shell = spawn('sh', ['-c', `"${process.execPath}" "${script}"; true`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, npm_lifecycle_event: 'start' },
  })
  const pid = await firstLineOf(shell)
  shell.kill('SIGKILL')
  await isGone(pid)
  assert.is(readFileSync(log, 'utf8'), 'SIGTERM')
})

test('leaves a server that stops alone when npm goes meanwhile', async () => {
  const { script, log } = prepareServer(1_000)
  const shell = spawn('sh', ['-c', `"${process.execPath}" "${script}"; true`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, npm_lifecycle_event: 'start' },
  })
  const pid = await firstLineOf(shell)
  const launcher = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  process.kill(Number(launcher), 'SIGINT')
  await until('the server has it', () => existsSync(log))
  shell.kill('SIGKILL')
  await isGone(pid)
  assert.is(readFileSync(log, 'utf8'), 'SIGINT')
})

test('stops the server when the launcher is killed', async () => {
  const { launcher, pid, log } = await startServer()
  launcher.kill('SIGKILL')
  await once(launcher, 'exit')
  await isGone(pid)
  assert.is(readFileSync(log, 'utf8'), 'SIGTERM')
})

test.run()
