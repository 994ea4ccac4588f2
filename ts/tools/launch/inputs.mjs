/**
 * Decides whether a build is up to date: a stamp file holds the hash of everything the build was
 * made from. Contents are hashed, not times, so a fresh clone, a branch switched back and forth
 * and a copied directory all do the right thing.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Folders that hold results, never inputs. */
const NOT_INPUTS = new Set(['node_modules', 'target', 'dist'])

/** Hash over files and, recursively, folders, names included. A path that is absent counts as such.
 *  The platform is part of it: results of one machine don't serve another. */
export function hashOf(root, paths) {
  const hash = createHash('sha256')
  hash.update(`${process.platform} ${process.arch}\n`)
  for (const path of paths) addPath(hash, root, path)
  return hash.digest('hex')
}

/** Whether the stamp was written for this hash and every result is still there. */
export function isCurrent(root, { stamp, hash, results }) {
  return read(join(root, stamp)) === hash && results.every(path => exists(join(root, path)))
}

/** ORDER: written after the results, so that an interrupted build does not count as done. */
export function writeStamp(root, { stamp, hash }) {
  const path = join(root, stamp)
  const fresh = `${path}.${process.pid}`
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(fresh, hash)
  renameSync(fresh, path)
}

/** A file's text, or undefined if it is not there. */
export function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

export function exists(path) {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function addPath(hash, root, path) {
  const stats = statSync(join(root, path), { throwIfNoEntry: false })
  if (stats === undefined) {
    hash.update(`${path} absent\n`)
  } else if (stats.isDirectory()) {
    for (const name of readdirSync(join(root, path)).sort()) {
      if (!NOT_INPUTS.has(name)) addPath(hash, root, `${path}/${name}`)
    }
  } else {
    hash.update(`${path} ${stats.size}\n`)
    hash.update(readFileSync(join(root, path)))
  }
}
