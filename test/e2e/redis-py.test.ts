/**
 * redis-py against a server, and its cluster mode against two members, in both protocols. The
 * checks themselves are Python, in `test/clients/python`; each is a test here.
 */
import { suite } from 'uvu'
import { freePort } from '../support/ports.js'
import { installedOrSkip } from '../support/python.js'
import { addChecks, runChecks } from '../support/python-checks.js'
import { served, withRedisPair } from '../support/redis-pair.js'
import { TestServer } from '../support/server.js'

const VERSION = '8.1.0'

const test = suite('redis-py')

async function checkServer(protocol: 2 | 3, path: string): Promise<void> {
  const port = await freePort()
  const server = new TestServer([`network.external.port=${port}`])
  try {
    await server.start()
    const args = [String(port), String(protocol)]
    const restart = () => server.restart()
    const outcome = await runChecks({ script: 'redis_client.py', args, path, restart })
    addChecks(test, `RESP${protocol}`, outcome)
  } finally {
    await server.dispose()
  }
}

async function checkCluster(protocol: 2 | 3, path: string): Promise<void> {
  await withRedisPair(async pair => {
    const args = [String(pair[protocol - 2]!.port), String(protocol)]
    const restart = async () => {
      for (const { server } of pair) await server.restart()
      await served(pair)
    }
    const outcome = await runChecks({ script: 'redis_cluster.py', args, path, restart })
    addChecks(test, `cluster, RESP${protocol}`, outcome)
  })
}

const path = await installedOrSkip('redis', VERSION)
if (path !== undefined) {
  await Promise.all([checkServer(2, path), checkServer(3, path)])
  await Promise.all([checkCluster(2, path), checkCluster(3, path)])
}

test.run()
