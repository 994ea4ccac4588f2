/** Commands that touch nothing but the connection: is it there, what time is it, goodbye. */
import { err } from '../../error.js'
import { array, binary, bulk, ok, oneOf, simple, typed } from '../../resp/reply.js'
import { bytes, command, optional, redisInteger, rest, value } from '../../server/command.js'

const PONG = typed(simple, 'PONG')
/** Distance between the two clocks beyond which the wall clock was set. */
const CLOCK_STEP_MS = 2

export const ping = command({
  name: 'PING',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers PONG, or the given message.',
  args: [optional(value('message'))],
  port: 'both',
  flags: ['fast', 'sync', 'uninitialized', 'queued'],
  reply: oneOf(simple, binary),
  example: ['PING', 'PING "still there?"', 'PING ""'],
  notes: ['An empty message is answered like none.'],
  run: (_ctx, { message }) =>
    message === undefined || message.length === 0 ? PONG : typed(binary, message),
})

export const echo = command({
  name: 'ECHO',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers the given message.',
  args: [value('message')],
  port: 'both',
  flags: ['fast', 'sync', 'uninitialized', 'queued'],
  reply: binary,
  example: ['ECHO "hello world"'],
  run: (_ctx, { message }) => message,
})

export const time = command({
  name: 'TIME',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers the wall clock: Unix seconds, and microseconds within the second.',
  args: [],
  port: 'both',
  flags: ['fast', 'sync', 'uninitialized', 'queued'],
  reply: array(bulk),
  example: ['TIME'],
  notes: ['The wall clock of the member that answers: it may be set back.'],
  run: () => {
    const microseconds = wallClockMicroseconds()
    const seconds = Math.floor(microseconds / 1_000_000)
    return [String(seconds), String(microseconds - seconds * 1_000_000)]
  },
})

export const quit = command({
  name: 'QUIT',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Answers OK and closes the connection.',
  args: [rest(bytes('ignored'), { min: 0 })],
  port: 'both',
  flags: ['fast', 'sync', 'noauth', 'uninitialized', 'immediate'],
  reply: ok,
  example: ['QUIT'],
  notes: ['Requests that were sent after it are not run. Arguments are ignored.'],
  run: ({ session }) => {
    session.closeAfterReply = true
  },
})

export const reset = command({
  name: 'RESET',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Sets the session back to how it was after connecting.',
  args: [],
  port: 'both',
  flags: ['fast', 'sync', 'noauth', 'uninitialized', 'immediate'],
  reply: simple,
  example: ['BEGIN', 'RESET', 'COMMIT'],
  notes: ['Does what SESSION.CLOSE does, and goes back to RESP2.'],
  run: ({ session }) => {
    session.reset()
    session.protocol = 2
    return 'RESET'
  },
})

export const select = command({
  name: 'SELECT',
  group: 'connection',
  since: '0.1.0',
  complexity: 'O(1)',
  summary: 'Accepts database 0, the only one.',
  args: [redisInteger('index')],
  port: 'client',
  flags: ['fast', 'sync', 'redis'],
  reply: ok,
  example: ['SELECT 0', 'SELECT 1'],
  run: (_ctx, { index }) => {
    if (index !== 0n) throw err('SELECT is not allowed in cluster mode')
  },
})

let clockOriginMs = performance.timeOrigin

/** Unix time. Microseconds come from the monotonic clock, which is set whenever the wall clock,
 *  of milliseconds, has gone another way. */
function wallClockMicroseconds(): number {
  const wallMs = Date.now()
  const finelyMs = clockOriginMs + performance.now()
  if (Math.abs(finelyMs - wallMs) <= CLOCK_STEP_MS) return Math.floor(finelyMs * 1000)
  clockOriginMs += wallMs - finelyMs
  return wallMs * 1000
}
