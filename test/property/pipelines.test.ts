/**
 * Pipelines put together at random from commands that answer at once and commands that answer
 * later, with bytes cut anywhere: the replies are those of one request at a time.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { isOnCluster } from '../support/cluster.js'
import { assertVerified } from '../support/indexes.js'
import { Random } from '../support/random.js'
import {
  elementsOf,
  encodeRequest,
  type Frame,
  type RespClient,
  type Word,
} from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const LONGEST = 120
/** Every second read and commit is answered late, in changing order, and none fails. */
const LATE = { seed: 1, lateCommits: 0.5, lateReads: 0.5, maxDelayMs: 3 }
/** Where the id of the connection is in a reply of HELLO. */
const HELLO_ID = 7

/** Of the bucket that every session has. */
const SCHEMA = '{"n": {"bson_type": "int32"}}'
const KEYS = ['k', 'key 2', '', '\r\n', '\0']
const VALUES: readonly Word[] = [
  '',
  'v',
  '$3\r\nx\r\n',
  Buffer.of(0, 255, 13, 10),
  'x'.repeat(5_000),
]

type Request = readonly Word[]

/** Requests of one session. `side` keeps what two sessions store apart; no reply shows it. */
class Requests {
  readonly #random: Random
  readonly #side: string

  constructor(random: Random, side: string) {
    this.#random = random
    this.#side = side
  }

  /** The first requests of a session. */
  opening(): Request[] {
    return [
      ['NAMESPACE', 'CREATE', this.#side],
      ...this.#home(),
      ['BUCKET.CREATE', 'b', 'INDEXES', SCHEMA],
    ]
  }

  #home(): Request[] {
    return [
      ['NAMESPACE', 'USE', this.#side],
      ['SESSION.ATTRIBUTE', 'SET', 'input_type', 'json'],
      ['SESSION.ATTRIBUTE', 'SET', 'reply_type', 'json'],
    ]
  }

  next(): Request[] {
    const random = this.#random
    switch (random.between(0, 5)) {
      case 0:
        return [this.#zmap()]
      case 1:
        return [this.#redis()]
      case 2:
        return [this.#documents()]
      case 3:
        return [random.pick([['BEGIN'], ['COMMIT'], ['ROLLBACK'], ['SNAPSHOTREAD', 'ON']])]
      case 4:
        return this.#session()
      default:
        return [this.#trifle()]
    }
  }

  #zmap(): Request {
    const random = this.#random
    const [key, value] = [random.pick(KEYS), random.pick(VALUES)]
    return random.pick<Request>([
      ['ZSET', key, value],
      ['ZGET', key],
      ['ZDEL', key],
      ['ZGETRANGE', '*', '*'],
      ['zgetrange', '*', key, 'REVERSE'],
      ['ZGETRANGE', '*', '*', 'LIMIT', '-1'],
      ['NAMESPACE', 'EXISTS', 'nosuch'],
    ])
  }

  #redis(): Request {
    const random = this.#random
    const [key, value] = [`${this.#side}{${random.pick(KEYS)}}`, random.pick(VALUES)]
    return random.pick<Request>([
      ['SET', key, value],
      ['GET', key],
      ['DEL', key],
      ['HSET', key, 'field', value],
      ['HGETALL', key],
      ['DEL', 'a', 'b'],
    ])
  }

  #documents(): Request {
    const random = this.#random
    const id = String(random.between(1, 5)).padStart(24, '0')
    return random.pick<Request>([
      ['BUCKET.INSERT', 'b', 'DOCS', `{"_id": "${id}", "n": ${random.between(0, 9)}}`],
      ['BUCKET.QUERY', 'b', '{"n": {"$gt": 4}}'],
      ['BUCKET.ADVANCE', 'QUERY', '1'],
      ['BUCKET.DELETE', 'b', `{"_id": "${id}"}`],
      ['BUCKET.QUERY', 'nosuch', '{}'],
    ])
  }

  #session(): Request[] {
    const random = this.#random
    return random.pick<Request[]>([
      [['HELLO', '3']],
      [['HELLO', '2', 'SETNAME', random.pick(['x', 'a b'])]],
      [['HELLO', '7']],
      [['CLIENT', 'GETNAME']],
      [['SESSION.ATTRIBUTE', 'LIST']],
      [['SESSION.CLOSE'], ...this.#home()],
      [['RESET'], ...this.#home()],
    ])
  }

  #trifle(): Request {
    const random = this.#random
    return random.pick<Request>([
      ['PING'],
      ['ping', random.pick(VALUES)],
      ['ECHO', random.pick(VALUES)],
      ['NOSUCH', 'x'],
      ['ZSET', 'too', 'many', 'words'],
      ['COMMAND', 'COUNT'],
    ])
  }
}

/** Bytes of a pipeline: arrays, inline commands where the words allow it, and what is ignored. */
function encodePipeline(requests: readonly Request[], random: Random): Buffer {
  const parts = requests.map(words => {
    const isPlain = words.every(word => typeof word === 'string' && /^[\w.]+$/.test(word))
    const line = `${words.join(' ')}${random.pick(['\n', '\r\n'])}`
    const bytes = isPlain && random.next() < 0.5 ? Buffer.from(line) : encodeRequest(words)
    const nothing = random.next() < 0.1 ? random.pick(['\r\n', '\n', '*0\r\n', '*-1\r\n']) : ''
    return Buffer.concat([Buffer.from(nothing), bytes])
  })
  return Buffer.concat(parts)
}

/** Writes the bytes in pieces, some of them together, some apart in time. */
async function writeInPieces(client: RespClient, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const most = random.pick([1, 10, 1_000, bytes.length])
    const size = random.between(1, Math.max(1, Math.min(most, bytes.length - at)))
    client.write(bytes.subarray(at, at + size))
    at += size
    if (random.next() < 0.2) await nextTurn()
    else if (random.next() < 0.05) await sleep(1)
  }
}

/** The reply as it may be compared: two connections differ in their ids. */
function comparable(request: Request, reply: Frame): Frame {
  if (request[0] !== 'HELLO' || reply.type === '-') return reply
  const fields = elementsOf(reply).map((field, i) =>
    i === HELLO_ID ? { ...field, value: 'id' } : field,
  )
  return { ...reply, value: fields }
}

for (const transport of ['native', 'node']) {
  const { server, test } = serverSuite(`pipelines over ${transport} transport`, [
    `network.external.transport=${transport}`,
  ])
  if (!isOnCluster) server.faults = LATE

  test('answer as one request at a time does', async () => {
    const used = seed()
    console.log(`SEED=${used}`)
    for (let round = 0; round < rounds('pipelines'); round++) {
      const [piped, single] = [await server.connect(), await server.connect()]
      const [left, right] = ['left', 'right'].map(side => {
        const random = new Random(used + round)
        const requests = new Requests(random, `${side}${round}`)
        const count = random.between(1, LONGEST)
        const all = requests.opening()
        while (all.length < count) all.push(...requests.next())
        return all
      }) as [Request[], Request[]]
      const random = new Random(used - round)
      const writing = writeInPieces(piped, encodePipeline(left, random), random)
      for (const [i, request] of right.entries()) {
        const expected = comparable(request, await single.frame(...request))
        const got = comparable(request, await piped.read())
        const at = `seed ${used}, round ${round}, request ${i}: ${request.join(' ').slice(0, 100)}`
        assert.equal(got, expected, at)
      }
      await writing
      const checker = await server.connect()
      await checker.call('NAMESPACE', 'USE', `left${round}`)
      await assertVerified(checker, 'b', `seed ${used}, round ${round}`)
      checker.close()
      for (const client of [piped, single]) {
        client.send('QUIT')
        client.send('PING')
        await client.expect('+OK\r\n')
        await client.expectClose()
        client.close()
      }
    }
  })

  test.run()
}
