import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Frame } from '../../../ts/resp/frame.js'
import { ok } from '../../../ts/resp/reply.js'
import {
  binary,
  bytes,
  type Command,
  command,
  double,
  int32,
  int64,
  key,
  keyWords,
  keyword,
  kronotopTexts,
  optional,
  options,
  type Param,
  redisInteger,
  redisTexts,
  rest,
  subcommand,
  text,
} from '../../../ts/server/command.js'
import { Registry } from '../../../ts/server/registry.js'

const top = { group: 'test', since: '0.1.0', summary: 'Test.', port: 'both' } as const
const run = () => {}

function leaf(name: string, args: readonly Param[], flags: 'redis'[] = []): Command {
  return command({ ...top, name, args, flags, reply: ok, run })
}

function frameOf(...words: string[]): Frame {
  return Frame.of(words.map(word => Buffer.from(word)))
}

test('derives the arity', () => {
  const cases: readonly (readonly [readonly Param[], number])[] = [
    [[], 1],
    [[bytes('a'), bytes('b')], 3],
    [[bytes('a'), optional(bytes('b'))], -2],
    [[rest(bytes('a'))], -2],
    [[rest(bytes('a'), { min: 0 })], -1],
    [[key(bytes('k')), rest(bytes('pairs'), { step: 2 })], -4],
    [[bytes('a'), options('o', '[X]')], -2],
  ]
  for (const [args, arity] of cases) assert.is(leaf('x', args).arity, arity)
})

test('accepts as many words as declared', () => {
  const pairs = leaf('x', [bytes('k'), rest(bytes('pairs'), { step: 2 })])
  const accepted = [0, 1, 2, 3, 4, 5, 6].filter(words => pairs.accepts(words))
  assert.equal(accepted, [3, 5])
  const few = leaf('x', [bytes('a'), optional(bytes('b')), optional(bytes('c'))])
  assert.equal(
    [0, 1, 2, 3, 4].filter(words => few.accepts(words)),
    [1, 2, 3],
  )
})

test('derives key positions', () => {
  const cases: readonly (readonly [readonly Param[], number[], number])[] = [
    [[key(bytes('k')), bytes('v')], [1, 1, 1], 3],
    [[key(bytes('a')), key(bytes('b'))], [1, 2, 1], 3],
    [[key(rest(bytes('k')))], [1, -1, 1], 4],
    [[key(rest(bytes('k'), { step: 2 }))], [1, -1, 2], 5],
    [[text('op'), key(bytes('k'))], [2, 2, 1], 3],
  ]
  const words = [[1], [1, 2], [1, 2, 3], [1, 3], [2]]
  for (const [index, [args, [first, last, step], count]] of cases.entries()) {
    const { keys } = leaf('x', args)
    assert.equal(keys, { first, last, step })
    assert.equal(keyWords(keys!, count), words[index])
  }
  assert.is(leaf('x', [bytes('a')]).keys, undefined)
})

test('hands words to parameters from left to right', () => {
  const args = [text('a'), optional(text('b')), rest(text('c'), { min: 0 })]
  const parse = (...words: string[]) => leaf('x', args).parse(frameOf('x', ...words))
  assert.equal(parse('1'), { a: '1', b: undefined, c: [] })
  assert.equal(parse('1', '2'), { a: '1', b: '2', c: [] })
  assert.equal(parse('1', '2', '3', '4'), { a: '1', b: '2', c: ['3', '4'] })
})

test('parses types, and names the error', () => {
  const parse = (param: Param, word: string) => leaf('x', [param]).parse(frameOf('x', word)).a
  assert.is(parse(int32('a'), '-5'), -5)
  assert.is(parse(int64('a'), '5'), 5n)
  assert.is(parse(redisInteger('a'), '5'), 5n)
  assert.is(parse(double('a'), '2.5'), 2.5)
  assert.is(parse(keyword('a', ['ON', 'OFF']), 'oFf'), 'OFF')
  assert.is(parse(text('a'), 'ü'), 'ü')
  assert.is(parse(binary('a'), 'ü'), 'Ã¼')
  const errors: readonly (readonly [Param, string])[] = [
    [int32('a'), 'value is not a int or out of range'],
    [int64('a'), 'value is not a long or out of range'],
    [double('a'), 'value is not a double or out of range'],
    [redisInteger('a'), 'value is not an integer or out of range'],
    [keyword('a', ['ON']), 'syntax error'],
  ]
  for (const [param, message] of errors) {
    assert.throws(
      () => parse(param, 'x'),
      (error: Error) => error.message === message,
    )
  }
})

const parent = command({
  ...top,
  name: 'Area',
  flags: ['uninitialized'],
  subcommands: [
    subcommand({ name: 'one', summary: '1', args: [text('a')], reply: ok, run }),
    subcommand({
      name: 'two',
      summary: '2',
      flags: ['write'],
      texts: { arity: () => 'invalid number of parameters' },
      subcommands: [subcommand({ name: 'deep', summary: '3', args: [], reply: ok, run })],
    }),
  ],
})

test('resolves subcommands in any case and depth', () => {
  assert.is(parent.resolve(frameOf('area', 'One', 'x')).syntax, 'AREA ONE a')
  assert.is(parent.resolve(frameOf('area', ' tWO ', 'deep')).syntax, 'AREA TWO DEEP')
  assert.is(parent.resolve(frameOf('area')), parent)
  assert.not(parent.accepts(0))
  assert.is(parent.resolve(frameOf('area', 'none')), parent)
  const unknown = parent.unknownSubcommand(frameOf('area', 'None'))
  assert.is(unknown?.message, "unknown subcommand: 'None'")
})

test('subcommands inherit flags and texts', () => {
  const deep = parent.resolve(frameOf('area', 'two', 'deep'))
  assert.ok(deep.isWrite && deep.beforeInitialization)
  assert.is(deep.arityError(1).message, 'invalid number of parameters')
  assert.not(parent.resolve(frameOf('area', 'one', 'x')).isWrite)
})

test('argument-count errors carry the name as its family writes it', () => {
  const message = (one: Command) => one.arityError(0).message
  const wrong = (name: string) => `wrong number of arguments for '${name}' command`
  assert.is(message(leaf('zset', [])), wrong('ZSET'))
  assert.is(message(leaf('GET', [], ['redis'])), wrong('get'))
  assert.is(message(parent.resolve(frameOf('area', 'one'))), wrong('AREA ONE'))
  const node = subcommand({ name: 'KEYSLOT', summary: '', args: [key(bytes('k'))], reply: ok, run })
  const cluster = (flags: 'redis'[]) =>
    command({ ...top, name: 'CLUSTER', flags, texts: redisTexts, subcommands: [node] })
  const keyslot = frameOf('cluster', 'keyslot')
  assert.is(message(cluster(['redis']).resolve(keyslot)), wrong('cluster|keyslot'))
  assert.is(message(cluster([]).resolve(keyslot)), wrong('CLUSTER|KEYSLOT'))
  assert.is(message(cluster(['redis'])), wrong('cluster'))
  const unknown = cluster([]).unknownSubcommand(frameOf('cluster', 'Meet'))
  assert.is(unknown?.message, "unknown subcommand 'Meet'. Try CLUSTER HELP.")
  assert.is(kronotopTexts.unknown('x', 'Y'), "unknown subcommand: 'x'")
})

test('a registry finds names in any case, and only those of its port', () => {
  const names = Array.from({ length: 200 }, (_, index) => `CMD.${index}`)
  const commands = names.map(name => leaf(name, []))
  const admin = command({ ...top, port: 'admin', name: 'ADMIN', args: [], reply: ok, run })
  const registry = new Registry([...commands, admin], 'client')
  assert.is(registry.size, 200)
  for (const [index, name] of names.entries()) {
    assert.is(registry.find(frameOf(name.toLowerCase())), commands[index])
    assert.is(registry.get(name.toLowerCase()), commands[index])
  }
  for (const name of ['', 'CMD.', 'CMD.200', 'ADMIN', 'C'.repeat(1000), 'CMD.1\0', '[md.1']) {
    assert.is(registry.find(frameOf(name)), undefined, name)
  }
  assert.is(new Registry([admin], 'admin').find(frameOf('admin')), admin)
  assert.throws(() => new Registry([admin, admin], 'admin'), /declared twice/)
})

test.run()
