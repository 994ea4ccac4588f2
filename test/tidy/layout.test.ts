import { posix } from 'node:path'
import { suite } from 'uvu'
import { repositoryFiles, repositoryText } from '../support/repository.js'
import { refuse } from './sources.js'

const test = suite('layout')

const TOP_LEVEL = [
  '.ci',
  '.gitignore',
  '.npmrc',
  'Cargo.lock',
  'Cargo.toml',
  'LICENSE',
  'README.md',
  'bench',
  'biome.json',
  'clippy.toml',
  'docs',
  'native',
  'package-lock.json',
  'package.json',
  'rustfmt.toml',
  'test',
  'ts',
  'tsconfig.json',
]

const KEBAB = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const SNAKE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/

test('keeps the top level to its entries', () => {
  const present = new Set(repositoryFiles().map(path => path.split('/')[0] ?? ''))
  const unexpected = [...present].filter(name => !TOP_LEVEL.includes(name))
  refuse('put it into one of the folders, or into .gitignore if it is a result', unexpected)
})

test('names files kebab-case in TypeScript, snake_case in Rust and C++', () => {
  const broken = repositoryFiles().filter(path => {
    const [stem = ''] = posix.basename(path).split('.')
    if (/\.(ts|mjs)$/.test(path)) return !KEBAB.test(stem)
    return /\.(rs|cc|cpp|h|hpp)$/.test(path) && !SNAKE.test(stem)
  })
  refuse('rename the file', broken)
})

test('names only paths that exist in the documentation', () => {
  const files = repositoryFiles()
  const exists = (path: string) =>
    files.some(file => file === path || file.startsWith(`${path.replace(/\/$/, '')}/`))
  const broken = files
    .filter(path => path.endsWith('.md'))
    .flatMap(page =>
      pathsIn(repositoryText(page))
        .filter(path => !exists(path))
        .map(path => `${page}: ${path}`),
    )
  refuse('the path is gone or misspelt', broken)
})

/** Paths in backticks, and targets of links, that begin with a folder of the repository. */
function pathsIn(markdown: string): string[] {
  const quoted = [...markdown.matchAll(/`([^`\s]+)`|\]\(([^)\s]+)\)/g)]
  return quoted
    .map(match => (match[1] ?? match[2] ?? '').replace(/[:#].*$/, ''))
    .filter(path => /^(ts|native|test|bench|docs|\.ci)\/[\w./-]+$/.test(path))
}

test.run()
