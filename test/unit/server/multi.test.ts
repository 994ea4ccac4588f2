/** Queues whose requests answer later, or not as they should. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { exec, multi } from '../../../ts/commands/redis/multi.js'
import { RespError } from '../../../ts/error.js'
import { HeldBytes } from '../../../ts/redis/memory/held-bytes.js'
import { WatchedKeys } from '../../../ts/redis/watched-keys.js'
import { Frame } from '../../../ts/resp/frame.js'
import { binary as binaryReply, bulk, integer } from '../../../ts/resp/reply.js'
import { ReplyWriter } from '../../../ts/resp/writer.js'
import { binary, command, key } from '../../../ts/server/command.js'
import { Context, type Services } from '../../../ts/server/context.js'
import { Gates } from '../../../ts/server/gates.js'
import { Registry } from '../../../ts/server/registry.js'
import { fakeServices } from './harness.js'

const LIMIT_BYTES = 10_000

const top = { group: 'test', since: '0.1.0', summary: 'Test.', port: 'client' } as const

/** A server whose data is one string, with commands that change it. */
function make() {
  const logged: Record<string, unknown>[] = []
  const pending: { resolve(): void; reject(cause: Error): void }[] = []
  const data = { value: Buffer.from('old') }
  const commands = [
    multi,
    exec,
    command({
      ...top,
      name: 'PUT',
      flags: ['redis', 'write', 'sync'],
      args: [key(binary('key'))],
      reply: integer,
      // In place, as a value may be changed that a reply has not been made of yet.
      run: (_ctx, { key: word }) => data.value.write(word.slice(0, 3), 'latin1'),
    }),
    command({
      ...top,
      name: 'READ',
      flags: ['redis', 'readonly', 'sync'],
      args: [],
      reply: binaryReply,
      run: () => data.value,
    }),
    command({
      ...top,
      name: 'WIPE',
      flags: ['redis', 'write'],
      args: [],
      reply: bulk,
      run: () => {
        data.value.write('---')
        return new Promise<string>((resolve, reject) => {
          pending.push({ resolve: () => resolve('wiped'), reject })
        })
      },
    }),
    command({
      ...top,
      name: 'MISFIT',
      flags: ['redis', 'sync'],
      args: [],
      reply: integer,
      run: () => 0.5,
    }),
  ]
  const held = new HeldBytes(LIMIT_BYTES)
  const redis = { held, watched: new WatchedKeys(), admit: () => 0 }
  const services: Services = {
    ...fakeServices([], logged),
    cluster: { initialized: true } as Services['cluster'],
    redis: redis as unknown as NonNullable<Services['redis']>,
  }
  const out = new ReplyWriter()
  const gates = new Gates(services, out)
  const session = services.sessions.open('client', '1.2.3.4:5', '127.0.0.1:5484')
  session.authenticated = true
  const context = new Context(session, services, new Registry(commands, 'client'))
  const start = (...words: string[]) => {
    return gates.start(context, Frame.of(words.map(word => Buffer.from(word))))
  }
  const take = (): string => {
    const text = out.bytes.toString('latin1', 0, out.length)
    out.length = 0
    return text
  }
  return { gates, context, start, take, logged, pending, held }
}

test('answers together when one of the requests answers later, in order', async () => {
  const { gates, context, start, take, pending, held } = make()
  for (const words of [
    ['MULTI'],
    ['READ'],
    ['WIPE'],
    ['READ'],
    ['WIPE'],
    ['PUT', 'new'],
    ['READ'],
  ]) {
    assert.is(start(...words), undefined)
  }
  assert.ok(held.usedBytes > 0)
  take()
  const running = start('EXEC')
  assert.instance(running, Promise)
  // Everything has run, and nothing is answered.
  assert.is(pending.length, 2)
  assert.equal([take(), held.usedBytes, context.session.command?.name], ['', 0, 'EXEC'])
  pending[1]!.reject(new RespError('VOLUMEFAILED', 'no space'))
  pending[0]!.resolve()
  gates.finish(context, await running)
  const replies = [
    '$3\r\nold',
    '$5\r\nwiped',
    '$3\r\n---',
    '-VOLUMEFAILED no space',
    ':3',
    '$3\r\nnew',
  ]
  assert.is(take(), `*6\r\n${replies.map(reply => `${reply}\r\n`).join('')}`)
})

test('goes on after a reply that cannot be encoded', () => {
  const { start, take, logged } = make()
  for (const words of [['MULTI'], ['READ'], ['MISFIT'], ['READ']]) start(...words)
  take()
  start('EXEC')
  assert.match(take(), /^\*3\r\n\$3\r\nold\r\n-ERR internal error [0-9a-f]{8}\r\n\$3\r\nold\r\n$/)
  assert.is(logged.length, 1)
  assert.is(logged[0]!.command, 'MISFIT')
})

test('holds nothing of a queue that is over', () => {
  const { context, start, take, held } = make()
  const ends: (() => void)[] = [
    () => start('EXEC'),
    () => start('NOSUCH'),
    () => context.session.reset(),
    () => start('PUT', 'x'.repeat(LIMIT_BYTES)),
  ]
  for (const end of ends) {
    context.session.reset()
    context.session.authenticated = true
    start('MULTI')
    start('PUT', 'x'.repeat(100))
    assert.ok(held.usedBytes > 100)
    end()
    assert.is(held.usedBytes, 0)
  }
  take()
  start('EXEC')
  assert.match(take(), /^-EXECABORT /)
  start('MULTI')
  start('PUT', 'x')
  context.session.close()
  assert.is(held.usedBytes, 0)
})

test.run()
