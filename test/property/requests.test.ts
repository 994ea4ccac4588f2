/**
 * Requests put together at random from the words that commands know, and from garbage: whatever is
 * sent, there is one reply for each request, none is an internal error, and the process lives on.
 */
import { serialize } from 'bson'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { Random } from '../support/random.js'
import { encodeRequest, type Frame, type RespClient, type Word } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('random requests', ['log.level=error'])

const REQUESTS_OF_A_PACKET = 40

/** These end the connection, change what the test counts on, or wait for others. */
const LEFT_OUT = new Set(['quit', 'reset', 'hello', 'auth', 'zwatch'])

const WORDS: readonly Word[] = [
  ...'k h b bucket-shard-0 global a.b a..b __internal__ * 0 1 -1 2 100 9999 10000'.split(' '),
  ...'2147483647 2147483648 9223372036854775807 9223372036854775808 1.5 1e400 NaN x'.split(' '),
  ...'LIMIT REVERSE END_KEY_SELECTOR BEGIN_KEY_SELECTOR LAST_LESS_THAN RETURNING'.split(' '),
  ...'versionstamp committed-version DOCS SHARDS IF-NOT-EXISTS QUERY DELETE UPDATE'.split(' '),
  ...'ADD MAX BYTE_MIN APPEND_IF_FITS SET_VERSIONSTAMPED_KEY SET_VERSIONSTAMPED_VALUE'.split(' '),
  ...'KEY_SELECTOR 1e6144 -0.00 CREATE USE LIST EXISTS CURRENT SET GET INFO DOCS'.split(' '),
  ...'COUNT GETKEYS SETNAME SETINFO'.split(' '),
  ...'EX PX NX XX KEEPTTL ON OFF FRESH CACHED json bson hex reply_type input_type limit'.split(' '),
  ...'DESCRIBE-MEMBER DESCRIBE-CLUSTER DESCRIBE-SHARD LIST-MEMBERS BUCKET REDIS DESCRIBE'.split(
    ' ',
  ),
  ...['{}', '{"a":1}', '{"_id":5}', '{"a":{"$gt":1}}', '{"$or":[{"a":1},{"b":null}]}', '{', '[]'],
  ...['{"a":{"$regex":"("}}', '{"$and":5}', '{"a":{"$elemMatch":{"$gt":1}}}', '{"a":{"$size":-1}}'],
  ...[`{"_id":"${'0'.repeat(24)}"}`, '{"a":{"$in":[1,"x",null]}}', '"', "'", '', ' ', 'ü', '\r\n'],
  Buffer.of(0),
  Buffer.of(0xff, 0xfe, 0x0d, 0x0a),
  Buffer.from(serialize({ a: 1, b: { c: [1, 'x', null] } })),
  Buffer.from(serialize({})),
  Buffer.of(5, 0, 0, 0, 1),
  Buffer.alloc(20_000, 'z'),
]

class Requests {
  readonly #random: Random
  readonly #names: readonly string[]

  constructor(random: Random, names: readonly string[]) {
    this.#random = random
    this.#names = names.filter(name => !LEFT_OUT.has(name))
  }

  next(): Word[] {
    const words: Word[] = [this.#random.pick(this.#names)]
    const count = this.#random.between(0, 5)
    for (let i = 0; i < count; i++) words.push(this.#word())
    return words
  }

  #word(): Word {
    const word = this.#random.pick(WORDS)
    if (this.#random.next() > 0.05) return word
    const bytes = Buffer.from(word)
    if (bytes.length > 0)
      bytes[this.#random.between(0, bytes.length - 1)]! ^= 1 << this.#random.between(0, 7)
    return bytes
  }
}

/** Sends a packet of requests and looks at the replies; a marker behind them shows the step. */
async function exchange(client: RespClient, requests: readonly Word[][], marker: string) {
  // A queue that one of them has begun ends before the marker, which would join it.
  const sent = [...requests, ['DISCARD']]
  client.write(Buffer.concat([...sent, ['ECHO', marker]].map(encodeRequest)))
  for (const request of sent) {
    const reply = await client.read()
    assert.not.match(errorsIn(reply), /internal error/, shown(request))
  }
  assert.is(await client.readData(), marker, requests.map(shown).join('\n'))
}

/** Errors of a reply, and inside of that of EXEC. */
function errorsIn({ type, value }: Frame): string {
  if (Array.isArray(value)) return (value as readonly Frame[]).map(errorsIn).join('\n')
  return type === '-' ? String(value) : ''
}

function shown(words: readonly Word[]): string {
  return words.map(word => JSON.stringify(word.toString('latin1').slice(0, 60))).join(' ')
}

for (const port of ['client', 'admin'] as const) {
  test(`keep the ${port} port in step`, async () => {
    const used = seed()
    console.log(`SEED=${used}`)
    const random = new Random(used)
    const connect = () => (port === 'client' ? server.connect() : server.connectAdmin(2))
    let client = await connect()
    const requests = new Requests(random, (await client.call('COMMAND', 'LIST')) as string[])
    for (let done = 0; done < rounds('random requests'); ) {
      const packet = Array.from({ length: random.between(1, REQUESTS_OF_A_PACKET) }, () => {
        return requests.next()
      })
      await exchange(client, packet, `marker ${done}`)
      done += packet.length
      if (random.next() < 0.1) {
        client.close()
        client = await connect()
        await client.call('HELLO', random.pick(['2', '3']))
      }
    }
  })
}

test('leave a server that works', async () => {
  const client = await server.connect()
  await client.call('NAMESPACE', 'CREATE', 'afterwards')
  await client.call('NAMESPACE', 'USE', 'afterwards')
  assert.is(await client.call('ZSET', 'k', 'v'), 'OK')
  assert.is(await client.call('ZGET', 'k'), 'v')
})

test.run()
