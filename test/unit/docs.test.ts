/** What the pages of documentation say about names that the code has. */
import { posix } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { redisCommands } from '../../ts/commands/redis/index.js'
import { isGroup, ROWS } from '../../ts/config/rows.js'
import { repositoryFiles, repositoryText } from '../support/repository.js'

const test = suite('documentation')

const PAGES = repositoryFiles().filter(path => path.endsWith('.md'))
const ARCHITECTURE_LINES = 600

function found(pattern: RegExp): { page: string; name: string }[] {
  return PAGES.flatMap(page =>
    [...repositoryText(page).matchAll(pattern)].map(match => ({ page, name: match[1] ?? '' })),
  )
}

/** The anchors of a page's headings, as they are made on the web. */
function anchorsOf(page: string): string[] {
  const headings = [...repositoryText(page).matchAll(/^#+ (.+)$/gm)].map(match => match[1] ?? '')
  return headings.map(text =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test('names scripts that package.json has', () => {
  const { scripts } = JSON.parse(repositoryText('package.json'))
  const named = found(/`npm run ([\w:-]+)/g)
  assert.ok(named.length > 0)
  const unknown = named.filter(({ name }) => !(name in scripts))
  assert.equal(unknown, [])
  assert.ok('start' in scripts && 'test' in scripts)
})

test('names settings that exist', () => {
  const groups = new Set([...ROWS.keys()].map(key => key.split('.')[0]))
  const named = found(/[`\s]([a-z_]+(?:\.[a-z_]+)+)[`=]/g)
  const settings = named.filter(({ name }) => groups.has(name.split('.')[0]))
  assert.ok(settings.length > 10)
  const unknown = settings.filter(({ name }) => !ROWS.has(name) && !isGroup(name))
  assert.equal(unknown, [])
})

test('links to pages and headings that exist', () => {
  const files = new Set(repositoryFiles())
  const broken = found(/\]\(([^)\s]+)\)/g).filter(({ page, name }) => {
    if (/^https?:/.test(name)) return false
    const [path = '', anchor] = name.split('#')
    const target = path === '' ? page : posix.join(posix.dirname(page), path)
    if (!files.has(target)) return true
    return anchor !== undefined && !anchorsOf(target).includes(anchor)
  })
  assert.equal(broken, [])
})

test('lists the commands on hashes that there are', () => {
  const listed =
    /Redis commands on hashes besides ([^;]+);/.exec(repositoryText('README.md'))?.[1] ?? ''
  const names = [...listed.matchAll(/`([A-Z]+)`/g)].map(match => match[1])
  const hashes = redisCommands.filter(({ group }) => group === 'hash')
  assert.equal(names.sort(), hashes.map(({ name }) => name).sort())
})

test('keeps ARCHITECTURE.md readable in one go', () => {
  assert.ok(repositoryText('docs/ARCHITECTURE.md').split('\n').length < ARCHITECTURE_LINES)
})

test.run()
