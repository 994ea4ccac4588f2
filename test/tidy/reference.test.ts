/** The committed reference pages are those that the declarations and the server make now. */
import { suite } from 'uvu'
import { makeReference, REFERENCE_FOLDER } from '../support/reference/reference.js'
import { repositoryFiles, repositoryText } from '../support/repository.js'
import { refuse } from './sources.js'

const test = suite('reference pages')

/** The first line that is another one. */
function difference(committed: string, made: string): string {
  const [before, now] = [committed.split('\n'), made.split('\n')]
  const line = before.findIndex((text, index) => text !== now[index])
  const at = line < 0 ? before.length : line
  return `line ${at + 1} is "${before[at] ?? ''}", made is "${now[at] ?? ''}"`
}

test('are what `npm run docs` makes', async () => {
  const pages = await makeReference()
  const made = new Map([...pages].map(([name, page]) => [`${REFERENCE_FOLDER}/${name}`, page]))
  const committed = repositoryFiles().filter(path => path.startsWith(`${REFERENCE_FOLDER}/`))
  const broken = [...new Set([...committed, ...made.keys()])].sort().flatMap(path => {
    const page = made.get(path)
    if (page === undefined) return [`${path}: no command has this page`]
    if (!committed.includes(path)) return [`${path}: missing`]
    const text = repositoryText(path)
    return text === page ? [] : [`${path}: ${difference(text, page)}`]
  })
  const masks = 'what differs in each run needs a row in test/support/reference/masks.ts'
  refuse(`run \`npm run docs\` and commit what it writes; ${masks}`, broken)
})

test.run()
