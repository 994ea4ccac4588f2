/** COMMAND over commands made for the purpose: what Redis 7 sends, byte for byte. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ok } from '../../../../ts/resp/reply.js'
import {
  bytes,
  command,
  key,
  keyword,
  optional,
  options,
  rest,
  subcommand,
} from '../../../../ts/server/command.js'
import { type RawClient, request, withServer } from '../../server/harness.js'

const encoding = subcommand({
  name: 'ENCODING',
  summary: 'Made up.',
  complexity: 'O(1)',
  flags: ['readonly'],
  args: [key(bytes('key'))],
  reply: ok,
  run: () => {},
})

const made = [
  command({
    name: 'OBJECT',
    group: 'generic',
    since: '1.0.0',
    summary: 'Has a subcommand.',
    port: 'client',
    subcommands: [encoding],
  }),
  command({
    name: 'MSET',
    group: 'string',
    since: '1.0.0',
    summary: 'Sets keys.',
    port: 'client',
    flags: ['write', 'redis'],
    args: [rest(key(bytes('key')), { step: 2, syntax: 'key value [key value …]' })],
    reply: ok,
    run: () => {},
  }),
  command({
    name: 'WORDS',
    group: 'words',
    since: '1.0.0',
    summary: 'Has arguments of all kinds.',
    port: 'client',
    flags: ['blocking', 'fast'],
    args: [
      keyword('mode', ['ON', 'OFF']),
      optional(keyword('only', ['ONLY'])),
      options('hidden', ''),
      options('more', '[LIMIT n]'),
    ],
    reply: ok,
    run: () => {},
  }),
]

/** Requests and their replies, on one connection. */
async function talk(protocol: 2 | 3, dialogue: readonly (readonly [string, string])[]) {
  await withServer({ commands: made }, async server => {
    const client: RawClient = await server.connect()
    if (protocol === 3) {
      client.write(request('HELLO', '3'))
      await client.match(/modules\r\n\*0\r\n$/)
    }
    for (const [line, reply] of dialogue) {
      await client.exchange(request(...line.split(' ')), inProtocol(protocol, reply))
    }
  })
}

/** A reply written in RESP3 with blanks for line ends, a bulk as `"text"`, null as `_`. In RESP2
 *  its sets and maps are arrays. */
function inProtocol(protocol: 2 | 3, reply: string): string {
  const lines = [...reply.matchAll(/"([^"]*)"|\S+/g)].map(([line, text]) => {
    if (text !== undefined) return `$${text.length}\r\n${text}`
    if (protocol === 3) return line
    if (line.startsWith('~')) return `*${line.slice(1)}`
    if (line.startsWith('%')) return `*${Number(line.slice(1)) * 2}`
    return line === '_' ? '$-1' : line
  })
  return `${lines.join('\r\n')}\r\n`
}

const range = (first: number, last: number, step: number): string =>
  `"begin_search" %2 "type" "index" "spec" %1 "index" :${first} ` +
  `"find_keys" %2 "type" "range" "spec" %3 "lastkey" :${last} "keystep" :${step} "limit" :0`

for (const protocol of [2, 3] as const) {
  test(`INFO has the ten elements of Redis 7 in RESP${protocol}`, async () => {
    const mset = `*10 "mset" :-3 ~1 +write :1 :-1 :2 ~3 +@write +@slow +@string ~0
      ~1 %3 "flags" ~2 +RW +update ${range(1, -1, 2)} ~0`
    const object = '*10 "object" :-2 ~0 :0 :0 :0 ~2 +@slow +@keyspace ~0 ~0 ~0'
    const objectEncoding = `*10 "object|encoding" :3 ~1 +readonly :2 :2 :1
      ~3 +@read +@slow +@keyspace ~0 ~1 %3 "flags" ~2 +RO +access ${range(2, 0, 1)} ~0`
    const words =
      '*10 "words" :-2 ~2 +blocking +fast :0 :0 :0 ~3 +@blocking +@fast +@words ~0 ~0 ~0'
    await talk(protocol, [
      ['COMMAND INFO MSet', `*1 ${mset}`],
      ['COMMAND INFO nosuch words', `*2 _ ${words}`],
      ['COMMAND INFO object Object|Encoding', `*2 ${object} ${objectEncoding}`],
      ['COMMAND INFO object|nosuch object|encoding|x mset|x', '*3 _ _ _'],
    ])
  })

  test(`DOCS has the fields of Redis 7 in RESP${protocol}`, async () => {
    const about = (summary: string, group: string) =>
      `"summary" "${summary}" "since" "1.0.0" "group" "${group}"`
    const token = (word: string) =>
      `%3 "name" "${word.toLowerCase()}" "type" "pure-token" "token" "${word}"`
    const objectEncoding = `"object|encoding" %5 ${about('Made up.', 'generic')}
      "complexity" "O(1)" "arguments" *1 %3 "name" "key" "type" "key" "key_spec_index" :0`
    const argumentsOfWords = `*3
      %3 "name" "mode" "type" "oneof" "arguments" *2 ${token('ON')} ${token('OFF')}
      %4 "name" "only" "type" "pure-token" "token" "ONLY" "flags" ~1 +optional
      %4 "name" "n" "type" "string" "token" "LIMIT" "flags" ~1 +optional`
    const words = `"words" %4 ${about('Has arguments of all kinds.', 'words')}
      "arguments" ${argumentsOfWords}`
    const object = `"object" %4 ${about('Has a subcommand.', 'generic')}
      "subcommands" %1 ${objectEncoding}`
    await talk(protocol, [
      ['COMMAND DOCS object|encoding nosuch', `%1 ${objectEncoding}`],
      ['COMMAND DOCS Words OBJECT', `%2 ${words} ${object}`],
      ['COMMAND DOCS nosuch', '%0'],
    ])
  })
}

test('LIST may be filtered as in Redis', async () => {
  await talk(2, [
    ['COMMAND LIST FILTERBY PATTERN m?et', '*1 "mset"'],
    ['COMMAND list filterby pattern *E[tc]*', '*5 "echo" "reset" "select" "object" "mset"'],
    ['COMMAND LIST FILTERBY ACLCAT String', '*1 "mset"'],
    ['COMMAND LIST FILTERBY ACLCAT nosuch', '*0'],
    ['COMMAND LIST FILTERBY MODULE json', '*0'],
  ])
  await withServer({ commands: made }, async server => {
    const client = await server.connect()
    for (const line of ['X', 'FILTERBY', 'FILTERBY X y', 'FILTERBY PATTERN a b']) {
      await client.exchange(request('COMMAND', 'LIST', ...line.split(' ')), '-ERR syntax error\r\n')
    }
    await client.exchange(
      request('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', '*'.repeat(1025)),
      '-ERR pattern exceeds 1024 bytes\r\n',
    )
  })
})

test('GETKEYS finds the keys of commands and subcommands', async () => {
  await talk(2, [
    ['COMMAND GETKEYS mset a 1 b 2', '*2 "a" "b"'],
    ['COMMAND GETKEYS mset a 1 b', '*2 "a" "b"'],
    ['COMMAND GETKEYS Object Encoding k', '*1 "k"'],
  ])
  await withServer({ commands: made }, async server => {
    const client = await server.connect()
    const refusals: readonly (readonly [string, string])[] = [
      ['nosuch a', 'Invalid command specified'],
      ['object nosuch', 'Invalid command specified'],
      ['object encoding', 'Invalid number of arguments specified for command'],
      ['mset a', 'Invalid number of arguments specified for command'],
      ['words on off', 'The command has no key arguments'],
      ['words on', 'The command has no key arguments'],
    ]
    for (const [line, text] of refusals) {
      await client.exchange(request('COMMAND', 'GETKEYS', ...line.split(' ')), `-ERR ${text}\r\n`)
    }
  })
})

test('the answers cover each command of the port once', async () => {
  await withServer({ commands: made }, async server => {
    const client = await server.connect()
    client.write(request('COMMAND', 'COUNT'))
    const [, count] = await client.match(/^:(\d+)\r\n$/)
    for (const form of [['COMMAND'], ['COMMAND', 'INFO'], ['COMMAND', 'LIST']]) {
      client.write(request(...form))
      const [reply] = await client.match(/^\*\d+\r\n[\s\S]*words\r\n[\s\S]*$/)
      assert.ok(reply.startsWith(`*${count}\r\n`), form.join(' '))
    }
  })
})

test.run()
