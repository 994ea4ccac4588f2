import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { err, RespError } from '../../../ts/error.js'
import { Frame } from '../../../ts/resp/frame.js'
import { bulk, integer, ok } from '../../../ts/resp/reply.js'
import { ReplyWriter } from '../../../ts/resp/writer.js'
import { bytes, command, int32, key, rest } from '../../../ts/server/command.js'
import { Context, type Services } from '../../../ts/server/context.js'
import { Gates } from '../../../ts/server/gates.js'
import { Registry } from '../../../ts/server/registry.js'
import { fakeServices } from './harness.js'

const top = { group: 'test', since: '0.1.0', summary: 'Test.', port: 'both' } as const
let kept: Buffer | undefined

const commands = [
  command({
    ...top,
    name: 'STRICT',
    flags: ['sync', 'redis', 'write'],
    args: [key(bytes('key')), int32('n')],
    reply: integer,
    run: (ctx, { n }) => {
      if (n < 0) throw new RespError('WRONGTYPE', 'negative')
      return ctx.slot + n
    },
  }),
  command({
    ...top,
    name: 'EARLY',
    flags: ['sync', 'noauth', 'uninitialized'],
    args: [],
    reply: ok,
    run: () => {},
  }),
  command({ ...top, name: 'BROKEN', args: [], reply: ok, run: () => JSON.parse('{') }),
  command({
    ...top,
    name: 'WRAPPED',
    args: [],
    reply: ok,
    run: () => {
      const inner = new RespError('NOT_COMMITTED', 'a conflict', { cause: new Error('a socket') })
      throw new Error('outer', { cause: new Error('middle', { cause: inner }) })
    },
  }),
  command({ ...top, name: 'MISFIT', args: [], reply: integer, run: () => 0.5 }),
  command({
    ...top,
    name: 'LATER',
    args: [bytes('word')],
    reply: bulk,
    run: async (_ctx, { word }) => word,
  }),
  command({
    ...top,
    name: 'LIAR',
    flags: ['sync'],
    args: [],
    reply: ok,
    run: async () => {},
  }),
  command({
    ...top,
    name: 'KEEP',
    args: [rest(bytes('word'))],
    reply: ok,
    run: (_ctx, { word }) => {
      kept = word[0]
    },
  }),
]

interface State {
  authenticated?: boolean
  stopping?: boolean
  initialized?: boolean
  /** Thrown by the slot gate. */
  refusal?: RespError
  port?: 'client' | 'admin'
}

function make({ authenticated = true, stopping = false, ...state }: State = {}) {
  const logged: Record<string, unknown>[] = []
  const services: Services = {
    ...fakeServices([], logged),
    lifecycle: { stopping },
    cluster: { initialized: state.initialized ?? true } as Services['cluster'],
    redis: {
      admit: () => {
        if (state.refusal !== undefined) throw state.refusal
        return 7000
      },
    } as unknown as NonNullable<Services['redis']>,
  }
  const out = new ReplyWriter()
  const gates = new Gates(services, out)
  const port = state.port ?? 'client'
  const session = services.sessions.open(port, '1.2.3.4:5', '127.0.0.1:5484')
  session.authenticated = authenticated
  const context = new Context(session, services, new Registry(commands, port))
  const start = (frame: Frame) => gates.start(context, frame)
  const take = (): string => {
    const text = out.bytes.toString('latin1', 0, out.length)
    out.length = 0
    return text
  }
  return { gates, context, start, take, logged }
}

function frameOf(...words: string[]): Frame {
  return Frame.of(words.map(word => Buffer.from(word)))
}

/** Every failing state at once; each row removes the failure that the row before it met. */
test('gates stand in this order', () => {
  const refusal = new RespError('MOVED', '7000 h:1')
  const closed: State = { authenticated: false, stopping: true, initialized: false, refusal }
  const rows: readonly (readonly [State, string[], string])[] = [
    [closed, ['NONE'], "-ERR unknown command 'NONE'\r\n"],
    [closed, ['STRICT'], "-ERR wrong number of arguments for 'strict' command\r\n"],
    [closed, ['STRICT', 'k', 'x'], '-NOAUTH Authentication required.\r\n'],
    [{ ...closed, authenticated: true }, ['STRICT', 'k', 'x'], '-ERR server is shutting down\r\n'],
    [
      { ...closed, authenticated: true, stopping: false },
      ['STRICT', 'k', 'x'],
      '-ERR cluster has not been initialized yet\r\n',
    ],
    [{ refusal }, ['STRICT', 'k', 'x'], '-MOVED 7000 h:1\r\n'],
    [{}, ['STRICT', 'k', 'x'], '-ERR value is not a int or out of range\r\n'],
    [{}, ['STRICT', 'k', '-1'], '-WRONGTYPE negative\r\n'],
    [{}, ['STRICT', 'k', '1'], ':7001\r\n'],
  ]
  for (const [state, words, reply] of rows) {
    const { start, take } = make(state)
    assert.is(start(frameOf(...words)), undefined)
    assert.is(take(), reply)
  }
})

test('flags open the gates before login and initialisation', () => {
  const { start, take } = make({ authenticated: false, initialized: false })
  start(frameOf('early'))
  assert.is(take(), '+OK\r\n')
})

test('the admin port serves while the server stops', () => {
  const { start, take } = make({ stopping: true, port: 'admin' })
  start(frameOf('STRICT', 'k', '1'))
  assert.is(take(), ':7001\r\n')
})

test('an unknown name is sent back in upper case, cut to a bound', () => {
  const { start, take } = make()
  start(frameOf('n\r\nö'))
  assert.is(Buffer.from(take(), 'latin1').toString(), "-ERR unknown command 'N  Ö'\r\n")
  start(frameOf('x'.repeat(1000)))
  assert.is(take(), `-ERR unknown command '${'X'.repeat(128)}'\r\n`)
})

test('a bug is logged with the id that the client sees', () => {
  for (const [name, type] of [
    ['BROKEN', 'SyntaxError'],
    ['MISFIT', 'TypeError'],
    ['LIAR', 'Error'],
  ]) {
    const { start, take, logged } = make()
    assert.is(start(frameOf(name!)), undefined)
    const id = take().match(/^-ERR internal error ([0-9a-f]{8})\r\n$/)?.[1]
    assert.ok(id, name)
    const [entry] = logged as {
      id: string
      command: string
      err: { type: string; stack: string }
    }[]
    assert.is(entry?.id, id)
    assert.is(entry?.command, name)
    assert.is(entry?.err.type, type)
    assert.match(entry?.err.stack ?? '', /gates|at /)
  }
})

test('a failure that an error for clients caused is told as that error', () => {
  const { start, take, logged } = make()
  start(frameOf('WRAPPED'))
  assert.is(take(), '-NOT_COMMITTED a conflict\r\n')
  assert.equal(logged, [])
})

test('a reply that does not fit its type leaves nothing behind', () => {
  const { start, take } = make()
  start(frameOf('EARLY'))
  start(frameOf('MISFIT'))
  assert.match(take(), /^\+OK\r\n-ERR internal error [0-9a-f]{8}\r\n$/)
})

test('a command that answers later is finished or failed by its caller', async () => {
  const { gates, context, start, take } = make()
  const pending = start(frameOf('LATER', 'word'))
  assert.is(take(), '')
  gates.finish(context, await pending)
  assert.is(take(), '$4\r\nword\r\n')
  gates.fail(context, err('late'))
  assert.is(take(), '-ERR late\r\n')
})

test('arguments are copied unless the command is flagged sync', () => {
  const { start } = make()
  const input = Buffer.from('KEEPfirst')
  const frame = new Frame()
  frame.attach(input, 0)
  frame.add(0, 4)
  frame.add(4, 9)
  start(frame)
  input.fill(0)
  assert.is(kept?.toString(), 'first')
})

test('commands are logged when the setting says so', () => {
  const logged: Record<string, unknown>[] = []
  const services = fakeServices(['log_command_for_debugging=true'], logged)
  const gates = new Gates(services, new ReplyWriter())
  const session = services.sessions.open('client', 'a:1', 'b:2')
  const context = new Context(session, services, new Registry(commands, 'client'))
  gates.start(context, frameOf('EARLY'))
  assert.equal(logged[0]?.command, ['EARLY'])
})

test.run()
