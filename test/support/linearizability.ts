/**
 * Decides whether a history of concurrent operations on a few keys is linearizable: whether each
 * can be given one moment between its start and its end so that, in the order of these moments,
 * each read what was last written. Operations are transactions of several steps, so that the same
 * search decides strict serializability. Keys that no operation uses together are independent, and
 * a history of each is decided by itself.
 *
 * The search is Wing and Gong's with Lowe's memory: walk the events in time; any operation that
 * has started may be the next one; the end of one that was not chosen yet is a dead end, unless its
 * outcome is unknown, when it may as well have had no effect; never search twice from the same set
 * of chosen operations and the same state. What keeps it short, without leaving anything out:
 *
 *   - an operation that only reads, and could be next, is next: it stands in nobody's way;
 *   - of operations with the same steps the one that ends first comes first;
 *   - one with an unknown outcome that would change nothing is not chosen;
 *   - a value that nobody knows the writing of and that nobody mentions was not written.
 */

/** What a transaction did to one key; `null` is the value of an absent one. Steps follow each
 *  other, and see what those before them did. */
export type Step =
  | { readonly read: string; readonly value: string | null }
  | { readonly write: string; readonly value: string | null }
  /** Adds to the number that the value is; absent counts as 0. */
  | { readonly add: string; readonly by: number }
  /** Removes the key when it has this value. */
  | { readonly clearIf: string; readonly value: string }

/** A transaction that somebody asked for. */
export interface Operation {
  readonly steps: readonly Step[]
  /** Moments of one clock; it happened after the start and before the end, which is infinite when
   *  it may still happen after all others. */
  readonly start: number
  readonly end: number
  /** False when it may have happened or not: nobody was told. */
  readonly isCertain: boolean
}

/** Why there is no order: where the longest try got stuck. */
export interface Violation {
  /** False when the search was given up: of the orders that are left none is likely. */
  readonly isProven: boolean
  /** The value of each key there. */
  readonly state: Readonly<Record<string, string | null>>
  /** Could not be placed before its end. */
  readonly stuck: Operation
  /** What was placed before, newest last. */
  readonly before: readonly Operation[]
}

/** Steps of a search after which it is given up. */
const TRIES_MAX = 2_000_000
const SHOWN_BEFORE = 12

type Value = string | null
/** Values in the order of `Search.keys`; as JSON they are a part of what is remembered. */
type State = readonly Value[]

/**
 * @param history  all operations on some keys, in any order; nothing else wrote them
 * @param initial  values of keys that are present before the first operation
 * @returns        undefined when the history is linearizable
 */
export function findViolation(
  history: readonly Operation[],
  initial: Readonly<Record<string, string>> = {},
): Violation | undefined {
  return new Search(withoutUnseen(history), initial).run()
}

/** As an assertion. @param what  names the history. @throws Error  shows the violation */
export function assertLinearizable(
  what: string,
  history: readonly Operation[],
  initial: Readonly<Record<string, string>> = {},
): void {
  const found = findViolation(history, initial)
  if (found === undefined) return
  const before = found.before.map(show).join('\n')
  const verdict = found.isProven ? 'is not linearizable' : 'seems not to be linearizable'
  throw new Error(
    `${what} ${verdict}.\nPlaced, newest last:\n${before}\n` +
      `State: ${JSON.stringify(found.state)}\nCannot be placed:\n${show(found.stuck)}`,
  )
}

function show({ start, end, isCertain, steps }: Operation): string {
  return `  [${start}, ${end}]${isCertain ? '' : ' perhaps'} ${JSON.stringify(steps)}`
}

/** The key that a step is about. */
export function keyOf(step: Step): string {
  if ('read' in step) return step.read
  if ('write' in step) return step.write
  return 'add' in step ? step.add : step.clearIf
}

/** Leaves out blind writes of unknown outcome whose value no other operation mentions: until the
 *  next write nobody looked, so it makes no difference that they had none. */
function withoutUnseen(history: readonly Operation[]): Operation[] {
  const mentions = new Map<string, number>()
  const mentionOf = (key: string, value: Value): string => JSON.stringify([key, value])
  const hasSums = new Set<string>()
  for (const { steps } of history) {
    for (const step of steps) {
      if ('add' in step) hasSums.add(step.add)
      else {
        const mention = mentionOf(keyOf(step), step.value)
        mentions.set(mention, (mentions.get(mention) ?? 0) + 1)
      }
    }
  }
  return history.filter(({ isCertain, steps }) => {
    const [step] = steps
    if (isCertain || steps.length !== 1 || step === undefined || !('write' in step)) return true
    if (step.value === null || hasSums.has(step.write)) return true
    return mentions.get(mentionOf(step.write, step.value)) !== 1
  })
}

/** An operation in the list of events, which are its start and its end. */
interface Item {
  readonly operation: Operation
  /** Position by start among those that end; -1 for one that does not. */
  readonly index: number
  readonly onlyReads: boolean
  /** Equal for operations with equal steps. */
  readonly kind: string
  /** Chosen, or left out. */
  isDone: boolean
}

/** One event of the list of those that are not done. */
interface Event {
  item: Item
  isEnd: boolean
  /** The other event of the item. */
  twin: Event
  previous: Event
  next: Event
}

/** A choice that can be taken back: the item became done, with the state before it. */
interface Choice {
  readonly start: Event
  readonly isChosen: boolean
  readonly stateBefore: State
  /** What else can be done instead, best last. */
  readonly others: Move[]
}

/** The next item, with the state after it; the state is missing when the item is left out. */
interface Move {
  readonly start: Event
  readonly state: State | undefined
}

class Search {
  readonly #keys: readonly string[]
  readonly #places: ReadonlyMap<string, number>
  /** Those that end, by start. */
  readonly #items: readonly Item[]
  /** Those that do not. */
  readonly #endless: readonly Item[]
  /** Before the first event. */
  readonly #head: Event
  readonly #seen = new Set<string>()
  readonly #path: Choice[] = []
  #state: State
  /** All items below are done. */
  #low = 0
  #best: Violation | undefined
  #bestDepth = -1

  constructor(history: readonly Operation[], initial: Readonly<Record<string, string>>) {
    const keys = new Set(history.flatMap(({ steps }) => steps.map(keyOf)))
    this.#keys = [...keys].sort()
    this.#places = new Map(this.#keys.map((key, place) => [key, place]))
    this.#state = this.#keys.map(key => initial[key] ?? null)
    const isEndless = ({ end }: Operation): boolean => end === Number.POSITIVE_INFINITY
    const ending = history.filter(operation => !isEndless(operation))
    this.#items = ending.sort((a, b) => a.start - b.start).map(itemOf)
    this.#endless = history.filter(isEndless).map(operation => itemOf(operation, -1))
    this.#head = linked([...this.#items, ...this.#endless])
  }

  /** @returns the violation that the longest try ended with; undefined when one went through */
  run(): Violation | undefined {
    let tries = 0
    let moves = this.#moves()
    for (;;) {
      if (moves === undefined) return undefined
      if (++tries > TRIES_MAX && this.#best !== undefined) {
        return { ...this.#best, isProven: false }
      }
      const move = moves.pop()
      if (move !== undefined) {
        this.#take(move, moves)
        moves = this.#isNew() ? this.#moves() : []
        continue
      }
      const last = this.#path.pop()
      if (last === undefined) return this.#best
      this.#takeBack(last)
      moves = last.others
    }
  }

  /** What can come next, best last; undefined when nothing certain is left. */
  #moves(): Move[] | undefined {
    const moves: Move[] = []
    for (let event = this.#head.next; event !== this.#head; event = event.next) {
      if (!event.isEnd) {
        const state = apply(this.#state, event.item.operation.steps, this.#places)
        if (state === undefined) continue
        if (event.item.onlyReads) return [{ start: event, state }]
        if (event.item.operation.isCertain || !isEqual(state, this.#state)) {
          moves.push({ start: event, state })
        }
        continue
      }
      const { operation, index } = event.item
      // Only such are left, and they may have had no effect.
      if (index === -1) return undefined
      if (operation.isCertain) this.#noteStuck(operation)
      const ordered = withoutDominated(moves)
      // The last resort.
      if (!operation.isCertain) ordered.unshift({ start: event.twin, state: undefined })
      return ordered
    }
    return undefined
  }

  #take(move: Move, others: Move[]): void {
    const isChosen = move.state !== undefined
    this.#path.push({ start: move.start, isChosen, stateBefore: this.#state, others })
    this.#state = move.state ?? this.#state
    unlink(move.start)
    unlink(move.start.twin)
    move.start.item.isDone = true
    while (this.#items[this.#low]?.isDone) this.#low++
  }

  #takeBack({ start, stateBefore }: Choice): void {
    this.#state = stateBefore
    // ORDER: the reverse of `#take`.
    link(start.twin)
    link(start)
    start.item.isDone = false
    const { index } = start.item
    if (index !== -1) this.#low = Math.min(this.#low, index)
  }

  /** Remembers what is done and the state. @returns whether that is new */
  #isNew(): boolean {
    const beyond: number[] = []
    const lowest = this.#items[this.#low]?.operation
    // Whatever starts after the end of one that is not done is not done either.
    for (let index = this.#low + 1; index < this.#items.length; index++) {
      const item = this.#items[index]!
      if (item.operation.start > lowest!.end) break
      if (item.isDone) beyond.push(index)
    }
    const endless = this.#endless.map(({ isDone }) => (isDone ? 1 : 0)).join('')
    const position = `${this.#low}:${beyond.join()}:${endless}:${JSON.stringify(this.#state)}`
    if (this.#seen.has(position)) return false
    this.#seen.add(position)
    return true
  }

  #noteStuck(stuck: Operation): void {
    if (this.#path.length <= this.#bestDepth) return
    this.#bestDepth = this.#path.length
    const chosen = this.#path.filter(({ isChosen }) => isChosen).slice(-SHOWN_BEFORE)
    this.#best = {
      isProven: true,
      state: Object.fromEntries(this.#keys.map((key, place) => [key, this.#state[place]!])),
      stuck,
      before: chosen.map(({ start }) => start.item.operation),
    }
  }
}

function itemOf(operation: Operation, index: number): Item {
  return {
    operation,
    index,
    onlyReads: operation.steps.every(step => 'read' in step),
    kind: JSON.stringify(operation.steps),
    isDone: false,
  }
}

/** @returns the state after the steps; undefined when a read shows that it was another before */
function apply(
  before: State,
  steps: readonly Step[],
  places: ReadonlyMap<string, number>,
): State | undefined {
  let state = before
  for (const step of steps) {
    const place = places.get(keyOf(step))!
    const value = state[place]!
    if ('read' in step) {
      if (value !== step.value) return undefined
    } else if ('write' in step) {
      state = state.with(place, step.value)
    } else if ('add' in step) {
      state = state.with(place, String(BigInt(value ?? 0) + BigInt(step.by)))
    } else if (value === step.value) {
      state = state.with(place, null)
    }
  }
  return state
}

function isEqual(one: State, other: State): boolean {
  return one.every((value, place) => value === other[place])
}

/** Leaves out what a move with the same steps can do as well; the one that ends first is last. */
function withoutDominated(moves: Move[]): Move[] {
  const endOf = ({ start }: Move): number => start.item.operation.end
  const byEnd = moves.sort((a, b) => compare(endOf(b), endOf(a)))
  return byEnd.filter(({ start: { item } }, position) => {
    const isReplaceable = ({ start: { item: other } }: Move): boolean =>
      other.kind === item.kind && (other.operation.isCertain || !item.operation.isCertain)
    return !byEnd.slice(position + 1).some(isReplaceable)
  })
}

/** A ring of all events in time, starts before ends of the same moment. @returns its head */
function linked(items: readonly Item[]): Event {
  const events = items.flatMap(item => {
    const start = { item, isEnd: false } as Event
    const end = { item, isEnd: true, twin: start } as Event
    start.twin = end
    return [start, end]
  })
  const timeOf = ({ item, isEnd }: Event): number =>
    isEnd ? item.operation.end : item.operation.start
  events.sort((a, b) => compare(timeOf(a), timeOf(b)) || Number(a.isEnd) - Number(b.isEnd))
  const head = {} as Event
  let last = head
  for (const event of events) {
    event.previous = last
    last.next = event
    last = event
  }
  last.next = head
  head.previous = last
  return head
}

/** Also of infinite numbers. */
function compare(one: number, other: number): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}

function unlink(event: Event): void {
  event.previous.next = event.next
  event.next.previous = event.previous
}

function link(event: Event): void {
  event.previous.next = event
  event.next.previous = event
}
