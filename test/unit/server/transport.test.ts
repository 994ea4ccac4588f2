/** One suite, run on each implementation of the transport. */

import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ConnectionId } from '../../../ts/server/transport/transport.js'
import { Client, DEFAULTS, MIB, Recorder, start } from '../../support/transport.js'
import { implementations } from '../../support/transports.js'
import { until } from '../../support/wait.js'

for (const { name, factory } of implementations()) {
  const test = suite(`transport ${name}`)

  // Framing

  test('answers frames that are split at any byte', async () => {
    const { transport, port } = await start(factory, new Recorder())
    const client = await Client.connect(port)
    const text = 'one\nfour\n\nsix six six\n'
    for (let at = 1; at < text.length; at++) {
      client.socket.write(text.slice(0, at))
      await sleep(1)
      client.socket.write(text.slice(at))
      assert.is((await client.read(text.length)).toString(), text)
    }
    for (const byte of text) {
      client.socket.write(byte)
      await sleep(1)
    }
    assert.is((await client.read(text.length)).toString(), text)
    await transport.close()
  })

  test('answers a long pipeline in order', async () => {
    const { transport, port } = await start(factory, new Recorder())
    const client = await Client.connect(port)
    const text = Array.from({ length: 100_000 }, (_, i) => `request ${i}\n`).join('')
    client.socket.write(text)
    assert.is((await client.read(text.length)).toString(), text)
    await transport.close()
  })

  test('serves 200 connections at once', async () => {
    const events = new Recorder()
    const { transport, port } = await start(factory, events)
    const clients = await Promise.all(Array.from({ length: 200 }, () => Client.connect(port)))
    for (let round = 0; round < 20; round++) {
      for (const [i, client] of clients.entries()) client.socket.write(`${i} in ${round}\n`)
      for (const [i, client] of clients.entries()) {
        const expected = `${i} in ${round}\n`
        assert.is((await client.read(expected.length)).toString(), expected)
      }
    }
    assert.is(new Set(events.opened.map(({ id }) => id)).size, 200)
    await transport.close()
    assert.is(events.closed.length, 200)
  })

  test('presents a frame of 64 MiB once, when it is whole', async () => {
    const size = 64 * MIB
    const events = new Recorder()
    const shape: number[] = []
    events.onData = (id, input, from, to) => {
      shape.push(to - from)
      if (to - from < size) {
        events.expectBytes = size
        return 0
      }
      assert.is(input[from], 1)
      assert.is(input[from + size - 1], 2)
      events.reply(id, Buffer.from('whole'))
      return size
    }
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    const frame = Buffer.alloc(size)
    frame[0] = 1
    frame[size - 1] = 2
    for (let round = 0; round < 2; round++) {
      client.socket.write(frame)
      assert.is((await client.read(5)).toString(), 'whole')
    }
    assert.ok(shape.length <= 4, `calls: ${shape}`)
    await transport.close()
  })

  test('keeps a large frame of unknown size without moving it again and again', async () => {
    const size = 16 * MIB
    const { transport, port } = await start(factory, new Recorder())
    const client = await Client.connect(port)
    const frame = Buffer.alloc(size, 'x')
    frame[size - 1] = 10
    client.socket.write(frame)
    assert.ok((await client.read(size)).equals(frame))
    await transport.close()
  })

  test('presents kept bytes again after again() and serves others meanwhile', async () => {
    const events = new Recorder()
    const order: ConnectionId[] = []
    events.onData = (id, input, from, to) => {
      const newline = input.indexOf(10, from)
      if (newline < 0 || newline >= to) return 0
      order.push(id)
      events.reply(id, input.subarray(from, newline + 1))
      events.transport.again(id)
      return newline + 1 - from
    }
    const { transport, port } = await start(factory, events)
    const [first, second] = [await Client.connect(port), await Client.connect(port)]
    const text = Array.from({ length: 500 }, (_, i) => `${i}\n`).join('')
    first.socket.write(text)
    second.socket.write(text)
    assert.is((await first.read(text.length)).toString(), text)
    assert.is((await second.read(text.length)).toString(), text)
    const turnOfSecond = order.indexOf(order.find(id => id !== order[0])!)
    assert.ok(turnOfSecond < 500, 'the second connection waited for the whole first pipeline')
    await transport.close()
  })

  test('sends what an asynchronous handler answers, in the order of send', async () => {
    const events = new Recorder()
    events.onData = (id, input, from, to) => {
      const line = Buffer.from(input.subarray(from, to))
      queueMicrotask(() => events.reply(id, Buffer.from('1')))
      setTimeout(() => events.reply(id, Buffer.concat([Buffer.from('2'), line])), 5)
      return to - from
    }
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    client.socket.write('abc')
    assert.is((await client.read(5)).toString(), '12abc')
    await transport.close()
  })

  // Back-pressure

  test('does not call onData while paused and presents everything after resume', async () => {
    const events = new Recorder()
    events.onOpen = id => {
      events.opened.push({ id, peer: '', local: '' })
      events.transport.pause(id)
    }
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    client.socket.write('early\n')
    await sleep(50)
    assert.is(events.dataCalls, 0)
    transport.resume(events.opened[0]!.id)
    assert.is((await client.read(6)).toString(), 'early\n')
    await transport.close()
  })

  test('resume presents the kept rest of a pipeline', async () => {
    const events = new Recorder()
    let running = 0
    events.onData = (id, input, from, to) => {
      assert.is(running, 0)
      const newline = input.indexOf(10, from)
      if (newline < 0 || newline >= to) return 0
      const line = Buffer.from(input.subarray(from, newline + 1))
      running++
      events.transport.pause(id)
      setImmediate(() => {
        running--
        events.reply(id, line)
        events.transport.resume(id)
      })
      return line.length
    }
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    const text = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join('')
    client.socket.end(text)
    assert.is((await client.readAll()).toString(), text)
    await transport.close()
  })

  test('closes a client that never reads when its replies pass the bound', async () => {
    const events = new Recorder()
    const bounds = { highWaterBytes: 256 * 1024, replyBufferBytes: 4 * MIB }
    const { transport, port } = await start(factory, events, bounds)
    const client = await Client.connect(port)
    client.socket.pause()
    await until('it is open', () => events.opened.length === 1)
    const { id } = events.opened[0]!
    const chunk = Buffer.alloc(256 * 1024)
    let sentBytes = 0
    let refused = false
    while (events.closed.length === 0) {
      refused = !events.reply(id, chunk) || refused
      sentBytes += chunk.length
      assert.ok(sentBytes < 64 * MIB, 'the bound does not hold')
      await new Promise(setImmediate)
    }
    assert.ok(refused)
    assert.equal(events.closed, [id])
    await transport.close()
  })

  test('sends one reply that is larger than the bound', async () => {
    const events = new Recorder()
    const body = Buffer.alloc(24 * MIB, 'r')
    events.onOpen = id => {
      assert.not(events.reply(id, body))
      events.transport.pause(id)
    }
    events.onDrain = id => {
      events.reply(id, body)
      events.transport.end(id)
    }
    const bounds = { highWaterBytes: 256 * 1024, replyBufferBytes: 4 * MIB }
    const { transport, port } = await start(factory, events, bounds)
    const client = await Client.connect(port)
    client.socket.pause()
    await sleep(100)
    assert.is(events.closed.length, 0)
    client.socket.resume()
    assert.ok((await client.readAll()).equals(Buffer.concat([body, body])))
    await transport.close()
  })

  test('calls onDrain when a slow client caught up', async () => {
    const events = new Recorder()
    const total = 24 * MIB
    const chunk = Buffer.alloc(128 * 1024, 'd')
    let sentBytes = 0
    let drains = 0
    const fill = (id: ConnectionId) => {
      while (sentBytes < total) {
        sentBytes += chunk.length
        if (!events.reply(id, chunk)) return
      }
      events.transport.end(id)
    }
    events.onOpen = fill
    events.onDrain = id => {
      drains++
      fill(id)
    }
    const { transport, port } = await start(factory, events, { highWaterBytes: 512 * 1024 })
    const client = await Client.connect(port)
    client.socket.pause()
    await sleep(100)
    assert.ok(sentBytes < total, 'no back-pressure')
    client.socket.resume()
    assert.is((await client.readAll()).length, total)
    assert.ok(drains > 0)
    await transport.close()
  })

  test('closes a connection whose unconsumed input passes the bound', async () => {
    const events = new Recorder()
    const { transport, port } = await start(factory, events, { queryBufferBytes: 100_000 })
    const client = await Client.connect(port)
    client.socket.write(Buffer.alloc(90_000, 'x'))
    await until('data is there', () => events.dataCalls > 0)
    await sleep(20)
    assert.is(events.closed.length, 0)
    client.socket.write(Buffer.alloc(20_000, 'x'))
    await until('it is closed', () => events.closed.length === 1)
    await transport.close()
  })

  // The end of a connection

  test('end sends everything that is queued first', async () => {
    const events = new Recorder()
    const body = Buffer.alloc(8 * MIB, 'e')
    events.onData = (id, _input, from, to) => {
      events.reply(id, body)
      events.transport.end(id)
      assert.is(events.reply(id, Buffer.from('too late')), true)
      return to - from
    }
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    client.socket.write('go')
    assert.ok((await client.readAll()).equals(body))
    await until('it is closed', () => events.closed.length === 1)
    await transport.close()
    assert.is(events.closed.length, 1)
  })

  test('answers a client that closed its writing side, then closes', async () => {
    const events = new Recorder()
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    client.socket.end('last words\nunfinished')
    assert.is((await client.readAll()).toString(), 'last words\n')
    await until('it is closed', () => events.closed.length === 1)
    await transport.close()
  })

  test('reports a reset by the peer as one close', async () => {
    const events = new Recorder()
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    await until('it is open', () => events.opened.length === 1)
    client.socket.resetAndDestroy()
    await until('it is closed', () => events.closed.length === 1)
    events.reply(events.opened[0]!.id, Buffer.from('nobody there'))
    transport.destroy(events.opened[0]!.id)
    await sleep(20)
    assert.is(events.closed.length, 1)
    await transport.close()
  })

  test('survives sending to a peer that is gone', async () => {
    const events = new Recorder()
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    await until('it is open', () => events.opened.length === 1)
    const { id } = events.opened[0]!
    transport.pause(id)
    client.socket.destroy()
    while (events.closed.length === 0) {
      events.reply(id, Buffer.alloc(1000))
      await sleep(1)
    }
    assert.equal(events.closed, [id])
    await transport.close()
  })

  test('destroy drops what is queued and closes in a later turn', async () => {
    const events = new Recorder()
    events.onData = (id, _input, from, to) => {
      events.reply(id, Buffer.from('never seen'))
      events.transport.destroy(id)
      assert.is(events.closed.length, 0)
      return to - from
    }
    const { transport, port } = await start(factory, events)
    const client = await Client.connect(port)
    client.socket.write('go')
    assert.is((await client.readAll()).length, 0)
    await until('it is closed', () => events.closed.length === 1)
    await transport.close()
  })

  test('a stale name does not touch the connection that came after', async () => {
    const events = new Recorder()
    const { transport, port } = await start(factory, events)
    const first = await Client.connect(port)
    first.socket.destroy()
    await until('it is closed', () => events.closed.length === 1)
    const stale = events.closed[0]!
    const second = await Client.connect(port)
    await until('it is open', () => events.opened.length === 2)
    assert.is.not(events.opened[1]!.id, stale)
    events.reply(stale, Buffer.from('stale'))
    transport.end(stale)
    transport.destroy(stale)
    transport.pause(stale)
    second.socket.write('fresh\n')
    assert.is((await second.read(6)).toString(), 'fresh\n')
    await transport.close()
  })

  test('a handler that throws costs its connection only', async () => {
    const events = new Recorder()
    const echo = events.onData.bind(events)
    events.onData = (id, input, from, to) => {
      if (input[from] === 33) throw new Error('as asked')
      return echo(id, input, from, to)
    }
    const { transport, port } = await start(factory, events)
    const [bad, good] = [await Client.connect(port), await Client.connect(port)]
    bad.socket.write('!')
    assert.is((await bad.readAll()).length, 0)
    good.socket.write('fine\n')
    assert.is((await good.read(5)).toString(), 'fine\n')
    assert.is((events.errors[0]!.cause as Error).message, 'as asked')
    await transport.close()
  })

  // The listener

  test('refuses connections beyond the bound with the given text', async () => {
    const events = new Recorder()
    const { transport, port } = await start(factory, events, { maxConnections: 2 })
    const [first] = [await Client.connect(port), await Client.connect(port)]
    await until('it is open', () => events.opened.length === 2)
    const third = await Client.connect(port)
    assert.is((await third.readAll()).toString(), DEFAULTS.refusal.toString())
    assert.equal(events.refused, ['connections'])
    first.socket.destroy()
    await until('it is closed', () => events.closed.length === 1)
    const fourth = await Client.connect(port)
    fourth.socket.write('room again\n')
    assert.is((await fourth.read(11)).toString(), 'room again\n')
    await transport.close()
  })

  test('refuses connections while few descriptors are left', async () => {
    const events = new Recorder()
    // The client's own descriptor comes before the one that is accepted.
    const used = readdirSync('/proc/self/fd').map(Number)
    const { transport, port } = await start(factory, events, {
      maxDescriptors: Math.max(...used) + 40,
    })
    const clients: Client[] = []
    while (events.refused.length === 0) {
      clients.push(await Client.connect(port))
      const both = clients.length
      await until('it is served or not', () => events.opened.length + events.refused.length >= both)
      assert.ok(clients.length < 60, 'all are served')
    }
    assert.equal(events.refused, ['descriptors'])
    const refused = clients.pop()!
    assert.is((await refused.readAll()).toString(), DEFAULTS.refusal.toString())
    refused.socket.destroy()
    assert.ok(clients.length > 5)
    for (const client of clients.splice(5)) client.socket.destroy()
    await until('they are closed', () => events.opened.length - events.closed.length === 5)
    clients.push(await Client.connect(port))
    for (const client of clients) {
      client.socket.write('still here\n')
      assert.is((await client.read(11)).toString(), 'still here\n')
    }
    await transport.close()
    for (const client of clients) client.socket.destroy()
  })

  test('close releases every descriptor and reports every connection', async () => {
    const openFiles = () => readdirSync('/proc/self/fd').length
    const before = openFiles()
    const events = new Recorder()
    const { transport, port } = await start(factory, events)
    const clients = await Promise.all(Array.from({ length: 20 }, () => Client.connect(port)))
    await until('it is open', () => events.opened.length === 20)
    await transport.close()
    assert.is(events.closed.length, 20)
    await Promise.all(clients.map(client => client.readAll()))
    for (const client of clients) client.socket.destroy()
    await until('the descriptors are back to where they were', () => openFiles() === before)
  })

  test('stopAccepting refuses new connections and keeps the old ones', async () => {
    const { transport, port } = await start(factory, new Recorder())
    const client = await Client.connect(port)
    client.socket.write('before\n')
    await client.read(7)
    transport.stopAccepting()
    await sleep(10)
    const refused = await Client.connect(port).catch((error: NodeJS.ErrnoException) => error.code)
    assert.is(refused, 'ECONNREFUSED')
    client.socket.write('after\n')
    assert.is((await client.read(6)).toString(), 'after\n')
    await transport.close()
  })

  test('says in one line that a port is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => taken.once('listening', resolve))
    const { port } = taken.address() as { port: number }
    const reason = await start(factory, new Recorder(), { port }).catch((e: Error) => e.message)
    const text = `cannot listen on 127.0.0.1:${port}: address already in use (EADDRINUSE)`
    assert.is(reason, text)
    taken.close()
  })

  test('listens on names and v6 addresses', async () => {
    const events = new Recorder()
    const { transport, port } = await start(factory, events, { host: '::1' })
    const client = await Client.connect(port, '::1')
    client.socket.write('six\n')
    assert.is((await client.read(4)).toString(), 'six\n')
    assert.is(events.opened[0]?.local, `[::1]:${port}`)
    assert.is(events.opened[0]?.peer, `[::1]:${client.socket.localPort}`)
    await transport.close()
    const named = await start(factory, new Recorder(), { host: 'localhost' })
    await named.transport.close()
  })

  test('two transports share nothing', async () => {
    const [one, two] = [new Recorder(), new Recorder()]
    const [a, b] = [await start(factory, one), await start(factory, two)]
    const [x, y] = [await Client.connect(a.port), await Client.connect(b.port)]
    x.socket.write('to one\n')
    await x.read(7)
    await a.transport.close()
    y.socket.write('to two\n')
    assert.is((await y.read(7)).toString(), 'to two\n')
    assert.is(one.opened.length + two.opened.length, 2)
    await b.transport.close()
  })

  test.run()
}
