/**
 * The embedded store's fault mode: seeded errors and late answers, as a troubled cluster has them.
 * Nothing outside of the tests knows how to ask for it.
 */
import type { NativeDatabase } from '../../ts/native.js'
import type { Store } from '../../ts/store/store.js'

/** Number of the database option that only our own libfdb_c has. */
const FAULTS_OPTION = 1_000_000

/** Rates are from 0, never (the default), to 1, always. */
export interface Faults {
  /** Repeats the faults as far as the order of the transactions repeats. */
  readonly seed?: number
  /** Commits that are not made and answered 1020. */
  readonly notCommitted?: number
  /** Commits that are answered 1021; one half of them is made. */
  readonly unknownResult?: number
  /** Commits that are not made and answered 1007. */
  readonly tooOldCommits?: number
  /** Reads that are answered 1007, and with them what else their transaction does. */
  readonly tooOldReads?: number
  /** Commits whose answer is kept back, so that answers change their order. */
  readonly lateCommits?: number
  /** Reads whose answer is kept back: their futures are not ready at once. */
  readonly lateReads?: number
  /** Longest that an answer is kept back, up to 1,000; default 5. */
  readonly maxDelayMs?: number
}

/** Every answer is kept back for a moment, and none is refused: no claim of a test changes. */
const LATE: Faults = { seed: 1, lateReads: 1, lateCommits: 1, maxDelayMs: 3 }

/** What the stores of a test file answer like. `run-late.ts` chooses. */
export function suiteFaults(): Faults | undefined {
  return process.env.KRONOTOP_TEST_LATE === '1' ? LATE : undefined
}

/** All kinds of faults that are certain to have changed nothing, and late answers. */
export function troubled(seed: number): Faults {
  return {
    seed,
    notCommitted: 0.1,
    tooOldCommits: 0.05,
    tooOldReads: 0.03,
    lateCommits: 0.5,
    lateReads: 0.3,
    maxDelayMs: 3,
  }
}

/** Sets the faults of the attempts that begin from now on; `undefined` ends them.
 *  @throws StoreError 2006 for a rate or delay out of bounds, 2007 on a real cluster */
export function setFaults(store: Store, faults: Faults | undefined): void {
  const native = store.db._db as NativeDatabase
  native.setOption(FAULTS_OPTION, faults === undefined ? null : Buffer.from(faultsText(faults)))
}

/** The words that the store reads: `seed=7 not_committed=0.05`. */
function faultsText(faults: Faults): string {
  const snake = (name: string): string =>
    name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
  return Object.entries(faults)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${snake(name)}=${value}`)
    .join(' ')
}
