/**
 * Random NAMESPACE commands of two sessions against a model of the contract, over a store that
 * fails, answers late and leaves results unknown: each reply is exact all the same.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rounds, seed } from '../support/budget.js'
import { isOnCluster } from '../support/cluster.js'
import { type Faults, troubled } from '../support/faults.js'
import { Random } from '../support/random.js'
import { type Data, ReplyError, type RespClient } from '../support/resp-client.js'
import { withTestServer } from '../support/server-suite.js'

const test = suite('namespaces against a model')

const STEPS = 250
const DEFAULT = 'global'
/** Refusals of a one-off command that a troubled store ends in; it is repeated. */
const TROUBLE = /^(NOT_COMMITTED|TRANSACTIONOLD|COMMIT_UNKNOWN_RESULT) /

interface Node {
  readonly children: Map<string, Node>
  readonly data: Map<string, string>
  isRemoved: boolean
}

function newNode(): Node {
  return { children: new Map(), data: new Map(), isRemoved: false }
}

/** A refusal, as clients see it. */
class Refused extends Error {}

const noSuch = (path: string): Refused => new Refused(`NOSUCHNAMESPACE No such namespace: ${path}`)
const exists = (path: string): Refused =>
  new Refused(`NAMESPACEALREADYEXISTS Namespace already exists: ${path}`)
const removed = (path: string): Refused =>
  new Refused(`NAMESPACEBEINGREMOVED Namespace '${path}' is being removed`)

/** What the namespaces of a cluster with one member are, and answer. */
class Model {
  readonly #top = newNode()

  constructor() {
    this.#top.children.set(DEFAULT, newNode())
  }

  create(path: string): Data {
    const { found, removedAt } = this.#walk(path)
    if (removedAt !== undefined) throw removed(removedAt)
    if (found !== undefined) throw exists(path)
    this.#make(path)
    return 'OK'
  }

  exists(path: string): Data {
    const { found, removedAt } = this.#walk(path)
    if (removedAt !== undefined) throw removed(removedAt)
    return found === undefined ? 0 : 1
  }

  list(path?: string): Data {
    const node = path === undefined ? this.#top : this.#walk(path).found
    if (node === undefined) throw noSuch(path!)
    return [...node.children.keys()].sort()
  }

  live(path: string): Node {
    const { found, removedAt } = this.#walk(path)
    if (removedAt !== undefined) throw removed(removedAt)
    if (found === undefined) throw noSuch(path)
    return found
  }

  move(old: string, to: string): Data {
    const from = this.#walk(old)
    if (from.found === undefined) throw noSuch(old)
    if (from.removedAt !== undefined) throw removed(from.removedAt)
    const target = this.#walk(to)
    if (target.found !== undefined) throw exists(to)
    if (to.startsWith(`${old}.`)) {
      throw new Refused(`ERR cannot move namespace '${old}' into its own descendant '${to}'`)
    }
    if (old === DEFAULT) throw new Refused(`ERR Cannot move the default namespace: '${DEFAULT}'`)
    if (target.removedAt !== undefined) throw removed(target.removedAt)
    this.#cut(old)
    const above = to.split('.').slice(0, -1).join('.')
    const parent = above === '' ? this.#top : this.#make(above)
    parent.children.set(to.split('.').at(-1)!, from.found)
    return 'OK'
  }

  remove(path: string): Data {
    if (path === DEFAULT) {
      throw new Refused(`ERR Cannot remove the default namespace: '${DEFAULT}'`)
    }
    const { found } = this.#walk(path)
    if (found === undefined) throw noSuch(path)
    if (found.isRemoved) throw removed(path)
    found.isRemoved = true
    return 'OK'
  }

  purge(path: string): Data {
    if (path === DEFAULT) throw new Refused(`ERR Cannot purge the default namespace: '${DEFAULT}'`)
    const { found } = this.#walk(path)
    if (found === undefined) throw noSuch(path)
    if (!found.isRemoved) {
      throw new Refused(`ERR Namespace '${path}' must be logically removed before purge`)
    }
    this.#cut(path)
    return 'OK'
  }

  /** `removedAt` is the shallowest marked path as far as the path exists. */
  #walk(path: string): { found: Node | undefined; removedAt: string | undefined } {
    let found: Node | undefined = this.#top
    let removedAt: string | undefined
    const segments = path.split('.')
    for (const [i, name] of segments.entries()) {
      found = found.children.get(name)
      if (found === undefined) break
      if (found.isRemoved) removedAt ??= segments.slice(0, i + 1).join('.')
    }
    return { found, removedAt }
  }

  #make(path: string): Node {
    let node = this.#top
    for (const name of path.split('.')) {
      const child = node.children.get(name) ?? newNode()
      node.children.set(name, child)
      node = child
    }
    return node
  }

  #cut(path: string): void {
    const segments = path.split('.')
    const name = segments.pop()!
    const parent = segments.length === 0 ? this.#top : this.#walk(segments.join('.')).found!
    parent.children.delete(name)
  }
}

/** A connection, and what the model says of its session. */
interface Session {
  readonly client: RespClient
  current: string
}

interface Step {
  readonly words: readonly string[]
  readonly expected: () => Data
}

function randomPath(random: Random): string {
  if (random.next() < 0.1) return DEFAULT
  const depth = random.between(1, 3)
  return Array.from({ length: depth }, () => random.pick(['a', 'b', 'c'])).join('.')
}

function randomStep(random: Random, model: Model, session: Session): Step {
  const path = randomPath(random)
  const other = randomPath(random)
  const key = random.pick(['k', 'l'])
  const value = String(random.between(0, 999))
  const namespace = (name: string, ...rest: string[]): string[] => ['NAMESPACE', name, ...rest]
  return random.pick<() => Step>([
    () => ({ words: namespace('CREATE', path), expected: () => model.create(path) }),
    () => ({ words: namespace('CREATE', path), expected: () => model.create(path) }),
    () => ({ words: namespace('EXISTS', path), expected: () => model.exists(path) }),
    () => ({ words: namespace('LIST', path), expected: () => model.list(path) }),
    () => ({ words: namespace('LIST'), expected: () => model.list() }),
    () => ({ words: namespace('MOVE', path, other), expected: () => model.move(path, other) }),
    () => ({ words: namespace('REMOVE', path), expected: () => model.remove(path) }),
    () => ({ words: namespace('PURGE', path), expected: () => model.purge(path) }),
    () => ({
      words: namespace('USE', path),
      expected: () => {
        model.live(path)
        session.current = path
        return 'OK'
      },
    }),
    () => ({ words: namespace('CURRENT'), expected: () => session.current }),
    () => ({
      words: ['ZSET', key, value],
      expected: () => {
        model.live(session.current).data.set(key, value)
        return 'OK'
      },
    }),
    () => ({
      words: ['ZGET', key],
      expected: () => model.live(session.current).data.get(key) ?? null,
    }),
  ])()
}

async function replyOf(client: RespClient, words: readonly string[]): Promise<Data> {
  for (;;) {
    try {
      return await client.call(...words)
    } catch (thrown) {
      if (!(thrown instanceof ReplyError)) throw thrown
      if (!TROUBLE.test(thrown.message)) return thrown.message
    }
  }
}

function expectedOf({ expected }: Step): Data {
  try {
    return expected()
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown.message
    throw thrown
  }
}

const first = seed()
const faultsOf = (round: number): Faults | undefined =>
  isOnCluster ? undefined : { ...troubled(first + round), unknownResult: 0.1 }

for (let round = 0; round < rounds('namespace commands'); round++) {
  test(`random commands are answered as the model does, round ${round}`, () =>
    withTestServer([], server => play(() => server.connect(), first + round), faultsOf(round)))
}

/** Plays one random history on a fresh server. */
async function play(connect: () => Promise<RespClient>, from: number): Promise<void> {
  const random = new Random(from)
  const log: string[] = []
  const model = new Model()
  const sessions = await Promise.all(
    [0, 1].map(async (): Promise<Session> => ({ client: await connect(), current: DEFAULT })),
  )
  for (let i = 0; i < STEPS; i++) {
    const session = random.pick(sessions)
    const step = randomStep(random, model, session)
    log.push(`${sessions.indexOf(session)}: ${step.words.join(' ')}`)
    const expected = expectedOf(step)
    const reply = await replyOf(session.client, step.words)
    assert.equal(reply, expected, `SEED=${first}\n${log.slice(-40).join('\n')}`)
  }
}

test.run()
