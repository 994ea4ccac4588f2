/**
 * A run: consecutive blind one-off writes of one pipeline, which share a transaction.
 *
 *   ZSET a 1 | ZSET b 2 | ZINC.I64 c 1 | ZGET a      three writes, one commit, then the ZGET
 *
 * None of them reads, so their effects in one transaction, in their order, are those of as many
 * transactions; no reply of a run leaves before all of it is durable. A run that fails before
 * anything was committed is done again, request by request, so that each gets its own answer.
 */
import { clientError } from '../error.js'
import type { Command } from './command.js'
import type { Context } from './context.js'

/** Bounds of a run: beyond them there is nothing to win, and a transaction has bounds too. */
const REQUESTS_MAX = 128
const BYTES_MAX = 256 * 1024

/** A request that went through the gates and has not run. */
export interface Write {
  readonly command: Command
  readonly args: unknown
}

/** What a request of a run came to. */
export type WriteOutcome =
  | { readonly command: Command; readonly data: unknown }
  | { readonly command: Command; readonly error: unknown }

export class WriteRun {
  readonly #writes: Write[] = []
  #bytes = 0

  /** May another request join? */
  get isFull(): boolean {
    return this.#writes.length >= REQUESTS_MAX || this.#bytes >= BYTES_MAX
  }

  /** @param bytes length of the request */
  add(write: Write, bytes: number): void {
    this.#writes.push(write)
    this.#bytes += bytes
  }

  /** Runs all requests. @returns their outcomes, in order; never rejects */
  async settle(ctx: Context): Promise<WriteOutcome[]> {
    if (this.#writes.length === 1) return [await outcomeOf(ctx, this.#writes[0]!)]
    try {
      return await ctx.oneOff(tx => ctx.sharing(tx, () => runAll(ctx, this.#writes)))
    } catch (error) {
      // What is no RespError is a bug: it may have come at any point.
      const isUnknown = clientError(error)?.mayBeApplied ?? true
      if (isUnknown) return this.#writes.map(({ command }) => ({ command, error }))
    }
    const outcomes: WriteOutcome[] = []
    for (const write of this.#writes) outcomes.push(await outcomeOf(ctx, write))
    return outcomes
  }
}

/** @throws what the first one that fails throws */
async function runAll(ctx: Context, writes: readonly Write[]): Promise<WriteOutcome[]> {
  const outcomes: WriteOutcome[] = []
  for (const { command, args } of writes) {
    const result = command.run!(ctx, args as never)
    const data = result instanceof Promise ? await result : result
    outcomes.push({ command, data })
  }
  return outcomes
}

async function outcomeOf(ctx: Context, { command, args }: Write): Promise<WriteOutcome> {
  try {
    return { command, data: await command.run!(ctx, args as never) }
  } catch (error) {
    return { command, error }
  }
}
