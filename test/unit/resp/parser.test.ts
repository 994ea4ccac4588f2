import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Parser } from '../../../ts/resp/parser.js'
import { property } from '../../support/budget.js'

interface Parsed {
  requests: string[][]
  /** The protocol error, if one ended the input. */
  error: string | undefined
  /** Bytes not consumed. */
  left: number
}

/** Feeds chunks to one parser as a transport does: unconsumed bytes come again, in another place,
 *  and not before as many are there as the parser expects. */
function parseAll(chunks: readonly Buffer[]): Parsed {
  const parser = new Parser()
  const requests: string[][] = []
  let kept = Buffer.alloc(0)
  let expected = 0
  for (const [turn, chunk] of chunks.entries()) {
    kept = Buffer.concat([kept, chunk])
    if (kept.length < expected) continue
    const margin = turn % 3
    const input = Buffer.concat([Buffer.alloc(margin, '*'), kept, Buffer.alloc(margin, '\n')])
    const end = margin + kept.length
    let at = margin
    let outcome = parser.parse(input, at, end)
    for (; outcome === 'complete'; outcome = parser.parse(input, at, end)) {
      at += parser.consumed
      const { frame } = parser
      const words = Array.from({ length: frame.count }, (_, index) => frame.latin1(index))
      if (words.length > 0) requests.push(words)
    }
    if (outcome === 'failed') return { requests, error: parser.error, left: end - at }
    at += parser.consumed
    kept = kept.subarray(at - margin)
    expected = parser.expectBytes
  }
  return { requests, error: undefined, left: kept.length }
}

function parseText(...chunks: string[]): Parsed {
  return parseAll(chunks.map(chunk => Buffer.from(chunk, 'latin1')))
}

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(word => `$${word.length}\r\n${word}\r\n`).join('')}`
}

test('reads an array of bulks, binary-safe', () => {
  const words = ['SET', 'k\r\n\0', '', 'ÿ*$']
  assert.equal(parseText(encode(words)), { requests: [words], error: undefined, left: 0 })
})

test('reads a pipeline of arrays and inline commands', () => {
  const text = `${encode(['A', '1'])}PING\r\n${encode(['B'])}ECHO  hi\n`
  const requests = [['A', '1'], ['PING'], ['B'], ['ECHO', 'hi']]
  assert.equal(parseText(text).requests, requests)
})

test('ignores empty lines and arrays without elements', () => {
  const text = `\r\n\n  \r\n*0\r\n*-1\r\n*-7\r\n${encode(['PING'])}`
  assert.equal(parseText(text), { requests: [['PING']], error: undefined, left: 0 })
})

test('says how many bytes a bulk needs', () => {
  const parser = new Parser()
  const input = Buffer.from('*1\r\n$1000\r\nabc')
  assert.is(parser.parse(input, 0, input.length), 'incomplete')
  assert.is(parser.expectBytes, '*1\r\n$1000\r\n'.length + 1002)
})

const PROTOCOL_ERRORS: readonly (readonly [string, string])[] = [
  ['*x\r\n', 'invalid multibulk length'],
  ['*\r\n', 'invalid multibulk length'],
  ['*+1\r\n', 'invalid multibulk length'],
  ['*01\r\n', 'invalid multibulk length'],
  ['*1 \r\n', 'invalid multibulk length'],
  ['*2147483648\r\n', 'invalid multibulk length'],
  ['*99999999999999999999\r\n', 'invalid multibulk length'],
  ['*1\r\nPING\r\n', "expected '$', got 'P'"],
  ['*1\r\n:4\r\n', "expected '$', got ':'"],
  ['*1\r\n*1\r\n', "expected '$', got '*'"],
  ['*1\r\n$x\r\n', 'invalid bulk length'],
  ['*1\r\n$\r\n', 'invalid bulk length'],
  ['*1\r\n$-1\r\n', 'invalid bulk length'],
  ['*1\r\n$536870913\r\n', 'invalid bulk length'],
  ['*1\r\n$1e3\r\n', 'invalid bulk length'],
  ['ECHO "open\r\n', 'unbalanced quotes in request'],
  ["ECHO 'open\r\n", 'unbalanced quotes in request'],
  ['ECHO "a"b\r\n', 'unbalanced quotes in request'],
  ['ECHO "a\\"\r\n', 'unbalanced quotes in request'],
  [`${'x'.repeat(64 * 1024 + 1)}`, 'too big inline request'],
  [`${'x'.repeat(64 * 1024 + 1)}\r\n`, 'too big inline request'],
]

test('names the protocol error, after the requests before it', () => {
  for (const [text, error] of PROTOCOL_ERRORS) {
    const parsed = parseText(encode(['PING']) + text)
    assert.equal(parsed.requests, [['PING']], text.slice(0, 40))
    assert.is(parsed.error, `Protocol error: ${error}`, text.slice(0, 40))
  }
})

test('takes the largest bulk and the largest count', () => {
  assert.is(parseText('*1\r\n$536870912\r\n').error, undefined)
  assert.is(parseText('*2147483647\r\n$1\r\na\r\n').error, undefined)
})

test('gives up on a frame of more words than it keeps', () => {
  const most = 1024 * 1024
  const word = '$0\r\n\r\n'
  assert.is(parseText(`*${most}\r\n${word.repeat(most)}`).requests[0]?.length, most)
  const { error } = parseText(`*${most + 1}\r\n${word.repeat(most + 1)}`)
  assert.is(error, 'Protocol error: invalid multibulk length')
})

test('gives up on HTTP without a word', () => {
  for (const line of ['POST / HTTP/1.1', 'Host: localhost', 'hOsT: x']) {
    assert.is(parseText(`${line}\r\n`).error, '', line)
  }
})

test('splits inline words as Redis does', () => {
  const lines: readonly (readonly [string, string[]])[] = [
    ['a\tb  c', ['a', 'b', 'c']],
    ['"a b" c', ['a b', 'c']],
    ["'a b' c", ['a b', 'c']],
    ['"" x', ['', 'x']],
    ['"\\x41\\n\\r\\t\\b\\a\\\\\\"\\z"', ['A\n\r\t\b\x07\\"z']],
    ['"\\xZZ"', ['xZZ']],
    ["'it\\'s \\n'", ["it's \\n"]],
    ['pre"a b"', ['prea b']],
    ["a'b'", ['ab']],
  ]
  for (const [line, words] of lines) assert.equal(parseText(`${line}\r\n`).requests, [words], line)
})

test('keeps its progress in a frame of many elements', () => {
  const words = Array.from({ length: 20_000 }, (_, index) => `word-${index}`)
  const bytes = Buffer.from(encode(words))
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 1000) chunks.push(bytes.subarray(at, at + 1000))
  assert.equal(parseAll(chunks).requests, [words])
})

const word = fc.string({ unit: 'binary', maxLength: 12 }).map(text => latin1(text))
const request = fc.oneof(
  fc.array(word, { minLength: 1, maxLength: 5 }).map(words => ({ words, text: encode(words) })),
  fc.constantFrom('PING', 'ECHO x', 'SET \'a b\' "c"').map(line => ({
    words: line.replaceAll(/['"]/g, '').split(' '),
    text: `${line}\r\n`,
  })),
)

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1')
}

test('reads the same requests however the bytes are split', () => {
  const cuts = fc.array(fc.nat(), { maxLength: 12 })
  const check = fc.property(fc.array(request, { maxLength: 8 }), cuts, (requests, offsets) => {
    const bytes = Buffer.from(requests.map(({ text }) => text).join(''), 'latin1')
    const whole = parseAll([bytes])
    assert.equal(parseAll(cut(bytes, offsets)), whole)
    assert.equal(parseAll([...bytes].map(byte => Buffer.of(byte))), whole)
    assert.is(whole.error, undefined)
    assert.is(whole.left, 0)
    assert.is(whole.requests.length, requests.length)
  })
  fc.assert(check, property('split pipelines'))
})

test('answers any damaged pipeline the same way however it is split', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 })
  const cuts = fc.array(fc.nat(), { maxLength: 6 })
  const all = fc.tuple(fc.array(request, { minLength: 1, maxLength: 5 }), damage, cuts)
  const check = fc.property(all, ([requests, changes, offsets]) => {
    const bytes = Buffer.from(requests.map(({ text }) => text).join(''), 'latin1')
    for (const [offset, byte] of changes) bytes[offset % bytes.length] = byte
    const whole = parseAll([bytes])
    const split = parseAll(cut(bytes, offsets))
    assert.equal(split.requests, whole.requests)
    assert.is(split.error, whole.error)
  })
  fc.assert(check, property('mutated pipelines'))
})

function cut(bytes: Buffer, offsets: readonly number[]): Buffer[] {
  const at = offsets.map(offset => offset % (bytes.length + 1)).sort((a, b) => a - b)
  const starts = [0, ...at]
  return starts.map((start, index) => bytes.subarray(start, starts[index + 1] ?? bytes.length))
}

test.run()
