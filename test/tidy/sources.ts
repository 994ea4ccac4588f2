/** What the style laws look at: the repository's files, by language. */
import { repositoryFiles, repositoryText } from '../support/repository.js'

/** A file with its lines. */
export interface Source {
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
}

const CODE = /\.(ts|mts|mjs|rs|cc|cpp|h|hpp)$/
const GENERATED = /\.gen(\.d)?\.ts$/

/** Files that people write code in: all languages, without generated ones. */
export function codeFiles(): Source[] {
  return repositoryFiles()
    .filter(path => CODE.test(path) && !GENERATED.test(path))
    .map(load)
}

/** Files that hold text, code or not; without lock files, fixtures and the licence. */
export function textFiles(): Source[] {
  const skipped = /(^LICENSE$|-lock\.json$|\.lock$|\/fixtures\/)/
  return repositoryFiles()
    .filter(path => !skipped.test(path))
    .map(load)
    .filter(source => !source.text.includes('\0'))
}

/** Whether a file holds tests, which may be longer. */
export function isTest(path: string): boolean {
  return path.startsWith('test/') || /(^|_)tests?\.rs$/.test(path) || path.includes('/tests/')
}

/** Fails with all broken places at once, below the remedy.
 *  @param remedy  the law, and what to do about a break */
export function refuse(remedy: string, broken: readonly string[]): void {
  if (broken.length > 0) throw new Error(`${remedy}\n  ${broken.join('\n  ')}`)
}

function load(path: string): Source {
  const text = repositoryText(path)
  return { path, text, lines: text.split('\n') }
}
