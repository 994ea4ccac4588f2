/** The reference pages: the committed ones are those that declarations and server make now. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  array,
  boolean,
  bulk,
  double,
  integer,
  map,
  mapOf,
  nullable,
  nullableArray,
  ok,
  oneOf,
  pairs,
  type Reply,
  record,
  simple,
  tuple,
} from '../../ts/resp/reply.js'
import { notation } from '../support/reference/notation.js'
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

test('write reply types for both protocols', () => {
  const cases: readonly (readonly [Reply<unknown>, resp2: string, resp3?: string])[] = [
    [oneOf(ok, simple, nullable(bulk), bulk), 'OK | status | bulk | nil'],
    [array(nullable(integer)), '[(integer | nil) …]'],
    [array(tuple(bulk, double)), '[[bulk, bulk] …]', '[[bulk, double] …]'],
    [map({ a: boolean, b: bulk }), '["a", integer, "b", bulk]', '{"a": boolean, "b": bulk}'],
    [record({ a: integer }), '[integer]', '{"a": integer}'],
    [mapOf(bulk, array(bulk)), '[bulk, [bulk …] …]', '{bulk: [bulk …] …}'],
    [pairs(bulk, bulk), '[bulk, bulk …]', '[[bulk, bulk] …]'],
    [nullableArray(array(bulk)), '[bulk …] | nil array', '[bulk …] | nil'],
  ]
  for (const [{ shape }, resp2, resp3 = resp2] of cases) {
    assert.is(notation(shape, 2), resp2)
    assert.is(notation(shape, 3), resp3)
  }
})

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
