/**
 * Who this member is: a 40-digit id that is made once and kept as the name of the single directory
 * `<data_dir>/<cluster>/<member id>/`, below which the member's segment files live.
 */

import { createHash, randomUUID } from 'node:crypto'
import { open, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
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

/** Finds the member id in the data directory, or makes one.
 *  @throws Error  one line for the operator: more than one entry, a foreign name, or the directory
 *                 is in use by another process */
export async function openIdentity(dataDir: string, clusterName: string): Promise<Identity> {
  const parent = resolve(dataDir, clusterName)
  await makeDirectory(parent, 'data_dir')
  const entries = await readdir(parent)
  if (entries.length > 1) throw new Error(`Found more than one file or directory in ${parent}`)
  const [existing] = entries
  if (existing !== undefined && !MEMBER_ID.test(existing)) {
    throw new Error(`${join(parent, existing)} is not a member's directory`)
  }
  const memberId = existing ?? createHash('sha1').update(randomUUID()).digest('hex')
  const directory = join(parent, memberId)
  if (existing === undefined) {
    await makeDirectory(directory, 'data_dir')
    await syncDirectory(parent)
  }
  const lock = lockDirectory(directory)
  return { memberId, directory, release: () => lock.release() }
}

function lockDirectory(directory: string): FileLock {
  try {
    return addon.FileLock.acquire(join(directory, '.lock'))
  } catch (cause) {
    if (nativeReason(cause)?.code !== 'LOCKED') throw cause
    throw new Error(`the data directory ${directory} is in use by another process`, { cause })
  }
}

/** Makes the directory's entries durable, so that the id survives power loss. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
