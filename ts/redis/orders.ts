/**
 * Pages and samples of the names in a Map, for SCAN, HSCAN, RANDOMKEY and HRANDFIELD.
 *
 * A cursor is a number of names, counted from the Map's oldest: those are still to come, and each
 * page takes the youngest of them. INVARIANT: a Map keeps its order, and what is deleted only lets
 * younger names move up. So a name that stays where it is, is among the first n until a page has
 * shown it, whatever comes and goes; what is added or made again meanwhile is behind the cursor.
 *
 * A Map cannot be entered in the middle, so its names are listed when a walk begins. Lists are only
 * a cache: one that was dropped is made again from the Map, where every name stands at its old
 * place or before it. INVARIANT: a cursor is never applied to an older list than its own.
 */

/** What names are taken from: values do not matter, and may be replaced. */
export type Names = ReadonlyMap<string, unknown>

/** The cursor of a walk that has not begun; larger than any Map. */
export const ALL_NAMES = 2 ** 25 - 1

/** Lists that are kept at most, and how long one is kept that nobody asks for. */
const LISTS_MAX = 16
const IDLE_MS = 10_000
/** A sample may come from a list of this age: what was added since has no chance. */
const SAMPLE_AGE_MS = 1_000
/** Fewer names are listed anew each time. */
const SMALL = 512

interface List {
  readonly names: readonly string[]
  readonly madeAtMs: number
  usedAtMs: number
}

export interface Page {
  /** Not all of them need to be there any more. */
  readonly names: readonly string[]
  /** The cursor of the next page, 0 = this was the last. */
  readonly rest: number
}

export class Orders {
  /** Least recently used first. */
  readonly #lists = new Map<Names, List>()

  /** The next page of a walk. @param rest the walk's cursor. @param count 1 or more */
  page(source: Names, rest: number, count: number): Page {
    const isBegin = rest >= ALL_NAMES
    if (isBegin && source.size <= count) return { names: [...source.keys()], rest: 0 }
    const { names } = isBegin ? this.#make(source) : this.#listOf(source)
    const end = Math.min(rest, names.length)
    const begin = Math.max(0, end - count)
    if (begin === 0) this.#lists.delete(source)
    return { names: names.slice(begin, end), rest: begin }
  }

  /** Different names, drawn at random: `count` of them, or all when there are fewer. */
  distinct(source: Names, count: number): string[] {
    if (count >= source.size) return [...source.keys()]
    const names = this.#recent(source)
    const drawn = draw(names, source, count)
    return drawn.length === count ? drawn : draw(this.#make(source).names, source, count)
  }

  /** A name drawn at random from a Map that is not empty. */
  one(source: Names): string {
    const names = this.#recent(source)
    const name = names[randomBelow(names.length)]
    if (name !== undefined && source.has(name)) return name
    const { names: present } = this.#make(source)
    return present[randomBelow(present.length)]!
  }

  /** So many names drawn at random from a Map that is not empty, each from all of them. */
  repeated(source: Names, count: number): string[] {
    const names = source.size <= SMALL ? [...source.keys()] : this.#make(source).names
    return Array.from({ length: count }, () => names[randomBelow(names.length)]!)
  }

  /** Drops what nobody has used for a while. */
  forgetIdle(): void {
    const nowMs = Date.now()
    for (const [source, { usedAtMs }] of this.#lists) {
      if (nowMs - usedAtMs > IDLE_MS) this.#lists.delete(source)
    }
  }

  /** Drops everything. */
  forgetAll(): void {
    this.#lists.clear()
  }

  #listOf(source: Names): List {
    const list = this.#lists.get(source)
    if (list === undefined) return this.#make(source)
    this.#keep(source, list)
    return list
  }

  #recent(source: Names): readonly string[] {
    if (source.size <= SMALL) return [...source.keys()]
    const list = this.#listOf(source)
    const isRecent = Math.abs(Date.now() - list.madeAtMs) <= SAMPLE_AGE_MS
    return (isRecent ? list : this.#make(source)).names
  }

  #make(source: Names): List {
    const nowMs = Date.now()
    const list = { names: [...source.keys()], madeAtMs: nowMs, usedAtMs: nowMs }
    this.#keep(source, list)
    return list
  }

  #keep(source: Names, list: List): void {
    list.usedAtMs = Date.now()
    this.#lists.delete(source)
    this.#lists.set(source, list)
    if (this.#lists.size <= LISTS_MAX) return
    const [oldest] = this.#lists.keys()
    this.#lists.delete(oldest!)
  }
}

/** An integer of [0, bound). */
export function randomBelow(bound: number): number {
  return Math.floor(Math.random() * bound)
}

/** Draws names that `source` still has, as if from a shuffled copy of the list, of which only the
 *  places that were swapped are kept. */
function draw(names: readonly string[], source: Names, count: number): string[] {
  const swapped = new Map<number, number>()
  const drawn: string[] = []
  for (let i = 0; i < names.length && drawn.length < count; i++) {
    const at = i + randomBelow(names.length - i)
    const name = names[swapped.get(at) ?? at]!
    swapped.set(at, swapped.get(i) ?? i)
    if (source.has(name)) drawn.push(name)
  }
  return drawn
}
