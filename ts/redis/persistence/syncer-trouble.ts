/**
 * Batches that fail one after the other: how long the next one waits, and what the log says.
 *
 *     first failure    logged at once, with its stack      each one after it waits twice as long
 *     more of them     a line now and then, with their number
 *     the end          a line, if the log's last word was of a failure
 *
 * INVARIANT: lines of failures are `LINE_INTERVAL_MS` apart, however often trouble comes and goes.
 */
import type { Logger } from 'pino'

/** Failing batches are at most so far apart, unless the period is longer. */
const PAUSE_MAX_MS = 1_000
const LINE_INTERVAL_MS = 5_000

interface SyncerTroubleParts {
  readonly log: Logger
  readonly shardId: number
  readonly periodMs: number
  /** A clock. */
  readonly nowMs?: () => number
}

export class SyncerTrouble {
  readonly #parts: SyncerTroubleParts
  /** Failures since a batch was last written. */
  #failures = 0
  /** Those of them, and of trouble before, that the log does not tell. */
  #untold = 0
  #toldAtMs = Number.NEGATIVE_INFINITY
  #isOpen = false

  constructor(parts: SyncerTroubleParts) {
    this.#parts = parts
  }

  /** How long the next batch waits. */
  get pauseMs(): number {
    const { periodMs } = this.#parts
    return Math.max(periodMs, Math.min(periodMs * 2 ** this.#failures, PAUSE_MAX_MS))
  }

  /** A batch failed. */
  failed(cause: unknown): void {
    const { log, shardId: shard } = this.#parts
    this.#failures++
    this.#untold++
    const nowMs = (this.#parts.nowMs ?? performance.now.bind(performance))()
    if (nowMs < this.#toldAtMs + LINE_INTERVAL_MS) return
    const failures = this.#untold
    if (failures === 1) log.error({ err: cause, shard }, 'writing Redis data failed; trying again')
    else log.error({ error: String(cause), failures, shard }, 'writing Redis data still fails')
    this.#toldAtMs = nowMs
    this.#untold = 0
    this.#isOpen = true
  }

  /** A batch is written. */
  ended(): void {
    if (this.#failures === 0) return
    const { log, shardId: shard } = this.#parts
    if (this.#isOpen) log.info({ failures: this.#failures, shard }, 'Redis data is written again')
    this.#failures = 0
    this.#isOpen = false
  }
}
