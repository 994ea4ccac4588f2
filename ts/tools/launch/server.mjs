/**
 * Runs the server in a process of its own, because the size of V8's heap can only be given when a
 * process starts. The two live and die together: signals go on to the server, its exit code comes
 * back, and when the launcher is killed the server sees its channel close and stops by itself.
 */
import { fork } from 'node:child_process'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { processOptions } from './process.mjs'

const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2']

/** A terminal and npm may both deliver one Ctrl-C: the copy is dropped. */
const SAME_SIGNAL_MS = 200

const PARENT_POLL_MS = 250

/** @returns the exit code of the server */
export function serve(root, argv) {
  const wrapper = join(dirname(fileURLToPath(import.meta.url)), 'server-process.mjs')
  const child = fork(wrapper, [join(root, 'dist/ts/main.js'), ...argv], {
    // INVARIANT: the launcher's own flags are not passed on; with `--eval` among them the child
    // would run the launcher again. NODE_OPTIONS reaches both.
    ...processOptions(process.env),
    // INVARIANT: a session of its own, so that a terminal's Ctrl-C reaches the launcher alone.
    detached: true,
  })
  const forwarded = forwardSignals(child)
  if (process.env.npm_lifecycle_event !== undefined) stopWithoutNpm(child, forwarded)
  return new Promise((done, failed) => {
    child.on('error', failed)
    child.on('exit', (code, signal) => done(code ?? 128 + constants.signals[signal]))
  })
}

/** @returns when each signal went on to the server last */
function forwardSignals(child) {
  const lastAt = new Map()
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      const now = Date.now()
      if (now - (lastAt.get(signal) ?? 0) > SAME_SIGNAL_MS) child.kill(signal)
      lastAt.set(signal, now)
    })
  }
  return lastAt
}

/** npm may die without a word to those it started: by SIGKILL, or because the shell between it and
 *  the launcher took the signal for itself. The launcher then has another parent. A server that was
 *  told to stop is left alone: to it a second signal means to hurry. */
function stopWithoutNpm(child, forwarded) {
  const parent = process.ppid
  const watching = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watching)
    if (!forwarded.has('SIGTERM') && !forwarded.has('SIGINT')) child.kill('SIGTERM')
  }, PARENT_POLL_MS)
  watching.unref()
}
