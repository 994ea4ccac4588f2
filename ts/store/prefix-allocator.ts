/**
 * Key prefixes for new directories: FoundationDB's high-contention allocator, step by step as its
 * directory layers do it, so that they and this server never give out the same one. A prefix is
 * given once: what is left over below one that is gone is never found again.
 *
 *   root node    FE tuple(FE)
 *   counters     root node tuple('hca', 0, window start) -> prefixes given in it, i64le, added to
 *   recent       root node tuple('hca', 1, candidate)    -> nothing; those of the last window
 *
 * Numbers are drawn from a window that moves on when it is half full. INVARIANT: of two
 * transactions that draw the same number one fails, because each reads that candidate's key and
 * adds a write conflict on it; nothing else of the allocator conflicts.
 */

import { prefixEnd, prefixRange, TupleType, tupleItemBytes, withTupleItem } from './keyspace.js'
import { lastKey, unpack } from './packed-range.js'
import { yieldTurn } from './turn.js'
import type { Tx } from './tx.js'
import { TxOption } from './types.js'

/** Key prefix of all nodes, and the prefix that the root directory counts as. */
export const NODES = Buffer.of(0xfe)
export const ROOT_NODE = withTupleItem(NODES, TupleType.bytes, NODES)

const ALLOCATOR = withTupleItem(ROOT_NODE, TupleType.bytes, Buffer.from('hca'))
const COUNTERS = Buffer.concat([ALLOCATOR, tupleNumber(0)])
const RECENT = Buffer.concat([ALLOCATOR, tupleNumber(1)])
const NODE_KEYS = Buffer.concat([NODES, Buffer.of(TupleType.bytes)])
const EMPTY = Buffer.alloc(0)

/** Prefixes whose reads are under way at the same time. */
const CHECKED_AT_ONCE = 32

/** Draws prefixes for directories that this transaction makes.
 *  @throws Error when somebody keeps keys or directories of its own where prefixes are drawn */
export async function allocatePrefixes(tx: Tx, count: number): Promise<Buffer[]> {
  const window = await Window.open(tx)
  const free: number[] = []
  let candidates = Array.from({ length: count }, () => window.give())
  while (candidates.length > 0) {
    const taken = await Promise.all(candidates.map(number => tx.get(recentKey(number))))
    await yieldTurn()
    free.push(...candidates.filter((_, i) => taken[i] === undefined))
    candidates = Array.from({ length: count - free.length }, () => window.draw())
  }
  for (let from = 0; from < count; from += CHECKED_AT_ONCE) {
    const numbers = free.slice(from, from + CHECKED_AT_ONCE)
    await Promise.all(numbers.map(number => checkUnused(tx, tupleNumber(number))))
    await yieldTurn()
  }
  window.write(tx, free)
  return free.map(tupleNumber)
}

/** The window that numbers are drawn from, as this transaction sees and leaves it. */
class Window {
  #start: number
  #given: number
  /** Those given by this transaction in the present window. */
  #givenHere = 0
  #hasMoved = false
  readonly #drawn = new Set<number>()

  private constructor(start: number, given: number) {
    this.#start = start
    this.#given = given
  }

  static async open(tx: Tx): Promise<Window> {
    const { begin, end } = prefixRange(COUNTERS)
    const last = await tx.getRange(begin, end, { snapshot: true, reverse: true, limit: 1 })
    for (const { key, value } of unpack(last)) {
      return new Window(numberOf(key.subarray(COUNTERS.length)), Number(value.readBigInt64LE()))
    }
    return new Window(0, 0)
  }

  /** Counts a prefix as given. @returns its number, unless that is taken */
  give(): number {
    this.#given++
    this.#givenHere++
    while (this.#given * 2 >= windowSize(this.#start)) {
      this.#start += windowSize(this.#start)
      this.#given = 1
      this.#givenHere = 1
      this.#hasMoved = true
    }
    return this.draw()
  }

  /** A number that was not drawn before. */
  draw(): number {
    for (;;) {
      const number = this.#start + Math.floor(Math.random() * windowSize(this.#start))
      if (this.#drawn.has(number)) continue
      this.#drawn.add(number)
      return number
    }
  }

  /** Records what was given. */
  write(tx: Tx, given: readonly number[]): void {
    if (this.#hasMoved) {
      const start = tupleNumber(this.#start)
      tx.clearRange(COUNTERS, Buffer.concat([COUNTERS, start]))
      tx.setOption(TxOption.nextWriteNoWriteConflictRange)
      tx.clearRange(RECENT, Buffer.concat([RECENT, start]))
    }
    tx.add(Buffer.concat([COUNTERS, tupleNumber(this.#start)]), this.#givenHere)
    for (const number of given) {
      const key = recentKey(number)
      // Of an older window only the conflict is needed: nobody draws from it any more.
      if (number >= this.#start) tx.set(key, EMPTY)
      else tx.addWriteConflictRange(key, Buffer.concat([key, Buffer.of(0)]))
    }
  }
}

/** Larger windows where more is allocated: fewer conflicts, but longer keys. */
function windowSize(start: number): number {
  if (start < 255) return 64
  return start < 65_535 ? 1024 : 8192
}

function recentKey(number: number): Buffer {
  return Buffer.concat([RECENT, tupleNumber(number)])
}

/** @throws Error when keys begin with a prefix, or a directory has one that overlaps it */
async function checkUnused(tx: Tx, prefix: Buffer): Promise<void> {
  const [content, node] = await Promise.all([
    tx.getRange(prefix, prefixEnd(prefix), { limit: 1 }),
    // The last node before all that begin with the prefix end: the only one that may overlap it.
    tx.getRange(NODE_KEYS, withTupleItem(NODES, TupleType.bytes, prefixEnd(prefix)), {
      limit: 1,
      reverse: true,
      snapshot: true,
    }),
  ])
  if (content.count > 0) throw new Error(`there are keys below the new prefix ${hex(prefix)}`)
  if (node.count === 0) return
  const other = nodePrefix(lastKey(node))
  if (isStartOf(other, prefix) || isStartOf(prefix, other)) {
    throw new Error(`the new prefix ${hex(prefix)} overlaps the directory prefix ${hex(other)}`)
  }
}

/** The prefix that a key of a node is about. */
function nodePrefix(key: Buffer): Buffer {
  let end = NODES.length + 1
  while (key[end] !== 0 || key[end + 1] === 0xff) end += key[end] === 0 ? 2 : 1
  return tupleItemBytes(key.subarray(NODES.length, end + 1))
}

function isStartOf(start: Buffer, bytes: Buffer): boolean {
  return bytes.subarray(0, start.length).equals(start)
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex')
}

/** A number as tuple item, which is also the prefix that it stands for. @param number >= 0 */
function tupleNumber(number: number): Buffer {
  const bytes: number[] = []
  for (let rest = number; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Buffer.of(TupleType.zero + bytes.length, ...bytes)
}

function numberOf(item: Buffer): number {
  return item.length === 1 ? 0 : item.readUIntBE(1, item.length - 1)
}
