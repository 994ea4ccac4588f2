/** What every declaration must say, and where Redis's commands must agree with Redis's table. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { allCommands } from '../../../ts/commands/index.js'
import { ERROR_PREFIXES } from '../../../ts/error.js'
import type { Command } from '../../../ts/server/command.js'
import { SEED_STORE_ERRORS, STORE_ERRORS } from '../../../ts/store/store-error.js'

const test = suite('declarations')

const COMMANDS = allCommands({ redis: true })

/** Arity, first key, last key and step of Redis data commands, by what they do. */
const KEYED: Readonly<Record<string, { readonly read?: string; readonly write?: string }>> = {
  '2,1,1,1': {
    read: 'get strlen hlen hgetall hkeys hvals type ttl pttl expiretime pexpiretime',
    write: 'incr decr getdel persist',
  },
  '3,1,1,1': {
    read: 'hget hexists hstrlen',
    write: 'getset append incrby decrby incrbyfloat setnx',
  },
  '4,1,1,1': {
    read: 'getrange substr',
    write: 'setrange setex psetex hincrby hincrbyfloat hsetnx',
  },
  '-2,1,1,1': { read: 'hrandfield', write: 'getex' },
  '-3,1,1,1': { read: 'hmget hscan', write: 'set hdel expire pexpire expireat pexpireat' },
  '-4,1,1,1': { write: 'hset hmset' },
  '-2,1,-1,1': { read: 'mget exists touch watch', write: 'del unlink' },
  '-3,1,-1,2': { write: 'mset msetnx' },
  '3,1,2,1': { write: 'rename renamenx' },
}

/** Arity of commands that Redis has too and that name no key. */
const KEYLESS: Readonly<Record<string, string>> = {
  '-1': 'ping hello command info flushdb flushall quit',
  '1': 'time randomkey dbsize multi exec discard unwatch readonly readwrite asking reset',
  '2': 'echo select keys',
  '-2': 'auth scan cluster client',
}
const KEYLESS_WRITES: ReadonlySet<string> = new Set(['flushdb', 'flushall'])

interface Expected {
  readonly positions: string
  readonly flag?: 'write' | 'readonly'
}

const EXPECTED: ReadonlyMap<string, Expected> = new Map<string, Expected>([
  ...Object.entries(KEYED).flatMap(([positions, { read = '', write = '' }]) => [
    ...words(read).map(name => [name, { positions, flag: 'readonly' }] as const),
    ...words(write).map(name => [name, { positions, flag: 'write' }] as const),
  ]),
  ...Object.entries(KEYLESS).flatMap(([arity, names]) =>
    words(names).map(name => {
      const write = KEYLESS_WRITES.has(name) ? ({ flag: 'write' } as const) : {}
      return [name, { positions: `${arity},0,0,0`, ...write }] as const
    }),
  ),
])

function words(line: string): string[] {
  return line.split(' ').filter(word => word !== '')
}

function positionsOf({ arity, keys }: Command): string {
  return [arity, keys?.first ?? 0, keys?.last ?? 0, keys?.step ?? 0].join()
}

/** A command and all that is below it. */
function withSubcommands(command: Command): Command[] {
  const below = [...(command.subcommands?.values() ?? [])]
  return [command, ...below.flatMap(withSubcommands)]
}

const DECLARED = COMMANDS.flatMap(withSubcommands)
const shown = ({ path }: Command): string => path.join(' ')

test('agree with Redis on arity, key positions and write or readonly', () => {
  const known = COMMANDS.filter(({ name }) => EXPECTED.has(name.toLowerCase()))
  assert.ok(known.length >= 15)
  for (const command of known) {
    const { positions, flag } = EXPECTED.get(command.name.toLowerCase())!
    assert.is(positionsOf(command), positions, `${command.name}: arity, first, last, step`)
    const found = (['write', 'readonly'] as const).filter(one => command.flags.has(one))
    if (flag !== undefined) assert.equal(found, [flag], `${command.name}: flags`)
  }
})

test('have key positions for Redis data commands of the table only', () => {
  const keyed = COMMANDS.filter(({ keys }) => keys !== undefined)
  assert.ok(keyed.length > 0)
  const other = keyed.filter(({ name, isRedis }) => !isRedis || !EXPECTED.has(name.toLowerCase()))
  assert.equal(other.map(shown), [])
})

test('are either for reading or for writing', () => {
  const both = DECLARED.filter(({ flags }) => flags.has('write') && flags.has('readonly'))
  assert.equal(both.map(shown), [])
})

test('have a summary of one sentence', () => {
  const broken = DECLARED.filter(({ summary }) => !/^[A-Z].*[^.]\.$/.test(summary))
  assert.equal(broken.map(shown), [], 'a summary begins with a capital and ends with a full stop')
})

test('have complexity and an example, which names the command', () => {
  const running = DECLARED.filter(({ run, subcommands }) => run && subcommands === undefined)
  assert.ok(running.length > 40)
  const plain = running.filter(({ complexity }) => !complexity?.startsWith('O('))
  assert.equal(plain.map(shown), [], 'say the complexity: O(1), O(N) where N is …')
  const bare = running.filter(({ path, example }) => {
    const request = `${path.join(' ')} `
    return !example.some(line => `${line} `.toUpperCase().startsWith(request))
  })
  assert.equal(bare.map(shown), [], 'give an example that runs the command itself')
})

test('name errors that there are', () => {
  const databaseErrors = [...STORE_ERRORS.values(), ...SEED_STORE_ERRORS.values()]
  const prefixes = new Set([...Object.keys(ERROR_PREFIXES), ...databaseErrors.map(([one]) => one)])
  const unknown = DECLARED.flatMap(command =>
    command.errors
      .filter(prefix => !prefixes.has(prefix))
      .map(prefix => `${shown(command)}: ${prefix}`),
  )
  assert.equal(unknown, [], 'add the prefix to ts/error.ts')
})

test.run()
