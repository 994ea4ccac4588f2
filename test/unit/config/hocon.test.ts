// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how HOCON writes substitutions
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConfigError } from '../../../ts/config/error.js'
import type { HoconNode } from '../../../ts/config/hocon.js'
import { parseHocon } from '../../../ts/config/hocon-resolve.js'

/** The parsed tree as plain data. */
function plain(node: HoconNode): unknown {
  switch (node.kind) {
    case 'object':
      return Object.fromEntries([...node.fields].map(([name, inner]) => [name, plain(inner)]))
    case 'list':
      return node.items.map(plain)
    case 'text':
      return node.text
    case 'null':
      return null
  }
}

const parse = (source: string, environment = {}) =>
  plain(parseHocon(source, 'test.conf', environment))

function failure(source: string): string {
  try {
    parseHocon(source, 'test.conf', {})
  } catch (error) {
    assert.instance(error, ConfigError)
    return (error as ConfigError).message
  }
  throw new Error(`accepted: ${source}`)
}

test('reads JSON', () => {
  const source = '{"a": {"b": 1, "c": [true, null, "x"]}, "d": "\\u0041\\n\\"\\/"}'
  assert.equal(parse(source), { a: { b: '1', c: ['true', null, 'x'] }, d: 'A\n"/' })
})

test('reads unquoted and dotted keys, = and :, comments, optional commas and braces', () => {
  const source = `
    # first
    network.external { port = 7000, host: 0.0.0.0 } // behind
    network.external.tls.enabled = true
    "quoted.key" = plain words here   # the comment ends the value
    list = [ 1, 2
      3 ]
  `
  assert.equal(parse(source), {
    network: { external: { port: '7000', host: '0.0.0.0', tls: { enabled: 'true' } } },
    'quoted.key': 'plain words here',
    list: ['1', '2', '3'],
  })
})

test('reads an empty file, an empty object and a byte order mark', () => {
  assert.equal(parse(''), {})
  assert.equal(parse(' {} \n# end'), {})
  assert.equal(parse('\uFEFFa = 1'), { a: '1' })
})

test('merges objects and lets the later of two values win', () => {
  assert.equal(parse('a { b = 1, c = 1 }\na { c = 2 }\na.d = 3'), {
    a: { b: '1', c: '2', d: '3' },
  })
  assert.equal(parse('a { b = 1 }\na = 5'), { a: '5' })
})

test('reads quoted text with every escape, and text in three quotes over lines', () => {
  assert.equal(parse('a = "# not // a comment"'), { a: '# not // a comment' })
  assert.equal(parse('a = """one\n"two" \\n"""\nb = 1'), { a: 'one\n"two" \\n', b: '1' })
})

test('substitutes from the file, then from the environment', () => {
  const source = 'dir = /var/lib\ndata_dir = ${dir}/kronotop\nhost = "a-"${HOST}'
  assert.equal(parse(source, { HOST: 'b' }), {
    dir: '/var/lib',
    data_dir: '/var/lib/kronotop',
    host: 'a-b',
  })
  assert.equal(parse('a { b = 1 }\nc = ${a}'), { a: { b: '1' }, c: { b: '1' } })
})

test('keeps the earlier value when an optional substitution finds nothing', () => {
  const source = 'port = 1\nport = ${?PORT}\nhost = ${?NO_HOST}'
  assert.equal(parse(source), { port: '1' })
  assert.equal(parse(source, { PORT: '2' }), { port: '2' })
  assert.equal(parse('path = a\npath = ${path}":b"'), { path: 'a:b' })
})

test('names file and line of a mistake', () => {
  const cases: [string, string][] = [
    ['a = 1\nb', 'test.conf:2: expected = after b'],
    ['a {\n b = 1\n', 'test.conf:3: the { of line 1 is not closed'],
    ['a = [1,\n2', 'test.conf:2: the [ of line 1 is not closed'],
    ['a = "x\nb', 'test.conf:1: a closing " is missing'],
    ['a = """x\n\n', 'test.conf:1: a closing """ is missing'],
    ['a =\n', 'test.conf:2: a value is missing'],
    ['a = x@y', 'test.conf:1: unexpected "@"; quote the value'],
    ['a = 1 }', 'test.conf:1: unexpected "}"'],
    ['a = "\\q"', 'test.conf:1: \\q is no escape'],
    ['a = ${b}', 'test.conf:1: ${b} is neither in this file nor in the environment'],
    ['a = ${b}\nb = ${a}', 'test.conf:1: a substitution refers to itself'],
    ['a { b = 1 }\nc = x${a}', 'test.conf:2: ${a} is no text'],
    ['a += 1', 'test.conf:1: += is not supported'],
    ['include "x"', 'test.conf:1: include is not supported'],
    ['a = '.concat('['.repeat(70)), 'test.conf:1: more than 64 levels'],
  ]
  for (const [source, message] of cases) assert.is(failure(source), message, source)
})

test.run()
