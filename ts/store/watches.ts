/**
 * Notices of changed keys for any number of waiters: all that wait for one key share one watch of
 * the database, with the value that the first of them found.
 *
 * INVARIANT: a key is in `#byKey` exactly while somebody waits for it, so neither memory nor
 * watches outlive their waiters.
 */

import { err, type RespError } from '../error.js'
import type { Store } from './store.js'
import { storeError } from './store-error.js'
import type { Watch } from './types.js'

/** Keys that may be waited for at a time. */
export const WATCHED_KEYS_MAX = 10_000

/** One who waits. */
export interface Wait {
  /**
   * Resolves when the committed value differs from the one that the first waiter found.
   * @throws RespError ERR after `leave` and `close`; or a StoreError
   */
  readonly changed: Promise<void>
  /** Ends this wait alone; the last one takes the watch with it. Idempotent. */
  leave(): void
}

/** A key that is waited for. */
interface Watched {
  readonly watch: Watch
  readonly waiters: Set<Waiter>
}

class Waiter {
  readonly changed: Promise<void>
  #resolve!: () => void
  #reject!: (reason: unknown) => void

  constructor() {
    this.changed = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever waits gets the rejection; it concerns nobody else.
    this.changed.catch(() => {})
  }

  end(failure?: unknown): void {
    if (failure === undefined) this.#resolve()
    else this.#reject(failure)
  }
}

export class Watches {
  readonly #store: Pick<Store, 'watch'>
  readonly #byKey = new Map<string, Watched>()
  #isClosed = false

  constructor(store: Pick<Store, 'watch'>) {
    this.#store = store
  }

  /** Keys that somebody waits for. */
  get keyCount(): number {
    return this.#byKey.size
  }

  /** Waits for a change of a key from now on.
   *  @throws StoreError 1032 when too many keys are waited for; RespError ERR after `close` */
  wait(key: Buffer): Wait {
    if (this.#isClosed) throw watchCancelled()
    const name = key.toString('latin1')
    const watched = this.#byKey.get(name) ?? this.#start(name, key)
    const waiter = new Waiter()
    watched.waiters.add(waiter)
    return { changed: waiter.changed, leave: () => this.#leave(name, watched, waiter) }
  }

  /** Ends all waits, for good. */
  close(): void {
    this.#isClosed = true
    for (const [name, watched] of this.#byKey) {
      this.#end(name, watched, watchCancelled())
      watched.watch.cancel()
    }
  }

  #start(name: string, key: Buffer): Watched {
    if (this.#byKey.size >= WATCHED_KEYS_MAX) throw storeError('tooManyWatches')
    const watched: Watched = { watch: this.#store.watch(key), waiters: new Set() }
    this.#byKey.set(name, watched)
    watched.watch.promise.then(
      () => this.#end(name, watched),
      failure => this.#end(name, watched, failure),
    )
    return watched
  }

  #leave(name: string, watched: Watched, waiter: Waiter): void {
    if (!watched.waiters.delete(waiter)) return
    waiter.end(watchCancelled())
    if (watched.waiters.size > 0) return
    this.#byKey.delete(name)
    watched.watch.cancel()
  }

  /** Tells all waiters of a watch how it ended; one that was left by all has nobody to tell. */
  #end(name: string, watched: Watched, failure?: unknown): void {
    if (watched.waiters.size === 0) return
    this.#byKey.delete(name)
    for (const waiter of watched.waiters) waiter.end(failure)
    watched.waiters.clear()
  }
}

export function watchCancelled(): RespError {
  return err('watch cancelled')
}
