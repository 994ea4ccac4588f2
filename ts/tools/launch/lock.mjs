/**
 * One launcher builds at a time. The lock is a file that its holder touches every second: it is
 * stale when its process is gone, or when nobody touched it for long (the process may live in
 * another container).
 */
import {
  linkSync,
  mkdirSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { read } from './inputs.mjs'

const TOUCH_MS = 1000
const STALE_MS = 30_000
const POLL_MS = 100

/** Runs `body` while holding the lock at `path`.
 *  @param onWait  called once if another process holds it */
export async function withLock(path, body, onWait) {
  mkdirSync(dirname(path), { recursive: true })
  let waited = false
  while (!acquire(path)) {
    if (!waited) onWait()
    waited = true
    removeIfStale(path)
    await sleep(POLL_MS)
  }
  const touching = setInterval(() => touch(path), TOUCH_MS)
  touching.unref()
  const release = () => rmSync(path, { force: true })
  process.once('exit', release)
  try {
    return await body()
  } finally {
    clearInterval(touching)
    process.off('exit', release)
    release()
  }
}

/** ORDER: the file gets its content before its name, so that nobody reads it empty. */
function acquire(path) {
  const own = `${path}.${process.pid}`
  writeFileSync(own, String(process.pid))
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

/** ORDER: only the one that made the guard directory looks again and removes, so that two waiting
 *  processes can't remove the stale lock and then each other's. */
function removeIfStale(path) {
  if (!isStale(path)) return
  const guard = `${path}.guard`
  try {
    mkdirSync(guard)
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    if (age(guard) > STALE_MS) rmdirSync(guard)
    return
  }
  if (isStale(path)) rmSync(path, { force: true })
  rmdirSync(guard)
}

function isStale(path) {
  const holder = Number(read(path))
  if (!Number.isInteger(holder) || holder <= 0) return false
  return !isAlive(holder) || age(path) > STALE_MS
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code !== 'ESRCH'
  }
}

function age(path) {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 0 : Date.now() - stats.mtimeMs
}

function touch(path) {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
}
