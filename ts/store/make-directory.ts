/** Directories that a start makes when they are missing. */

import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes a directory and its missing parents; one that is there is fine.
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
 *  of users, such as /proc. */
async function make(path: string): Promise<string | undefined> {
  try {
    await mkdir(path)
    return path
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return undefined
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path || (await exists(parent))) throw cause
    const topmost = await make(parent)
    return (await make(path)) && topmost
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw cause
  }
}
