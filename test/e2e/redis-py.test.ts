/**
 * redis-py against a server, and its cluster mode against two members, in both protocols. The
 * checks themselves are Python, in `test/clients/python`; each is a test here.
 */
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import { addChecks, runChecks } from '../support/client-checks.js'
import { freePort } from '../support/ports.js'
import { installedOrSkip } from '../support/python.js'
import { served, withRedisPair } from '../support/redis-pair.js'
import { TestServer } from '../support/server.js'

const VERSION = '8.1.0'
const SCRIPTS = new URL('../../../test/clients/python/', import.meta.url)

const test = suite('redis-py')

/** Runs a script to its end, and makes its checks tests. */
async function check(
  title: string,
  script: { name: string; args: string[]; path: string; restart(): Promise<void> },
): Promise<void> {
  const outcome = await runChecks({
    program: 'python3',
    args: [fileURLToPath(new URL(script.name, SCRIPTS)), ...script.args],
    env: { PYTHONPATH: script.path, PYTHONDONTWRITEBYTECODE: '1' },
    restart: script.restart,
  })
  addChecks(test, title, outcome)
}

async function checkServer(protocol: 2 | 3, path: string): Promise<void> {
  const port = await freePort()
  const server = new TestServer([`network.external.port=${port}`])
  try {
    await server.start()
    const args = [String(port), String(protocol)]
    const restart = () => server.restart()
    await check(`RESP${protocol}`, { name: 'redis_client.py', args, path, restart })
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
    await check(`cluster, RESP${protocol}`, { name: 'redis_cluster.py', args, path, restart })
  })
}

const path = await installedOrSkip('redis', VERSION)
if (path !== undefined) {
  await Promise.all([checkServer(2, path), checkServer(3, path)])
  await Promise.all([checkCluster(2, path), checkCluster(3, path)])
}

test.run()
