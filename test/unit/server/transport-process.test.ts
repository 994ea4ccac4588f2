/** What the transports do to the process they are in, and TLS. */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nodeTransport } from '../../../ts/server/transport/node.js'
import { selectTransport } from '../../../ts/server/transport/select.js'
import { Client, Recorder, start } from '../../support/transport.js'
import { implementations, loadNativeTransport } from '../../support/transports.js'
import { until } from '../../support/wait.js'

const CHILD = fileURLToPath(new URL('../../support/transport-child.js', import.meta.url))
const TLS_FILES = new URL('../../../../test/support/tls/', import.meta.url)

/** Runs a scenario of `transport-child.ts`; a process that does not end by itself is killed. */
function run(implementation: string, scenario: string, descriptors = 1024) {
  const command = `ulimit -n ${descriptors}; exec "$0" "$@"`
  const args = ['-c', command, process.execPath, CHILD, implementation, scenario]
  return new Promise<{ code: unknown; output: unknown; trouble: string }>(resolve => {
    execFile('/bin/sh', args, { timeout: 15_000 }, (error, stdout, stderr) => {
      const output: unknown = stdout === '' ? undefined : JSON.parse(stdout)
      resolve({ code: error ? (error.code ?? error.signal) : 0, output, trouble: stderr })
    })
  })
}

for (const { name } of implementations()) {
  test(`${name}: the process may exit inside a handler`, async () => {
    assert.equal(await run(name, 'exit'), { code: 7, output: undefined, trouble: '' })
  })

  test(`${name}: nothing keeps the process alive after close`, async () => {
    assert.equal(await run(name, 'idle'), { code: 0, output: 1, trouble: '' })
  })

  test(`${name}: a thread that serves may be terminated`, async () => {
    assert.equal(await run(name, 'worker'), { code: 0, output: true, trouble: '' })
  })
}

if (process.platform === 'linux') {
  test('native: says once that no descriptor is left, does not spin, and recovers', async () => {
    const errors = ['cannot accept connections: too many open files (EMFILE)']
    const output = { errors, isIdle: true, echo: 'late\n' }
    assert.equal(await run('native', 'starved', 64), { code: 0, output, trouble: '' })
  })

  test('node: does not spin without a descriptor, and recovers', async () => {
    const output = { errors: [], isIdle: true, echo: 'late\n' }
    assert.equal(await run('node', 'starved', 64), { code: 0, output, trouble: '' })
  })

  test('selects the native transport for plain TCP unless told otherwise', () => {
    const native = loadNativeTransport()
    const tls = { certPath: '', keyPath: '' }
    assert.is.not(selectTransport('auto', native, {}), nodeTransport)
    assert.is.not(selectTransport('native', native, {}), nodeTransport)
    assert.is(selectTransport('node', native, {}), nodeTransport)
    assert.is(selectTransport('auto', undefined, {}), nodeTransport)
    assert.is(selectTransport('auto', native, { tls }), nodeTransport)
    assert.throws(() => selectTransport('native', undefined, {}), /not available/)
    assert.throws(() => selectTransport('native', native, { tls }), /does not offer TLS/)
  })
}

test('TLS: echoes, refuses, and survives a client that speaks no TLS', async () => {
  const events = new Recorder()
  const certPath = fileURLToPath(new URL('cert.pem', TLS_FILES))
  const keyPath = fileURLToPath(new URL('key.pem', TLS_FILES))
  const options = { tls: { certPath, keyPath }, maxConnections: 1 }
  const { transport, port } = await start(nodeTransport, events, options)

  const plain = await Client.connect(port)
  plain.socket.write('PING\r\n')
  await plain.readAll()
  await until('the failed handshake is reported', () => events.errors.length === 1)
  assert.match(events.errors[0]!.message, /^TLS handshake with 127\.0\.0\.1:\d+ failed/)

  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const body = `${'s'.repeat(300_000)}\n`
  socket.write(body)
  let received = ''
  for await (const chunk of socket) {
    received += chunk
    if (received.length === body.length) break
  }
  assert.is(received, body)
  await until('it is closed', () => events.closed.length === 1)
  await transport.close()
})

test('TLS: connections without a handshake are bounded, and leave room when they go', async () => {
  const events = new Recorder()
  const certPath = fileURLToPath(new URL('cert.pem', TLS_FILES))
  const keyPath = fileURLToPath(new URL('key.pem', TLS_FILES))
  const options = { tls: { certPath, keyPath }, maxConnections: 2 }
  const { transport, port } = await start(nodeTransport, events, options)
  for (let round = 0; round < 2; round++) {
    const silent: Client[] = []
    const before = events.refused.length
    while (events.refused.length === before) {
      assert.ok(silent.length < 100, 'all of them are kept')
      silent.push(await Client.connect(port))
    }
    await silent.at(-1)!.readAll()
    // Without a reset they would be kept until the time for a handshake is over.
    for (const client of silent) client.socket.resetAndDestroy()
    await until('a connection is served again', async () => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      const isServed = await once(socket, 'secureConnect').then(
        () => true,
        () => false,
      )
      socket.destroy()
      return isServed
    })
  }
  await transport.close()
})

test('TLS: says in one line which file is missing', async () => {
  const tls = { certPath: '/nonexistent/cert.pem', keyPath: '/nonexistent/key.pem' }
  const started = start(nodeTransport, new Recorder(), { tls })
  const reason = await started.then(String, (error: Error) => error.message)
  assert.match(reason, /\/nonexistent\/cert\.pem/)
})

test.run()
