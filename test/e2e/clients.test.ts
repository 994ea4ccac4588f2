/** Client libraries and redis-cli against a server: everything a first user does. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { deserialize, serialize } from 'bson'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import * as assert from 'uvu/assert'
import { DRIVERS, type Driver, valuesOf } from '../support/drivers.js'
import { reportSkip } from '../support/outcome.js'
import { repositoryRoot } from '../support/repository.js'
import { serverSuite } from '../support/server-suite.js'

const { server, test } = serverSuite('clients')

/** Runs `body` with every library in both protocols. */
async function withDrivers(body: (driver: Driver) => Promise<void>): Promise<void> {
  for (const connect of DRIVERS) {
    const driver = await connect(server.clientPort)
    try {
      await body(driver)
    } catch (cause) {
      throw new Error(`${driver.name}: ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      })
    } finally {
      await driver.close()
    }
  }
}

async function fails(reply: Promise<unknown>): Promise<string> {
  try {
    await reply
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('an error was expected')
}

test('connect and get their errors whole', async () => {
  await withDrivers(async driver => {
    assert.is(await driver.run('PING'), 'PONG')
    assert.is(await driver.run('ECHO', 'ü'), 'ü')
    assert.is(await fails(driver.run('NOPE', 'x')), "ERR unknown command 'NOPE'")
    assert.is(await fails(driver.run('COMMIT')), 'TRANSACTION there is no transaction in progress.')
    assert.is(await driver.run('PING'), 'PONG')
  })
})

test('run a transaction over ZMap and documents', async () => {
  await withDrivers(async driver => {
    const name = driver.name
    await driver.run('SESSION.ATTRIBUTE', 'SET', 'input_type', 'json')
    await driver.run('SESSION.ATTRIBUTE', 'SET', 'reply_type', 'json')
    await driver.run('BUCKET.CREATE', name)
    assert.is(await driver.run('BEGIN'), 'OK')
    await driver.run('ZSET', name, '1')
    await driver.run('BUCKET.INSERT', name, 'DOCS', '{"n":1}', '{"n":2}')
    assert.is(Number(await driver.run('COMMIT', 'RETURNING', 'committed-version')) > 0, true)
    assert.is(await driver.run('ZGET', name), '1')
    assert.is(await driver.run('ZGET', 'absent'), null)
    assert.equal(await driver.run('ZGETRANGE', name, `${name}~`), [[name, '1']])
    const [cursor, entries] = valuesOf(await driver.run('BUCKET.QUERY', name, '{"n":{"$gt":1}}'))
    assert.is(cursor, 1)
    const [entry] = entries as string[]
    assert.match(entry!, /^\{"_id": "[0-9a-f]{24}", "n": 2\}$/)
    assert.is(await driver.run('BUCKET.CLOSE', 'QUERY', '1'), 'OK')
  })
})

test('carry bytes', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  await withDrivers(async driver => {
    await driver.run('ZSET', bytes, bytes)
    assert.ok(bytes.equals((await driver.runBytes('ZGET', bytes)) as Buffer))
    await driver.run('SET', bytes, bytes)
    assert.ok(bytes.equals((await driver.runBytes('GET', bytes)) as Buffer))
    const bucket = `${driver.name} bytes`
    await driver.run('BUCKET.CREATE', bucket)
    const document = Buffer.from(serialize({ text: 'ü', n: 1 }))
    const [id] = (await driver.runBytes('BUCKET.INSERT', bucket, 'DOCS', document)) as Buffer[]
    const [, entries] = valuesOf(await driver.runBytes('BUCKET.QUERY', bucket, '{}'))
    const found = deserialize((entries as Buffer[])[0]!)
    assert.is(found._id.toHexString(), id!.toString('hex'))
    assert.equal([found.text, found.n], ['ü', 1])
  })
})

test('send many commands at once', async () => {
  await withDrivers(async driver => {
    const numbers = Array.from({ length: 1_000 }, (_, i) => i)
    const replies = await Promise.all(
      numbers.map(i => (i % 3 === 0 ? driver.run('ZGET', 'absent') : driver.run('ECHO', `${i}`))),
    )
    assert.equal(
      replies,
      numbers.map(i => (i % 3 === 0 ? null : String(i))),
    )
  })
})

test('use their own methods for Redis commands: ioredis', async () => {
  for (const protocol of [2, 3] as const) {
    const client = new Redis({ port: server.clientPort, protocol })
    assert.is(await client.set('io', 'v', 'EX', 100), 'OK')
    assert.is(await client.set('io', 'w', 'NX'), null)
    assert.is(await client.get('io'), 'v')
    assert.is(await client.hset('io:h', { a: '1', b: '2' }), 2)
    assert.equal(await client.hgetall('io:h'), { a: '1', b: '2' })
    assert.is(await client.hget('io:h', 'c'), null)
    const piped = await client.pipeline().get('io').hget('io:h', 'a').get('io:h').exec()
    assert.equal(piped?.slice(0, 2), [
      [null, 'v'],
      [null, '1'],
    ])
    assert.match(String(piped?.[2]?.[0]?.message), /^WRONGTYPE /)
    assert.equal([await client.del('io'), await client.del('io:h')], [1, 1])
    await client.quit()
  }
})

test('use their own methods for Redis commands: redis', async () => {
  for (const RESP of [2, 3] as const) {
    const client = createClient({ RESP, socket: { host: '127.0.0.1', port: server.clientPort } })
    await client.connect()
    assert.is(await client.set('node', 'v', { EX: 100 }), 'OK')
    assert.is(await client.get('node'), 'v')
    assert.is(await client.hSet('node:h', { a: '1', b: '2' }), 2)
    assert.equal({ ...(await client.hGetAll('node:h')) }, { a: '1', b: '2' })
    assert.equal([await client.del('node'), await client.del('node:h')], [1, 1])
    await client.close()
  }
})

test('redis-cli works, typed in and on the command line', async () => {
  if (spawnSync('redis-cli', ['--version']).error !== undefined) {
    reportSkip('redis-cli', 'it is not installed')
    return
  }
  const cli = (args: string[], input = ''): string => {
    const options = { encoding: 'utf8' as const, input, timeout: 20_000 }
    const { stdout, status } = spawnSync(
      'redis-cli',
      ['-p', String(server.clientPort), ...args],
      options,
    )
    assert.is(status, 0)
    return stdout
  }
  assert.is(cli(['PING']), 'PONG\n')
  assert.is(cli(['-3', 'SET', 'cli', 'v']), 'OK\n')
  assert.is(cli(['--no-raw', 'GET', 'cli']), '"v"\n')
  assert.is(cli(['--no-raw', 'GET', 'nothing']), '(nil)\n')
  const session = [
    'SESSION.ATTRIBUTE SET input_type json',
    'SESSION.ATTRIBUTE SET reply_type json',
    'BUCKET.CREATE cli',
    'BEGIN',
    'ZSET cli 1',
    'COMMIT',
    `BUCKET.INSERT cli DOCS '{"_id":"${'ab'.repeat(12)}","n":1}'`,
    `BUCKET.QUERY cli '{"n": 1}'`,
    'ZGET cli',
    'COMMIT',
  ]
  const output = cli(['-3', '--no-raw'], `${session.join('\n')}\n`)
  assert.match(output, /^(OK\n){6}1\) /)
  assert.match(output, `{\\"_id\\": \\"${'ab'.repeat(12)}\\", \\"n\\": 1}`)
  assert.match(output, /"1"\n\(error\) TRANSACTION there is no transaction in progress.\n/)
})

test('redis-benchmark runs without a warning', async () => {
  const port = String(server.clientPort)
  const args = ['-p', port, '-t', 'ping,set,get,hset', '-n', '2000', '-P', '8', '-q']
  const { error, stderr, stdout } = spawnSync('redis-benchmark', args, { encoding: 'utf8' })
  if (error !== undefined) {
    reportSkip('redis-benchmark', 'it is not installed')
    return
  }
  assert.is(stderr, '')
  for (const name of ['PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'HSET']) {
    assert.match(stdout, new RegExp(`${name}: [\\d.]+ requests per second`))
  }
})

test.run()

const TLS = 'network.external.tls'
const [CERT, KEY] = ['cert.pem', 'key.pem'].map(name =>
  join(repositoryRoot, 'test/support/tls', name),
)
const encrypted = serverSuite('clients over TLS', [
  `${TLS}.enabled=true`,
  `${TLS}.cert_path=${CERT}`,
  `${TLS}.key_path=${KEY}`,
])

encrypted.test('work as without it', async () => {
  const port = encrypted.server.clientPort
  const io = new Redis({ port, tls: { rejectUnauthorized: false } })
  assert.is(await io.set('k', 'v'.repeat(100_000)), 'OK')
  assert.is(await io.call('ZSET', 'k', 'v'), 'OK')
  await io.quit()
  const node = createClient({
    socket: { host: '127.0.0.1', port, tls: true, rejectUnauthorized: false },
  })
  await node.connect()
  assert.is((await node.get('k'))?.length, 100_000)
  assert.is(await node.sendCommand(['ZGET', 'k']), 'v')
  await node.close()
})

encrypted.test('are cut off when they speak plainly', async () => {
  const plain = await encrypted.server.connect()
  plain.send('PING')
  await plain.expectEnd()
  await (await encrypted.server.connectAdmin(2)).exchange(['PING'], '+PONG\r\n')
})

encrypted.test.run()
