/** What client libraries make of connections: pipelines, blocking commands, restarts. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { zmapCommands } from '../../ts/commands/zmap/index.js'
import { DRIVERS, type Driver } from '../support/drivers.js'
import { reportSkip } from '../support/outcome.js'
import { freePort } from '../support/ports.js'
import type { TestServer } from '../support/server.js'
import { withTestServer } from '../support/server-suite.js'
import { until } from '../support/wait.js'

const test = suite('drivers')

/** Runs `body` with each library in both protocols, all on one server, on a port that stays. */
async function withDrivers(
  body: (driver: Driver, server: TestServer) => Promise<void>,
): Promise<void> {
  const port = await freePort()
  await withTestServer([`network.external.port=${port}`], async server => {
    for (const connect of DRIVERS) {
      const driver = await connect(port)
      try {
        await body(driver, server)
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : cause
        throw new Error(`${driver.name}: ${reason}`, { cause })
      } finally {
        driver.abandon()
      }
    }
  })
}

test('pipeline a whole transaction', async () => {
  await withDrivers(async driver => {
    const key = driver.name
    const replies = await driver.pipeline([
      ['BEGIN'],
      ['ZSET', key, '1'],
      ['ZGET', key],
      ['NOSUCH'],
      ['COMMIT'],
      ['COMMIT'],
      ['BEGIN'],
      ['ZDEL', key],
      ['ROLLBACK'],
      ['ZGET', key],
    ])
    assert.equal(replies, [
      'OK',
      'OK',
      '1',
      "ERR unknown command 'NOSUCH'",
      'OK',
      'TRANSACTION there is no transaction in progress.',
      'OK',
      'OK',
      'OK',
      '1',
    ])
  })
})

test('come back by themselves after a restart, in the same protocol', async () => {
  await withDrivers(async (driver, server) => {
    const lineBefore = String(await driver.run('CLIENT', 'INFO'))
    await driver.run('ZSET', 'kept', driver.name)
    await driver.run('SET', 'kept', driver.name)
    await server.restart()
    let line = ''
    await until(`${driver.name} is back`, async () => {
      line = String(await driver.run('CLIENT', 'INFO').catch(() => ''))
      return line !== ''
    })
    const protocolIn = (text: string): string | undefined => / resp=(\d) /.exec(text)?.[1]
    assert.is(protocolIn(line), protocolIn(lineBefore))
    assert.is(await driver.run('ZGET', 'kept'), driver.name)
    assert.is(await driver.run('GET', 'kept'), driver.name)
  })
})

test('wait in a blocking command, and may leave it', async () => {
  if (!zmapCommands.some(({ name }) => name === 'ZWATCH')) {
    reportSkip('blocking commands of client libraries', 'ZWATCH is not among the commands')
    return
  }
  await withDrivers(async (driver, server) => {
    const writer = await server.connect()
    const woken = driver.run('ZWATCH', 'watched')
    let isWoken = false
    void woken.then(() => {
      isWoken = true
    })
    let n = 0
    await until('it is woken', async () => {
      await writer.call('ZSET', 'watched', String(n++))
      return isWoken
    })
    assert.is(await woken, 'OK')
    const left = driver.run('ZWATCH', 'watched').catch(() => 'left')
    await until('it waits again', async () => {
      return / cmd=zwatch /.test(String(await writer.call('CLIENT', 'LIST')))
    })
    driver.abandon()
    assert.is(await left, 'left')
    await until('its session is gone', async () => {
      return !/ cmd=zwatch /.test(String(await writer.call('CLIENT', 'LIST')))
    })
  })
})

test.run()
