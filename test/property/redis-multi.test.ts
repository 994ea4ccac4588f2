/**
 * Random MULTI, EXEC and WATCH of interleaved sessions, the same to this server and to Debian's
 * redis-server, whose replies must be the same bytes. Writes always change what they name: one that
 * changes nothing counts for WATCH here, see section 6 of `spec/redis.md`. `SEED=` replays a run.
 */
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { isSame, type Request, type Side } from '../support/differential/play.js'
import { Random } from '../support/random.js'
import { RedisServer } from '../support/redis-server.js'
import type { Frame, RespClient } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('MULTI beside redis-server')

const KEYS = ['{t}a', '{t}b', '{t}c']
const BARE = ['MULTI', 'EXEC', 'exec', 'DISCARD', 'UNWATCH']
/** Sessions, by their protocols. */
const PROTOCOLS = [2, 2, 3] as const
const REQUESTS_OF_A_ROUND = 100

/** How one request is drawn, each as often as the others. */
const DRAWS: readonly ((random: Random) => Request)[] = [
  () => ['MULTI'],
  () => ['MULTI'],
  () => ['multi'],
  () => ['EXEC'],
  () => ['EXEC'],
  () => ['EXEC'],
  () => ['DISCARD'],
  () => ['UNWATCH'],
  random => ['WATCH', random.pick(KEYS)],
  random => ['WATCH', random.pick(KEYS), random.pick(KEYS)],
  random => ['GET', random.pick(KEYS)],
  random => ['GET', random.pick(KEYS)],
  random => ['HGETALL', random.pick(KEYS)],
  random => ['HGET', random.pick(KEYS), 'f'],
  random => ['SET', random.pick(KEYS), `${random.between(0, 99)}`],
  random => ['SET', random.pick(KEYS), 'v', 'GET'],
  random => ['HSET', random.pick(KEYS), 'f', `${random.between(0, 99)}`],
  random => ['HINCRBY', random.pick(KEYS), 'n', '1'],
  random => ['INCR', random.pick(KEYS)],
  random => ['APPEND', random.pick(KEYS), '1'],
  random => ['MSET', random.pick(KEYS), '7', random.pick(KEYS), '8'],
  random => ['RENAME', KEYS[0]!, random.pick(KEYS.slice(1))],
  random => ['SET', random.pick(KEYS), 'v', 'EX', 'x'],
  () => ['PING'],
  random => (random.next() < 0.3 ? ['FLUSHALL'] : ['ECHO', 'x']),
  random => (random.next() < 0.3 ? ['GET'] : ['MULTI']),
  random => (random.next() < 0.3 ? ['CLIENT', 'NOSUCH'] : ['EXEC']),
  random => (random.next() < 0.3 ? [random.pick(BARE), 'surplus'] : ['MULTI']),
]

/** What a pair of servers was asked, for a failure. */
type History = string[]

async function connectAll(side: Side): Promise<RespClient[]> {
  return await Promise.all(PROTOCOLS.map(protocol => side.connect(protocol)))
}

/** Plays one round on new connections. @returns our replies to EXEC */
async function play(sides: readonly [Side, Side], random: Random): Promise<Frame[]> {
  const [ours, theirs] = [await connectAll(sides[0]), await connectAll(sides[1])]
  const history: History = []
  const ended: Frame[] = []
  for (const clients of [ours, theirs]) await clients[0]!.call('DEL', ...KEYS)
  for (let i = 0; i < REQUESTS_OF_A_ROUND; i++) {
    const session = random.between(0, PROTOCOLS.length - 1)
    const request = random.pick(DRAWS)(random)
    const [mine, other] = await Promise.all([
      ours[session]!.frame(...request),
      theirs[session]!.frame(...request),
    ])
    history.push(`${session}: ${request.join(' ')} → ${shown(mine)}`)
    if (!isSame(mine, other)) {
      throw new Error(`redis-server says ${shown(other)} after\n${history.join('\n')}`)
    }
    if (request[0] === 'EXEC') ended.push(mine)
  }
  for (const client of [...ours, ...theirs]) client.close()
  return ended
}

function shown({ type, value }: Frame): string {
  if (!Array.isArray(value)) return `${type}${value}`
  return `${type}[${(value as readonly Frame[]).map(shown).join(' ')}]`
}

test('answers as redis-server does', async () => {
  const peer = await RedisServer.startOrSkip('MULTI beside redis-server')
  if (peer === undefined) return
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  const ended: Frame[] = []
  try {
    for (let round = 0; round < rounds('transactions beside redis-server'); round++) {
      ended.push(...(await play([server, peer], random)))
    }
  } finally {
    await peer.dispose()
  }
  const count = (is: (frame: Frame) => boolean): number => ended.filter(is).length
  assert.ok(count(({ value }) => value === null) > 0, 'a watched key had changed')
  assert.ok(count(({ value }) => String(value).startsWith('EXECABORT ')) > 0, 'one was aborted')
  assert.ok(count(({ value }) => Array.isArray(value) && value.length > 1) > 0, 'one was run')
})

test.run()
