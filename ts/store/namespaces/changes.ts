/**
 * Changes that make what members know of namespaces wrong: removals and moves. They are numbered
 * from 1 up; each member watches the number of the last one, and records what it has seen.
 *
 * INVARIANT: once a member has recorded a change, none of its transactions commits into a
 * namespace that it looked up before that change, unless that was looked up again. So, when all
 * members have recorded a removal, nothing is written below the removed prefix any more, and
 * nothing has to be read in users' transactions for that.
 *
 * It holds because a member takes note of a change in this order: it drops its look-ups, begins a
 * new period, waits for the commits that began in the period before, and records. A commit enters
 * the present period; where its look-ups are from an earlier one, it repeats them first.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { err, type RespError } from '../../error.js'
import {
  namespaceChangesKey,
  namespacesSeenKey,
  namespacesSeenRange,
  tombstonesRange,
} from '../keyspace.js'
import { unpack } from '../packed-range.js'
import type { Store } from '../store.js'
import type { Admission, Tx } from '../tx.js'
import type { Watch } from '../types.js'
import { markNumber, packNumber } from './mark.js'

const FOLLOW_RETRY_MS = 1000
const LOOK_PERIOD_MS = 5000
const BARRIER_ATTEMPTS = 20
const BARRIER_PAUSE_MS = 250
const SWEPT_AT_ONCE = 1000
const ALWAYS = { retries: Number.POSITIVE_INFINITY, idempotent: true }

/** The members of the cluster, as far as this one can tell. */
export interface Members {
  /** This one: 40 digits. */
  readonly memberId: string
  /** Has it given signs of life of late? Also true of one that nobody knows yet. */
  isAlive(memberId: string): boolean
}

export interface ChangesParts {
  readonly store: Store
  readonly log: Logger
  readonly members: Members
  /** Prefix of the area. */
  readonly root: Buffer
  /** Drops all look-ups. */
  readonly forget: () => void
}

/** The time between two changes, as this member notices them. */
export class Period implements Admission {
  #commits = 0
  #drained: (() => void) | undefined

  enter(): void {
    this.#commits++
  }

  leave(): void {
    this.#commits--
    if (this.#commits === 0) this.#drained?.()
  }

  /** Resolves when all commits that entered have ended; none may enter any more. */
  async drain(): Promise<void> {
    if (this.#commits === 0) return
    await new Promise<void>(resolve => {
      this.#drained = resolve
    })
  }
}

export class Changes {
  readonly #parts: ChangesParts
  #period = new Period()
  #seen = 0n
  /** The observation that runs, or ran last; never rejects. */
  #observing: Promise<void> = Promise.resolve()
  #watch: Watch | undefined
  /** Finds out when this member was taken for dead meanwhile, which nothing tells it. */
  #looking: NodeJS.Timeout | undefined
  readonly #closed = new AbortController()

  private constructor(parts: ChangesParts) {
    this.#parts = parts
  }

  /** Records what there is as seen, as nothing was looked up before, and follows until `close`. */
  static async open(parts: ChangesParts): Promise<Changes> {
    const changes = new Changes(parts)
    changes.#seen = await parts.store.transact(async tx => {
      const number = await changes.#last(tx)
      tx.set(changes.#seenKey, packNumber(number))
      return number
    }, ALWAYS)
    void changes.#follow()
    changes.#looking = setInterval(() => void changes.catchUp(), LOOK_PERIOD_MS)
    changes.#looking.unref()
    return changes
  }

  /** The present period: look-ups that began in an earlier one may be wrong. */
  get period(): Period {
    return this.#period
  }

  /** Makes the transaction's work a change that all members are told of. @returns its number */
  async announce(tx: Tx): Promise<bigint> {
    const number = (await this.#last(tx)) + 1n
    tx.set(namespaceChangesKey(this.#parts.root), packNumber(number))
    return number
  }

  /** Tells all members again that something has changed; a failure is logged. */
  async remind(): Promise<void> {
    await this.#logged(async () => {
      await this.#parts.store.transact(tx => this.announce(tx), ALWAYS)
      await this.#observe()
    })
  }

  /** Takes note of what was committed before the call; a failure is logged, `#follow` goes on. */
  async catchUp(): Promise<void> {
    await this.#logged(() => this.#observe())
  }

  /** Have all members that are alive seen this change? */
  async isSeen(tx: Tx, number: bigint): Promise<boolean> {
    return (await this.#seenByAll(tx)) >= number
  }

  /** Waits until all members that are alive have seen a change, 5 s at most.
   *  @param unseen makes what is thrown when they have not
   *  @throws RespError BARRIERNOTSATISFIED */
  async barrier(number: bigint, unseen: (attempts: number) => RespError): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      if (await this.#parts.store.transact(tx => this.isSeen(tx, number))) return
      if (attempt === BARRIER_ATTEMPTS) throw unseen(BARRIER_ATTEMPTS)
      if (this.#closed.signal.aborted) throw err('server is shutting down')
      await this.#pause(BARRIER_PAUSE_MS)
    }
  }

  /** Lets commits end, stops following, and is no member any more that others wait for. */
  async close(): Promise<void> {
    this.#closed.abort()
    clearInterval(this.#looking)
    this.#watch?.cancel()
    await this.#observing
    await this.#nextPeriod()
    await this.#parts.store.transact(tx => tx.clear(this.#seenKey), { idempotent: true })
  }

  get #seenKey(): Buffer {
    return namespacesSeenKey(this.#parts.root, this.#parts.members.memberId)
  }

  async #last(tx: Tx): Promise<bigint> {
    const number = await tx.get(namespaceChangesKey(this.#parts.root))
    return number === undefined ? 0n : markNumber(number)
  }

  /** The last change that all members that are alive have seen; adds no read conflicts. */
  async #seenByAll(tx: Tx): Promise<bigint> {
    let least: bigint | undefined
    for (const { memberId, number } of await this.#records(tx)) {
      if (!this.#isAlive(memberId)) continue
      if (least === undefined || number < least) least = number
    }
    return least ?? this.#seen
  }

  async #sweepDead(tx: Tx): Promise<void> {
    for (const { memberId } of await this.#records(tx)) {
      if (this.#isAlive(memberId)) continue
      const key = namespacesSeenKey(this.#parts.root, memberId)
      // It may have come back and recorded anew: then this transaction fails.
      tx.addReadConflictKey(key)
      tx.clear(key)
    }
  }

  #isAlive(memberId: string): boolean {
    const { members } = this.#parts
    return memberId === members.memberId || members.isAlive(memberId)
  }

  /** What the members have seen; adds no read conflicts. */
  async #records(tx: Tx): Promise<{ memberId: string; number: bigint }[]> {
    const { begin, end } = namespacesSeenRange(this.#parts.root)
    const range = await tx.getRangeAll(begin, end, { snapshot: true })
    return [...unpack(range)].map(({ key, value }) => ({
      memberId: key.toString('latin1', begin.length),
      number: markNumber(value),
    }))
  }

  async #follow(): Promise<void> {
    const { store, root, log } = this.#parts
    while (!this.#closed.signal.aborted) {
      try {
        // ORDER: the watch is set before the number is read, so no change falls between the two.
        const watch = store.watch(namespaceChangesKey(root))
        this.#watch = watch
        await this.#observe()
        if (this.#closed.signal.aborted) return watch.cancel()
        await watch.promise
      } catch (thrown) {
        this.#watch?.cancel()
        if (this.#closed.signal.aborted) return
        log.warn({ err: thrown }, 'cannot follow changes of namespaces, trying again')
        this.#parts.forget()
        await this.#pause(FOLLOW_RETRY_MS)
      }
    }
  }

  async #logged(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (cause) {
      this.#parts.log.warn({ err: cause }, 'cannot take note of a change of namespaces yet')
    }
  }

  /** Ends early when this closes. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closed.signal }).catch(() => {
      // That is what the signal does.
    })
  }

  /** Takes note of what was committed before the call. One observation follows the other. */
  #observe(): Promise<void> {
    const observation = this.#observing.then(() => this.#takeNote())
    this.#observing = observation.catch(() => {
      // The caller is told; the next observation does all of it.
    })
    return observation
  }

  async #takeNote(): Promise<void> {
    const { store } = this.#parts
    const [number, recorded] = await store.transact(async tx => {
      return [await this.#last(tx), await tx.get(this.#seenKey)] as const
    })
    // Where its record is gone, the others have ceased to wait for this member.
    if (number <= this.#seen && recorded !== undefined) return
    await this.#nextPeriod()
    await store.transact(tx => tx.set(this.#seenKey, packNumber(number)), ALWAYS)
    this.#seen = number
    await store.transact(tx => this.#sweep(tx), ALWAYS)
  }

  async #nextPeriod(): Promise<void> {
    const ended = this.#period
    this.#period = new Period()
    this.#parts.forget()
    await ended.drain()
  }

  /** Deletes records of members that are dead, and tombstones that all others have seen.
   *  ORDER: in a transaction behind that which records: the last of several members to record
   *  then sees what all of them did. */
  async #sweep(tx: Tx): Promise<void> {
    await this.#sweepDead(tx)
    const { begin, end } = tombstonesRange(this.#parts.root)
    const tombstones = await tx.getRangeAll(begin, end, { limit: SWEPT_AT_ONCE })
    if (tombstones.count === 0) return
    const seen = await this.#seenByAll(tx)
    for (const { key, value } of unpack(tombstones)) {
      if (markNumber(value) <= seen) tx.clear(key)
    }
  }
}
