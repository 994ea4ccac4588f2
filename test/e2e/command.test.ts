/** COMMAND as client libraries and redis-cli read it: each takes replies apart in its own way. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import * as assert from 'uvu/assert'
import { reportSkip } from '../support/outcome.js'
import { installedOrSkip, runPython } from '../support/python.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('COMMAND')

const REDIS_PY = '8.1.0'
const SCRIPT = fileURLToPath(new URL('../../../test/clients/python/commands.py', import.meta.url))
const LIMIT_MS = 60_000

const BUCKETS = [
  ...['bucket.create', 'bucket.insert', 'bucket.close', 'bucket.cursors'],
  'bucket.index',
]

test('is read by ioredis', async () => {
  for (const protocol of [2, 3] as const) {
    const client = new Redis({ port: server.clientPort, protocol })
    const all = (await client.command('INFO')) as unknown[][]
    assert.is(all.length, await client.command('COUNT'))
    const [get, zget, nothing] = (await client.command('INFO', 'get', 'zget', 'nosuch')) as [
      unknown[],
      unknown[],
      null,
    ]
    assert.equal(get.slice(0, 6), ['get', 2, ['readonly', 'fast'], 1, 1, 1])
    assert.equal(zget.slice(0, 6), ['zget', 2, ['readonly', 'fast'], 0, 0, 0])
    assert.is(nothing, null)
    const docs = (await client.command('DOCS', 'zget')) as unknown[]
    assert.is(docs[0], 'zget')
    assert.equal(await client.command('GETKEYS', 'DEL', '{a}1', '{a}2'), ['{a}1', '{a}2'])
    const filtered = await client.command('LIST', 'FILTERBY', 'PATTERN', 'bucket.[ci]*')
    assert.equal(filtered, BUCKETS)
    await client.quit()
  }
})

test('is read by redis', async () => {
  for (const RESP of [2, 3] as const) {
    const client = createClient({ RESP, socket: { host: '127.0.0.1', port: server.clientPort } })
    await client.connect()
    assert.is((await client.command()).length, await client.commandCount())
    const [set, zset, create, nothing] = await client.commandInfo([
      'set',
      'zset',
      'namespace|create',
      'nosuch',
    ])
    assert.is(nothing, null)
    assert.equal(create?.flags, new Set(['write']))
    assert.equal([zset?.firstKeyIndex, zset?.isKeyless, zset?.arity], [0, true, 3])
    assert.equal([set?.firstKeyIndex, set?.lastKeyIndex, set?.step, set?.arity], [1, 1, 1, -3])
    assert.equal(set?.flags, new Set(['write']))
    assert.equal(set?.categories, new Set(['@write', '@slow', '@string']))
    assert.equal(await client.commandGetKeys(['HSET', 'user:1', 'name', 'Ada']), ['user:1'])
    const pattern = { FILTERBY: { type: 'PATTERN', value: 'bucket.[ci]*' } } as const
    assert.equal(await client.commandList(pattern), BUCKETS)
    await client.close()
  }
})

/** What `test/clients/python/commands.py` writes for one protocol. */
interface PythonView {
  readonly protocol: number
  readonly get: Readonly<Record<string, unknown>>
  readonly zget: Readonly<Record<string, unknown>>
  readonly [name: string]: unknown
}

test('is read by redis-py', async () => {
  const path = await installedOrSkip('redis', REDIS_PY)
  if (path === undefined) return
  const args = [String(server.clientPort)]
  const ended = await runPython({ script: SCRIPT, args, path, env: {}, limitMs: LIMIT_MS })
  assert.is(ended.failure, undefined)
  const views: PythonView[] = ended.stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.equal(
    views.map(({ protocol }) => protocol),
    [2, 3],
  )
  for (const { protocol, get, zget, ...view } of views) {
    const { first_key_pos: first, last_key_pos: last, step_count: step, arity } = get
    assert.equal([arity, first, last, step], [2, 1, 1, 1])
    assert.equal([...(get.flags as string[])].sort(), ['fast', 'readonly'])
    assert.is(zget.first_key_pos, 0)
    const names = view.names as string[]
    assert.equal([view.count, view.entries], [names.length, names.length])
    assert.is(view.documented, protocol === 3 ? names.length : names.length * 2)
    const { strings, buckets, modules, keys, unknown } = view
    assert.ok((strings as string[]).includes('get'))
    assert.equal([buckets, modules, keys, unknown], [BUCKETS, [], ['user:1'], [null]])
  }
})

test('gives redis-cli its help', async () => {
  if (spawnSync('redis-cli', ['--version']).error !== undefined) {
    reportSkip('help in redis-cli', 'redis-cli is not installed (package redis-tools)')
    return
  }
  const help = (...words: string[]): string => {
    const args = ['-p', String(server.clientPort), 'help', ...words]
    const { stdout } = spawnSync('redis-cli', args, { encoding: 'utf8', timeout: LIMIT_MS })
    return stripVTControlCharacters(stdout).replaceAll('\r', '')
  }
  assert.match(help('zget'), /^\s*ZGET key\n {2}summary: Answers the value of a key/)
  assert.match(help('snapshotread'), 'SNAPSHOTREAD ON|OFF\n')
  assert.match(help('namespace', 'create'), 'NAMESPACE CREATE path\n')
  assert.match(help('bucket.insert'), 'BUCKET.INSERT bucket DOCS document [document ...]\n')
  assert.match(help('bucket.query'), 'BUCKET.QUERY bucket filter [SORTBY field ASC|DESC] ')
  assert.match(help('@namespace'), 'NAMESPACE LIST [path]\n')
})

test.run()
