/**
 * A connection to the server, set up for a load, and the rules for what its errors mean.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis, ReplyError } from 'ioredis'
import type { Outgoing } from './documents.js'
import { LoadError } from './error.js'
import type { LoadOptions } from './options.js'

/** What the server made of one document. */
export type Verdict = 'inserted' | 'present' | { readonly refused: string }

/** The transaction may be tried again: ids make it harmless if the first try did commit. */
const RETRYABLE =
  /^(NOT_COMMITTED|COMMIT_UNKNOWN_RESULT|TRANSACTION_?TOO_?OLD|TRANSACTIONOLD|TRANSACTION_TIMED_OUT|FUTURE_VERSION|PROCESS_BEHIND|BATCH_TRANSACTION_THROTTLED|TAG_THROTTLED|BARRIERNOTSATISFIED) /

/** The document is at fault, not the server, its state, or the request as a whole. */
const DOCUMENT_AT_FAULT = /^(DUPLICATEKEY|INDEXTYPE_MISMATCH|KEY_TOO_LARGE|VALUE_TOO_LARGE|ERR) /
const SERVER_AT_FAULT =
  /^ERR (internal error|server is|cluster has|no route|volume|shard|unknown|wrong number)/i

const TRIES = 8
const FIRST_PAUSE_MS = 20

export class Target {
  readonly #redis: Redis
  readonly #options: LoadOptions
  #trouble: Error | undefined

  private constructor(options: LoadOptions) {
    const { host, port } = options
    this.#options = options
    this.#redis = new Redis({
      host,
      port,
      lazyConnect: true,
      enableReadyCheck: false,
      // INVARIANT: a new connection would lack the session's namespace and input type.
      retryStrategy: () => null,
      maxRetriesPerRequest: null,
      autoResendUnfulfilledCommands: false,
    })
    this.#redis.on('error', error => {
      this.#trouble = error
    })
  }

  /** Connects, and makes the namespace and the bucket if they are absent.
   *  @throws LoadError */
  static async open(options: LoadOptions): Promise<Target> {
    const target = new Target(options)
    try {
      await target.#connect()
      await target.#command('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
      if (options.namespace !== undefined) await target.#useNamespace(options.namespace)
      await target.#command('BUCKET.CREATE', options.bucket, 'IF-NOT-EXISTS')
      return target
    } catch (error) {
      target.close()
      throw asLoadError(error)
    }
  }

  /** Inserts documents in one request. If the server refuses it because of a document, they are
   *  sent one by one, so that each gets its own verdict.
   *  @returns  verdicts in the order of the documents
   *  @throws   LoadError for anything that is not about a document */
  async insert(documents: readonly Outgoing[]): Promise<Verdict[]> {
    if (documents.length === 0) return []
    const refused = await this.#tryInsert(documents)
    if (refused === undefined) return documents.map(() => 'inserted')
    if (documents.length === 1) {
      return [refused.startsWith('DUPLICATEKEY ') ? 'present' : { refused }]
    }
    const verdicts = documents.map(document => this.insert([document]))
    return (await Promise.all(verdicts)).flat()
  }

  close(): void {
    this.#redis.disconnect()
  }

  /** @returns the error text if a document is at fault, else undefined: all are stored */
  async #tryInsert(documents: readonly Outgoing[]): Promise<string | undefined> {
    const texts = documents.map(({ document }) => document)
    try {
      await this.#command('BUCKET.INSERT', this.#options.bucket, 'DOCS', ...texts)
      return undefined
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error
      const { message } = error as Error
      if (DOCUMENT_AT_FAULT.test(message) && !SERVER_AT_FAULT.test(message)) return message
      throw asLoadError(error)
    }
  }

  async #useNamespace(path: string): Promise<void> {
    try {
      await this.#command('NAMESPACE', 'USE', path)
      return
    } catch (error) {
      if (!startsWith(error, 'NOSUCHNAMESPACE')) throw error
    }
    try {
      await this.#command('NAMESPACE', 'CREATE', path)
    } catch (error) {
      if (!startsWith(error, 'NAMESPACEALREADYEXISTS')) throw error
    }
    await this.#command('NAMESPACE', 'USE', path)
  }

  async #connect(): Promise<void> {
    try {
      await this.#redis.connect()
    } catch (error) {
      const { host, port } = this.#options
      const reason = (this.#trouble ?? (error as Error)).message
      throw new LoadError(`cannot connect to ${host}:${port}: ${reason}`)
    }
  }

  /** Sends a command; tries again, with growing pauses, what the server asks to be tried again.
   *  @throws ReplyError as the server sent it; LoadError when the connection is lost */
  async #command(name: string, ...args: string[]): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#redis.call(name, ...args)
      } catch (error) {
        if (!(error instanceof ReplyError)) throw this.#lost()
        if (attempt === TRIES || !RETRYABLE.test((error as Error).message)) throw error
      }
      await sleep(FIRST_PAUSE_MS * 2 ** attempt)
    }
  }

  #lost(): LoadError {
    const { host, port } = this.#options
    const reason = this.#trouble === undefined ? '' : ` (${this.#trouble.message})`
    return new LoadError(
      `the connection to ${host}:${port} was lost${reason}; the same command goes on later`,
    )
  }
}

function startsWith(error: unknown, prefix: string): boolean {
  return error instanceof ReplyError && (error as Error).message.startsWith(`${prefix} `)
}

function asLoadError(error: unknown): unknown {
  return error instanceof ReplyError
    ? new LoadError(`the server answered: ${(error as Error).message}`)
    : error
}
