/** Cluster modes of client libraries, unmodified, on two members that share the Redis slots. */
import { spawnSync } from 'node:child_process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CLUSTER_DRIVERS, type ClusterDriver } from '../support/cluster-drivers.js'
import { reportSkip } from '../support/outcome.js'
import { keysOfBoth, type RedisPair, served, withRedisPair } from '../support/redis-pair.js'
import { until } from '../support/wait.js'

const test = suite('cluster modes of client libraries')

/** Runs `body` with each library in both protocols. Each is told of one member only. */
function withDrivers(
  body: (driver: ClusterDriver, pair: RedisPair) => Promise<void>,
): Promise<void> {
  return withRedisPair(async pair => {
    for (const [index, connect] of CLUSTER_DRIVERS.entries()) {
      const driver = await connect(pair[index % 2 === 0 ? 0 : 1].port)
      try {
        await body(driver, pair)
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : cause
        throw new Error(`${driver.name}: ${reason}`, { cause })
      } finally {
        await driver.close()
      }
    }
  })
}

test('route keys to both members', () =>
  withDrivers(async driver => {
    const keys = keysOfBoth(driver.name, 40)
    for (const key of keys) assert.is(await driver.set(key, `of ${key}`), 'OK')
    for (const key of keys) assert.is(await driver.get(key), `of ${key}`)
    for (const key of keys.slice(0, 2)) {
      assert.is(await driver.hset(`{${key}}:h`, 'f', '1'), 1)
      assert.equal({ ...(await driver.hgetall(`{${key}}:h`)) }, { f: '1' })
      await assertRejects(driver.hgetall(key), /^WRONGTYPE /)
    }
    const replies = await Promise.all(keys.map(key => driver.get(key)))
    assert.equal(
      replies,
      keys.map(key => `of ${key}`),
    )
  }))

async function assertRejects(reply: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await reply.then(
    () => undefined,
    (cause: Error) => cause,
  )
  assert.match(error?.message ?? 'no error', pattern)
}

test('follow MOVED', () =>
  withDrivers(async driver => {
    const keys = keysOfBoth(`moved ${driver.name}`, 8)
    for (const [i, key] of keys.entries()) {
      driver.mislead(key, keys[(i + 1) % keys.length]!)
      assert.is(await driver.set(key, 'v'), 'OK')
      assert.is(await driver.get(key), 'v')
    }
  }))

test('pipeline, and run transactions', () =>
  withDrivers(async driver => {
    const keys = keysOfBoth(`piped ${driver.name}`, 40)
    await Promise.all(keys.map(key => driver.set(key, key)))
    for (const member of [0, 1]) {
      const own = keys.filter((_, i) => i % 2 === member)
      assert.equal(await driver.pipeline(own), own)
      assert.equal(await driver.transaction(own[0]!, 'w'), ['OK', 'w'])
    }
  }))

test('come back by themselves after restarts of both members', () =>
  withDrivers(async (driver, pair) => {
    const keys = keysOfBoth(`kept ${driver.name}`, 10)
    for (const key of keys) await driver.set(key, key)
    for (const { server } of pair) await server.restart()
    await served(pair)
    for (const key of keys) {
      await until(`${driver.name} reads ${key}`, async () => {
        return (await driver.get(key).catch(() => undefined)) === key
      })
      assert.is(await driver.set(key, 'again'), 'OK')
    }
  }))

test('redis-cli -c is redirected', () =>
  withRedisPair(async pair => {
    if (spawnSync('redis-cli', ['--version']).error !== undefined) {
      reportSkip('redis-cli -c', 'it is not installed')
      return
    }
    const keys = keysOfBoth('cli', 6)
    const cli = (member: 0 | 1, args: readonly string[], input: string): string => {
      const options = { encoding: 'utf8' as const, input, timeout: 20_000 }
      const port = String(pair[member].port)
      const { stdout, status } = spawnSync('redis-cli', ['-c', '-p', port, ...args], options)
      assert.is(status, 0)
      // It tells of some redirections on its output as well.
      const lines = stdout.split('\n').filter(line => !line.startsWith('-> Redirected to slot '))
      return lines.join('\n')
    }
    for (const protocol of [[], ['-3']]) {
      const sets = keys.map(key => `SET ${key} ${key}\n`).join('')
      assert.is(cli(0, protocol, sets), 'OK\n'.repeat(keys.length))
      const gets = keys.map(key => `GET ${key}\n`).join('')
      assert.is(cli(1, protocol, gets), keys.map(key => `${key}\n`).join(''))
    }
    const check = spawnSync('redis-cli', ['--cluster', 'check', `127.0.0.1:${pair[0].port}`], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.match(check.stdout, /\[OK\] All 16384 slots covered\./)
    assert.is(check.status, 0, check.stdout)
  }))

test.run()
