/** Files of the repository, for tests that look at sources rather than run them. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository, found upwards from the compiled file by its Cargo.toml. */
export const repositoryRoot = findRoot(dirname(fileURLToPath(import.meta.url)))

const NOT_SOURCES = new Set(['.git', 'node_modules', 'dist', 'target'])

/** Paths of all files that belong to the repository, sorted: those that git knows or would add.
 *  Without git, everything but the folders of results. */
export function repositoryFiles(): string[] {
  const listed = existsSync(join(repositoryRoot, '.git')) ? listWithGit() : listFolder('')
  return listed.filter(path => existsSync(join(repositoryRoot, path))).sort()
}

/** A file's text. */
export function repositoryText(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8')
}

function findRoot(from: string): string {
  if (existsSync(join(from, 'Cargo.toml'))) return from
  const parent = dirname(from)
  if (parent === from) throw new Error('the compiled tests are outside the repository')
  return findRoot(parent)
}

function listWithGit(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const output = execFileSync('git', args, { cwd: repositoryRoot, encoding: 'utf8' })
  return output.split('\0').filter(path => path !== '')
}

function listFolder(folder: string): string[] {
  const names = readdirSync(join(repositoryRoot, folder)).filter(name => !NOT_SOURCES.has(name))
  return names.flatMap(name => {
    const path = folder === '' ? name : `${folder}/${name}`
    return statSync(join(repositoryRoot, path)).isDirectory() ? listFolder(path) : [path]
  })
}
