/** Directories that a start makes when they are missing. */

import type { Stats } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes a directory and its missing parents, durable on return; one that is there is fine.
 *  @param setting  the setting that names it, for the operator
 *  @returns        the topmost directory that was made; undefined when all were there
 *  @throws Error   one line that says what to do */
export async function makeDirectory(path: string, setting: string): Promise<string | undefined> {
  try {
    return await make(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const advice = `set ${setting} to a directory that this process may write to`
    throw new Error(`cannot make the directory ${path} (${code}): ${advice}`, { cause })
  }
}

/** Level by level: `mkdir` with `recursive` never returns below a mount that has no directories
 *  of users, such as /proc.
 *  ORDER: a directory is durable before anything is made in it. */
async function make(path: string): Promise<string | undefined> {
  const parent = dirname(path)
  const found = await find(path)
  if (found?.isDirectory()) {
    await keep(path)
    return undefined
  }
  const topmost = found === undefined && parent !== path ? await make(parent) : undefined
  try {
    await mkdir(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw cause
    // Another process has made it meanwhile.
    await keep(path)
    return topmost
  }
  await syncDirectory(parent)
  return topmost ?? path
}

/** A directory that is there may be of a start that was killed before it was durable. */
async function keep(path: string): Promise<void> {
  try {
    await syncDirectory(dirname(path))
  } catch (cause) {
    // Who may not read the parent has not made the directory.
    if ((cause as NodeJS.ErrnoException).code !== 'EACCES') throw cause
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function find(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
