/**
 * Who this member is: a 40-digit id that is made once and kept as the name of the single directory
 * `<data_dir>/<cluster>/<member id>/`, below which the member's segment files live.
 */

import { createHash, randomUUID } from 'node:crypto'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { addon, type FileLock, nativeReason } from '../native.js'
import { makeDirectory } from '../store/make-directory.js'

const MEMBER_ID = /^[0-9a-f]{40}$/

export interface Identity {
  /** 40 lower-case hexadecimal digits. */
  readonly memberId: string
  /** Absolute path of the member's own directory. */
  readonly directory: string
  /** Gives the directory free for another process. */
  release(): void
}

/** The identity of a start that may still fail. */
export interface OpenedIdentity extends Identity {
  /** As `release`, and takes back every directory that `openIdentity` made: the start has failed
   *  before anything was stored in them. */
  undo(): Promise<void>
}

/** Finds the member id in the data directory, or makes one.
 *  @throws Error  one line for the operator: more than one entry, a foreign name, or the directory
 *                 is in use by another process */
export async function openIdentity(dataDir: string, clusterName: string): Promise<OpenedIdentity> {
  const parent = resolve(dataDir, clusterName)
  const topmost = await makeDirectory(parent, 'data_dir')
  const entries = await readdir(parent)
  if (entries.length > 1) throw new Error(`Found more than one file or directory in ${parent}`)
  const [existing] = entries
  if (existing !== undefined && !MEMBER_ID.test(existing)) {
    throw new Error(`${join(parent, existing)} is not a member's directory`)
  }
  const memberId = existing ?? createHash('sha1').update(randomUUID()).digest('hex')
  const directory = join(parent, memberId)
  await makeDirectory(directory, 'data_dir')
  const lock = lockDirectory(directory)
  const release = () => lock.release()
  const undo = async () => {
    release()
    if (existing !== undefined) return
    await rm(directory, { recursive: true })
    if (topmost !== undefined) await removeEmpty(parent, topmost)
  }
  return { memberId, directory, release, undo }
}

/** Removes `path` and its parents up to `topmost`, as long as they are empty: another process may
 *  use them by now. */
async function removeEmpty(path: string, topmost: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw cause
    return
  }
  if (path !== topmost) await removeEmpty(dirname(path), topmost)
}

function lockDirectory(directory: string): FileLock {
  try {
    return addon.FileLock.acquire(join(directory, '.lock'))
  } catch (cause) {
    const reason = nativeReason(cause)
    if (reason === undefined) throw cause
    const what =
      reason.code === 'LOCKED'
        ? 'is in use by another process'
        : `cannot be locked (${reason.message}): set data_dir to one that this process may write to`
    throw new Error(`the data directory ${directory} ${what}`, { cause })
  }
}
