import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { objectIdOf, toDocument } from '../../../ts/tools/load/documents.js'
import { LoadError } from '../../../ts/tools/load/error.js'
import { batchesOf, type Line, readLines } from '../../../ts/tools/load/lines.js'
import { parseOptions } from '../../../ts/tools/load/options.js'
import { Progress } from '../../../ts/tools/load/progress.js'
import { property } from '../../support/budget.js'

const test = suite('loader')
let directory = ''
let file = ''

test.before.each(() => {
  directory = mkdtempSync(join(tmpdir(), 'kronotop-load-'))
  file = join(directory, 'input.jsonl')
})

test.after.each(() => rmSync(directory, { recursive: true }))

const START = { offset: 0, lineNumber: 0 }
const IDS = { second: 0x5f00_0000, fileName: 'input.jsonl' }

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const line = (text: string | Buffer, number = 1): Line => {
  const bytes = Buffer.from(text)
  return { number, end: bytes.length, bytes }
}

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.instance(error, LoadError)
    return (error as LoadError).message
  }
  throw new Error('accepted')
}

test('reads lines, with or without a last line end, and leaves blank ones out', async () => {
  writeFileSync(file, 'one\r\n\n  \ntwo\nthree')
  const lines = await collect(readLines(file, START))
  const seen = lines.map(({ number, end, bytes }) => [number, end, bytes.toString()])
  assert.equal(seen, [
    [1, 5, 'one\r'],
    [4, 13, 'two'],
    [5, 18, 'three'],
  ])
})

test('goes on at the end of any line as if it had read what is before', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.stringMatching(/^[a-z ]{0,9}$/)), async texts => {
      writeFileSync(file, texts.join('\n'))
      const all = await collect(readLines(file, START))
      for (const [at, { end, number }] of all.entries()) {
        const rest = await collect(readLines(file, { offset: end, lineNumber: number }))
        assert.equal(rest, all.slice(at + 1))
      }
    }),
    property('lines of a load'),
  )
})

test('groups lines by count and by size', async () => {
  const many = Array.from({ length: 5 }, (_, n) => line('x', n))
  async function* from(lines: Line[]) {
    yield* lines
  }
  const sizes = async (lines: Line[], size: number) =>
    (await collect(batchesOf(from(lines), size))).map(batch => batch.lines.length)
  assert.equal(await sizes(many, 2), [2, 2, 1])
  assert.equal(await sizes([], 2), [])
  const large = Array.from({ length: 3 }, (_, n) => line(Buffer.alloc(3 * 1024 * 1024), n))
  assert.equal(await sizes(large, 100), [1, 1, 1])
})

test('gives a document without _id one that depends on the line alone', () => {
  const id = objectIdOf(line('{"a":1.0}', 7), IDS)
  assert.match(id, /^5f00000000000007[0-9a-f]{8}$/)
  assert.equal(toDocument(line('{"a":1.0}', 7), IDS), {
    document: `{"_id":{"$oid":"${id}"},"a":1.0}`,
  })
  assert.is(objectIdOf(line('{"a":1.0}', 7), IDS), id)
  assert.is.not(objectIdOf(line('{"a":2.0}', 7), IDS), id)
  const empty = line(' { } ')
  const made = toDocument(empty, IDS)
  assert.equal(made, { document: `{"_id":{"$oid":"${objectIdOf(empty, IDS)}"} }` })
})

test('leaves a document with _id as it is', () => {
  const text = '{"_id":"5f0000000000000000000001","n":123456789012345678901234567890}'
  assert.equal(toDocument(line(`\uFEFF${text}\r`), IDS), { document: text })
})

test('says why a line is no document', () => {
  const mistake = (text: string | Buffer) => {
    const made = toDocument(line(text), IDS)
    return 'mistake' in made ? made.mistake : ''
  }
  assert.match(mistake('{"a":'), 'JSON')
  assert.is(mistake('[1]'), 'it is no JSON object')
  assert.is(mistake('null'), 'it is no JSON object')
  assert.match(mistake(Buffer.from([0x7b, 0xff, 0x7d])), 'utf-8')
})

const open = (options: { restart?: boolean; bucket?: string } = {}) =>
  new Progress({ file, bucket: 'b', namespace: undefined, restart: false, ...options })

test('remembers the position, the counts and the ids of a load', () => {
  writeFileSync(file, 'one\ntwo\n')
  const first = open()
  assert.not.ok(first.resumed)
  first.advance({ offset: 4, lineNumber: 1 }, { inserted: 1, present: 0, skipped: 0 })
  first.save()
  utimesSync(file, 1, 1)
  const second = open()
  assert.ok(second.resumed)
  assert.equal(second.position, { offset: 4, lineNumber: 1 })
  assert.equal(second.counts, { inserted: 1, present: 0, skipped: 0 })
  assert.is(second.second, first.second)
  second.remove()
  assert.not.ok(open().resumed)
})

test('writes nothing before it is told to', () => {
  writeFileSync(file, 'one\n')
  open()
  assert.not.ok(existsSync(`${file}.kronotop-progress`))
})

test('goes on only with the same file and the same target', () => {
  writeFileSync(file, 'one\ntwo\n')
  const first = open()
  first.advance({ offset: 4, lineNumber: 1 }, { inserted: 1, present: 0, skipped: 0 })
  first.save()
  assert.match(
    refusal(() => open({ bucket: 'c' })),
    'a load of this file into b is unfinished',
  )
  assert.not.ok(open({ bucket: 'c', restart: true }).resumed)
  writeFileSync(file, 'one\nmended\n')
  assert.ok(open().resumed)
  writeFileSync(file, 'another\n')
  assert.match(
    refusal(() => open()),
    'has changed since its load began',
  )
  writeFileSync(`${file}.kronotop-progress`, '{"version":2}')
  assert.match(
    refusal(() => open()),
    'is no progress file',
  )
  rmSync(file)
  assert.match(
    refusal(() => open({ restart: true })),
    'is not there',
  )
  assert.match(
    refusal(() => new Progress({ file: directory, bucket: 'b', namespace: 'n', restart: true })),
    'is no file',
  )
})

test('takes the command line apart', () => {
  const options = parseOptions(['f.jsonl', '--bucket', 'b', '--port', '7000'], '/base')
  assert.equal(options, {
    file: '/base/f.jsonl',
    bucket: 'b',
    namespace: undefined,
    host: '127.0.0.1',
    port: 7000,
    batch: 100,
    connections: 4,
    onError: 'stop',
    restart: false,
  })
  assert.is(parseOptions(['--help'], '/'), undefined)
  const wrong: [string[], string][] = [
    [[], 'name one FILE'],
    [['a', 'b', '--bucket', 'b'], 'name one FILE'],
    [['a'], '--bucket NAME is missing'],
    [['a', '--bucket', 'b', '--batch', '0'], '--batch is a whole number from 1 to 10000'],
    [['a', '--bucket', 'b', '--port', '7e3'], '--port is a whole number'],
    [['a', '--bucket', 'b', '--on-error', 'x'], '--on-error is stop or skip'],
    [['a', '--nope'], "Unknown option '--nope'"],
  ]
  for (const [argv, message] of wrong) {
    assert.match(
      refusal(() => parseOptions(argv, '/')),
      message,
    )
  }
})

test.run()
