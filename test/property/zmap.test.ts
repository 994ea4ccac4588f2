/**
 * Random ZMap commands of several sessions, inside and outside of transactions, against a sorted
 * map. Each reply is compared byte for byte. A committed transaction must be serialisable: repeated
 * on what is committed then, its reads answer the same. `SEED=` replays a run.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { embeddedOnly } from '../support/cluster.js'
import { type Faults, troubled } from '../support/faults.js'
import { Random } from '../support/random.js'
import { encodeRequest, type RespClient } from '../support/resp-client.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { error, OK, type Protocol } from '../support/zmap.js'
import { MapModel, type Request } from '../support/zmap-model.js'
import { RandomRequests, STAMP_ROOM } from '../support/zmap-requests.js'

const tests = suite('random zmap commands')
const onEmbedded = embeddedOnly(tests, 'a cluster has no fault mode')

const SESSIONS = 4
const COMMANDS_OF_A_MAP = 300
/** Requests that are sent at once: their writes share transactions. */
const PIPELINE_MAX = 20
const CONFLICT = error(
  'NOT_COMMITTED Transaction not committed due to conflict with another transaction',
)
const TOO_OLD = error('TRANSACTIONOLD transaction is too old to perform reads or be committed')
const UNKNOWN = error('COMMIT_UNKNOWN_RESULT Transaction may or may not have committed')

interface Step {
  readonly request: Request
  readonly reply: string
  /** Its read adds no conflict: it may answer otherwise when it is repeated. */
  readonly isSnapshot: boolean
}

interface Transaction {
  /** What it sees. */
  readonly view: MapModel
  /** It reads, so its version was taken when it began; else it only writes. */
  readonly reads: boolean
  readonly steps: Step[]
  /** Commits before it began. */
  readonly since: number
}

class Session {
  transaction: Transaction | undefined
  isSnapshot = false
  /** The key that it waits for, and the value at the time. */
  watched: { readonly key: string; readonly value: string | undefined } | undefined

  constructor(
    readonly client: RespClient,
    readonly protocol: Protocol,
  ) {}

  send(request: Request): void {
    this.client.write(bytesOf(request))
  }

  async ask(request: Request): Promise<string> {
    this.send(request)
    return await this.client.readText()
  }
}

/** One ZMap, its sessions, and what should be in it. */
class Run {
  readonly #random: Random
  readonly #requests: RandomRequests
  readonly #hasFaults: boolean
  readonly #history: string[] = []
  #sessions: Session[] = []
  #committed = new MapModel()
  #commits = 0

  constructor(random: Random, hasFaults: boolean) {
    this.#random = random
    this.#requests = new RandomRequests(random)
    this.#hasFaults = hasFaults
  }

  async play(server: TestServer, map: string): Promise<void> {
    try {
      for (let i = 0; i < SESSIONS; i++) {
        const protocol = i % 2 === 0 ? 2 : 3
        const session = new Session(await server.connect(protocol), protocol)
        if (i === 0) await untilDone(session, ['NAMESPACE', 'CREATE', map])
        await untilDone(session, ['NAMESPACE', 'USE', map])
        this.#sessions.push(session)
      }
      for (let i = 0; i < COMMANDS_OF_A_MAP; i++) await this.#step()
      await this.#compareAll()
    } catch (cause) {
      const last = this.#history.slice(-12).join('\n  ')
      throw new Error(`${(cause as Error).message}\nlast requests:\n  ${last}`, { cause })
    } finally {
      for (const { client } of this.#sessions) client.close()
    }
  }

  async #step(): Promise<void> {
    const free = this.#sessions.filter(({ watched }) => watched === undefined)
    const session = this.#random.pick(free)
    const dice = this.#random.next()
    const { transaction } = session
    if (transaction !== undefined) {
      if (dice < 0.12) await this.#commit(session, transaction)
      else if (dice < 0.15) await this.#rollBack(session)
      else await this.#inside(session, transaction)
    } else if (dice < 0.08) {
      await this.#begin(session)
    } else if (dice < 0.11 && !this.#hasFaults && free.length > 1) {
      await this.#watch(session)
    } else if (dice < 0.14) {
      session.isSnapshot = this.#random.next() < 0.5
      await this.#expect(session, ['SNAPSHOTREAD', session.isSnapshot ? 'on' : 'OFF'], OK)
    } else if (dice < 0.18) {
      await this.#stampAlone(session)
    } else if (dice < 0.22 && !this.#hasFaults && free.length === SESSIONS) {
      await this.#pipeline(session)
    } else if (dice < 0.24) {
      assert.match(await this.#ask(session, ['ZGETRANGESIZE', '*', '*']), /^:\d+\r\n$/)
    } else {
      await this.#alone(session, this.#requests.any())
    }
  }

  /** A command that is a transaction of its own. */
  async #alone(session: Session, request: Request): Promise<void> {
    const after = this.#committed.copy()
    const wanted = after.run(request, session.protocol)
    const reply = await this.#ask(session, request)
    if (this.#isTrouble(reply)) return
    if (reply === UNKNOWN && this.#hasFaults) return await this.#findOut(session, after)
    this.#same(reply, wanted, session, request)
    if (!isRead(request)) await this.#took(after)
  }

  /** Commands that are sent at once: their writes share transactions. */
  async #pipeline(session: Session): Promise<void> {
    const length = this.#random.between(2, PIPELINE_MAX)
    const requests = Array.from({ length }, () => this.#requests.any())
    const bytes = requests.map(request => bytesOf(request))
    session.client.write(Buffer.concat(bytes))
    for (const request of requests) {
      const after = this.#committed.copy()
      const wanted = after.run(request, session.protocol)
      const reply = await session.client.readText()
      this.#note(session, request, reply)
      this.#same(reply, wanted, session, request)
      if (!isRead(request)) await this.#took(after)
    }
  }

  async #begin(session: Session): Promise<void> {
    await this.#expect(session, ['BEGIN'], OK)
    const reads = this.#random.next() < 0.6
    const view = this.#committed.copy()
    session.transaction = { view, reads, steps: [], since: this.#commits }
    // The version is taken now, so that the model knows what will be seen.
    if (!reads) return
    const reply = await this.#ask(session, ['GETREADVERSION'])
    if (!reply.startsWith(':')) await this.#giveUp(session, reply)
  }

  async #inside(session: Session, { view, reads, steps }: Transaction): Promise<void> {
    const request = reads ? this.#requests.insideReading() : this.#requests.blind()
    const { isSnapshot } = session
    const wanted = view.run(request, session.protocol)
    const reply = await this.#ask(session, request)
    if (reply !== wanted && this.#isTrouble(reply)) return await this.#giveUp(session, reply)
    this.#same(reply, wanted, session, request)
    steps.push({ request, reply, isSnapshot: isSnapshot && request[0]!.startsWith('ZGET') })
  }

  async #commit(session: Session, { reads, steps, since }: Transaction): Promise<void> {
    // A stamped write is the last one: nothing can be read behind it.
    const stamped = this.#random.next() < 0.3 ? this.#requests.stamped() : undefined
    if (stamped !== undefined) await this.#expect(session, stamped.request, OK)
    const returning = stamped === undefined ? [] : ['RETURNING', 'versionstamp']
    const reply = await this.#ask(session, ['COMMIT', ...returning])
    session.transaction = undefined
    const isWrite = ({ request, reply: told }: Step) => !isRead(request) && told === OK
    const writes = stamped !== undefined || steps.some(isWrite)
    if (reply === CONFLICT && !this.#hasFaults) {
      assert.ok(reads && writes && this.#commits > since, 'a conflict without a reason')
      return
    }
    if (this.#isTrouble(reply)) return
    // A stamp that nobody was told of: where it went is not known.
    if (reply === UNKNOWN && this.#hasFaults && stamped !== undefined) {
      return await this.#reload(session)
    }
    const after = this.#committed.copy()
    for (const { request, reply: earlier, isSnapshot } of steps) {
      const repeated = after.run(request, session.protocol)
      if (!writes || isSnapshot || isSame(earlier, repeated)) continue
      // With a result that is unknown: this cannot have been committed.
      if (reply === UNKNOWN && this.#hasFaults) return await this.#findOut(session)
      this.#same(earlier, repeated, session, ['repeated', ...request])
    }
    if (reply === UNKNOWN && this.#hasFaults) return await this.#findOut(session, after)
    if (stamped === undefined) {
      this.#same(reply, OK, session, ['COMMIT'])
    } else {
      assert.match(reply, /^\$10\r\n/)
      stamped.apply(after, reply.slice('$10\r\n'.length, -2))
    }
    if (writes) await this.#took(after)
  }

  async #rollBack(session: Session): Promise<void> {
    session.transaction = undefined
    await this.#expect(session, ['ROLLBACK'], OK)
  }

  /** After trouble nothing of a transaction is of use. */
  async #giveUp(session: Session, reply: string): Promise<void> {
    assert.ok(this.#isTrouble(reply), reply)
    await this.#rollBack(session)
  }

  /** A stamped write by itself, whose stamp is read back. */
  async #stampAlone(session: Session): Promise<void> {
    const { request, apply, isKey } = this.#requests.stamped()
    const reply = await this.#ask(session, request)
    if (this.#isTrouble(reply)) return
    if (this.#hasFaults) return await this.#reload(session)
    this.#same(reply, OK, session, request)
    const before = this.#committed
    await this.#reload(session)
    // Whatever the stamp was: everything else is as it was.
    const stamp = isKey ? this.#newStamp(before, request) : this.#valueStamp(request)
    const wanted = before.copy()
    apply(wanted, stamp)
    assert.ok(this.#committed.equals(wanted), `not what a stamp makes: ${shown(request)}`)
  }

  #valueStamp([, key = '', param = '']: Request): string {
    const at = param.indexOf(STAMP_ROOM)
    return (this.#committed.get(key) ?? '').slice(at, at + STAMP_ROOM.length)
  }

  #newStamp(before: MapModel, [, template = '']: Request): string {
    const at = template.indexOf(STAMP_ROOM)
    const isNew = (key: string) =>
      before.get(key) === undefined && key.length === template.length - 4
    const key = this.#committed.keys().find(isNew) ?? ''
    return key.slice(at, at + STAMP_ROOM.length)
  }

  /** Waits for a key. The PONG before it says that the watch is set. */
  async #watch(session: Session): Promise<void> {
    const key = this.#requests.key()
    session.send(['PING'])
    session.send(['ZWATCH', key])
    this.#history.push(shown(['ZWATCH', key]))
    assert.is(await session.client.readText(), '+PONG\r\n')
    session.watched = { key, value: this.#committed.get(key) }
    // The session goes on from another connection's point of view only once it was looked at.
    const [other] = this.#sessions.filter(({ watched }) => watched === undefined)
    assert.is(await other!.ask(['PING']), '+PONG\r\n')
  }

  /** Something was written, be it what was there before: who waited for a change is told. */
  async #took(after: MapModel): Promise<void> {
    this.#commits += 1
    this.#committed = after
    for (const session of this.#sessions) {
      const { watched } = session
      if (watched === undefined || after.get(watched.key) === watched.value) continue
      assert.is(await session.client.readText(), OK, `ZWATCH ${shown([watched.key])}`)
      session.watched = undefined
    }
  }

  /** A commit of unknown result: one of two maps is there. @param after absent when there can be
   *  no such */
  async #findOut(session: Session, after = this.#committed): Promise<void> {
    const before = this.#committed
    await this.#reload(session)
    const isOne = this.#committed.equals(after) || this.#committed.equals(before)
    assert.ok(isOne, 'neither the state before nor the one after')
  }

  /** Takes over what is stored. */
  async #reload(session: Session): Promise<void> {
    await this.#took(await this.#stored(session))
  }

  async #stored(session: Session): Promise<MapModel> {
    const other = this.#sessions.find(
      ({ transaction, watched }) => transaction === undefined && watched === undefined,
    )
    const { client } = session.transaction === undefined ? session : (other ?? session)
    for (;;) {
      client.send('ZGETRANGE', '*', '*', 'LIMIT', '0')
      const { type, value } = await client.read()
      if (type === '-') continue
      const pairs = value as readonly { value: readonly { value: Buffer }[] }[]
      const entries = pairs.map(({ value: [key, stored] }): [string, string] => [
        key!.value.toString('latin1'),
        stored!.value.toString('latin1'),
      ])
      return new MapModel(new Map(entries))
    }
  }

  async #compareAll(): Promise<void> {
    for (const session of this.#sessions) {
      if (session.transaction !== undefined) await this.#rollBack(session)
    }
    const session = this.#sessions.find(({ watched }) => watched === undefined)!
    assert.ok((await this.#stored(session)).equals(this.#committed), 'the maps differ in the end')
    await this.#alone(session, ['ZGETRANGE', '*', '*', 'LIMIT', '0', 'REVERSE'])
  }

  /** The faults of the store that leave nothing behind. */
  #isTrouble(reply: string): boolean {
    return this.#hasFaults && (reply === CONFLICT || reply === TOO_OLD)
  }

  async #expect(session: Session, request: Request, wanted: string): Promise<void> {
    this.#same(await this.#ask(session, request), wanted, session, request)
  }

  async #ask(session: Session, request: Request): Promise<string> {
    const reply = await session.ask(request)
    this.#note(session, request, reply)
    return reply
  }

  #note(session: Session, request: Request, reply: string): void {
    const number = this.#sessions.indexOf(session)
    this.#history.push(`${number}: ${shown(request)} -> ${JSON.stringify(reply.slice(0, 200))}`)
  }

  #same(reply: string, wanted: string, session: Session, request: Request): void {
    if (isSame(reply, wanted)) return
    const number = this.#sessions.indexOf(session)
    assert.is(JSON.stringify(reply), JSON.stringify(wanted), `${number}: ${shown(request)}`)
  }
}

function bytesOf(request: Request): Buffer {
  return encodeRequest(request.map(word => Buffer.from(word, 'latin1')))
}

/** Of some errors the model knows the beginning. */
function isSame(reply: string, wanted: string): boolean {
  return reply === wanted || (wanted.startsWith('-') && reply.startsWith(wanted.slice(0, -2)))
}

function isRead([name = '']: Request): boolean {
  return name.startsWith('ZGET')
}

function shown(request: Request): string {
  return request.map(word => JSON.stringify(word.slice(0, 60))).join(' ')
}

/** NAMESPACE commands of a troubled store may have to be repeated. */
async function untilDone(session: Session, request: Request): Promise<void> {
  const isDone = (reply: string) => reply === OK || reply.startsWith('-NAMESPACEALREADYEXISTS')
  while (!isDone(await session.ask(request)));
}

async function playAll(commands: number, faults?: Faults): Promise<void> {
  const used = seed()
  console.log(`SEED=${used}`)
  const random = new Random(used)
  const body = async (server: TestServer): Promise<void> => {
    for (let done = 0; done < commands; done += COMMANDS_OF_A_MAP) {
      await new Run(random, faults !== undefined).play(server, `map${done}`)
    }
  }
  await withTestServer([], body, faults)
}

tests('answer as a sorted map does', () => playAll(rounds('zmap commands')))

onEmbedded('answer as a sorted map does, over a store in trouble', () =>
  playAll(rounds('zmap commands in trouble'), { ...troubled(seed()), unknownResult: 0.05 }),
)

tests.run()
