/**
 * Random commands on strings and hashes with large values, as pipelines whose bytes are cut
 * anywhere, over both transports, in RESP2 and RESP3, in and outside of MULTI: each reply is what a
 * plain model answers, and so is what a restart finds. `SEED=` replays a run.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { Random } from '../support/random.js'
import { encodeRequest, type Frame, type RespClient, type Word } from '../support/resp-client.js'
import { serverSuite } from '../support/server-suite.js'

const KIB = 1024
const STRINGS = ['{l}a', '{l}b', '{l}c']
const HASHES = ['{l}h', '{l}g']
const FIELDS = ['f', 'field']
/** Where the server goes about a value, a word, a reply or a piece another way. */
const EDGES = [16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB]
/** A longer string is set anew. */
const LONGEST = 4096 * KIB

/** A reply as it is expected; a string stands for a status. */
type Reply = Buffer | string | number | null | readonly Reply[]

interface Exchange {
  readonly words: readonly Word[]
  readonly reply: Reply
}

function drawSize(random: Random): number {
  const kind = random.next()
  if (kind < 0.2) return random.between(1, 100)
  if (kind < 0.3) return random.between(1, 2_500 * KIB)
  return random.pick(EDGES) + random.between(-2, 2)
}

function drawValue(random: Random): Buffer {
  const value = Buffer.alloc(drawSize(random), random.between(0, 255))
  for (let at = random.between(0, 50); at < value.length; at += random.between(1, 99_999)) {
    value[at] = random.between(0, 255)
  }
  return value
}

function joinAt(old: Buffer, offset: number, added: Buffer): Buffer {
  const whole = Buffer.alloc(Math.max(old.length, offset + added.length))
  old.copy(whole)
  added.copy(whole, offset)
  return whole
}

/** What the server must have. */
class Model {
  readonly strings = new Map<string, Buffer>()
  readonly hashes = new Map<string, Map<string, Buffer>>()
  readonly #random: Random
  readonly #draws: readonly (() => Exchange)[]

  constructor(random: Random) {
    this.#random = random
    this.#draws = [
      () => this.#set(),
      () => this.#set(),
      () => this.#append(),
      () => this.#overwrite(),
      () => this.#overwrite(),
      () => this.#read(),
      () => this.#read(),
      () => this.#part(),
      () => this.#several(),
      () => this.#move(),
      () => this.#hset(),
      () => this.#hset(),
      () => this.#hread(),
      () => this.#hread(),
      () => this.#echo(),
    ]
  }

  next(): Exchange {
    return this.#random.pick(this.#draws)()
  }

  /** Reads everything. */
  all(): Exchange[] {
    const strings = STRINGS.map(key => ({ words: ['GET', key], reply: this.#of(key) }))
    const hashes = HASHES.flatMap(key => FIELDS.map(field => this.#hget(key, field)))
    return [...strings, ...hashes]
  }

  #of(key: string): Buffer | null {
    return this.strings.get(key) ?? null
  }

  #put(key: string, value: Buffer): void {
    this.strings.set(key, value)
  }

  #set(): Exchange {
    const random = this.#random
    const [key, value] = [random.pick(STRINGS), drawValue(random)]
    const old = this.#of(key)
    this.#put(key, value)
    const kind = random.between(0, 3)
    if (kind === 0) return { words: ['SET', key, value, 'GET'], reply: old }
    if (kind === 1) return { words: ['GETSET', key, value], reply: old }
    return { words: ['SET', key, value], reply: 'OK' }
  }

  #append(): Exchange {
    const random = this.#random
    const [key, value] = [random.pick(STRINGS), drawValue(random)]
    const old = this.#of(key) ?? Buffer.alloc(0)
    if (old.length + value.length > LONGEST) return this.#set()
    this.#put(key, Buffer.concat([old, value]))
    return { words: ['APPEND', key, value], reply: old.length + value.length }
  }

  #overwrite(): Exchange {
    const random = this.#random
    const [key, value] = [random.pick(STRINGS), drawValue(random)]
    const old = this.#of(key) ?? Buffer.alloc(0)
    const offset = random.next() < 0.5 ? random.between(0, old.length) : drawSize(random)
    if (offset + value.length > LONGEST) return this.#set()
    const whole = joinAt(old, offset, value)
    this.#put(key, whole)
    return { words: ['SETRANGE', key, String(offset), value], reply: whole.length }
  }

  #read(): Exchange {
    const key = this.#random.pick(STRINGS)
    const value = this.#of(key)
    const kind = this.#random.between(0, 3)
    if (kind === 0) return { words: ['STRLEN', key], reply: value?.length ?? 0 }
    if (kind === 1) {
      this.strings.delete(key)
      return { words: ['GETDEL', key], reply: value }
    }
    return { words: ['GET', key], reply: value }
  }

  #part(): Exchange {
    const random = this.#random
    const key = random.pick(STRINGS)
    const value = this.#of(key) ?? Buffer.alloc(0)
    const from = random.between(0, value.length)
    const to = random.between(from, value.length)
    const words = ['GETRANGE', key, String(from), String(to)]
    return { words, reply: value.subarray(from, to + 1) }
  }

  #several(): Exchange {
    const random = this.#random
    if (random.next() < 0.5) {
      const keys = Array.from({ length: random.between(1, 5) }, () => random.pick(STRINGS))
      return { words: ['MGET', ...keys], reply: keys.map(key => this.#of(key)) }
    }
    const pairs: Word[] = []
    for (const key of STRINGS.slice(random.between(0, 2))) {
      const value = drawValue(random)
      this.#put(key, value)
      pairs.push(key, value)
    }
    return { words: ['MSET', ...pairs], reply: 'OK' }
  }

  #move(): Exchange {
    const random = this.#random
    const key = random.pick(STRINGS)
    const value = this.#of(key)
    if (value === null || random.next() < 0.3) {
      return { words: ['DEL', key], reply: Number(this.strings.delete(key)) }
    }
    const to = random.pick(STRINGS)
    this.strings.delete(key)
    this.#put(to, value)
    return { words: ['RENAME', key, to], reply: 'OK' }
  }

  #hset(): Exchange {
    const random = this.#random
    const key = random.pick(HASHES)
    const hash = this.hashes.get(key) ?? new Map<string, Buffer>()
    this.hashes.set(key, hash)
    const before = hash.size
    const words: Word[] = ['HSET', key]
    for (const field of FIELDS.slice(random.between(0, 1))) {
      const value = drawValue(random)
      hash.set(field, value)
      words.push(field, value)
    }
    return { words, reply: hash.size - before }
  }

  #hget(key: string, field: string): Exchange {
    return { words: ['HGET', key, field], reply: this.hashes.get(key)?.get(field) ?? null }
  }

  #hread(): Exchange {
    const random = this.#random
    const [key, field] = [random.pick(HASHES), random.pick(FIELDS)]
    const hash = this.hashes.get(key)
    const value = hash?.get(field)
    const kind = random.between(0, 5)
    if (kind === 0) return { words: ['HSTRLEN', key, field], reply: value?.length ?? 0 }
    if (kind === 1) return { words: ['HVALS', key], reply: [...(hash?.values() ?? [])] }
    if (kind === 2) {
      const gone = Number(hash?.delete(field) ?? false)
      if (hash?.size === 0) this.hashes.delete(key)
      return { words: ['HDEL', key, field], reply: gone }
    }
    if (kind === 3) {
      const pairs = [...(hash ?? [])].map(([name, bytes]) => [Buffer.from(name), bytes])
      return { words: ['HGETALL', key], reply: pairs.flat() }
    }
    return this.#hget(key, field)
  }

  #echo(): Exchange {
    const value = drawValue(this.#random)
    return { words: ['ECHO', value], reply: value }
  }
}

/** Is it the reply? Elements of maps and of HVALS are in the order of the model. */
function isReply({ type, value }: Frame, expected: Reply): boolean {
  if (expected === null) return value === null
  if (typeof expected === 'string') return type === '+' && value === expected
  if (typeof expected === 'number') return type === ':' && value === String(expected)
  if (Buffer.isBuffer(expected)) return Buffer.isBuffer(value) && value.equals(expected)
  if (!Array.isArray(value) || value.length !== expected.length) return false
  return expected.every((one, i) => isReply(value[i], one))
}

/** Sends bytes in parts; after some the server has time to take them in. */
async function sendCut(client: RespClient, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const size = random.next() < 0.1 ? random.between(1, 5) : random.between(1, 700 * KIB)
    client.write(bytes.subarray(at, at + size))
    at += size
    if (random.next() < 0.5) await nextTurn()
  }
}

async function play(client: RespClient, exchanges: readonly Exchange[], random: Random) {
  const isQueued = random.next() < 0.3
  const requests = exchanges.map(({ words }) => words)
  const sent = isQueued ? [['MULTI'], ...requests, ['EXEC']] : requests
  const sending = sendCut(client, Buffer.concat(sent.map(encodeRequest)), random)
  const check = (frame: Frame, { words, reply }: Exchange): void => {
    const shown = words.map(word => (word.length > 100 ? `${word.length} bytes` : word)).join(' ')
    assert.ok(isReply(frame, reply), `another reply to ${shown}: ${frame.type}`)
  }
  if (isQueued) {
    assert.equal(await client.readData(), 'OK')
    for (const _ of exchanges) assert.equal(await client.readData(), 'QUEUED')
    const { value } = await client.read()
    for (const [i, exchange] of exchanges.entries()) {
      check((value as readonly Frame[])[i]!, exchange)
    }
  } else {
    for (const exchange of exchanges) check(await client.read(), exchange)
  }
  await sending
}

for (const transport of ['native', 'node']) {
  const setting = `network.external.transport=${transport}`
  const { server, test } = serverSuite(`large values over ${transport} transport`, [setting])
  const random = new Random(seed())
  const model = new Model(random)

  test('commands answer as the model does', async () => {
    const clients = [await server.connect(2), await server.connect(3)]
    for (let round = 0; round < rounds('commands on large values'); round++) {
      const exchanges = Array.from({ length: random.between(1, 6) }, () => model.next())
      await play(random.pick(clients), exchanges, random)
    }
    await play(clients[0]!, model.all(), random)
  })

  test('a restart finds what was there', async () => {
    for (let round = 0; round < 3; round++) {
      await server.restart()
      const client = await server.connect()
      await play(client, model.all(), random)
      await play(client, [model.next(), model.next(), model.next()], random)
    }
  })

  test.run()
}
