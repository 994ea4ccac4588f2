import { suite } from 'uvu'
import { codeFiles, refuse, textFiles } from './sources.js'

const test = suite('words')

/** This folder names what it forbids. */
const isLaw = (path: string) => path.startsWith('test/tidy/')

function lines(sources: ReturnType<typeof textFiles>, pattern: RegExp): string[] {
  return sources
    .filter(({ path }) => !isLaw(path))
    .flatMap(source =>
      source.lines.flatMap((line, index) =>
        pattern.test(line) ? [`${source.path}:${index + 1}: ${line.trim().slice(0, 80)}`] : [],
      ),
    )
}

test('leaves nothing for later', () => {
  const broken = lines(textFiles(), /\b(TODO|FIXME|XXX|HACK)\b/)
  refuse('do it now, or leave it out and say so in the documentation', broken)
})

test('does not switch the type checker or a lint off in passing', () => {
  const broken = lines(codeFiles(), /\bas any\b|: any\b|@ts-(ignore|nocheck|expect-error)/)
  refuse('give the value its type; a lint is switched off with a reason beside it', broken)
})

test('neither skips nor singles out tests', () => {
  const broken = lines(codeFiles(), /\btest\.(only|skip)\b|#\[ignore\b/)
  refuse('every test runs; reportSkip says what this machine cannot test', broken)
})

test('names no issue', () => {
  const broken = lines(textFiles(), /\bissues? #?\d+\b/i)
  refuse('say what holds and why, not where it was discussed', broken)
})

test('names no machine and no package registry', () => {
  const broken = lines(
    textFiles(),
    /(^|[\s"'`(=:])\/(home|root|work|Users)\/\w|\bregistry\.[a-z]+\.[a-z]+|\b(npm|pypi|crates)\.(org|io)\b/,
  )
  refuse('paths are relative to the repository; registries are those of the machine', broken)
})

test.run()
