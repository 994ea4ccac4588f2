/**
 * The way of one request through the server, in this order. Each gate may end it with an error.
 *
 *    1 known on this port        ERR unknown command 'NAME'
 *    2 number of arguments       ERR wrong number of arguments for 'NAME' command
 *    3 login                     NOAUTH Authentication required.
 *    4 stopping (client port)    ERR server is shutting down
 *    5 cluster initialised       ERR cluster has not been initialized yet
 *    6 slot (Redis commands)     CROSSSLOT …, MOVED …, ERR shard id: …
 *    7 MULTI                     QUEUED, ERR Redis compatibility required
 *    8 arguments parse           ERR unknown subcommand: 'x', ERR value is not …
 *    9 run
 *   10 encode
 *
 * Inside MULTI a request that one of the first seven refuses aborts the queue. EXEC takes the whole
 * queue through gate 6 again, then each request through 8 to 10, with nothing in between.
 *
 * Only this file turns a throw into a reply: a RespError is sent as it is, or the innermost one
 * that caused what was thrown; anything else is a bug, logged with an id that the client gets to
 * see.
 */
import { randomBytes } from 'node:crypto'
import { clientError, err, outOfMemory, RespError } from '../error.js'
import { Encoder } from '../resp/encoder.js'
import type { Frame } from '../resp/frame.js'
import { encoded, type Typed, typed } from '../resp/reply.js'
import { Rope } from '../resp/rope.js'
import type { ReplyWriter } from '../resp/writer.js'
import { type Command, keyWords } from './command.js'
import type { Context, Services } from './context.js'
import { MultiQueue } from './multi.js'
import { type WriteOutcome, WriteRun } from './write-run.js'

/** A reply of a queue that comes later. */
interface LateReply {
  readonly command: Command
  readonly data: Promise<unknown>
}

const UNKNOWN_NAME_MAX = 128

/** The request waits for the writes before it: it was not looked at, and is to come again. */
export const HELD = Symbol('held')

export class Gates {
  readonly #services: Services
  readonly #out: ReplyWriter
  readonly #encoder: Encoder
  readonly #logsCommands: boolean

  constructor(services: Services, out: ReplyWriter) {
    this.#services = services
    this.#out = out
    this.#encoder = new Encoder(out)
    this.#logsCommands = services.config.log_command_for_debugging === true
  }

  /**
   * Takes a request through all gates; a blind write only joins `ctx.writes`, which the caller runs
   * before it waits for more input. Never throws.
   * @returns undefined when the reply is in the writer, or will be with its run's; a promise when
   *          `finish` or `fail` must be given what it settles with; HELD
   */
  start(ctx: Context, frame: Frame): Promise<unknown> | undefined | typeof HELD {
    const { session } = ctx
    if (ctx.writes !== undefined) return this.#joins(ctx, ctx.writes, frame) ? undefined : HELD
    session.command = undefined
    try {
      const command = this.#admit(ctx, frame)
      if (session.multi !== undefined && !command.isImmediate) {
        session.multi.add(command, frame)
        session.command = command
        this.#encoder.status('QUEUED')
        return undefined
      }
      session.command = command
      const args = this.#parse(ctx, command, frame)
      if (command.isBlind && session.transaction === undefined) {
        ctx.writes = new WriteRun()
        ctx.writes.add({ command, args }, frame.length)
        return undefined
      }
      const result = command.run!(ctx, args as never)
      if (!(result instanceof Promise)) {
        if (command.isImmediate && result instanceof MultiQueue) return this.#runQueue(ctx, result)
        if (command.isWrite) this.#touch(command, frame)
        this.finish(ctx, result)
        return undefined
      }
      if (command.isSync) throw new Error(`${command.syntax} is flagged sync, but made a promise`)
      return result
    } catch (error) {
      // Without a command it did not get past the gate of MULTI.
      if (session.command === undefined) session.multi?.abort()
      this.fail(ctx, error)
      return undefined
    }
  }

  /** Runs the writes that wait. @returns what `finishWrites` must be given */
  startWrites(ctx: Context): Promise<readonly WriteOutcome[]> {
    const writes = ctx.writes!
    ctx.writes = undefined
    return writes.settle(ctx)
  }

  /** Encodes the replies of a run. */
  finishWrites(ctx: Context, outcomes: readonly WriteOutcome[]): void {
    for (const outcome of outcomes) {
      ctx.session.command = outcome.command
      if ('error' in outcome) this.fail(ctx, outcome.error)
      else this.finish(ctx, outcome.data)
    }
  }

  /** Encodes the reply of the running command from the data that its `run` returned. */
  finish(ctx: Context, data: unknown): void {
    const mark = this.#out.length
    try {
      this.#encoder.reply(ctx.session.command!.reply, data, ctx.session.protocol)
    } catch (error) {
      this.#out.truncate(mark)
      this.fail(ctx, error)
    }
  }

  /** Encodes the error reply for whatever was thrown. */
  fail(ctx: Context, thrown: unknown): void {
    this.#encoder.error(clientError(thrown) ?? this.#internal(ctx, thrown))
  }

  /** Encodes the last reply before the connection closes: a protocol error. */
  refuse(text: string): void {
    this.#encoder.error(err(text))
  }

  /** Gates 1 to 6. */
  #admit(ctx: Context, frame: Frame): Command {
    const { registry, services, session } = ctx
    const found = registry.find(frame)
    if (found === undefined) throw unknownCommand(frame)
    const command = found.resolve(frame)
    const words = frame.count - command.depth
    if (!command.accepts(words)) throw command.misuse(ctx, words)
    if (!session.authenticated && !command.beforeLogin) {
      throw new RespError('NOAUTH', 'Authentication required.')
    }
    if (services.lifecycle.stopping && registry.port === 'client') {
      throw err('server is shutting down')
    }
    if (!command.beforeInitialization && !services.cluster.initialized) {
      throw err('cluster has not been initialized yet')
    }
    if (frame.isCut) throw outOfMemory()
    if (command.isRedis && command.keys !== undefined && services.redis !== undefined) {
      if (frame.ropes !== undefined) {
        for (const word of keyWords(command.keys, frame.count)) frame.range(word)
      }
      ctx.slot = services.redis.admit(frame, command.keys, command.isWrite)
    }
    return command
  }

  /** Does this request belong to the run of those before it? */
  #joins(ctx: Context, writes: WriteRun, frame: Frame): boolean {
    if (writes.isFull) return false
    try {
      const command = this.#admit(ctx, frame)
      if (!command.isBlind) return false
      writes.add({ command, args: this.#parse(ctx, command, frame) }, frame.length)
      ctx.session.command = command
      return true
    } catch {
      // Its error is due after the replies of the run: the request comes again.
      return false
    }
  }

  /**
   * Runs the requests of a queue as one, in this turn of the event loop; their replies: an array.
   * @returns a promise when one of them answers later, though its work on the data is done
   */
  #runQueue(ctx: Context, queue: MultiQueue): Promise<Typed> | undefined {
    const { session } = ctx
    const { command: exec } = session
    const mark = this.#out.length
    const parts: (Rope | LateReply)[] = []
    this.#encoder.arrayLength(queue.requests.length)
    for (const { command, frame, slot } of queue.requests) {
      session.command = command
      ctx.slot = slot
      try {
        const data = command.run!(ctx, this.#parse(ctx, command, frame) as never)
        if (command.isWrite) this.#touch(command, frame)
        if (data instanceof Promise) parts.push(this.#out.take(mark), { command, data })
        // ORDER: before the next one runs, which may change the bytes that this one answers.
        else this.finish(ctx, data)
      } catch (error) {
        this.fail(ctx, error)
      }
    }
    session.command = exec
    queue.drop()
    if (parts.length === 0) return undefined
    parts.push(this.#out.take(mark))
    return this.#gather(ctx, parts)
  }

  /** Waits for replies of a queue. @returns all of them, encoded */
  async #gather(ctx: Context, parts: readonly (Rope | LateReply)[]): Promise<Typed> {
    const { session } = ctx
    const { command: exec } = session
    // All at once, so that each has somebody who hears of its failure.
    const late = await Promise.allSettled(parts.map(part => ('data' in part ? part.data : part)))
    const encodedParts = parts.map((part, i) => {
      if (!('data' in part)) return part
      const mark = this.#out.length
      session.command = part.command
      const result = late[i]!
      if (result.status === 'fulfilled') this.finish(ctx, result.value)
      else this.fail(ctx, result.reason)
      return this.#out.take(mark)
    })
    session.command = exec
    return typed(encoded, new Rope(encodedParts.flatMap(({ pieces }) => pieces)))
  }

  /** Tells those who watch the keys of a command that it has written. */
  #touch(command: Command, frame: Frame): void {
    const watched = this.#services.redis?.watched
    if (watched === undefined || watched.size === 0 || command.keys === undefined) return
    for (const word of keyWords(command.keys, frame.count)) watched.touch(frame.latin1(word))
  }

  /** Gate 8. */
  #parse(ctx: Context, command: Command, frame: Frame): Record<string, unknown> {
    if (command.run === undefined || command.subcommands !== undefined) {
      const unknown = command.unknownSubcommand(frame)
      if (unknown !== undefined) throw unknown
    }
    if (this.#logsCommands) this.#logCommand(ctx, command, frame)
    // ORDER: before the parse, so that the arguments are views of the copy.
    if (!command.isSync && command.params.length > 0) frame.own()
    return command.parse(frame)
  }

  #internal(ctx: Context, thrown: unknown): RespError {
    const id = randomBytes(4).toString('hex')
    const command = ctx.session.command?.path.join(' ')
    this.#services.log.error({ err: thrown, id, command }, `internal error ${id}`)
    return err(`internal error ${id}`)
  }

  #logCommand(ctx: Context, command: Command, frame: Frame): void {
    const words = frame.count
    this.#services.log.debug({ client: ctx.session.id, command: command.path, words }, 'command')
  }
}

function unknownCommand(frame: Frame): RespError {
  const first = frame.value(0)
  // A large one is not made a text as a whole.
  const isRope = first instanceof Rope
  const text = isRope ? first.slice(0, UNKNOWN_NAME_MAX).flat().toString() : frame.utf8(0)
  const name = text.slice(0, UNKNOWN_NAME_MAX).toUpperCase()
  return err(`unknown command '${name}'`)
}
