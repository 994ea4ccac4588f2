/**
 * One connection: the whole loop of parse, gates, encode, send.
 *
 *   reading ──► parked     a command answers later: no request is looked at until it has
 *           ──► flooded    the peer does not read its replies: none is looked at until it has; or a
 *                          reply with large values is sent, a part each turn (`outgoing.ts`)
 *           ──► ending     QUIT, a protocol error, the server stops, or the peer is gone
 *
 * INVARIANT: replies leave in the order of the requests, because request n+1 is not started before
 * the reply of request n is in the output.
 * A connection with a long pipeline is interrupted when its budget is used up and goes on in a
 * later turn of the event loop, after the others.
 */
import { Parser, type ParserLimits } from '../resp/parser.js'
import type { Context } from './context.js'
import { type Gates, HELD } from './gates.js'
import { Outgoing } from './outgoing.js'
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
  readonly parserLimits: ParserLimits
  /** The connection is gone and nothing of it runs any more; called once. */
  onOver(connection: Connection): void
}

export class Connection {
  readonly id: ConnectionId
  readonly context: Context
  /** Bytes that the next call of `receive` needs at least; see the transport. */
  expectBytes = 0

  readonly #owner: ConnectionOwner
  readonly #parser: Parser
  #isParked = false
  #isFlooded = false
  /** The reply that is on its way in parts. */
  #outgoing: Outgoing | undefined
  /** The transport reads nothing and reports nothing of the peer. */
  #isPaused = false
  /** Text of a protocol error that ends the connection, to be sent after the replies before it. */
  #refusal: string | undefined
  /** Requests that have arrived wait for the next turn. */
  #hasInput = false
  /** Nothing more is read: the last reply is on its way. */
  #isEnding = false
  #isGone = false
  #unsentMark = 0

  constructor(id: ConnectionId, context: Context, owner: ConnectionOwner) {
    this.id = id
    this.context = context
    this.#owner = owner
    this.#parser = new Parser(owner.parserLimits)
  }

  /** A command of this connection has not answered yet. */
  get isParked(): boolean {
    return this.#isParked
  }

  /** Requests that have arrived are not answered yet, or their replies are not read. */
  get isBusy(): boolean {
    if (this.#outgoing !== undefined) return true
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
    this.#parser.release()
    this.#send(mark)
    if (this.#isEnding) this.#endTransport()
    return this.#isEnding ? end - start : consumed
  }

  /** The peer has read enough of its replies. */
  drained(): void {
    this.context.session.lastActiveAt = Date.now()
    if (this.#outgoing !== undefined) {
      this.#sendParts(this.#outgoing)
      return
    }
    this.#isFlooded = false
    this.#resume()
  }

  /** The connection is gone. What still runs is waited for, then the session closes. */
  gone(): void {
    this.#isGone = true
    this.#outgoing?.drop()
    this.#outgoing = undefined
    this.#parser.close()
    this.context.session.disconnect()
    if (!this.#isParked) this.#owner.onOver(this)
  }

  /** Closes after the reply that is due, and after the peer has got what is queued. */
  end(): void {
    this.context.session.closeAfterReply = true
    if (this.#isParked || this.#isEnding) return
    this.#isEnding = true
    this.#endTransport()
  }

  /** ORDER: behind a reply that is on its way in parts. */
  #endTransport(): void {
    if (this.#outgoing === undefined) this.#owner.transport.end(this.id)
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
        at += parser.consumed
        this.expectBytes = parser.expectBytes
        break
      }
      if (outcome === 'failed') {
        this.#refusal = parser.error
        break
      }
      if (parser.frame.count > 0) {
        const started = gates.start(context, parser.frame)
        if (started === HELD) {
          parser.hold()
          this.#hasInput = true
          break
        }
        if (started !== undefined) this.#park(started)
        else this.#isEnding = context.session.closeAfterReply
      }
      at += parser.consumed
      if (this.#isParked || this.#isEnding) {
        this.#hasInput = at < end
        break
      }
      const isDue = count % CLOCK_INTERVAL === 0 || context.session.command?.isSync === false
      if (isDue && deadline === 0) deadline = performance.now() + BUDGET_MS
      const isLate = isDue && performance.now() >= deadline
      const isMuch = output.length > handOver || output.hasNoted
      if (isLate || isMuch || count === BUDGET_COMMANDS) {
        this.#hasInput = at < end
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
      if (this.#isEnding) this.#endTransport()
      else if (this.context.session.closeAfterReply) this.end()
      this.#resume()
    }
  }

  #send(mark: number): void {
    const { transport } = this.#owner
    const { output } = transport
    if (output.hasNoted) {
      this.#outgoing = new Outgoing(output.take(mark), this.#owner.parserLimits.transit)
      this.#isFlooded = true
      this.#pause()
      this.#sendParts(this.#outgoing)
      return
    }
    const { length } = output
    if (length === mark || transport.send(this.id, mark, length)) return
    this.#isFlooded = true
    this.#pause()
  }

  /** Sends the next part of a reply; the rest in later turns, when the peer has read enough. */
  #sendParts(outgoing: Outgoing): void {
    const { transport } = this.#owner
    const mark = transport.output.length
    outgoing.write(transport.output)
    const isTaken = transport.send(this.id, mark, transport.output.length)
    if (!outgoing.isEmpty) {
      if (isTaken) setImmediate(() => this.#outgoing && this.#sendParts(this.#outgoing))
      return
    }
    this.#outgoing = undefined
    outgoing.drop()
    if (this.#isEnding) transport.end(this.id)
    else if (isTaken) {
      this.#isFlooded = false
      this.#resume()
    }
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
