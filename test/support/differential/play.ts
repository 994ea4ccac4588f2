/**
 * A differential test: the same random requests go to this server and to a redis-server, in both
 * protocols, and each pair of replies is compared frame by frame, error texts too. What to send is
 * a table of rows, to which each group of commands adds its own in a file beside this one.
 */
import * as assert from 'uvu/assert'
import { Random } from '../random.js'
import type { Frame, RespClient, Word } from '../resp-client.js'
import { Draw } from './draw.js'

export type Request = readonly Word[]

/** A difference that `spec/redis.md` lists. */
export interface Allowed {
  /** Where it is listed, and how it reads there. */
  readonly row: string
  /** Are these replies that differ as they may? */
  readonly isSame: (ours: Frame, theirs: Frame, request: Request) => boolean
  /** What the peer is sent so that its data are as ours again. */
  readonly heal?: (ours: Frame, request: Request) => Request
}

/** How one kind of request is drawn. */
export interface Row {
  /** The command that must have succeeded now and then. */
  readonly name: string
  readonly weight: number
  /** The requests, sent one after the other on one connection. */
  readonly draw: (draw: Draw) => readonly Request[]
  readonly allowed?: Allowed | undefined
}

interface RowOptions {
  /** How often it comes, 1 unless given. */
  readonly weight?: number
  readonly allowed?: Allowed
}

/** A row of one request. @param words  what follows the command's name */
export function row(
  name: string,
  words: (draw: Draw) => Request,
  { weight = 1, allowed }: RowOptions = {},
): Row {
  const one = (draw: Draw): Request[] => [draw.spoil([draw.word(name), ...words(draw)])]
  return { name, weight, draw: one, allowed }
}

/** Integers that differ by at most so much, as times do that are told at different moments. */
export function nearby(tolerance: number, where: string): Allowed {
  return {
    row: where,
    isSame: (ours, theirs) => {
      if (ours.type !== ':' || theirs.type !== ':') return false
      const [mine, other] = [Number(ours.value), Number(theirs.value)]
      return mine > 0 && other > 0 && Math.abs(mine - other) <= tolerance
    },
  }
}

/** One server: it is asked in both protocols. */
export interface Side {
  connect(protocol: 2 | 3): Promise<RespClient>
}

export interface Play {
  readonly ours: Side
  readonly theirs: Side
  readonly rows: readonly Row[]
  /** Sends so many requests, at least. */
  readonly requests: number
  readonly seed: number
}

/** Requests after which the servers are emptied, so that what led to a difference is near. */
const REQUESTS_OF_A_ROUND = 250
const SHOWN = 25
const SHOWN_BYTES = 160

/** Plays to the end. @throws Error with what was sent last, when replies differ */
export async function play({ ours, theirs, rows, requests, seed }: Play): Promise<void> {
  const sides = { ours: await both(ours), theirs: await both(theirs) }
  const random = new Random(seed)
  const tally: Tally = new Map()
  for (let done = 0; done < requests; done += REQUESTS_OF_A_ROUND) {
    const round = new Round(sides, new Draw(random), tally)
    await round.run(rows)
  }
  for (const clients of Object.values(sides)) for (const client of clients) client.close()
  const silent = rows.map(({ name }) => name).filter(name => !tally.has(name))
  assert.equal(silent, [], 'commands that were never answered without an error')
}

type Tally = Map<string, number>
type Clients = readonly RespClient[]

class Round {
  readonly #sides: { readonly ours: Clients; readonly theirs: Clients }
  readonly #draw: Draw
  readonly #tally: Tally
  readonly #history: string[] = []

  constructor(sides: { ours: Clients; theirs: Clients }, draw: Draw, tally: Tally) {
    this.#sides = sides
    this.#draw = draw
    this.#tally = tally
  }

  async run(rows: readonly Row[]): Promise<void> {
    try {
      for (const clients of Object.values(this.#sides)) {
        await clients[0]!.call('DEL', ...this.#draw.keys)
      }
      const all = rows.flatMap(one => Array.from({ length: one.weight }, () => one))
      for (let i = 0; i < REQUESTS_OF_A_ROUND; i++) await this.#step(this.#draw.pick(all))
    } catch (cause) {
      const last = this.#history.slice(-SHOWN).join('\n  ')
      throw new Error(`${(cause as Error).message}\nlast requests:\n  ${last}`, { cause })
    }
  }

  async #step({ draw, allowed }: Row): Promise<void> {
    const connection = this.#draw.random.between(0, 1)
    const ours = this.#sides.ours[connection]!
    const theirs = this.#sides.theirs[connection]!
    for (const request of draw(this.#draw)) {
      const protocol = connection + 2
      this.#history.push(`RESP${protocol}: ${shownRequest(request)}`)
      const [mine, other] = await Promise.all([ours.frame(...request), theirs.frame(...request)])
      this.#history.push(`   ${shownFrame(mine)}`)
      this.#count(request, mine)
      if (isSame(mine, other)) continue
      if (!allowed?.isSame(mine, other, request)) {
        const where = `RESP${protocol} ${shownRequest(request)}`
        assert.is(shownFrame(mine), shownFrame(other), where)
        throw new Error(`${where}: the frames differ behind what is shown`)
      }
      const healing = allowed.heal?.(mine, request)
      if (healing === undefined) continue
      const { type, value } = await theirs.frame(...healing)
      assert.not.equal(type, '-', `${shownRequest(healing)}: ${value}`)
    }
  }

  #count([name = '']: Request, { type }: Frame): void {
    if (type === '-') return
    const upper = String(name).toUpperCase()
    this.#tally.set(upper, (this.#tally.get(upper) ?? 0) + 1)
  }
}

async function both(side: Side): Promise<Clients> {
  return [await side.connect(2), await side.connect(3)]
}

/** Are two frames the same on the wire? */
export function isSame(one: Frame, other: Frame): boolean {
  if (one.type !== other.type) return false
  if (Buffer.isBuffer(one.value)) {
    return Buffer.isBuffer(other.value) && one.value.equals(other.value)
  }
  if (!Array.isArray(one.value) || !Array.isArray(other.value)) return one.value === other.value
  const others: readonly Frame[] = other.value
  return (
    one.value.length === others.length && one.value.every((frame, i) => isSame(frame, others[i]!))
  )
}

function shownRequest(request: Request): string {
  return request.map(word => shownBytes(Buffer.from(word as string))).join(' ')
}

function shownBytes(bytes: Buffer): string {
  const shown = JSON.stringify(bytes.toString('latin1', 0, SHOWN_BYTES))
  return bytes.length > SHOWN_BYTES ? `${shown}… (${bytes.length} bytes)` : shown
}

function shownFrame({ type, value }: Frame): string {
  if (value === null) return `${type}null`
  if (typeof value === 'string') return type + value
  if (Buffer.isBuffer(value)) return type + shownBytes(value)
  return `${type}[${(value as readonly Frame[]).map(shownFrame).join(', ')}]`
}
