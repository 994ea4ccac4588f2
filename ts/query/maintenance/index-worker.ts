/**
 * The index worker of a member: finds the tasks that are this member's, and works on several of
 * them at a time. It wakes when a task is added anywhere, when the routes change, and from time to
 * time.
 *
 * It gives way to clients: between two steps they have their turn, and while they are busy as much
 * time again. INVARIANT: nothing is kept here that is not in the store, so it may stop at any
 * moment.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { RespError } from '../../error.js'
import { nativeReason } from '../../native.js'
import { StoreError } from '../../store/store-error.js'
import { leaveTurn } from '../../store/turn.js'
import type { QueuedTask } from '../indexes/index-tasks.js'
import { IndexWork, type IndexWorkParts } from './index-work.js'

/** Queued tasks that are read at a time. */
const PAGE_TASKS = 100
/** Clients are busy when they keep the event loop for so long. */
const BUSY_MS = 2
const PAUSE_MAX_MS = 50
/** After a failure, doubled with each that follows. */
const BACK_OFF_MS = 50
const BACK_OFF_MAX_MS = 5_000
/** Failures of the store in a row, for one task, that are not worth a line. */
const QUIET_FAILURES = 3
/** Failures are logged this often at most. */
const LOG_EVERY_MS = 10_000

export interface IndexWorkerParts extends IndexWorkParts {
  /** Tasks that are worked on at a time, 1 or more. */
  readonly poolSize: number
  /** Longest time between two looks for tasks. */
  readonly intervalMs: number
}

export class IndexWorker {
  readonly #parts: IndexWorkerParts
  readonly #work: IndexWork
  /** By the key of the queued task, as text. */
  readonly #running = new Map<string, Promise<void>>()
  readonly #stopping = new AbortController()
  #loop: Promise<void> = Promise.resolve()
  #isDue = false
  #wakeUp: (() => void) | undefined
  #loggedAtMs = Number.NEGATIVE_INFINITY
  #unloggedCount = 0

  constructor(parts: IndexWorkerParts) {
    this.#parts = parts
    this.#work = new IndexWork(parts)
  }

  start(): void {
    this.#parts.routes.onChange(() => this.#wake())
    this.#loop = this.#run()
  }

  /** Ends when the steps under way have ended; tasks stay where they are. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake()
    await this.#loop
    await Promise.all(this.#running.values())
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted
  }

  #wake(): void {
    this.#isDue = true
    this.#wakeUp?.()
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#isStopping; ) {
      try {
        await this.#lookAndWait()
        failures = 0
      } catch (cause) {
        this.#logFailure(cause, 'looking for tasks of indexes failed; trying again')
        await this.#backOff(failures++)
      }
    }
  }

  async #lookAndWait(): Promise<void> {
    const { store, tasks, intervalMs } = this.#parts
    // ORDER: the watch is set before the look, so a task that is added between the two is not
    // missed.
    const watch = store.watch(tasks.addedKey)
    this.#isDue = false
    let timer: NodeJS.Timeout | undefined
    try {
      await this.#look()
      const woken = new Promise<void>(resolve => {
        timer = setTimeout(resolve, intervalMs)
        this.#wakeUp = resolve
      })
      if (!this.#isDue) await Promise.race([watch.promise, woken])
    } finally {
      clearTimeout(timer)
      watch.cancel()
    }
  }

  /** Begins with every task that nobody here works on. */
  async #look(): Promise<void> {
    const { store, tasks, poolSize } = this.#parts
    for (let after: Buffer | undefined; ; ) {
      const look = { limit: PAGE_TASKS, ...(after === undefined ? {} : { after }) }
      const page = await store.transact(tx => tasks.queued(tx, look))
      for (const queued of page) {
        while (this.#running.size >= poolSize) await Promise.race(this.#running.values())
        if (this.#isStopping) return
        this.#begin(queued)
      }
      if (page.length < PAGE_TASKS) return
      after = page.at(-1)!.key
    }
  }

  #begin(queued: QueuedTask): void {
    const name = queued.key.toString('latin1')
    if (this.#running.has(name)) return
    const running = this.#workOn(queued).finally(() => this.#running.delete(name))
    this.#running.set(name, running)
  }

  /** Works on a task until it is over or another member's. Never rejects. */
  async #workOn(queued: QueuedTask): Promise<void> {
    for (let failures = 0; !this.#isStopping; ) {
      try {
        if ((await this.#work.step(queued)) !== 'more') return
        failures = 0
        await this.#giveWay()
      } catch (cause) {
        // Conflicts with writers are in the nature of things.
        if (failures >= QUIET_FAILURES || !(cause instanceof StoreError)) {
          this.#logFailure(cause, 'work on an index failed; trying again')
        }
        // What is not foreseen is left to the next look.
        if (!(cause instanceof RespError) && nativeReason(cause) === undefined) return
        await this.#backOff(failures++)
      }
    }
  }

  async #giveWay(): Promise<void> {
    const startedMs = performance.now()
    await leaveTurn()
    const tookMs = performance.now() - startedMs
    if (tookMs > BUSY_MS) await this.#pause(Math.min(tookMs, PAUSE_MAX_MS))
  }

  async #backOff(failures: number): Promise<void> {
    await this.#pause(Math.min(BACK_OFF_MS * 2 ** failures, BACK_OFF_MAX_MS))
  }

  /** Ends early when the worker stops. */
  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping
    if (signal.aborted) return
    await sleep(ms, undefined, { signal }).catch(() => {
      // Stopping.
    })
  }

  #logFailure(cause: unknown, text: string): void {
    if (this.#isStopping) return
    const nowMs = performance.now()
    if (nowMs - this.#loggedAtMs < LOG_EVERY_MS) {
      this.#unloggedCount++
      return
    }
    this.#parts.log.warn({ err: cause, unlogged: this.#unloggedCount }, text)
    this.#loggedAtMs = nowMs
    this.#unloggedCount = 0
  }
}
