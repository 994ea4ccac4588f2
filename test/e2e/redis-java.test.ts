/**
 * The cluster modes of Jedis and lettuce against two members, in both protocols. The checks
 * themselves are Java, a Maven project in `test/clients/java`; each is a test here.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import { addChecks, runChecks } from '../support/client-checks.js'
import { reportSkip } from '../support/outcome.js'
import { served, withRedisPair } from '../support/redis-pair.js'
import { repositoryFiles, repositoryText } from '../support/repository.js'

const PROJECT = fileURLToPath(new URL('../../../test/clients/java/', import.meta.url))
const BUILD = fileURLToPath(new URL('../../java/', import.meta.url))
const BUILD_LIMIT_MS = 180_000

const test = suite('Jedis and lettuce')

/** What the project is built from, as a hash. */
function sourcesHash(): string {
  const hash = createHash('sha256')
  for (const path of repositoryFiles()) {
    if (path.startsWith('test/clients/java/')) hash.update(path).update(repositoryText(path))
  }
  return hash.digest('hex')
}

/** Compiles the project, unless that is done. @returns false, with a line that says why, when Maven
 *  cannot be used @throws Error with what the compiler says */
function buildOrSkip(): boolean {
  const stamp = join(BUILD, 'built')
  const hash = sourcesHash()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return true
  const goals = ['compile', 'dependency:copy-dependencies', `-Dbuild.folder=${BUILD}`]
  const options = { cwd: PROJECT, encoding: 'utf8' as const, timeout: BUILD_LIMIT_MS }
  const { error, status, stdout } = spawnSync('mvn', ['-q', '-B', ...goals], options)
  if (status === 0) {
    writeFileSync(stamp, hash)
    return true
  }
  if (stdout?.includes('COMPILATION ERROR')) throw new Error(stdout)
  const failure = stdout?.split('\n').find(line => line.includes('[ERROR]'))
  const reason = error === undefined ? failure : 'Maven (mvn) is not installed'
  reportSkip('Jedis and lettuce', reason ?? `mvn ended with ${status}`)
  return false
}

async function check(library: 'jedis' | 'lettuce', protocol: 2 | 3): Promise<void> {
  const path = [join(BUILD, 'classes'), join(BUILD, 'lib', '*')].join(':')
  await withRedisPair(async pair => {
    const own = [library, String(pair[protocol - 2]!.port), String(protocol)]
    const outcome = await runChecks({
      program: 'java',
      args: ['-cp', path, '-Dstdout.encoding=UTF-8', 'kronotop.ClusterChecks', ...own],
      restart: async () => {
        for (const { server } of pair) await server.restart()
        await served(pair)
      },
    })
    addChecks(test, `${library}, RESP${protocol}`, outcome)
  })
}

if (buildOrSkip()) {
  await Promise.all([check('jedis', 2), check('lettuce', 3)])
  await Promise.all([check('jedis', 3), check('lettuce', 2)])
}

test.run()
