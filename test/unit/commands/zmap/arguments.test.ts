/** In which order the ZMap's commands look at what they are given. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { zmapCommands } from '../../../../ts/commands/zmap/index.js'
import { RespError } from '../../../../ts/error.js'
import type { Namespaces } from '../../../../ts/store/namespaces.js'
import { type Harness, request, start } from '../../server/harness.js'

const GONE = new RespError('NAMESPACEBEINGREMOVED', "Namespace 'a' is being removed")

/** A request of each command that nothing is wrong with. */
const REQUESTS: readonly string[] = [
  'ZSET k v',
  'ZGET k',
  'ZDEL k',
  'ZDELRANGE a b',
  'ZGETRANGE a b LIMIT 1 REVERSE',
  'ZGETKEY k KEY_SELECTOR LAST_LESS_THAN',
  'ZGETRANGESIZE a b',
  'ZMUTATE k v ADD',
  'ZWATCH k',
  'ZSET.I64 k 1',
  'ZINC.I64 k 1',
  'ZGET.I64 k',
  'ZSET.F64 k 1',
  'ZINC.F64 k 1',
  'ZGET.F64 k',
  'ZSET.D128 k 1',
  'ZINC.D128 k 1',
  'ZGET.D128 k',
]

/** What is said of an argument before anything is looked up. */
const REFUSED: readonly (readonly [request: string, error: string])[] = [
  ['ZGETRANGE a b LIMIT', 'ERR syntax error'],
  ['ZGETRANGE a b LIMIT -1', 'RANGE_LIMITS_INVALID Range limits not valid'],
  ['ZGETKEY k KEY_SELECTOR x', "ERR unknown key selector: 'x'"],
  ['ZMUTATE k v x', "ERR invalid mutation type: 'x'"],
  ['ZMUTATE k v SET_VERSIONSTAMPED_VALUE', 'CLIENT_INVALID_OPERATION Invalid API call'],
  ['ZSET.I64 k x', 'ERR value is not a long or out of range'],
  ['ZINC.I64 k x', 'ERR value is not a long or out of range'],
  ['ZSET.F64 k x', 'ERR value is not a double or out of range'],
  ['ZSET.F64 k NaN', 'ERR Invalid value: must be a finite IEEE-754 double'],
  ['ZINC.F64 k NaN', 'ERR Invalid delta: value must be a finite IEEE-754 double'],
  ['ZSET.D128 k x', 'ERR invalid decimal'],
]

async function withNamespaces(
  resolve: () => never | Promise<never>,
  body: (server: Harness) => Promise<void>,
): Promise<void> {
  const namespaces = { resolve } as unknown as Namespaces
  const server = await start({ commands: zmapCommands, services: { namespaces } })
  try {
    await body(server)
  } finally {
    await server.close()
  }
}

for (const isLate of [false, true]) {
  const resolve = isLate
    ? () => Promise.reject(GONE)
    : () => {
        throw GONE
      }
  const when = isLate ? 'once it is looked up' : 'at once'

  test(`each command says that its namespace is gone, ${when}`, () =>
    withNamespaces(resolve, async server => {
      const client = await server.connect()
      const named = new Set(REQUESTS.map(line => line.split(' ')[0]))
      assert.equal(
        zmapCommands.map(({ name }) => name).filter(name => !named.has(name)),
        [],
      )
      for (const line of REQUESTS) {
        const reply = `-${GONE.prefix} ${GONE.message}\r\n`
        await client.exchange(request(...line.split(' ')), reply)
      }
    }))

  test(`arguments are looked at before the namespace, ${when}`, () =>
    withNamespaces(resolve, async server => {
      const client = await server.connect()
      for (const [line, refusal] of REFUSED) {
        await client.exchange(request(...line.split(' ')), `-${refusal}\r\n`)
      }
      // This one looks at what is stored first.
      const gone = `-${GONE.prefix} ${GONE.message}\r\n`
      await client.exchange(request('ZINC.D128', 'k', 'x'), gone)
    }))
}

test.run()
