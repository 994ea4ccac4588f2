import { once } from 'node:events'
import { connect } from 'node:net'
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bulk, integer, ok } from '../../../ts/resp/reply.js'
import { bytes, command, int32, text } from '../../../ts/server/command.js'
import type { TransportFactory } from '../../../ts/server/transport/transport.js'
import { property } from '../../support/budget.js'
import { implementations } from '../../support/transports.js'
import { bulkReply, type RawClient, request, sleep, start, withServer } from './harness.js'

const top = { group: 'test', since: '0.1.0', summary: 'Test.', port: 'both' } as const

/** Commands that answer when they are told to: `release` answers the oldest. */
const waiting: (() => void)[] = []
function release(): void {
  waiting.shift()?.()
}

const commands = [
  command({
    ...top,
    name: 'LATER',
    args: [text('word')],
    reply: bulk,
    run: async (_ctx, { word }) => {
      await sleep(2)
      return word
    },
  }),
  command({
    ...top,
    name: 'HOLD',
    args: [bytes('word')],
    reply: bulk,
    run: async (_ctx, { word }) => {
      await new Promise<void>(resolve => waiting.push(resolve))
      return word
    },
  }),
  command({
    ...top,
    name: 'DEAF',
    flags: ['blocking'],
    args: [],
    reply: ok,
    run: () => new Promise<void>(resolve => waiting.push(resolve)),
  }),
  command({
    ...top,
    name: 'BLOCK',
    flags: ['blocking'],
    args: [],
    reply: ok,
    run: ({ session }) => new Promise<void>(resolve => session.onDisconnect(resolve)),
  }),
  command({
    ...top,
    name: 'SPIN',
    flags: ['sync'],
    args: [int32('ms')],
    reply: integer,
    run: (_ctx, { ms }) => {
      const end = performance.now() + ms
      while (performance.now() < end);
      return ms
    },
  }),
  command({
    ...top,
    name: 'BIG',
    flags: ['sync'],
    args: [int32('size')],
    reply: bulk,
    run: (_ctx, { size }) => Buffer.alloc(size, 'x'),
  }),
  command({
    ...top,
    name: 'NAP',
    args: [],
    reply: ok,
    run: () => Promise.resolve(),
  }),
]

/** A test for each transport of this machine. */
function each(title: string, body: (factory: TransportFactory) => Promise<void>): void {
  for (const { name, factory } of implementations()) test(`${name}: ${title}`, () => body(factory))
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('condition not met in time')
    await sleep(1)
  }
}

each('replies leave in the order of the requests, whatever answers later', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    const requests: string[] = []
    const replies: string[] = []
    for (let i = 0; i < 60; i++) {
      const name = i % 3 === 0 ? 'LATER' : 'ECHO'
      requests.push(request(name, `w${i}`))
      replies.push(bulkReply(`w${i}`))
    }
    await client.exchange(requests.join(''), replies.join(''))
  })
})

each('a command that answers later holds back its connection, and no other', async factory => {
  await withServer({ factory, commands }, async server => {
    const [held, other] = [await server.connect(), await server.connect()]
    held.write(request('HOLD', 'kept') + request('PING'))
    await until(() => waiting.length === 1)
    await other.exchange(request('ECHO', 'x'), bulkReply('x'))
    held.write(request('ECHO', 'more'))
    await sleep(20)
    assert.is(held.received, '')
    release()
    await held.expect(`${bulkReply('kept')}+PONG\r\n${bulkReply('more')}`)
  })
})

each('arguments of a command that answers later outlive the input buffer', async factory => {
  await withServer({ factory, commands }, async server => {
    const [held, other] = [await server.connect(), await server.connect()]
    held.write(request('HOLD', 'a'.repeat(100)))
    await until(() => waiting.length === 1)
    await other.exchange(request('ECHO', 'b'.repeat(200)), bulkReply('b'.repeat(200)))
    release()
    await held.expect(bulkReply('a'.repeat(100)))
  })
})

each('a peer that closed its side still gets the replies', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    client.socket.end(request('LATER', 'x') + request('ECHO', 'y') + request('LATER', 'z'))
    await client.expect(bulkReply('x') + bulkReply('y') + bulkReply('z'))
    await client.expectClose()
  })
})

each('a long pipeline does not keep others waiting', async factory => {
  await withServer({ factory, commands }, async server => {
    const [busy, other] = [await server.connect(), await server.connect()]
    const rounds = 200
    busy.write(request('SPIN', '2').repeat(rounds))
    await busy.match(/^:2\r\n/)
    await other.exchange(request('PING'), '+PONG\r\n')
    // It would be at its end if it had not been interrupted.
    assert.ok(busy.received.length < ':2\r\n'.length * rounds)
  })
})

each('commands that answer at once by a promise leave the event loop alive', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    const count = 5000
    await client.exchange(request('NAP').repeat(count), '+OK\r\n'.repeat(count))
    clearInterval(timer)
    assert.ok(ticks > 2, `${ticks} ticks`)
  })
})

each('a peer that does not read stops being read, and loses nothing', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    client.socket.pause()
    const size = 1024 * 1024
    const count = 40
    client.write(request('BIG', String(size)).repeat(count))
    await sleep(100)
    client.socket.resume()
    const reply = `$${size}\r\n${'x'.repeat(size)}\r\n`
    for (let i = 0; i < count; i++) await client.expect(reply)
    await client.exchange(request('PING'), '+PONG\r\n')
  })
})

each('requests may come byte by byte, and in both framings', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    for (const byte of `${request('ECHO', 'split')}PING\r\n`) {
      client.write(byte)
      await new Promise(resolve => setImmediate(resolve))
    }
    await client.expect(`${bulkReply('split')}+PONG\r\n`)
  })
})

each('a large request comes in many reads', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    const word = 'y'.repeat(3 * 1024 * 1024)
    await client.exchange(request('ECHO', word) + request('PING'), `${bulkReply(word)}+PONG\r\n`)
  })
})

each(
  'a protocol error is answered once, after the requests before it, then the end',
  async factory => {
    await withServer({ factory, commands }, async server => {
      const errors: readonly (readonly [string, string])[] = [
        ['*x\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
        ['*1\r\nPING\r\n', "-ERR Protocol error: expected '$', got 'P'\r\n"],
        ['*1\r\n$-1\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
        ['PING "\r\n', '-ERR Protocol error: unbalanced quotes in request\r\n'],
        ['POST / HTTP/1.1\r\n', ''],
      ]
      for (const [bad, reply] of errors) {
        const client = await server.connect()
        const after = request('PING').repeat(3)
        await client.exchange(request('LATER', 'x') + bad + after, bulkReply('x') + reply)
        await client.expectClose()
      }
      const client = await server.connect()
      await client.exchange('x'.repeat(70_000), '-ERR Protocol error: too big inline request\r\n')
      await client.expectClose()
    })
  },
)

each('QUIT is answered, and what follows is dropped', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    await client.exchange(`${request('PING')}QUIT now\r\n${request('PING')}`, '+PONG\r\n+OK\r\n')
    await client.expectClose()
    await until(() => server.services.sessions.count === 0)
  })
})

each('a disconnect ends a blocking command and then the session, once', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    client.write(request('BLOCK'))
    const { sessions } = server.services
    await until(() => sessions.count === 1 && [...sessions][0]?.command?.name === 'BLOCK')
    const [session] = sessions
    client.destroy()
    await until(() => sessions.count === 0)
    assert.ok(session?.closed)
  })
})

each('a session stays open until its command has ended, also without its peer', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    client.write(request('DEAF'))
    await until(() => waiting.length === 1)
    const [session] = server.services.sessions
    client.destroy()
    await until(() => server.listener.connectionCount === 0)
    assert.not(session?.closed)
    release()
    await until(() => session?.closed === true)
  })
})

each('requests behind a blocking command wait for it', async factory => {
  await withServer({ factory, commands }, async server => {
    const client = await server.connect()
    client.write(request('DEAF') + request('PING'))
    await until(() => waiting.length === 1)
    client.write(request('ECHO', 'x'))
    await sleep(20)
    assert.is(client.received, '')
    release()
    await client.expect(`+OK\r\n+PONG\r\n${bulkReply('x')}`)
  })
})

each('closing does not wait longer than allowed', async factory => {
  const server = await start({ factory, commands })
  const held = await server.connect()
  held.write(request('HOLD', 'x'))
  await until(() => waiting.length === 1)
  await server.listener.close(50)
  await held.expectClose()
  release()
  held.destroy()
})

each('connections beyond the bound are refused in words', async factory => {
  await withServer({ factory, commands, sets: ['network.max_clients=1'] }, async server => {
    const first = await server.connect()
    await first.exchange(request('PING'), '+PONG\r\n')
    const second = await server.connect()
    await second.expect('-ERR max number of clients reached\r\n')
    await second.expectClose()
  })
})

each(
  'silent connections are closed after the idle time-out, working ones are not',
  async factory => {
    await withServer({ factory, commands, sets: ['network.idle_timeout=1'] }, async server => {
      const [silent, working] = [await server.connect(), await server.connect()]
      working.write(request('HOLD', 'x'))
      await until(() => waiting.length === 1)
      await silent.expectClose()
      await sleep(1000)
      release()
      // Its silence begins with the reply.
      await working.exchange(request('PING'), `${bulkReply('x')}+PONG\r\n`)
      await working.expectClose()
    })
  },
)

/** What a slow reader takes at a time. */
const STEP_BYTES = 3 * 1024 * 1024

each('a slow reader is not silent, one that has stopped reading is', async factory => {
  await withServer({ factory, commands, sets: ['network.idle_timeout=2'] }, async server => {
    const deaf = await server.connect()
    deaf.socket.pause()
    const slow = connect({ port: server.port, host: '127.0.0.1' })
    slow.on('error', () => {
      // What it received shows that it was cut off.
    })
    const size = 96 * 1024 * 1024
    for (const socket of [deaf.socket, slow]) socket.write(request('BIG', String(size)))
    let received = 0
    const take = (chunk: Buffer): void => {
      received += chunk.length
    }
    // Each step is more than the kernel keeps back before it lets the server send again.
    const enough = Date.now() + 5000
    while (Date.now() < enough) {
      for (const next = received + STEP_BYTES; received < next; ) {
        const chunk = slow.read() as Buffer | null
        if (chunk === null) await once(slow, 'readable')
        else take(chunk)
      }
      await sleep(300)
    }
    assert.ok(received < size, 'the reader was too quick')
    await until(() => server.listener.connectionCount === 1)
    slow.on('data', take)
    slow.write(request('PING'))
    await until(() => received === `$${size}\r\n\r\n+PONG\r\n`.length + size)
    slow.destroy()
  })
})

each('a request beyond the bound closes its connection, a pipeline does not', async factory => {
  const sets = ['network.query_buffer_limit=1048576']
  await withServer({ factory, commands, sets }, async server => {
    const [piped, large, other] = [
      await server.connect(),
      await server.connect(),
      await server.connect(),
    ]
    const word = 'w'.repeat(100_000)
    piped.write(request('LATER', word).repeat(30))
    for (let i = 0; i < 30; i++) await piped.expect(bulkReply(word))
    large.write(`*2\r\n$4\r\nECHO\r\n$1048577\r\n${'x'.repeat(100_000)}`)
    await large.expectClose()
    await other.exchange(request('PING'), '+PONG\r\n')
  })
})

each('every connection is its own session', async factory => {
  await withServer({ factory, commands }, async server => {
    const clients: RawClient[] = []
    for (let i = 1; i <= 3; i++) {
      const client = await server.connect()
      await client.exchange(request('CLIENT', 'ID'), `:${i}\r\n`)
      await client.exchange(request('CLIENT', 'SETNAME', `n${i}`), '+OK\r\n')
      clients.push(client)
    }
    for (const [index, client] of clients.entries()) {
      await client.exchange(request('CLIENT', 'GETNAME'), bulkReply(`n${index + 1}`))
    }
  })
})

each('garbage costs its own connection at most', async factory => {
  await withServer({ factory, commands }, async server => {
    const witness = await server.connect()
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
      fc
        .constantFrom('*1\r\n', '$4\r\n', 'PING\r\n', '*-1\r\n', request('LATER', 'x'), '"')
        .map(text => Buffer.from(text)),
    )
    const check = fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async pieces => {
      const client = await server.connect()
      for (const bytes of pieces) {
        client.write(bytes)
        await new Promise(resolve => setImmediate(resolve))
      }
      client.socket.end()
      await until(() => client.isClosed || client.socket.readableEnded)
      client.destroy()
      await witness.exchange(request('PING'), '+PONG\r\n')
    })
    await fc.assert(check, property('garbage on a socket'))
    const { sessions } = server.services
    await until(() => sessions.count === 1)
  })
})

test.run()
