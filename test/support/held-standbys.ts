/** Standbys for tests of synchronous mode: they have stored nothing until the test says so. */
import type { ShardKind } from '../../ts/volume/shard-routes.js'
import type { AppendedBytes, StandbyGroup, SynchronousStandbys } from '../../ts/volume/standbys.js'
import { until } from './wait.js'

/** One question of a writer. */
export interface Asked extends AppendedBytes {
  readonly signal: AbortSignal
  /** The bodies, as the standbys would get them. */
  readonly bytes: Buffer
  /** They have stored the bytes. */
  answer(): void
  fail(cause: Error): void
}

export class HeldStandbys implements SynchronousStandbys {
  /** In order. */
  readonly asked: Asked[] = []
  /** Shards that somebody wanted to write. */
  readonly chosen: string[] = []
  /** Why they take no bytes. */
  refusal: Error | undefined
  /** The shard has standbys. */
  isThere = true
  /** They store everything at once. */
  isQuick = false

  choose(kind: ShardKind, shard: number): StandbyGroup | undefined {
    this.chosen.push(`${kind} ${shard}`)
    if (this.refusal !== undefined) throw this.refusal
    if (!this.isThere) return undefined
    return { store: (bytes, signal) => this.#ask(bytes, signal) }
  }

  /** The n-th question, counted from 1, as soon as it has been asked. */
  async question(n: number): Promise<Asked> {
    await until(`standbys were asked ${n} times`, () => this.asked.length >= n)
    return this.asked[n - 1]!
  }

  #ask(appended: AppendedBytes, signal: AbortSignal): Promise<void> {
    return new Promise((answer, fail) => {
      const bytes = Buffer.from(appended.volume.read(appended.locations))
      this.asked.push({ ...appended, signal, bytes, answer, fail })
      if (this.isQuick) answer()
    })
  }
}
