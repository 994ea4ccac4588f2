import { suite } from 'uvu'
import { repositoryFiles, repositoryText } from '../support/repository.js'
import { refuse } from './sources.js'

const test = suite('dependencies')

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const manifest: Manifest = JSON.parse(repositoryText('package.json'))
const packages = { ...manifest.dependencies, ...manifest.devDependencies }

/** Names in the dependency tables of all Cargo manifests, without our own crates. */
function crates(): string[] {
  const manifests = repositoryFiles().filter(path => /(^|\/)Cargo\.toml$/.test(path))
  const names = manifests.flatMap(path => {
    const tables = repositoryText(path).split(/^\[/m)
    return tables
      .filter(table => /^[^\]]*dependencies\]/.test(table))
      .map(table => table.slice(table.indexOf(']')))
      .flatMap(rows => [...rows.matchAll(/^([\w-]+)[ .]/gm)].map(match => match[1] ?? ''))
  })
  return [...new Set(names)].filter(name => !name.startsWith('kronotop-'))
}

test('says of every dependency why it is there', () => {
  const documented = repositoryText('docs/ARCHITECTURE.md')
  const missing = [...Object.keys(packages), ...crates()].filter(
    name => !documented.includes(`\`${name}\``),
  )
  refuse('give it a line in the dependency table of docs/ARCHITECTURE.md', missing)
})

test('pins every npm package', () => {
  const loose = Object.entries(packages).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
  refuse(
    'write the exact version',
    loose.map(([name, version]) => `${name} ${version}`),
  )
})

test('has a lock file that npm ci accepts on every platform', () => {
  const locked: Record<string, LockedPackage> = JSON.parse(
    repositoryText('package-lock.json'),
  ).packages
  const missing = Object.entries(locked).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      name => !(`node_modules/${name}` in locked || `${path}/node_modules/${name}` in locked),
    ),
  )
  refuse('npm left packages of other platforms out of package-lock.json: add them', missing)
})

test('has lock files that name no mirror', () => {
  const text = repositoryText('Cargo.lock')
  const sources = new Set([...text.matchAll(/^source = "(.*)"$/gm)].map(match => match[1] ?? ''))
  const index = 'registry+https://github.com/rust-lang/crates.io-index'
  refuse(
    'only the public index may stand in Cargo.lock',
    [...sources].filter(s => s !== index),
  )
  const resolved = repositoryText('package-lock.json').includes('"resolved"')
  refuse(
    'keep omit-lockfile-registry-resolved=true in .npmrc',
    resolved ? ['package-lock.json'] : [],
  )
})

test.run()
