/**
 * One connection: the whole loop of parse, gates, encode, send.
 *
 *   reading ──► parked     a command answers later: no request is looked at until it has
 *           ──► flooded    the peer does not read its replies: none is looked at until it has
 *           ──► ending     QUIT, a protocol error, the server stops, or the peer is gone
 *
 * INVARIANT: replies leave in the order of the requests, because request n+1 is not started before
 * the reply of request n is in the output.
 * A connection with a long pipeline is interrupted when its budget is used up and goes on in a
 * later turn of the event loop, after the others.
 */
import { Parser } from '../resp/parser.js'
import type { Context } from './context.js'
import { type Gates, HELD } from './gates.js'
import type { ConnectionId, Transport } from './transport/transport.js'

/** Requests in a row, and the time after which they are interrupted. */
const BUDGET_COMMANDS = 1024
const BUDGET_MS = 1
/** Requests whose commands are all flagged `sync` are cheap: the clock is read every so many. */
const CLOCK_INTERVAL = 16
/** Replies beyond this are handed over before the next request starts. */
const HAND_OVER_BYTES = 256 * 1024

/** What a connection tells its listener. */
export interface ConnectionOwner {
  readonly transport: Transport
  readonly gates: Gates
  /** The connection is gone and nothing of it runs any more; called once. */
  onOver(connection: Connection): void
}

export class Connection {
  readonly id: ConnectionId
  readonly context: Context
  /** Bytes that the next call of `receive` needs at least; see the transport. */
  expectBytes = 0

  readonly #owner: ConnectionOwner
  readonly #parser = new Parser()
  #isParked = false
  #isFlooded = false
  /** The transport reads nothing and reports nothing of the peer. */
  #isPaused = false
  /** Requests that have arrived wait for a later turn. */
  #hasInput = false
  /** Text of a protocol error that ends the connection, to be sent after the replies before it. */
  #refusal: string | undefined
  /** Nothing more is read: the last reply is on its way. */
  #isEnding = false
  #isGone = false
  #unsentMark = 0

  constructor(id: ConnectionId, context: Context, owner: ConnectionOwner) {
    this.id = id
    this.context = context
    this.#owner = owner
  }

  /** A command of this connection has not answered yet. */
  get isParked(): boolean {
    return this.#isParked
  }

  /** Requests that have arrived are not answered yet, or their replies are not read. */
  get isBusy(): boolean {
    return !this.#isEnding && (this.#isParked || this.#isFlooded || this.#hasInput)
  }

  /** No request came and no reply left since `sinceMs`; a command that runs is no silence.
   *  Called regularly: replies that the peer takes slowly show between two calls. */
  wasIdle(sinceMs: number): boolean {
    if (this.#isParked) return false
    const { session } = this.context
    const unsent = this.#owner.transport.unsentMark(this.id)
    if (unsent !== this.#unsentMark) session.lastActiveAt = Date.now()
    this.#unsentMark = unsent
    return session.lastActiveAt < sinceMs
  }

  /** Handles the unconsumed bytes. @returns how many were consumed */
  receive(input: Buffer, start: number, end: number): number {
    this.expectBytes = 0
    if (this.#isEnding) return end - start
    this.#hasInput = this.#isParked || this.#isFlooded
    if (this.#hasInput) return 0
    this.context.session.lastActiveAt = Date.now()
    const { output } = this.#owner.transport
    const mark = output.length
    const consumed = this.#serve(input, start, end)
    this.#parser.frame.detach()
    this.#send(mark)
    if (this.#isEnding) this.#owner.transport.end(this.id)
    return this.#isEnding ? end - start : consumed
  }

  /** The peer has read enough of its replies. */
  drained(): void {
    this.#isFlooded = false
    this.context.session.lastActiveAt = Date.now()
    this.#resume()
  }

  /** The connection is gone. What still runs is waited for, then the session closes. */
  gone(): void {
    this.#isGone = true
    this.context.session.disconnect()
    if (!this.#isParked) this.#owner.onOver(this)
  }

  /** Closes after the reply that is due, and after the peer has got what is queued. */
  end(): void {
    this.context.session.closeAfterReply = true
    if (this.#isParked || this.#isEnding) return
    this.#isEnding = true
    this.#owner.transport.end(this.id)
  }

  /** Runs requests until the input, the budget or the patience ends. */
  #serve(input: Buffer, start: number, end: number): number {
    const { context } = this
    const parser = this.#parser
    const { gates, transport } = this.#owner
    const { output } = transport
    const handOver = output.length + HAND_OVER_BYTES
    let at = start
    let deadline = 0
    for (let count = 1; ; count++) {
      const outcome = parser.parse(input, at, end)
      if (outcome === 'incomplete') {
        this.expectBytes = parser.expectBytes
        this.#hasInput = false
        break
      }
      if (outcome === 'failed') {
        this.#refusal = parser.error
        this.#hasInput = false
        break
      }
      if (parser.frame.count > 0) {
        const started = gates.start(context, parser.frame)
        if (started === HELD) {
          this.#hasInput = true
          break
        }
        if (started !== undefined) this.#park(started)
        else this.#isEnding = context.session.closeAfterReply
      }
      at += parser.consumed
      this.#hasInput = at < end
      if (this.#isParked || this.#isEnding) return at - start
      const isDue = count % CLOCK_INTERVAL === 0 || context.session.command?.isSync === false
      if (isDue && deadline === 0) deadline = performance.now() + BUDGET_MS
      const isLate = isDue && performance.now() >= deadline
      if (isLate || count === BUDGET_COMMANDS || output.length > handOver) {
        if (this.#hasInput && context.writes === undefined) transport.again(this.id)
        break
      }
    }
    if (context.writes !== undefined) this.#parkWrites()
    else if (this.#refusal !== undefined) this.#refuse(this.#refusal)
    return at - start
  }

  /** Answers with a protocol error, or not at all when its text is empty, and ends. */
  #refuse(text: string): void {
    if (text !== '') this.#owner.gates.refuse(text)
    this.#isEnding = true
  }

  /** Waits for the writes that this input came with. */
  #parkWrites(): void {
    const { gates } = this.#owner
    this.#isParked = true
    this.#pause()
    void gates
      .startWrites(this.context)
      .then(outcomes => this.#settle(() => gates.finishWrites(this.context, outcomes)))
  }

  /** Waits for a command that answers later. */
  #park(pending: Promise<unknown>): void {
    this.#isParked = true
    // A paused connection tells nothing of its peer: one that ended its side still gets the reply.
    if (this.context.session.command?.isBlocking !== true) this.#pause()
    pending.then(
      data => this.#settle(() => this.#owner.gates.finish(this.context, data)),
      error => this.#settle(() => this.#owner.gates.fail(this.context, error)),
    )
  }

  #settle(encode: () => void): void {
    this.#isParked = false
    this.context.session.lastActiveAt = Date.now()
    if (this.#isGone) {
      this.#owner.onOver(this)
    } else {
      const mark = this.#owner.transport.output.length
      encode()
      if (this.#refusal !== undefined) this.#refuse(this.#refusal)
      this.#send(mark)
      if (this.#isEnding) this.#owner.transport.end(this.id)
      else if (this.context.session.closeAfterReply) this.end()
      this.#resume()
    }
  }

  #send(mark: number): void {
    const { transport } = this.#owner
    const { length } = transport.output
    if (length === mark || transport.send(this.id, mark, length)) return
    this.#isFlooded = true
    this.#pause()
  }

  #pause(): void {
    this.#isPaused = true
    this.#owner.transport.pause(this.id)
  }

  /** Goes on with the bytes that the transport kept, in a later turn. */
  #resume(): void {
    if (this.#isParked || this.#isFlooded || this.#isEnding) return
    const { transport } = this.#owner
    if (this.#isPaused) transport.resume(this.id)
    else transport.again(this.id)
    this.#isPaused = false
  }
}
