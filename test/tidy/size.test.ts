import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type FunctionSpan, rustFunctions, typescriptFunctions } from './functions.js'
import { codeFiles, isTest, refuse } from './sources.js'

const test = suite('size')

const FILE_LINES = 600
const TEST_FILE_LINES = 800
const FUNCTION_LINES = 70
const COLUMNS = 100

test('keeps files short', () => {
  const broken = codeFiles()
    .map(({ path, lines }) => ({ path, count: lines.length - 1 }))
    .filter(({ path, count }) => count > (isTest(path) ? TEST_FILE_LINES : FILE_LINES))
    .map(({ path, count }) => `${path}: ${count} lines`)
  refuse(`a file has at most ${FILE_LINES} lines, a test ${TEST_FILE_LINES}: split it`, broken)
})

test('keeps functions short', () => {
  const broken = codeFiles().flatMap(({ path, lines }) => {
    const functions = path.endsWith('.rs') ? rustFunctions(lines) : typescriptFunctions(lines)
    return functions
      .filter(({ length }) => length > FUNCTION_LINES)
      .filter(span => !isGroupOfTests(lines, span))
      .map(({ line, length }) => `${path}:${line}: ${length} lines`)
  })
  refuse(`a function has at most ${FUNCTION_LINES} lines: take a part out and name it`, broken)
})

test('keeps lines short', () => {
  const broken = codeFiles().flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      isTooLong(line) ? [`${path}:${index + 1}: ${[...line].length} columns`] : [],
    ),
  )
  refuse(`a line has at most ${COLUMNS} columns: break it`, broken)
})

/** A function that registers the same tests for several subjects. */
function isGroupOfTests(lines: readonly string[], { line, length }: FunctionSpan): boolean {
  return lines.slice(line, line + length).some(inner => /^ +test\('/.test(inner))
}

/** A line that one long word fills, such as a regular expression, can't be broken. */
function isTooLong(line: string): boolean {
  const words = line.trim().split(' ')
  return [...line].length > COLUMNS && words.every(word => word.length < COLUMNS / 2)
}

test('finds functions of both languages', () => {
  const typescript = [
    'export function a(',
    '  b: string,',
    '): void {',
    '  if (b) {',
    '    c()',
    '  }',
    '}',
    'class D {',
    '  private async e(): Promise<void> {',
    '    return',
    '  }',
    '}',
    "test('f', () => {",
    '  g()',
    '})',
  ]
  assert.equal(typescriptFunctions(typescript), [
    { line: 1, length: 7 },
    { line: 9, length: 3 },
    { line: 13, length: 3 },
  ])
  const rust = [
    'impl A {',
    '    pub(crate) fn b(',
    '        &self,',
    '    ) -> u8 {',
    '        match x {',
    '        }',
    '    }',
    '    fn declared(&self);',
    '}',
  ]
  assert.equal(rustFunctions(rust), [{ line: 2, length: 6 }])
})

test.run()
