/**
 * A client of registers, counters and accounts in the ZMap, which records a history of what it did:
 * one-off commands, pipelines of them, and transactions, sent one by one or in one packet.
 */
import * as assert from 'uvu/assert'
import type { History } from './history.js'
import type { Step } from './linearizability.js'
import type { Random } from './random.js'
import { elementsOf, encodeRequest, type Frame, type RespClient, type Word } from './resp-client.js'

const REGISTERS = ['r0', 'r1', 'r2']
const COUNTERS = ['c0', 'c1', 'd0']
const ACCOUNTS = ['a0', 'a1', 'a2']
export const START_BALANCE = 1_000
const PIPELINE_MAX = 8

/** Keys that operations use together: each group has a history of its own. */
export const GROUPS: readonly (readonly string[])[] = [
  ...[...REGISTERS, ...COUNTERS].map(key => [key]),
  ACCOUNTS,
]

/** First words of refusals after which nothing has happened. */
const REFUSALS: ReadonlySet<string> = new Set(['NOT_COMMITTED', 'TRANSACTIONOLD'])
const IN_DOUBT = 'COMMIT_UNKNOWN_RESULT'

/** One command, and what it means for the history. */
interface Request {
  readonly words: readonly Word[]
  /** What happens when it does not only read. */
  readonly effects: readonly Step[]
  /** What the reply of a reading command says. */
  readonly reads?: (reply: Frame) => Step[]
}

export class RegisterClient {
  /** Transactions that were refused for a conflict. */
  conflicts = 0
  readonly #client: RespClient
  readonly #history: History
  readonly #random: Random
  /** What the keys of this history begin with. */
  readonly #prefix: string
  readonly #name: string
  #written = 0
  /** The newest value of each register that it has seen. */
  readonly #seen = new Map<string, string>()

  constructor(
    client: RespClient,
    options: { history: History; random: Random; prefix: string; name: string },
  ) {
    this.#client = client
    this.#history = options.history
    this.#random = options.random
    this.#prefix = options.prefix
    this.#name = options.name
  }

  /** Writes the accounts. */
  async open(): Promise<void> {
    const first = ACCOUNTS.map(key => this.#setNumber(key, START_BALANCE))
    while (!(await this.#transaction(first, 'one packet'))) {
      // Refused, or of unknown outcome: nobody else writes yet.
    }
  }

  /** Reads everything. @returns the sum of the accounts */
  async readAll(): Promise<number> {
    for (const key of REGISTERS) await this.#pipeline([this.#get(key)])
    for (const key of COUNTERS) await this.#pipeline([this.#getNumber(key)])
    const start = this.#history.now()
    const steps = this.#balances(await this.#frame('ZGETRANGE', this.#key('a'), this.#key('b')))
    this.#history.add(start, steps)
    return steps.reduce((sum, step) => sum + Number('read' in step ? step.value : 0), 0)
  }

  /** Does one thing after the other until it is over, or, once in a while, leaves in the middle.
   *  @throws Error when the server is gone */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      if (this.#random.next() < 0.003) return this.#leave()
      await this.#act()
    }
  }

  async #act(): Promise<unknown> {
    const random = this.#random
    const way = random.pick(['one by one', 'one packet'] as const)
    const roll = random.next()
    if (roll < 0.3) return this.#pipeline([this.#anyRequest()])
    if (roll < 0.55) {
      const count = random.between(2, PIPELINE_MAX)
      return this.#pipeline(Array.from({ length: count }, () => this.#anyRequest()))
    }
    if (roll < 0.65) {
      const key = random.pick(REGISTERS)
      return this.#transaction([this.#get(key), this.#set(key)], way)
    }
    if (roll < 0.75) return this.#increment(random.pick(COUNTERS))
    if (roll < 0.85) return this.#transfer()
    if (roll < 0.92) {
      const [from, to] = this.#twoAccounts()
      return this.#transaction([this.#add(from, -7), this.#add(to, 7)], way)
    }
    return this.#transaction(
      ACCOUNTS.map(key => this.#getNumber(key)),
      way,
    )
  }

  /** Goes away in the middle: of a pipeline, or of a transaction. */
  #leave(): void {
    const start = this.#history.now()
    const requests = Array.from({ length: 4 }, () => this.#anyRequest())
    if (this.#random.next() < 0.5) this.#client.send('BEGIN')
    else for (const { effects } of requests) this.#history.addLost(start, effects)
    this.#client.write(Buffer.concat(requests.map(({ words }) => encodeRequest([...words]))))
    this.#client.close()
  }

  // Commands.

  #anyRequest(): Request {
    const random = this.#random
    const register = random.pick(REGISTERS)
    const counter = random.pick(COUNTERS)
    const roll = random.next()
    if (roll < 0.25) return this.#get(register)
    if (roll < 0.5) return this.#set(register)
    if (roll < 0.55) return this.#clear(register)
    if (roll < 0.65) return this.#clearIf(register)
    if (roll < 0.8) return this.#getNumber(counter)
    return this.#add(counter, random.between(1, 2))
  }

  #get(key: string): Request {
    const reads = ({ value }: Frame): Step[] => {
      if (value !== null) this.#seen.set(key, String(value))
      return [{ read: key, value: value === null ? null : String(value) }]
    }
    return { words: ['ZGET', this.#key(key)], effects: [], reads }
  }

  #set(key: string): Request {
    this.#written += 1
    const value = `${this.#name}.${this.#written}`
    return { words: ['ZSET', this.#key(key), value], effects: [{ write: key, value }] }
  }

  #clear(key: string): Request {
    return { words: ['ZDEL', this.#key(key)], effects: [{ write: key, value: null }] }
  }

  #clearIf(key: string): Request {
    const value = this.#seen.get(key) ?? 'none'
    const words = ['ZMUTATE', this.#key(key), value, 'COMPARE_AND_CLEAR']
    return { words, effects: [{ clearIf: key, value }] }
  }

  #getNumber(key: string): Request {
    const reads = ({ value }: Frame): Step[] => [
      { read: key, value: value === null ? null : String(value) },
    ]
    return { words: [`ZGET.${typeOf(key)}`, this.#key(key)], effects: [], reads }
  }

  #setNumber(key: string, number: number): Request {
    const value = String(number)
    const words = [`ZSET.${typeOf(key)}`, this.#key(key), value]
    return { words, effects: [{ write: key, value }] }
  }

  #add(key: string, by: number): Request {
    const words = [`ZINC.${typeOf(key)}`, this.#key(key), String(by)]
    return { words, effects: [{ add: key, by }] }
  }

  #key(key: string): string {
    return `${this.#prefix}${key}`
  }

  #twoAccounts(): [from: string, to: string] {
    const from = this.#random.pick(ACCOUNTS)
    return [from, this.#random.pick(ACCOUNTS.filter(key => key !== from))]
  }

  #balances(reply: Frame): Step[] {
    return elementsOf(reply).map(entry => {
      const [key, value] = elementsOf(entry)
      const balance = (value!.value as Buffer).readBigInt64LE()
      return { read: String(key!.value).slice(this.#prefix.length), value: String(balance) }
    })
  }

  // Ways of sending them.

  /** One-off commands in one packet. */
  async #pipeline(requests: readonly Request[]): Promise<void> {
    const start = this.#history.now()
    this.#client.write(Buffer.concat(requests.map(({ words }) => encodeRequest([...words]))))
    let answered = 0
    try {
      for (const request of requests) {
        const reply = await this.#client.read()
        answered += 1
        const refusal = refusalIn(reply)
        if (refusal === undefined) this.#history.add(start, stepsOf(request, reply))
        else if (refusal === IN_DOUBT) this.#history.addDoubtful(start, request.effects)
      }
    } finally {
      for (const { effects } of requests.slice(answered)) this.#history.addLost(start, effects)
    }
  }

  /** @returns whether it is committed */
  async #transaction(
    requests: readonly Request[],
    way: 'one by one' | 'one packet',
  ): Promise<boolean> {
    const start = this.#history.now()
    if (way === 'one packet') {
      const words = [['BEGIN'], ...requests.map(request => [...request.words]), ['COMMIT']]
      this.#client.write(Buffer.concat(words.map(encodeRequest)))
    } else {
      this.#client.send('BEGIN')
    }
    const steps: Step[] = []
    let answered = 0
    try {
      assert.is((await this.#client.read()).value, 'OK', 'BEGIN')
      for (const request of requests) {
        if (way === 'one by one') this.#client.send(...request.words)
        const reply = await this.#client.read()
        answered += 1
        if (refusalIn(reply) === undefined) steps.push(...stepsOf(request, reply))
      }
    } catch (cause) {
      // A packet holds the COMMIT, too.
      const unanswered = requests.slice(answered).flatMap(({ effects }) => effects)
      if (way === 'one packet') this.#history.addLost(start, [...steps, ...unanswered])
      throw cause
    }
    if (way === 'one by one') this.#client.send('COMMIT')
    return await this.#commit(start, steps)
  }

  /** Records what the reply of a COMMIT that was sent says about its transaction.
   *  @returns whether it is committed */
  async #commit(start: number, steps: readonly Step[]): Promise<boolean> {
    let reply: Frame
    try {
      reply = await this.#client.read()
    } catch (cause) {
      this.#history.addLost(start, steps)
      throw cause
    }
    const refusal = refusalIn(reply)
    if (refusal === undefined) {
      this.#history.add(start, steps)
    } else if (refusal === IN_DOUBT) {
      this.#history.addDoubtful(start, steps)
    } else {
      if (refusal === 'NOT_COMMITTED') this.conflicts += 1
      // What was read before the first write was true all the same, and at one moment.
      const firstWrite = steps.findIndex(step => !('read' in step))
      this.#history.add(start, firstWrite === -1 ? steps : steps.slice(0, firstWrite))
    }
    return refusal === undefined
  }

  /** Reads a counter and writes one more. */
  async #increment(key: string): Promise<void> {
    await this.#readAndWrite([key], ([count]) => [this.#setNumber(key, count! + 1)])
  }

  /** Reads two accounts and writes both. */
  async #transfer(): Promise<void> {
    const [from, to] = this.#twoAccounts()
    const amount = this.#random.between(1, 50)
    await this.#readAndWrite([from, to], ([had, other]) => [
      this.#setNumber(from, had! - amount),
      this.#setNumber(to, other! + amount),
    ])
  }

  async #readAndWrite(
    keys: readonly string[],
    write: (numbers: readonly number[]) => Request[],
  ): Promise<void> {
    const start = this.#history.now()
    const steps: Step[] = []
    const numbers: number[] = []
    assert.is((await this.#frame('BEGIN')).value, 'OK', 'BEGIN')
    for (const key of keys) {
      const request = this.#getNumber(key)
      const reply = await this.#frame(...request.words)
      if (refusalIn(reply) !== undefined) {
        assert.is((await this.#frame('ROLLBACK')).value, 'OK', 'ROLLBACK')
        return this.#history.add(start, steps)
      }
      steps.push(...stepsOf(request, reply))
      numbers.push(Number(reply.value ?? 0))
    }
    for (const { words, effects } of write(numbers)) {
      assert.is((await this.#frame(...words)).value, 'OK', words.join(' '))
      steps.push(...effects)
    }
    this.#client.send('COMMIT')
    await this.#commit(start, steps)
  }

  #frame(...words: Word[]): Promise<Frame> {
    return this.#client.frame(...words)
  }
}

/** Decimals are added by a read and a write, integers blindly. */
function typeOf(key: string): 'D128' | 'I64' {
  return key.startsWith('d') ? 'D128' : 'I64'
}

function stepsOf({ effects, reads }: Request, reply: Frame): readonly Step[] {
  return reads === undefined ? effects : reads(reply)
}

/** The first word of a refusal. @throws Error for one that nobody expects here */
function refusalIn({ type, value }: Frame): string | undefined {
  if (type !== '-') return undefined
  const word = String(value).split(' ')[0]!
  if (REFUSALS.has(word) || word === IN_DOUBT) return word
  throw new Error(`an unexpected error: ${String(value)}`)
}
